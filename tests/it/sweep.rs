//! The real program from end to end: processes, faults, exit statuses.

use blowup_core::store::sums;
use blowup_core::trial::TrialId;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub const SPEC: &str = r#"
name="t"
epochs=5
seeds=2
[task]
kind="noise"
inputs=3
samples=21
[[grid]]
depth=[1,3]
width=7
batch=7
init=["he","normal"]
lr={log=[1e-3,1e6], points=6}
"#;

/// A folder of its own with a spec in it.
pub struct Place {
    pub dir: TempDir,
}

impl Place {
    pub fn new(spec: &str) -> Place {
        let place = Place { dir: tempfile::tempdir().unwrap() };
        place.write("t.toml", spec);
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes results as a sweep leaves them: rows and their checksums.
    pub fn write_runs(&self, dir: &str, runs: &str) {
        let trial = |row: &str| row.get(..TrialId::LENGTH).and_then(TrialId::parse);
        let line = |row: &str| trial(row).map(|trial| sums::line(trial, sums::sum(row.as_bytes()), None));
        let lines = runs.split_inclusive('\n').filter_map(line).flatten();
        let lines: Vec<u8> = b"trial,crc32\n".iter().copied().chain(lines).collect();
        std::fs::write(self.path(&format!("{dir}/runs.crc32")), lines).unwrap();
        self.write(&format!("{dir}/runs.csv"), runs);
    }

    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blowup"));
        heeds_signals(&mut command);
        command.current_dir(self.dir.path()).args(args.split_whitespace());
        for name in std::env::vars_os().map(|(name, _)| name) {
            let text = name.to_string_lossy();
            if text == "RUST_LOG" || text == "COLUMNS" || text.starts_with("BLOWUP_TEST_") {
                command.env_remove(name);
            }
        }
        command
    }

    pub fn run(&self, args: &str) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs the program, which must exit with status 0, and returns its stdout.
    pub fn ok(&self, args: &str) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(0), "{args}\n{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program, which must exit with status 2 and nothing on stdout, and returns its
    /// stderr.
    pub fn refused(&self, args: &str) -> String {
        let output = self.run(args);
        let stderr = stderr(&output);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args}\n{stderr}");
        assert!(stderr.contains("error: ") && !stderr.contains("panicked"), "{stderr}");
        stderr
    }

    /// The `runs.csv` of an undisturbed sweep.
    pub fn undisturbed(&self) -> String {
        self.ok("sweep t.toml --out undisturbed --workers 1 --quiet");
        self.read("undisturbed/runs.csv")
    }

    /// The same command with workers that each wait after `trials` trials, until `go` is called.
    pub fn held(&self, args: &str, trials: u64) -> Command {
        let _ = std::fs::remove_file(self.path("go"));
        let mut command = self.command(args);
        command.env("BLOWUP_TEST_WAIT", format!("{trials},{}", self.path("go").display()));
        command.stderr(Stdio::null()).stdout(Stdio::null());
        command
    }

    pub fn go(&self) {
        self.write("go", "");
    }

    /// Starts a sweep in the background and waits until it has written some of its rows and waits
    /// itself.
    pub fn start_held(&self) -> Child {
        self.start_held_under("UNRELATED", "1")
    }

    fn start_held_under(&self, variable: &str, value: &str) -> Child {
        let mut command = self.held("sweep t.toml --out r --workers 2 --chunk 4", 3);
        let before = lines(&self.path("r/runs.csv"));
        let child = command.env(variable, value).spawn().unwrap();
        wait_for("some rows", || lines(&self.path("r/runs.csv")) > before + 3);
        child
    }
}

/// Whoever runs the tests in the background may have signals ignored, which a sweep inherits.
fn heeds_signals(command: &mut Command) {
    let reset = || {
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGHUP] {
            // SAFETY: `signal` may be called between fork and exec, and the default action runs no
            // code of ours.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: as above, and nothing is allocated.
    unsafe { command.pre_exec(reset) };
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn lines(path: &Path) -> usize {
    std::fs::read(path).map_or(0, |bytes| bytes.iter().filter(|b| **b == b'\n').count())
}

/// Waits until `ready` holds, however busy the machine is.
pub fn wait_for(what: &str, ready: impl Fn() -> bool) {
    let start = Instant::now();
    while !ready() {
        assert!(start.elapsed() < Duration::from_secs(300), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Copies the program. A process of its own does, because a file that this one writes may still be
/// open for writing in a child that another test starts just then, and such a file cannot be run.
pub fn copy_program(to: &Path) {
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_blowup")).arg(to).status().unwrap();
    assert!(copied.success(), "{}", to.display());
}

pub fn signal(pid: u32, name: &str) {
    // The process may have ended just now.
    let _ = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).output().unwrap();
}

/// The processes that `parent` started and that still run.
pub fn children(parent: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    list.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[test]
fn rows_do_not_depend_on_workers_or_chunks() {
    let place = Place::new(&format!("{SPEC}[record]\nepochs=true\nsteps=4\nlayers=[0, 2]\n"));
    let expected = place.undisturbed();
    assert_eq!(expected.lines().count(), 1 + 48);
    for (n, options) in
        ["--workers 2", "--workers 4 --chunk 1", "--workers 2 --chunk 5", "--workers 1 --chunk 1000"].iter().enumerate()
    {
        place.ok(&format!("sweep t.toml --quiet --out r{n} {options}"));
        for file in ["runs.csv", "summary.csv", "epochs.csv", "layers.csv", "steps.csv", "spec.toml"] {
            assert_eq!(
                place.read(&format!("r{n}/{file}")),
                place.read(&format!("undisturbed/{file}")),
                "{file}, {options}"
            );
        }
    }
}

#[test]
fn a_killed_sweep_resumes_to_the_same_bytes_and_leaves_no_process() {
    let place = Place::new(&format!("{SPEC}[record]\nepochs=true\n"));
    let expected = place.undisturbed();
    for _ in 0..3 {
        let mut sweep = place.start_held();
        let workers = children(sweep.id());
        assert!(!workers.is_empty());
        sweep.kill().unwrap();
        sweep.wait().unwrap();
        wait_for("the workers to end", || !workers.iter().any(|pid| runs(*pid)));
    }
    place.ok("sweep t.toml --out r --workers 2");
    assert_eq!(place.read("r/runs.csv"), expected);
    assert_eq!(place.read("r/epochs.csv"), place.read("undisturbed/epochs.csv"));
}

#[test]
fn workers_write_the_same_bytes_in_any_environment() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    // No worker may inherit the second variable, and the first changes nothing. Workers that
    // replace killed ones do the same.
    for (variable, value) in [("UNRELATED", "1"), ("ATEN_CPU_CAPABILITY", "default")] {
        let mut sweep = place.start_held_under(variable, value);
        let workers = children(sweep.id());
        assert_eq!(workers.len(), 2, "under {variable}");
        workers.iter().for_each(|pid| signal(*pid, "KILL"));
        wait_for("other workers", || {
            children(sweep.id()).into_iter().filter(|pid| !workers.contains(pid)).count() == 2
        });
        place.go();
        assert_eq!(sweep.wait().unwrap().code(), Some(0));
        assert_eq!(place.read("r/runs.csv"), expected);
        std::fs::remove_dir_all(place.path("r")).unwrap();
    }
}

#[test]
fn a_worker_that_nobody_needs_ends_before_the_sweep_trains() {
    let place = Place::new(SPEC);
    let plan = place.ok("sweep t.toml --out r --workers 9 --chunk 1000 --dry-run");
    let before: Vec<&str> = plan.split(" chunks on 9 workers").next().unwrap().split_whitespace().collect();
    let chunks: usize = before.last().unwrap().parse().unwrap();
    assert!(chunks < 9, "{plan}");
    let mut sweep = place.held("sweep t.toml --out r --workers 9 --chunk 1000", 1).spawn().unwrap();
    wait_for("some rows", || lines(&place.path("r/runs.csv")) > 1);
    let workers = children(sweep.id()).len();
    assert!((1..=chunks).contains(&workers), "{workers} workers for {chunks} chunks");
    sweep.kill().unwrap();
    sweep.wait().unwrap();
}

#[test]
fn killed_workers_cost_no_row() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    let mut sweep = place.start_held();
    // The worker that has waited longest is killed, so that no trial is struck twice.
    for _ in 0..2 {
        let before = lines(&place.path("r/runs.csv"));
        signal(children(sweep.id())[0], "KILL");
        wait_for("rows of another worker", || lines(&place.path("r/runs.csv")) > before);
    }
    place.go();
    assert_eq!(sweep.wait().unwrap().code(), Some(0));
    assert_eq!(place.read("r/runs.csv"), expected);
}

#[test]
fn a_signal_ends_the_sweep_with_130_and_it_resumes() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    for name in ["INT", "TERM"] {
        let mut sweep = place.start_held();
        let workers = children(sweep.id());
        signal(sweep.id(), name);
        assert_eq!(sweep.wait().unwrap().code(), Some(130));
        wait_for("the workers to end", || !workers.iter().any(|pid| runs(*pid)));
        assert!(place.read("r/manifest.toml").contains("status = \"interrupted\""));
    }
    place.ok("sweep t.toml --out r");
    assert_eq!(place.read("r/runs.csv"), expected);
}

#[test]
fn a_trial_that_kills_its_worker_is_lost_alone_and_runs_again_next_time() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    let guilty = expected.lines().nth(17).unwrap().split(',').next().unwrap();
    for fault in ["ABORT", "GARBAGE"] {
        let mut sweep = place.command(&format!("sweep t.toml --out {fault} --workers 2"));
        let output = sweep.env(format!("BLOWUP_TEST_{fault}"), guilty).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{fault}\n{}", stderr(&output));
        let lost = place.read(&format!("{fault}/runs.csv"));
        assert_eq!(lost.lines().count(), expected.lines().count());
        for (row, whole) in lost.lines().zip(expected.lines()) {
            if row.starts_with(guilty) {
                assert!(row.contains(",,crashed,,,"), "{row}");
            } else {
                assert_eq!(row, whole);
            }
        }
        assert!(place.read(&format!("{fault}/manifest.toml")).contains("lost = 1"));
        place.ok(&format!("sweep t.toml --out {fault}"));
        assert_eq!(place.read(&format!("{fault}/runs.csv")), expected);
    }
}

#[test]
fn a_second_sweep_on_the_same_folder_is_refused() {
    let place = Place::new(SPEC);
    let mut first = place.start_held();
    let error = place.refused("sweep t.toml --out r");
    assert!(error.contains("another sweep is running in `r`"), "{error}");
    first.kill().unwrap();
    first.wait().unwrap();
    place.ok("sweep t.toml --out r");
}

#[test]
fn readers_of_stderr_and_stdout_that_go_away_do_not_end_the_sweep() {
    let place = Place::new(SPEC);
    let mut command = place.command("sweep t.toml --out r");
    let mut child = command.env("RUST_LOG", "debug").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert!(child.wait().unwrap().success());
    assert_eq!(lines(&place.path("r/runs.csv")), 1 + 48);
}

#[test]
fn a_dry_run_touches_nothing() {
    let place = Place::new(SPEC);
    let plan = place.ok("sweep t.toml --dry-run");
    assert!(plan.contains("48 trials") && plan.contains("cohorts"), "{plan}");
    assert!(!place.path("results").exists());
}

#[test]
fn what_cannot_run_is_refused_and_leaves_nothing() {
    let place = Place::new(SPEC);
    let check = |args: &str, expected: &str| {
        let error = place.refused(args);
        assert!(error.contains(expected), "{args}\n{error}");
    };
    check("sweep missing.toml", "`missing.toml`");
    check("sweep t.toml --out t.toml", "`t.toml` is not a folder");
    check("sweep t.toml --out t.toml/under", "`t.toml/under`");
    check("sweep t.toml --device cuda:99", "cannot train on `cuda:99`");
    check("sweep t.toml --device gpu", "cuda:K");
    check("sweep t.toml --workers 0", "--workers");
    check("sweep t.toml --where seed=77", "matches none");
    place.write("odd.toml", &SPEC.replace("name=\"t\"", "name=\"../t\""));
    check("sweep odd.toml", "../t");
    std::fs::remove_file(place.path("odd.toml")).unwrap();
    check("map t.toml", "`t.toml` has no [map]");
    let left: Vec<_> = std::fs::read_dir(place.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["t.toml"]);
}

#[test]
fn help_teaches() {
    let place = Place::new(SPEC);
    insta::assert_snapshot!(place.ok("--help"), @r#"
    Sweeps training runs on libtorch and measures where they blow up: exploding gradients, divergence,
    NaN

    Usage: blowup <COMMAND>

    Commands:
      sweep        Train every trial of a spec's grid and write what diverged, when and where
      check        Hold the results of a sweep against its spec's expectations, for CI: status 0 or 1
      plot         Draw the results of a sweep: phase diagrams, survival curves, layers, single trials
      replay       Run one trial of a sweep again, show how it went and where it broke, check its row
      read         Make a run directory of logs that exist already: the same verdicts, report and gate
      merge        Put the shards of a sweep together: the same files as the sweep in one piece
      slurm        Run a sweep in shards on a Slurm cluster, or tell how far its shards are
      schema       Print the JSON Schema of a spec, by which an editor completes and checks it
      map          Draw where training fails over two axes, a trial for each pixel
      export       Write the result files as Parquet or JSON lines, with types
      demo         Sweep a small grid into a new folder, as a first look; it needs no file
      completions  Print what lets a shell complete this command line
      man          Write the manual pages of blowup and of its commands into a folder
      help         Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Examples:
      blowup sweep experiments/grid.toml               train the whole grid; results in results/<name>/
      blowup sweep experiments/grid.toml --dry-run     how many trials, how much work; touches nothing
      blowup sweep experiments/grid.toml --where init=he --where lr=0.01..1
      blowup check results/grid                        the gate for CI: do the spec's expectations hold?
      blowup plot results/grid                         figures: where it blows up, how fast
      blowup replay results/grid t5d1f0c3a9b27         one trial again: how it went, where it broke
      blowup slurm experiments/grid.toml --shards 16   the same sweep as a Slurm job array
      blowup map experiments/literature/fractal-tanh.toml   a picture of where training fails
      blowup read runs/ --out results/logs             logs that exist already: the same verdicts
      blowup schema > blowup.schema.json               for an editor that completes and checks specs
      blowup demo                                      a first look: a small sweep and its report

    Exit status:
      0    done, or the gate passed
      1    the gate failed; a sweep ended with lost trials; a replay was not what was recorded
      2    could not run: bad spec, bad folder, unreadable file, a filter that matches nothing
      130  interrupted; the same command resumes

    RUST_LOG=info (or debug) logs to stderr.
    "#);
    insta::assert_snapshot!(place.ok("sweep -h"), @r#"
    Train every trial of a spec's grid and write what diverged, when and where

    Usage: blowup sweep [OPTIONS] <SPEC>

    Arguments:
      <SPEC>  The TOML file that declares the grid

    Options:
          --out <DIR>        The folder of the results [default: results/<name of the spec>]
          --workers <N>      Worker processes, one thread each [default: one per core, fewer if memory
                             is short; one for a GPU]
          --device <DEVICE>  Where to train: cpu, cuda (the first GPU) or cuda:K [default: cpu]
          --shard <SHARD>    Train one part of N of equal predicted cost: I/N, slurm, slurm/N or
                             kubernetes/N
          --where <FILTER>   Run only the trials that match: AXIS=V[,V] or AXIS=A..B; repeat to narrow;
                             a value with a comma stands in quotes: label="a, b"
          --set <AXIS=V>     Give an axis another value in every [[grid]] block, as TOML or plain text;
                             repeat for more
          --timeout <S>      A trial that takes longer alone is lost [default: far beyond what is
                             predicted]
          --memory <BYTES>   A trial whose worker holds more is lost, as 512M or 2G [default: a share of
                             the machine]
          --max-lost <N>     Stop (status 1, resumable) when more than N trials are lost
          --retry-lost       Try even trials again that were lost in three sweeps
          --refill           Train finished trials again of which `[record]` asks for more than was
                             recorded; their rows in runs.csv must come out the same
          --dry-run          Print trials, cohorts and predicted work, and touch nothing
          --yes              Run even more than ten million trials
          --quiet            No progress on stderr
          --allow-mixed      Resume although libtorch or the CPU is another than before, so that rows
                             are not comparable bit by bit
          --json             Print the result as one JSON document, and events as JSON lines on stderr:
                             docs/json.md
      -h, --help             Print help

    The same command again resumes: trials that have a row in runs.csv do not run again. A changed
    spec is taken up if its grid contains the old one; otherwise give it a folder with --out.

    A shard is trained into a folder of its own below that of the results, shard-I-of-N; `blowup merge`
    puts them together. I/N counts from 1. slurm takes both from the job array that this is a task of,
    slurm/N the I alone: for arrays submitted in pieces or again in part. kubernetes/N takes I from
    JOB_COMPLETION_INDEX, which counts from 0; Kubernetes does not tell a pod how many there are.

    Files: runs.csv (a row per trial), summary.csv (a row per configuration), epochs.csv, layers.csv
    and steps.csv if the spec records them, spec.toml, manifest.toml; report.html (one page that opens
    offline: phase diagram, trials, survival, configurations, checks); runs.crc32 (checksums of the
    rows), lost.csv (what was lost, and why). The bytes of runs.csv do not depend on --workers.

    A trial that breaks a limit or its worker is lost alone, with its reason in runs.csv; the next
    sweep tries it again, three times in all, or from the start under larger limits.

    --device cuda trains thousands of trials at once in one worker, on an NVIDIA GPU. It takes the
    driver (580 or newer) and `make libtorch-cuda`; what is missing is said. Verdicts are the CPU's
    within a tolerance that docs/gpu.md states, bits are not. It is slower than the CPU today: an H100
    takes 32.8 s for the main grid, the 16 CPU cores beside it 5.9 s.
    "#);
}
