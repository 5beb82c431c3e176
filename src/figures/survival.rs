//! The share of trials that have not blown up yet, by epoch, after Kaplan and Meier (1958). A trial
//! without the event is censored at the end of its budget.

use super::table::{SurvivalEvent, TrialTable};
use std::collections::BTreeMap;

/// A survival curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// How many trials have a verdict. Only these count.
    pub trials: u64,
    /// How many trials were lost.
    pub lost: u64,
    /// The epochs at which a trial had the event or was censored, in ascending order.
    pub points: Vec<SurvivalPoint>,
}

/// One epoch of a survival curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurvivalPoint {
    pub epoch: u32,
    /// How many trials were observed and had no event before this epoch.
    pub at_risk: u64,
    /// How many trials had the event in this epoch.
    pub events: u64,
    /// How many trials were observed to the end of this epoch, and not longer, without the event.
    pub censored: u64,
    /// The share of trials that survive this epoch.
    pub survival: f64,
}

/// The survival curve of these rows.
pub fn curve(table: &TrialTable, rows: &[u32], event: SurvivalEvent) -> Curve {
    let (ends, budget) = (table.epochs_of(event), table.factor("epochs").expect("a column that is always there"));
    let (mut trials, mut lost) = (0, 0);
    let mut by_epoch: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for row in rows {
        if table.verdicts[*row as usize].outcome().is_none() {
            lost += 1;
            continue;
        }
        trials += 1;
        match ends[*row as usize] {
            Some(epoch) => by_epoch.entry(epoch).or_default().0 += 1,
            None => {
                // A trial of 0 epochs is measured once, at initialization. It counts as observed in
                // epoch 1, which is also the epoch that its event would have.
                let end = (budget.level(*row).number.unwrap_or_default() as u32).max(1);
                by_epoch.entry(end).or_default().1 += 1;
            }
        }
    }
    let (mut at_risk, mut survival) = (trials, 1.0);
    let points = by_epoch.into_iter().map(|(epoch, (events, censored))| {
        survival *= (at_risk - events) as f64 / at_risk as f64;
        let point = SurvivalPoint { epoch, at_risk, events, censored, survival };
        at_risk -= events + censored;
        point
    });
    Curve { trials, lost, points: points.collect() }
}

impl Curve {
    /// The share of trials that survive to the end of an epoch.
    pub fn at(&self, epoch: u32) -> f64 {
        let after = self.points.partition_point(|point| point.epoch <= epoch);
        after.checked_sub(1).map_or(1.0, |last| self.points[last].survival)
    }
}
