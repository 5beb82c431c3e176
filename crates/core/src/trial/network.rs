//! Networks, their activations and norms.

use super::choice::{named, with_numbers};
use serde::{Deserialize, Serialize};

/// A network with its sizes. Two of its numbers are equal if their bits are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Network {
    /// A linear model, which `depth` 0 stands for. It has no hidden layer, and so no activation,
    /// norm or width.
    Linear,
    /// `depth >= 1` hidden layers and a linear output layer.
    Mlp {
        depth: usize,
        width: usize,
        activation: Activation,
        norm: Norm,
        /// Whether the hidden layers 2 to `depth` add their input to their output: x_l = x_{l-1} +
        /// f_l(x_{l-1}).
        residual: bool,
    },
    /// `depth >= 1` stacked plain recurrent layers, and a linear output layer that reads the last
    /// time step. It never has batch norm.
    Rnn { depth: usize, width: usize, activation: Activation, norm: Norm, sequence_length: usize },
    /// `torch.nn.LSTM` or `torch.nn.GRU`, with the same output layer. It has no norm, and
    /// activations of its own.
    Gated { cell: Gated, depth: usize, width: usize, sequence_length: usize },
    /// A model of the user's own: the bundle of the task.
    Bundle,
}

named! { Gated { Lstm = "lstm", Gru = "gru" } }

impl Gated {
    /// The number of gates, whose rows PyTorch stacks in one matrix.
    pub fn gates(self) -> usize {
        match self {
            Gated::Lstm => 4,
            Gated::Gru => 3,
        }
    }
}

with_numbers! {
    Activation {
        Linear = "linear",
        Relu = "relu",
        LeakyRelu { negative_slope: f64 } = "leaky_relu",
        Tanh = "tanh",
        Sigmoid = "sigmoid",
        /// The exact (erf) form, as in `torch.nn.GELU()`.
        Gelu = "gelu",
        Selu = "selu",
        Silu = "silu",
    }
}

/// The normalization of each hidden layer. It has a learned scale and shift, and eps is 1e-5,
/// except for `Rms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Norm {
    None,
    /// It takes the statistics of the batch, as PyTorch does in training.
    Batch(NormPosition),
    Layer(NormPosition),
    /// `torch.nn.RMSNorm`, which has no mean and no shift. Its eps is that of the dtype.
    Rms(NormPosition),
}

named! {
    /// The place of the norm relative to the activation.
    NormPosition { Before = "before", After = "after" }
}

impl Norm {
    pub const NAMES: &'static [&'static str] = &["none", "batch", "layer", "rms"];

    pub fn name(self) -> &'static str {
        match self {
            Norm::None => "none",
            Norm::Batch(_) => "batch",
            Norm::Layer(_) => "layer",
            Norm::Rms(_) => "rms",
        }
    }

    /// The norm of this name, before the activation.
    pub fn from_name(text: &str) -> Option<Norm> {
        Some(match text {
            "none" => Norm::None,
            "batch" => Norm::Batch(NormPosition::Before),
            "layer" => Norm::Layer(NormPosition::Before),
            "rms" => Norm::Rms(NormPosition::Before),
            _ => return None,
        })
    }

    /// The place of the norm, if there is one.
    pub fn position(self) -> Option<NormPosition> {
        match self {
            Norm::None => None,
            Norm::Batch(position) | Norm::Layer(position) | Norm::Rms(position) => Some(position),
        }
    }

    /// Sets the place of the norm, if there is one.
    pub fn set_position(&mut self, to: NormPosition) {
        match self {
            Norm::None => {}
            Norm::Batch(position) | Norm::Layer(position) | Norm::Rms(position) => *position = to,
        }
    }
}

impl Network {
    pub const NAMES: &'static [&'static str] = &["mlp", "rnn", "lstm", "gru"];
    /// The networks that read sequences.
    pub const RECURRENT: &'static [&'static str] = &["rnn", "lstm", "gru"];

    /// The network of this name with a hidden layer, whose sizes are not set yet.
    pub fn from_name(text: &str) -> Option<Network> {
        let (depth, width, sequence_length, activation, norm) = (1, 1, 1, Activation::Linear, Norm::None);
        if let Some(cell) = Gated::from_name(text) {
            return Some(Network::Gated { cell, depth, width, sequence_length });
        }
        match text {
            "mlp" => Some(Network::Mlp { depth, width, activation, norm, residual: false }),
            "rnn" => Some(Network::Rnn { depth, width, activation, norm, sequence_length }),
            _ => None,
        }
    }

    /// Sets the number of hidden layers.
    ///
    /// # Panics
    /// If a recurrent net is to have depth 0.
    pub fn set_depth(&mut self, to: usize) {
        match self {
            Network::Linear | Network::Mlp { .. } if to == 0 => *self = Network::Linear,
            Network::Mlp { depth, .. } | Network::Rnn { depth, .. } | Network::Gated { depth, .. } if to > 0 => {
                *depth = to;
            }
            Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } | Network::Gated { .. } | Network::Bundle => {
                panic!("{} cannot have depth {to}", self.name())
            }
        }
    }

    /// Sets the units of a hidden layer.
    ///
    /// # Panics
    /// If the network has no hidden layer.
    pub fn set_width(&mut self, to: usize) {
        match self {
            Network::Mlp { width, .. } | Network::Rnn { width, .. } | Network::Gated { width, .. } => *width = to,
            Network::Linear | Network::Bundle => panic!("this network has no width"),
        }
    }

    /// The activation, to be set.
    ///
    /// # Panics
    /// If the network has no activation to choose.
    pub fn activation_mut(&mut self) -> &mut Activation {
        match self {
            Network::Mlp { activation, .. } | Network::Rnn { activation, .. } => activation,
            Network::Linear | Network::Gated { .. } | Network::Bundle => panic!("{} has no activation", self.name()),
        }
    }

    /// The norm, to be set.
    ///
    /// # Panics
    /// If the network has no place for a norm.
    pub fn norm_mut(&mut self) -> &mut Norm {
        match self {
            Network::Mlp { norm, .. } | Network::Rnn { norm, .. } => norm,
            Network::Linear | Network::Gated { .. } | Network::Bundle => panic!("{} has no norm", self.name()),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Network::Linear | Network::Mlp { .. } => "mlp",
            Network::Rnn { .. } => "rnn",
            Network::Gated { cell, .. } => cell.name(),
            Network::Bundle => "bundle",
        }
    }

    /// The number of hidden layers.
    pub fn depth(self) -> usize {
        match self {
            Network::Linear | Network::Bundle => 0,
            Network::Mlp { depth, .. } | Network::Rnn { depth, .. } | Network::Gated { depth, .. } => depth,
        }
    }

    /// The units of a hidden layer.
    pub fn width(self) -> Option<usize> {
        match self {
            Network::Linear | Network::Bundle => None,
            Network::Mlp { width, .. } | Network::Rnn { width, .. } | Network::Gated { width, .. } => Some(width),
        }
    }

    /// The activation, if it can be chosen.
    pub fn activation(self) -> Option<Activation> {
        match self {
            Network::Linear | Network::Gated { .. } | Network::Bundle => None,
            Network::Mlp { activation, .. } | Network::Rnn { activation, .. } => Some(activation),
        }
    }

    /// The norm, if the network has a place for one.
    pub fn norm(self) -> Option<Norm> {
        match self {
            Network::Linear | Network::Gated { .. } | Network::Bundle => None,
            Network::Mlp { norm, .. } | Network::Rnn { norm, .. } => Some(norm),
        }
    }

    /// Whether hidden layers add their input to their output.
    pub fn residual(self) -> bool {
        matches!(self, Network::Mlp { residual: true, .. })
    }

    /// The time steps of a sequence, if the network reads sequences.
    pub fn sequence_length(self) -> Option<usize> {
        match self {
            Network::Linear | Network::Mlp { .. } | Network::Bundle => None,
            Network::Rnn { sequence_length, .. } | Network::Gated { sequence_length, .. } => Some(sequence_length),
        }
    }
}
