//! blowup measures where the training of neural networks blows up: exploding gradients, divergence, NaN.
//!
//! One TOML file (a spec) declares a grid; every point of it is trained on libtorch in parallel worker processes; CSV files say for every
//! trial whether, when and where it diverged. The modules in reading order, data flowing downwards:
//!
//! ```text
//! spec -> grid -> plan -> pool ==pipes==> worker -> engine -> verdict
//!                          |                                     |
//!                          +<------------- rows <----------------+
//!                          v
//!                        store (runs.csv, ...) -> summary | check | figures | report
//! ```

pub mod cli;
pub mod command;

pub mod axis;
pub mod device;
pub mod mean;
pub mod trial;

pub mod csv_task;
pub mod grid;
pub mod spec;

pub mod plan;

pub mod worker;

pub mod engine;
pub mod verdict;

pub mod record;
pub mod replay;
pub mod store;
pub mod summary;

pub mod merge;
pub mod slurm;

pub mod check;
pub mod figures;
pub mod report;
pub mod schema;

pub mod failure;
pub mod input;
pub mod log;
pub mod output;
pub mod progress;
pub mod signals;
pub mod stderr;
