//! `report.html`: what it holds, and what a person in a real browser gets from it
//! (`tests/report/`).

use crate::check::{GRID, Results, place};
use crate::readers::python;
use crate::sweep::{Place, SPEC, stderr};
use blowup::report::columns::{ElementType, floats, integers, measure};
use blowup::report::data::Reload;
use blowup::report::sample::{Sample, mask};
use blowup::report::{MOST_SAMPLED, MOST_TRIALS};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python with Playwright and a Chromium, which `make test` installs. Where CI=true they must be
/// there.
fn browser() -> Option<PathBuf> {
    let chromium = std::env::var_os("BLOWUP_TEST_CHROMIUM").is_some()
        || Command::new("chromium").arg("--version").output().is_ok_and(|output| output.status.success());
    let found = python().filter(|_| chromium);
    assert!(found.is_some() || std::env::var("CI").as_deref() != Ok("true"), "no Chromium to test report.html with");
    if found.is_none() {
        eprintln!("SKIPPED: no Python with Playwright, or no Chromium, here; `make test` as root sets them up");
    }
    found
}

/// Runs checks of `tests/report/checks.py` on a run directory.
fn check(names: &[&str], dir: &Path, more: &[&str]) {
    check_with("checks.py", names, dir, more);
}

/// Runs checks of a script in `tests/report/` on a run directory.
pub fn check_with(script: &str, names: &[&str], dir: &Path, more: &[&str]) {
    let Some(python) = browser() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/report").join(script);
    for name in names {
        let output = Command::new(&python).arg(&script).arg(name).arg(dir).args(more).output().unwrap();
        assert!(output.status.success(), "{name}\n{}", String::from_utf8_lossy(&output.stderr));
        print!("{}", String::from_utf8_lossy(&output.stdout));
    }
}

pub fn smoke() -> Place {
    let spec = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/smoke.toml")).unwrap();
    let place = Place::new(&spec);
    place.ok("sweep t.toml --out r --quiet");
    place
}

/// The data in a page.
pub fn data(place: &Place) -> serde_json::Value {
    let page = place.read("r/report.html");
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

/// A grid with a cure.
pub const CURED: &str = r#"
name = "cured"
epochs = 9
seeds = 2
[task]
kind = "noise"
samples = 8
[[grid]]
depth = [2, 16, 4]
init = ["he", "xavier"]
clip = ["none", "norm(1.0)"]
lr = [0.1, 1.0]
"#;

#[test]
fn the_page_opens_offline_in_every_width_and_theme() {
    check(&["opens_offline", "themes"], &smoke().path("r"), &[]);
}

#[test]
fn pickers_filters_and_cells_show_what_the_rows_say() {
    check(&["pickers", "decides", "lr_sensitivity", "filters", "cells", "survival"], &smoke().path("r"), &[]);
}

/// Results of `CURED` in which the cure saves every trial and all others fail.
pub fn cured() -> Place {
    let mut results = Results::of(CURED);
    let text = results.text();
    let saved: Vec<bool> = text.lines().skip(1).map(|line| line.contains(",norm,1.0,")).collect();
    results.column("outcome", |row| if saved[row] { "converged" } else { "diverged" });
    place(CURED, &results.text())
}

#[test]
fn a_cell_that_pools_a_cure_is_marked_as_mixed() {
    let place = cured();
    place.ok("plot r");
    check(&["mixed"], &place.path("r"), &[]);
}

#[test]
fn trials_and_configurations_are_listed_sorted_and_found() {
    check(&["click_through", "configurations", "findings"], &smoke().path("r"), &[]);
}

#[test]
fn a_panel_out_of_sight_is_drawn_when_it_is_scrolled_to() {
    check(&["out_of_sight"], &smoke().path("r"), &[]);
}

#[test]
fn the_page_is_usable_without_a_pointer() {
    check(&["keyboard"], &smoke().path("r"), &[]);
}

#[test]
fn labels_that_are_markup_are_text() {
    let label = "</script><b>bold</b><img src=x onerror='hacked=1'><!-- \" & \\u003c ]]>";
    let spec = SPEC.replace("[[grid]]", &format!("[[grid]]\nlabel = {label:?}"));
    let other = "[[grid]]\nlabel = \"plain\"\nlr = 0.5\ndepth = 2\nwidth = 7\n";
    let place = Place::new(&format!("{spec}{other}"));
    place.ok("sweep t.toml --out r --quiet");
    let page = place.read("r/report.html");
    assert_eq!(page.matches("</script").count(), 2, "of the data and of the script");
    assert!(!page.contains("<b>bold"));
    assert_eq!(data(&place)["axes"][0]["levels"][0], label);
    check(&["harmless"], &place.path("r"), &[label]);
}

#[test]
fn scripts_never_make_markup_of_text() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/report/page");
    for file in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "srcdoc"]
        {
            assert!(!text.contains(way), "{way}");
        }
    }
}

#[test]
fn lost_and_missing_trials_and_failed_checks_are_told() {
    let expect = "[[expect]]\nname = \"deep\"\nby = [\"depth\"]\nmetric = \"divergence_rate\"\nmax = 0.5\n";
    let spec = format!("{GRID}{expect}");
    let mut results = Results::of(&spec);
    results.column("outcome", |i| ["", "nonfinite", "nonfinite", "nonfinite", "stalled"][i.min(4)]);
    results.column("lost", |i| if i == 0 { "timeout" } else { "" });
    results.column("epochs_run", |_| 9);
    let place = place(&spec, &results.text());
    let text = place.read("r/runs.csv");
    let part: Vec<&str> = text.lines().take(8).collect();
    place.write("r/runs.csv", &format!("{}\n", part.join("\n")));
    blowup::report::file::write(&blowup_core::store::Folder::open(&place.path("r")).unwrap(), None, Reload::Never)
        .unwrap();
    check(&["failed_gate"], &place.path("r"), &[]);
    let place = Place::new(SPEC);
    place.ok("sweep t.toml --out r --quiet --where init=he");
    check(&["part_of_a_grid"], &place.path("r"), &[]);
}

#[test]
fn a_hundred_thousand_trials_are_counted_right() {
    let spec = "name=\"many\"\nepochs=2\nseeds=1000\n[task]\nkind=\"scalar\"\n[[grid]]\ndepth=0\n\
                lr={log=[1e-2,1e3], points=10}\ninit=\"constant\"\ninit_scale={log=[1e-2,10.0], points=10}\n";
    let place = Place::new(spec);
    place.ok("sweep t.toml --out r --quiet");
    check(&["many"], &place.path("r"), &[]);
    check_with("pictures.py", &["all_values"], &place.path("r"), &[]);
}

#[test]
fn more_trials_than_a_page_holds_are_sampled_and_said_to_be() {
    let spec = "name=\"more\"\nepochs=1\nseeds=14000\n[task]\nkind=\"scalar\"\n[[grid]]\ndepth=0\nlr={log=[1e-2,1e3], points=10}\n";
    let place = Place::new(spec);
    place.ok("sweep t.toml --out r --quiet");
    let page = data(&place);
    assert_eq!((&page["sampled"]["of"], &page["counts"]["trials"]), (&140_000.into(), &140_000.into()));
    check(&["sampled"], &place.path("r"), &["140000"]);
}

#[test]
fn the_page_has_the_same_bytes_for_any_number_of_workers() {
    let place = Place::new(&format!("{SPEC}[record]\nepochs=true\n[[expect]]\nmetric=\"divergence_rate\"\nmax=1\n"));
    place.ok("sweep t.toml --out a --quiet --workers 1");
    place.ok("sweep t.toml --out r --quiet --workers 3 --chunk 2");
    assert_eq!(place.read("a/report.html"), place.read("r/report.html"));
    std::fs::remove_file(place.path("r/report.html")).unwrap();
    place.ok("sweep t.toml --out r --quiet");
    assert_eq!(place.read("a/report.html"), place.read("r/report.html"), "a sweep that was finished writes it again");
    let page = data(&place);
    assert_eq!(page["verdict"]["kind"], "u8");
    assert_eq!(page["checks"]["cases"].as_array().unwrap().len(), 5);
}

#[test]
fn a_page_that_cannot_be_written_costs_no_results() {
    let place = Place::new(SPEC);
    std::fs::create_dir_all(place.path("r/report.html/x")).unwrap();
    let output = place.run("sweep t.toml --out r --quiet");
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stderr(&output).contains("report.html was not written: error: cannot write `r/report.html`"),
        "{}",
        stderr(&output)
    );
    assert_eq!(place.read("r/runs.csv"), place.undisturbed());
}

#[test]
fn long_curves_are_thinned_and_keep_their_ends_and_the_crossing() {
    let place = Place::new(
        "name=\"t\"\nepochs=1000\nseeds=2\n[task]\nkind=\"scalar\"\n[record]\nepochs=true\n[[grid]]\ndepth=0\nlr=[0.1, 1.01]\n",
    );
    place.ok("sweep t.toml --out r --quiet");
    let curves = &data(&place)["curves"];
    assert_eq!(curves["thinned"], true);
    let decoded = |name: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(curves[name]["data"].as_str().unwrap()).unwrap()
    };
    let u16s = |name: &str| -> Vec<u16> {
        decoded(name).chunks(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
    };
    let (starts, epochs) = (u16s("starts"), u16s("epoch"));
    assert_eq!(starts.len(), 5);
    let rows = place.read("r/runs.csv");
    let cells = |name: &str| -> Vec<Option<u16>> {
        let column = blowup_core::record::column(name);
        rows.lines().skip(1).map(|row| row.split(',').nth(column).unwrap().parse().ok()).collect()
    };
    let (crossed, trained) = (cells("epoch_diverged"), cells("epochs_run").into_iter().flatten().collect::<Vec<u16>>());
    assert!(crossed.iter().any(Option::is_some), "{crossed:?}");
    for (i, ends) in starts.windows(2).enumerate() {
        let curve = &epochs[ends[0] as usize..ends[1] as usize];
        assert!(curve.is_sorted() && curve.len() > 80 && curve.len() <= 103, "{} points", curve.len());
        assert!(curve[0] == 0 && curve.last() == Some(&trained[i]), "{curve:?}");
        assert!(crossed[i].is_none_or(|epoch| curve.contains(&epoch)), "{crossed:?}");
    }
}

#[test]
fn columns_take_the_narrowest_type_that_holds_them() {
    let kind = |values: &[u32]| integers(values.iter().copied()).kind;
    assert_eq!(
        [kind(&[]), kind(&[255]), kind(&[256]), kind(&[65_536])],
        [ElementType::U8, ElementType::U8, ElementType::U16, ElementType::U32]
    );
    assert_eq!(integers([1, 258].into_iter()).data, "AQACAQ==");
    let kind = |values: &[f64]| floats(values.iter().copied()).kind;
    assert_eq!(
        [kind(&[0.0, 1e38, f64::NAN, f64::INFINITY]), kind(&[1e39]), kind(&[1e-40])],
        [ElementType::F32, ElementType::F64, ElementType::F64]
    );
    assert_eq!(measure("loss_max", &[None, None]), None);
    let some = measure("loss_max", &[Some(1.0), None, Some(f64::NAN)]).unwrap();
    assert_eq!(some.empty.as_deref(), Some("Ag=="));
    assert_eq!(measure("loss_max", &[Some(1.0)]).unwrap().empty, None);
}

#[test]
fn a_sample_is_whole_rows_chosen_by_their_ids_and_never_too_many() {
    assert_eq!([mask(0), mask(MOST_TRIALS), mask(MOST_TRIALS + 1)], [0, 0, 3]);
    for rows in [MOST_TRIALS + 1, 1_000_000, 10_000_000] {
        let share = mask(rows) + 1;
        assert!(rows / share <= MOST_SAMPLED && rows / share > MOST_SAMPLED / 2 - 1, "{rows}");
    }
    let text = "trial,label\nt000000000004,a\nt000000000001,\"b\nc\"\nt000000000008,\"d\ne\"\nt00000000000c,f\n";
    let read = |mask: u64| {
        let mut kept = String::new();
        Sample::new(text.as_bytes(), mask).read_to_string(&mut kept).unwrap();
        kept
    };
    assert_eq!(read(0), text);
    assert_eq!(read(3), "trial,label\nt000000000004,a\nt000000000008,\"d\ne\"\nt00000000000c,f\n");
    assert_eq!(read(7), "trial,label\nt000000000008,\"d\ne\"\n");
}
