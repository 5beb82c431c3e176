//! Lets the program and its tests find libtorch without LD_LIBRARY_PATH.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "cargo is told on stdout, and the files are the project's own"
)]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

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
    println!("cargo::rustc-env=BLOWUP_BUILD={:016x}", build());
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

/// What only looks at finished rows, or talks to people. Everything else in `src/` may change the bits of a row, or which trials a shard has.
const HARMLESS: [&str; 13] = [
    "check",
    "cli.rs",
    "command",
    "failure.rs",
    "figures",
    "log.rs",
    "main.rs",
    "merge.rs",
    "progress.rs",
    "replay",
    "report",
    "slurm",
    "summary",
];

/// A hash of the sources that compute, the versions of the dependencies, the compiler and its flags: the same for the same in any folder.
fn build() -> u64 {
    let mut hasher = DefaultHasher::new();
    println!("cargo::rerun-if-changed=src");
    println!("cargo::rerun-if-changed=Cargo.lock");
    for file in sources(Path::new("src")).iter().map(PathBuf::as_path).chain([Path::new("Cargo.lock")]) {
        (file.to_string_lossy(), std::fs::read(file).unwrap_or_default()).hash(&mut hasher);
    }
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    Command::new(rustc).arg("-vV").output().map(|output| output.stdout).unwrap_or_default().hash(&mut hasher);
    for name in ["OPT_LEVEL", "TARGET", "CARGO_CFG_TARGET_FEATURE", "CARGO_ENCODED_RUSTFLAGS"] {
        std::env::var(name).unwrap_or_default().hash(&mut hasher);
    }
    hasher.finish()
}

/// The files below a folder, sorted.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files = Vec::new();
    for path in entries.map(|entry| entry.path()) {
        let harmless = HARMLESS.iter().any(|name| path == Path::new("src").join(name));
        match path.is_dir() {
            _ if harmless => {}
            true => files.extend(sources(&path)),
            false => files.push(path),
        }
    }
    files.sort();
    files
}
