//! A line that names what the bits of a result depend on besides its trial. Where two fingerprints
//! are equal, the bits of a trial are equal; where they differ, the bits may differ. It is taken in
//! the worker, from the libraries that the worker has loaded.
//!
//! It names:
//!
//! - the sources that compute, with their dependencies and the compiler;
//! - libtorch, by the version that blowup was built with and by the size of the loaded file, which
//!   tells another build of that version;
//! - the C library, which computes exp, log and cos;
//! - the CPU's maker and the vector extensions by which libtorch and MKL choose their kernels;
//! - the two modes that a worker sets;
//! - the GPU with the library that drives it.
//!
//! The variables of the environment that could choose other kernels are set or removed
//! (`ENVIRONMENT`, `FOREIGN_ENVIRONMENT`). The line does not name what changes no bit: the number
//! of cores, their clock and caches, the kernel and the host.

use super::{device, loaded};

/// The version of the libtorch that the program was built against, from its `build-version` file.
pub const LIBTORCH: &str = env!("BLOWUP_LIBTORCH");

/// A hash of all sources that compute, taken when the program was built: see build.rs.
const BUILD: &str = env!("BLOWUP_BUILD");

/// Returns the fingerprint of this process, as the manifest records it.
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
        // SAFETY: the function returns a static text that ends with a 0.
        let version = unsafe { std::ffi::CStr::from_ptr(gnu_get_libc_version()) };
        format!("glibc {}", version.to_string_lossy())
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    std::env::consts::OS.to_owned()
}

#[cfg(target_arch = "x86_64")]
fn cpu() -> String {
    use std::arch::is_x86_feature_detected as has;
    // These are the questions by which libtorch and MKL choose.
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
