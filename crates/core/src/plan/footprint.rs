//! This module predicts the memory that a worker holds at most.

use super::workload::Workload;
use crate::trial::{Network, Norm, TaskKind, Trial};
use crate::verdict::{EpochRow, LayerRow, Record, StepRow};

pub const MIB: f64 = 1024.0 * 1024.0;
/// The bytes that a worker holds beside its lanes: those of libtorch.
pub const WORKER_BYTES: f64 = 130.0 * MIB;
/// The most bytes that a lane holds, as a multiple of its working set: temporaries, and what the
/// allocator keeps. Measured in 14 shapes, it is 0.9 to 1.5, and up to 2.6 where a norm keeps more
/// of its input or 16-bit tensors are widened.
const PEAK: f64 = 1.5;
const PEAK_WIDENED: f64 = 2.6;
/// The bytes of a sample's place in a batch: its number in the engine's order, and again in
/// libtorch's index.
const PLACE: f64 = 16.0;
/// The bytes of a number of the data as it is drawn.
const DRAWN: f64 = 8.0;
/// The bytes of a cell of a CSV file with its text.
const CELL: f64 = 40.0;
/// The bytes of the hidden units of the network behind the task `teacher`, for each sample.
const TAUGHT: f64 = 64.0 * 8.0;
/// The bytes of the tensors of one layer (at one time step) beside their numbers.
const LAYER: f64 = 4096.0;
/// The f64 numbers that differentiating twice keeps for each unit and sample. Measured, it is 8 to
/// 9 for relu, 27 with a norm, and 11 for each gate.
const CURVED: f64 = 10.0;
const CURVED_NORMED: f64 = 30.0;
const CURVED_GATED: f64 = 12.0;
/// The copies of a row's text: it is made, put together with others, and sent.
const COPIES: f64 = 3.0;
/// The bytes of the text of a row of `epochs.csv`, most of whose numbers have all their digits.
const EPOCH_TEXT: f64 = 150.0;
/// The same for a row of `layers.csv`.
const LAYER_TEXT: f64 = 110.0;
/// The same for a row of `steps.csv`.
const STEP_TEXT: f64 = 90.0;

/// The bytes that a worker holds at most, in parts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Footprint {
    per_lane: f64,
    /// What is recorded of a trial. A pad lane has nothing of it.
    per_trial: f64,
    /// The data, which the lanes of one seed share.
    per_seed: f64,
    per_chunk: f64,
}

impl Footprint {
    /// The footprint of chunks of such trials, of which `record` is recorded.
    pub fn of(trial: &Trial, m: &Workload, record: &Record) -> Footprint {
        let normed = trial.network.norm_name().is_some_and(|norm| norm != Norm::None.name());
        let peak = if trial.numerics.numbers().passes().is_16_bit() || normed { PEAK_WIDENED } else { PEAK };
        let layers = m.layers + 1.0;
        // Rows stay with their trial until the end of the chunk. Then one trial after the other
        // becomes text.
        let rows = [
            (f64::from(record.epochs) * (m.epochs + 1.0), size_of::<EpochRow>(), EPOCH_TEXT),
            (m.profiles(record) * layers, size_of::<LayerRow>(), LAYER_TEXT),
            (m.steps.min(record.steps as f64), size_of::<StepRow>(), STEP_TEXT),
        ];
        let kept: f64 = rows.iter().map(|(rows, bytes, _)| rows * *bytes as f64).sum();
        let text: f64 = rows.iter().map(|(rows, _, text)| COPIES * rows * text).sum();
        // The losses of the last tenth of the epochs are kept.
        let late = size_of::<f64>() as f64 * m.epochs / 10.0;
        // Fresh data is drawn while the data of the epoch before is still held.
        let kept_samples = m.samples + if m.fresh_evaluation() > 0.0 { m.samples + m.fresh_evaluation() } else { 0.0 };
        let drawn = m.numbers * m.samples.max(m.fresh_evaluation());
        let (per_seed, data) = match trial.task.kind {
            TaskKind::Csv => (0.0, m.bytes * m.numbers * m.samples + CELL * drawn),
            // The bytes of the file are there beside its numbers.
            TaskKind::Arrays | TaskKind::ArraySequences => (0.0, m.bytes * m.numbers * m.samples + 3.0 * DRAWN * drawn),
            TaskKind::Digits | TaskKind::Text => (0.0, m.bytes * m.numbers * m.samples + DRAWN * drawn),
            TaskKind::Teacher => (m.bytes * m.numbers * kept_samples, DRAWN * drawn + TAUGHT * m.samples),
            TaskKind::Noise
            | TaskKind::FreshNoise
            | TaskKind::Scalar
            | TaskKind::Adding
            | TaskKind::Copy
            | TaskKind::TemporalOrder
            | TaskKind::NoiseSequence => (m.bytes * m.numbers * kept_samples, DRAWN * drawn),
        };
        // The file of a bundle is held beside the tensors that are made of it.
        let file = trial.task.bundle().map_or(0.0, |bundle| 2.0 * bundle.size.bytes as f64);
        let kept_per_unit = match trial.network {
            Network::Gated { .. } => CURVED_GATED,
            _ if normed => CURVED_NORMED,
            Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } | Network::Transformer(_) | Network::Bundle => {
                CURVED
            }
        };
        let curved = f64::from(record.sharpness)
            * size_of::<f64>() as f64
            * m.evaluated()
            * (kept_per_unit * m.units_of(1.0) + m.numbers);
        Footprint {
            // The activations of epoch 0 are kept where later ones are compared with them.
            per_lane: peak * m.working_set() + PLACE * m.batch + m.compared_units(record) * m.bytes,
            per_trial: kept + late,
            per_seed,
            // The data is drawn before anything is differentiated twice, and text is made after all
            // of that.
            per_chunk: LAYER * layers + file + data.max(curved).max(text),
        }
    }

    /// The footprint of a program's trial, of which nothing is known before it runs.
    pub fn of_program() -> Footprint {
        Footprint { per_lane: 0.0, per_trial: 0.0, per_seed: 0.0, per_chunk: 0.0 }
    }

    /// The bytes with so many lanes and seeds of the data. A single lane may have a pad lane beside
    /// it.
    pub fn bytes(&self, lanes: usize, seeds: f64) -> f64 {
        WORKER_BYTES
            + self.per_chunk
            + self.per_seed * seeds
            + self.per_trial * lanes as f64
            + self.per_lane * lanes.max(2) as f64
    }

    /// The number of lanes that fit into a worker of `worker` bytes, where each lane but the first
    /// brings `share` of a seed with it.
    pub fn lanes(&self, worker: f64, share: f64) -> usize {
        let first = WORKER_BYTES + self.per_chunk + self.per_seed * (1.0 - share);
        ((worker - first) / (self.per_lane + self.per_trial + self.per_seed * share)) as usize
    }
}
