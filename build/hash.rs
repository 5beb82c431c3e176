// What tells one build from another. The build scripts of the program and of its engine share it,
// since both must come to the same.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is hashed, from the folder of the workspace: the sources that compute, the data that is
/// compiled in, and the versions of the dependencies.
pub const HASHED: [&str; 4] = ["crates/core/src", "crates/engine/src", "experiments/data", "Cargo.lock"];

/// What only looks at finished rows, or talks to people. Everything else may change the bits of a
/// row, or which trials a shard has.
const HARMLESS: [&str; 5] = ["check", "failure.rs", "log.rs", "merge.rs", "summary"];

/// A hash of `HASHED`, of the compiler and of its flags. It is the same for the same contents in
/// any folder. `root` is the folder of the workspace.
pub fn build(root: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    for name in HASHED {
        println!("cargo::rerun-if-changed={}", root.join(name).display());
        for file in files(&root.join(name)) {
            let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
            (name, std::fs::read(&file).unwrap_or_default()).hash(&mut hasher);
        }
    }
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    Command::new(rustc).arg("-vV").output().map(|output| output.stdout).unwrap_or_default().hash(&mut hasher);
    for name in ["OPT_LEVEL", "TARGET", "CARGO_CFG_TARGET_FEATURE", "CARGO_ENCODED_RUSTFLAGS"] {
        std::env::var(name).unwrap_or_default().hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// A file, or the files below a folder, sorted.
fn files(path: &Path) -> Vec<PathBuf> {
    if !path.is_dir() {
        return vec![path.to_owned()];
    }
    let harmless = |path: &Path| HARMLESS.iter().any(|name| path.ends_with(Path::new("core/src").join(name)));
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<PathBuf> = entries.filter(|path| !harmless(path)).flat_map(|path| files(&path)).collect();
    all.sort();
    all
}

/// The folder of the libtorch that is linked with.
pub fn libtorch() -> PathBuf {
    println!("cargo::rerun-if-env-changed=LIBTORCH");
    PathBuf::from(std::env::var("LIBTORCH").unwrap_or_default())
}

/// What that libtorch says of its own version: part of the fingerprint of every result.
pub fn version() -> String {
    let file = libtorch().join("build-version");
    println!("cargo::rerun-if-changed={}", file.display());
    match std::fs::read_to_string(&file) {
        Ok(text) if !text.trim().is_empty() => text.trim().to_string(),
        _ => "of unknown version".to_string(),
    }
}
