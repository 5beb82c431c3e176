//! One trial is trained again: its row, its trace, and what is refused.

use crate::sweep::{Place, stderr};
use blowup_core::record;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use std::path::Path;
use std::process::Output;

/// Converging and exploding trials of an mlp on mini-batches, of an mlp on fresh data, and of a
/// recurrent net.
const SPEC: &str = r#"
name="t"
epochs=6
[task]
kind="teacher"
inputs=3
samples=20
[base]
width=7
lr=[0.05, 1e3]
[[grid]]
depth=3
batch=8
norm="layer"
clip="norm(1e6)"
[[grid]]
task={kind="fresh-noise", inputs=2, classes=3, samples=5}
loss="cross_entropy"
depth=1
dtype="bfloat16"
[[grid]]
network="rnn"
task={kind="noise-sequence", inputs=2, samples=4}
sequence_length=5
depth=2
activation="relu"
dtype="float64"
[record]
steps=1000
"#;

/// A finished sweep of `SPEC` in `r`.
fn swept() -> Place {
    let place = Place::new(SPEC);
    place.ok("sweep t.toml --out r --quiet");
    place
}

/// The rows of `runs.csv` that have these cells.
fn rows(place: &Place, wanted: &[(&str, &str)]) -> Vec<Vec<String>> {
    let text = place.read("r/runs.csv");
    let cells = |line: &str| -> Vec<String> { line.split(',').map(str::to_owned).collect() };
    let fits = |row: &Vec<String>| wanted.iter().all(|(column, value)| row[record::column(column)] == *value);
    text.lines().skip(1).map(cells).filter(fits).collect()
}

fn id(place: &Place, wanted: &[(&str, &str)]) -> String {
    rows(place, wanted).first().unwrap_or_else(|| panic!("no row with {wanted:?}"))[0].clone()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn every_trial_comes_out_again_byte_for_byte_under_any_environment() {
    let place = swept();
    for row in rows(&place, &[]) {
        let mut command = place.command(&format!("replay r {}", row[0]));
        for name in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "MKL_CBWR"] {
            command.env_remove(name);
        }
        let output = command.env("ATEN_CPU_CAPABILITY", "default").output().unwrap();
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{text}{}", stderr(&output));
        let cell = |column: &str| row[record::column(column)].as_str();
        assert!(text.contains(&format!("\nverdict: {}\n", cell("outcome"))), "{text}");
        assert!(text.contains("the whole row has the same bytes"), "{text}");
        if cell("step_nonfinite").is_empty() {
            assert!(text.contains("no tensor was bad"), "{text}");
        } else {
            let found = format!("first bad tensor: {}", cell("nonfinite_site"));
            assert!(text.contains(&found) && text.contains(&format!("in step {} (", cell("step_nonfinite"))), "{text}");
        }
    }
    assert!(!rows(&place, &[("outcome", "nonfinite")]).is_empty());
    assert!(!rows(&place, &[("outcome", "converged")]).is_empty());
}

#[test]
fn another_row_than_the_recorded_one_is_told_and_is_status_1() {
    let place = swept();
    // With its checksum, a row that was edited would count as damaged.
    std::fs::remove_file(place.path("r/runs.crc32")).unwrap();
    let whole = place.read("r/runs.csv");
    let manifest = place.read("r/manifest.toml");
    let row = rows(&place, &[("outcome", "converged")]).remove(0);
    let check = |column: &str, cell: &str, status: i32, words: &str| {
        let mut changed = row.clone();
        changed[record::column(column)] = cell.to_owned();
        place.write("r/runs.csv", &whole.replace(&row.join(","), &changed.join(",")));
        let output = place.run(&format!("replay r {}", row[0]));
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(status), "{text}");
        assert!(text.contains(words), "{text}");
        if column != "label" {
            assert!(text.contains(&format!("\n{column} ")), "{text}");
        }
    };
    check("outcome", "diverged", 1, "ANOTHER VERDICT");
    check("step_nan", "3", 1, "ANOTHER VERDICT");
    check("loss_final", "0.5", 1, "the same verdict, but other numbers");
    check("label", "another", 0, "the whole row has the same bytes");
    // A row that was computed elsewhere may have other last digits, but not another verdict.
    place.write("r/manifest.toml", &manifest.replace("libtorch 2", "libtorch 1"));
    check("loss_final", "0.5", 0, "the last digits may differ");
    check("outcome", "diverged", 1, "ANOTHER VERDICT");
}

#[test]
fn a_trial_without_a_row_is_replayed_all_the_same() {
    let place = Place::new(SPEC);
    place.ok("sweep t.toml --out r --quiet --where network=rnn");
    let whole = place.undisturbed();
    let missing = whole.lines().find(|line| line.contains(",mlp,")).unwrap();
    let text = place.ok(&format!("replay r {}", &missing[..13]));
    assert!(text.contains("this trial has no row yet"), "{text}");
}

#[test]
fn what_cannot_be_replayed_is_refused_and_nothing_is_overwritten() {
    let place = swept();
    let trial = id(&place, &[("network", "rnn")]);
    let check = |args: &str, expected: &str| {
        let error = place.refused(args);
        assert!(error.contains(expected), "{args}\n{error}");
    };
    let near = format!("{}{}", &trial[..12], if trial.ends_with('0') { "1" } else { "0" });
    check(&format!("replay r {near}"), &format!("did you mean `{trial}`"));
    check("replay r t", "begins the ids of 6 trials");
    check("replay r 7", "`7` is no id of a trial");
    check("replay r tXYZ", "r/runs.csv");
    check(&format!("replay nowhere {trial}"), "`nowhere` is no folder of results");
    check(&format!("replay t.toml {trial}"), "`t.toml` is not a folder");
    check(&format!("replay r {trial} --spec nowhere.toml"), "`nowhere.toml`");
    check(&format!("replay r {trial} --trace no/such/folder"), "`no/such/folder`");
    std::fs::create_dir(place.path("there")).unwrap();
    place.write("there/kept", "kept");
    std::fs::create_dir(place.path("empty")).unwrap();
    for folder in ["there", "empty", "t.toml"] {
        check(&format!("replay r {trial} --trace {folder}"), &format!("`{folder}` is there already"));
    }
    assert_eq!(place.read("there/kept"), "kept");
    assert_eq!(std::fs::read_dir(place.path("there")).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(place.path("empty")).unwrap().count(), 0);
    assert_eq!(place.read("t.toml"), SPEC);
}

#[test]
fn a_csv_task_is_replayed_with_the_spec_that_lies_beside_its_file() {
    let block =
        "record.sharpness=true\nepochs=2\n[task]\nkind=\"csv\"\npath=\"d.csv\"\ntarget=\"y\"\n[[grid]]\nlr=0.1\n";
    let place = Place::new(&format!("name=\"t\"\n{block}"));
    place.write("d.csv", "a,y\n1,2\n2,3\n4,1\n");
    place.ok("sweep t.toml --out r --quiet");
    let trial = id(&place, &[]);
    std::fs::create_dir(place.path("moved")).unwrap();
    for file in ["d.csv", "t.toml"] {
        std::fs::rename(place.path(file), place.path("moved").join(file)).unwrap();
    }
    let error = place.refused(&format!("replay r {trial} --trace tr"));
    assert!(error.contains("/d.csv` is not there") && error.contains("with `--spec`"), "{error}");
    assert!(!place.path("tr").exists());
    assert!(!rows(&place, &[])[0][record::column("sharpness_final")].is_empty());
    place.write("moved/t.toml", &place.read("moved/t.toml").replace("sharpness=true", "sharpness=false"));
    let text = place.ok(&format!("replay r {trial} --trace tr --spec moved/t.toml"));
    assert!(text.contains("the whole row has the same bytes"), "{text}");
}

/// The names, types and shapes of the tensors of a trace.
fn shapes(dir: &Path) -> String {
    let bytes = std::fs::read(dir.join("tensors.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut all: Vec<String> =
        file.tensors().iter().map(|(name, view)| format!("{name} {:?} {:?}", view.dtype(), view.shape())).collect();
    all.sort();
    all.join("\n")
}

fn floats(dir: &Path, name: &str) -> Vec<f64> {
    let bytes = std::fs::read(dir.join("tensors.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(name).unwrap();
    assert_eq!(view.dtype(), Dtype::F64);
    view.data().chunks(8).map(|x| f64::from_le_bytes(x.try_into().unwrap())).collect()
}

#[test]
fn a_trace_has_what_training_starts_from() {
    let place = swept();
    for row in rows(&place, &[]) {
        place.ok(&format!("replay r {} --trace {}", row[0], row[0]));
    }
    let dir = |wanted: &[(&str, &str)]| place.path(&id(&place, wanted));
    insta::assert_snapshot!(shapes(&dir(&[("depth", "3"), ("outcome", "converged")])), @"
    data.inputs F64 [20, 3]
    data.targets F64 [20, 1]
    layers.1.bias F64 [7]
    layers.1.scale F64 [7]
    layers.1.shift F64 [7]
    layers.1.weight F64 [3, 7]
    layers.2.bias F64 [7]
    layers.2.scale F64 [7]
    layers.2.shift F64 [7]
    layers.2.weight F64 [7, 7]
    layers.3.bias F64 [7]
    layers.3.scale F64 [7]
    layers.3.shift F64 [7]
    layers.3.weight F64 [7, 7]
    layers.4.bias F64 [1]
    layers.4.weight F64 [7, 1]
    order I64 [6, 20]
    ");
    insta::assert_snapshot!(shapes(&dir(&[("task", "fresh-noise")])), @"
    data.classes I64 [6, 5]
    data.inputs F64 [6, 5, 2]
    evaluation.classes I64 [4096]
    evaluation.inputs F64 [4096, 2]
    layers.1.bias F64 [7]
    layers.1.weight F64 [2, 7]
    layers.2.bias F64 [3]
    layers.2.weight F64 [7, 3]
    ");
    let recurrent = dir(&[("network", "rnn")]);
    insta::assert_snapshot!(shapes(&recurrent), @"
    data.inputs F64 [5, 4, 2]
    data.targets F64 [4, 1]
    layers.1.bias F64 [7]
    layers.1.recurrent F64 [7, 7]
    layers.1.recurrent_bias F64 [7]
    layers.1.weight F64 [2, 7]
    layers.2.bias F64 [7]
    layers.2.recurrent F64 [7, 7]
    layers.2.recurrent_bias F64 [7]
    layers.2.weight F64 [7, 7]
    layers.3.bias F64 [1]
    layers.3.weight F64 [7, 1]
    ");
    let configuration: toml::Table = std::fs::read_to_string(recurrent.join("trace.toml")).unwrap().parse().unwrap();
    assert_eq!(configuration["axes"]["sequence_length"].as_integer(), Some(5));
    assert_eq!(configuration["axes"]["lr"].as_float(), Some(0.05));
    assert_eq!(configuration["steps"].as_integer(), Some(6));
}

#[test]
fn a_trace_tells_every_step_and_every_layer() {
    let place = swept();
    let recorded = place.read("r/steps.csv");
    for row in rows(&place, &[]) {
        let (trial, cell) = (&row[0], |column: &str| row[record::column(column)].as_str());
        place.ok(&format!("replay r {trial} --trace {trial}"));
        let own: Vec<&str> = recorded.lines().filter(|line| line.starts_with(trial.as_str())).collect();
        let steps = place.read(&format!("{trial}/steps.csv"));
        assert_eq!(steps.lines().next(), recorded.lines().next());
        assert_eq!(steps.lines().skip(1).collect::<Vec<_>>(), own);

        let layers = place.read(&format!("{trial}/layers.csv"));
        let (depth, steps) = (cell("depth").parse::<usize>().unwrap(), cell("steps_run").parse::<usize>().unwrap());
        let times = cell("sequence_length").parse::<usize>().unwrap_or(1);
        assert_eq!(layers.lines().count(), 1 + (steps + 1) * (depth * times + 1));
        // The weights before the first step stand in the rows, in the tensors, and in the trial's
        // row.
        let rows = layers.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
        let first = rows.filter(|line| line[1] == "0" && ["", "1"].contains(&line[3]));
        let by_row: f64 = first.map(|line| line[7].parse::<f64>().unwrap().powi(2)).sum();
        let file = std::fs::read(place.path(&format!("{trial}/tensors.safetensors"))).unwrap();
        let names: Vec<String> = SafeTensors::deserialize(&file).unwrap().names().into_iter().cloned().collect();
        let squares = |matrices: bool| -> f64 {
            let is_matrix = |name: &str| name.ends_with(".weight") || name.ends_with(".recurrent");
            let weights = names.iter().filter(|n| n.starts_with("layers.") && (is_matrix(n.as_str()) || !matrices));
            weights.flat_map(|name| floats(&place.path(trial), name)).map(|x| x * x).sum()
        };
        let told: f64 = cell("weight_norm_initial").parse().unwrap();
        assert!((by_row / squares(true) - 1.0).abs() < 1e-12, "{by_row}");
        assert!((squares(false).sqrt() / told - 1.0).abs() < 1e-6, "{told}");
    }
}

#[test]
fn help_teaches_replay() {
    let place = Place::new(SPEC);
    insta::assert_snapshot!(place.ok("replay -h"), @"
    Run one trial of a sweep again, show how it went and where it broke, check its row

    Usage: blowup replay [OPTIONS] <RUN_DIR> <TRIAL>

    Arguments:
      <RUN_DIR>  The folder of the results
      <TRIAL>    The trial's id in runs.csv, or as much of it as is unique

    Options:
          --trace <DIR>  Write a trace into this folder, which must not exist
          --draws <N>    Write the random numbers of the first N steps of a bundle into the trace, too
          --spec <FILE>  The spec that was swept, if the data of its csv tasks are not where they were
                         [default: RUN_DIR/spec.toml]
      -h, --help         Print help

    Examples:
      blowup replay results/grid t5d1f0c3a9b27               its course, its first bad tensor, its row
      blowup replay results/grid t5d1f                       the beginning of an id is enough
      blowup replay results/grid t5d1f --trace traces/t5d1f  and what it started from, step by step
      blowup replay results/gpt t3b07 --trace t --draws 50   and its dropout and noise of 50 steps

    A trace holds trace.toml (configuration and verdict), tensors.safetensors (initial weights, data,
    order of the samples), steps.csv (loss, gradient norm, update norm), layers.csv (norms of every
    layer at every step). `make pytorch` trains such traces again in PyTorch.

    Exit status: 0 the recorded row came out, 1 it did not, 2 could not run. Where libtorch, the CPU or
    the version of blowup is another than the sweep's, only the verdict must be the same.
    ");
}
