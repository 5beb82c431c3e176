//! What the bits of a result depend on besides its trial, in one line: where two fingerprints are the same, so are the bits of a trial; where they
//! differ, the bits may. Taken in the worker, of the libraries that it has really loaded.
//!
//! It names: the sources that compute (with their dependencies and the compiler), libtorch (its version when blowup was built, and its size as
//! loaded, which tells another build of that version), the C library (exp, log and cos come from it), the CPU's maker and the vector extensions by
//! which libtorch and MKL choose their kernels, the two modes that a worker sets, and a GPU with the library that drives it. What else could choose kernels, variables of the
//! environment, is set or taken out (`ENVIRONMENT`, `FOREIGN_ENVIRONMENT`). It does not name what changes no bit: the number of cores, their clock and
//! caches, the kernel, the host.

use super::{device, loaded};

/// The version of the libtorch that the program was built against, as its `build-version` file says.
pub const LIBTORCH: &str = env!("BLOWUP_LIBTORCH");

/// A hash of everything at build time; see build.rs.
const BUILD: &str = env!("BLOWUP_BUILD");

pub fn fingerprint() -> String {
    let version = env!("CARGO_PKG_VERSION");
    let size = |name| loaded::path(name).and_then(|path| Some(std::fs::metadata(path).ok()?.len()));
    let sized = |name| size(name).map(|bytes| format!(" of {bytes} bytes")).unwrap_or_default();
    let gpu =
        device::gpu().map(|gpu| format!(", {gpu} by libtorch_cuda{}", sized("libtorch_cuda.so"))).unwrap_or_default();
    format!(
        "blowup {version} build {BUILD}, libtorch {LIBTORCH}{}, {}, {}, MKL by instruction set, denormals flushed{gpu}{}",
        sized("libtorch_cpu.so"),
        c_library(),
        cpu(),
        if device::is_plain() { ", no fused passes" } else { "" },
    )
}

fn c_library() -> String {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn gnu_get_libc_version() -> *const std::ffi::c_char;
        }
        // SAFETY: returns a static string.
        let version = unsafe { std::ffi::CStr::from_ptr(gnu_get_libc_version()) };
        format!("glibc {}", version.to_string_lossy())
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    std::env::consts::OS.to_owned()
}

#[cfg(target_arch = "x86_64")]
fn cpu() -> String {
    use std::arch::is_x86_feature_detected as has;
    // As libtorch and MKL ask for them.
    let avx2 = has!("avx2") && has!("fma");
    let avx512 = avx2 && has!("avx512f") && has!("avx512vl") && has!("avx512bw") && has!("avx512dq");
    let extensions = match (avx512, avx2) {
        (true, _) if has!("avx512vnni") => "AVX-512 VNNI",
        (true, _) => "AVX-512",
        (false, true) => "AVX2",
        (false, false) => "no AVX2",
    };
    format!("{} {extensions}", String::from_utf8_lossy(&blowup_core::mkl::cpu_maker()))
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu() -> String {
    std::env::consts::ARCH.to_owned()
}
