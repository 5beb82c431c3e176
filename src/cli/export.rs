//! The arguments of `blowup export` and their help.

use super::value::ExportFormat;
use clap::Args;
use std::path::PathBuf;

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
