//! What a sweep would do.

use crate::sweep::survey::Survey;
use blowup_core::plan::{Plan, PlannedCohort, Shard};
use blowup_core::spec::Spec;
use blowup_core::spec::edge::Edge;
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

impl PlanDocument {
    /// The document of a sweep that was surveyed and planned.
    pub fn new(spec: &Spec, shard: Option<Shard>, survey: &Survey, plan: &Plan, workers: usize) -> PlanDocument {
        let is_known = spec.program.is_none();
        let all = |of: fn(&Edge) -> u64| spec.edges.iter().map(of).sum();
        let cohort = |cohort: &PlannedCohort| CohortLine {
            cohort: cohort.name.clone(),
            trials: cohort.trials() as u64,
            lanes: cohort.lanes as u64,
            seconds: is_known.then(|| cohort.seconds()),
        };
        PlanDocument {
            name: spec.name.clone(),
            points: u64::try_from(spec.grid().points()).unwrap_or(u64::MAX),
            trials: survey.trials,
            shard,
            selected: survey.selected,
            to_run: plan.trials() as u64,
            workers: workers as u64,
            chunks: plan.chunks.len() as u64,
            predicted: is_known.then(|| Predicted {
                worker_bytes: plan.bytes(),
                seconds_on_one_core: plan.seconds(),
                seconds: plan.seconds_on(workers),
            }),
            cohorts: plan.cohorts.iter().map(cohort).collect(),
            edges: (!spec.edges.is_empty()).then(|| EdgesLine {
                lines: spec.edges.iter().map(|edge| edge.lines.len() as u64).sum(),
                over: survey.lines.iter().filter(|line| line.is_over).count() as u64,
                first_round: all(Edge::first_trials),
                most: all(Edge::most_trials),
            }),
            data: spec.data.iter().map(|taken| taken.told()).collect(),
        }
    }
}
