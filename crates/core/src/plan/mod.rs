//! This room turns the trials that have no row into what the workers are handed. It sorts them into
//! cohorts by their shape and cuts the cohorts into chunks, of which the longest predicted one
//! comes first. It is pure and deterministic. Which chunk a trial is in changes nothing in its row.

mod cost;
mod footprint;
mod pending;
mod shard;
mod split;
mod workload;

pub use cost::Cost;
pub use footprint::WORKER_BYTES;
pub use pending::Pending;
pub use shard::Shard;
pub use split::Split;

use crate::device::Device;
use crate::trial::{Shape, Trial};
use crate::verdict::Record;
use std::collections::HashMap;

/// What may vary from sweep to sweep without changing a result.
#[derive(Debug, Clone, Copy)]
pub struct PlanOptions {
    pub workers: usize,
    pub device: Device,
    /// The most trials of a chunk. Without it a chunk has as many as run well.
    pub chunk: Option<usize>,
    /// The most predicted seconds of a chunk.
    pub seconds: Option<f64>,
    /// The most predicted bytes of a worker. A trial that needs more stands alone.
    pub bytes: f64,
}

/// Trials that train together as lanes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// Their numbers in `Pending`.
    pub trials: Vec<u32>,
    /// The cost of each of them.
    pub cost: Cost,
    /// How often the chunk took its worker down while it was a single trial.
    pub strikes: u32,
}

impl Chunk {
    /// The predicted seconds of the chunk on one core.
    pub fn seconds(&self) -> f64 {
        self.cost.seconds(self.trials.len())
    }

    /// The predicted seconds of one trial of the chunk: an equal share.
    pub fn seconds_each(&self) -> f64 {
        self.seconds() / self.trials.len() as f64
    }
}

/// The trials of one shape, as the plan shows them.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedCohort {
    /// The shape in words, for people.
    pub name: String,
    pub cost: Cost,
    /// The most lanes of a chunk.
    pub lanes: usize,
    trials: usize,
    seconds: f64,
}

impl PlannedCohort {
    pub fn trials(&self) -> usize {
        self.trials
    }

    /// The predicted seconds of all its chunks on one core.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// Estimates the seconds before the cohort is cut, as if its chunks were as large as run well.
    fn estimate(&mut self) {
        self.seconds = self.cost.seconds(self.lanes) / self.lanes as f64 * self.trials as f64;
    }
}

/// The trials to run, collected in grid order.
#[derive(Default)]
pub struct Planner {
    record: Record,
    by_shape: ByShape,
    cohorts: Vec<(PlannedCohort, Members)>,
}

/// Numbers the shapes of trials from 0, in the order in which they come.
#[derive(Default)]
struct ByShape {
    /// The trials of a program have no shape, and are all of one kind.
    numbers: HashMap<Option<Shape>, usize>,
    /// The last shape, which the next trial of a grid mostly shares.
    last: Option<(Option<Shape>, usize)>,
}

impl ByShape {
    fn number(&mut self, trial: &Trial) -> usize {
        let shape = trial.given.is_none().then(|| trial.shape());
        let next = self.numbers.len();
        let number = match self.last.take() {
            Some((last, number)) if last == shape => number,
            _ => *self.numbers.entry(shape.clone()).or_insert(next),
        };
        self.last = Some((shape, number));
        number
    }
}

/// The trials of a cohort, each as the seed of its data, the hash of what it may differ in but
/// clipping, and its number in `Pending`. In this order, lanes of one seed share their data, and
/// trials that differ in clipping alone share a lane for as long as they can.
type Members = Vec<(u64, u64, u32)>;

/// Cohorts, the one with the most predicted work first, and their chunks, the longest first.
pub struct Plan {
    pub cohorts: Vec<PlannedCohort>,
    pub chunks: Vec<Chunk>,
}

impl Plan {
    pub fn trials(&self) -> usize {
        self.cohorts.iter().map(PlannedCohort::trials).sum()
    }

    /// The predicted bytes of the largest worker.
    pub fn bytes(&self) -> f64 {
        self.cohorts.iter().map(|cohort| cohort.cost.bytes(cohort.lanes)).fold(0.0, f64::max)
    }

    /// The predicted seconds on one core.
    pub fn seconds(&self) -> f64 {
        // A sum of nothing would be -0.
        self.chunks.iter().map(Chunk::seconds).fold(0.0, |all, chunk| all + chunk)
    }

    /// The predicted seconds on `workers` equally fast cores. No sweep is faster than its longest
    /// chunk.
    pub fn seconds_on(&self, workers: usize) -> f64 {
        let longest = self.chunks.first().map_or(0.0, Chunk::seconds);
        longest.max(self.seconds() / workers as f64)
    }
}

impl Planner {
    /// Begins a plan for trials of which `record` is recorded.
    pub fn new(record: &Record) -> Planner {
        Planner { record: record.clone(), ..Planner::default() }
    }

    /// Adds a trial to run; `number` is its number in `Pending`.
    pub fn push(&mut self, number: u32, trial: &Trial) {
        let cohort = self.by_shape.number(trial);
        if cohort == self.cohorts.len() {
            let cost = Cost::recorded(trial, &self.record);
            self.cohorts
                .push((PlannedCohort { name: name(trial), cost, lanes: 1, trials: 0, seconds: 0.0 }, Vec::new()));
        }
        let (cohort, members) = &mut self.cohorts[cohort];
        cohort.trials += 1;
        members.push((trial.data_seed(), trial.likeness().wrapping_add(trial.seed), number));
    }

    /// The predicted bytes of a worker that trains the largest trial alone.
    pub fn fewest_bytes(&self) -> f64 {
        self.cohorts.iter().map(|(cohort, _)| cohort.cost.bytes(1)).fold(0.0, f64::max)
    }

    /// Cuts the cohorts into chunks.
    pub fn plan(mut self, sizes: PlanOptions) -> Plan {
        for (cohort, members) in &mut self.cohorts {
            members.sort_unstable();
            cohort.cost = cohort.cost.among(members.chunk_by(|a, b| a.0 == b.0).count(), members.len());
            cohort.lanes = cohort.cost.lanes(f64::INFINITY);
            cohort.estimate();
        }
        let all: f64 = self.cohorts.iter().map(|(cohort, _)| cohort.seconds()).sum();
        // With three chunks per worker the last ones even out, as long as that leaves enough lanes
        // to share the dispatch.
        let fair = if sizes.workers > 1 { all / (3 * sizes.workers) as f64 } else { all };
        let (mut cohorts, mut chunks) = (Vec::new(), Vec::new());
        for (mut cohort, mut members) in self.cohorts {
            let balanced = (fair / (cohort.seconds() / cohort.trials() as f64)) as usize;
            let lanes = match sizes.device {
                Device::Cpu | Device::CpuPlain => cohort
                    .lanes
                    .min(balanced.max(cohort.cost.fewest_lanes()))
                    .min(sizes.seconds.map_or(usize::MAX, |seconds| cohort.cost.lanes_within(seconds)))
                    .min(cohort.cost.lanes(sizes.bytes)),
                // Nobody waits for the last chunk, and a GPU is only busy with thousands of lanes.
                Device::Cuda(_) => cohort.cost.gpu_lanes(),
            };
            cohort.lanes = lanes.min(sizes.chunk.unwrap_or(usize::MAX)).min(cohort.trials).max(1);
            // Siblings are sorted by the place of the first of them in the grid, not by their hash.
            // So rows come in nearly the order of the grid, which is the order in which they are
            // read when the file is put in order.
            for siblings in members.chunk_by_mut(|a, b| (a.0, a.1) == (b.0, b.1)) {
                let first = siblings[0].2;
                siblings.iter_mut().for_each(|member| member.1 = u64::from(first));
            }
            members.sort_unstable();
            let (trials, count) = (cohort.trials(), cohort.trials().div_ceil(cohort.lanes));
            let first_chunk = chunks.len();
            for at in 0..count {
                // The sizes of the chunks differ by at most one, instead of a last chunk of one or
                // two lanes.
                let members = &members[at * trials / count..(at + 1) * trials / count];
                chunks.push(Chunk {
                    trials: members.iter().map(|(_, _, number)| *number).collect(),
                    cost: cohort.cost,
                    strikes: 0,
                });
            }
            cohort.seconds = chunks[first_chunk..].iter().map(Chunk::seconds).sum();
            cohorts.push((cohort, members[0]));
        }
        chunks.sort_by(|a, b| b.seconds().total_cmp(&a.seconds()).then_with(|| a.trials.cmp(&b.trials)));
        cohorts.sort_by(|(a, a_first), (b, b_first)| {
            b.seconds().total_cmp(&a.seconds()).then_with(|| a_first.cmp(b_first))
        });
        Plan { cohorts: cohorts.into_iter().map(|(cohort, _)| cohort).collect(), chunks }
    }
}

fn name(trial: &Trial) -> String {
    if trial.given.is_some() {
        return "program".to_owned();
    }
    let mut name = match trial.task.bundle() {
        Some(bundle) => bundle.name.clone(),
        None => format!("{} depth {}", trial.network.name(), trial.network.depth()),
    };
    let mut add = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            name.push_str(&format!(" {what}{value}"));
        }
    };
    add("width ", trial.network.width().map(|w| w.to_string()));
    add("time ", trial.network.sequence_length().map(|t| t.to_string()));
    add("", trial.network.activation().map(|a| a.name().to_owned()));
    add("", Some(trial.optimizer.name().to_owned()));
    add("batch ", Some(trial.batch.to_string()));
    name
}
