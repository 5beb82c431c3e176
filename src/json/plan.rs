//! What a sweep would do.

use blowup_core::plan::Shard;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct PlanDocument {
    pub name: String,
    /// The points of the grid, of which equal trials are one and excluded ones none.
    pub points: u64,
    /// The trials of the whole grid, and of the first round of its edges.
    pub trials: u64,
    pub shard: Option<Shard>,
    /// The trials that `--shard` and `--where` leave, and those of them that have no row yet.
    pub selected: u64,
    pub to_run: u64,
    pub workers: u64,
    pub chunks: u64,
    /// What is predicted; null where a program trains, since nobody has measured its trials.
    pub predicted: Option<Predicted>,
    pub cohorts: Vec<CohortLine>,
    pub edges: Option<EdgesLine>,
    /// What the tasks take of their files, in words.
    pub data: Vec<String>,
}

#[derive(Debug, Serialize)]
pub struct Predicted {
    /// The bytes of the largest worker.
    pub worker_bytes: f64,
    /// The seconds on one core, and on the workers of this sweep.
    pub seconds_on_one_core: f64,
    pub seconds: f64,
}

/// Trials that train together.
#[derive(Debug, Serialize)]
pub struct CohortLine {
    pub cohort: String,
    pub trials: u64,
    pub lanes: u64,
    /// The predicted seconds on one core.
    pub seconds: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct EdgesLine {
    pub lines: u64,
    /// The lines whose search is over.
    pub over: u64,
    pub first_round: u64,
    pub most: u64,
}
