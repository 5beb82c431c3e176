//! One training run, fully resolved. Every axis that applies has its value, and an axis that does
//! not apply cannot have one: momentum is a field of `Optimizer::Sgd`, and a threshold one of
//! `Clip::Norm`. So two trials are the same run exactly if they are equal except for their label.
//!
//! This room neither parses, trains nor writes. `spec` makes trials, `plan` groups them by `Shape`,
//! and the engine trains them.

mod choice;
mod given;
mod id;
mod init;
mod network;
mod numerics;
mod optimizer;
mod parametrization;
mod schedule;
mod shape;
mod task;
mod transformer;
mod update;
mod value;

pub(crate) use choice::named;
pub use given::Given;
pub use id::TrialId;
pub use init::{Bias, BiasKind, Init, InitKind};
pub use network::{Activation, Fused, Gated, Network, Norm, NormPosition};
pub use numerics::{LossScale, Mixed, Numbers, Numerics};
pub use optimizer::{AdjustLr, DecayMode, Optimizer};
pub use parametrization::{MupRates, Parametrization};
pub use schedule::Schedule;
pub use shape::{Lane, Shape};
pub use task::{ArraysFile, BundleFile, BundleSize, CsvFile, Source, StepSize, Task, TaskKind, TextFile};
pub use transformer::{Attention, BlockNorm, Deepnorm, Misfit, Placement, Position, Transformer};
pub use update::{Clip, Clipping, Skip};
pub use value::{Exact, Number, Value};

use serde::{Deserialize, Serialize};

/// A configuration with its seed: one row of `runs.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The `label` of its grid block. It is a column, and no part of the trial's identity.
    pub label: String,
    pub task: Task,
    pub budget: Budget,
    /// A loss above this multiple of the reference counts as diverged.
    pub loss_ratio: f64,
    pub network: Network,
    pub init: Init,
    /// The initializer of the recurrent matrices, if it differs from `init`.
    pub recurrent_init: Option<Init>,
    /// The factor of what `init` gives the embedding of a transformer. It is 1 in other networks.
    pub embedding_init_scale: f64,
    /// The factor of what `init` gives the last layer of each residual branch of a transformer. It
    /// is 1 in other networks, and where nothing is residual.
    pub residual_init_scale: f64,
    pub bias: Bias,
    /// The number that is added at the start to the bias of the gate that keeps the old state:
    /// lstm's forget gate, gru's update gate. It is `None` where a network has no such gate, or no
    /// biases.
    pub forget_bias: Option<f64>,
    /// The factor of what a residual layer adds to its input.
    pub residual_scale: f64,
    /// Whether a learned scalar that starts at 0 is a further factor of it.
    pub rezero: bool,
    pub parametrization: Parametrization,
    pub loss: Loss,
    /// The factor of the mean of ln^2 Z, which is added to a cross-entropy. Z is the sum that
    /// normalizes its probabilities.
    pub z_loss: f64,
    pub optimizer: Optimizer,
    pub lr: f64,
    /// The learning rate of the output layer, if it differs from `lr`.
    pub lr_output: Option<f64>,
    /// The factor of both learning rates at each update.
    pub schedule: Schedule,
    pub clip: Clip,
    pub skip: Skip,
    /// The optimizer's `weight_decay`. It is added to the gradient after clipping (L2), unless the
    /// optimizer decouples it: see `Optimizer::decay_mode`.
    pub weight_decay: f64,
    /// The samples of an update, at most those of the task. If they are all of them the batch is
    /// full, and never shuffled.
    pub batch: usize,
    pub sampling: Sampling,
    /// The batches of an update, at most those of an epoch.
    pub accumulate: usize,
    pub numerics: Numerics,
    pub seed: u64,
    /// The seed of the data, if it differs from `seed`.
    pub data_seed: Option<u64>,
    /// What the spec gives a program that trains this trial. Then the fields from `task` to
    /// `data_seed` mean nothing, except the budget, the loss ratio and the seed; `axis::Id::of`
    /// gives the values.
    pub given: Option<Box<Given>>,
}

/// How long a trial trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Budget {
    /// This many passes over the data; 0 measures at the initialization only.
    Epochs(u64),
    /// This many updates. The last epoch may be cut short.
    Steps(u64),
}

named! {
    /// How mini-batches are drawn. A full batch is never shuffled.
    Sampling {
        /// Every sample comes once per epoch, in a new order.
        Shuffle = "shuffle",
        /// Each sample of each batch is drawn independently.
        Replacement = "replacement",
    }
}
named! { Loss { Mse = "mse", CrossEntropy = "cross_entropy" } }

impl Loss {
    /// The `loss_ratio` where a spec names none. Cross-entropy grows with the logits and not with
    /// their squares, and starts near that of the best constant prediction, ln(classes).
    pub fn usual_ratio(self) -> f64 {
        match self {
            Loss::Mse => 1e6,
            Loss::CrossEntropy => 10.0,
        }
    }
}

named! {
    /// A type of numbers.
    Dtype { Float32 = "float32", Float64 = "float64", Bfloat16 = "bfloat16", Float16 = "float16" }
}

impl Dtype {
    pub fn is_16_bit(self) -> bool {
        match self {
            Dtype::Bfloat16 | Dtype::Float16 => true,
            Dtype::Float32 | Dtype::Float64 => false,
        }
    }
}

/// A pass over the data in which a batch has one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lone {
    Training,
    Evaluation,
}

impl Trial {
    /// A trial of a task of which no axis was set: plain SGD trains a linear model without biases
    /// on full batches, with a learning rate of 0 and for no time.
    pub fn unset(task: Task) -> Trial {
        Trial {
            label: String::new(),
            budget: Budget::Epochs(0),
            loss_ratio: Loss::Mse.usual_ratio(),
            network: Network::Linear,
            init: Init { kind: InitKind::Pytorch, scale: 1.0, offset: 0.0 },
            recurrent_init: None,
            embedding_init_scale: 1.0,
            residual_init_scale: 1.0,
            bias: Bias::None,
            forget_bias: None,
            residual_scale: 1.0,
            rezero: false,
            parametrization: Parametrization::Standard,
            loss: Loss::Mse,
            z_loss: 0.0,
            optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false },
            lr: 0.0,
            lr_output: None,
            schedule: Schedule::Constant,
            clip: Clip::None,
            skip: Skip::None,
            weight_decay: 0.0,
            batch: task.samples,
            sampling: Sampling::Shuffle,
            accumulate: 1,
            numerics: Numerics::Uniform(Dtype::Float32),
            seed: 0,
            data_seed: None,
            given: None,
            task,
        }
    }

    /// The seed from which the data is drawn.
    pub fn data_seed(&self) -> u64 {
        self.data_seed.unwrap_or(self.seed)
    }

    /// The batches of an epoch.
    pub fn batches_per_epoch(&self) -> u64 {
        self.task.samples.div_ceil(self.batch) as u64
    }

    /// The updates of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.batches_per_epoch().div_ceil(self.accumulate as u64)
    }

    /// The updates of the whole run.
    pub fn steps(&self) -> u64 {
        match self.budget {
            Budget::Epochs(epochs) => epochs * self.steps_per_epoch(),
            Budget::Steps(steps) => steps,
        }
    }

    /// The data of which batch norm would take the statistics of a single sample, which has no
    /// variance: the training data or the evaluation's draw. It is `None` with another norm, and
    /// where every batch has two samples or more.
    pub fn lone_sample(&self) -> Option<Lone> {
        let lone = |samples: usize| self.batch == 1 || samples % self.batch == 1;
        match self.network.norm() {
            Some(Norm::Batch(_)) if lone(self.task.samples) => Some(Lone::Training),
            Some(Norm::Batch(_)) if self.task.is_fresh() && lone(Task::EVALUATION_SAMPLES) => Some(Lone::Evaluation),
            Some(Norm::None | Norm::Batch(_) | Norm::Layer(_) | Norm::Rms(_)) | None => None,
        }
    }

    /// The epochs that are begun in the whole run.
    pub fn epochs(&self) -> u64 {
        self.steps().div_ceil(self.steps_per_epoch())
    }

    /// The epochs of the whole run, if they are known before it. For a program they are known where
    /// the spec says `epochs`.
    pub fn epochs_asked(&self) -> Option<u64> {
        match (&self.given, self.budget) {
            (None, _) => Some(self.epochs()),
            (Some(_), Budget::Epochs(epochs)) => Some(epochs),
            (Some(_), Budget::Steps(_)) => None,
        }
    }

    /// The cell of the column `task`: the kind of the task, or that a program or a bundle has its
    /// own.
    pub fn task_name(&self) -> &'static str {
        match (&self.given, self.task.bundle()) {
            (Some(_), _) => "program",
            (None, Some(_)) => "bundle",
            (None, None) => self.task.kind.name(),
        }
    }
}
