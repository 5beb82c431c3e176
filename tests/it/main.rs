//! The integration tests: one binary, one module per room.

mod contract;
mod grid;
mod spec;

mod gradients;
mod measurements;
mod optimizers;
mod training;
mod verdicts;

mod plan;
mod protocol;
mod record;
mod store;
mod summary;
mod sweep;

mod baseline;
mod check;
mod layers;
mod metric;
mod statistics;

mod readers;
mod trials;
