//! Trials, grouped and counted: the cells of a phase diagram. Counts, rates and intervals are those
//! of `summary.csv`.

use super::design::combinations;
use super::table::{Factor, TrialTable};
use blowup_core::check::aggregate::aggregate;
use blowup_core::record::Counts;
use blowup_core::spec::metric::{Function, Rate};
use blowup_core::summary;

/// The trials that agree in some factors.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagramCell {
    /// The level of each factor that was grouped by.
    pub levels: Vec<u32>,
    pub counts: Counts,
    pub rows: Vec<u32>,
}

/// What a cell shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlotMetric {
    /// A share of the trials with a verdict.
    Rate(Rate),
    /// The median of a column of `runs.csv` over the trials with a value; a NaN counts as infinite.
    Median(&'static str),
}

/// Groups rows by factors, in the order of their levels; only groups that have rows.
pub fn cells(table: &TrialTable, rows: &[u32], by: &[&Factor]) -> Vec<DiagramCell> {
    let mut cells: Vec<DiagramCell> = Vec::new();
    for (row, number) in rows.iter().zip(combinations(by, rows).0) {
        let number = number as usize;
        if number == cells.len() {
            let levels = by.iter().map(|factor| factor.code(*row)).collect();
            cells.push(DiagramCell { levels, counts: Counts::default(), rows: Vec::new() });
        }
        cells[number].counts.add(table.verdicts[*row as usize]);
        cells[number].rows.push(*row);
    }
    cells.sort_by(|a, b| a.levels.cmp(&b.levels));
    cells
}

impl DiagramCell {
    /// None if no trial has a verdict (or a value).
    pub fn value(&self, table: &TrialTable, metric: PlotMetric) -> Option<f64> {
        match metric {
            PlotMetric::Rate(rate) => {
                let n = self.counts.verdicts();
                (n > 0).then(|| hits(&self.counts, rate) as f64 / n as f64)
            }
            PlotMetric::Median(name) => {
                let column = table.measure(name);
                // A NaN is worse than every number.
                let worst = |x: f64| if x.is_nan() { f64::INFINITY } else { x };
                let values: Vec<f64> = self.rows.iter().filter_map(|row| column[*row as usize].map(worst)).collect();
                aggregate(Function::Median, &values)
            }
        }
    }

    /// The 95% interval of a rate.
    pub fn interval(&self, rate: Rate) -> Option<(f64, f64)> {
        let n = self.counts.verdicts();
        (n > 0).then(|| summary::wilson(hits(&self.counts, rate), n))
    }
}

/// The trials that a rate counts.
pub fn hits(counts: &Counts, rate: Rate) -> u64 {
    match rate {
        Rate::Divergence => counts.diverged + counts.nonfinite,
        Rate::Nonfinite => counts.nonfinite,
        Rate::Converged => counts.converged,
        Rate::Stalled => counts.stalled,
        Rate::Unsettled => counts.unsettled,
    }
}
