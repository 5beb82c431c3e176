//! How far the shards of a sweep are.

use crate::slurm::status::Facts;
use blowup_core::store::Status;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct ShardsDocument {
    /// The folder of the sweep.
    pub out: String,
    /// The status of the merged sweep; null if there is none.
    pub merged: Option<Status>,
    pub shards: Vec<ShardLine>,
}

#[derive(Debug, Serialize)]
pub struct ShardLine {
    /// The number of the shard, from 1.
    pub shard: u32,
    pub state: &'static str,
    pub rows: u64,
    pub trials: u64,
    pub lost: u64,
    /// The exit status of its last task, if it is known.
    pub exit: Option<i32>,
    /// The seconds since its last row was written.
    pub seconds_since_row: Option<u64>,
    pub why: &'static str,
}

impl ShardsDocument {
    /// The document of the sweep in the folder `out`.
    pub fn new(out: &str, facts: &[Facts], merged: Option<Status>) -> ShardsDocument {
        let line = |shard: &Facts| ShardLine {
            shard: shard.index,
            state: shard.state().name(),
            rows: shard.rows,
            trials: shard.trials,
            lost: shard.lost,
            exit: shard.exit,
            seconds_since_row: shard.quiet.map(|quiet| quiet.as_secs()),
            why: shard.why(),
        };
        let merged = merged.filter(|status| matches!(status, Status::Complete | Status::Partial));
        ShardsDocument { out: out.to_owned(), merged, shards: facts.iter().map(line).collect() }
    }
}
