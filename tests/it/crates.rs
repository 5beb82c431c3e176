//! What is linked with what: only training needs libtorch, and everything that computes changes the
//! hash of a build.

use crate::sweep::{Place, children};
use std::fs;
use std::path::Path;

#[path = "../../build/hash.rs"]
#[expect(dead_code, reason = "the build scripts use the rest")]
mod hash;

const SPEC: &str = "name='t'\nepochs=1\nseeds=2\ntask={kind='noise',samples=8}\n[[grid]]\nlr=[0.1,0.2]\n[[expect]]\nmetric='divergence_rate'\nmax=1\n";

#[test]
fn what_trains_nothing_needs_no_libtorch() {
    let place = Place::new(SPEC);
    for shard in ["1/2", "2/2"] {
        place.ok(&format!("sweep t.toml --out r --shard {shard}"));
    }
    let without = |args: &str| {
        let mut command = place.command(args);
        let output = command.env("LIBTORCH", "/nowhere").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), text)
    };
    for args in [
        "--version",
        "--help",
        "schema",
        "sweep t.toml --out other --dry-run",
        "merge merged r/shard-1-of-2 r/shard-2-of-2",
        "check merged",
        "plot merged",
        "slurm t.toml --shards 2 --out jobs",
    ] {
        let (status, text) = without(args);
        assert_eq!(status, Some(0), "{args}: {text}");
    }
    let (status, text) = without("sweep t.toml --out other");
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("error: there is no libtorch in `/nowhere`\nhint: `make libtorch` fetches"), "{text}");
    let id = fs::read_to_string(place.path("merged/runs.csv")).unwrap().lines().nth(1).unwrap()[..13].to_owned();
    let (status, text) = without(&format!("replay merged {id}"));
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("hint: `make libtorch` fetches"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
fn the_parent_of_a_sweep_holds_no_libtorch() {
    let place = Place::new(SPEC);
    let mut sweep = place.start_held();
    let holds = |pid: u32| fs::read_to_string(format!("/proc/{pid}/maps")).unwrap().contains("libtorch_cpu.so");
    assert!(!holds(sweep.id()));
    assert!(children(sweep.id()).into_iter().all(holds));
    place.go();
    assert_eq!(sweep.wait().unwrap().code(), Some(0));
}

#[test]
fn a_build_is_told_by_all_that_computes_and_by_nothing_else() {
    let tree = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put("Cargo.lock", "1");
    let mut builds = vec![hash::build(tree.path())];
    for name in ["Cargo.lock", "crates/core/src/spec/mod.rs", "crates/engine/src/lib.rs", "experiments/data/digits.csv"]
    {
        put(name, "2");
        builds.push(hash::build(tree.path()));
    }
    let distinct: std::collections::HashSet<&String> = builds.iter().collect();
    assert_eq!(distinct.len(), builds.len());
    for name in ["crates/core/src/check/mod.rs", "src/main.rs", "README.md"] {
        put(name, "2");
        assert_eq!(hash::build(tree.path()), *builds.last().unwrap(), "{name}");
    }
}

/// Every file that a source which computes includes lies in a folder that is hashed.
#[test]
fn what_is_compiled_in_is_hashed() {
    fn sources(folder: &Path, each: &mut dyn FnMut(&Path, &str)) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, each);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                each(&path, &fs::read_to_string(&path).unwrap());
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().unwrap();
    let mut found = 0;
    sources(&root.join("crates"), &mut |path, text| {
        for part in ["include_bytes!(\"", "include_str!(\""].iter().flat_map(|start| text.split(start).skip(1)) {
            let file = path.parent().unwrap().join(part.split('"').next().unwrap()).canonicalize().unwrap();
            let name = file.strip_prefix(&root).unwrap();
            assert!(hash::HASHED.iter().any(|hashed| name.starts_with(hashed)), "{}", name.display());
            found += 1;
        }
    });
    assert!(found > 0);
}
