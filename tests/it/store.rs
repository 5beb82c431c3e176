//! The run directory: what resumes, what is repaired, and what is refused.

use crate::sweep::{Place, SPEC, stderr};
use std::fs::Metadata;

/// A finished sweep in `r`.
fn finished() -> (Place, String) {
    let place = Place::new(SPEC);
    place.ok("sweep t.toml --out r --quiet");
    let runs = place.read("r/runs.csv");
    (place, runs)
}

fn metadata(place: &Place) -> Metadata {
    std::fs::metadata(place.path("r/runs.csv")).unwrap()
}

#[test]
fn a_finished_sweep_returns_at_once_with_its_table() {
    let (place, runs) = finished();
    let before = metadata(&place).modified().unwrap();
    let output = place.run("sweep t.toml --out r");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stdout).contains("48 trials"));
    assert_eq!(stderr(&output), "");
    assert_eq!((place.read("r/runs.csv"), metadata(&place).modified().unwrap()), (runs, before));
}

#[test]
fn a_row_that_was_being_written_is_cut_and_redone() {
    let (place, runs) = finished();
    let last = runs.trim_end().rfind('\n').unwrap() + 1;
    for cut in [runs.len() - 1, last + 20, last + 3, last, 10, 0] {
        place.write("r/runs.csv", &runs[..cut]);
        place.ok("sweep t.toml --out r --quiet");
        assert_eq!(place.read("r/runs.csv"), runs, "cut at {cut}");
    }
}

#[test]
fn damaged_and_doubled_rows_are_repaired() {
    let (place, runs) = finished();
    let mut lines: Vec<String> = runs.lines().map(str::to_owned).collect();
    lines[5].truncate(60);
    lines[7] = lines[7].replacen(',', ",\"", 1);
    lines[9] = lines[8].clone();
    lines[11].insert(0, '?');
    lines[15].replace_range(1..3, "ff");
    lines.swap(20, 30);
    place.write("r/runs.csv", &(lines.join("\n") + "\n"));
    let output = place.run("sweep t.toml --out r");
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("damaged"), "{}", stderr(&output));
    assert_eq!(place.read("r/runs.csv"), runs);
}

#[test]
fn a_number_that_changed_is_noticed_trained_again_and_fails_the_gate() {
    let (place, runs) = finished();
    let spec = format!("{SPEC}[[expect]]\nmetric=\"nonfinite_rate\"\nmax=1\n");
    place.write("t.toml", &spec);
    place.ok("check r --spec t.toml");
    // It is one bit of a digit of a measured number: the last digit of the last row.
    let at = runs.rfind(|c: char| c.is_ascii_digit()).unwrap();
    let mut bytes = runs.clone().into_bytes();
    assert!(bytes[at].is_ascii_digit(), "{}", &runs[at..]);
    bytes[at] ^= 1;
    place.write("r/runs.csv", std::str::from_utf8(&bytes).unwrap());
    let error = place.refused("check r --spec t.toml");
    assert!(error.contains("line 49: the row is not as it was written"), "{error}");
    let output = place.run("sweep t.toml --out r");
    assert!(stderr(&output).contains("1 trial to run"), "{}", stderr(&output));
    assert_eq!(place.read("r/runs.csv"), runs);
    place.ok("check r");
}

#[test]
fn rows_without_checksums_are_taken_as_they_are_and_get_some() {
    let (place, runs) = finished();
    let sums = place.read("r/runs.crc32");
    assert_eq!(sums.lines().count(), 1 + 48);
    std::fs::remove_file(place.path("r/runs.crc32")).unwrap();
    let output = place.run("sweep t.toml --out r --quiet");
    assert!(stderr(&output).contains("has no checksums"), "{}", stderr(&output));
    // But nobody knows what else was recorded of them.
    let guessed = sums.replace(",,,,,,,\n", ",?,,,,,,\n");
    assert_eq!((place.read("r/runs.csv"), place.read("r/runs.crc32")), (runs.clone(), guessed));
    // The file is torn and has a damaged line. The trials of these rows are trained again.
    place.write("r/runs.crc32", &sums.replacen(",0", ",x", 1)[..sums.len() - 30]);
    place.ok("sweep t.toml --out r --quiet");
    assert_eq!((place.read("r/runs.csv"), place.read("r/runs.crc32")), (runs, sums));
}

#[test]
fn rows_of_other_files_without_a_run_are_dropped() {
    let place = Place::new(&format!("{SPEC}[record]\nepochs=true\nsteps=3\n"));
    place.ok("sweep t.toml --out r --quiet");
    let files = ["r/runs.csv", "r/epochs.csv", "r/steps.csv"];
    let whole = files.map(|file| place.read(file));
    let few: Vec<&str> = whole[0].lines().take(30).collect();
    place.write("r/runs.csv", &(few.join("\n") + "\n"));
    place.write("r/epochs.csv", &whole[1][..whole[1].len() - 30]);
    place.ok("sweep t.toml --out r --quiet");
    assert_eq!(files.map(|file| place.read(file)), whole);
}

#[test]
fn a_grid_that_grew_runs_its_new_trials_only() {
    let (place, runs) = finished();
    let larger = SPEC.replace("seeds=2", "seeds=3");
    place.write("t.toml", &larger);
    let output = place.run("sweep t.toml --out r");
    assert!(stderr(&output).contains("24 trials to run"), "{}", stderr(&output));
    assert_eq!(place.read("r/spec.toml"), larger);
    let grown = place.read("r/runs.csv");
    assert!(runs.lines().all(|row| grown.contains(row)));
    assert_eq!(grown, place.undisturbed());
}

#[test]
fn another_grid_is_refused_and_the_folder_stays_as_it_is() {
    let (place, runs) = finished();
    for other in [SPEC.replace("seeds=2", "seeds=1"), SPEC.replace("width=7", "width=8")] {
        place.write("t.toml", &other);
        let error = place.refused("sweep t.toml --out r");
        for part in ["`r/spec.toml`", "`t.toml`", "--out"] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!((place.read("r/runs.csv"), place.read("r/spec.toml")), (runs.clone(), SPEC.to_owned()));
    }
}

#[test]
fn a_label_may_change() {
    let (place, runs) = finished();
    place.write("t.toml", &SPEC.replace("[[grid]]", "[[grid]]\nlabel=\"one, \\\"two\\\"\""));
    place.ok("sweep t.toml --out r --quiet");
    let labelled = place.read("r/runs.csv");
    assert!(labelled.lines().skip(1).all(|row| row.contains(",\"one, \"\"two\"\"\",noise,")), "{labelled}");
    assert_eq!(labelled.replace("\"one, \"\"two\"\"\"", ""), runs);
    let summary = place.read("r/summary.csv");
    assert!(summary.lines().skip(1).all(|row| row.starts_with("\"one, \"\"two\"\"\",noise,")), "{summary}");
}

#[test]
fn a_filter_limits_what_runs_now_and_the_rest_may_follow() {
    let (place, runs) = finished();
    let table = place.ok("sweep t.toml --out part --where init=he");
    assert!(table.contains("24 of the grid's 48 trials"), "{table}");
    assert_eq!(place.read("part/runs.csv").lines().count(), 1 + 24);
    assert!(place.read("part/manifest.toml").contains("status = \"partial\""));
    place.ok("sweep t.toml --out part");
    assert_eq!(place.read("part/runs.csv"), runs);
}

#[test]
fn another_libtorch_is_refused_unless_asked_but_a_finished_sweep_is_shown() {
    let (place, runs) = finished();
    let manifest = place.read("r/manifest.toml");
    let start = manifest.find("fingerprints = [").unwrap();
    let end = start + manifest[start..].find('\n').unwrap();
    place.write("r/manifest.toml", &manifest.replace(&manifest[start..end], "fingerprints = [\"another\"]"));
    place.ok("sweep t.toml --out r --quiet");
    let shorter = &runs[..runs.len() - 5];
    place.write("r/runs.csv", shorter);
    let error = place.refused("sweep t.toml --out r --quiet");
    assert!(error.contains("`another`") && error.contains("--allow-mixed"), "{error}");
    assert_eq!(place.read("r/runs.csv"), shorter);
    place.ok("sweep t.toml --out r --quiet --allow-mixed");
    assert_eq!(place.read("r/runs.csv"), runs);
}

#[test]
fn rows_of_other_trials_under_the_same_spec_are_refused() {
    let (place, runs) = finished();
    std::fs::remove_file(place.path("r/runs.crc32")).unwrap();
    place.write("r/runs.csv", &runs.replace("\nt0", "\ntf").replace("\nt1", "\nte").replace("\nt2", "\ntd"));
    let error = place.refused("sweep t.toml --out r");
    assert!(error.contains("not of `t.toml`"), "{error}");
}

#[test]
fn other_columns_are_refused() {
    let (place, runs) = finished();
    place.write("r/runs.csv", &runs.replacen("label", "name", 1));
    let error = place.refused("sweep t.toml --out r");
    assert!(error.contains("`r/runs.csv` has other columns"), "{error}");
}

#[test]
fn missing_files_are_written_again() {
    let (place, _) = finished();
    let summary = place.read("r/summary.csv");
    std::fs::remove_file(place.path("r/summary.csv")).unwrap();
    place.ok("sweep t.toml --out r --quiet");
    assert_eq!(place.read("r/summary.csv"), summary);
}
