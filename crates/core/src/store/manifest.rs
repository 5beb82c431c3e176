//! `manifest.toml`: everything about a sweep that is not a result, such as which program ran on
//! what machine, when, and how far it came. It is the only file in which times and machines may
//! stand.

use super::sums::Recorded;
use crate::plan::Shard;
use crate::record::Counts;
use crate::spec::data::Taken;
use crate::verdict::Record;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The content of `manifest.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout of the columns; see [`FORMAT`](crate::record::FORMAT).
    pub format: u32,
    pub status: Status,
    /// `I/N` if this folder holds a shard of the grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// A hash of the ids of all trials of the grid, in order.
    #[serde(default)]
    pub grid: String,
    pub blowup: String,
    /// What the bits of a row depend on: `blowup_engine::fingerprint`. There is more than one only
    /// after `--allow-mixed`.
    pub fingerprints: Vec<String>,
    pub device: String,
    pub workers: u64,
    /// The absolute path of the spec that was swept. It is `None` if the spec came through a pipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<String>,
    /// When the first run started, in UTC.
    pub started: String,
    /// When this file was last written, in UTC.
    pub updated: String,
    /// The seconds of all runs of this sweep together.
    pub wall_seconds: f64,
    pub record: Record,
    /// The multiple of the reference above which a loss counts as diverged, by the name of the
    /// loss.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub loss_ratio: BTreeMap<String, f64>,
    /// The records under which rows were made, by their names in `runs.crc32`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub records: BTreeMap<String, Record>,
    pub counts: Counts,
    /// The bytes of the finished files with rows, by name. It is empty while the files are not
    /// finished.
    #[serde(default)]
    pub lengths: BTreeMap<String, u64>,
    /// What csv tasks take of their files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<Taken>,
}

/// How far a sweep came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Running,
    /// Every trial of the grid (or shard) has a row, which may say that the trial was lost.
    Complete,
    /// What `--where` asked for is done, or what `merge --partial` found is here. The rest of the
    /// grid is not.
    Partial,
    Interrupted,
}

impl Manifest {
    /// The name of a record in `runs.crc32`, under which the manifest keeps the record from now on.
    pub fn name(&mut self, record: &Record) -> Recorded {
        let recorded = Recorded::of(record);
        if recorded != Recorded::Nothing {
            self.records.insert(recorded.name(), record.clone());
        }
        recorded
    }

    /// Reads a manifest; `None` if it is damaged or of another version.
    pub fn parse(text: &str) -> Option<Manifest> {
        toml::from_str(text).ok()
    }

    /// The text of the manifest.
    pub fn render(&self) -> String {
        toml::to_string(self).expect("a manifest is plain data")
    }
}
