//! How many trials had which verdict.

use super::Verdict;
use crate::spec::metric::Rate;
use crate::verdict::Outcome;
use serde::{Deserialize, Serialize};

/// The trials of a grid (or a shard), counted by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub trials: u64,
    pub converged: u64,
    pub stalled: u64,
    pub unsettled: u64,
    pub diverged: u64,
    pub nonfinite: u64,
    #[serde(default)]
    pub untrained: u64,
    #[serde(default)]
    pub relapsed: u64,
    #[serde(default)]
    pub ruined: u64,
    pub lost: u64,
    /// The trials without a row.
    pub missing: u64,
}

impl Counts {
    /// Counts one more trial.
    pub fn add(&mut self, verdict: Verdict) {
        self.trials += 1;
        match verdict {
            Verdict::Outcome(outcome) => *self.of(outcome) += 1,
            Verdict::Lost(_) => self.lost += 1,
        }
    }

    /// The sums of both counts.
    pub fn plus(self, other: &Counts) -> Counts {
        Counts {
            trials: self.trials + other.trials,
            converged: self.converged + other.converged,
            stalled: self.stalled + other.stalled,
            unsettled: self.unsettled + other.unsettled,
            diverged: self.diverged + other.diverged,
            nonfinite: self.nonfinite + other.nonfinite,
            untrained: self.untrained + other.untrained,
            relapsed: self.relapsed + other.relapsed,
            ruined: self.ruined + other.ruined,
            lost: self.lost + other.lost,
            missing: self.missing + other.missing,
        }
    }

    /// The trials with a verdict.
    pub fn verdicts(&self) -> u64 {
        self.trials - self.lost
    }

    /// The trials that a rate counts.
    pub fn hits(&self, rate: Rate) -> u64 {
        let mut counts = *self;
        Outcome::ALL.into_iter().filter(|outcome| rate.counts(*outcome)).map(|outcome| *counts.of(outcome)).sum()
    }

    fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Converged => &mut self.converged,
            Outcome::Stalled => &mut self.stalled,
            Outcome::Unsettled => &mut self.unsettled,
            Outcome::Diverged => &mut self.diverged,
            Outcome::Nonfinite => &mut self.nonfinite,
            Outcome::Untrained => &mut self.untrained,
            Outcome::Relapsed => &mut self.relapsed,
            Outcome::Ruined => &mut self.ruined,
        }
    }
}
