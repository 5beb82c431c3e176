//! What the documents say of columns, axes and tasks, against the program's own lists: every name, and none that is not there.

use crate::sweep::Place;
use blowup_core::axis::Axis;
use blowup_core::record;
use blowup_core::summary;
use blowup_core::trial::{Schedule, TaskKind};

fn document(name: &str) -> String {
    std::fs::read_to_string(format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The section of a page under this heading.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let rest = page.split(&format!("\n## {heading}\n")).nth(1).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split("\n## ").next().unwrap()
}

/// The cells of the rows of all tables, heads left out.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_row = |line: &str| line.starts_with("| ");
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let is_head = lines.get(at + 1).is_some_and(|next| next.starts_with("|---"));
        if is_row(line) && !is_head {
            // A bar in a cell is escaped.
            let cells = line.match_indices('|').map(|(at, _)| at).filter(|at| *at == 0 || !line[..*at].ends_with('\\'));
            let ends: Vec<usize> = cells.collect();
            rows.push(ends.windows(2).map(|pair| line[pair[0] + 1..pair[1]].trim()).collect());
        }
    }
    rows
}

/// The words in backticks that are names.
fn names(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    quoted.filter(|word| !word.is_empty() && word.chars().all(is_name)).collect()
}

#[test]
fn every_column_of_every_file_is_described_with_its_unit_and_when_it_is_empty() {
    let page = document("results.md");
    let own = |columns: Vec<&'static str>| -> Vec<String> {
        columns.into_iter().filter(|name| !Axis::names().any(|axis| axis == *name)).map(ToOwned::to_owned).collect()
    };
    let header = String::from_utf8(summary::header()).unwrap();
    let counted = header.trim_end().split(',').skip_while(|name| *name != "trials").map(ToOwned::to_owned).collect();
    let side = |columns: &[&str]| columns.iter().map(|name| (*name).to_owned()).collect();
    let files: [(&str, Vec<String>); 5] = [
        ("`runs.csv`", own(record::runs())),
        ("`summary.csv`", counted),
        ("`epochs.csv`", side(&record::EPOCHS)),
        ("`layers.csv`", side(&record::LAYERS)),
        ("`steps.csv`", side(&record::STEPS)),
    ];
    for (file, columns) in files {
        let rows = rows(section(&page, file));
        let described: Vec<String> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
        assert_eq!(described, columns, "{file}");
        for row in rows {
            assert!(row.len() == 4 && !row[2].is_empty() && !row[3].is_empty(), "{file}: {row:?}");
        }
    }
}

#[test]
fn every_axis_and_every_task_is_described_and_no_other() {
    let page = document("spec.md");
    let mut tables = page.split("\n\n").filter(|part| part.starts_with("| "));
    let axes = tables.next().unwrap();
    for axis in Axis::names() {
        assert!(names(axes).contains(&axis), "`{axis}` is not described");
    }
    for row in rows(axes) {
        let strange = names(row[0]).into_iter().find(|name| !Axis::names().any(|axis| axis == *name));
        assert_eq!(strange, None, "{row:?}");
    }
    let schedules: Vec<&str> = rows(tables.next().unwrap()).into_iter().map(|row| row[0]).collect();
    assert_eq!(schedules, Schedule::NAMES);
    let mut tasks: Vec<String> = rows(tables.next().unwrap())
        .iter()
        .flat_map(|row| row[0].split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect::<Vec<_>>())
        .collect();
    let mut known: Vec<String> = TaskKind::ALL.iter().map(|kind| kind.name().to_owned()).collect();
    tasks.sort_unstable();
    known.sort_unstable();
    assert_eq!(tasks, known);
}

#[test]
fn the_formulas_of_the_schedules_are_the_programs() {
    let cosine = |share: f64| (1.0 + (std::f64::consts::PI * share).cos()) / 2.0;
    let (total, warmup) = (20, 4);
    for t in 0..total {
        let (x, w, all) = (t as f64, warmup as f64, total as f64);
        let rise = ((x + 1.0) / w).min(1.0);
        assert_eq!(Schedule::Constant.factor(t, total), 1.0);
        assert_eq!(Schedule::Warmup { warmup }.factor(t, total), rise);
        assert_eq!(Schedule::Cosine.factor(t, total), cosine(x / all));
        let both = if t < warmup { rise } else { cosine((x - w) / (all - w)) };
        assert_eq!(Schedule::WarmupCosine { warmup }.factor(t, total), both);
    }
}

/// One trial's cells by column.
fn cells(place: &Place, file: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(place.path(file)).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// What docs/results.md says of losses with batch norm: means over chunks, each with statistics of its own.
#[test]
fn with_batch_norm_the_loss_over_all_data_depends_on_the_batch() {
    let place = Place::new(
        "name = \"t\"\nepochs = 0\n[task]\nkind = \"teacher\"\nsamples = 22\n[base]\nwidth = 8\ndepth = 2\nlr = 0.1\nbatch = [\"all\", 8]\n[[grid]]\nnorm = [\"batch\", \"layer\"]\n",
    );
    place.ok("sweep t.toml --out r --quiet");
    let initial: Vec<(String, f64)> = cells(&place, "r/runs.csv")
        .iter()
        .map(|row| (row["norm"].clone(), row["loss_initial"].parse().unwrap()))
        .collect();
    let of = |norm: &str| initial.iter().filter(|(found, _)| found == norm).map(|(_, loss)| *loss).collect::<Vec<_>>();
    let (batch, layer) = (of("batch"), of("layer"));
    assert!((batch[0] - batch[1]).abs() > 1e-3, "{batch:?}");
    assert!((layer[0] - layer[1]).abs() < 1e-6, "{layer:?}");
}

/// The layer that docs/spec.md names: denormals are flushed, so the signal is exactly 0 earlier than in PyTorch.
#[test]
fn a_deep_net_of_pytorchs_initialization_hands_on_zeros_from_the_layer_that_is_told() {
    let place = Place::new(
        "name = \"t\"\nepochs = 0\n[task]\nkind = \"teacher\"\nsamples = 32\n[record]\nlayers = [0]\n[[grid]]\ndepth = 100\nwidth = 256\nbias = \"none\"\nlr = 0.1\n",
    );
    place.ok("sweep t.toml --out r --quiet");
    let rows = cells(&place, "r/layers.csv");
    let zero = |row: &&std::collections::BTreeMap<String, String>| row["activation_rms"] == "0.0";
    let first: usize = rows.iter().find(zero).expect("some layer is silent")["layer"].parse().unwrap();
    assert_eq!(first, 98);
    assert!(document("spec.md").contains(&format!("all from layer {first} on")));
    // Of ordinary numbers a layer has none that are smaller than 1.2e-38.
    let before: f64 = rows[first - 2]["activation_rms"].parse().unwrap();
    assert!(before < 1.2e-38, "{before}");
}
