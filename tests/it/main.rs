//! The integration tests: one binary, one module per room.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "the files are the tests' own")]

mod contract;
mod grid;
mod mistakes;
mod spec;

mod device;
mod fused;
mod gradients;
mod layers;
mod literature;
mod measurements;
mod optimizers;
mod sharpness;
mod training;
mod verdicts;

mod drill;
mod merge;
mod plan;
mod products;
mod protocol;
mod record;
mod replay;
mod report;
mod shards;
mod slurm;
mod still;
mod store;
mod summary;
mod sweep;

mod baseline;
mod check;
mod layer_metrics;
mod metric;
mod mkl;
mod statistics;

mod characters;
mod damage;
mod data;
mod figures;
mod filters;
mod fuzz;
mod hostile;
mod origin;
mod outputs;
mod pictures;

mod readers;
mod trials;
