//! `manifest.toml`: everything about a sweep that is not a result: which program on what machine, when, how far. The only file in which
//! times and machines may stand.

use super::sums::Recorded;
use crate::plan::Shard;
use crate::record::Counts;
use crate::spec::data::Taken;
use crate::verdict::Record;
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
