//! Compares what the documents say of columns, axes and tasks with the program's own lists, and
//! tests the lists that follow from the declarations of the columns.

#[path = "../../crates/core/examples/tables/pages.rs"]
mod pages;

use crate::sweep::Place;
use blowup::report;
use blowup_core::axis::TABLE;
use blowup_core::record::column::{About, abouts};
use blowup_core::record::{self, EPOCH, LAYER, Lost, STEP};
use blowup_core::spec::metric::LayerTerm;
use blowup_core::summary;
use blowup_core::trial::{Schedule, TaskKind};

fn document(name: &str) -> String {
    std::fs::read_to_string(format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The cells of the rows of all tables, without their heads.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let is_row = |line: &str| line.starts_with("| ");
    let mut rows = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let is_head = lines.get(at + 1).is_some_and(|next| next.starts_with("|---"));
        if is_row(line) && !is_head {
            // A bar within a cell is escaped.
            let cells = line.match_indices('|').map(|(at, _)| at).filter(|at| *at == 0 || !line[..*at].ends_with('\\'));
            let ends: Vec<usize> = cells.collect();
            rows.push(ends.windows(2).map(|pair| line[pair[0] + 1..pair[1]].trim()).collect());
        }
    }
    rows
}

#[test]
fn the_tables_of_the_documents_are_those_of_the_declarations() {
    for (file, written) in pages::PAGES {
        let page = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(written(&page).as_ref() == Ok(&page), "`{file}` is not what `make tables` writes");
    }
}

#[test]
fn no_word_of_the_fuzzers_dictionary_stands_twice() {
    let page = std::fs::read_to_string(format!("{}/fuzz/words.dict", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let mut words: Vec<&str> = page.lines().filter(|line| !line.starts_with('#')).collect();
    words.sort_unstable();
    let twice = words.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None);
}

/// What is known of every column that is no axis.
fn every_column() -> Vec<&'static About> {
    let beside = abouts(&EPOCH).chain(abouts(&LAYER)).chain(abouts(&STEP));
    record::abouts_of_runs().chain(summary::counted()).chain(beside).collect()
}

#[test]
fn every_column_and_every_axis_is_described_in_sentences() {
    for about in every_column() {
        let About { name, kind, unit, text, empty, .. } = *about;
        assert!(text.ends_with('.') && !text.contains("  ") && !text.contains('\n'), "{name}: {text}");
        assert!(!empty.is_empty() && !empty.ends_with('.'), "{name}: {empty}");
        assert_eq!(about.is_numeric(), !unit.is_empty(), "{name}: {kind:?} in `{unit}`");
    }
    for axis in &TABLE {
        assert!(axis.text.ends_with('.') && !axis.title.is_empty(), "{}: {}", axis.name, axis.text);
    }
    let lost = every_column().into_iter().find(|about| about.name == "lost").unwrap();
    for reason in Lost::ALL {
        assert!(lost.text.contains(&format!("`{}`", reason.name())), "{}", lost.text);
    }
}

#[test]
fn every_schedule_and_every_task_is_described_and_no_other() {
    let page = document("spec.md");
    let from_schedules = page.split("\n\n").skip_while(|part| !part.starts_with("| `schedule` |"));
    let mut tables = from_schedules.filter(|part| part.starts_with("| "));
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
fn the_lists_of_columns_follow_from_the_declarations() {
    assert_eq!(record::runs()[record::LABEL], "label");
    assert_eq!(record::runs()[record::OUTCOME..][..2], ["outcome", "lost"]);
    let recorded: Vec<&str> = record::runs().into_iter().filter(|name| record::is_recorded(name)).collect();
    assert_eq!(recorded, ["sharpness_initial", "sharpness_final"]);
    let texts: Vec<&str> = record::runs().into_iter().filter(|name| !record::is_numeric(name)).collect();
    insta::assert_snapshot!("axes_and_columns_of_text", texts.join("\n"));
    insta::assert_snapshot!("columns_of_layers", LayerTerm::columns().collect::<Vec<_>>().join("\n"));
    insta::assert_snapshot!("measures_of_the_report", report::data::measures().join("\n"));
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
        assert_eq!(Schedule::Cosine { lr_min: 0.0 }.factor(t, total), cosine(x / all));
        let both = if t < warmup { rise } else { cosine((x - w) / (all - w)) };
        assert_eq!(Schedule::WarmupCosine { warmup, lr_min: 0.0 }.factor(t, total), both);
        // The table has these in one form, and the program may have them in another.
        let close = |schedule: Schedule, formula: f64| {
            let found = schedule.factor(t, total);
            assert!((found - formula).abs() < 1e-15, "{schedule:?} at {t}: {found}, {formula}");
        };
        let m = 0.1;
        close(Schedule::Cosine { lr_min: m }, m + (1.0 - m) * cosine(x / all));
        close(Schedule::Linear { lr_min: m }, m + (1.0 - m) * (1.0 - x / all));
        close(Schedule::Polynomial { power: 3.0, lr_min: m }, m + (1.0 - m) * (1.0 - x / all).powi(3));
        let d = 6.0;
        let fall = m + (1.0 - m) * ((all - x) / d).min(1.0);
        close(Schedule::Wsd { warmup, cooldown: 6, lr_min: m }, rise * fall);
        let peak = 0.3 * all - 1.0;
        let cycle = if x <= peak {
            1.0 / 25.0 + (1.0 - 1.0 / 25.0) * cosine(1.0 - x / peak)
        } else {
            m + (1.0 - m) * cosine((x - peak) / (all - 1.0 - peak))
        };
        close(Schedule::OneCycle { lr_min: m }, cycle);
    }
    // The ends of `one_cycle` are those of OneCycleLR's defaults. A decay never reaches `lr_min`.
    let cycle = Schedule::from_name("one_cycle").unwrap();
    for (t, factor) in [(0, 0.04), (5, 1.0), (19, 4e-6)] {
        assert!((cycle.factor(t, 20) - factor).abs() < 1e-15, "{t}");
    }
    assert!(Schedule::Linear { lr_min: 0.0 }.factor(19, 20) > 0.0);
}

/// The cells of the only trial by column.
fn cells(place: &Place, file: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(place.path(file)).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// docs/results.md says of losses with batch norm that they are means over chunks, each of which
/// has statistics of its own.
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

/// docs/spec.md names this layer. Denormals are flushed to zero, so the signal is exactly 0 earlier
/// than in PyTorch.
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
    // A layer holds no ordinary numbers below 1.2e-38.
    let before: f64 = rows[first - 2]["activation_rms"].parse().unwrap();
    assert!(before < 1.2e-38, "{before}");
}
