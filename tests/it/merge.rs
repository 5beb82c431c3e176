//! Shards and merge: the pure parts are compared with an oracle, and then the real program runs.

use crate::sweep::{Place, SPEC, stderr};
use blowup_core::merge::{Owners, ranges};
use blowup_core::store::sums;
use blowup_core::trial::TrialId;
use proptest::prelude::*;
use std::collections::BTreeMap;

const FILES: [&str; 5] = ["runs.csv", "summary.csv", "epochs.csv", "layers.csv", "steps.csv"];
const RECORD: &str = "[record]\nepochs=true\nsteps=4\nlayers=[0, 2]\n";

fn id(n: u64) -> TrialId {
    TrialId::parse(&format!("t{n:012x}")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn owners_are_those_of_a_map_and_overlaps_are_found(
        shards in proptest::collection::vec(proptest::collection::btree_set(0u64..60, 0..20), 1..6),
        grid in proptest::collection::btree_set(0u64..60, 0..60),
    ) {
        let rows = || (0..).zip(&shards).flat_map(|(at, ids)| ids.iter().map(move |n| (id(*n), at)));
        let mut oracle: BTreeMap<TrialId, Vec<u32>> = BTreeMap::new();
        rows().for_each(|(trial, at)| oracle.entry(trial).or_default().push(at));
        let doubles = oracle.iter().filter(|(_, owners)| owners.len() > 1);
        match (Owners::new(rows()), doubles.clone().next()) {
            (Ok(owners), None) => {
                for n in 0..60 {
                    prop_assert_eq!(owners.of(id(n)), oracle.get(&id(n)).map(|owners| owners[0]));
                }
                let foreign = oracle.iter().find(|(trial, _)| !grid.iter().any(|n| id(*n) == **trial));
                prop_assert_eq!(owners.foreign(grid.iter().map(|n| id(*n))), foreign.map(|(trial, at)| (*trial, at[0])));
                prop_assert_eq!(owners.len(), oracle.len());
            }
            (Err((trial, [a, b], count)), Some((first, owners))) => {
                prop_assert_eq!((trial, a, b), (*first, owners[0], owners[1]));
                prop_assert_eq!(count, doubles.map(|(_, owners)| owners.len() - 1).sum::<usize>());
            }
            (found, expected) => prop_assert!(false, "{:?} {:?}", found.err(), expected),
        }
    }

    #[test]
    fn ranges_name_every_number_once(numbers in proptest::collection::btree_set(1u32..50, 1..40)) {
        let numbers: Vec<u32> = numbers.into_iter().collect();
        let named = ranges(&numbers).split(", ").flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            first.parse::<u32>().unwrap()..=last.parse::<u32>().unwrap()
        }).collect::<Vec<_>>();
        prop_assert_eq!(named, numbers);
    }
}

impl Place {
    fn shard(&self, index: u32, count: u32) {
        self.ok(&format!("sweep t.toml --quiet --out r --shard {index}/{count}"));
    }

    /// All the folders `r/shard-I-of-N`.
    fn shards(&self, count: u32) -> String {
        (1..=count).map(|index| format!(" r/shard-{index}-of-{count}")).collect()
    }

    fn same_files(&self, a: &str, b: &str) {
        for file in FILES.into_iter().filter(|file| self.path(&format!("{b}/{file}")).exists()) {
            assert_eq!(self.read(&format!("{a}/{file}")), self.read(&format!("{b}/{file}")), "{file}");
        }
    }
}

#[test]
fn merged_shards_have_the_bytes_of_the_sweep_in_one_piece() {
    let place = Place::new(&format!("{SPEC}{RECORD}"));
    place.undisturbed();
    for count in [1, 3] {
        (1..=count).for_each(|index| place.shard(index, count));
        let out = format!("m{count}");
        let said = place.ok(&format!("merge {out}{}", place.shards(count)));
        assert!(said.contains("48 trials"), "{said}");
        place.same_files(&out, "undisturbed");
        let mut names: Vec<_> = std::fs::read_dir(place.path(&out)).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        let mut expected: Vec<_> =
            std::fs::read_dir(place.path("undisturbed")).unwrap().map(|e| e.unwrap().file_name()).collect();
        expected.sort();
        assert_eq!(names, expected);
    }
    // The merge is done again, and into the folder above the shards. The merged folder is a sweep
    // like any other.
    place.ok(&format!("merge m3{}", place.shards(3)));
    place.ok(&format!("merge r{}", place.shards(3)));
    place.same_files("r", "undisturbed");
    let output = place.run("sweep t.toml --out r");
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    place.same_files("r", "undisturbed");
}

#[test]
fn a_shard_is_interrupted_and_resumed_like_a_sweep_and_knows_what_it_is() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    place.ok("sweep t.toml --quiet --out r --shard 1/2 --where lr=0.001..1");
    let partial = place.read("r/shard-1-of-2/runs.csv");
    assert!(place.read("r/shard-1-of-2/manifest.toml").contains("status = \"partial\"\nshard = \"1/2\""));
    let error = place.refused(&format!("merge m{}", place.shards(1).replace("-1-of-1", "-1-of-2")));
    assert!(error.contains("shard 1/2 in `r/shard-1-of-2` is not finished"), "{error}");
    place.shard(1, 2);
    let whole = place.read("r/shard-1-of-2/runs.csv");
    assert!(partial.lines().all(|row| whole.contains(row)) && whole.len() > partial.len());
    // Which trials a shard has does not depend on the rows that are there, and every row is that of
    // the whole sweep.
    assert!(whole.lines().all(|row| expected.contains(row)));
    for (args, said) in [
        ("sweep t.toml --out r/shard-1-of-2", "`r/shard-1-of-2` holds shard 1/2, not a whole sweep"),
        ("sweep t.toml --shard 0/2", "1 <= I <= N"),
        ("sweep t.toml --shard slurm", "`SLURM_ARRAY_TASK_ID` is not set"),
    ] {
        let error = place.refused(args);
        assert!(error.contains(said), "{args}\n{error}");
    }
    std::fs::create_dir(place.path("x")).unwrap();
    std::fs::rename(place.path("undisturbed"), place.path("x/shard-2-of-2")).unwrap();
    let error = place.refused("sweep t.toml --out x --shard 2/2");
    assert!(error.contains("holds a whole sweep"), "{error}");
}

#[test]
fn what_does_not_fit_together_is_refused_by_name() {
    let place = Place::new(SPEC);
    (1..=3).for_each(|index| place.shard(index, 3));
    place.shard(1, 2);
    place.ok("sweep t.toml --quiet --out whole");
    place.write("other.toml", &SPEC.replace("points=6", "points=5"));
    place.ok("sweep other.toml --quiet --out other --shard 3/3");
    place.write("recorded.toml", &format!("{SPEC}[record]\nsteps=2\n"));
    place.ok("sweep recorded.toml --quiet --out recorded --shard 3/3");
    let check = |args: &str, expected: &str| {
        let error = place.refused(&format!("merge {args}"));
        assert!(error.contains(expected), "{args}\n{error}");
        assert!(!place.path("m").exists(), "{args}");
    };
    let (one, two) = ("r/shard-1-of-3", "r/shard-2-of-3");
    check(&format!("m {one}"), "shards 2-3 of 3 are missing");
    check(&format!("m {one} {two}"), "shard 3 of 3 is missing");
    check(&format!("m {one} {two} {one}"), "shard 1/3 is named twice: `r/shard-1-of-3` and `r/shard-1-of-3`");
    check(&format!("m {one} r/shard-1-of-2"), "are of different splits");
    check(&format!("m {one} {two} other/shard-3-of-3"), "are of different grids");
    check(&format!("m {one} {two} recorded/shard-3-of-3"), "recorded different things");
    check(&format!("m {one} whole"), "`whole` is a whole sweep, not a shard");
    check(&format!("m whole {one}"), "`whole` is a whole sweep, not a shard");
    check(&format!("m {one} nowhere"), "there is no folder `nowhere`");
    check(&format!("m {one} r"), "`r` is no shard: it has no spec.toml");
    check(&format!("{one} {one} {two} r/shard-3-of-3"), "`r/shard-1-of-3` is a shard and the folder to write");
    check(&format!("r/shard-1-of-2{}", place.shards(3)), "`r/shard-1-of-2` holds shard 1/2 of a sweep");
    place.ok("sweep other.toml --quiet --out another");
    let before = place.read("another/runs.csv");
    check(&format!("another{}", place.shards(3)), "`another` holds another sweep, of another grid");
    assert_eq!(place.read("another/runs.csv"), before);
    check(&format!("m --spec other.toml{}", place.shards(3)), "the grid of `other.toml` is not that of the shards");
    assert_eq!(place.run("merge m").status.code(), Some(2));
}

#[test]
fn shards_of_two_builds_are_merged_only_when_asked() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    (1..=2).for_each(|index| place.shard(index, 2));
    let manifest = place.read("r/shard-2-of-2/manifest.toml");
    assert!(manifest.contains("fingerprints = [\"blowup "), "{manifest}");
    place.write("r/shard-2-of-2/manifest.toml", &manifest.replace("libtorch ", "libtorch 1."));
    let error = place.refused(&format!("merge m{}", place.shards(2)));
    assert!(
        error.contains("shard 1/2 in `r/shard-1-of-2` was computed by `blowup") && error.contains("--allow-mixed"),
        "{error}"
    );
    place.ok(&format!("merge m{} --allow-mixed", place.shards(2)));
    assert_eq!(place.read("m/runs.csv"), expected);
    // The manifest of the folder says so.
    let manifest = place.read("m/manifest.toml");
    assert_eq!(manifest.matches("libtorch ").count(), 2, "{manifest}");
    let error = place.refused("merge n r/shard-1-of-2 m");
    assert!(error.contains("`m` is a whole sweep"), "{error}");
}

#[test]
fn gaps_overlaps_and_foreign_rows_are_named() {
    let place = Place::new(&format!("{SPEC}{RECORD}"));
    (1..=2).for_each(|index| place.shard(index, 2));
    let (one, two) = (place.read("r/shard-1-of-2/runs.csv"), place.read("r/shard-2-of-2/runs.csv"));
    let manifest = place.read("r/shard-1-of-2/manifest.toml");
    let lengths = manifest.find("[lengths]").unwrap();
    let check = |file: &str, text: &str, expected: &[&str]| {
        let whole = place.read(&format!("r/shard-1-of-2/{file}"));
        place.write(&format!("r/shard-1-of-2/{file}"), text);
        let error = place.refused(&format!("merge m{}", place.shards(2)));
        expected.iter().for_each(|expected| assert!(error.contains(expected), "{expected}\n{error}"));
        place.write(&format!("r/shard-1-of-2/{file}"), &whole);
        assert!(!place.path("m").exists());
    };
    let last = one.trim_end().rfind('\n').unwrap() + 1;
    check("runs.csv", &one[..last], &["shard 1/2 in `r/shard-1-of-2` was finished with", "rows and has"]);
    check("runs.csv", &one.replacen("noise", "moise", 1).replacen(",he,", ",he,,", 1), &["shard 1/2"]);
    let epochs = place.read("r/shard-1-of-2/epochs.csv");
    let cut = epochs[..epochs.len() - 200].rfind('\n').unwrap() + 1;
    check("epochs.csv", &epochs[..cut], &["`epochs.csv` of shard 1/2", "when the shard was finished"]);
    // Lengths and checksums alone do not tell the following damage.
    let guard = |text: &str| {
        let rows = text.split_inclusive('\n').skip(1);
        let lines = rows.map(|row| sums::line(TrialId::parse(&row[..13]).unwrap(), sums::sum(row.as_bytes()), None));
        let lines: Vec<u8> = lines.flatten().collect();
        place.write("r/shard-1-of-2/runs.crc32", &format!("trial,crc32\n{}", String::from_utf8(lines).unwrap()));
    };
    place.write("r/shard-1-of-2/manifest.toml", &manifest[..lengths]);
    let foreign = two.lines().last().unwrap();
    guard(&format!("{one}{foreign}\n"));
    check("runs.csv", &format!("{one}{foreign}\n"), &["overlap: both have", "1 trials in all"]);
    guard(&format!("{one}t0{}\n", &foreign[2..]));
    check("runs.csv", &format!("{one}t0{}\n", &foreign[2..]), &["which is not in the grid"]);
    let first = epochs.lines().nth(1).unwrap().split(',').next().unwrap();
    let without: String = epochs.lines().filter(|row| !row.starts_with(first)).map(|row| format!("{row}\n")).collect();
    check("epochs.csv", &without, &[&format!("epochs.csv` has no rows of {first}")]);
    let counted = manifest[..lengths].replace("trials = ", "trials = 1 # ");
    place.write("r/shard-1-of-2/manifest.toml", &counted);
    check("runs.csv", &one[..last], &["no shard has", "1 of the grid's 48 trials are missing"]);
}

#[test]
fn a_partial_merge_says_so_fails_the_gate_and_is_completed_later() {
    let spec = format!("{SPEC}{RECORD}[[expect]]\nname=\"x\"\nmetric=\"divergence_rate\"\nmin=0.0\n");
    let place = Place::new(&spec);
    place.undisturbed();
    place.shard(1, 3);
    place.ok("sweep t.toml --quiet --out r --shard 3/3 --where seed=0");
    let shards = " r/shard-1-of-3 r/shard-3-of-3";
    let error = place.refused(&format!("merge m{shards}"));
    assert!(error.contains("shard 3/3 in `r/shard-3-of-3` is not finished"), "{error}");
    let said = place.ok(&format!("merge m --partial{shards}"));
    assert!(said.contains("partial: ") && said.contains("of the grid's 48 trials are missing"), "{said}");
    assert!(place.read("m/manifest.toml").contains("status = \"partial\""));
    let gate = place.run("check m");
    assert_eq!(gate.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&gate.stdout).contains("missing-trials"));
    // The rows that are there are in grid order, and no smaller merge takes one of them away.
    let whole = place.read("undisturbed/runs.csv");
    let rows = place.read("m/runs.csv");
    let mut of_whole = whole.lines();
    assert!(rows.lines().all(|row| of_whole.any(|other| other == row)) && rows.lines().count() > 20);
    let error = place.refused("merge m --partial r/shard-3-of-3");
    assert!(error.contains("`m` has the results of"), "{error}");
    assert_eq!(place.read("m/runs.csv"), rows);
    (2..=3).for_each(|index| place.shard(index, 3));
    place.ok(&format!("merge m{}", place.shards(3)));
    place.same_files("m", "undisturbed");
    assert!(place.read("m/manifest.toml").contains("status = \"complete\""));
    place.ok("check m");
}

#[test]
fn a_partial_merge_can_be_swept_to_its_end() {
    let place = Place::new(&format!("{SPEC}{RECORD}"));
    place.undisturbed();
    place.shard(2, 3);
    place.ok("merge m --partial r/shard-2-of-3");
    place.ok("sweep t.toml --quiet --out m");
    place.same_files("m", "undisturbed");
}

#[test]
fn lost_trials_are_merged_as_lost_and_end_with_1() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    let guilty = expected.lines().nth(17).unwrap().split(',').next().unwrap();
    for index in 1..=2 {
        let mut sweep = place.command(&format!("sweep t.toml --quiet --out r --shard {index}/2"));
        sweep.env("BLOWUP_TEST_ABORT", guilty).output().unwrap();
    }
    let output = place.run(&format!("merge m{}", place.shards(2)));
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let merged = place.read("m/runs.csv");
    for (row, whole) in merged.lines().zip(expected.lines()) {
        assert!(row == whole || (row.starts_with(guilty) && row.contains(",,crashed,,,")), "{row}");
    }
    assert_eq!(merged.lines().count(), expected.lines().count());
    // The merge keeps how often and why trials were lost, and a second merge does not count it
    // twice.
    let lost = place.read("m/lost.csv");
    assert_eq!(lost.lines().filter(|row| row.starts_with(&format!("{guilty},crashed,"))).count(), 1, "{lost}");
    assert_eq!(place.run(&format!("merge m{}", place.shards(2))).status.code(), Some(1));
    assert_eq!(place.read("m/lost.csv"), lost);
    // What the merged folder itself has seen since then stays.
    let own = format!("{lost}{guilty},timeout,3.0,\n");
    place.write("m/lost.csv", &own);
    assert_eq!(place.run(&format!("merge m{}", place.shards(2))).status.code(), Some(1));
    assert_eq!(place.read("m/lost.csv"), own);
}

#[test]
fn a_shard_without_trials_is_a_shard() {
    let place = Place::new(
        &SPEC.replace("depth=[1,3]", "depth=1").replace("points=6", "points=2").replace("seeds=2", "seeds=1"),
    );
    let expected = place.undisturbed();
    (1..=6).for_each(|index| place.shard(index, 6));
    assert_eq!(place.read("r/shard-6-of-6/runs.csv").lines().count(), 1);
    place.ok(&format!("merge m{}", place.shards(6)));
    assert_eq!(place.read("m/runs.csv"), expected);
}

#[test]
fn a_grid_with_equal_trials_labels_and_excludes_is_split_and_merged() {
    let spec = format!(
        "{SPEC}label=\"a, \\\"b\\\"\"\n[[grid]]\nlabel=\"b\"\ndepth=[0,1]\nwidth=7\nbatch=7\ninit=[\"he\",\"orthogonal\"]\nlr={{log=[1e-3,1e6], points=6}}\n\
         clip=[\"none\",\"norm(1.0)\",\"value(0.5)\"]\n[[exclude]]\ninit=\"orthogonal\"\nlr=1e6\n"
    );
    let place = Place::new(&spec);
    place.undisturbed();
    (1..=4).for_each(|index| place.shard(index, 4));
    place.ok(&format!("merge m{}", place.shards(4)));
    place.same_files("m", "undisturbed");
}

#[test]
fn a_csv_task_is_merged_with_and_without_its_spec() {
    let place = Place::new("");
    std::fs::create_dir(place.path("data")).unwrap();
    place.write("data/x.csv", "a,y\n1,2\n2,3\n3,5\n");
    let spec = SPEC
        .replace("kind=\"noise\"\ninputs=3\nsamples=21", "kind=\"csv\"\npath=\"x.csv\"\ntarget=\"y\"")
        .replace("batch=7\n", "");
    place.write("data/t.toml", &spec);
    place.ok("sweep data/t.toml --quiet --out undisturbed");
    (1..=2).for_each(|index| drop(place.ok(&format!("sweep data/t.toml --quiet --out r --shard {index}/2"))));
    place.ok(&format!("merge n{}", place.shards(2)));
    place.same_files("n", "undisturbed");
    place.ok(&format!("merge m --spec data/t.toml{}", place.shards(2)));
    place.same_files("m", "undisturbed");
}
