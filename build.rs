//! Tells the program which build it is and where cargo puts its engine, and lets its tests find
//! libtorch without LD_LIBRARY_PATH.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "cargo is told on stdout, and the files are the project's own"
)]

#[path = "build/hash.rs"]
mod hash;

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build/hash.rs");
    println!("cargo::rustc-env=BLOWUP_BUILD={}", hash::build(Path::new(env!("CARGO_MANIFEST_DIR"))));
    // For libtorch's MKL to find it: see crates/core/src/mkl.rs.
    println!("cargo::rustc-link-arg=-Wl,--undefined=mkl_serv_intel_cpu_true");
    println!("cargo::rustc-link-arg=-Wl,--export-dynamic-symbol=mkl_serv_intel_cpu_true");
    if std::env::var_os("CARGO_FEATURE_ENGINE").is_none() {
        println!("cargo::rustc-env=BLOWUP_LIBTORCH=none");
        return;
    }
    println!("cargo::rustc-env=BLOWUP_LIBTORCH={}", hash::version());
    println!("cargo::rustc-env=BLOWUP_LIBTORCH_FOLDER={}", hash::libtorch().display());
    // target/release/build/blowup-0123/out, beside target/release/deps.
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    let deps = out.ancestors().nth(3).expect("cargo's folder of a profile").join("deps");
    println!("cargo::rustc-env=BLOWUP_ENGINE_FILE={}", deps.join("libblowup_engine.so").display());
    // Tests and benchmarks train in their own process. They look for `.libtorch/` beside `target/`
    // first, from target/release/deps/, since the checkout may be moved; then for a libtorch of the
    // user's own, or beside a target folder somewhere else.
    for place in ["$ORIGIN/../../../.libtorch".to_owned(), hash::libtorch().display().to_string()] {
        for kind in ["tests", "benches"] {
            println!("cargo::rustc-link-arg-{kind}=-Wl,-rpath,{place}/lib");
        }
    }
}
