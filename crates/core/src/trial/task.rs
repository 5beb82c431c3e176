//! What is learned.

use super::Loss;
use super::choice::named;
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};

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
