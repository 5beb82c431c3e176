//! From the course of a training run to its outcome. Floats in, enum out: no tensors, no files, no clock.
//!
//! `Course` (in `course`) is fed once per step and once per epoch, in order, and is asked for `Measured` at the end. A NaN is never a
//! minimum or a maximum; infinities are.

mod course;

pub use course::Course;

use serde::{Deserialize, Serialize};

/// What the network did. The first that holds, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// A step loss was NaN, or the final loss or the late mean is not finite.
    Nonfinite,
    /// The mean epoch loss of the last tenth is above loss_ratio x reference.
    Diverged,
    /// The final loss is within 1e-3 (relative) of the initial loss.
    Stalled,
    /// The final loss is below 0.9 x reference.
    Converged,
    Unsettled,
}

impl Outcome {
    pub const ALL: [Outcome; 5] =
        [Outcome::Converged, Outcome::Stalled, Outcome::Unsettled, Outcome::Diverged, Outcome::Nonfinite];

    pub fn name(self) -> &'static str {
        match self {
            Outcome::Nonfinite => "nonfinite",
            Outcome::Diverged => "diverged",
            Outcome::Stalled => "stalled",
            Outcome::Converged => "converged",
            Outcome::Unsettled => "unsettled",
        }
    }

    pub fn from_name(text: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|o| o.name() == text)
    }

    /// Counted by the divergence rate.
    pub fn blew_up(self) -> bool {
        match self {
            Outcome::Nonfinite | Outcome::Diverged => true,
            Outcome::Stalled | Outcome::Converged | Outcome::Unsettled => false,
        }
    }
}

/// The first tensor of a step that held a value that is not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    pub tensor: Tensor,
    /// From 1; the output layer is depth + 1; empty for the loss.
    pub layer: Option<usize>,
    /// The time step of recurrent nets, from 1.
    pub time: Option<usize>,
}

/// In the order in which a step computes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tensor {
    Weight,
    Activation,
    Loss,
    BackpropSignal,
    WeightGradient,
}

impl Tensor {
    pub fn name(self) -> &'static str {
        match self {
            Tensor::Weight => "weight",
            Tensor::Activation => "activation",
            Tensor::Loss => "loss",
            Tensor::BackpropSignal => "backprop signal",
            Tensor::WeightGradient => "weight gradient",
        }
    }
}

/// Epoch (from 1) and updates done before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    pub epoch: u64,
    pub step: u64,
}

/// One step, seen before its update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    pub loss: f64,
    /// Global L2 norm of the gradient before clipping. None where a program does not say it.
    pub grad_norm: Option<f64>,
    /// Samples in this step's batch; weighs the step in the epoch loss.
    pub samples: usize,
    /// None at clip none.
    pub clipped: Option<bool>,
}

/// Everything `runs.csv` says of a trial that was trained. Columns of the same names; `None` is an empty cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub outcome: Outcome,
    pub diverged: Option<When>,
    pub nonfinite: Option<When>,
    pub site: Option<Site>,
    pub nan: Option<When>,
    pub epochs_run: u64,
    pub steps_run: u64,
    pub loss_initial: Option<f64>,
    /// NaN where the trial ended at a NaN loss before its end.
    pub loss_final: Option<f64>,
    pub loss_trivial: Option<f64>,
    pub loss_min: Option<f64>,
    pub loss_max: Option<f64>,
    pub epoch_loss_max: Option<u64>,
    pub loss_jump_max: Option<f64>,
    pub grad_norm_initial: Option<f64>,
    pub grad_norm_max: Option<f64>,
    pub epoch_grad_norm_max: Option<u64>,
    pub clipped_fraction: Option<f64>,
    pub update_norm_max: Option<f64>,
    pub weight_norm_initial: Option<f64>,
    pub weight_norm_max: Option<f64>,
    pub backprop_ratio: Option<f64>,
    pub activation_ratio: Option<f64>,
    pub sharpness_initial: Option<f64>,
    pub sharpness_final: Option<f64>,
}

/// One line of `epochs.csv`; epoch 0 is before any update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    pub epoch: u64,
    /// Updates done by its end.
    pub steps: u64,
    pub loss: f64,
    pub loss_max: Option<f64>,
    pub grad_norm_max: Option<f64>,
    pub clipped_fraction: Option<f64>,
    pub lr: Option<f64>,
    pub weight_norm: Option<f64>,
    pub update_norm_max: Option<f64>,
}

/// One line of `steps.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRow {
    /// Updates done before it.
    pub step: u64,
    pub loss: f64,
    pub grad_norm: Option<f64>,
    pub clipped: Option<bool>,
    pub update_norm: Option<f64>,
}

/// One line of `layers.csv`: a layer (and time step of a recurrent net) at the end of an epoch; epoch 0 is before any update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerRow {
    pub epoch: u64,
    /// From 1; the output layer is depth + 1.
    pub layer: usize,
    /// From 1; only in the hidden layers of recurrent nets.
    pub time: Option<usize>,
    /// Root mean square, over batch and width, of what the layer hands on.
    pub activation_rms: f64,
    /// L2 norm of the backprop signal over the batch.
    pub backprop_norm: f64,
    /// L2 norm over the layer's weight matrices (a recurrent layer has two), all time steps together.
    pub weight_grad_norm: f64,
    pub weight_norm: f64,
}

/// Measured once, before any update. A program need not say any of it; where it says no
/// `loss_initial`, the loss of the first step stands in for it when the verdict is found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beginning {
    pub loss_initial: Option<f64>,
    pub loss_trivial: Option<f64>,
    pub weight_norm: Option<f64>,
    pub backprop_ratio: Option<f64>,
    pub activation_ratio: Option<f64>,
    pub sharpness: Option<f64>,
}

/// What is kept beyond `runs.csv`, and what is measured only if asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Keep a row per epoch.
    pub epochs: bool,
    /// Keep a row per layer at these epochs.
    #[serde(default)]
    pub layers: Layers,
    /// Keep a row for each of the first `steps` updates.
    pub steps: u64,
    /// Measure the top Hessian eigenvalue before and after training.
    #[serde(default)]
    pub sharpness: bool,
}

impl Record {
    /// Whether a trial that was trained under this has all that `asked` asks for.
    pub fn includes(&self, asked: &Record) -> bool {
        let Record { epochs, layers, steps, sharpness } = asked;
        self.epochs >= *epochs && self.layers.includes(layers) && self.steps >= *steps && self.sharpness >= *sharpness
    }
}

/// The epochs of `layers.csv`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    #[default]
    Never,
    Always,
    Every(u64),
    /// In ascending order.
    At(Vec<u64>),
}

impl Layers {
    pub fn at(&self, epoch: u64) -> bool {
        match self {
            Layers::Never => false,
            Layers::Always => true,
            Layers::Every(n) => epoch.is_multiple_of(*n),
            Layers::At(epochs) => epochs.binary_search(&epoch).is_ok(),
        }
    }

    /// Whether these are all of the epochs `asked` for, however many a trial has.
    fn includes(&self, asked: &Layers) -> bool {
        match asked {
            Layers::Never => true,
            Layers::Always => (0..2).all(|epoch| self.at(epoch)) && !matches!(self, Layers::At(_)),
            Layers::Every(n) => self.at(0) && self.at(*n) && !matches!(self, Layers::At(_)),
            Layers::At(epochs) => epochs.iter().all(|epoch| self.at(*epoch)),
        }
    }
}

/// What a step asks of the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// The first non-finite step: find the tensor where it began.
    pub locate: bool,
    /// A NaN loss: the verdict is final.
    pub finished: bool,
}

/// A trial's results, ready to be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    pub measured: Measured,
    pub epochs: Vec<EpochRow>,
    pub layers: Vec<LayerRow>,
    pub steps: Vec<StepRow>,
}

/// The loss that divergence and convergence are measured against: the smaller of the initial and the trivial loss, the other one where
/// that is 0 or not finite. NaN (which nothing exceeds) if neither serves.
pub fn reference(initial: f64, trivial: f64) -> f64 {
    let serves = |loss: f64| loss.is_finite() && loss > 0.0;
    match (serves(initial), serves(trivial)) {
        (true, true) => initial.min(trivial),
        (true, false) => initial,
        (false, true) => trivial,
        (false, false) => f64::NAN,
    }
}
