//! `report.html`: one page that opens from disk and draws itself. The rows go into it as columns
//! ([`columns`]), with curves of single trials ([`curves`]); [`data`] puts them together with the
//! spec and the findings of a check; [`page`] writes them into the page, whose style and scripts
//! lie in `page/`. Everything that depends on what its reader picks is counted there.
//!
//! [`mod@file`] alone opens files, and nothing reads the clock. A page holds at most `MOST_TRIALS`,
//! beyond that a sample ([`sample`]), and nothing that was timed: the same rows give the same
//! bytes.

pub mod columns;
pub mod curves;
pub mod data;
pub mod file;
pub mod page;
pub mod sample;

/// Trials in a page: what a browser counts again in a blink and a file of some ten megabytes holds.
pub const MOST_TRIALS: u64 = 1 << 17;

/// Trials in a sample of more than those: a sweep of a million has little memory left for it.
pub const MOST_SAMPLED: u64 = 1 << 16;
