//! Lets the program and its tests find libtorch without LD_LIBRARY_PATH.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    // `.libtorch/` beside `target/`, seen from target/release/ and from target/release/deps/: the checkout may be moved.
    for up in ["../..", "../../.."] {
        println!("cargo::rustc-link-arg=-Wl,-rpath,$ORIGIN/{up}/.libtorch/lib");
    }
    // A libtorch of the user's own, or a target folder somewhere else.
    if let Ok(libtorch) = std::env::var("LIBTORCH") {
        let lib = Path::new(&libtorch).join("lib");
        println!("cargo::rustc-link-arg=-Wl,-rpath,{}", lib.display());
    }
    println!("cargo::rustc-env=BLOWUP_LIBTORCH={}", version());
    // The parent process calls nothing in libtorch, but the workers are the same program.
    println!("cargo::rustc-link-arg=-Wl,--no-as-needed");
    // For libtorch's MKL to find it: see src/engine/mkl.rs.
    println!("cargo::rustc-link-arg=-Wl,--undefined=mkl_serv_intel_cpu_true");
    println!("cargo::rustc-link-arg=-Wl,--export-dynamic-symbol=mkl_serv_intel_cpu_true");
}

/// What the libtorch linked against says of its own version: part of the fingerprint of every result.
fn version() -> String {
    let folder = std::env::var("LIBTORCH").unwrap_or_default();
    let file = Path::new(&folder).join("build-version");
    println!("cargo::rerun-if-changed={}", file.display());
    match std::fs::read_to_string(&file) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_string(),
        _ => "of unknown version".to_string(),
    }
}
