//! The arguments of `blowup slurm` and their help.

use super::value::{at_least_one, at_least_two};
use blowup_core::spec::set_key::SetKey;
use clap::Args;
use std::num::NonZeroU32;
use std::path::PathBuf;

const SLURM_HELP: &str = "\
Writes a job array with a task per shard and a merge job that follows it into OUT/slurm, and
submits them with --submit. Tasks may be requeued, preempted or run into their time limit: they
resume where they were, and one that the time limit stops is queued again. The same command again
submits the shards that are not done, and the merge. What stands behind -- goes to sbatch.

Examples:
  blowup slurm grid.toml --shards 64                writes results/grid/slurm/submit.sh, to be read
  blowup slurm grid.toml --shards 64 --submit -- --account=ab12 --time=4:00:00 --cpus-per-task=8
  blowup slurm --status results/grid                done, running, failed, missing

Each task trains with as many workers as it has CPUs; a worker takes about 400 MB.";

#[derive(Debug, Args)]
#[command(after_help = SLURM_HELP)]
pub struct SlurmArgs {
    /// The TOML file that declares the grid; with --status also the folder of the sweep
    #[arg(value_name = "SPEC")]
    pub target: PathBuf,
    /// How many shards
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroU32>, required_unless_present = "status")]
    pub shards: Option<NonZeroU32>,
    /// The folder of the results [default: results/<name of the spec>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Give an axis another value in every [[grid]] block, as TOML or plain text; repeat for more
    #[arg(long, value_name = "AXIS=V")]
    pub set: Vec<SetKey>,
    /// Submit with sbatch what was written
    #[arg(long)]
    pub submit: bool,
    /// Tell from the files which shards are done, running, failed, missing
    #[arg(long, conflicts_with = "submit")]
    pub status: bool,
    /// Print the status as one JSON document, and events as JSON lines on stderr: docs/json.md
    #[arg(long, requires = "status")]
    pub json: bool,
    /// The site's MaxArraySize: larger arrays are split [default: what scontrol says, else 1001]
    #[arg(long, value_name = "N", value_parser = at_least_two)]
    pub max_array_size: Option<u32>,
    /// Options of sbatch for the array and the merge: account, partition, time, memory, CPUs
    #[arg(last = true, value_name = "SBATCH_OPTIONS")]
    pub sbatch: Vec<String>,
}
