//! Tells the engine which build it is and which libtorch it was built with, and compiles what calls
//! libtorch's dispatcher.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "cargo is told on stdout, and the files are the project's own"
)]

#[path = "../../build/hash.rs"]
mod hash;

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=../../build/hash.rs");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    println!("cargo::rustc-env=BLOWUP_BUILD={}", hash::build(&root));
    println!("cargo::rustc-env=BLOWUP_LIBTORCH={}", hash::version());
    let include = hash::libtorch().join("include");
    for file in ["graph.cpp", "view.h"] {
        println!("cargo::rerun-if-changed=src/bundle/{file}");
    }
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .define("_GLIBCXX_USE_CXX11_ABI", "1")
        .includes([include.join("torch/csrc/api/include"), include])
        .warnings(false)
        .file("src/bundle/graph.cpp")
        .compile("blowup_graph");
    // The tests of this crate look for libtorch beside `target/`, then where this build found it.
    for place in ["$ORIGIN/../../../.libtorch".to_owned(), hash::libtorch().display().to_string()] {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{place}/lib");
    }
    // The library is a part of the program's data, and debug information would make it twelve times
    // as large.
    println!("cargo::rustc-cdylib-link-arg=-Wl,--strip-debug");
}
