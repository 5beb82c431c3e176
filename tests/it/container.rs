//! Containerfile without a container engine: what its second stage copies is laid out as in the
//! image, the program trains there in an empty environment, and every library that it needs beside
//! is in a package that the stage installs.

use crate::sweep::{Place, SPEC, copy_program, stderr};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The libtorch of this build.
fn libtorch() -> PathBuf {
    std::env::var_os("LIBTORCH").map_or_else(|| Path::new(ROOT).join(".libtorch"), PathBuf::from)
}

/// The packages of Debian 12 that have these libraries; libc6 is part of its smallest image.
const PACKAGES: [(&str, &[&str]); 3] = [
    (
        "libc6",
        &[
            "libc.so.6",
            "libm.so.6",
            "libdl.so.2",
            "libpthread.so.0",
            "librt.so.1",
            "libutil.so.1",
            "ld-linux-x86-64.so.2",
        ],
    ),
    ("libgcc-s1", &["libgcc_s.so.1"]),
    ("libstdc++6", &["libstdc++.so.6"]),
];

#[test]
fn the_image_trains() {
    let text = std::fs::read_to_string(Path::new(ROOT).join("Containerfile")).unwrap();
    let last = text.split("\nFROM ").last().unwrap();
    let place = Place::new(SPEC);
    let copies: Vec<(&str, &str)> =
        last.lines().filter_map(|line| line.strip_prefix("COPY --from=build /src/")?.split_once(' ')).collect();
    assert_eq!(copies.len(), 3, "{last}");
    for (from, to) in copies {
        let source = match from.strip_prefix(".libtorch/") {
            Some(part) => Some(libtorch().join(part)),
            None if from == "target/release/blowup" => None,
            None => panic!("{from}"),
        };
        let target = place.path(to.trim_start_matches('/'));
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        match source {
            // A program knows its own place, so it is copied; its libraries may be linked.
            None => copy_program(&target),
            Some(source) if source.exists() => symlink(source, target).unwrap(),
            Some(_) => assert!(from.ends_with("/licenses"), "{from}: `make libtorch` fetches it"),
        }
    }
    let path = last.lines().find_map(|line| line.strip_prefix("ENV PATH=")).unwrap();
    let bin = path.split(':').next().unwrap().trim_start_matches('/');
    assert!(last.ends_with("ENTRYPOINT [\"blowup\"]\n"));
    let program = place.path(bin).join("blowup");
    let run = Command::new(&program)
        .current_dir(place.dir.path())
        .args(["sweep", "t.toml", "--out", "r", "--quiet"])
        .env_clear()
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(place.read("r/runs.csv").lines().count(), 1 + 48);

    let installed = last.lines().find(|line| line.contains("apt-get install")).unwrap();
    let known: Vec<&str> = PACKAGES
        .iter()
        .filter(|(package, _)| *package == "libc6" || installed.contains(&format!(" {package} ")))
        .flat_map(|(_, libraries)| libraries.iter().copied())
        .collect();
    let lib = libtorch().join("lib");
    for file in [program, lib.join("libtorch_cpu.so"), lib.join("libc10.so")] {
        let listed = Command::new("ldd").arg(&file).env_clear().env("LD_LIBRARY_PATH", &lib).output().unwrap();
        for line in String::from_utf8(listed.stdout).unwrap().lines().map(str::trim) {
            let name = Path::new(line.split(' ').next().unwrap()).file_name().unwrap().to_str().unwrap();
            let own = lib.join(name).exists() || name.starts_with("linux-vdso");
            assert!(own || known.contains(&name), "{}: {line}", file.display());
        }
    }
}
