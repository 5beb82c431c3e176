//! How many points a grid may have.

use blowup_core::failure::Failure;
use blowup_core::spec::Spec;
use std::path::Path;

/// A sweep of a grid with more points than this needs `--yes`.
pub const MANY_POINTS: u128 = 10_000_000;

/// A grid with more points than this is not swept at all, since a trial's number has 32 bits.
const MOST_POINTS: u32 = u32::MAX;

/// The points of the grid, and the most trials of the edges.
pub fn points(spec: &Spec) -> u128 {
    let edges = spec.edges.iter().map(|edge| u128::from(edge.most_trials()));
    edges.fold(spec.grid().points(), u128::saturating_add)
}

/// Refuses a grid with more points than a run directory can hold. `file` is the path of the spec.
///
/// # Errors
/// If the grid has more than `MOST_POINTS` points.
pub fn refuse_endless(spec: &Spec, file: &Path) -> Result<(), Failure> {
    let points = points(spec);
    if points <= u128::from(MOST_POINTS) {
        return Ok(());
    }
    let text = format!("the grid of `{}` has {points} points, a sweep at most {MOST_POINTS}", file.display());
    Err(Failure::new(text).hint("take fewer points, or several specs"))
}
