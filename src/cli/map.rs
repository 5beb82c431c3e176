//! The arguments of `blowup map` and their help.

use super::value::{ShardArg, at_least_one};
use clap::Args;
use std::num::NonZeroUsize;
use std::path::PathBuf;

const MAP_HELP: &str = "\
The spec has a [map] with two axes, their windows and a resolution, and one [[grid]] block that holds
everything else fixed:
  [map]
  x = { axis = \"lr\",        log = [1e-3, 1e6] }
  y = { axis = \"lr_output\", log = [1e-3, 1e6] }
  resolution = 512
  refine     = true         # train only where neighbours disagree

The same command again resumes. Its results go to results/<name>/ or, with a zoom, to a folder below
it for each frame: map.png (a pixel for each), map-axes.png and .svg, map.csv or, above a million
pixels, .npy arrays, manifest.toml (counts, dimension of the edge), pixels.log (what was trained).

A shard is trained into a folder of its own below that of the results, shard-I-of-N. The command
without --shard then takes the pixels of all shards that are there, trains what is missing and draws
the map: the same bytes as of a map in one piece.

Exit status: 0 drawn, 1 drawn with lost pixels, 2 could not run, 130 interrupted.";

#[derive(Debug, Args)]
#[command(after_help = MAP_HELP)]
pub struct MapArgs {
    /// The TOML file with the [map]
    pub spec: PathBuf,
    /// The folder of the results [default: results/<name of the spec>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Worker processes, one thread each [default: one per core, fewer if memory is short]
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroUsize>)]
    pub workers: Option<NonZeroUsize>,
    /// Train one part of N, which has the rows of a band: I/N, slurm, slurm/N or kubernetes/N
    #[arg(long, value_name = "SHARD")]
    pub shard: Option<ShardArg>,
    /// Print the pixels and the predicted work, and touch nothing
    #[arg(long)]
    pub dry_run: bool,
    /// No progress on stderr
    #[arg(long)]
    pub quiet: bool,
}
