//! What a sweep shows at its end: which axes decide, and on a terminal its first diagrams.

use super::cells::PlotMetric;
use super::design::causes;
use super::files::{read, source};
use super::gallery::Gallery;
use super::influence::told;
use super::plan::{AxisSelection, by_influence};
use super::table::TrialTable;
use blowup_core::output::{self, wants_colour};
use blowup_core::spec::metric::Rate;
use std::path::Path;

/// What a sweep shows at its end.
#[derive(Default)]
pub struct Glance {
    /// Which axes decide which trials fail, as a line; empty where none does.
    pub decisive: String,
    /// The first diagrams as text; empty if stdout is no terminal.
    pub diagrams: String,
}

/// What the sweep in `dir` shows at its end. It is nothing if there are so many trials that reading
/// them takes long, or if they cannot be read.
pub fn glance(dir: &Path, trials: u64, with_diagrams: bool) -> Glance {
    const MOST_TRIALS: u64 = 100_000;
    if trials > MOST_TRIALS {
        return Glance::default();
    }
    // A sweep that has ended does not fail because of a picture, so errors are dropped.
    let Ok(table) = read(dir, &[], METRIC) else { return Glance::default() };
    let decisive = told(&by_influence(&table, &table.rows(), causes(&table)));
    let diagrams =
        if with_diagrams && output::is_terminal() { diagrams(&table, dir).unwrap_or_default() } else { String::new() };
    Glance { decisive, diagrams }
}

const METRIC: PlotMetric = PlotMetric::Rate(Rate::Failure);

/// The first diagrams, if they can be drawn.
fn diagrams(table: &TrialTable, dir: &Path) -> Option<String> {
    const FIGURES: usize = 2;
    let asked = AxisSelection::default();
    let gallery = Gallery::new(table, source(dir, &[]), METRIC, &asked).ok()?;
    let first = gallery
        .families
        .iter()
        .take(FIGURES)
        .filter_map(|family| asked.pages(table, family, METRIC.pooled()).into_iter().next());
    Some(first.map(|page| gallery.text(&page, wants_colour(true))).collect::<Vec<_>>().join("\n"))
}
