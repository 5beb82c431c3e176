//! What weights and biases start from.

use super::choice::named;
use serde::{Deserialize, Serialize};

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
