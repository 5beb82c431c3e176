//! The share of trials that have not blown up yet, by epoch, after Kaplan and Meier (1958). A trial
//! without the event is censored at the end of its budget. Its band goes by seeds, as the intervals
//! of rates do, and is the interval of the rate where no trial is censored before the others end.

use super::table::{SurvivalEvent, TrialTable};
use blowup_core::summary::{Clusters, of_share};
use std::collections::BTreeMap;

/// A survival curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// How many trials have a verdict. Only these count.
    pub trials: u64,
    /// How many trials were lost.
    pub lost: u64,
    /// The lower end of the 95% interval of the share while it is 1, from the end of epoch 1 on.
    /// The upper end is 1. It is 1 without trials.
    pub low: f64,
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
    /// The ends of its 95% interval.
    pub low: f64,
    pub high: f64,
}

/// How many trials had the event in an epoch, and how many were censored at its end.
#[derive(Debug, Clone, Copy, Default)]
struct Ended {
    events: u64,
    censored: u64,
}

/// The survival curve of these rows.
pub fn curve(table: &TrialTable, rows: &[u32], event: SurvivalEvent) -> Curve {
    let factor = |name| table.factor(name).expect("a column that is always there");
    let (ends, budget, seeds) = (table.epochs_of(event), factor("epochs"), factor("seed"));
    let mut clusters = Clusters::default();
    let (mut trials, mut lost) = (0, 0);
    // How many trials of each seed are at risk, and of each epoch and seed how many end.
    let mut at_risk_of: Vec<u64> = Vec::new();
    let mut by_epoch: BTreeMap<u32, BTreeMap<usize, Ended>> = BTreeMap::new();
    for row in rows {
        if table.verdicts[*row as usize].outcome().is_none() {
            lost += 1;
            continue;
        }
        trials += 1;
        let seed = clusters.of(u64::from(seeds.code(*row)));
        at_risk_of.resize(at_risk_of.len().max(seed + 1), 0);
        at_risk_of[seed] += 1;
        // A trial of 0 epochs is measured once, at initialization. It counts as observed in epoch
        // 1, which is also the epoch that its event would have.
        let last = || (budget.level(*row).number.unwrap_or_default() as u32).max(1);
        let ended = by_epoch.entry(ends[*row as usize].unwrap_or_else(last)).or_default().entry(seed).or_default();
        match ends[*row as usize] {
            Some(_) => ended.events += 1,
            None => ended.censored += 1,
        }
    }
    let (mut at_risk, mut survival) = (trials, 1.0);
    // The derivative of the survival by the weight of the trials of each seed.
    let mut influences = vec![0.0; at_risk_of.len()];
    let low = if trials > 0 { of_share(1.0, &influences, trials).0 } else { 1.0 };
    let points = by_epoch.into_iter().map(|(epoch, by_seed)| {
        let events: u64 = by_seed.values().map(|ended| ended.events).sum();
        let censored: u64 = by_seed.values().map(|ended| ended.censored).sum();
        let hazard = events as f64 / at_risk as f64;
        for (seed, influence) in influences.iter_mut().enumerate() {
            let own = by_seed.get(&seed).map_or(0, |ended| ended.events) as f64;
            let more = (own - at_risk_of[seed] as f64 * hazard) / at_risk as f64;
            *influence = *influence * (1.0 - hazard) - survival * more;
        }
        survival *= (at_risk - events) as f64 / at_risk as f64;
        let (low, high) = of_share(survival, &influences, trials);
        let point = SurvivalPoint { epoch, at_risk, events, censored, survival, low, high };
        at_risk -= events + censored;
        by_seed.iter().for_each(|(seed, ended)| at_risk_of[*seed] -= ended.events + ended.censored);
        point
    });
    Curve { trials, lost, low, points: points.collect() }
}

impl Curve {
    /// The share of trials that survive to the end of an epoch.
    pub fn at(&self, epoch: u32) -> f64 {
        let after = self.points.partition_point(|point| point.epoch <= epoch);
        after.checked_sub(1).map_or(1.0, |last| self.points[last].survival)
    }
}
