//! The arguments of `blowup read` and their help.

use clap::Args;
use std::path::PathBuf;

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
