//! Run directories that another program has changed: what is no file is refused, what is damaged is
//! repaired, and a file of any length is read in pieces.

use crate::sweep::{Place, SPEC, stderr};
use blowup_core::record::{self, LONGEST, Piece};
use std::fs;
use std::io::{BufReader, Read};
use std::process::Command;

fn finished(spec: &str) -> (Place, String) {
    let place = Place::new(spec);
    place.ok("sweep t.toml --out r --quiet");
    let runs = place.read("r/runs.csv");
    (place, runs)
}

const EXPECT: &str = "[[expect]]\nmetric=\"converged_rate\"\nmin=0\n";

#[test]
fn rows_of_any_length_are_damaged_rows() {
    let (place, runs) = finished(&format!("{SPEC}{EXPECT}"));
    let lines: Vec<&str> = runs.lines().collect();
    let long = "x,\"y".repeat(1 << 20);
    let mut with_id = lines[6].to_owned();
    with_id.push_str(&long);
    for (at, line) in [(1, &long), (6, &with_id), (lines.len() - 1, &long)] {
        let mut changed = lines.clone();
        changed[at] = line;
        for end in ["\n", ""] {
            let text = changed.join("\n") + end;
            place.write("r/runs.csv", &text);
            let error = place.refused("check r");
            assert!(error.contains(&format!("`r/runs.csv`: line {}: ", at + 1)), "{error}");
            assert!(error.len() < 2000, "{}", error.len());
            place.ok("sweep t.toml --out r --quiet");
            assert_eq!(place.read("r/runs.csv"), runs, "line {at}, end {end:?}");
        }
    }
}

#[test]
fn a_header_of_any_length_is_refused() {
    let (place, runs) = finished(&format!("{SPEC}{EXPECT}"));
    for (header, expected) in
        [(",".repeat(1 << 22), "longer than that of any result file"), ("x".repeat(900), "not `trial`")]
    {
        place.write("r/runs.csv", &format!("{header}\n{runs}"));
        assert!(place.refused("check r").contains(expected));
        assert!(place.refused("sweep t.toml --out r").contains("`r/runs.csv` has other columns"));
    }
}

/// A file of `bytes` bytes that begins with `start` and takes no memory.
fn endless(start: &str, bytes: u64) -> BufReader<impl Read + '_> {
    BufReader::new(start.as_bytes().chain(std::io::repeat(b'"')).take(bytes))
}

#[test]
fn a_row_longer_than_memory_is_passed_over() {
    let columns = record::runs().len();
    for start in ["", "t0123456789ab,", "\"\n\"\n\"\n"] {
        let (mut pieces, mut most) = (0, 0);
        let done = record::scan::<std::io::Error>(endless(start, 1 << 28), 0, columns, &mut |_, piece| {
            let (Piece::Row { text, .. } | Piece::Damaged { text, .. } | Piece::Torn { text }) = piece;
            pieces += 1;
            most = most.max(text.len());
            Ok(())
        });
        done.unwrap();
        assert!(pieces <= 4 && most <= LONGEST, "{pieces} {most}");
    }
}

#[test]
fn a_manifest_that_is_none_vouches_for_no_rows() {
    let (place, runs) = finished(SPEC);
    let shorter = &runs[..runs.len() - 5];
    let nested = "a=".to_owned() + &"[".repeat(1 << 20);
    for garbage in [&b""[..], b"\xff\xfe\0", b"format = 1\n", nested.as_bytes()] {
        place.write("r/runs.csv", shorter);
        fs::write(place.path("r/manifest.toml"), garbage).unwrap();
        let error = place.refused("sweep t.toml --out r --quiet");
        assert!(
            error.contains("`r/manifest.toml` does not say what computed") && error.contains("--allow-mixed"),
            "{error}"
        );
        assert_eq!(place.read("r/runs.csv"), shorter);
        place.ok("sweep t.toml --out r --quiet --allow-mixed");
        assert_eq!(place.read("r/runs.csv"), runs);
        assert!(place.read("r/manifest.toml").contains("status = \"complete\""));
    }
}

#[test]
fn a_spec_in_the_folder_that_is_none_is_replaced_if_the_rows_are_of_this_grid() {
    let (place, runs) = finished(SPEC);
    let endless =
        SPEC.replace("points=6", "points=1000000000").replace("width=7", "lr_output={log=[1,2],points=1000000000}");
    for garbage in [&b"\xff\xfe\0"[..], b"not TOML", &[b'['; 1 << 20], endless.as_bytes()] {
        fs::write(place.path("r/spec.toml"), garbage).unwrap();
        assert!(!place.refused("check r").contains("panicked"));
        place.refused("replay r t");
        place.ok("sweep t.toml --out r --quiet");
        assert_eq!((place.read("r/spec.toml"), place.read("r/runs.csv")), (SPEC.to_owned(), runs.clone()));
    }
    fs::write(place.path("r/spec.toml"), b"\xff").unwrap();
    place.write("t.toml", &SPEC.replace("width=7", "width=8"));
    assert!(place.refused("sweep t.toml --out r").contains("holds another sweep"));
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let (place, _) = finished(&format!("{SPEC}{EXPECT}"));
    for file in ["runs.csv", "manifest.toml", "spec.toml", "epochs.csv"] {
        let path = place.path(&format!("r/{file}"));
        let before = fs::read(&path).ok();
        for make in [&["mkdir"][..], &["mkfifo"], &["ln", "-s", "/dev/zero"]] {
            let _ = fs::remove_file(&path);
            assert!(Command::new(make[0]).args(&make[1..]).arg(&path).status().unwrap().success());
            let output = place.run("sweep t.toml --out r");
            assert_eq!(output.status.code(), Some(2), "{file} {make:?}");
            assert!(stderr(&output).contains(&format!("`r/{file}`: it is not a regular file")), "{}", stderr(&output));
            let _ = fs::remove_dir(&path);
        }
        let _ = fs::remove_file(&path);
        before.map_or(Ok(()), |bytes| fs::write(&path, bytes)).unwrap();
    }
    place.ok("sweep t.toml --out r --quiet");
}

#[test]
fn garbage_beside_the_runs_is_dropped() {
    let (place, runs) = finished(&format!("{SPEC}[record]\nepochs=true\nsteps=3\n"));
    let epochs = place.read("r/epochs.csv");
    let lines: Vec<&str> = epochs.lines().collect();
    let long = "\"".repeat(1 << 20);
    for garbage in ["", "no row", long.as_str(), "t0123456789ab,1,2,3"] {
        let mut changed = lines.clone();
        // The garbage stands between the rows of two trials. Within one trial, the rows before it
        // would be given up.
        changed.insert(1, garbage);
        place.write("r/epochs.csv", &(changed.join("\n") + "\n" + garbage));
        place.ok("sweep t.toml --out r --quiet");
        assert_eq!(place.read("r/runs.csv"), runs);
        assert_eq!(place.read("r/epochs.csv").lines().count(), epochs.lines().count());
    }
}
