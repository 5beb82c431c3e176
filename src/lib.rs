//! blowup measures where the training of neural networks blows up: exploding gradients, divergence,
//! NaN.
//!
//! One TOML file, a spec, declares a grid. Every point of the grid is trained on libtorch, in
//! parallel worker processes. CSV files say of every trial whether, when and where it diverged.
//! This package is the program: its command line, the pool of workers, and what it shows.
//! Everything else that needs no libtorch is in `blowup_core`. `blowup_engine` trains; the program
//! opens it in its workers alone.

pub mod cli;
pub mod command;

pub mod map;
pub mod merge;
pub mod program;
pub mod sweep;
pub mod worker;

pub mod read;
pub mod replay;
pub mod slurm;

pub mod export;
pub mod figures;
pub mod json;
pub mod report;
pub mod schema;

pub mod origin;
pub mod processes;
pub mod run_files;

pub mod progress;
pub mod stderr;
