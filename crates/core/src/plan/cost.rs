//! This module predicts what a trial costs in time and memory, from its shape and from what is
//! recorded of it. A prediction is never exact. It is good enough to order chunks, to say how long
//! is left, and to tell a trial that hangs or grows from one that is large.
//!
//! The constants were measured on one core of an AMD EPYC with AVX-512, in 26 shapes with 2 to 64
//! lanes. For 16 hidden tanh layers, 64 samples and f32, a trial took 16 us per step at width 16,
//! 138 us at width 64 and 480 us at width 128. Only the ratios of the constants matter for the
//! plan.

use super::footprint::{self, Footprint};
use super::workload::Workload;
use crate::trial::{Dtype, Network, Norm, StepSize, TaskKind, Trial};
use crate::verdict::Record;

/// The floating-point operations per second of f32 matrix products of any size. The fixed time of
/// each product, `SECONDS_PER_PRODUCT`, comes on top.
const FLOPS_PER_SECOND: f64 = 2.4e11;
/// The time that each matrix product takes whatever its size, in seconds.
const SECONDS_PER_PRODUCT: f64 = 0.05e-6;
/// The matrix products of a layer in one step: one in the forward pass, two in the backward pass.
const PRODUCTS_PER_LAYER: f64 = 3.0;
/// The same for a recurrent layer at one time step, which also multiplies its previous state.
const PRODUCTS_PER_RECURRENT_LAYER: f64 = 5.0;
/// The seconds that update and norms take for one parameter and for each array that the optimizer
/// goes through.
const SECONDS_PER_PARAMETER: f64 = 0.1e-9;
/// The seconds of a step that do not depend on its sizes.
const SECONDS_PER_STEP: f64 = 12e-6;
/// The seconds to draw a weight or a number of the data.
const SECONDS_PER_DRAW: f64 = 20e-9;
/// The seconds to copy a number of the data into a batch.
const SECONDS_PER_NUMBER: f64 = 2e-9;
/// The seconds to give a sample its place in the order of an epoch.
const SECONDS_PER_PLACE: f64 = 5e-9;
/// The seconds to read a cell of a CSV file: for its share of the checksum, for its text, and to
/// standardize its column.
const SECONDS_PER_CELL: f64 = 100e-9;
/// The seconds to read a number of an array: mostly for its share of the checksum. It was not
/// measured.
const SECONDS_PER_ARRAY_NUMBER: f64 = 10e-9;
/// The hidden units of the fixed network that makes the targets of the task `teacher`. Each of them
/// takes a product for every input and output, and a tanh.
const TEACHER_UNITS: f64 = 64.0;
const SECONDS_PER_TEACHER_PRODUCT: f64 = 0.5e-9;
const SECONDS_PER_TEACHER_TANH: f64 = 10e-9;
/// The seconds to measure the norms of one layer (at one time step) for `layers.csv`, for all lanes
/// of a chunk together.
const SECONDS_PER_PROFILE: f64 = 30e-6;
/// The products with the Hessian that its largest eigenvalue usually takes.
const HESSIAN_PRODUCTS: f64 = 40.0;
/// The seconds of such a product for each hidden unit and sample, beside its floating-point
/// operations.
const SECONDS_PER_HESSIAN_UNIT: f64 = 5e-9;
/// The seconds of such a product for each layer (at one time step).
const SECONDS_PER_HESSIAN_LAYER: f64 = 100e-6;

/// The seconds of a call of an operator of a bundle, beside its arithmetic.
const SECONDS_PER_NODE: f64 = 1.0e-6;
/// The seconds that a bundle's operators take for each byte of their results, beside products.
const SECONDS_PER_MADE_BYTE: f64 = 0.15e-9;

/// The fewest lanes of a chunk of a bundle's trials. A graph runs with three lanes or more, so that
/// one or two would train beside pads. Measured, a GPT of 106k parameters takes 3.46 ms per trial
/// and step with 3 lanes, 3.25 with 4, 3.39 with 8 and 3.49 with 16.
const LEAST_OF_BUNDLE: usize = 4;

/// What a layer takes beside its matrix products.
struct Passes {
    /// The seconds for each hidden unit and sample.
    seconds_per_unit: f64,
    /// The seconds of dispatch, which do not depend on the number of lanes.
    seconds: f64,
}

/// The engine's own fused passes (`engine::fused`).
const FUSED: Passes = Passes { seconds_per_unit: 0.25e-9, seconds: 0.2e-6 };
/// libtorch's operations, one after the other.
const PLAIN: Passes = Passes { seconds_per_unit: 1.5e-9, seconds: 10e-6 };
const GATED: Passes = Passes { seconds_per_unit: 2.0e-9, seconds: 12e-6 };
const NORMED: Passes = Passes { seconds_per_unit: 2.2e-9, seconds: 23e-6 };
/// The 16-bit dtypes, which most kernels convert on the way in and out.
const NARROW: Passes = Passes { seconds_per_unit: 3.0e-9, seconds: 50e-6 };

impl Passes {
    fn of(trial: &Trial) -> &'static Passes {
        let normed = trial.network.norm_name().is_some_and(|norm| norm != Norm::None.name());
        let fused = trial.network.activation().is_none_or(|activation| activation.fused().is_some());
        if trial.numerics.numbers().passes().is_16_bit() {
            &NARROW
        } else if matches!(trial.network, Network::Gated { .. }) {
            &GATED
        } else if normed {
            &NORMED
        } else if fused && trial.numerics.dtype() == Dtype::Float32 {
            &FUSED
        } else {
            &PLAIN
        }
    }
}

/// The bytes to which the working sets of a chunk's lanes may add up, so that they stay near the
/// second-level cache (1 MiB) and a part of the third.
///
/// Measured, in us per trial and step:
///
/// - width 16 (0.2 MiB a lane): 18.9 with 4 lanes, 16.3 with 16, 15.6 with 64;
/// - width 64 (1.2 MiB a lane): 145 with 2 lanes, 140 with 4, 136 with 16, 142 with 64;
/// - width 128 (4 MiB a lane): 484 with 2 lanes, 471 with 4, 481 with 16;
/// - width 256 (16 MiB a lane): 1928 with 1 lane, 2051 with 2, 2211 with 4.
const CACHE_BYTES: f64 = 10.0 * MIB;
/// The most bytes of the lanes of a chunk. More would save no time.
const MEMORY_BYTES: f64 = 200.0 * MIB;
/// The most bytes of the lanes of a chunk on a GPU, where memory alone sets a limit. This much fits
/// on every GPU of today, beside the copies that the engine makes. A chunk that does not fit after
/// all is halved and tried again. This constant was not measured.
const GPU_BYTES: f64 = 3.0 * 1024.0 * MIB;
const MOST_GPU_LANES: usize = 16 * 1024;
const MIB: f64 = footprint::MIB;
/// The seconds of a program's trial. This is a guess, so that a sweep of a program has an order and
/// an estimate at all. The time that is left follows from the trials that are done.
const PROGRAM_SECONDS: f64 = 1.0;
/// The working set of a program's trial: as much as a chunk may have, so that each such trial
/// stands alone.
const PROGRAM_BYTES: f64 = MEMORY_BYTES;
/// The most lanes of a chunk. More lanes would hardly save dispatch and would take longer to hand
/// over.
const MOST_LANES: usize = 512;

/// The predicted cost of a trial, and of the chunks of trials like it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// The seconds that every lane adds.
    pub seconds_per_lane: f64,
    /// The seconds that every seed of the data adds.
    pub seconds_per_seed: f64,
    /// The seconds that a chunk takes however few lanes it has.
    pub seconds_per_chunk: f64,
    /// The working set of a lane in bytes.
    pub bytes_per_lane: f64,
    /// The memory that a worker holds at most.
    held: Footprint,
    /// The number of seeds of the data that each further lane brings with it: 0 where all lanes
    /// share one seed.
    share: f64,
    /// The fewest lanes of a chunk, if the trials are enough.
    least: usize,
}

impl Cost {
    /// The cost of a trial of which nothing is recorded beside its row.
    pub fn of(trial: &Trial) -> Cost {
        Cost::recorded(trial, &Record::default())
    }

    /// The cost of a trial of which `record` is recorded.
    pub fn recorded(trial: &Trial, record: &Record) -> Cost {
        if trial.given.is_some() {
            return Cost::of_program();
        }
        let m = Workload::of(trial);
        if let Some(bundle) = trial.task.bundle() {
            return Cost::of_bundle(trial, &bundle.size.step, &m, record);
        }
        let slower = match trial.numerics.numbers().passes() {
            Dtype::Float32 => 1.0,
            Dtype::Float64 => 2.0,
            // Most kernels convert these on the way in and out.
            Dtype::Bfloat16 | Dtype::Float16 => 4.0,
        };
        // A twin in float32 runs every pass once more.
        let slower = slower + m.twins;
        let passes = Passes::of(trial);
        let each = if m.is_recurrent { PRODUCTS_PER_RECURRENT_LAYER } else { PRODUCTS_PER_LAYER };
        let layers = m.layers;
        // The seconds of a step, and of a forward pass alone, over `batch` samples.
        let step = slower
            * ((6.0 * m.batch * m.products + 2.0 * m.update_products) / FLOPS_PER_SECOND
                + SECONDS_PER_PRODUCT * (each * layers + PRODUCTS_PER_LAYER)
                + SECONDS_PER_PARAMETER * (4.0 + m.moments) * m.parameters)
            + passes.seconds_per_unit * m.units
            + SECONDS_PER_NUMBER * m.batch * m.numbers;
        let forward = slower
            * (2.0 * m.batch * m.products / FLOPS_PER_SECOND
                + SECONDS_PER_PRODUCT * (each / PRODUCTS_PER_LAYER * layers + 1.0))
            + passes.seconds_per_unit * m.units / 2.0
            + SECONDS_PER_NUMBER * m.batch * m.numbers;
        let dispatch = SECONDS_PER_STEP + passes.seconds * layers;
        let (steps, evaluated) = (m.accumulated * m.steps + 1.0, m.evaluation_passes());
        let drawn = m.draws() * m.samples + m.fresh_evaluation();
        let taught = TEACHER_UNITS * (SECONDS_PER_TEACHER_PRODUCT * m.numbers + SECONDS_PER_TEACHER_TANH);
        let per_sample = SECONDS_PER_DRAW * m.numbers + if trial.task.kind == TaskKind::Teacher { taught } else { 0.0 };
        let (read, drawn) = match trial.task.kind {
            TaskKind::Csv => (SECONDS_PER_CELL * m.samples * m.numbers, 0.0),
            TaskKind::Digits => (SECONDS_PER_NUMBER * m.samples * m.numbers, 0.0),
            TaskKind::Arrays | TaskKind::ArraySequences => (SECONDS_PER_ARRAY_NUMBER * m.samples * m.numbers, 0.0),
            TaskKind::Teacher
            | TaskKind::Noise
            | TaskKind::FreshNoise
            | TaskKind::Scalar
            | TaskKind::Adding
            | TaskKind::Copy
            | TaskKind::TemporalOrder
            | TaskKind::Text
            | TaskKind::NoiseSequence => (0.0, per_sample * drawn),
        };
        let ordered = if trial.batch < trial.task.samples { m.epochs * m.samples } else { 0.0 };
        let profiles = SECONDS_PER_PROFILE * m.profiles(record) * (layers + 1.0);
        Cost {
            seconds_per_lane: steps * step
                + evaluated * forward
                + SECONDS_PER_DRAW * m.parameters
                + if record.sharpness { 2.0 * sharpness(&m) } else { 0.0 },
            seconds_per_seed: drawn + SECONDS_PER_PLACE * ordered,
            seconds_per_chunk: (steps + evaluated / 2.0) * dispatch + read + profiles,
            bytes_per_lane: m.working_set(),
            held: Footprint::of(trial, &m, record),
            share: 0.0,
            least: 1,
        }
    }

    /// The cost of a program's trial. Nothing is known of a program before it runs, so all its
    /// trials cost the same.
    fn of_program() -> Cost {
        Cost {
            seconds_per_lane: PROGRAM_SECONDS,
            seconds_per_seed: 0.0,
            seconds_per_chunk: 0.0,
            bytes_per_lane: PROGRAM_BYTES,
            held: Footprint::of_program(),
            share: 0.0,
            least: 1,
        }
    }

    /// The cost of a bundle's trial. Half of the nodes of a step belong to its forward pass, more
    /// or less.
    fn of_bundle(trial: &Trial, step: &StepSize, m: &Workload, record: &Record) -> Cost {
        let slower = if trial.numerics.dtype() == Dtype::Float64 { 2.0 } else { 1.0 };
        let pass = slower * 2.0 * step.multiplications as f64 / FLOPS_PER_SECOND
            + SECONDS_PER_MADE_BYTE * step.made_bytes as f64;
        let update = slower * SECONDS_PER_PARAMETER * (4.0 + m.moments) * m.parameters;
        let dispatch = SECONDS_PER_STEP + SECONDS_PER_NODE * step.nodes as f64;
        let passes = m.accumulated * m.steps + 1.0 + 0.5 * m.evaluation_passes();
        Cost {
            seconds_per_lane: passes * pass + m.steps * update,
            seconds_per_seed: SECONDS_PER_PLACE * m.epochs * m.samples,
            seconds_per_chunk: passes * dispatch,
            bytes_per_lane: m.working_set(),
            held: Footprint::of(trial, m, record),
            share: 0.0,
            least: LEAST_OF_BUNDLE,
        }
    }

    /// The same cost for a cohort of `trials` trials with `seeds` different seeds of the data.
    pub fn among(self, seeds: usize, trials: usize) -> Cost {
        Cost { share: seeds.saturating_sub(1) as f64 / trials.max(1) as f64, ..self }
    }

    /// The expected number of seeds of the data in a chunk of `lanes` lanes.
    fn seeds(&self, lanes: usize) -> f64 {
        1.0 + self.share * (lanes as f64 - 1.0).max(0.0)
    }

    /// The bytes that a worker holds with `lanes` lanes.
    pub fn bytes(&self, lanes: usize) -> f64 {
        self.held.bytes(lanes, self.seeds(lanes))
    }

    /// The number of lanes that still run at full speed and fit into a worker of `worker` bytes.
    pub fn lanes(&self, worker: f64) -> usize {
        let fits = |bytes: f64| (bytes / self.bytes_per_lane) as usize;
        // With fewer lanes, dispatch would take more than a sixth of the time, which costs more
        // than leaving the cache. Memory alone may force it.
        let enough = (5.0 * self.seconds_per_chunk / self.seconds_per_lane).ceil() as usize;
        let held = self.held.lanes(worker, self.share);
        fits(CACHE_BYTES).max(enough).max(self.least).min(fits(MEMORY_BYTES)).min(held).clamp(1, MOST_LANES)
    }

    /// The number of lanes on a GPU.
    pub fn gpu_lanes(&self) -> usize {
        ((GPU_BYTES / self.bytes_per_lane) as usize).clamp(2, MOST_GPU_LANES)
    }

    /// The fewest lanes that are worth a chunk of their own. With fewer, dispatch would take more
    /// than a fifth of the time. 16 are enough even where dispatch dominates.
    pub fn fewest_lanes(&self) -> usize {
        let lanes = 4.0 * self.seconds_per_chunk / self.seconds_per_lane;
        (lanes.ceil() as usize).clamp(self.least, 16)
    }

    /// The number of lanes that should be done after `seconds` seconds.
    pub fn lanes_within(&self, seconds: f64) -> usize {
        let first = self.seconds_per_chunk + self.seconds_per_seed * (1.0 - self.share);
        ((seconds - first) / (self.seconds_per_lane + self.seconds_per_seed * self.share)) as usize
    }

    /// The seconds of a chunk of `lanes` lanes.
    pub fn seconds(&self, lanes: usize) -> f64 {
        self.seconds_per_chunk + self.seconds_per_seed * self.seeds(lanes) + self.seconds_per_lane * lanes as f64
    }
}

/// The seconds to measure the sharpness of one lane once: in f64, over all of its data.
fn sharpness(m: &Workload) -> f64 {
    let units = m.units_of(m.evaluated());
    let product = 2.0 * 6.0 * m.evaluated() * m.products * 2.0 / FLOPS_PER_SECOND
        + SECONDS_PER_HESSIAN_UNIT * units
        + SECONDS_PER_HESSIAN_LAYER * m.layers;
    HESSIAN_PRODUCTS * product
}
