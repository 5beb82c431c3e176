//! The arguments of `blowup plot` and their help.

use clap::Args;
use std::path::PathBuf;

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
