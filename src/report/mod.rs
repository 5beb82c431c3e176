//! Writes `report.html`, one page that a browser opens from disk and that draws itself. The rows go
//! into it as typed arrays ([`columns`]), beside the curves of single trials ([`curves`]). [`data`]
//! adds the spec, the edges ([`edges`]) and the findings of a check ([`checks`]). [`page`] writes
//! everything into the page, whose style and scripts lie in `page/`. The scripts count whatever
//! depends on the choices of its reader.
//!
//! [`mod@file`] alone opens files, and nothing reads the clock. A page has at most `MOST_TRIALS`
//! trials. If there are more, it has a sample of them ([`sample`]). It has nothing that was timed,
//! so the same rows give the same bytes.

pub mod checks;
pub mod columns;
pub mod curves;
pub mod data;
pub mod edges;
pub mod file;
pub mod page;
pub mod sample;

/// How many trials a page has at most. A browser counts so many without a noticeable wait, and the
/// file has some ten megabytes.
pub const MOST_TRIALS: u64 = 1 << 17;

/// How many trials a sample has at most. A sweep of a million trials has little memory left for its
/// report.
pub const MOST_SAMPLED: u64 = 1 << 16;
