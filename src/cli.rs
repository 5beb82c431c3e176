//! The command line as it is written. No logic.

use clap::{Args, Parser, Subcommand};
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;

const EXAMPLES: &str = "\
Examples:
  blowup sweep experiments/grid.toml               train the whole grid; results in results/<name>/
  blowup sweep experiments/grid.toml --dry-run     how many trials, how much work; touches nothing
  blowup sweep experiments/grid.toml --where init=he --where lr=0.01..1
  blowup check results/grid                        the gate for CI: do the spec's expectations hold?
  blowup plot results/grid                         figures: where it blows up, how fast
  blowup replay results/grid t5d1f0c3a9b27         one trial again: how it went, where it broke

Exit status:
  0    done, or the gate passed
  1    the gate failed; a sweep ended with lost trials; a replay was not what was recorded
  2    could not run: bad spec, bad folder, unreadable file, a filter that matches nothing
  130  interrupted; the same command resumes

RUST_LOG=info (or debug) logs to stderr.";

/// Sweeps training runs on libtorch and measures where they blow up: exploding gradients, divergence, NaN.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train every trial of a spec's grid and write what diverged, when and where
    Sweep(Sweep),
    /// Hold the results of a sweep against its spec's expectations, for CI: exit status 0 or 1
    Check(Check),
    #[command(hide = true)]
    Worker,
    /// Draw the results of a sweep: phase diagrams, survival curves, layers, single trials
    Plot(Plot),
    /// Run one trial of a sweep again, show how it went and where it broke, check its row
    Replay(Replay),
    #[command(hide = true)]
    Merge(Rest),
    #[command(hide = true)]
    Slurm(Rest),
    #[command(hide = true)]
    Map(Rest),
}

const SWEEP_HELP: &str = "\
The same command again resumes: trials that have a row in runs.csv do not run again. A changed
spec is taken up if its grid contains the old one; otherwise give it a folder with --out.

Files: runs.csv (a row per trial), summary.csv (a row per configuration), epochs.csv, layers.csv
and steps.csv if the spec records them, spec.toml, manifest.toml, report.html (one page that opens
offline: phase diagram, trials, survival, configurations, checks). The bytes of runs.csv do not
depend on --workers.";

#[derive(Debug, Args)]
#[command(after_help = SWEEP_HELP)]
pub struct Sweep {
    /// The TOML file that declares the grid
    pub spec: PathBuf,
    /// The folder of the results [default: results/<name of the spec>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Worker processes, one thread each [default: one per core]
    #[arg(long, value_name = "N")]
    pub workers: Option<NonZeroUsize>,
    /// Where to train: cpu, cuda or cuda:K
    #[arg(long, default_value = "cpu")]
    pub device: Device,
    /// Run only the trials that match: AXIS=V[,V] or AXIS=A..B; repeat to narrow
    #[arg(long = "where", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Print trials, cohorts and predicted work, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Run even more than ten million trials
    #[arg(long)]
    pub yes: bool,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
    /// Resume although libtorch or the CPU is another than before, so that rows are not comparable bit by bit
    #[arg(long)]
    pub allow_mixed: bool,
    /// Most trials that train together (the results do not depend on it)
    #[arg(long, value_name = "N", hide = true)]
    pub chunk: Option<NonZeroUsize>,
}

const REPLAY_HELP: &str = "\
Examples:
  blowup replay results/grid t5d1f0c3a9b27               its course, its first bad tensor, its row
  blowup replay results/grid t5d1f                       the beginning of an id is enough
  blowup replay results/grid t5d1f --trace traces/t5d1f  and what it started from, step by step

A trace holds trace.toml (configuration and verdict), tensors.safetensors (initial weights, data,
order of the samples), steps.csv (loss, gradient norm, update norm), layers.csv (norms of every
layer at every step). `make pytorch` trains such traces again in PyTorch.

Exit status: 0 the recorded row came out, 1 it did not, 2 could not run. Where libtorch, the CPU or
the version of blowup is another than the sweep's, only the verdict must be the same.";

#[derive(Debug, Args)]
#[command(after_help = REPLAY_HELP)]
pub struct Replay {
    /// The folder of the results
    pub run_dir: PathBuf,
    /// The trial's id in runs.csv, or as much of it as is unique
    pub trial: String,
    /// Write a trace into this folder, which must not exist
    #[arg(long, value_name = "DIR")]
    pub trace: Option<PathBuf>,
    /// The spec that was swept, for csv tasks: their paths are relative to it [default: RUN_DIR/spec.toml]
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
}

const CHECK_HELP: &str = r#"Expectations stand in the spec, as many as you like:
  [[expect]]
  name   = "He keeps deep ReLU nets alive at small steps"
  where  = { init = "he", activation = "relu", lr = { max = 0.1 } }   # the trials it is about
  by     = ["depth"]                                                  # must hold at every depth
  metric = "divergence_rate"
  max    = 0.05                            # or min, or value with tolerance (0.01, or "5%")

Metrics:
  divergence_rate, nonfinite_rate, converged_rate, stalled_rate, unsettled_rate
  mean, geomean, median, min, max, std, var or count of a formula over columns of runs.csv
                      mean(ln(activation_ratio) * 29)    max(sharpness_final * lr)
  or of layers.csv    geomean((backprop_norm[5] / backprop_norm[25]) ^ (1/10))
                      max(ln(activation_rms[2..last]))   mean(backprop_norm[1, time 3, epoch 10])

A gate never passes on missing, lost or duplicate trials. --baseline compares with an earlier sweep
of the same grid, trial by trial, as [baseline] in the spec says.

Examples:
  blowup check results/grid
  blowup check results/grid --spec experiments/grid.toml --junit report.xml --github
  blowup check results/grid --baseline main/runs.csv

Exit status: 0 the gate passed, 1 it failed, 2 it could not run."#;

#[derive(Debug, Args)]
#[command(after_help = CHECK_HELP)]
pub struct Check {
    /// The folder of a sweep's results
    #[arg(value_name = "RUN_DIR")]
    pub dir: PathBuf,
    /// The spec whose [[expect]] entries count; its grid must be that of the sweep [default: RUN_DIR/spec.toml]
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// The results of an earlier sweep of the same grid, to compare with: a folder or its runs.csv
    #[arg(long, value_name = "DIR_OR_CSV")]
    pub baseline: Option<PathBuf>,
    /// Write the result as JUnit XML too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Print findings as annotations of GitHub Actions too
    #[arg(long)]
    pub github: bool,
}

const PLOT_HELP: &str = "\
Written into RUN_DIR/figures/, each as SVG and PNG, and RUN_DIR/report.html anew; the names of the
files go to stdout:
  phase-*      divergence rate over two axes, in panels; a figure for each combination of the rest
  survival-*   share of trials that have not blown up yet, by epoch, for the values of every axis
  layers-*     backprop signal by layer, beside mean-field theory (if layers.csv was recorded)
  trials-*     loss and gradient norm of single trials (if epochs.csv was recorded)

By default x and y are the two numeric axes with most values, and the panels the two others with most
values. With --facet, all other axes are pooled, which the figure says.

Examples:
  blowup plot results/grid
  blowup plot results/grid --x lr --y depth --facet init,activation --where clip=none
  blowup plot results/grid --metric grad_norm_max      the median of any numeric column of runs.csv
  blowup plot results/grid --where label=mlp --terminal";

#[derive(Debug, Args)]
#[command(after_help = PLOT_HELP)]
pub struct Plot {
    /// The folder of a sweep's results
    #[arg(value_name = "RUN_DIR")]
    pub dir: PathBuf,
    /// The axis that goes to the right
    #[arg(long, value_name = "AXIS")]
    pub x: Option<String>,
    /// The axis that goes up
    #[arg(long, value_name = "AXIS")]
    pub y: Option<String>,
    /// The axes of the panels: columns, then rows
    #[arg(long, value_name = "AXIS[,AXIS]", value_delimiter = ',')]
    pub facet: Vec<String>,
    /// divergence_rate, nonfinite_rate, converged_rate, ..., or the median of a numeric column of runs.csv
    #[arg(long, value_name = "COLUMN", default_value = "divergence_rate")]
    pub metric: String,
    /// Draw only the trials that match: AXIS=V[,V] or AXIS=A..B; repeat to narrow
    #[arg(long = "where", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Print the phase diagrams here, in 80 columns, and write no file
    #[arg(long)]
    pub terminal: bool,
}

/// Whatever follows a subcommand that is not built yet.
#[derive(Debug, Args)]
pub struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    pub rest: Vec<OsString>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    Cpu,
    Cuda(u32),
}

impl FromStr for Device {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Device, &'static str> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Device::Cpu),
            None if text == "cuda" => Ok(Device::Cuda(0)),
            Some(("cuda", number)) => number.parse().map(Device::Cuda).map_err(|_| "the K of `cuda:K` is a number"),
            _ => Err("expected cpu, cuda or cuda:K"),
        }
    }
}
