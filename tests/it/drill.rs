//! Faults, limits and what remains after them: the short form of `make drill`, and the pure parts
//! against oracles.

use crate::check::{GRID, Results};
use crate::plan::trial;
use crate::sweep::{Place, SPEC, stderr};
use blowup_core::device::Device;
use blowup_core::limits::{Bytes, Limits, Pace, Wishes};
use blowup_core::plan::{Cost, PlanOptions, Planner};
use blowup_core::record::Lost;
use blowup_core::store::Store;
use blowup_core::store::losses::Loss;
use blowup_core::trial::{Trial, TrialId};
use proptest::prelude::*;
use std::process::Command;

const MIB: f64 = 1048576.0;

fn id(row: &str) -> &str {
    &row[..TrialId::LENGTH]
}

#[test]
fn a_trial_beyond_a_limit_is_lost_alone_with_its_reason_and_runs_again() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    let guilty = id(expected.lines().nth(17).unwrap());
    for (fault, limit, reason) in
        [("HANG", "--timeout 3", "timeout"), ("MEMORY", "--memory 300M", "memory"), ("TORN", "", "crashed")]
    {
        let mut sweep = place.command(&format!("sweep t.toml --out {fault} --workers 2 {limit}"));
        let output = sweep.env(format!("BLOWUP_TEST_{fault}"), guilty).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{fault}\n{}", stderr(&output));
        let lost = place.read(&format!("{fault}/runs.csv"));
        assert_eq!(lost.lines().count(), expected.lines().count());
        for (row, whole) in lost.lines().zip(expected.lines()) {
            let as_it_should = if id(row) == guilty { row.contains(&format!(",,{reason},,")) } else { row == whole };
            assert!(as_it_should, "{fault}: {row}");
        }
        let notes = place.read(&format!("{fault}/lost.csv"));
        assert!(notes.lines().nth(1).unwrap().starts_with(&format!("{guilty},{reason},")), "{notes}");
        place.ok(&format!("sweep t.toml --out {fault}"));
        assert_eq!(place.read(&format!("{fault}/runs.csv")), expected);
    }
}

#[test]
fn a_trial_is_lost_in_three_sweeps_until_asked_or_given_more() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    let guilty = id(expected.lines().nth(9).unwrap());
    let sweep = |args: &str, fault: &str| {
        let mut command = place.command(&format!("sweep t.toml --out r {args}"));
        let output = command.env(format!("BLOWUP_TEST_{fault}"), guilty).output().unwrap();
        (output.status.code(), stderr(&output))
    };
    for _ in 0..3 {
        assert_eq!(sweep("--timeout 3", "HANG").0, Some(1));
    }
    let (status, told) = sweep("--timeout 3", "HANG");
    assert!(status == Some(1) && told.contains("1 trial was lost in 3 sweeps"), "{told}");
    assert!(!told.contains("to run"), "{told}");
    // The same command without the fault does not run the trial. Only a larger limit does, or the
    // wish to retry.
    assert!(place.run("sweep t.toml --out r --timeout 2.9").status.code() == Some(1));
    place.ok("sweep t.toml --out r --timeout 60");
    assert_eq!(place.read("r/runs.csv"), expected);
    assert!(place.run("sweep t.toml --out asked --max-lost 5").status.success());
}

#[test]
fn a_bug_stops_the_sweep_with_its_message_and_loses_nothing() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    let guilty = id(expected.lines().nth(17).unwrap());
    // The trial is alone in its chunk, and then beside others.
    for chunk in ["1", "4"] {
        let mut sweep = place.command(&format!("sweep t.toml --out r --workers 2 --chunk {chunk}"));
        let output = sweep.env("BLOWUP_TEST_PANIC", guilty).output().unwrap();
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{told}");
        let over = format!("error: a bug of blowup stopped the sweep over trial {guilty}");
        assert!(told.contains("error: a bug of blowup stopped the sweep over trial t"), "{told}");
        assert!(chunk != "1" || told.contains(&format!("{over}: a drill (crates/engine/src/drill.rs:")), "{told}");
        assert!(told.contains("hint: this is a mistake in blowup, not in the spec: please report it"), "{told}");
        assert!(!place.path("r/lost.csv").exists());
        // Every row that is there is whole, and the rows of the earlier chunks are there.
        let rows = place.read("r/runs.csv");
        assert!(rows.lines().count() > 4 && rows.lines().count() < expected.lines().count(), "{rows}");
        let by_trial = |id: &str| expected.lines().find(|row| row.starts_with(id));
        assert!(rows.lines().skip(1).all(|row| by_trial(id(row)) == Some(row)), "{rows}");
        assert!(place.read("r/manifest.toml").contains("status = \"interrupted\""));
        place.ok("sweep t.toml --out r");
        assert_eq!(place.read("r/runs.csv"), expected);
        std::fs::remove_dir_all(place.path("r")).unwrap();
    }
}

#[test]
fn too_many_lost_trials_stop_the_sweep_and_it_resumes() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    let guilty: Vec<&str> = expected.lines().skip(1).map(id).collect();
    let mut sweep = place.command("sweep t.toml --out r --workers 1 --max-lost 2");
    let output = sweep.env("BLOWUP_TEST_ABORT", guilty.join(",")).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("stopped: 3 trials were lost"), "{}", stderr(&output));
    assert_eq!(place.read("r/lost.csv").lines().count(), 1 + 3);
    assert!(place.read("r/manifest.toml").contains("status = \"interrupted\""));
    place.ok("sweep t.toml --out r");
    assert_eq!(place.read("r/runs.csv"), expected);
}

#[test]
fn a_file_that_cannot_grow_ends_the_sweep_with_a_message_and_it_resumes() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    // The shell counts in blocks of 512 or 1024 bytes. The write fails as it does on a full disk.
    let script =
        format!("ulimit -f 8; exec {} sweep t.toml --out r --workers 1 --chunk 4", env!("CARGO_BIN_EXE_blowup"));
    let output = Command::new("sh").args(["-c", &script]).current_dir(place.dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("cannot write `r/runs.csv`: file too large") && told.contains("resumes"), "{told}");
    place.ok("sweep t.toml --out r");
    assert_eq!(place.read("r/runs.csv"), expected);
}

#[test]
fn limits_that_cannot_be_are_refused() {
    let place = Place::new(SPEC);
    let check = |args: &str, expected: &str| {
        let error = place.refused(&format!("sweep t.toml {args}"));
        assert!(error.contains(expected), "{args}\n{error}");
    };
    check("--memory 100M", "too little for libtorch alone");
    check("--memory 2X", "expected bytes, as 512M");
    check("--timeout 0", "expected seconds above 0");
    check("--timeout inf", "expected seconds above 0");
    check("--max-lost all", "--max-lost");
    assert_eq!("1.5GiB".parse(), Ok(Bytes(1536 << 20)));
    assert_eq!("800000000".parse(), Ok(Bytes(800_000_000)));
}

/// The ids are 48 bits of a hash. These two seeds were found by hashing 36 million of them.
#[test]
fn two_trials_that_share_an_id_are_refused() {
    let spec = "name=\"t\"\nepochs=1\nseeds=[29597801, 34802509]\n[task]\nkind=\"scalar\"\n[[grid]]\ndepth=0\nlr=0.1\n";
    // In the first grid the program knows that all points differ, in the second it does not.
    for spec in [spec.to_owned(), spec.replace("lr=0.1", "lr=0.1\nclip=[\"none\", \"norm(inf)\"]")] {
        let place = Place::new(&spec);
        let error = place.refused("sweep t.toml --out r");
        assert!(error.contains("share the id t43a73ba79e59"), "{error}");
        assert!(error.contains("seed `29597801` and `34802509`") && error.contains("[[exclude]]"), "{error}");
        assert!(!place.path("r").exists());
        place.write("t.toml", &format!("{spec}[[exclude]]\nseed=34802509\n"));
        place.ok("sweep t.toml --out r --quiet");
    }
}

/// Something that happens to a file.
#[derive(Debug, Clone)]
enum Damage {
    Flip(usize, u8),
    Cut(usize),
    Double(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<usize>(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        any::<usize>().prop_map(Damage::Cut),
        any::<usize>().prop_map(Damage::Double),
    ]
}

/// The file after everything in `all` has happened to what lies behind its header.
fn damaged(text: &str, all: &[Damage]) -> Vec<u8> {
    let (header, rest) = text.split_at(text.find('\n').unwrap() + 1);
    let mut rest = rest.as_bytes().to_vec();
    for one in all {
        match one {
            _ if rest.is_empty() => {}
            Damage::Flip(at, bit) => {
                let at = at % rest.len();
                rest[at] ^= 1 << bit;
            }
            Damage::Cut(at) => rest.truncate(at % rest.len()),
            Damage::Double(at) => {
                let line = rest.split_inclusive(|byte| *byte == b'\n').nth(at % 8).unwrap_or_default().to_vec();
                rest.extend(line);
            }
        }
    }
    [header.as_bytes(), &rest].concat()
}

/// Whether the line stands in a file as it was written.
fn stands(file: &[u8], line: &str) -> bool {
    file.split_inclusive(|byte| *byte == b'\n').any(|found| found == line.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Rows and their checksums are damaged at random. A row that is accepted is one that was
    /// written, and every row that is whole and has its checksum is accepted. (The other trials run
    /// again; see `plan`.)
    #[test]
    fn what_is_left_after_damage_is_what_was_written(
        on_rows in proptest::collection::vec(damage(), 0..4),
        on_sums in proptest::collection::vec(damage(), 0..2),
    ) {
        let place = Place::new(GRID);
        std::fs::create_dir(place.path("r")).unwrap();
        let runs = Results::of(GRID).column("loss_final", |row| 0.125 + row as f64).text();
        place.write_runs("r", &runs);
        let sums = place.read("r/runs.crc32");
        let (rows, lines) = (damaged(&runs, &on_rows), damaged(&sums, &on_sums));
        std::fs::write(place.path("r/runs.csv"), &rows).unwrap();
        std::fs::write(place.path("r/runs.crc32"), &lines).unwrap();
        let store = Store::read(&place.path("r")).unwrap();
        for (row, line) in runs.split_inclusive('\n').zip(sums.split_inclusive('\n')).skip(1) {
            let found = store.runs.row(TrialId::parse(id(row)).unwrap()).unwrap();
            if let Some(found) = &found {
                prop_assert_eq!(found, row.as_bytes());
            }
            if stands(&rows, row) && stands(&lines, line) {
                prop_assert!(found.is_some(), "{} is gone", id(row));
            }
        }
    }

    /// The time limit of a chunk is never below that of a single trial, and it grows with the
    /// prediction. A trial alone has exactly the limit that was asked for.
    #[test]
    fn no_trial_pays_for_its_neighbours(
        timeout in prop::option::of(0.001f64..1e6), predicted in 0.0f64..1e6, trials in 1usize..600,
        slow in prop::collection::vec((0.0f64..10.0, 0.0f64..1e4), 0..5),
    ) {
        let limits = Limits { timeout, memory: None, ceiling: u64::MAX };
        let mut pace = Pace::default();
        slow.iter().for_each(|(predicted, taken)| pace.learn(*predicted, *taken));
        let most = limits.seconds(trials, predicted, pace);
        prop_assert!(most >= timeout.unwrap_or(300.0));
        prop_assert!(limits.seconds(trials, 2.0 * predicted, pace) >= most);
        match timeout {
            Some(timeout) => prop_assert_eq!(limits.seconds(1, predicted, pace), timeout),
            None => prop_assert!(most >= 100.0 * predicted),
        }
    }

    /// By default all workers together fit into the memory. If their number is given it stays, and
    /// chunks are cut for the share of each.
    #[test]
    fn workers_fit_the_machine(
        asked in prop::option::of(1usize..100), cores in 1usize..200, memory in prop::option::of(200u64 << 20..64 << 30),
        available in 1u64 << 28..1 << 40, fewest in 150.0 * MIB..20_000.0 * MIB,
    ) {
        let shares = Wishes { workers: asked, cores, memory, available: Some(available), fewest }.shares();
        match asked {
            Some(asked) => prop_assert_eq!(shares.workers, asked),
            None => prop_assert!(shares.workers == 1 || shares.workers <= cores && shares.workers as f64 * fewest <= available as f64),
        }
        prop_assert!(shares.planned * shares.workers as f64 <= available as f64);
        prop_assert!(memory.is_none_or(|memory| shares.ceiling == memory && shares.planned <= memory as f64));
        prop_assert!(memory.is_some() || shares.ceiling as f64 >= 2.0 * fewest);
    }

    /// A planned chunk stays within memory and time, unless it is a trial alone.
    #[test]
    fn chunks_are_cut_to_fit(
        width in prop::sample::select(vec![8usize, 64, 512]), count in 1u64..300, bytes in 130.0 * MIB..2_000.0 * MIB, seconds in 0.001f64..100.0,
    ) {
        let trials: Vec<Trial> = (0..count).map(|seed| trial(4, width, seed)).collect();
        let mut planner = Planner::default();
        (0..).zip(&trials).for_each(|(number, trial)| planner.push(number, trial));
        let plan = planner.plan(PlanOptions { workers: 2, device: Device::Cpu, chunk: None, seconds: Some(seconds), bytes });
        let cost = Cost::of(&trials[0]);
        for chunk in &plan.chunks {
            let lanes = chunk.trials.len();
            prop_assert!(lanes == 1 || cost.bytes(lanes) <= bytes.max(cost.bytes(1)) && chunk.seconds() <= seconds);
        }
    }

    /// A loss counts until the limit is raised.
    #[test]
    fn a_larger_limit_is_a_new_start(then in 0.1f64..1e3, now in 0.1f64..1e3) {
        let limits = |timeout| Limits { timeout, memory: None, ceiling: u64::MAX };
        let loss = Loss { lost: Lost::Timeout, limit: Some(then) };
        prop_assert_eq!(loss.counts(&limits(Some(now))), now <= then);
        prop_assert!(!loss.counts(&limits(None)));
        let crash = Loss { lost: Lost::Crashed, limit: None };
        prop_assert!(crash.counts(&limits(Some(now))));
    }
}
