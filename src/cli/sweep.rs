//! The arguments of `blowup sweep` and their help.

use super::value::{ShardArg, at_least_one, whole};
use blowup_core::device::Device;
use blowup_core::limits::{self, Bytes};
use blowup_core::spec::set_key::SetKey;
use clap::Args;
use std::num::NonZeroUsize;
use std::path::PathBuf;

const SWEEP_HELP: &str = "\
The same command again resumes: trials that have a row in runs.csv do not run again. A changed
spec is taken up if its grid contains the old one; otherwise give it a folder with --out.

A shard is trained into a folder of its own below that of the results, shard-I-of-N; `blowup merge`
puts them together. I/N counts from 1. slurm takes both from the job array that this is a task of,
slurm/N the I alone: for arrays submitted in pieces or again in part. kubernetes/N takes I from
JOB_COMPLETION_INDEX, which counts from 0; Kubernetes does not tell a pod how many there are.

Files: runs.csv (a row per trial), summary.csv (a row per configuration), epochs.csv, layers.csv
and steps.csv if the spec records them, spec.toml, manifest.toml; report.html (one page that opens
offline: phase diagram, trials, survival, configurations, checks); runs.crc32 (checksums of the
rows), lost.csv (what was lost, and why). The bytes of runs.csv do not depend on --workers.

A trial that breaks a limit or its worker is lost alone, with its reason in runs.csv; the next
sweep tries it again, three times in all, or from the start under larger limits.

--device cuda trains thousands of trials at once in one worker, on an NVIDIA GPU. It takes the
driver (580 or newer) and `make libtorch-cuda`; what is missing is said. Verdicts are the CPU's
within a tolerance that docs/gpu.md states, bits are not. It is slower than the CPU today: an H100
takes 32.8 s for the main grid, the 16 CPU cores beside it 5.9 s.";

#[derive(Debug, Args)]
#[command(after_help = SWEEP_HELP)]
pub struct SweepArgs {
    /// The TOML file that declares the grid
    pub spec: PathBuf,
    /// The folder of the results [default: results/<name of the spec>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Worker processes, one thread each [default: one per core, fewer if memory is short; one for
    /// a GPU]
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroUsize>)]
    pub workers: Option<NonZeroUsize>,
    /// Where to train: cpu, cuda (the first GPU) or cuda:K
    #[arg(long, default_value_t = Device::Cpu)]
    pub device: Device,
    /// Train one part of N of equal predicted cost: I/N, slurm, slurm/N or kubernetes/N
    #[arg(long, value_name = "SHARD")]
    pub shard: Option<ShardArg>,
    /// Run only the trials that match: AXIS=V[,V] or AXIS=A..B; repeat to narrow; a value with a
    /// comma stands in quotes: label="a, b"
    #[arg(long = "where", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Give an axis another value in every [[grid]] block, as TOML or plain text; repeat for more
    #[arg(long, value_name = "AXIS=V")]
    pub set: Vec<SetKey>,
    /// A trial that takes longer alone is lost [default: far beyond what is predicted]
    #[arg(long, value_name = "S", value_parser = limits::seconds)]
    pub timeout: Option<f64>,
    /// A trial whose worker holds more is lost, as 512M or 2G [default: a share of the machine]
    #[arg(long, value_name = "BYTES")]
    pub memory: Option<Bytes>,
    /// Stop (status 1, resumable) when more than N trials are lost
    #[arg(long, value_name = "N", value_parser = whole)]
    pub max_lost: Option<u64>,
    /// Try even trials again that were lost in three sweeps
    #[arg(long)]
    pub retry_lost: bool,
    /// Train finished trials again of which `[record]` asks for more than was recorded; their rows
    /// in runs.csv must come out the same
    #[arg(long)]
    pub refill: bool,
    /// Print trials, cohorts and predicted work, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Run even more than ten million trials
    #[arg(long)]
    pub yes: bool,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
    /// Resume although libtorch or the CPU is another than before, so that rows are not comparable
    /// bit by bit
    #[arg(long)]
    pub allow_mixed: bool,
    /// Print the result as one JSON document, and events as JSON lines on stderr: docs/json.md
    #[arg(long)]
    pub json: bool,
    /// Most trials that train together (the results do not depend on it)
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroUsize>, hide = true)]
    pub chunk: Option<NonZeroUsize>,
}
