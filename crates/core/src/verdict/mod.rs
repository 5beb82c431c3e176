//! This room turns the course of a training run into its outcome: floats in, an enum out. It knows
//! no tensors, opens no file and reads no clock.
//!
//! `Course` (in `course`) is fed once per step and once per epoch, in order, and gives `Measured`
//! at the end. A NaN is never a minimum or a maximum; an infinity may be one. What the epoch losses
//! say together has a file for each question: how the run ended (`late`), how much of what it had
//! learned it gave back (`relapse`), how often it spiked (`spikes`). `outcome` has the rules.

mod course;
mod late;
mod outcome;
mod relapse;
mod spikes;

pub use course::Course;
pub use outcome::Outcome;

use serde::{Deserialize, Serialize};

/// The tensor of a step in which the first value that is not finite appeared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    pub tensor: Tensor,
    /// The layer from 1; the output layer is depth + 1, and the embedding of a transformer is 0. It
    /// is `None` for the loss.
    pub layer: Option<usize>,
    /// The time step of a recurrent net, from 1.
    pub time: Option<usize>,
    /// The first head of an attention in which it is not finite, from 1. It is `None` where the
    /// tensor has no heads.
    pub head: Option<usize>,
    /// The first sample of the batch whose part of the tensor is not finite, as its place in the
    /// data, from 0. It is `None` where that holds of every sample, and where samples have no part.
    pub sample: Option<u64>,
}

/// The kinds of tensor, in the order in which a step computes them. Those from `Norm` to `Residual`
/// are a transformer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Tensor {
    Weight,
    Norm,
    Query,
    Key,
    Value,
    AttentionLogits,
    AttentionWeights,
    AttentionOutput,
    Mlp,
    Residual,
    Activation,
    Loss,
    BackpropSignal,
    WeightGradient,
}

impl Tensor {
    pub fn name(self) -> &'static str {
        match self {
            Tensor::Weight => "weight",
            Tensor::Norm => "norm",
            Tensor::Query => "query",
            Tensor::Key => "key",
            Tensor::Value => "value",
            Tensor::AttentionLogits => "attention logits",
            Tensor::AttentionWeights => "attention weights",
            Tensor::AttentionOutput => "attention output",
            Tensor::Mlp => "mlp",
            Tensor::Residual => "residual",
            Tensor::Activation => "activation",
            Tensor::Loss => "loss",
            Tensor::BackpropSignal => "backprop signal",
            Tensor::WeightGradient => "weight gradient",
        }
    }
}

/// A moment of a run: the epoch, from 1, and the updates that were done before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    pub epoch: u64,
    pub step: u64,
}

/// What is measured of one step before its update.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probe {
    pub loss: f64,
    /// The L2 norm of the whole gradient before clipping. It is `None` if a program does not report
    /// it, and where the gradient overflowed because the loss was scaled.
    pub grad_norm: Option<f64>,
    /// The samples of the step's batch, by which the step is weighted in the epoch loss.
    pub samples: usize,
    /// Whether the gradient was clipped; `None` where the trial does not clip. `Course::clipped`
    /// tells it where only the update does.
    pub clipped: Option<bool>,
    /// What a clipped gradient was multiplied with. Of several factors it is the smallest.
    pub coefficient: Option<f64>,
    /// Whether the update is skipped; `None` where the trial skips none.
    pub skipped: Option<bool>,
    /// What the loss was multiplied with before the backward pass, where losses are scaled.
    pub loss_scale: Option<f64>,
    /// Whether the gradient was not finite at a dynamic loss scale, which skips the update; `None`
    /// without one. `grad_norm` is `None` where the scaling was to blame.
    pub overflowed: Option<bool>,
    /// The share of the elements of the weights' gradient that underflowed, where it is measured.
    pub underflow: Option<f64>,
}

/// Everything that `runs.csv` says of a trial that was trained. The fields have the names of the
/// columns, and `None` is an empty cell.
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
    /// It is NaN where the trial ended early at a NaN loss.
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
    /// Where in the user's own code the first value that is not finite was.
    pub origin: Option<Origin>,
    /// Whether the loss began above the threshold of divergence and never exceeded its start.
    pub born_large: bool,
    /// Whether the loss ended above the reference and was still climbing. It is `None` in a run too
    /// short to tell.
    pub rising: Option<bool>,
    pub loss_best: Option<f64>,
    pub epoch_best: Option<u64>,
    pub relapse: Option<f64>,
    pub spikes: Option<u64>,
    pub spike_recovery: Option<u64>,
    pub grad_norm_final: Option<f64>,
    pub update_ratio_max: Option<f64>,
    pub silent_layers: Option<u64>,
    pub vanished: Option<bool>,
    pub dead_share: Option<f64>,
    pub moved_share: Option<f64>,
    pub skipped_fraction: Option<f64>,
    /// The updates before the first one that was skipped.
    pub first_skip: Option<u64>,
    pub clip_silenced: Option<f64>,
    pub loss_scale_final: Option<f64>,
    /// The steps that a dynamic loss scale skipped.
    pub steps_skipped: Option<u64>,
    pub underflow_fraction: Option<f64>,
    pub attention_logit_max: Option<f64>,
    pub attention_entropy_min: Option<f64>,
}

/// Where in the user's own code the first value that is not finite was: as a program says it, or as
/// the engine found it in a bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The operator of libtorch that made it, such as `aten.div`. A program does not say it.
    pub operator: Option<String>,
    /// The path of the module, such as `blocks.3.attn`, or that of which it is the derivative.
    pub module: Option<String>,
    /// The file and the line, such as `model.py:42`.
    pub source: Option<String>,
    /// The same as that of `Site`. A program does not say it.
    pub sample: Option<u64>,
}

/// One line of `epochs.csv`. Epoch 0 is before any update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    pub epoch: u64,
    /// The updates that were done by its end.
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
    /// The updates that were done before it.
    pub step: u64,
    pub loss: f64,
    pub grad_norm: Option<f64>,
    pub clipped: Option<bool>,
    pub update_norm: Option<f64>,
    /// What the loss was multiplied with before the backward pass; `None` where no loss is scaled.
    pub loss_scale: Option<f64>,
}

/// One line of `layers.csv`: a layer, at one time step in a recurrent net, at the end of an epoch.
/// Epoch 0 is before any update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerRow {
    pub epoch: u64,
    /// The layer from 1; the output layer is depth + 1, and the embedding of a transformer is 0.
    pub layer: usize,
    /// The time step from 1. Only the hidden layers of recurrent nets have one.
    pub time: Option<usize>,
    /// The root mean square of the layer's outputs over the batch and the width.
    pub activation_rms: f64,
    /// The L2 norm of the backprop signal, dLoss/dh of the layer, over the batch.
    pub backprop_norm: f64,
    /// The L2 norm of the gradient of the layer's weight matrices, over all time steps together. A
    /// recurrent layer has two matrices.
    pub weight_grad_norm: f64,
    pub weight_norm: f64,
    /// The root mean square of what the updates so far have changed in the layer's outputs. It is
    /// `None` where the outputs are not those of the samples of epoch 0, and where that was not
    /// recorded.
    pub activation_change: Option<f64>,
    /// The largest attention logit of a block; a NaN is none.
    pub attention_logit_max: Option<f64>,
    /// The entropy of the head of a block that attends to the fewest tokens.
    pub attention_entropy_min: Option<f64>,
    /// The mean cosine between two tokens of a sequence, behind a block.
    pub token_similarity: Option<f64>,
}

/// What a spec says of a trial, as far as its verdict depends on it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// A loss above this multiple of the reference counts as diverged.
    pub loss_ratio: f64,
    /// The learning rate of the first update, if it is known.
    pub lr: Option<f64>,
    /// Whether every learning rate is 0, so that no update can change anything.
    pub is_idle: bool,
    /// Whether every epoch is over the same data, so that a change of the epoch loss is one of the
    /// weights.
    pub same_data: bool,
}

/// What is measured once, before any update. A program need not report any of it. If it reports no
/// `loss_initial`, the loss of the first step stands for it when the verdict is found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beginning {
    pub loss_initial: Option<f64>,
    pub loss_trivial: Option<f64>,
    pub weight_norm: Option<f64>,
    pub backprop_ratio: Option<f64>,
    pub activation_ratio: Option<f64>,
    pub sharpness: Option<f64>,
    /// The number of layers in which the gradient of the weights is exactly 0.
    pub silent_layers: Option<u64>,
    pub vanished: Option<bool>,
}

/// What is known at the end: what is measured after the last update, or of the first one, or over
/// all steps.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Aftermath {
    pub sharpness: Option<f64>,
    pub dead_share: Option<f64>,
    pub moved_share: Option<f64>,
    /// The loss scale, where losses are scaled.
    pub loss_scale: Option<f64>,
    pub attention_logit_max: Option<f64>,
    pub attention_entropy_min: Option<f64>,
}

/// What `[record]` asks for: rows beside `runs.csv`, and measurements that are made only when they
/// are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Whether there is a row for each epoch.
    pub epochs: bool,
    /// The epochs at which there is a row for each layer.
    #[serde(default)]
    pub layers: Layers,
    /// The number of first updates that have a row each.
    pub steps: u64,
    /// Whether the largest eigenvalue of the Hessian is measured before and after the training.
    #[serde(default)]
    pub sharpness: bool,
}

impl Record {
    /// Whether a trial that was trained under this record has all that `asked` asks for.
    pub fn includes(&self, asked: &Record) -> bool {
        let Record { epochs, layers, steps, sharpness } = asked;
        self.epochs >= *epochs && self.layers.includes(layers) && self.steps >= *steps && self.sharpness >= *sharpness
    }
}

/// The epochs that `layers.csv` has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layers {
    #[default]
    Never,
    Always,
    Every(u64),
    /// These epochs, in ascending order.
    At(Vec<u64>),
}

impl Layers {
    /// Whether `epoch` is one of them.
    pub fn at(&self, epoch: u64) -> bool {
        match self {
            Layers::Never => false,
            Layers::Always => true,
            Layers::Every(n) => epoch.is_multiple_of(*n),
            Layers::At(epochs) => epochs.binary_search(&epoch).is_ok(),
        }
    }

    /// Whether these epochs contain all the epochs of `asked`, however many epochs a trial has.
    fn includes(&self, asked: &Layers) -> bool {
        match asked {
            Layers::Never => true,
            Layers::Always => (0..2).all(|epoch| self.at(epoch)) && !matches!(self, Layers::At(_)),
            Layers::Every(n) => self.at(0) && self.at(*n) && !matches!(self, Layers::At(_)),
            Layers::At(epochs) => epochs.iter().all(|epoch| self.at(*epoch)),
        }
    }
}

/// What a step asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// This is the first step that is not finite, so the caller has to find the tensor in which
    /// that began.
    pub locate: bool,
    /// The loss is NaN, so the verdict is final.
    pub finished: bool,
}

/// The results of a trial, ready to be written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    pub measured: Measured,
    pub epochs: Vec<EpochRow>,
    pub layers: Vec<LayerRow>,
    pub steps: Vec<StepRow>,
}

/// The loss that divergence and convergence are measured against. It is the smaller one of the
/// initial and the trivial loss. Where one of them is 0 or not finite, it is the other. If neither
/// serves it is NaN, which no loss exceeds.
pub fn reference(initial: f64, trivial: f64) -> f64 {
    let serves = |loss: f64| loss.is_finite() && loss > 0.0;
    match (serves(initial), serves(trivial)) {
        (true, true) => initial.min(trivial),
        (true, false) => initial,
        (false, true) => trivial,
        (false, false) => f64::NAN,
    }
}
