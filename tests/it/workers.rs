//! What must not hold up, mislead or end a sweep: workers that stop, files that change under it,
//! signals that were ignored, and a stderr that nobody reads.

use crate::sweep::{Place, SPEC, children, copy_program, lines, signal, stderr, wait_for};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Waits for the end of a sweep. A sweep that hangs is killed, and the test fails.
fn ended(mut sweep: Child, what: &str) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = sweep.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > Duration::from_secs(120) {
            sweep.kill().unwrap();
            panic!("the sweep did not end: {what}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The letter of a process's state.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// A sweep whose orders have 200 trials and 200 KB, three times what a pipe holds.
fn long_orders() -> Place {
    let label = "l".repeat(1000);
    Place::new(&format!(
        "name=\"t\"\nepochs=1\nseeds=200\n[task]\nkind=\"scalar\"\n[[grid]]\nlabel=\"{label}\"\ndepth=0\nlr=0.1\n"
    ))
}

#[test]
fn a_worker_that_stopped_before_it_read_its_order_is_ended_by_the_time_limit() {
    let place = long_orders();
    let expected = place.undisturbed();
    let mut command = place.command("sweep t.toml --out r --workers 1 --chunk 200 --timeout 5");
    command.env("BLOWUP_TEST_STOP", place.path("stopped")).stderr(Stdio::null()).stdout(Stdio::null());
    let status = ended(command.spawn().unwrap(), "a worker stopped");
    assert!(place.path("stopped").exists());
    assert_eq!(status.code(), Some(0));
    assert_eq!(place.read("r/runs.csv"), expected);
}

#[test]
fn a_signal_ends_a_sweep_whose_worker_stopped_before_it_read_its_order() {
    let place = long_orders();
    let mut command = place.command("sweep t.toml --out r --workers 1 --chunk 200");
    command.env("BLOWUP_TEST_STOP", place.path("stopped")).stderr(Stdio::null()).stdout(Stdio::null());
    let sweep = command.spawn().unwrap();
    // The folder is made when the worker has said that it is ready. The next thing is its order.
    wait_for("the worker to stop", || {
        place.path("r/manifest.toml").exists() && children(sweep.id()).iter().any(|pid| state(*pid) == Some('T'))
    });
    signal(sweep.id(), "TERM");
    assert_eq!(ended(sweep, "after SIGTERM").code(), Some(130));
}

#[test]
fn a_stderr_that_nobody_reads_holds_up_no_row() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut fill = writer.try_clone().unwrap();
    rustix::io::ioctl_fionbio(&fill, true).unwrap();
    while fill.write(&[b'x'; 4096]).is_ok() {}
    while fill.write(b"x").is_ok() {}
    rustix::io::ioctl_fionbio(&fill, false).unwrap();
    drop(fill);
    let mut command = place.command("sweep t.toml --out r --workers 2 --chunk 4");
    let mut sweep = command.env("RUST_LOG", "debug").stderr(writer).stdout(Stdio::null()).spawn().unwrap();
    drop(command);
    wait_for("the end of the sweep", || {
        std::fs::read_to_string(place.path("r/manifest.toml")).is_ok_and(|text| text.contains("status = \"complete\""))
    });
    assert_eq!(place.read("r/runs.csv"), expected);
    // What the sweep said waits for a reader.
    assert!(sweep.try_wait().unwrap().is_none());
    let mut said = Vec::new();
    reader.read_to_end(&mut said).unwrap();
    assert_eq!(ended(sweep, "its stderr was read").code(), Some(0));
    assert!(String::from_utf8_lossy(&said).contains("48/48 trials done in"));
}

#[test]
fn a_data_file_that_changes_stops_the_sweep_and_the_file_as_it_was_resumes_it() {
    let place = Place::new(
        "name=\"t\"\nepochs=2\nseeds=4\n[task]\nkind=\"csv\"\npath=\"d.csv\"\ntarget=\"y\"\n[[grid]]\ndepth=1\nwidth=3\nlr=[0.1, 0.2, 0.3]\n",
    );
    let data = "a,b,y\n1,2,3\n2,1,0\n3,5,1\n";
    place.write("d.csv", data);
    let expected = place.undisturbed();
    let mut command = place.held("sweep t.toml --out r --workers 1 --chunk 2", 1);
    let sweep = command.stderr(Stdio::piped()).spawn().unwrap();
    wait_for("a row", || lines(&place.path("r/runs.csv")) > 1);
    place.write("d.csv", "a,b,y\n1,2,3\n2,1,0\n3,5,2\n");
    place.go();
    let output = sweep.wait_with_output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(
        told.contains("`d.csv` is not what it was when the sweep began") && told.contains("put the file back"),
        "{told}"
    );
    assert!(!place.path("r/lost.csv").exists() && !place.read("r/runs.csv").contains("crashed"));
    place.write("d.csv", data);
    place.ok("sweep t.toml --out r");
    assert_eq!(place.read("r/runs.csv"), expected);
}

/// A copy of the program, which is to be replaced.
fn program(place: &Place) -> std::path::PathBuf {
    let copy = place.path("blowup");
    copy_program(&copy);
    copy
}

fn replace(file: &Path, by: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, by).unwrap();
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::rename(beside, file).unwrap();
}

#[test]
fn workers_are_started_from_the_program_that_runs_whatever_became_of_its_file() {
    let place = Place::new(SPEC);
    let expected = place.undisturbed();
    for by in [None, Some("#!/bin/sh\nexit 0\n")] {
        let _ = std::fs::remove_file(place.path("blowup"));
        let copy = program(&place);
        let held = place.held("sweep t.toml --out r --workers 2 --chunk 4", 2);
        let mut command = Command::new(&copy);
        command.args(held.get_args()).current_dir(place.dir.path()).stderr(Stdio::null()).stdout(Stdio::null());
        command.envs(held.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let library = blowup_engine::loaded::path("libtorch_cpu.so").unwrap();
        command.env("LD_LIBRARY_PATH", library.parent().unwrap());
        let sweep = command.spawn().unwrap();
        wait_for("some rows", || lines(&place.path("r/runs.csv")) > 2);
        match by {
            None => std::fs::remove_file(&copy).unwrap(),
            Some(text) => replace(&copy, text),
        }
        signal(children(sweep.id())[0], "KILL");
        place.go();
        assert_eq!(ended(sweep, "its program was replaced").code(), Some(0));
        assert_eq!(place.read("r/runs.csv"), expected);
        std::fs::remove_dir_all(place.path("r")).unwrap();
    }
}

#[test]
fn signals_that_were_ignored_stay_ignored() {
    let place = Place::new(SPEC);
    let held = place.held("sweep t.toml --out r --workers 2 --chunk 4", 2);
    // nohup sets it so, and so does a shell without job control for what runs in its background.
    let script = format!(
        "trap '' HUP INT QUIT; exec {} sweep t.toml --out r --workers 2 --chunk 4",
        env!("CARGO_BIN_EXE_blowup")
    );
    let mut command = Command::new("sh");
    command.args(["-c", &script]).current_dir(place.dir.path()).stderr(Stdio::null()).stdout(Stdio::null());
    command.envs(held.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let sweep = command.spawn().unwrap();
    wait_for("some rows", || lines(&place.path("r/runs.csv")) > 2);
    for pid in children(sweep.id()).into_iter().chain([sweep.id()]) {
        for name in ["HUP", "INT", "QUIT"] {
            signal(pid, name);
        }
    }
    place.go();
    assert_eq!(ended(sweep, "signals it ignores").code(), Some(0));
    assert_eq!(lines(&place.path("r/runs.csv")), 1 + 48);
}

#[test]
fn a_log_hears_of_a_long_sweep_now_and_then() {
    let place = Place::new(SPEC);
    let log = |name: &str| std::fs::File::create(place.path(name)).unwrap();
    let mut loud = place.held("sweep t.toml --out loud --workers 1", 0).stderr(log("loud.log")).spawn().unwrap();
    let mut quiet =
        place.held("sweep t.toml --out quiet --workers 1 --quiet", 0).stderr(log("quiet.log")).spawn().unwrap();
    wait_for("a line of progress", || place.read("loud.log").contains("\n0/48 trials after "));
    let line = place.read("loud.log").lines().last().unwrap().to_owned();
    assert!(line.contains(" s: nothing yet, ") && line.ends_with(" predicted"), "{line}");
    place.go();
    assert!(loud.wait().unwrap().success() && quiet.wait().unwrap().success());
    assert_eq!(place.read("quiet.log"), "");
    assert!(place.read("loud.log").contains("48/48 trials done in "));
}

#[test]
fn nothing_to_run_is_no_work() {
    let place = Place::new(SPEC);
    place.ok("sweep t.toml --out r --quiet");
    let plan = place.ok("sweep t.toml --out r --dry-run");
    assert!(plan.contains("work      0.0 s predicted on one core, 0.0 s here"), "{plan}");
}
