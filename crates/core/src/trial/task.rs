//! What is learned.

use super::Loss;
use super::choice::named;
use serde::{Deserialize, Serialize};
use std::hash::{Hash, Hasher};

/// The task that a trial learns. Equal tasks are one key of a map, since no field is ever NaN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub kind: TaskKind,
    /// The features of a sample or, in a sequence, of a time step.
    pub inputs: usize,
    /// The outputs of the network: regression targets under mse, classes under cross_entropy.
    pub outputs: usize,
    pub samples: usize,
    /// The standard deviation of random inputs. It is 1 where the task has none.
    pub input_std: f64,
    pub source: Source,
}

/// Where the samples of a task come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Source {
    /// They are drawn from the seed of the data, or they are built in.
    BuiltIn,
    Csv(Box<CsvFile>),
    Arrays(Box<ArraysFile>),
    Text(Box<TextFile>),
    /// The bundle that is trained, which has its own data and loss.
    Bundle(Box<BundleFile>),
}

impl Task {
    /// The task that a bundle is: its data, its loss and its samples are its own.
    pub fn of_bundle(bundle: BundleFile, samples: usize) -> Task {
        Task { samples, source: Source::Bundle(Box::new(bundle)), ..Task::none() }
    }

    /// What stands in place of a task in trials that have none of blowup's.
    pub fn none() -> Task {
        Task { kind: TaskKind::Scalar, inputs: 1, outputs: 1, samples: 1, input_std: 1.0, source: Source::BuiltIn }
    }

    /// The bundle that is trained, if it is one.
    pub fn bundle(&self) -> Option<&BundleFile> {
        match &self.source {
            Source::Bundle(file) => Some(file),
            Source::BuiltIn | Source::Csv(_) | Source::Arrays(_) | Source::Text(_) => None,
        }
    }

    /// The number of samples over which the initial and the final loss of a task with fresh data
    /// are measured. They are drawn once and never trained on.
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
    /// The data sets. `fresh-noise` draws new data in every epoch.
    TaskKind {
        Teacher = "teacher", Noise = "noise", FreshNoise = "fresh-noise", Scalar = "scalar", Csv = "csv",
        Digits = "digits", Adding = "adding", Copy = "copy", TemporalOrder = "temporal-order",
        NoiseSequence = "noise-sequence", Text = "text", Arrays = "arrays", ArraySequences = "array-sequences",
    }
}

impl TaskKind {
    /// Whether its samples are sequences.
    pub fn is_sequence(self) -> bool {
        match self {
            TaskKind::Adding
            | TaskKind::Copy
            | TaskKind::TemporalOrder
            | TaskKind::NoiseSequence
            | TaskKind::Text
            | TaskKind::ArraySequences => true,
            TaskKind::Teacher
            | TaskKind::Noise
            | TaskKind::FreshNoise
            | TaskKind::Scalar
            | TaskKind::Csv
            | TaskKind::Arrays
            | TaskKind::Digits => false,
        }
    }

    /// Whether there is a target at every time step, and not at the last one alone.
    pub fn asks_at_every_step(self) -> bool {
        self == TaskKind::Text
    }

    /// Whether every epoch has data of its own.
    pub fn is_fresh(self) -> bool {
        self == TaskKind::FreshNoise
    }

    /// Whether its data is drawn from the seed of the data.
    pub fn is_drawn(self) -> bool {
        match self {
            TaskKind::Scalar
            | TaskKind::Csv
            | TaskKind::Arrays
            | TaskKind::ArraySequences
            | TaskKind::Text
            | TaskKind::Digits => false,
            TaskKind::Teacher
            | TaskKind::Noise
            | TaskKind::FreshNoise
            | TaskKind::Adding
            | TaskKind::Copy
            | TaskKind::TemporalOrder
            | TaskKind::NoiseSequence => true,
        }
    }

    /// The loss where a spec names none. Tasks that can only be classified take cross-entropy.
    pub fn default_loss(self) -> Loss {
        match self {
            TaskKind::Digits | TaskKind::Copy | TaskKind::TemporalOrder | TaskKind::Text => Loss::CrossEntropy,
            TaskKind::Teacher
            | TaskKind::Noise
            | TaskKind::FreshNoise
            | TaskKind::Scalar
            | TaskKind::Csv
            | TaskKind::Arrays
            | TaskKind::ArraySequences
            | TaskKind::Adding
            | TaskKind::NoiseSequence => Loss::Mse,
        }
    }

    /// Why a sequence of one time step is too short for the task, if it is.
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
            | TaskKind::Arrays
            | TaskKind::ArraySequences
            | TaskKind::Digits
            | TaskKind::Text
            | TaskKind::NoiseSequence => None,
        }
    }
}

impl Eq for Task {}

impl Hash for Task {
    fn hash<H: Hasher>(&self, to: &mut H) {
        // Tasks that differ in `input_std` alone may share a hash.
        (self.kind, self.inputs, self.outputs, self.samples, &self.source).hash(to);
    }
}

/// A CSV file as a data set. Its content, and not its path, is part of a trial's identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CsvFile {
    /// The path at which the worker opens it: that of the spec's folder, joined with `path`.
    pub path: String,
    /// The SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    pub target: String,
    /// The columns that are the inputs, in this order.
    pub features: Vec<String>,
    /// Whether features, and a regression target, are brought to mean 0 and variance 1.
    pub standardize: bool,
    /// The character between the cells, which is ASCII.
    pub separator: char,
}

/// Files of arrays as a data set. Their content is part of a trial's identity, and their paths are
/// not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ArraysFile {
    /// The path at which the worker opens the file: the spec's folder joined with `path`.
    pub path: String,
    /// The SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// The name of the array of inputs; empty of a `.npy` file.
    pub inputs: String,
    /// The name of the array of targets; empty where they are a file of their own.
    pub targets: String,
    /// The file of the targets, with its SHA-256, where they are a file of their own.
    pub targets_file: Option<(String, String)>,
    /// Whether each feature, and each target that is a number, is brought to mean 0 and variance 1.
    pub standardize: bool,
}

/// A text as a data set. Its content, and not its path, is part of a trial's identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TextFile {
    /// The path at which the worker opens it: that of the spec's folder, joined with `path`.
    pub path: String,
    /// The SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
}

/// A model of the user's own with its data, as `blowup.export` wrote it. Its content is part of a
/// trial's identity, and its path is not.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BundleFile {
    /// The path as the spec has it, which is the name of the network.
    pub name: String,
    /// The path at which the worker opens the file.
    pub path: String,
    /// The SHA-256 of its bytes, hexadecimal.
    pub sha256: String,
    pub size: BundleSize,
    /// The names of the parameters that the axis `init` is for, in the order of the bundle. The
    /// others start as they are stored.
    pub initialized: Vec<String>,
}

/// How large a bundle is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BundleSize {
    /// The trained numbers of a lane.
    pub parameters: u64,
    /// The bytes of the data and of the initial weights of all seeds.
    pub bytes: u64,
    pub step: StepSize,
}

/// How large a step of a bundle is, for one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct StepSize {
    /// The calls of operators, which are the same for any number of lanes.
    pub nodes: u64,
    /// The bytes of the values that are alive at once, at most.
    pub live_bytes: u64,
    /// The bytes of all values that a step makes.
    pub made_bytes: u64,
    /// The multiplications in products and convolutions.
    pub multiplications: u64,
}
