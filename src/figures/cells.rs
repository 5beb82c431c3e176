//! Groups of trials, counted: the cells of a phase diagram. Their counts, rates and intervals are
//! those of `summary.csv`.

use super::design::combinations;
use super::table::{Factor, TrialTable};
use blowup_core::axis::Axis;
use blowup_core::check::aggregate::aggregate;
use blowup_core::record::Counts;
use blowup_core::spec::metric::{Function, Rate};
use blowup_core::summary::sensitivity::{self, LossCurve};
use blowup_core::summary::{BySeed, Clusters};
use std::collections::BTreeMap;

/// The trials that have the same levels of some factors.
#[derive(Debug, Clone, PartialEq)]
pub struct DiagramCell {
    /// The code of the level of each factor by which the trials are grouped.
    pub levels: Vec<u32>,
    pub counts: Counts,
    /// Its rows in the table.
    pub rows: Vec<u32>,
    /// Whether its rate stands for no configuration: some always end in what is counted, and others
    /// never do.
    pub mixed: bool,
}

/// The metric that a diagram shows in each cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlotMetric {
    /// A share of the trials that have a verdict.
    Rate(Rate),
    /// The median of a column of `runs.csv` over the trials that have a value. A NaN counts as
    /// infinite.
    Median(&'static str),
    /// How much the learning rate matters (`blowup_core::summary::sensitivity`).
    LrSensitivity,
}

impl PlotMetric {
    /// The columns of `runs.csv` that it reads, beside the axes and the verdict.
    pub fn columns(self) -> Vec<&'static str> {
        match self {
            PlotMetric::Rate(_) => Vec::new(),
            PlotMetric::Median(column) => vec![column],
            PlotMetric::LrSensitivity => sensitivity::COLUMNS[1..].to_vec(),
        }
    }

    /// The axes that its diagrams pool in each cell, since it compares their values.
    pub fn pooled(self) -> &'static [&'static str] {
        match self {
            PlotMetric::Rate(_) | PlotMetric::Median(_) => &[],
            PlotMetric::LrSensitivity => &sensitivity::COLUMNS[..1],
        }
    }
}

/// Groups rows by the levels of the factors `by`. The cells are in the order of the levels, and
/// every cell has rows.
pub fn cells(table: &TrialTable, rows: &[u32], by: &[&Factor]) -> Vec<DiagramCell> {
    let mut cells: Vec<DiagramCell> = Vec::new();
    for (row, number) in rows.iter().zip(combinations(by, rows).0) {
        let number = number as usize;
        if number == cells.len() {
            let levels = by.iter().map(|factor| factor.code(*row)).collect();
            cells.push(DiagramCell { levels, counts: Counts::default(), rows: Vec::new(), mixed: false });
        }
        cells[number].counts.add(table.verdicts[*row as usize]);
        cells[number].rows.push(*row);
    }
    cells.sort_by(|a, b| a.levels.cmp(&b.levels));
    cells
}

impl DiagramCell {
    /// Finds out whether the cell is mixed. `pooled` are the factors in which its configurations
    /// differ.
    pub fn find_mixed(&mut self, table: &TrialTable, pooled: &[&Factor], rate: Rate) {
        let (numbers, count) = combinations(pooled, &self.rows);
        let mut counts = vec![Counts::default(); count];
        for (row, number) in self.rows.iter().zip(numbers) {
            counts[number as usize].add(table.verdicts[*row as usize]);
        }
        let with_verdicts = || counts.iter().filter(|counts| counts.verdicts() > 0);
        let always = with_verdicts().any(|counts| counts.hits(rate) == counts.verdicts());
        let never = with_verdicts().any(|counts| counts.hits(rate) == 0);
        self.mixed = always && never;
    }

    /// Whether each trial with a verdict is counted by a rate, in the order of the rows.
    pub fn events(&self, table: &TrialTable, rate: Rate) -> Vec<bool> {
        let outcome = |row: &u32| table.verdicts[*row as usize].outcome();
        self.rows.iter().filter_map(outcome).map(|outcome| rate.counts(outcome)).collect()
    }

    /// The value of the metric. None if no trial of the cell has a verdict, or a value of the
    /// column.
    pub fn value(&self, table: &TrialTable, metric: PlotMetric) -> Option<f64> {
        match metric {
            PlotMetric::Rate(rate) => {
                let n = self.counts.verdicts();
                (n > 0).then(|| self.counts.hits(rate) as f64 / n as f64)
            }
            PlotMetric::Median(name) => {
                let column = table.measure(name);
                // A NaN counts as worse than every number.
                let worst = |x: f64| if x.is_nan() { f64::INFINITY } else { x };
                let values: Vec<f64> = self.rows.iter().filter_map(|row| column[*row as usize].map(worst)).collect();
                aggregate(Function::Median, &values)
            }
            PlotMetric::LrSensitivity => self.sensitivity(table),
        }
    }

    /// The mean sensitivity of the curves of trials that differ in their learning rate alone.
    fn sensitivity(&self, table: &TrialTable) -> Option<f64> {
        let [lr, initial, last] = sensitivity::COLUMNS;
        let rates = table.factor(lr)?;
        let (initial, last) = (table.measure(initial), table.measure(last));
        let follows = |factor: &Factor| {
            let id = Axis::find(factor.name).map(|axis| axis.id);
            id.is_some_and(|id| id.follows().is_some_and(|of| of.name() == lr))
        };
        let others: Vec<&Factor> = table.factors.iter().filter(|f| f.name != lr && !follows(f)).collect();
        let mut curves: BTreeMap<u32, LossCurve> = BTreeMap::new();
        for (row, curve) in self.rows.iter().zip(combinations(&others, &self.rows).0) {
            let Some(lr) = rates.level(*row).number else { continue };
            if table.verdicts[*row as usize].outcome().is_some() {
                curves.entry(curve).or_default().add(lr, initial[*row as usize], last[*row as usize]);
            }
        }
        sensitivity::lr_sensitivity(curves.values()).0
    }

    /// The 95% interval of a rate, which goes by seeds. None if no trial has a verdict.
    pub fn interval(&self, table: &TrialTable, rate: Rate) -> Option<(f64, f64)> {
        let (seed, mut clusters, mut counted) = (table.factor("seed")?, Clusters::default(), BySeed::default());
        for row in &self.rows {
            if let Some(outcome) = table.verdicts[*row as usize].outcome() {
                counted.add(clusters.of(u64::from(seed.code(*row))), rate, outcome);
            }
        }
        counted.interval().map(|of| (of.low, of.high))
    }
}
