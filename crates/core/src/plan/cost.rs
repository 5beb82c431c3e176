//! What a trial will cost in time and memory, predicted from its shape and from what is recorded of it: never exact, good enough to order chunks, to say
//! how long is left, and to tell a trial that hangs or grows from one that is large.
//!
//! The constants were measured on one core of an AMD EPYC with AVX-512, in 26 shapes with 2 to 64 lanes (us per trial and step, 16 hidden tanh
//! layers, 64 samples, f32: 16 at width 16, 138 at width 64, 480 at width 128). Only their ratios matter for the plan.

use super::footprint::{self, Footprint};
use super::workload::Workload;
use crate::trial::{Activation, Dtype, Network, Norm, TaskKind, Trial};
use crate::verdict::Record;

/// Of f32 products, whatever their size, beside what each product takes.
const FLOPS_PER_SECOND: f64 = 2.4e11;
const SECONDS_PER_PRODUCT: f64 = 0.05e-6;
const PRODUCTS_PER_LAYER: f64 = 3.0;
/// A recurrent layer multiplies with its input, too.
const PRODUCTS_PER_RECURRENT_LAYER: f64 = 5.0;
/// Update and norms, for each array that the optimizer goes through.
const SECONDS_PER_PARAMETER: f64 = 0.1e-9;
const SECONDS_PER_STEP: f64 = 12e-6;
/// Drawing a weight or a number of the data, once.
const SECONDS_PER_DRAW: f64 = 20e-9;
/// Taking a number of the data into a batch, and a sample into the order of an epoch.
const SECONDS_PER_NUMBER: f64 = 2e-9;
const SECONDS_PER_PLACE: f64 = 5e-9;
/// Reading a cell of a csv file: its checksum, the text, its column standardized.
const SECONDS_PER_CELL: f64 = 100e-9;
/// The fixed network behind `teacher`, for each of its 64 hidden units: a product for every input and output, and a tanh.
const TEACHER_UNITS: f64 = 64.0;
const SECONDS_PER_TEACHER_PRODUCT: f64 = 0.5e-9;
const SECONDS_PER_TEACHER_TANH: f64 = 10e-9;
/// Norms of one layer (at one time step) for layers.csv, all lanes together.
const SECONDS_PER_PROFILE: f64 = 30e-6;
/// Of a Hessian's largest eigenvalue, how many products with it are taken mostly; what each takes beside its floating-point operations, for each hidden
/// unit and sample, and for each layer (at one time step).
const HESSIAN_PRODUCTS: f64 = 40.0;
const SECONDS_PER_HESSIAN_UNIT: f64 = 5e-9;
const SECONDS_PER_HESSIAN_LAYER: f64 = 100e-6;

/// What a layer does beside its products.
struct Passes {
    /// For each hidden unit and sample.
    seconds_per_unit: f64,
    /// Dispatch, however many lanes.
    seconds: f64,
}

/// The engine's own passes (`engine::fused`), and libtorch's.
const FUSED: Passes = Passes { seconds_per_unit: 0.25e-9, seconds: 0.2e-6 };
const PLAIN: Passes = Passes { seconds_per_unit: 1.5e-9, seconds: 10e-6 };
const GATED: Passes = Passes { seconds_per_unit: 2.0e-9, seconds: 12e-6 };
const NORMED: Passes = Passes { seconds_per_unit: 2.2e-9, seconds: 23e-6 };
/// Converted on the way in and out of most kernels.
const NARROW: Passes = Passes { seconds_per_unit: 3.0e-9, seconds: 50e-6 };

impl Passes {
    fn of(trial: &Trial) -> &'static Passes {
        let normed = trial.network.norm().is_some_and(|norm| norm != Norm::None);
        let fused =
            matches!(trial.network.activation(), None | Some(Activation::Linear | Activation::Relu | Activation::Tanh));
        if trial.dtype.is_16_bit() {
            &NARROW
        } else if matches!(trial.network, Network::Gated { .. }) {
            &GATED
        } else if normed {
            &NORMED
        } else if fused && trial.dtype == Dtype::Float32 {
            &FUSED
        } else {
            &PLAIN
        }
    }
}

/// The working set of a chunk stays near the second level cache (1 MiB) and a part of the third. Measured, us per trial and step: width 16 (0.2 MiB a
/// lane) 18.9 with 4 lanes, 16.3 with 16, 15.6 with 64; width 64 (1.2 MiB) 145 with 2, 140 with 4, 136 with 16, 142 with 64; width 128 (4 MiB) 484 with 2,
/// 471 with 4, 481 with 16; width 256 (16 MiB) 1928 with 1, 2051 with 2, 2211 with 4.
const CACHE_BYTES: f64 = 10.0 * MIB;
/// Of the lanes of a chunk; more would save no time.
const MEMORY_BYTES: f64 = 200.0 * MIB;
/// On a GPU there is no cache to stay in, only memory: this much fits beside the copies that the engine makes on the way on every GPU of today. What
/// does not fit after all is halved and tried again. Not measured: nobody has run it on a GPU yet.
const GPU_BYTES: f64 = 3.0 * 1024.0 * MIB;
const MOST_GPU_LANES: usize = 16 * 1024;
const MIB: f64 = footprint::MIB;
/// More lanes save no dispatch worth having and take longer to hand over.
const MOST_LANES: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// What every lane adds.
    pub seconds_per_lane: f64,
    /// What every seed of the data adds.
    pub seconds_per_seed: f64,
    /// What a chunk takes however few lanes it has.
    pub seconds_per_chunk: f64,
    /// What a lane works on.
    pub bytes_per_lane: f64,
    /// What is held at most.
    held: Footprint,
    /// How many seeds a further lane brings with it: 0 where all lanes share one.
    share: f64,
}

impl Cost {
    /// Of a trial of which nothing is recorded.
    pub fn of(trial: &Trial) -> Cost {
        Cost::recorded(trial, &Record::default())
    }

    pub fn recorded(trial: &Trial, record: &Record) -> Cost {
        let m = Workload::of(trial);
        let slower = match trial.dtype {
            Dtype::Float32 => 1.0,
            Dtype::Float64 => 2.0,
            // Converted on the way in and out of most kernels.
            Dtype::Bfloat16 | Dtype::Float16 => 4.0,
        };
        let passes = Passes::of(trial);
        let each = if m.is_recurrent { PRODUCTS_PER_RECURRENT_LAYER } else { PRODUCTS_PER_LAYER };
        let layers = m.depth * m.time;
        // Of `batch` samples: a step, and a pass forward alone.
        let step = slower
            * (6.0 * m.batch * m.products / FLOPS_PER_SECOND
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
        let (steps, evaluated) = (m.steps + 1.0, m.evaluation_passes());
        let drawn = m.draws() * m.samples + m.fresh_evaluation();
        let taught = TEACHER_UNITS * (SECONDS_PER_TEACHER_PRODUCT * m.numbers + SECONDS_PER_TEACHER_TANH);
        let per_sample = SECONDS_PER_DRAW * m.numbers + if trial.task.kind == TaskKind::Teacher { taught } else { 0.0 };
        let (read, drawn) = match trial.task.kind {
            TaskKind::Csv => (SECONDS_PER_CELL * m.samples * m.numbers, 0.0),
            TaskKind::Digits => (SECONDS_PER_NUMBER * m.samples * m.numbers, 0.0),
            TaskKind::Teacher
            | TaskKind::Noise
            | TaskKind::FreshNoise
            | TaskKind::Scalar
            | TaskKind::Adding
            | TaskKind::Copy
            | TaskKind::TemporalOrder
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
        }
    }

    /// Where `trials` of this cost have so many seeds of data among them.
    pub fn among(self, seeds: usize, trials: usize) -> Cost {
        Cost { share: seeds.saturating_sub(1) as f64 / trials.max(1) as f64, ..self }
    }

    fn seeds(&self, lanes: usize) -> f64 {
        1.0 + self.share * (lanes as f64 - 1.0).max(0.0)
    }

    /// What a worker holds with so many lanes.
    pub fn bytes(&self, lanes: usize) -> f64 {
        self.held.bytes(lanes, self.seeds(lanes))
    }

    /// As many lanes as still run at full speed, and fit into a worker of so many bytes.
    pub fn lanes(&self, worker: f64) -> usize {
        let fits = |bytes: f64| (bytes / self.bytes_per_lane) as usize;
        // Where dispatch would take more than a sixth of the time it costs more than the cache; memory alone may force it.
        let enough = (5.0 * self.seconds_per_chunk / self.seconds_per_lane).ceil() as usize;
        let held = self.held.lanes(worker, self.share);
        fits(CACHE_BYTES).max(enough).max(1).min(fits(MEMORY_BYTES)).min(held).clamp(1, MOST_LANES)
    }

    /// On a GPU.
    pub fn gpu_lanes(&self) -> usize {
        ((GPU_BYTES / self.bytes_per_lane) as usize).clamp(2, MOST_GPU_LANES)
    }

    /// With fewer, dispatch would take more than a fifth of the time; 16 are enough even where it dominates.
    pub fn fewest_lanes(&self) -> usize {
        let lanes = 4.0 * self.seconds_per_chunk / self.seconds_per_lane;
        (lanes.ceil() as usize).clamp(1, 16)
    }

    /// As many lanes as should be done after so many seconds.
    pub fn lanes_within(&self, seconds: f64) -> usize {
        let first = self.seconds_per_chunk + self.seconds_per_seed * (1.0 - self.share);
        ((seconds - first) / (self.seconds_per_lane + self.seconds_per_seed * self.share)) as usize
    }

    /// Of a chunk of `lanes`.
    pub fn seconds(&self, lanes: usize) -> f64 {
        self.seconds_per_chunk + self.seconds_per_seed * self.seeds(lanes) + self.seconds_per_lane * lanes as f64
    }
}

/// Once, of one lane: in f64, over all of its data.
fn sharpness(m: &Workload) -> f64 {
    let units = m.units_of(m.evaluated());
    let product = 2.0 * 6.0 * m.evaluated() * m.products * 2.0 / FLOPS_PER_SECOND
        + SECONDS_PER_HESSIAN_UNIT * units
        + SECONDS_PER_HESSIAN_LAYER * m.depth * m.time;
    HESSIAN_PRODUCTS * product
}
