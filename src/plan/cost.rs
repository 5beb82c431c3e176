//! What a trial will cost, predicted from its shape alone: never exact, good enough to order chunks and to say how long is left.
//!
//! The constants were measured on one core of an AMD EPYC with AVX-512, in 26 shapes with 2 to 64 lanes (us per trial and step, 16 hidden tanh
//! layers, 64 samples, f32: 16 at width 16, 138 at width 64, 480 at width 128). Only their ratios matter for the plan.

use crate::trial::{Activation, Dtype, Network, Norm, Optimizer, Trial};

/// Of f32 products, whatever their size, beside what each product takes.
const FLOPS_PER_SECOND: f64 = 2.4e11;
const SECONDS_PER_PRODUCT: f64 = 0.05e-6;
const PRODUCTS_PER_LAYER: f64 = 3.0;
/// A recurrent layer multiplies with its input, too.
const PRODUCTS_PER_RECURRENT_LAYER: f64 = 5.0;
/// Update and norms, for each array that the optimizer goes through.
const SECONDS_PER_PARAMETER: f64 = 0.1e-9;
const SECONDS_PER_STEP: f64 = 12e-6;
/// Drawing a weight, once.
const SECONDS_PER_DRAW: f64 = 15e-9;

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
        match trial.network {
            _ if trial.dtype.is_16_bit() => &NARROW,
            Network::Gated { .. } => &GATED,
            _ if normed => &NORMED,
            _ if fused && trial.dtype == Dtype::Float32 => &FUSED,
            _ => &PLAIN,
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
/// What a worker holds beside its lanes: libtorch.
pub const WORKER_BYTES: f64 = 130.0 * MIB;
/// What a lane holds at most, in working sets: temporaries, and what the allocator keeps. Measured, 14 shapes: 0.9 to 1.5; up to 2.6 where a norm
/// keeps more of its input or 16-bit tensors are widened.
const PEAK: f64 = 1.5;
const PEAK_WIDENED: f64 = 2.6;
/// And in copies of the data: drawn in f64, kept for training and for evaluation.
const PEAK_DATA: f64 = 5.0;
const MIB: f64 = 1024.0 * 1024.0;
/// More lanes save no dispatch worth having and take longer to hand over.
const MOST_LANES: usize = 512;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// What every lane adds.
    pub seconds_per_lane: f64,
    /// What a chunk takes however few lanes it has.
    pub seconds_per_chunk: f64,
    /// What it works on.
    pub bytes_per_lane: f64,
    /// What it holds at most.
    pub peak_per_lane: f64,
}

impl Cost {
    pub fn of(trial: &Trial) -> Cost {
        let (inputs, outputs) = (trial.task.inputs as f64, trial.task.outputs as f64);
        let (batch, steps) = (trial.batch as f64, trial.steps() as f64 + 1.0);
        let depth = trial.network.depth() as f64;
        let width = trial.network.width().unwrap_or(0) as f64;
        let time = trial.network.sequence_length().unwrap_or(1) as f64;
        let gates = match trial.network {
            Network::Gated { cell, .. } => cell.gates() as f64,
            Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } => 1.0,
        };
        let (parameters, products) = match trial.network {
            Network::Linear => (inputs * outputs, inputs * outputs),
            Network::Mlp { .. } => {
                let weights = inputs * width + (depth - 1.0) * width * width + width * outputs;
                (weights, weights)
            }
            Network::Rnn { .. } | Network::Gated { .. } => {
                let hidden = gates * width * (inputs + width + (depth - 1.0) * 2.0 * width);
                (hidden + width * outputs, hidden * time + width * outputs)
            }
        };
        let moments = match trial.optimizer {
            Optimizer::Sgd { momentum, .. } => f64::from(momentum != 0.0),
            Optimizer::Rmsprop { momentum, .. } => 1.0 + f64::from(momentum != 0.0),
            Optimizer::Adam { .. } | Optimizer::Adamw { .. } => 2.0,
        };
        let (bytes, slower) = match trial.dtype {
            Dtype::Float32 => (4.0, 1.0),
            Dtype::Float64 => (8.0, 2.0),
            // Converted on the way in and out of most kernels.
            Dtype::Bfloat16 | Dtype::Float16 => (2.0, 4.0),
        };
        let passes = Passes::of(trial);
        let units = batch * (gates * width * depth * time + outputs);
        let each = match trial.network.sequence_length() {
            Some(_) => PRODUCTS_PER_RECURRENT_LAYER,
            None => PRODUCTS_PER_LAYER,
        };
        let step = slower
            * (6.0 * batch * products / FLOPS_PER_SECOND
                + SECONDS_PER_PRODUCT * (each * depth * time + PRODUCTS_PER_LAYER)
                + SECONDS_PER_PARAMETER * (4.0 + moments) * parameters)
            + passes.seconds_per_unit * units;
        let data = trial.task.samples as f64 * (inputs * time + outputs);
        let bytes_per_lane = bytes * ((3.0 + moments) * parameters + 2.0 * units + data);
        let widened = bytes == 2.0 || trial.network.norm().is_some_and(|norm| norm != Norm::None);
        let peak = if widened { PEAK_WIDENED } else { PEAK };
        Cost {
            seconds_per_lane: steps * step + SECONDS_PER_DRAW * parameters,
            seconds_per_chunk: steps * (SECONDS_PER_STEP + passes.seconds * depth * time),
            bytes_per_lane,
            peak_per_lane: peak * bytes_per_lane + bytes * PEAK_DATA * data,
        }
    }

    /// What a worker holds with so many lanes. A single one may have a pad lane beside it.
    pub fn bytes(&self, lanes: usize) -> f64 {
        WORKER_BYTES + self.peak_per_lane * lanes.max(2) as f64
    }

    /// As many lanes as still run at full speed, and fit into a worker of so many bytes.
    pub fn lanes(&self, worker: f64) -> usize {
        let fits = |bytes: f64| (bytes / self.bytes_per_lane) as usize;
        // Where dispatch would take more than a sixth of the time it costs more than the cache; memory alone may force it.
        let enough = (5.0 * self.seconds_per_chunk / self.seconds_per_lane).ceil() as usize;
        let held = ((worker - WORKER_BYTES) / self.peak_per_lane) as usize;
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
        ((seconds - self.seconds_per_chunk) / self.seconds_per_lane) as usize
    }

    /// Of a chunk of `lanes`.
    pub fn seconds(&self, lanes: usize) -> f64 {
        self.seconds_per_chunk + self.seconds_per_lane * lanes as f64
    }
}
