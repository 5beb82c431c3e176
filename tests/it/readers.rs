//! Reads the files as their users do: by pandas and polars (and R, where it is installed), with
//! their defaults, and by the code of docs/reading.md.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The Python with pandas and polars that `make test` installs.
pub fn python() -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-test/bin/python");
    std::env::var_os("BLOWUP_TEST_PYTHON").map(PathBuf::from).or_else(|| made.exists().then_some(made))
}

/// The results of experiments/smoke.toml, which has every kind of outcome and NaN, inf and empty
/// cells.
fn smoke(dir: &Path) {
    let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/smoke.toml");
    let status = Command::new(env!("CARGO_BIN_EXE_blowup"))
        .args(["sweep", spec, "--quiet", "--out"])
        .arg(dir)
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}

/// Runs a script in a folder, which is also the script's argument, and returns what it prints.
fn run(program: &Path, arguments: &[&str], script: &str, dir: &Path) -> String {
    let output = Command::new(program).args(arguments).arg(script).arg(dir).current_dir(dir).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    String::from_utf8(output.stdout).unwrap()
}

fn rscript() -> Option<&'static Path> {
    Command::new("Rscript").arg("--version").output().is_ok().then_some(Path::new("Rscript"))
}

const PANDAS: &str = r#"
import sys, math
import pandas as pd
runs, summary, epochs, steps = (pd.read_csv(f"{sys.argv[1]}/{name}.csv") for name in ("runs", "summary", "epochs", "steps"))
assert len(runs) == 448, len(runs)
assert runs.trial.is_unique and runs.trial.str.fullmatch("t[0-9a-f]{12}").all()
assert set(runs.outcome) <= {"untrained", "nonfinite", "diverged", "relapsed", "ruined", "stalled", "converged", "unsettled"}
assert runs.lost.isna().all()
for column in ("lr", "clip_threshold", "loss_initial", "loss_final", "grad_norm_max", "backprop_ratio", "weight_norm_max"):
    assert runs[column].dtype == "float64", (column, runs[column].dtype)
assert runs.nesterov.dtype == "bool" and runs.depth.dtype == "int64"
nan = runs[runs.epoch_nan.notna()]
assert len(nan) > 0 and nan.loss_final.isna().all() and (nan.outcome == "nonfinite").all()
assert (runs[runs["clip"] == "none"].clip_threshold == math.inf).all()
assert (runs[runs.outcome == "converged"].loss_final < runs[runs.outcome == "converged"].loss_initial).all()
assert (runs.step_diverged.dropna() <= runs.steps_run[runs.step_diverged.notna()]).all()
assert set(nan.nonfinite_site.dropna()) <= {"weight", "activation", "loss", "backprop signal", "weight gradient"}
assert len(summary) * 2 == len(runs) and summary.trials.sum() == len(runs)
blown = runs.outcome.isin(["diverged", "nonfinite"])
assert summary.diverged.sum() + summary.nonfinite.sum() == blown.sum()
assert (summary.divergence_low <= summary.divergence_rate).all() and (summary.divergence_rate <= summary.divergence_high).all()
assert set(epochs.trial) == set(runs.trial) == set(steps.trial)
assert (epochs.groupby("trial").epoch.min() == 0).all() and steps.step.max() == 2
last = epochs.groupby("trial").epoch.max()
assert (last == runs.set_index("trial").epochs_run.loc[last.index]).all()
"#;

const POLARS: &str = r#"
import sys
import polars as pl
for name in ("runs", "summary", "epochs", "steps"):
    frame = pl.read_csv(f"{sys.argv[1]}/{name}.csv", infer_schema_length=None)
    assert len(frame) > 100, (name, len(frame))
    for column in ("lr", "loss_initial", "loss_final", "loss_max", "grad_norm_max", "divergence_rate"):
        assert column not in frame.columns or frame[column].dtype == pl.Float64, (name, column, frame[column].dtype)
runs = pl.read_csv(f"{sys.argv[1]}/runs.csv", infer_schema_length=None)
assert runs["loss_final"].is_nan().sum() > 0 and runs["nesterov"].dtype == pl.Boolean
"#;

const R: &str = r#"
dir <- commandArgs(trailingOnly = TRUE)[1]
runs <- read.csv(file.path(dir, "runs.csv"))
stopifnot(nrow(runs) == 448, is.numeric(runs$loss_final), any(is.nan(runs$loss_final)), is.numeric(runs$clip_threshold))
summary <- read.csv(file.path(dir, "summary.csv"))
stopifnot(sum(summary$trials) == nrow(runs))
"#;

#[test]
fn pandas_polars_and_r_read_every_file_with_their_defaults() {
    let dir = tempfile::tempdir().unwrap();
    smoke(dir.path());
    match python() {
        Some(python) => {
            run(&python, &["-c"], PANDAS, dir.path());
            run(&python, &["-c"], POLARS, dir.path());
        }
        None => eprintln!("no Python with pandas and polars here: `make test` sets one up"),
    }
    if let Some(rscript) = rscript() {
        run(rscript, &["-e"], R, dir.path());
    }
}

/// There are so many rows that pandas reads them in pieces, each of which has types of its own.
/// `residual` has values in the first half and none in the second.
const LONG: &str = r#"
import sys, warnings
import pandas as pd
head, *rows = open(f"{sys.argv[1]}/runs.csv").read().splitlines()
mlps, rnns = ([row for row in rows if f",{name}," in row] for name in ("mlp", "rnn"))
open(f"{sys.argv[1]}/long.csv", "w").write("\n".join([head] + 40 * mlps + 1100 * rnns))
with warnings.catch_warnings(record=True) as given:
    warnings.simplefilter("always")
    default = pd.read_csv(f"{sys.argv[1]}/long.csv")
assert [w.category for w in given] == [pd.errors.DtypeWarning] and "residual" in str(given[0].message), given
warnings.simplefilter("error")
whole = pd.read_csv(f"{sys.argv[1]}/long.csv", low_memory=False)
assert len(whole) == 40 * len(mlps) + 1100 * len(rnns)
pd.testing.assert_frame_equal(default, whole)
"#;

#[test]
fn pandas_reads_the_same_values_from_a_long_file_and_without_a_warning_if_told_so() {
    let Some(python) = python() else { return };
    let dir = tempfile::tempdir().unwrap();
    smoke(dir.path());
    run(&python, &["-c"], LONG, dir.path());
}

/// The code of a language in docs/reading.md.
fn snippets(language: &str) -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reading.md")).unwrap();
    let opening = format!("```{language}\n");
    page.split(&opening).skip(1).map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// It is put behind a snippet, whose table it prints as lines of init, depth and rate.
const PRINT_PANDAS: &str = r#"
for (init, depth), rate in rates.stack().items():
    print(f"= {init} {depth} {rate:.6f}")
"#;

const PRINT_POLARS: &str = r#"
for row in rates.iter_rows(named=True):
    for depth in list(row)[1:]:
        print(f"= {row['init']} {depth} {row[depth]:.6f}")
"#;

const PRINT_R: &str = r#"
for (init in rownames(rates)) for (depth in colnames(rates)) cat(sprintf("= %s %s %.6f\n", init, depth, rates[init, depth]))
"#;

/// The same table, from summary.csv.
fn expected(dir: &Path) -> Vec<String> {
    let mut table = csv::Reader::from_path(dir.join("summary.csv")).unwrap();
    let head = table.headers().unwrap().clone();
    let at = |name: &str| head.iter().position(|column| column == name).unwrap();
    let mut cells = std::collections::BTreeMap::<(String, String), (f64, f64)>::new();
    for row in
        table.records().map(Result::unwrap).filter(|row| &row[at("label")] == "mlp" && &row[at("clip")] == "none")
    {
        let n = |name| row[at(name)].parse::<f64>().unwrap();
        let cell = cells.entry((row[at("init")].to_owned(), row[at("depth")].to_owned())).or_default();
        cell.0 += n("diverged") + n("nonfinite");
        cell.1 += n("trials") - n("lost");
    }
    cells.into_iter().map(|((init, depth), (hits, all))| format!("= {init} {depth} {:.6}", hits / all)).collect()
}

#[test]
fn the_documented_code_for_pandas_polars_and_r_gives_the_table_of_summary_csv() {
    let dir = tempfile::tempdir().unwrap();
    let results = dir.path().join("results/grid");
    smoke(&results);
    let expected = expected(&results);
    assert_eq!(expected.len(), 6);
    let check = |program: &Path, arguments: &[&str], snippet: &str, print: &str| {
        let printed = run(program, arguments, &format!("{snippet}{print}"), dir.path());
        let mut lines: Vec<&str> = printed.lines().filter(|line| line.starts_with("= ")).collect();
        lines.sort_unstable();
        assert_eq!(lines, expected, "{snippet}");
    };
    let (in_python, in_r) = (snippets("python"), snippets("r"));
    assert_eq!((in_python.len(), in_r.len()), (2, 1));
    if let Some(python) = python() {
        check(&python, &["-W", "error", "-c"], &in_python[0], PRINT_PANDAS);
        check(&python, &["-W", "error", "-c"], &in_python[1], PRINT_POLARS);
    }
    if let Some(rscript) = rscript() {
        check(rscript, &["-e"], &in_r[0], PRINT_R);
    }
}

/// `make notebook` executes it, but outputs do not belong into the repository.
#[test]
fn the_notebook_is_committed_without_outputs() {
    let notebook = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/notebooks/divergence.ipynb")).unwrap();
    let lines = |key: &str| notebook.lines().filter(|line| line.trim_start().starts_with(key)).collect::<Vec<_>>();
    let cells = lines("\"cell_type\": \"code\"").len();
    let (outputs, counts) = (lines("\"outputs\":"), lines("\"execution_count\":"));
    assert!(cells > 5 && outputs.len() == cells && counts.len() == cells);
    assert!(outputs.iter().all(|line| line.trim() == "\"outputs\": [],"), "{outputs:?}");
    assert!(counts.iter().all(|line| line.trim() == "\"execution_count\": null,"), "{counts:?}");
}
