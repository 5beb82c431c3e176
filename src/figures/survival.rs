//! How many trials have not blown up yet, by epoch: the estimator of Kaplan and Meier (1958). A
//! trial without the event is censored at the end of its budget.

use super::table::{SurvivalEvent, TrialTable};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Trials with a verdict; the others take no part.
    pub trials: u64,
    pub lost: u64,
    /// In ascending order of epochs; only epochs at which something happened.
    pub points: Vec<SurvivalPoint>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurvivalPoint {
    pub epoch: u32,
    /// Trials that were observed and had no event before this epoch.
    pub at_risk: u64,
    pub events: u64,
    /// Observed to the end of this epoch, without the event.
    pub censored: u64,
    /// The share of trials that survive this epoch.
    pub survival: f64,
}

/// The curve of some rows.
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
                // Measured at initialization only, a trial is looked at once, in what would be its
                // first epoch: an event would say 1.
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
    /// The share that survives to the end of an epoch.
    pub fn at(&self, epoch: u32) -> f64 {
        let after = self.points.partition_point(|point| point.epoch <= epoch);
        after.checked_sub(1).map_or(1.0, |last| self.points[last].survival)
    }
}
