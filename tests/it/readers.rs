//! The files as their users read them: pandas and polars (and R, where it is installed), with their defaults.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python with pandas and polars: the one that `make test` sets up.
fn python() -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv-test/bin/python");
    std::env::var_os("BLOWUP_TEST_PYTHON").map(PathBuf::from).or_else(|| made.exists().then_some(made))
}

/// The results of experiments/smoke.toml, which has every kind of outcome and NaN, inf and empty cells.
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

fn run(program: &Path, arguments: &[&str], script: &str, dir: &Path) {
    let output = Command::new(program).args(arguments).arg(script).arg(dir).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
}

const PANDAS: &str = r#"
import sys, math
import pandas as pd
runs, summary, epochs, steps = (pd.read_csv(f"{sys.argv[1]}/{name}.csv") for name in ("runs", "summary", "epochs", "steps"))
assert len(runs) == 448, len(runs)
assert runs.trial.is_unique and runs.trial.str.fullmatch("t[0-9a-f]{12}").all()
assert set(runs.outcome) <= {"nonfinite", "diverged", "stalled", "converged", "unsettled"}
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
    if Command::new("Rscript").arg("--version").output().is_ok() {
        run(Path::new("Rscript"), &["-e"], R, dir.path());
    }
}
