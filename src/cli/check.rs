//! The arguments of `blowup check` and their help.

use clap::Args;
use std::path::PathBuf;

const CHECK_HELP: &str = r#"Expectations stand in the spec, as many as you like:
  [[expect]]
  name   = "He keeps deep ReLU nets alive at small steps"
  where  = { init = "he", activation = "relu", lr = { max = 0.1 } }   # the trials it is about
  by     = ["depth"]                                                  # must hold at every depth
  metric = "divergence_rate"
  max    = 0.05                            # or min, or value with tolerance (0.01, or "5%")

Metrics:
  failure_rate (nonfinite, diverged, relapsed or ruined), divergence_rate (nonfinite or diverged),
  nonfinite_rate, relapse_rate, ruined_rate, converged_rate, stalled_rate, unsettled_rate,
  untrained_rate
  mean, geomean, median, min, max, std, var or count of a formula over columns of runs.csv
                      mean(ln(activation_ratio) * 29)    max(sharpness_final * lr)
  or of layers.csv    geomean((backprop_norm[5] / backprop_norm[25]) ^ (1/10))
                      max(ln(activation_rms[2..last]))   mean(backprop_norm[1, time 3, epoch 10])

A gate never passes on missing, lost or duplicate trials. --baseline compares with an earlier sweep,
trial by trial, as [baseline] in the spec says; trials that only one of the two has are told.

Examples:
  blowup check results/grid
  blowup check results/grid --spec experiments/grid.toml --junit report.xml --github
  blowup check results/grid --baseline main/runs.csv

Exit status: 0 the gate passed, 1 it failed, 2 it could not run."#;

#[derive(Debug, Args)]
#[command(after_help = CHECK_HELP)]
pub struct CheckArgs {
    /// The folder of a sweep's results
    #[arg(value_name = "RUN_DIR")]
    pub dir: PathBuf,
    /// The spec whose [[expect]] entries count; its grid must be that of the sweep [default:
    /// RUN_DIR/spec.toml]
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// The results of an earlier sweep, to compare the trials in common with: a folder or its
    /// runs.csv
    #[arg(long, value_name = "DIR_OR_CSV")]
    pub baseline: Option<PathBuf>,
    /// Write the result as JUnit XML too; `-` writes it to stdout, and the table to stderr
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print findings as annotations of GitHub Actions too
    #[arg(long)]
    pub github: bool,
    /// Print the result as one JSON document, and events as JSON lines on stderr: docs/json.md
    #[arg(long, conflicts_with = "github")]
    pub json: bool,
}
