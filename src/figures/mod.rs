//! From the CSV files of a run directory to figures. Reads no spec and opens no file; commands hand it readers. A trial without a verdict
//! is counted as lost and takes part in nothing else.
//!
//! `table` (`runs.csv` in memory, a column at a time) -> `design` (what varies, what depends on what, how values are spaced) ->
//! `cells` and `survival` (the numbers of a figure).

pub mod cells;
pub mod design;
pub mod survival;
pub mod table;
