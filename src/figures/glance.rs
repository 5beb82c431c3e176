//! The first diagrams of a sweep that has ended on a terminal.

use super::cells::PlotMetric;
use super::files::{read, source};
use super::gallery::Gallery;
use super::plan::AxisSelection;
use blowup_core::output::{self, wants_colour};
use blowup_core::spec::metric::Rate;
use std::path::Path;

/// The first diagrams of the sweep in `dir`, as text. None if stdout is no terminal, if there are
/// so many trials that drawing them takes long, or if they cannot be drawn.
pub fn glance(dir: &Path, trials: u64) -> Option<String> {
    const MOST_TRIALS: u64 = 100_000;
    const FIGURES: usize = 2;
    if !output::is_terminal() || trials > MOST_TRIALS {
        return None;
    }
    // A sweep that has ended does not fail because of a picture, so errors are dropped.
    let (metric, asked) = (PlotMetric::Rate(Rate::Failure), AxisSelection::default());
    let table = read(dir, &[], metric).ok()?;
    let gallery = Gallery::new(&table, source(dir, &[]), metric, &asked).ok()?;
    let first = gallery
        .families
        .iter()
        .take(FIGURES)
        .filter_map(|family| asked.pages(&table, family, metric.pooled()).into_iter().next());
    Some(first.map(|page| gallery.text(&page, wants_colour(true))).collect::<Vec<_>>().join("\n"))
}
