//! One training run, fully resolved: every axis that applies has its value, every axis that does not is absent by
//! construction (momentum lives inside `Optimizer::Sgd`, a threshold inside `Clip::Norm`), so two trials are the same run
//! exactly when they are equal but for their label.
//!
//! Nothing here parses, trains or writes; `spec` builds trials, `plan` groups them by `Shape`, `engine` trains them.

mod choice;
mod given;
mod id;
mod init;
mod network;
mod shape;
mod task;
mod update;
mod value;

pub(crate) use choice::named;
pub use given::Given;
pub use id::TrialId;
pub use init::{Bias, Init, InitKind};
pub use network::{Activation, Gated, Network, Norm, NormPosition};
pub use shape::{Lane, Method, Shape};
pub use task::{CsvFile, Task, TaskKind};
pub use update::{Clip, Optimizer, Schedule};
pub use value::{Number, Value};

use serde::{Deserialize, Serialize};

/// A configuration with its seed: one row of `runs.csv`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The `label` of its grid block; a column, not part of its identity.
    pub label: String,
    pub task: Task,
    pub budget: Budget,
    /// A loss above this multiple of the reference counts as diverged.
    pub loss_ratio: f64,
    pub network: Network,
    pub init: Init,
    /// Of the recurrent matrices, where it is another.
    pub recurrent_init: Option<Init>,
    pub bias: Bias,
    /// Added, at the start, to the bias of the gate that keeps the old state: lstm's forget gate, gru's update gate.
    /// None where a network has no such gate, or no biases.
    pub forget_bias: Option<f64>,
    pub parametrization: Parametrization,
    pub loss: Loss,
    pub optimizer: Optimizer,
    pub lr: f64,
    /// The output layer's learning rate, where it is another.
    pub lr_output: Option<f64>,
    /// What both rates are multiplied with, update by update.
    pub schedule: Schedule,
    pub clip: Clip,
    /// The optimizer's `weight_decay` (L2 added to the gradient after clipping; decoupled for adamw).
    pub weight_decay: f64,
    /// Samples per update, at most the task's samples; equal to them means full batch, which is never shuffled.
    pub batch: usize,
    pub sampling: Sampling,
    pub dtype: Dtype,
    pub seed: u64,
    /// The seed of the data, where it is another.
    pub data_seed: Option<u64>,
    /// Of a trial that a program trains: what the spec gives it. The fields from `task` to
    /// `data_seed` but budget, loss ratio and seed then say nothing; `axis::Id::of` tells the values.
    pub given: Option<Box<Given>>,
}

/// How long to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Budget {
    /// Passes over the data; 0 measures at initialization only.
    Epochs(u64),
    /// Updates; the last epoch may be cut short.
    Steps(u64),
}

named! {
    /// How mini-batches are drawn; a full batch is never shuffled.
    Sampling {
        /// Every sample once per epoch, in a new order.
        Shuffle = "shuffle",
        /// Each sample of each batch independently.
        Replacement = "replacement",
    }
}
named! {
    /// What a layer's product is multiplied with, so that one learning rate serves every width: 1; 1/sqrt(fan_in) in every layer (Jacot 2018);
    /// that in hidden layers and 1/fan_in in the output layer (Mei 2018).
    Parametrization { Standard = "standard", Ntk = "ntk", MeanField = "mean_field" }
}
named! { Loss { Mse = "mse", CrossEntropy = "cross_entropy" } }
named! {
    /// Of weights, activations, gradients and optimizer states alike; the 16-bit types keep no copy in a wider one and scale no loss.
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

/// A pass over data that has a batch of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lone {
    Training,
    Evaluation,
}

impl Trial {
    /// The seed that the data is drawn from.
    pub fn data_seed(&self) -> u64 {
        self.data_seed.unwrap_or(self.seed)
    }

    pub fn steps_per_epoch(&self) -> u64 {
        self.task.samples.div_ceil(self.batch) as u64
    }

    /// Updates of the whole run.
    pub fn steps(&self) -> u64 {
        match self.budget {
            Budget::Epochs(epochs) => epochs * self.steps_per_epoch(),
            Budget::Steps(steps) => steps,
        }
    }

    /// What batch norm would take the statistics of a single sample of, which have no variance: the training data or the evaluation's draw.
    /// None with another norm, and where every batch has two samples or more.
    pub fn lone_sample(&self) -> Option<Lone> {
        let lone = |samples: usize| self.batch == 1 || samples % self.batch == 1;
        match self.network.norm() {
            Some(Norm::Batch(_)) if lone(self.task.samples) => Some(Lone::Training),
            Some(Norm::Batch(_)) if self.task.is_fresh() && lone(Task::EVALUATION_SAMPLES) => Some(Lone::Evaluation),
            Some(Norm::None | Norm::Batch(_) | Norm::Layer(_) | Norm::Rms(_)) | None => None,
        }
    }

    /// Epochs begun in the whole run.
    pub fn epochs(&self) -> u64 {
        self.steps().div_ceil(self.steps_per_epoch())
    }

    /// Epochs of the whole run, as far as they are known before it: of a program they are where the
    /// spec says `epochs`.
    pub fn epochs_asked(&self) -> Option<u64> {
        match (&self.given, self.budget) {
            (None, _) => Some(self.epochs()),
            (Some(_), Budget::Epochs(epochs)) => Some(epochs),
            (Some(_), Budget::Steps(_)) => None,
        }
    }

    /// What the column `task` says: the kind of the task, or that a program has its own.
    pub fn task_name(&self) -> &'static str {
        if self.given.is_some() { "program" } else { self.task.kind.name() }
    }
}
