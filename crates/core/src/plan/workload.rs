//! The sizes of a trial, as numbers to calculate with.

use crate::trial::{Dtype, Network, Position, Task, Transformer, Trial};
use crate::verdict::{Layers, Record};

/// The sizes of a trial on which its time and memory depend.
pub struct Workload {
    pub samples: f64,
    /// The numbers of one sample: the inputs of all time steps, and the outputs.
    pub numbers: f64,
    pub batch: f64,
    /// The updates of the whole run.
    pub steps: f64,
    /// The batches of an update.
    pub accumulated: f64,
    /// The epochs that are begun in it.
    pub epochs: f64,
    /// The layers, at each time step that is computed by itself.
    pub layers: f64,
    pub parameters: f64,
    /// The multiplications of one sample in the forward pass.
    pub products: f64,
    /// The hidden and output units of a batch at all time steps.
    pub units: f64,
    /// The arrays that the optimizer keeps beside the weights.
    pub moments: f64,
    /// The arrays as large as the weights that mixed precision adds: a copy of the weights and of
    /// their gradients in 16 bits, and the gradients of a twin in f32.
    pub copies: f64,
    /// The further passes of each step, which a twin in f32 makes.
    pub twins: f64,
    /// The multiplications of matrix products in an update.
    pub update_products: f64,
    /// The numbers that an update makes and drops.
    scratch: f64,
    /// The bytes of a number.
    pub bytes: f64,
    pub is_recurrent: bool,
    is_fresh: bool,
}

impl Workload {
    /// The sizes of a trial that the engine trains.
    pub fn of(trial: &Trial) -> Workload {
        let bundle = trial.task.bundle();
        let (inputs, outputs) = match bundle {
            Some(_) => (0.0, 0.0),
            None => (trial.task.inputs as f64, trial.task.outputs as f64),
        };
        let targets = if trial.task.kind.asks_at_every_step() { trial.network.sequence_length() } else { None };
        let answers = outputs * targets.unwrap_or(1) as f64;
        let depth = trial.network.depth() as f64;
        let width = trial.network.width().unwrap_or(0) as f64;
        let time = trial.network.sequence_length().unwrap_or(1) as f64;
        let gates = match trial.network {
            Network::Gated { cell, .. } => cell.gates() as f64,
            Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } | Network::Transformer(_) | Network::Bundle => {
                1.0
            }
        };
        let (parameters, products) = match trial.network {
            Network::Bundle => (bundle.map_or(0.0, |bundle| bundle.size.parameters as f64), 0.0),
            Network::Linear => (inputs * outputs, inputs * outputs),
            Network::Mlp { .. } => {
                let weights = inputs * width + (depth - 1.0) * width * width + width * outputs;
                (weights, weights)
            }
            Network::Rnn { .. } | Network::Gated { .. } => {
                let hidden = gates * width * (inputs + width + (depth - 1.0) * 2.0 * width);
                (hidden + width * outputs, hidden * time + width * outputs)
            }
            Network::Transformer(transformer) => {
                let blocks = depth * of_block(&transformer);
                let places = if transformer.position == Position::Learned { time * width } else { 0.0 };
                let output = if transformer.tied { 0.0 } else { width * outputs };
                let attended = depth * 2.0 * time * time * width;
                let products = time * (inputs * width + blocks) + attended + width * answers;
                (inputs * width + places + blocks + output, products)
            }
        };
        let (update_products, scratch) =
            if trial.optimizer.orthogonalizes() { orthogonalized(&trial.network, parameters) } else { (0.0, 0.0) };
        let batch = trial.batch as f64;
        let numbers = trial.numerics.numbers();
        let bytes = match numbers.optimizer() {
            Dtype::Float32 => 4.0,
            Dtype::Float64 => 8.0,
            Dtype::Bfloat16 | Dtype::Float16 => 2.0,
        };
        let units = match bundle {
            // A unit counts twice: see `working_set`.
            Some(bundle) => bundle.size.step.live_bytes as f64 / bytes / 2.0,
            None => batch * (time * units_of_layers(&trial.network, gates) + answers),
        };
        let layers = match trial.network {
            Network::Transformer(_) => depth * STAGES_PER_BLOCK,
            Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } | Network::Gated { .. } | Network::Bundle => {
                depth * time
            }
        };
        Workload {
            samples: trial.task.samples as f64,
            numbers: inputs * time + answers,
            batch,
            steps: trial.steps() as f64,
            accumulated: trial.accumulate as f64,
            epochs: trial.epochs() as f64,
            layers,
            parameters,
            products,
            units,
            moments: f64::from(trial.optimizer.states()),
            copies: f64::from(u8::from(numbers.optimizer() != numbers.passes()))
                + f64::from(u8::from(numbers.has_twin())),
            twins: f64::from(u8::from(numbers.has_twin())),
            update_products,
            scratch,
            bytes,
            is_recurrent: trial.network.recurrent_steps().is_some(),
            is_fresh: trial.task.is_fresh(),
        }
    }

    /// The working set of a lane in bytes: the weights with their gradients and moments, what a
    /// pass leaves at every unit, and the batch.
    pub fn working_set(&self) -> f64 {
        // The sum of the gradients of several batches stands beside that of one.
        let gradients = if self.accumulated > 1.0 { 1.0 } else { 0.0 };
        let of_weights = (3.0 + gradients + self.moments + self.copies) * self.parameters + self.scratch;
        self.bytes * (of_weights + (2.0 + 2.0 * self.twins) * self.units + self.batch * self.numbers)
    }

    /// How often data is drawn to be trained on.
    pub fn draws(&self) -> f64 {
        if self.is_fresh { self.epochs.max(1.0) } else { 1.0 }
    }

    /// The samples that are drawn for evaluation alone.
    pub fn fresh_evaluation(&self) -> f64 {
        if self.is_fresh { Task::EVALUATION_SAMPLES as f64 } else { 0.0 }
    }

    /// The samples over which the initial and the final loss, and the sharpness, are measured.
    pub fn evaluated(&self) -> f64 {
        if self.is_fresh { Task::EVALUATION_SAMPLES as f64 } else { self.samples }
    }

    /// Whether every batch is all of the data, the same in every step.
    fn is_full_batch(&self) -> bool {
        self.batch == self.samples && !self.is_fresh
    }

    /// The forward passes for the initial and the final loss. There are none where every batch is
    /// all of the data.
    pub fn evaluation_passes(&self) -> f64 {
        if self.is_full_batch() { 0.0 } else { 2.0 * (self.evaluated() / self.batch).ceil() }
    }

    /// The units whose activations in epoch 0 are kept.
    pub fn compared_units(&self, record: &Record) -> f64 {
        if self.is_full_batch() && record.layers.at(0) { self.units } else { 0.0 }
    }

    /// The `units` of so many samples.
    pub fn units_of(&self, samples: f64) -> f64 {
        self.units / self.batch * samples
    }

    /// How often the layers are measured.
    pub fn profiles(&self, record: &Record) -> f64 {
        match &record.layers {
            Layers::Never => 0.0,
            Layers::Always => self.epochs + 1.0,
            Layers::Every(n) => (self.epochs / *n as f64).floor() + 1.0,
            Layers::At(epochs) => epochs.iter().filter(|epoch| **epoch as f64 <= self.epochs).count() as f64,
        }
    }
}

/// The layers of an mlp that take as many calls as a block.
const STAGES_PER_BLOCK: f64 = 8.0;

/// The numbers of a block's matrices.
fn of_block(transformer: &Transformer) -> f64 {
    let (width, hidden) = (transformer.width as f64, transformer.hidden() as f64);
    4.0 * width * width + 2.0 * width * hidden
}

/// The hidden units of one sample at one time step. Those of a block are what it keeps of a token,
/// the weights of its attention included.
fn units_of_layers(network: &Network, gates: f64) -> f64 {
    let (depth, width) = (network.depth() as f64, network.width().unwrap_or(0) as f64);
    match network {
        Network::Transformer(transformer) => {
            let attended = (transformer.heads * transformer.sequence_length) as f64;
            depth * (6.0 * width + transformer.hidden() as f64 + attended)
        }
        Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } | Network::Gated { .. } | Network::Bundle => {
            gates * width * depth
        }
    }
}

/// The steps of Muon's iteration.
const ITERATION: f64 = 5.0;
/// The arrays that the iteration holds at most.
const ITERATION_ARRAYS: f64 = 5.0;

/// The multiplications of Muon's iteration in one update, and the numbers that it holds at most.
/// Nothing says which parameters of a bundle are matrices: the memory is that of all of them, and
/// no time is counted.
fn orthogonalized(network: &Network, parameters: f64) -> (f64, f64) {
    let (depth, width) = (network.depth() as f64, network.width().unwrap_or(0) as f64);
    let (matrices, most) = match network {
        Network::Linear => (0.0, 0.0),
        Network::Mlp { .. } => (depth - 1.0, width),
        Network::Rnn { .. } => (2.0 * depth - 1.0, width),
        Network::Gated { cell, .. } => (2.0 * depth - 1.0, cell.gates() as f64 * width),
        Network::Transformer(transformer) => (4.0 * depth, (3 * transformer.width).max(transformer.hidden()) as f64),
        Network::Bundle => return (0.0, ITERATION_ARRAYS * parameters),
    };
    // Each step has two products of the matrix with a smaller square one, and the square of that.
    let products = ITERATION * (2.0 * width * width * most + width.powi(3));
    (matrices * products, ITERATION_ARRAYS * matrices * width * most)
}
