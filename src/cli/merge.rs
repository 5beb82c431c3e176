//! The arguments of `blowup merge` and their help.

use clap::Args;
use std::path::PathBuf;

const MERGE_HELP: &str = "\
Refuses what does not fit together, with exit status 2, and says what: shards of different grids or
of different builds (libtorch, CPU, blowup), the same shard twice, a shard that is missing or not
finished, trials that two shards have or none. What it writes has the same bytes as the files of the
sweep in one piece. OUT may hold an earlier merge of the same grid; no row in it is lost.

With --partial it takes what there is: the manifest says `partial`, `blowup check` fails on the
missing trials, and a merge into the same folder, or a sweep, completes it.

Examples:
  blowup merge results/grid results/grid/shard-*-of-8
  blowup merge results/grid results/grid/shard-*-of-8 --partial    a look before all are done

Exit status: 0 merged, 1 merged with lost trials among them, 2 refused or could not.";

#[derive(Debug, Args)]
#[command(after_help = MERGE_HELP)]
pub struct MergeArgs {
    /// The folder to write; the folder above the shards will do
    pub out: PathBuf,
    /// The folders of all shards of one sweep, in any order
    #[arg(required = true, value_name = "SHARD_DIR")]
    pub shards: Vec<PathBuf>,
    /// Take unfinished shards, and not all of them
    #[arg(long)]
    pub partial: bool,
    /// Merge although libtorch, the CPU or blowup was not the same everywhere, so that rows are not
    /// comparable bit by bit
    #[arg(long)]
    pub allow_mixed: bool,
    /// The spec that was swept, to be kept in OUT [default: spec.toml of the first shard]
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Print the result as one JSON document, and events as JSON lines on stderr: docs/json.md
    #[arg(long)]
    pub json: bool,
}
