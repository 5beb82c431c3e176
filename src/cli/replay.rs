//! The arguments of `blowup replay` and their help.

use clap::Args;
use std::path::PathBuf;

const REPLAY_HELP: &str = "\
Examples:
  blowup replay results/grid t5d1f0c3a9b27               its course, its first bad tensor, its row
  blowup replay results/grid t5d1f                       the beginning of an id is enough
  blowup replay results/grid t5d1f --trace traces/t5d1f  and what it started from, step by step
  blowup replay results/gpt t3b07 --trace t --draws 50   and its dropout and noise of 50 steps

A trace holds trace.toml (configuration and verdict), tensors.safetensors (initial weights, data,
order of the samples), steps.csv (loss, gradient norm, update norm), layers.csv (norms of every
layer at every step). `make pytorch` trains such traces again in PyTorch.

Exit status: 0 the recorded row came out, 1 it did not, 2 could not run. Where libtorch, the CPU or
the version of blowup is another than the sweep's, only the verdict must be the same.";

#[derive(Debug, Args)]
#[command(after_help = REPLAY_HELP)]
pub struct ReplayArgs {
    /// The folder of the results
    pub run_dir: PathBuf,
    /// The trial's id in runs.csv, or as much of it as is unique
    pub trial: String,
    /// Write a trace into this folder, which must not exist
    #[arg(long, value_name = "DIR")]
    pub trace: Option<PathBuf>,
    /// Write the random numbers of the first N steps of a bundle into the trace, too
    #[arg(long, value_name = "N", requires = "trace")]
    pub draws: Option<u64>,
    /// The spec that was swept, if the data of its csv tasks are not where they were [default:
    /// RUN_DIR/spec.toml]
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
}
