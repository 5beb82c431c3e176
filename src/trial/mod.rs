//! One training run, fully resolved: every axis that applies has its value, every axis that does not is absent by
//! construction (momentum lives inside `Optimizer::Sgd`, a threshold inside `Clip::Norm`), so two trials are the same run
//! exactly when they are equal but for their label.
//!
//! Nothing here parses, trains or writes; `spec` builds trials, `plan` groups them by `Shape`, `engine` trains them.

mod identity;
mod shape;

pub use identity::TrialId;
pub use shape::Shape;

use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};

/// Declares a closed enum whose variants have the names of the contract.
macro_rules! named {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_meta])* $variant),+ }

        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The name used in specs and CSV files.
            pub fn name(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            pub fn from_name(text: &str) -> Option<$name> {
                match text { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

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
}

/// What is learned. Equal tasks are one key of a map: no field is ever NaN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub kind: TaskKind,
    /// Features of a sample, or of a time step for sequences.
    pub inputs: usize,
    /// Outputs of the network: regression targets under mse, classes under cross_entropy.
    pub outputs: usize,
    pub samples: usize,
    /// Standard deviation of random inputs (1 where the task has none).
    pub input_std: f64,
    /// The file of a `csv` task.
    pub csv: Option<CsvFile>,
}

impl Task {
    /// What initial and final losses of a task with fresh data are taken over: a draw that is never trained on.
    pub const EVALUATION_SAMPLES: usize = 4096;

    /// Whether every epoch has its own data.
    pub fn is_fresh(&self) -> bool {
        self.kind.is_fresh()
    }

    /// Whether every seed has its own data.
    pub fn is_drawn(&self) -> bool {
        self.kind.is_drawn()
    }
}

named! {
    /// The data sets; `fresh-noise` draws new data every epoch.
    TaskKind {
        Teacher = "teacher", Noise = "noise", FreshNoise = "fresh-noise", Scalar = "scalar", Csv = "csv",
        Digits = "digits", Adding = "adding", Copy = "copy", TemporalOrder = "temporal-order",
        NoiseSequence = "noise-sequence",
    }
}

impl TaskKind {
    pub fn is_sequence(self) -> bool {
        match self {
            TaskKind::Adding | TaskKind::Copy | TaskKind::TemporalOrder | TaskKind::NoiseSequence => true,
            TaskKind::Teacher
            | TaskKind::Noise
            | TaskKind::FreshNoise
            | TaskKind::Scalar
            | TaskKind::Csv
            | TaskKind::Digits => false,
        }
    }

    /// Whether every epoch has data of its own.
    pub fn is_fresh(self) -> bool {
        self == TaskKind::FreshNoise
    }

    /// Whether its data are drawn, from the data's seed.
    pub fn is_drawn(self) -> bool {
        match self {
            TaskKind::Scalar | TaskKind::Csv | TaskKind::Digits => false,
            TaskKind::Teacher
            | TaskKind::Noise
            | TaskKind::FreshNoise
            | TaskKind::Adding
            | TaskKind::Copy
            | TaskKind::TemporalOrder
            | TaskKind::NoiseSequence => true,
        }
    }

    /// The loss where a spec names none: tasks that can only be classified take cross-entropy.
    pub fn default_loss(self) -> Loss {
        match self {
            TaskKind::Digits | TaskKind::Copy | TaskKind::TemporalOrder => Loss::CrossEntropy,
            TaskKind::Teacher
            | TaskKind::Noise
            | TaskKind::FreshNoise
            | TaskKind::Scalar
            | TaskKind::Csv
            | TaskKind::Adding
            | TaskKind::NoiseSequence => Loss::Mse,
        }
    }

    /// Why a sequence of one step is too short for it, if it is.
    pub fn needs_two_steps(self) -> Option<&'static str> {
        match self {
            TaskKind::Adding => Some("it marks a step in each half of the sequence"),
            TaskKind::Copy => Some("the symbol comes at the first step, the question at the last"),
            TaskKind::TemporalOrder => Some("its two symbols stand at different steps"),
            TaskKind::Teacher
            | TaskKind::Noise
            | TaskKind::FreshNoise
            | TaskKind::Scalar
            | TaskKind::Csv
            | TaskKind::Digits
            | TaskKind::NoiseSequence => None,
        }
    }
}

impl Eq for Task {}

impl Hash for Task {
    fn hash<H: Hasher>(&self, to: &mut H) {
        // Tasks that differ in `input_std` alone may share a hash.
        (self.kind, self.inputs, self.outputs, self.samples, &self.csv).hash(to);
    }
}

/// A CSV file as a data set; its content, not its path, is part of a trial's identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CsvFile {
    /// Where the worker opens it (the spec's folder joined with `path`).
    pub path: String,
    /// SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    pub target: String,
    /// The columns used as inputs, in this order.
    pub features: Vec<String>,
    /// Shift and scale features (and a regression target) to mean 0 and variance 1.
    pub standardize: bool,
    /// Between the cells; ASCII.
    pub separator: char,
}

/// How long to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Budget {
    /// Passes over the data; 0 measures at initialization only.
    Epochs(u64),
    /// Updates; the last epoch may be cut short.
    Steps(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Network {
    /// depth 0 is a linear model: no hidden layer, hence no activation, norm or width.
    Linear,
    /// `depth >= 1` hidden layers and a linear output layer.
    Mlp {
        depth: usize,
        width: usize,
        activation: Activation,
        norm: Norm,
        /// x_l = x_{l-1} + f_l(x_{l-1}) for hidden layers 2..depth.
        residual: bool,
    },
    /// `depth >= 1` stacked plain recurrent layers, a linear output layer read at the last step. Never batch norm.
    Rnn { depth: usize, width: usize, activation: Activation, norm: Norm, sequence_length: usize },
    /// As `torch.nn.LSTM` and `torch.nn.GRU`, with the same output layer. No norm; their activations are their own.
    Gated {
        cell: Gated,
        depth: usize,
        width: usize,
        /// Added, at the start, to the bias of the gate that keeps the old state: lstm's forget gate, gru's update gate.
        forget_bias: f64,
        sequence_length: usize,
    },
}

named! { Gated { Lstm = "lstm", Gru = "gru" } }

impl Gated {
    /// Blocks of a gate's rows that PyTorch stacks in one matrix.
    pub fn gates(self) -> usize {
        match self {
            Gated::Lstm => 4,
            Gated::Gru => 3,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Activation {
    Linear,
    Relu,
    LeakyRelu {
        negative_slope: f64,
    },
    Tanh,
    Sigmoid,
    /// The exact (erf) form, as `torch.nn.GELU()`.
    Gelu,
    Selu,
    Silu,
}

impl Activation {
    pub const NAMES: &'static [&'static str] =
        &["linear", "relu", "leaky_relu", "tanh", "sigmoid", "gelu", "selu", "silu"];

    pub fn name(self) -> &'static str {
        match self {
            Activation::Linear => "linear",
            Activation::Relu => "relu",
            Activation::LeakyRelu { .. } => "leaky_relu",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
            Activation::Gelu => "gelu",
            Activation::Selu => "selu",
            Activation::Silu => "silu",
        }
    }

    /// `negative_slope` is used by leaky_relu only (PyTorch's default is 0.01).
    pub fn from_name(text: &str, negative_slope: f64) -> Option<Activation> {
        Some(match text {
            "linear" => Activation::Linear,
            "relu" => Activation::Relu,
            "leaky_relu" => Activation::LeakyRelu { negative_slope },
            "tanh" => Activation::Tanh,
            "sigmoid" => Activation::Sigmoid,
            "gelu" => Activation::Gelu,
            "selu" => Activation::Selu,
            "silu" => Activation::Silu,
            _ => return None,
        })
    }
}

/// Normalization of each hidden layer, with learned scale and shift, eps 1e-5 (but for rms).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Norm {
    None,
    /// Batch statistics (training mode).
    Batch(NormPosition),
    Layer(NormPosition),
    /// `torch.nn.RMSNorm`: no mean, no shift, eps that of the dtype.
    Rms(NormPosition),
}

named! {
    /// Relative to the activation.
    NormPosition { Before = "before", After = "after" }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Init {
    pub kind: InitKind,
    /// std of `normal`, bound of `uniform`, variance x fan_in of `scaled`, value of `constant`, else a gain.
    pub scale: f64,
    /// Added to the first layer's weights.
    pub offset: f64,
}

named! {
    /// As the functions of `torch.nn.init`; `pytorch` is what `nn.Linear` and `nn.RNN` do by default.
    InitKind {
        Normal = "normal", Uniform = "uniform", Xavier = "xavier", XavierUniform = "xavier_uniform", He = "he",
        HeUniform = "he_uniform", Lecun = "lecun", Orthogonal = "orthogonal", Scaled = "scaled", Constant = "constant",
        Pytorch = "pytorch",
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Bias {
    None,
    /// N(0, std^2) at the start.
    Learned {
        std: f64,
    },
    /// PyTorch's own start, U(-1/sqrt(fan_in), 1/sqrt(fan_in)); the default with init `pytorch`.
    LearnedPytorch,
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

/// PyTorch's optimizers and their parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Optimizer {
    Sgd { momentum: f64, nesterov: bool },
    Adam { beta1: f64, beta2: f64, eps: f64 },
    Adamw { beta1: f64, beta2: f64, eps: f64 },
    Rmsprop { alpha: f64, eps: f64, momentum: f64 },
}

impl Optimizer {
    pub const NAMES: &'static [&'static str] = &["sgd", "adam", "adamw", "rmsprop"];

    pub fn name(self) -> &'static str {
        match self {
            Optimizer::Sgd { .. } => "sgd",
            Optimizer::Adam { .. } => "adam",
            Optimizer::Adamw { .. } => "adamw",
            Optimizer::Rmsprop { .. } => "rmsprop",
        }
    }

    pub fn momentum(self) -> Option<f64> {
        match self {
            Optimizer::Sgd { momentum, .. } | Optimizer::Rmsprop { momentum, .. } => Some(momentum),
            Optimizer::Adam { .. } | Optimizer::Adamw { .. } => None,
        }
    }
}

/// A pass over data that has a batch of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lone {
    Training,
    Evaluation,
}

/// A factor on the learning rate; `warmup` counts updates and is at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Schedule {
    Constant,
    Warmup { warmup: u64 },
    Cosine,
    WarmupCosine { warmup: u64 },
}

impl Schedule {
    pub const NAMES: &'static [&'static str] = &["constant", "warmup", "cosine", "warmup_cosine"];

    pub fn name(self) -> &'static str {
        match self {
            Schedule::Constant => "constant",
            Schedule::Warmup { .. } => "warmup",
            Schedule::Cosine => "cosine",
            Schedule::WarmupCosine { .. } => "warmup_cosine",
        }
    }

    pub fn warmup(self) -> Option<u64> {
        match self {
            Schedule::Warmup { warmup } | Schedule::WarmupCosine { warmup } => Some(warmup),
            Schedule::Constant | Schedule::Cosine => None,
        }
    }

    /// For update `t` (from 0) of `total`: min(1, (t + 1) / warmup), and (1 + cos(pi t / T)) / 2 over the T updates after warmup.
    pub fn factor(self, t: u64, total: u64) -> f64 {
        let warmup = self.warmup().unwrap_or(0);
        let rise = if t < warmup { (t + 1) as f64 / warmup as f64 } else { 1.0 };
        let fall = match self {
            Schedule::Cosine | Schedule::WarmupCosine { .. } if t >= warmup => {
                let share = (t - warmup) as f64 / (total - warmup) as f64;
                (1.0 + (std::f64::consts::PI * share).cos()) / 2.0
            }
            Schedule::Constant | Schedule::Warmup { .. } | Schedule::Cosine | Schedule::WarmupCosine { .. } => 1.0,
        };
        rise * fall
    }
}

/// Gradient clipping; a threshold is finite and above 0 (infinity is `None`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Clip {
    None,
    /// `torch.nn.utils.clip_grad_norm_`
    Norm(f64),
    /// `torch.nn.utils.clip_grad_value_`
    Value(f64),
}

impl Network {
    pub fn name(self) -> &'static str {
        match self {
            Network::Linear | Network::Mlp { .. } => "mlp",
            Network::Rnn { .. } => "rnn",
            Network::Gated { cell, .. } => cell.name(),
        }
    }

    pub fn depth(self) -> usize {
        match self {
            Network::Linear => 0,
            Network::Mlp { depth, .. } | Network::Rnn { depth, .. } | Network::Gated { depth, .. } => depth,
        }
    }

    pub fn width(self) -> Option<usize> {
        match self {
            Network::Linear => None,
            Network::Mlp { width, .. } | Network::Rnn { width, .. } | Network::Gated { width, .. } => Some(width),
        }
    }

    pub fn activation(self) -> Option<Activation> {
        match self {
            Network::Linear | Network::Gated { .. } => None,
            Network::Mlp { activation, .. } | Network::Rnn { activation, .. } => Some(activation),
        }
    }

    pub fn norm(self) -> Option<Norm> {
        match self {
            Network::Linear | Network::Gated { .. } => None,
            Network::Mlp { norm, .. } | Network::Rnn { norm, .. } => Some(norm),
        }
    }

    pub fn residual(self) -> bool {
        matches!(self, Network::Mlp { residual: true, .. })
    }

    pub fn sequence_length(self) -> Option<usize> {
        match self {
            Network::Linear | Network::Mlp { .. } => None,
            Network::Rnn { sequence_length, .. } | Network::Gated { sequence_length, .. } => Some(sequence_length),
        }
    }
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
}
