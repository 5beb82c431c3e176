//! A sweep holds the folder, not its name: the folder is moved, removed, unlocked or swept anew
//! while a sweep runs.

use crate::sweep::{Place, SPEC, lines, signal, wait_for};
use std::io::Read;
use std::process::{Child, Stdio};

const RECORD: &str = "[record]\nepochs=true\nsteps=3\n";
const FILES: [&str; 5] = ["runs.csv", "runs.crc32", "epochs.csv", "steps.csv", "summary.csv"];

fn files(place: &Place, dir: &str) -> Vec<String> {
    FILES.map(|file| place.read(&format!("{dir}/{file}"))).to_vec()
}

/// A sweep into `r` that has written some rows and is stopped. Its workers wait.
struct Stopped<'a> {
    sweep: Child,
    place: &'a Place,
}

impl Stopped<'_> {
    fn start(place: &Place) -> Stopped<'_> {
        let mut command = place.held("sweep t.toml --out r --workers 2 --chunk 4 --quiet", 3);
        let sweep = command.stderr(Stdio::piped()).spawn().unwrap();
        wait_for("some rows", || lines(&place.path("r/runs.csv")) > 3);
        signal(sweep.id(), "STOP");
        Stopped { sweep, place }
    }

    /// Lets the sweep run to its end, and returns its exit status and what it said.
    fn end(mut self) -> (Option<i32>, String) {
        self.place.go();
        signal(self.sweep.id(), "CONT");
        let mut text = String::new();
        self.sweep.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        (self.sweep.wait().unwrap().code(), text)
    }
}

#[test]
fn a_folder_that_is_moved_or_removed_and_swept_anew_keeps_the_rows_of_the_second_sweep_alone() {
    for moved in [true, false] {
        let place = Place::new(&format!("{SPEC}{RECORD}"));
        place.ok("sweep t.toml --out undisturbed --quiet");
        let expected = files(&place, "undisturbed");
        let first = Stopped::start(&place);
        if moved {
            std::fs::rename(place.path("r"), place.path("old")).unwrap();
        } else {
            std::fs::remove_dir_all(place.path("r")).unwrap();
        }
        place.ok("sweep t.toml --out r --quiet");
        let (status, text) = first.end();
        assert_eq!(status, Some(2), "{text}");
        assert!(text.contains("`r` is no longer the folder that this sweep locked"), "{text}");
        assert_eq!(files(&place, "r"), expected, "{moved}");
        assert!(place.read("r/manifest.toml").contains("status = \"complete\""));
        if moved {
            // The rows of the first sweep are in the folder that was moved: some, or all of them
            // if it came to its end before it looked for its folder.
            place.ok("sweep t.toml --out old --quiet");
            assert_eq!(files(&place, "old"), expected);
        }
    }
}

#[test]
fn a_folder_that_was_only_moved_ends_the_sweep() {
    let place = Place::new(&format!("{SPEC}{RECORD}"));
    let first = Stopped::start(&place);
    std::fs::rename(place.path("r"), place.path("old")).unwrap();
    let (status, text) = first.end();
    assert_eq!(status, Some(2), "{text}");
    assert!(text.contains("no longer the folder") && !place.path("r").exists(), "{text}");
}

#[test]
fn a_lock_file_that_is_removed_lets_no_second_sweep_in() {
    let place = Place::new(&format!("{SPEC}{RECORD}"));
    let first = Stopped::start(&place);
    std::fs::remove_file(place.path("r/.lock")).unwrap();
    let error = place.refused("sweep t.toml --out r --quiet");
    assert!(error.contains("another sweep is running in `r`"), "{error}");
    assert!(!place.path("r/.lock").exists(), "the second left something");
    let (status, text) = first.end();
    assert_eq!(status, Some(0), "{text}");
    place.ok("sweep t.toml --out undisturbed --quiet");
    assert_eq!(files(&place, "r"), files(&place, "undisturbed"));
}

#[test]
fn result_files_that_are_removed_while_a_sweep_appends_to_them_are_written_whole() {
    let place = Place::new(&format!("{SPEC}{RECORD}"));
    let first = Stopped::start(&place);
    for file in ["runs.csv", "epochs.csv", "runs.crc32"] {
        std::fs::remove_file(place.path(&format!("r/{file}"))).unwrap();
    }
    let (status, text) = first.end();
    assert_eq!(status, Some(0), "{text}");
    place.ok("sweep t.toml --out undisturbed --quiet");
    assert_eq!(files(&place, "r"), files(&place, "undisturbed"));
}
