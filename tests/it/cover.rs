//! `runs.crc32` covers every result file: rows that are missing or changed are trained again,
//! refused by a gate, and not merged.

use crate::check::gate;
use crate::sweep::{Place, SPEC, stderr};
use blowup_core::store::sums;
use blowup_core::trial::TrialId;
use blowup_core::verdict::{Layers, Record};
use std::path::Path;
use std::process::Output;

const RECORD: &str = "[record]\nepochs=true\nlayers=[0,2]\nsteps=3\n";
const EXPECT: &str = "[[expect]]\nmetric=\"converged_rate\"\nmin=0\n";
const FILES: [&str; 6] = ["runs.csv", "runs.crc32", "epochs.csv", "layers.csv", "steps.csv", "summary.csv"];

fn files(place: &Place, dir: &str) -> Vec<Option<Vec<u8>>> {
    FILES.map(|file| std::fs::read(place.path(&format!("{dir}/{file}"))).ok()).to_vec()
}

fn finished(spec: &str) -> (Place, Vec<Option<Vec<u8>>>) {
    let place = Place::new(spec);
    place.ok("sweep t.toml --out r --quiet");
    let whole = files(&place, "r");
    (place, whole)
}

fn said(output: &Output, status: i32) -> String {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(status), "{text}");
    text
}

/// Something that can happen to a file: its name, and the file afterwards.
type Damage = (&'static str, fn(&[&str]) -> Option<String>);

const DAMAGES: [Damage; 6] = [
    ("removed", |_| None),
    ("without the rows of a trial", |rows| {
        Some(rows.iter().filter(|row| row[..13] != rows[40][..13]).copied().collect())
    }),
    ("cut in half at a line end", |rows| Some(rows[..rows.len() / 2].concat())),
    ("with zeros at its end", |rows| {
        let text = rows.concat();
        let kept = text.len() / 2;
        Some(text[..kept].to_owned() + &"\0".repeat(text.len() - kept))
    }),
    ("with a comma that became another character", |rows| {
        let mut rows: Vec<String> = rows.iter().map(|row| (*row).to_owned()).collect();
        rows[41] = rows[41].replacen(',', ";", 1);
        Some(rows.concat())
    }),
    ("with a row that stands twice", |rows| Some([&rows[..41], &rows[40..]].concat().concat())),
];

#[test]
fn rows_that_are_missing_or_changed_in_any_file_are_trained_again() {
    let (place, whole) = finished(&format!("{SPEC}{RECORD}{EXPECT}"));
    place.ok("check r");
    for ((name, damage), file) in DAMAGES.into_iter().zip(["epochs.csv", "layers.csv", "steps.csv"].into_iter().cycle())
    {
        let text = place.read(&format!("r/{file}"));
        let rows: Vec<&str> = text.split_inclusive('\n').collect();
        match damage(&rows) {
            Some(text) => place.write(&format!("r/{file}"), &text),
            None => std::fs::remove_file(place.path(&format!("r/{file}"))).unwrap(),
        }
        let error = place.refused("check r");
        assert!(error.contains(&format!("r/{file}`")), "{file} {name}: {error}");
        let text = said(&place.run("sweep t.toml --out r"), 0);
        assert!(text.contains(&format!("`r/{file}` does not have the rows that were written of ")), "{text}");
        assert!(text.contains("to run"), "{text}");
        assert_eq!(files(&place, "r"), whole, "{file} {name}");
    }
    place.ok("check r");
}

#[test]
fn a_file_that_came_back_from_a_power_cut_without_its_end_is_filled_again() {
    let (place, whole) = finished(&format!("{SPEC}{RECORD}"));
    // The rows of runs.csv and their checksums reached the disk, and those of the other files did
    // not.
    for file in ["epochs.csv", "layers.csv", "steps.csv"] {
        place.write(&format!("r/{file}"), "");
    }
    place.ok("sweep t.toml --out r --quiet");
    assert_eq!(files(&place, "r"), whole);
}

#[test]
fn a_shard_whose_files_do_not_add_up_is_not_merged() {
    let place = Place::new(&format!("{SPEC}{RECORD}"));
    place.ok("sweep t.toml --out whole --quiet");
    for shard in ["1/2", "2/2"] {
        place.ok(&format!("sweep t.toml --out r --quiet --shard {shard}"));
    }
    let layers = place.read("r/shard-1-of-2/layers.csv");
    let changed = layers.replacen(",1.", ",2.", 1);
    assert_ne!(layers, changed);
    place.write("r/shard-1-of-2/layers.csv", &changed);
    let error = place.refused("merge m r/shard-1-of-2 r/shard-2-of-2");
    assert!(error.contains("shard 1/2 in `r/shard-1-of-2` was finished with"), "{error}");
    assert!(error.contains("the same `blowup sweep --shard 1/2` again finishes it"), "{error}");
    place.ok("sweep t.toml --out r --quiet --shard 1/2");
    assert_eq!(place.read("r/shard-1-of-2/layers.csv"), layers);
    place.ok("merge m r/shard-1-of-2 r/shard-2-of-2");
    assert_eq!(files(&place, "m"), files(&place, "whole"));
    place.ok("sweep t.toml --out m --quiet");
}

/// Writes the lines of `runs.crc32` as an older version wrote them.
fn older(place: &Place, dir: &Path) {
    let path = dir.join("runs.crc32");
    let text = std::fs::read_to_string(place.path(path.to_str().unwrap())).unwrap();
    let lines = text.lines().map(|line| line.split(',').take(2).collect::<Vec<_>>().join(",") + "\n");
    place.write(path.to_str().unwrap(), &lines.collect::<String>());
}

#[test]
fn a_folder_of_an_older_version_is_read_as_it_is_and_covered_when_it_is_written() {
    let (place, whole) = finished(&format!("{SPEC}{RECORD}{EXPECT}"));
    older(&place, Path::new("r"));
    assert_eq!(said(&place.run("sweep t.toml --out r"), 0), "");
    place.ok("check r");
    // Nobody can tell what is wrong in it. The rows are dropped, and no message says that their
    // trials run again.
    let epochs = place.read("r/epochs.csv");
    place.write("r/epochs.csv", &epochs.replacen(",1,", ";1,", 1));
    let text = said(&place.run("sweep t.toml --out r"), 0);
    assert!(text.contains("1 damaged row") && !text.contains("not run"), "{text}");
    // Trials whose rows are covered join its trials.
    place.write("r/epochs.csv", &epochs);
    older(&place, Path::new("r"));
    place.write("t.toml", &format!("{}{RECORD}{EXPECT}", SPEC.replace("seeds=2", "seeds=3")));
    place.ok("sweep t.toml --out r --quiet");
    place.ok("sweep t.toml --out new --quiet");
    let without_sums = |dir: &str| {
        let mut files = files(&place, dir);
        files.remove(1);
        files
    };
    assert_eq!(without_sums("r"), without_sums("new"));
    assert_ne!(without_sums("r"), whole);
    let name = |line: &str| line.split(',').nth(2).map(str::to_owned);
    let sums = place.read("r/runs.crc32");
    assert_eq!(sums.lines().filter(|line| name(line).as_deref() == Some("?")).count(), 48);
    let layers = place.read("r/layers.csv");
    place.write("r/layers.csv", &layers.split_inclusive('\n').take(5).collect::<String>());
    place.refused("check r");
    place.ok("sweep t.toml --out r --quiet");
    assert_eq!(place.read("r/layers.csv"), layers);
}

#[test]
fn what_is_recorded_later_is_said_and_filled_when_asked_for() {
    let (place, runs) = finished(SPEC);
    place.write("t.toml", &format!("{SPEC}{RECORD}sharpness=true\n"));
    let text = said(&place.run("sweep t.toml --out r"), 0);
    assert!(text.contains("48 finished trials were trained before") && text.contains("`--refill`"), "{text}");
    assert_eq!(place.read("r/epochs.csv").lines().count(), 1);
    // The sweep stops in the middle. The rows that are there are complete, and the other trials are
    // still known to lack some.
    let output = place.run("sweep t.toml --out r --quiet --refill --where lr=1e-3,1e6 --where init=he");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = said(&place.run("sweep t.toml --out r"), 0);
    assert!(text.contains("40 finished trials were trained before"), "{text}");
    let text = said(&place.run("sweep t.toml --out r --refill"), 0);
    assert!(text.contains("40 trials to run (8 of 48 are done)"), "{text}");
    assert_eq!(said(&place.run("sweep t.toml --out r"), 0), "");
    assert_eq!(said(&place.run("sweep t.toml --out r --refill"), 0), "");
    place.ok("sweep t.toml --out new --quiet");
    assert_eq!(files(&place, "r"), files(&place, "new"));
    // From now on less is recorded, so nothing is lacking.
    place.write("t.toml", &format!("{SPEC}[record]\nepochs=true\nlayers=[2]\n"));
    assert_eq!(said(&place.run("sweep t.toml --out r --refill"), 0), "");
    assert_ne!(files(&place, "r"), runs);
}

#[test]
fn more_layers_and_steps_than_before_are_filled_too() {
    let (place, _) = finished(&format!("{SPEC}{RECORD}"));
    for record in ["epochs=true\nlayers=[0,2,4]\nsteps=3\n", "epochs=true\nlayers=\"all\"\nsteps=9\n"] {
        place.write("t.toml", &format!("{SPEC}[record]\n{record}"));
        place.ok("sweep t.toml --out r --quiet --refill");
        place.ok("sweep t.toml --out new --quiet");
        assert_eq!(files(&place, "r"), files(&place, "new"), "{record}");
        std::fs::remove_dir_all(place.path("new")).unwrap();
    }
}

#[test]
fn a_trial_that_comes_out_otherwise_when_it_is_filled_is_an_error() {
    let (place, _) = finished(SPEC);
    // Somebody changed a row and its checksum.
    let runs = place.read("r/runs.csv");
    let changed = runs.replacen(",1.", ",2.", 1);
    assert_ne!(runs, changed);
    place.write_runs("r", &changed);
    place.write("t.toml", &format!("{SPEC}[record]\nepochs=true\n"));
    let error = place.refused("sweep t.toml --out r --quiet --refill");
    assert!(error.contains("was trained again and has another `") && error.contains("--allow-mixed"), "{error}");
    // The trials that came out as they were may have been filled before.
    assert!(place.read("r/runs.csv").starts_with(&changed));
    place.ok("sweep t.toml --out r --quiet --refill --allow-mixed");
    assert_eq!(place.read("r/runs.csv"), runs);
}

#[test]
fn a_gate_needs_what_was_recorded_of_every_trial_it_speaks_of() {
    let grid = "name=\"t\"\nepochs=4\nseeds=3\n[task]\nkind=\"noise\"\n[[grid]]\nlabel=\"a\"\ndepth=2\nwidth=6\nlr=[0.01,1e8]\n";
    let expects = |metrics: &[&str]| -> String {
        metrics.iter().map(|metric| format!("[[expect]]\nmetric=\"{metric}\"\nmin=0\n")).collect()
    };
    let metrics = ["max(backprop_norm[1])", "count(backprop_norm[1])", "max(sharpness_initial)", "max(loss_initial)"];
    let place = Place::new(grid);
    place.ok("sweep t.toml --out r --quiet");
    let record = "[record]\nlayers=[0,4]\nsharpness=true\n";
    place.write("t.toml", &format!("{}{}{record}", grid.replace("seeds=3", "seeds=4"), expects(&metrics)));
    place.ok("sweep t.toml --out r --quiet");
    let (status, text) = gate(&place, "");
    assert_eq!(status, 1, "{text}");
    for metric in &metrics[..3] {
        let found = format!("{metric} speaks of 8 trials, and only 2 of them have the values");
        assert!(text.lines().any(|line| line.starts_with("no-values: ") && line.contains(&found)), "{metric}: {text}");
    }
    assert!(text.contains("gate FAILED: 3 of 8 checks (no-values)"), "{text}");
    place.ok("sweep t.toml --out r --quiet --refill");
    assert_eq!(gate(&place, "").0, 0, "{}", gate(&place, "").1);
    // Half of the trials die before epoch 4, so they cannot have its layers. No network has a layer
    // 9.
    let metrics = ["max(backprop_norm[1, epoch 4])", "max(backprop_norm[9])"];
    place.write("t.toml", &format!("{}{}{record}", grid.replace("seeds=3", "seeds=4"), expects(&metrics)));
    let (status, text) = gate(&place, "--spec t.toml");
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("4 (4 empty)"), "{text}");
    assert!(text.contains("max(backprop_norm[9]) has too few values: 0, and 8 empty in 8 trials"), "{text}");
    assert!(!text.contains("speaks of"), "{text}");
}

#[test]
fn a_record_includes_another_where_every_trial_has_what_it_asks_for() {
    use Layers::{Always, At, Every, Never};
    let with = |layers: Layers| Record { layers, ..Record::default() };
    let all = [Never, Always, Every(1), Every(2), Every(4), Every(6), At(vec![0]), At(vec![0, 4]), At(vec![1, 4])];
    for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
        // A trial may be long, but the epochs of At(...) end somewhere.
        let includes = (0..=100).all(|epoch| a.at(epoch) || !b.at(epoch));
        assert_eq!(with(a.clone()).includes(&with(b.clone())), includes, "{a:?} {b:?}");
    }
    let more = Record { epochs: true, steps: 5, sharpness: true, ..Record::default() };
    assert!(more.includes(&Record { steps: 4, ..Record::default() }) && more.includes(&Record::default()));
    for asked in [Record { steps: 6, ..Record::default() }, with(Always)] {
        assert!(!more.includes(&asked), "{asked:?}");
    }
    for asked in [Record { epochs: true, ..Record::default() }, Record { sharpness: true, ..Record::default() }] {
        assert!(!Record::default().includes(&asked), "{asked:?}");
    }
}

#[test]
fn only_what_was_written_as_a_line_of_checksums_is_one() {
    let trial = TrialId::parse("t0123456789ab").unwrap();
    let block = |bytes, sum| sums::BlockSum { bytes, sum };
    for recorded in [sums::Recorded::Unknown, sums::Recorded::Nothing, sums::Recorded::Hash(0xab)] {
        let blocks = [block(0, 0), block(12, 0xff), block(u64::from(u32::MAX), u32::MAX)];
        let line = sums::line(trial, 7, Some(&sums::SideSums { recorded, blocks }));
        assert!(sums::is_line(&line), "{}", String::from_utf8_lossy(&line));
        assert!(!sums::is_line(&line[..line.len() - 1]) && !sums::is_line(&line[..line.len() - 9]));
    }
    let good = ["t0123456789ab,00000007", "t0123456789ab,00000007,,,,,,,", "t0123456789ab,00000007,?,1,0000000f,,,,"];
    assert!(good.iter().all(|text| sums::is_line(format!("{text}\n").as_bytes())));
    let bad = [
        "t0123456789ab,7",
        "t0123456789ab,0000000F",
        "t0123456789ab,00000007,",
        "t0123456789ab,00000007,x,,,,,,",
        "t0123456789ab,00000007,,,,,,",
        "t0123456789ab,00000007,,,,,,,,",
        "t0123456789ab,00000007,,0,00000000,,,,",
        "t0123456789ab,00000007,,+1,00000000,,,,",
        "t0123456789ab,00000007,,01,00000000,,,,",
        "t0123456789ab,00000007,,1,,,,,",
        "t0123456789ab,00000007,,99999999999,00000000,,,,",
    ];
    for text in bad {
        assert!(!sums::is_line(format!("{text}\n").as_bytes()), "{text}");
    }
}
