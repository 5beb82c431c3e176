//! Figures as files: they look as they did when somebody looked at them, and those for a paper have
//! its size in every format.

use crate::pictures::{FULL, has, stdout, swept, texts};
use crate::readers::python;
use crate::sweep::stderr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a script of `tests/pictures/`, which needs the packages of tests/requirements.txt. Where
/// CI=true they must be there.
fn script(name: &str, args: &[&str]) -> Option<String> {
    let python = python();
    assert!(python.is_some() || std::env::var("CI").as_deref() != Ok("true"), "no Python to compare pictures with");
    let Some(python) = python else {
        eprintln!("SKIPPED: no Python with Pillow here; `make test` sets it up");
        return None;
    };
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures").join(name))
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The arguments behind `# plot` in the first line of a spec.
fn words(line: &str) -> Vec<String> {
    let parts = line.trim_start_matches("# plot").split('"').enumerate();
    parts
        .flat_map(|(at, part)| {
            if at % 2 == 1 { vec![part.to_owned()] } else { part.split_whitespace().map(ToOwned::to_owned).collect() }
        })
        .collect()
}

#[test]
fn pictures_look_as_they_did_when_somebody_looked_at_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures/specs");
    let mut specs: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    specs.sort();
    assert!(specs.len() >= 20, "{specs:?}");
    let mut changed = Vec::new();
    for path in specs {
        let text = std::fs::read_to_string(&path).unwrap();
        let place = swept(&text);
        // Its build would stand in each picture.
        std::fs::remove_file(place.path("r/manifest.toml")).unwrap();
        let out = place.path("figures");
        let asked = words(text.lines().next().unwrap());
        let fixed = ["plot", "r", "--out", "figures", "--format", "png"];
        let output = place.command(&fixed.join(" ")).args(asked).output().unwrap();
        assert!(output.status.success(), "{}: {}", path.display(), stderr(&output));
        let name = path.file_stem().unwrap().to_str().unwrap();
        let compared = std::panic::catch_unwind(|| script("compare.py", &[out.to_str().unwrap(), name]));
        changed.extend(compared.err().map(|_| name.to_owned()));
    }
    assert!(changed.is_empty(), "these have changed: {changed:?}");
}

#[test]
fn a_figure_for_a_paper_has_its_size_in_every_format() {
    let place = swept(FULL);
    let told = stdout(&place, "plot r --out p --size 85mm --format svg,png,pdf --where clip=none --facet init");
    assert_eq!(told.lines().count() % 3, 0, "{told}");
    assert!(!told.contains("report"), "{told}");
    let figures: Vec<&str> = told.lines().filter_map(|line| line.strip_suffix(".pdf")).collect();
    assert!(figures.len() >= 4, "{told}");
    for figure in figures {
        let (folder, name) = figure.split_once('/').unwrap();
        script("formats.py", &[place.path(folder).to_str().unwrap(), name, "240.94"]);
    }
    // Again: the figures of before are blowup's own, and are replaced.
    stdout(&place, "plot r --out p --size 85mm --format svg,png,pdf --where clip=none --facet init");
    // The figures that have no room on such a page are told; this one has.
    place.run("plot r --out h --size 170x120mm --format svg,png,pdf --where activation=tanh");
    script("formats.py", &[place.path("h").to_str().unwrap(), "phase-where-activation-tanh", "481.89", "340.16"]);
}

#[test]
fn a_figure_without_room_is_refused_and_the_others_are_drawn() {
    let place = swept(FULL);
    let error = place.refused("plot r --out p --size 60x45mm --format pdf --facet init,clip");
    assert!(error.contains("with letters of 7 points, `phase") && error.contains(" mm high"), "{error}");
    for wrong in ["85", "85x60", "0mm", "wide"] {
        let error = stderr(&place.run(&format!("plot r --size {wrong}")));
        assert!(error.contains("85mm") || error.contains("30mm"), "{wrong}: {error}");
    }
    // A PDF of somebody else's stays.
    std::fs::create_dir(place.path("q")).unwrap();
    let told = stdout(&place, "plot r --out q --format pdf --where clip=none");
    let first = told.lines().next().unwrap();
    std::fs::write(place.path(first), "%PDF-1.7\nsomebody's own").unwrap();
    let error = place.refused("plot r --out q --format pdf --where clip=none");
    assert!(error.contains("is there and is no figure of blowup's"), "{error}");
}

#[test]
fn a_title_of_ones_own_leaves_the_filter_in_the_picture() {
    let place = swept(FULL);
    place.ok("plot r --out p --title Depth --where clip=none --format svg");
    let picture = place.read("p/survival-where-clip-none.svg");
    has(&texts(&picture), &["Depth"]);
    assert!(picture.contains("only clip=none. Solid"), "{picture}");
    place.ok("plot r --out e --title= --where clip=none --format svg");
    let picture = place.read("e/survival-where-clip-none.svg");
    assert!(!picture.contains("font-size=\"16\""), "{picture}");
}
