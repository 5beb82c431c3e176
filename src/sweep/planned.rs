//! What a sweep would do, as a document for programs.

use super::survey::Survey;
use crate::json::plan::{CohortLine, EdgesLine, PlanDocument, Predicted};
use blowup_core::plan::{Plan, PlannedCohort, Shard};
use blowup_core::spec::Spec;
use blowup_core::spec::edge::Edge;

impl Survey {
    /// The document of what the sweep would do.
    pub fn document(&self, spec: &Spec, shard: Option<Shard>, plan: &Plan, workers: usize) -> PlanDocument {
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
            trials: self.trials,
            shard,
            selected: self.selected,
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
                over: self.lines.iter().filter(|line| line.is_over).count() as u64,
                first_round: all(Edge::first_trials),
                most: all(Edge::most_trials),
            }),
            data: spec.data.iter().map(|taken| taken.told()).collect(),
        }
    }
}
