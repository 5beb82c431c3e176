//! The command line: its commands, their arguments and their help.
#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "these comments are what `--help` prints, as it stands"
)]

mod check;
mod export;
mod map;
mod merge;
mod plot;
mod read;
mod replay;
mod slurm;
mod sweep;
mod value;

pub use check::CheckArgs;
pub use export::ExportArgs;
pub use map::MapArgs;
pub use merge::MergeArgs;
pub use plot::{FigureFormat, PlotArgs};
pub use read::ReadArgs;
pub use replay::ReplayArgs;
pub use slurm::SlurmArgs;
pub use sweep::SweepArgs;
pub use value::{ExportFormat, ShardArg};

use blowup_core::device::Device;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  blowup sweep experiments/grid.toml               train the whole grid; results in results/<name>/
  blowup sweep experiments/grid.toml --dry-run     how many trials, how much work; touches nothing
  blowup sweep experiments/grid.toml --where init=he --where lr=0.01..1
  blowup check results/grid                        the gate for CI: do the spec's expectations hold?
  blowup plot results/grid                         figures: where it blows up, how fast
  blowup replay results/grid t5d1f0c3a9b27         one trial again: how it went, where it broke
  blowup slurm experiments/grid.toml --shards 16   the same sweep as a Slurm job array
  blowup map experiments/literature/fractal-tanh.toml   a picture of where training fails
  blowup read runs/ --out results/logs             logs that exist already: the same verdicts
  blowup schema > blowup.schema.json               for an editor that completes and checks specs
  blowup demo                                      a first look: a small sweep and its report

Exit status:
  0    done, or the gate passed
  1    the gate failed; a sweep ended with lost trials; a replay was not what was recorded
  2    could not run: bad spec, bad folder, unreadable file, a filter that matches nothing
  130  interrupted; the same command resumes

RUST_LOG=info (or debug) logs to stderr.";

/// Results whose libtorch or build differ may differ in their bits: see `fingerprints` in
/// manifest.toml.
const VERSION: &str =
    concat!(env!("CARGO_PKG_VERSION"), " (libtorch ", env!("BLOWUP_LIBTORCH"), ", build ", env!("BLOWUP_BUILD"), ")");

/// Sweeps training runs on libtorch and measures where they blow up: exploding gradients,
/// divergence, NaN.
#[derive(Debug, Parser)]
#[command(version = VERSION, after_help = EXAMPLES, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train every trial of a spec's grid and write what diverged, when and where
    Sweep(SweepArgs),
    /// Hold the results of a sweep against its spec's expectations, for CI: status 0 or 1
    Check(CheckArgs),
    #[command(hide = true)]
    Worker(WorkerArgs),
    /// Draw the results of a sweep: phase diagrams, survival curves, layers, single trials
    Plot(PlotArgs),
    /// Run one trial of a sweep again, show how it went and where it broke, check its row
    Replay(ReplayArgs),
    /// Make a run directory of logs that exist already: the same verdicts, report and gate
    Read(ReadArgs),
    /// Put the shards of a sweep together: the same files as the sweep in one piece
    Merge(MergeArgs),
    /// Run a sweep in shards on a Slurm cluster, or tell how far its shards are
    Slurm(SlurmArgs),
    /// Print the JSON Schema of a spec, by which an editor completes and checks it
    #[command(after_help = SCHEMA_HELP)]
    Schema,
    /// Draw where training fails over two axes, a trial for each pixel
    Map(MapArgs),
    /// Write the result files as Parquet or JSON lines, with types
    Export(ExportArgs),
    /// Sweep a small grid into a new folder, as a first look; it needs no file
    #[cfg(feature = "engine")]
    Demo,
    /// Print what lets a shell complete this command line
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// Write the manual pages of blowup and of its commands into a folder
    Man(ManArgs),
}

impl Command {
    /// Whether a program reads what the command says.
    pub fn is_for_programs(&self) -> bool {
        match self {
            Command::Sweep(args) => args.json,
            Command::Check(args) => args.json,
            Command::Merge(args) => args.json,
            Command::Slurm(args) => args.json,
            Command::Worker(_) | Command::Plot(_) | Command::Replay(_) | Command::Read(_) => false,
            Command::Schema | Command::Export(_) | Command::Completions(_) | Command::Man(_) | Command::Map(_) => false,
            #[cfg(feature = "engine")]
            Command::Demo => false,
        }
    }
}

#[derive(Debug, Args)]
pub struct WorkerArgs {
    #[arg(long, default_value_t = Device::Cpu)]
    pub device: Device,
    #[arg(long)]
    pub memory: Option<u64>,
    /// A program that trains in place of the engine, and its folder, as JSON
    #[arg(long, value_name = "JSON")]
    pub program: Option<String>,
}

const SCHEMA_HELP: &str = "\
An editor that reads TOML by a schema then offers every key, axis and name with its meaning and its
default, and underlines what is mistyped or out of range. Taplo does, and so does the extension
Even Better TOML of VS Code, which is made of it. The schema is of Draft 4.

  blowup schema > blowup.schema.json      write it beside your specs, again after an update
  #:schema ./blowup.schema.json           the first line of a spec; the path is relative to the spec
  taplo check spec.toml                   the same check without an editor

The schema holds each value against what its key takes. Only `blowup sweep SPEC --dry-run` sees what
holds between keys: an axis that applies nowhere, a block without a task, zipped lists of different
lengths.";

const COMPLETIONS_HELP: &str = "\
Examples:
  blowup completions bash > ~/.local/share/bash-completion/completions/blowup
  blowup completions zsh > \"${fpath[1]}/_blowup\"
  blowup completions fish > ~/.config/fish/completions/blowup.fish";

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    pub shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder, which is made if it is not there
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}
