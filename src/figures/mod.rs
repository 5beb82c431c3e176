//! From the CSV files of a run directory to figures. [`files`] alone opens files; everything else
//! is handed a reader. A trial without a verdict is counted as lost and takes part in nothing else.
//!
//! The way from a file to a figure:
//!
//! 1. [`table`] is `runs.csv` in memory, by columns. [`design`] says which axes vary, which follow
//!    from others, and how the values of each are spaced.
//! 2. [`influence`] says which axes decide, and by it [`plan`] chooses the diagrams. [`cells`] and
//!    [`survival`] count the numbers of one.
//! 3. [`phase`], [`boundary`], [`rates`], [`curves`], [`profile`], [`coordinate`] and [`courses`]
//!    draw pictures; [`terminal`] writes text.
//! 4. [`picture`] writes SVG, [`raster`] PNG, and [`pdf`] PDF. [`canvas`] says how large a figure
//!    is.
//!
//! [`gallery`] draws all figures of a sweep.

pub mod design;
pub mod reading;
pub mod table;

pub mod cells;
pub mod files;
pub mod gallery;
pub mod glance;
pub mod influence;
pub mod plan;
pub mod survival;

pub mod boundary;
pub mod coordinate;
pub mod courses;
pub mod curves;
pub mod edges;
pub mod meanfield;
pub mod phase;
pub mod profile;
pub mod rates;
pub mod terminal;

pub mod heading;
pub mod legend;
pub mod marks;
pub mod panel;
pub mod scale;
pub mod style;
pub mod words;

pub mod canvas;
pub mod font;
pub mod palette;
pub mod pdf;
pub mod picture;
pub mod raster;
