//! The command line: its commands, their arguments and their help.
#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "these comments are what `--help` prints, as it stands"
)]

mod map;
mod value;

pub use map::MapArgs;
pub use value::{ExportFormat, ShardArg};

use blowup_core::device::Device;
use blowup_core::limits::{self, Bytes};
use blowup_core::spec::set_key::SetKey;
use clap::{Args, Parser, Subcommand};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use value::{at_least_one, at_least_two, whole};

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

const PLOT_HELP: &str = "\
Written into RUN_DIR/figures/, each as SVG and PNG, and RUN_DIR/report.html anew; the names of the
files go to stdout:
  phase-*      divergence rate over two axes, in panels; a figure for each combination of the rest
  survival-*   share of trials that have not blown up yet, by epoch, for the values of every axis
  layers-*     backprop signal by layer, beside mean-field theory (if layers.csv was recorded)
  trials-*     loss and gradient norm of single trials (if epochs.csv was recorded)

By default x and y are the two numeric axes with most values, and the panels the two others with most
values. With --facet, all other axes are pooled, which the figure says. A --where stands in the titles
and in the names of the files.

Examples:
  blowup plot results/grid
  blowup plot results/grid --x lr --y depth --facet init,activation --where clip=none
  blowup plot results/grid --metric grad_norm_max      the median of any numeric column of runs.csv
  blowup plot results/grid --where label=mlp --terminal";

#[derive(Debug, Args)]
#[command(after_help = PLOT_HELP)]
pub struct PlotArgs {
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
    /// failure_rate, divergence_rate, nonfinite_rate, converged_rate, ..., or the median of a
    /// numeric column of runs.csv
    #[arg(long, value_name = "COLUMN", default_value = "failure_rate")]
    pub metric: String,
    /// Draw only the trials that match: AXIS=V[,V] or AXIS=A..B; repeat to narrow; a value with a
    /// comma stands in quotes: label="a, b"
    #[arg(long = "where", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Print the phase diagrams here, in 80 columns, and write no file
    #[arg(long)]
    pub terminal: bool,
}

const EXPORT_HELP: &str = "\
runs.csv, summary.csv and, as far as the sweep recorded them, epochs.csv, layers.csv and steps.csv
are written, each under its own name with another ending. Integers, floats, booleans and texts keep
their types. What is missing is null. NaN and the infinities are numbers in Parquet; JSON has no
such numbers, so there they are the texts \"NaN\", \"inf\" and \"-inf\".

Examples:
  blowup export results/grid --format parquet
  blowup export results/grid --format jsonl --out /tmp/grid";

#[derive(Debug, Args)]
#[command(after_help = EXPORT_HELP)]
pub struct ExportArgs {
    /// The folder of a sweep's results
    #[arg(value_name = "RUN_DIR")]
    pub dir: PathBuf,
    /// What to write
    #[arg(long)]
    pub format: ExportFormat,
    /// The folder to write into [default: RUN_DIR]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

const READ_HELP: &str = "\
Each log becomes a trial, and each of its records with a training loss an epoch. There are
trainer_state.json of Hugging Face's trainer, metrics.csv of Lightning's CSVLogger, CSV files with a
header (Keras's CSVLogger), JSON lines, and event files of TensorBoard. A folder stands for all logs
below it. What a log does not hold is empty, never guessed; where it is not certain which column is
the training loss, --loss names it. The files of an earlier read in DIR are replaced.

Examples:
  blowup read runs/ --out results/logs
  blowup read a.csv b.csv --out results/ab --loss train/ce
  blowup check results/logs --spec gate.toml";

#[derive(Debug, Args)]
#[command(after_help = READ_HELP)]
pub struct ReadArgs {
    /// Logs, or folders with logs
    #[arg(value_name = "PATH", required_unless_present = "as_program")]
    pub paths: Vec<PathBuf>,
    /// The folder of the results
    #[arg(long, value_name = "DIR", required_unless_present = "as_program")]
    pub out: Option<PathBuf>,
    /// The name of the sweep [default: that of DIR]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The column that is the training loss
    #[arg(long, value_name = "COLUMN")]
    pub loss: Option<String>,
    /// The column that is the norm of the gradient before clipping
    #[arg(long, value_name = "COLUMN")]
    pub grad_norm: Option<String>,
    /// Is the program of a directory of logs, which a sweep talks to
    #[arg(long, hide = true)]
    pub as_program: bool,
}

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
