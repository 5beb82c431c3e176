//! `manifest.toml`: everything about a sweep that is not a result: which program on what machine, when, how far. The only file in which
//! times and machines may stand.

use super::sums::Recorded;
use crate::plan::Shard;
use crate::record::Verdict;
use crate::spec::data::Taken;
use crate::verdict::{Outcome, Record};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Of the columns; see `record::FORMAT`.
    pub format: u32,
    pub status: Status,
    /// `I/N` if this folder is about a part of the grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// A hash of the whole grid: the ids of its trials, in order.
    #[serde(default)]
    pub grid: String,
    pub blowup: String,
    /// What the bits of a row depend on: `blowup_engine::fingerprint`. More than one only after `--allow-mixed`.
    pub fingerprints: Vec<String>,
    pub device: String,
    pub workers: u64,
    /// The path of the spec that was swept, from the root; none if it came through a pipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// Of the first run, UTC.
    pub started: String,
    /// When this file was last written, UTC.
    pub updated: String,
    /// Of all runs of this sweep together.
    pub wall_seconds: f64,
    pub record: Record,
    /// What rows were recorded under, by the names in `runs.crc32`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub records: BTreeMap<String, Record>,
    pub counts: Counts,
    /// Bytes of the finished files with rows; empty while they are not.
    #[serde(default)]
    pub lengths: BTreeMap<String, u64>,
    /// What csv tasks take of their files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Taken>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Running,
    /// Every trial of the grid (or shard) has a row, which may say that it was lost.
    Complete,
    /// What `--where` asked for is done, or what `merge --partial` found is here; the rest of the grid is not.
    Partial,
    Interrupted,
}

/// Trials of the grid (or shard) by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub trials: u64,
    pub converged: u64,
    pub stalled: u64,
    pub unsettled: u64,
    pub diverged: u64,
    pub nonfinite: u64,
    pub lost: u64,
    /// Without a row.
    pub missing: u64,
}

impl Counts {
    /// One more trial.
    pub fn add(&mut self, verdict: Verdict) {
        self.trials += 1;
        match verdict {
            Verdict::Outcome(outcome) => *self.of(outcome) += 1,
            Verdict::Lost(_) => self.lost += 1,
        }
    }

    /// Those of both.
    pub fn plus(self, other: &Counts) -> Counts {
        Counts {
            trials: self.trials + other.trials,
            converged: self.converged + other.converged,
            stalled: self.stalled + other.stalled,
            unsettled: self.unsettled + other.unsettled,
            diverged: self.diverged + other.diverged,
            nonfinite: self.nonfinite + other.nonfinite,
            lost: self.lost + other.lost,
            missing: self.missing + other.missing,
        }
    }

    /// Trials with a verdict.
    pub fn verdicts(&self) -> u64 {
        self.trials - self.lost
    }

    fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Converged => &mut self.converged,
            Outcome::Stalled => &mut self.stalled,
            Outcome::Unsettled => &mut self.unsettled,
            Outcome::Diverged => &mut self.diverged,
            Outcome::Nonfinite => &mut self.nonfinite,
        }
    }
}

impl Manifest {
    /// What the record is called in `runs.crc32`, from now on known by that name.
    pub fn name(&mut self, record: &Record) -> Recorded {
        let recorded = Recorded::of(record);
        if recorded != Recorded::Nothing {
            self.records.insert(recorded.name(), record.clone());
        }
        recorded
    }

    /// A manifest of another version, or a damaged one, is none.
    pub fn parse(text: &str) -> Option<Manifest> {
        toml::from_str(text).ok()
    }

    pub fn render(&self) -> String {
        toml::to_string(self).expect("a manifest is plain data")
    }
}
