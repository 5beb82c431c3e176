//! What a report answers: its pictures and files against numbers that Python works out, two
//! configurations side by side, and a page that follows its sweep.

use crate::check::{Results, place};
use crate::report::{CURED, check_with, data, smoke};
use crate::sweep::Place;
use blowup::report::data::Reload;
use blowup::report::file;
use blowup_core::record;
use blowup_core::spec::Spec;
use blowup_core::store::Folder;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

#[test]
fn survival_has_intervals_by_seeds_and_parallel_lines_filter() {
    check_with("pictures.py", &["survival", "parallel"], &smoke().path("r"), &[]);
}

#[test]
fn the_boundary_is_the_answer_of_an_edge() {
    check_with("pictures.py", &["boundary"], &smoke().path("r"), &["depth", "activation"]);
}

/// A grid along whose learning rates the rate of failure returns, falls by chance, or stays.
const RETURNS: &str = r#"
name = "returns"
epochs = 9
seeds = 12
[task]
kind = "noise"
samples = 8
[[grid]]
depth = [1, 2, 4]
init = ["he", "xavier"]
lr = [0.1, 0.2, 0.4, 0.8]
"#;

#[test]
fn a_boundary_is_re_entrant_where_the_rate_falls_by_more_than_chance() {
    let open = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let spec = Spec::parse(RETURNS, "t.toml", &open).unwrap();
    let failed: Vec<bool> = spec
        .grid()
        .trials()
        .map(|trial| {
            let of_twelve = match (trial.init.kind.name(), trial.network.depth()) {
                ("he", 1) => [0, 12, 0, 12],
                ("he", 2) => [0, 3, 9, 12],
                ("he", _) => [0, 10, 2, 12],
                (_, 1) => [0, 4, 2, 12],
                (_, 2) => [0; 4],
                (_, _) => [12; 4],
            };
            let at = [0.1, 0.2, 0.4, 0.8].iter().position(|lr| *lr == trial.lr).unwrap();
            trial.seed < of_twelve[at]
        })
        .collect();
    let mut results = Results::of(RETURNS);
    results.column("outcome", |row| if failed[row] { "diverged" } else { "converged" });
    let place = place(RETURNS, &results.text());
    place.ok("plot r");
    check_with("pictures.py", &["reentrant"], &place.path("r"), &[]);
}

#[test]
fn curves_that_coincide_are_told() {
    let mut results = Results::of(CURED);
    let text = results.text();
    let saved: Vec<bool> = text.lines().skip(1).map(|line| line.contains(",norm,1.0,")).collect();
    results.column("outcome", |row| if saved[row] { "converged" } else { "diverged" });
    results.column("epoch_diverged", |row| if saved[row] { "" } else { "3" });
    let drawn = |runs: &str, bands| {
        let place = place(CURED, runs);
        place.ok("plot r");
        check_with("pictures.py", &["coincide"], &place.path("r"), &[bands]);
    };
    drawn(&results.text(), "1");
    // Half of the trials of one learning rate are lost: the same course, less surely.
    let cell = |line: &str, name| line.split(',').nth(record::column(name)).unwrap().to_owned();
    let lost: Vec<bool> =
        text.lines().skip(1).map(|line| cell(line, "lr") == "1.0" && cell(line, "seed") == "1").collect();
    assert_eq!(lost.iter().filter(|lost| **lost).count(), 12);
    results.column("lost", |row| if lost[row] { "timeout" } else { "" });
    results.column("outcome", |row| {
        if lost[row] {
            ""
        } else if saved[row] {
            "converged"
        } else {
            "diverged"
        }
    });
    results.column("epoch_diverged", |row| if lost[row] || saved[row] { "" } else { "3" });
    drawn(&results.text(), "2");
}

#[test]
fn edges_are_those_of_their_file() {
    let spec = "name = \"edges\"\nepochs = 20\nseeds = 3\n[task]\nkind = \"scalar\"\n\
                [[edge]]\nname = \"safe\"\nover = { axis = \"lr\", log = [1e-2, 100.0], resolution = 1.3, points = 9 }\n\
                by = [\"momentum\", \"init_scale\"]\ndepth = 0\ninit = \"constant\"\ninit_scale = [1.0, 2.0]\nmomentum = [0.0, 0.5, 0.9]\n\
                [[edge]]\nname = \"lone\"\nover = { axis = \"lr\", log = [1e-2, 100.0], resolution = 1.3, points = 9 }\ndepth = 0\ninit = \"constant\"\n";
    let place = Place::new(spec);
    place.ok("sweep t.toml --out r --quiet");
    assert_eq!(data(&place)["edges"]["axes"], 2);
    check_with("pictures.py", &["edges"], &place.path("r"), &[]);
}

#[test]
fn saved_pictures_stand_alone_and_saved_tables_are_read_back() {
    check_with("files.py", &["pictures", "phase_cells", "tables"], &smoke().path("r"), &[]);
}

#[test]
fn two_configurations_stand_side_by_side_and_a_trial_is_replayed() {
    let place = smoke();
    check_with("visits.py", &["compare"], &place.path("r"), &[]);
    check_with("visits.py", &["replay"], &place.path("r"), &[env!("CARGO_BIN_EXE_blowup")]);
}

#[test]
fn a_page_of_a_sweep_that_trains_follows_it_and_one_that_has_ended_stays() {
    let place = Place::new(CURED);
    place.ok("sweep t.toml --out r --quiet");
    assert_eq!((&data(&place)["complete"], &data(&place)["reloads"]), (&true.into(), &false.into()));
    let (rows, manifest) = (place.read("r/runs.csv"), place.read("r/manifest.toml"));
    let lines: Vec<&str> = rows.lines().collect();
    let page = |n: usize, rows: usize, status: &str| {
        place.write("r/runs.csv", &format!("{}\n", lines[..=rows].join("\n")));
        place.write("r/manifest.toml", &manifest.replace("status = \"complete\"", &format!("status = \"{status}\"")));
        file::write(&Folder::open(&place.path("r")).unwrap(), None, Reload::UntilComplete).unwrap();
        std::fs::copy(place.path("r/report.html"), place.path(&format!("r/page{n}.html"))).unwrap();
        let data = data(&place);
        (
            data["complete"].as_bool().unwrap(),
            data["reloads"].as_bool().unwrap(),
            data["counts"]["missing"].as_u64().unwrap(),
        )
    };
    assert_eq!(page(0, 0, "running"), (false, true, 48));
    assert_eq!(page(1, 30, "running"), (false, true, 18));
    assert_eq!(page(2, 40, "running"), (false, true, 8));
    assert_eq!(page(3, 48, "complete"), (true, false, 0));
    check_with("visits.py", &["live", "empty"], &place.path("r"), &[]);
    page(2, 40, "running");
    place.ok("plot r");
    assert_eq!(data(&place)["reloads"], false, "only a page that is written again follows its sweep");
}

/// `blowup plot --watch` beside a sweep, which is here a lock on the folder: the report is written
/// while it is held, and the figures when it is free.
#[test]
fn a_watched_report_follows_until_the_sweep_has_ended() {
    let place = Place::new(CURED);
    place.ok("sweep t.toml --out r --quiet");
    let (rows, manifest) = (place.read("r/runs.csv"), place.read("r/manifest.toml"));
    let some: Vec<&str> = rows.lines().take(31).collect();
    place.write("r/runs.csv", &format!("{}\n", some.join("\n")));
    place.write("r/manifest.toml", &manifest.replace("status = \"complete\"", "status = \"running\""));
    std::fs::remove_file(place.path("r/report.html")).unwrap();
    let folder = std::fs::File::open(place.path("r")).unwrap();
    folder.lock().unwrap();
    let mut watch = place.command("plot r --watch").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(watch.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(line.contains("r/report.html follows the sweep"), "{line}");
    let live = data(&place);
    assert_eq!((&live["reloads"], &live["counts"]["missing"]), (&true.into(), &18.into()));
    assert!(!place.path("r/figures").exists());
    place.write("r/runs.csv", &rows);
    place.write("r/manifest.toml", &manifest);
    drop(folder);
    assert!(watch.wait().unwrap().success());
    let ended = data(&place);
    assert_eq!((&ended["reloads"], &ended["counts"]["missing"]), (&false.into(), &0.into()));
    assert!(place.path("r/figures/survival.svg").exists());
}
