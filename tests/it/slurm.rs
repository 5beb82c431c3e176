//! `blowup slurm` without a Slurm: what it writes and what it shows. `make slurm` runs it on a real
//! one.

use crate::sweep::{Place, SPEC, stderr, wait_for};
use blowup::slurm::script::{arrays, quoted};
use blowup_core::merge::ranges;
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn arrays_have_every_shard_once_and_no_number_above_the_limit(
        shards in proptest::collection::btree_set(1u32..60, 0..60), most in 1u32..20,
    ) {
        let shards: Vec<u32> = shards.into_iter().collect();
        let mut found = Vec::new();
        for array in arrays(&shards, most) {
            for range in array.tasks.split(',') {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let (first, last): (u32, u32) = (first.parse().unwrap(), last.parse().unwrap());
                prop_assert!(1 <= first && last <= most);
                found.extend((first..=last).map(|task| task + array.offset));
            }
        }
        prop_assert_eq!(ranges(&found), ranges(&shards));
    }
}

#[test]
fn any_text_is_one_word_of_the_shell() {
    for text in ["a b", "it's", "$HOME `x` \"y\" \\", "'", ""] {
        let output =
            std::process::Command::new("sh").args(["-c", &format!("printf %s {}", quoted(text))]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
    }
}

/// Writes programs with the names of Slurm's that report how they were called.
fn mock(place: &Place, name: &str, script: &str) {
    std::fs::create_dir_all(place.path("bin")).unwrap();
    place.write(&format!("bin/{name}"), &format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(place.path(&format!("bin/{name}")), std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn with_mocks(place: &Place, args: &str) -> std::process::Output {
    let path = format!("{}:/usr/bin:/bin", place.path("bin").display());
    place.command(args).env("PATH", path).output().unwrap()
}

#[test]
fn an_array_larger_than_the_site_allows_is_split_and_the_merge_waits_for_all_parts() {
    let place = Place::new(SPEC);
    mock(&place, "scontrol", "echo 'MaxArraySize            = 4'");
    mock(
        &place,
        "sbatch",
        "for a; do printf '<%s>' \"$a\"; done >>../../calls; echo >>../../calls; wc -l <../../calls",
    );
    let output =
        with_mocks(&place, "slurm t.toml --shards 7 --out r --submit -- --account=a --time 1:00:00 --mem-per-cpu=1G");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "array 1: shards 1-3\narray 2: shards 4-6\narray 3: shards 7\nmerge 4\n");
    let calls = place.read("calls").replace(&format!("{}", place.dir.path().canonicalize().unwrap().display()), "");
    let common = "<--parsable><--job-name=blowup-t><--output=/r/slurm/log/%A.out><--account=a><--time><1:00:00><--mem-per-cpu=1G>";
    let expected = [
        format!("{common}<--array=1-3><shards.sh><0>\n"),
        format!("{common}<--array=1-3><shards.sh><3>\n"),
        format!("{common}<--array=1><shards.sh><6>\n"),
        format!("{common}<--ntasks=1><--cpus-per-task=1><--dependency=afterany:1:2:3><merge.sh>\n"),
    ];
    assert_eq!(calls, expected.concat());
}

#[test]
fn a_task_trains_its_shard_and_the_merge_refuses_until_all_are_done() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    let said = place.ok("slurm t.toml --shards 3 --out r --max-array-size 3");
    assert_eq!(said, "r/slurm/submit.sh\n");
    let sh = |script: &str, argument: &str, task: &str| {
        let mut command = place.command("");
        let program = std::mem::replace(&mut command, std::process::Command::new("sh"));
        drop(program);
        command.current_dir("/").arg(place.path(&format!("r/slurm/{script}"))).arg(argument);
        command.env("SLURM_ARRAY_TASK_ID", task).env("SLURM_CPUS_PER_TASK", "2").status().unwrap().code()
    };
    let state = |line: &str| {
        let said = place.ok("slurm --status r");
        assert!(said.starts_with(&format!("r: 3 shards: {line}\n")), "{said}");
        said
    };
    state("0 done, 0 running, 0 failed, 3 missing; not merged");
    assert_eq!((sh("shards.sh", "0", "1"), sh("shards.sh", "2", "1")), (Some(0), Some(0)));
    let said = state("2 done, 0 running, 0 failed, 1 missing; not merged");
    assert!(said.contains("     2  missing"), "{said}");
    assert_eq!(place.ok("slurm t.toml --shards 3 --out r --status"), said);
    assert_eq!(sh("merge.sh", "", ""), Some(2));
    assert!(place.read("r/slurm/log/merge.log").contains("shard 2 of 3 is missing"));
    // The same command again submits what is missing.
    let output = place.run("slurm t.toml --shards 3 --out r --max-array-size 3");
    assert_eq!(stderr(&output), "2 of 3 shards done; 1 to submit, then the merge\n");
    assert!(place.read("r/slurm/submit.sh").contains("\narray 2 0 2\n"), "{}", place.read("r/slurm/submit.sh"));
    assert_eq!((sh("shards.sh", "0", "2"), sh("merge.sh", "", "")), (Some(0), Some(0)));
    state("3 done, 0 running, 0 failed, 0 missing; merged");
    assert_eq!(place.read("r/runs.csv"), expected);
}

#[test]
fn the_status_tells_running_failed_and_missing_apart() {
    let place = Place::new(SPEC);
    place.ok("slurm t.toml --shards 4 --out r");
    place.ok("sweep t.toml --quiet --out r --shard 1/4");
    place.ok("sweep t.toml --quiet --out r --shard 2/4 --where seed=0");
    place.write("r/slurm/exit/shard-3", "2\n");
    let mut held = place.held("sweep t.toml --quiet --out r --shard 4/4", 0).spawn().unwrap();
    wait_for("the fourth shard to begin", || place.path("r/shard-4-of-4/manifest.toml").exists());
    let said = place.ok("slurm --status r");
    held.kill().unwrap();
    held.wait().unwrap();
    assert!(said.starts_with("r: 4 shards: 1 done, 1 running, 2 failed, 0 missing; not merged\n"), "{said}");
    let line = |shard: u32| said.lines().find(|line| line.starts_with(&format!("{shard:>6} "))).unwrap().to_owned();
    assert!(line(2).contains("failed") && line(2).contains("ended without a word"), "{said}");
    assert!(line(3).contains("failed") && line(3).contains("could not run"), "{said}");
    assert!(line(4).contains("running"), "{said}");
    let killed = place.ok("slurm --status r");
    assert!(killed.starts_with("r: 4 shards: 1 done, 0 running, 3 failed, 0 missing"), "{killed}");
}

#[test]
fn what_slurm_cannot_do_is_refused() {
    let place = Place::new(SPEC);
    let check = |args: &str, expected: &str| {
        let error = place.refused(args);
        assert!(error.contains(expected), "{args}\n{error}");
    };
    check("slurm t.toml", "--shards");
    check("slurm t.toml --shards 0", "--shards");
    check("slurm missing.toml --shards 2", "`missing.toml`");
    check("slurm t.toml --shards 2 -- --array=1-9", "`--array=1-9` is for `blowup slurm` to set");
    check("slurm t.toml --shards 2 -- -d afterok:1", "`-d` is for `blowup slurm` to set");
    check("slurm --status nowhere", "`nowhere`");
    assert!(!place.path("results").exists());
    place.ok("slurm t.toml --shards 2 --out r");
    check("slurm t.toml --shards 3 --out r", "`r` has shards of a sweep in 2, not in 3");
    place.ok("sweep t.toml --quiet --out r --shard 1/2");
    place.write("t.toml", &SPEC.replace("points=6", "points=5"));
    check("slurm t.toml --shards 2 --out r", "`r/shard-1-of-2` is a shard of another grid");
    place.ok("sweep t.toml --quiet --out r --shard 1/3");
    check("slurm --status r", "has shards of two sweeps, in 2 and in 3");
    check("slurm --status .", "`.` has no shards");
}
