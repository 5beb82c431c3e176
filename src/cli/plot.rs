//! The arguments of `blowup plot` and their help.

use crate::figures::canvas::Canvas;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

const PLOT_HELP: &str = "\
Written into RUN_DIR/figures/, each as SVG and PNG, and RUN_DIR/report.html anew; the names of the
files go to stdout:
  phase-*        failure rate over two axes, in panels; a figure for each combination of the rest
  boundary-*     the value of x at which half of the trials fail, against y
  survival-*     share of trials that have not blown up yet, by epoch, for the values of every axis
  edge-*         the largest safe value and the smallest dead one (if the spec has an [[edge]])
  layers-*       backprop signal by layer, beside mean-field theory (if layers.csv was recorded)
  coordinates-*  coordinate check over widths (if layers.csv has two of them)
  trials-*       loss and gradient norm of single trials (if epochs.csv was recorded)

By default the four axes that decide most about failure are shown: the numbers with most values as
x and y, the others in panels. With --facet, all other axes are pooled, which the figure says. A
filter of --where stands in the titles and in the names of the files.

For a paper, --size gives the width of its column, or width and height. No letter is then smaller
than 7 points; a figure that has no room for that is told and left out. A PNG has 600 pixels to the
inch.

Examples:
  blowup plot results/grid
  blowup plot results/grid --x lr --y depth --facet init,activation --where clip=none
  blowup plot results/grid --metric grad_norm_max      the median of any numeric column of runs.csv
  blowup plot results/grid --where label=mlp --terminal
  blowup plot results/grid --watch                     beside the sweep: the report follows it
  blowup plot results/grid --out paper --size 85mm --format pdf --facet init --title 'Failure'";

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
    /// Write the figures into this folder, and leave the report as it is
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// The size on paper: a width, 85mm, or a width and a height, 85x60mm; in mm, cm, in or pt
    #[arg(long, value_name = "WIDTH[xHEIGHT]")]
    pub size: Option<Canvas>,
    /// The formats of the figures
    #[arg(long, value_name = "FORMAT[,FORMAT]", value_delimiter = ',', default_value = "svg,png")]
    pub format: Vec<FigureFormat>,
    /// The title of each figure, in place of its own; an empty one leaves it out
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// While a sweep trains in RUN_DIR, write its report again and again; its page loads itself
    /// anew. The figures are drawn when it has ended
    #[arg(long, conflicts_with = "terminal")]
    pub watch: bool,
    /// Print the phase diagrams here, in 80 columns, and write no file
    #[arg(long)]
    pub terminal: bool,
}

/// A format of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FigureFormat {
    Svg,
    Png,
    Pdf,
}
