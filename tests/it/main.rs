//! The integration tests: one binary, one module per room.
#![allow(clippy::disallowed_methods, clippy::disallowed_macros, reason = "the files are the tests' own")]
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a panic fails the test, as it should")]
#![allow(clippy::iter_over_hash_type, reason = "no result is written in this order")]
#![allow(unsafe_code, reason = "MKL and the limits of a process are asked directly")]

mod axes;
mod contract;
mod grid;
mod messages;
mod mistakes;
mod nowhere;
mod schema;
mod schema_axes;
mod spec;

mod attention_literature;
mod device;
mod fused;
mod gradients;
mod guards;
mod layers;
mod literature;
mod measurements;
mod muon;
mod mup;
mod norms;
mod optimizers;
mod published;
mod range;
mod sharpness;
mod training;
mod transformers;
mod variants;
mod verdicts;

mod cover;
mod crates;
mod drill;
mod edges;
mod held;
mod maps;
mod merge;
mod pages;
mod paper;
mod plan;
mod precision;
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
mod bundle;
mod check;
mod layer_metrics;
mod metric;
mod mkl;
mod statistics;

mod action;
mod arrays;
mod characters;
mod container;
mod damage;
mod data;
mod export;
mod figures;
mod filters;
mod fuzz;
mod hostile;
mod json;
mod origin;
mod outputs;
mod pictures;
mod program;
mod read;
mod written;

mod columns;
mod documents;
mod readers;
mod shell;
mod trials;
mod units;
mod workers;
