//! `blowup read`: logs of other tools become a run directory. Those in `tests/logs/` were written
//! by the tools themselves (`make.py` there): each trained the same two runs.

use crate::sweep::{Place, stderr};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn logs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs")
}

/// The rows of a CSV file, by the names of their columns.
fn rows(place: &Place, file: &str) -> Vec<BTreeMap<String, String>> {
    let text = place.read(file);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().unwrap().clone();
    let row = |row: csv::StringRecord| head.iter().zip(&row).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// The losses of a log by epoch, and its gradient norms where it has some.
fn course(place: &Place, log: &str) -> Vec<(f64, Option<f64>)> {
    let runs = rows(place, "r/runs.csv");
    let trial = &runs.iter().find(|row| row["log"] == log).unwrap()["trial"];
    let epochs = rows(place, "r/epochs.csv");
    let of = epochs.iter().filter(|row| row["trial"] == *trial && row["epoch"] != "0");
    of.map(|row| (row["loss"].parse().unwrap(), row["grad_norm_max"].parse().ok())).collect()
}

#[test]
fn the_logs_of_four_tools_have_the_same_verdicts() {
    let place = Place::new("");
    let told = place.ok(&format!("read {} --out r", logs().display()));
    assert!(told.starts_with("8 logs, at most 30 records each\n"), "{told}");
    let runs = rows(&place, "r/runs.csv");
    assert_eq!(runs.len(), 8);
    for row in &runs {
        let (tool, run) = row["log"].split_once('/').unwrap();
        let expected = if run == "sound" { "converged" } else { "nonfinite" };
        assert_eq!(row["outcome"], expected, "{}", row["log"]);
        // What is not in a log is empty: Keras logs no norm, and none of them logs weights.
        assert_eq!(row["grad_norm_max"].is_empty(), tool == "keras", "{}", row["log"]);
        assert!(row["weight_norm_max"].is_empty() && row["backprop_ratio"].is_empty());
    }
    // Three of them trained the same numbers in float32, each with its own order of additions. The
    // loss is infinite in the fourth step; how soon a NaN follows depends on how they clip.
    let near = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-5 * b.abs().max(1.0);
    for run in ["sound", "diverging"] {
        let first = course(&place, &format!("huggingface/{run}"));
        assert!(first.len() >= 5, "{run}: {first:?}");
        for tool in ["lightning", "tensorboard"] {
            let other = course(&place, &format!("{tool}/{run}"));
            let compared = if run == "sound" { 30 } else { 4 };
            assert!(first.len().min(other.len()) >= compared, "{tool}/{run}");
            for ((a, norm), (b, other_norm)) in first.iter().zip(&other).take(compared) {
                assert!(near(*b, *a) && near(other_norm.unwrap(), norm.unwrap()), "{tool}/{run}: {b} {a}");
            }
        }
    }
    let diverging: Vec<_> = runs.iter().filter(|row| row["log"].ends_with("diverging")).collect();
    assert!(diverging.iter().filter(|row| !row["log"].starts_with("keras")).all(|row| row["epoch_nonfinite"] == "4"));
    // The rest of the program takes the directory as that of any sweep.
    assert!(place.ok("plot r --terminal").contains("huggingface/diverging"));
    assert!(place.read("r/report.html").contains("tensorboard/sound"));
}

#[test]
fn a_gate_compares_the_logs_of_two_folders_by_their_names() {
    let place = Place::new("");
    let write = |folder: &str, blown: bool| {
        fs::create_dir_all(place.path(folder)).unwrap();
        for run in 0..8 {
            let last = if blown && run < 6 { "nan" } else { "0.1" };
            place.write(&format!("{folder}/run{run}.csv"), &format!("step,loss\n0,1.0\n1,0.5\n2,{last}\n"));
        }
    };
    write("main", false);
    write("branch", true);
    place.ok("read main --out old");
    place.ok("read branch --out new");
    let output = place.run("check new --baseline old");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("8 pairs, 6 changed outcomes"), "{text}{}", stderr(&output));
    // All trials have one seed, which cannot prove anything, and a gate does not pass on that.
    assert!(output.status.code() == Some(1) && text.contains("baseline-few-seeds"), "{text}");
    // An expectation of the user's own is held against the logs.
    let spec = place.read("new/spec.toml") + "[[expect]]\nmetric = \"failure_rate\"\nmax = 0.5\n";
    place.write("gate.toml", &spec);
    let output = place.run("check new --spec gate.toml");
    assert!(String::from_utf8_lossy(&output.stdout).contains("failure_rate is 0.75"));
}

#[test]
fn a_log_that_has_grown_is_read_anew_and_other_folders_are_left_alone() {
    let place = Place::new("");
    place.write(
        "a.jsonl",
        "{\"step\": 1, \"train\": {\"loss\": 1.0}}\n{\"step\": 2, \"train\": {\"loss\": 0.5}}\n{\"step\": 3, \"tra",
    );
    place.ok("read a.jsonl --out r");
    assert_eq!(rows(&place, "r/runs.csv")[0]["epochs_run"], "2");
    let whole = "{\"step\": 1, \"train\": {\"loss\": 1.0}}\n{\"step\": 2, \"train\": {\"loss\": -Infinity}}\n{\"step\": 3, \"train\": {\"loss\": NaN, \"note\": \"NaN \\\\\\\" Infinity\"}}\n";
    place.write("a.jsonl", whole);
    place.ok("read a.jsonl --out r");
    let row = &rows(&place, "r/runs.csv")[0];
    assert_eq!((&*row["epoch_nan"], &*row["outcome"], &*row["epoch_nonfinite"]), ("3", "nonfinite", "2"));
    // A folder that something else has written into is not touched.
    fs::create_dir(place.path("mine")).unwrap();
    place.write("mine/spec.toml", "name = \"mine\"\n");
    let told = place.refused("read a.jsonl --out mine");
    assert!(told.contains("`mine/spec.toml` is there and is no spec that `blowup read` wrote"), "{told}");
    // The rows come out again when the folder is swept as any other.
    fs::remove_file(place.path("r/runs.csv")).unwrap();
    place.ok("sweep r/spec.toml --out r --quiet");
    assert_eq!(rows(&place, "r/runs.csv")[0]["epoch_nan"], "3");
}

#[test]
fn a_loss_is_not_guessed() {
    let place = Place::new("");
    place.write("two.csv", "epoch;loss_a;loss_b;val_loss\n0;1;2;3\n1;0.5;1;3\n");
    let told = place.refused("read two.csv --out r");
    assert!(told.contains("`--loss NAME` names it; there are `epoch`, `loss_a`, `loss_b`, `val_loss`"), "{told}");
    assert!(!place.path("r").exists());
    let told = place.refused("read two.csv --out r --loss loss_c");
    assert!(told.contains("has no column `loss_c`"), "{told}");
    place.ok("read two.csv --out r --loss loss_b");
    assert_eq!(rows(&place, "r/runs.csv")[0]["loss_min"], "1.0");
    // A loss on other data is none, and an empty or damaged file says so.
    for (name, text, expected) in [
        ("val.csv", "epoch,val_loss,test/loss\n0,1,2\n", "no column that is surely the training loss"),
        ("empty.csv", "", "no column that is surely the training loss"),
        ("none.csv", "epoch,loss\n0,\n", "no column that is surely the training loss"),
        ("state.json", "{\"log_history\": 3}", "is no trainer state: it has no list `log_history`"),
        ("bad.jsonl", "{\"loss\": 1}\n{loss}\n{\"loss\": 2}\n", "is no JSON lines: line 2: "),
        ("x.tfevents.1", "nothing", "is no TensorBoard events: it has no whole record"),
        ("notes.txt", "loss 1", "is no log that can be read"),
    ] {
        place.write(name, text);
        let told = place.refused(&format!("read {name} --out bad"));
        assert!(told.contains(expected), "{name}: {told}");
    }
    // In a folder, what is no log is left out and told.
    fs::create_dir(place.path("folder")).unwrap();
    place.write("folder/data.csv", "x,y\n1,2\n");
    place.write("folder/train.csv", "loss\n2\n1\n");
    let output = place.run("read folder --out r");
    assert!(stderr(&output).contains("folder/data.csv` is left out"), "{}", stderr(&output));
    assert_eq!(rows(&place, "r/runs.csv").len(), 1);
}

#[test]
fn of_the_checkpoints_of_a_trainer_the_last_is_read() {
    let place = Place::new("");
    let state = |last: f64| format!("{{\"log_history\": [{{\"loss\": 2.0}}, {{\"loss\": {last}}}]}}");
    for (step, last) in [(5, 1.5), (100, 1.25), (20, 1.0)] {
        fs::create_dir_all(place.path(&format!("out/checkpoint-{step}"))).unwrap();
        place.write(&format!("out/checkpoint-{step}/trainer_state.json"), &state(last));
        place.write(&format!("out/checkpoint-{step}/config.json"), "{}");
    }
    place.ok("read out --out r");
    let runs = rows(&place, "r/runs.csv");
    assert_eq!((runs.len(), &*runs[0]["loss_min"]), (1, "1.25"));
}
