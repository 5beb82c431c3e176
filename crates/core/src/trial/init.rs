//! How weights and biases start.

use super::choice::named;
use serde::{Deserialize, Serialize};

/// An initializer with its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Init {
    pub kind: InitKind,
    /// The standard deviation of `normal`, the bound of `uniform`, the variance times fan_in of
    /// `scaled`, the value of `constant`, and a gain for the others.
    pub scale: f64,
    /// The number that is added to the weights of the first layer.
    pub offset: f64,
}

named! {
    /// The initializers of `torch.nn.init`, `lecun` and `scaled`. `pytorch` is what `nn.Linear` and
    /// `nn.RNN` do by default. `stored`, the last one, keeps the weights that a bundle has.
    InitKind {
        Normal = "normal", Uniform = "uniform", Xavier = "xavier", XavierUniform = "xavier_uniform", He = "he",
        HeUniform = "he_uniform", Lecun = "lecun", Orthogonal = "orthogonal", Scaled = "scaled", Constant = "constant",
        Pytorch = "pytorch", Stored = "stored",
    }
}

impl InitKind {
    /// The names of the initializers that draw something, which are all but `stored`.
    pub const DRAWN: &'static [&'static str] = InitKind::NAMES.split_at(InitKind::NAMES.len() - 1).0;

    /// Whether it takes the sizes of a matrix, so that a vector has none for it.
    pub fn needs_matrix(self) -> bool {
        match self {
            InitKind::Normal | InitKind::Uniform | InitKind::Constant | InitKind::Stored => false,
            InitKind::Xavier
            | InitKind::XavierUniform
            | InitKind::He
            | InitKind::HeUniform
            | InitKind::Lecun
            | InitKind::Orthogonal
            | InitKind::Scaled
            | InitKind::Pytorch => true,
        }
    }
}

named! { BiasKind { None = "none", Learned = "learned" } }

impl BiasKind {
    /// The names of those that there are.
    pub const LEARNED: &'static [&'static str] = BiasKind::NAMES.split_at(1).1;
}

/// The biases of the layers, and how they start.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Bias {
    None,
    /// They start from N(0, std^2).
    Learned {
        std: f64,
    },
    /// They start as in PyTorch, from U(-1/sqrt(fan_in), 1/sqrt(fan_in)). This is the default with
    /// the initializer `pytorch`.
    LearnedPytorch,
}

impl Bias {
    /// Whether there are biases, apart from how they start.
    pub fn kind(self) -> BiasKind {
        match self {
            Bias::None => BiasKind::None,
            Bias::Learned { .. } | Bias::LearnedPytorch => BiasKind::Learned,
        }
    }
}
