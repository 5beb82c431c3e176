//! Networks, their activations and norms.

use super::choice::{named, with_numbers};
use super::{BlockNorm, Placement, TaskKind, Transformer};
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
    Rnn {
        depth: usize,
        width: usize,
        activation: Activation,
        norm: Norm,
        sequence_length: usize,
    },
    /// `torch.nn.LSTM` or `torch.nn.GRU`, with the same output layer. It has no norm, and
    /// activations of its own.
    Gated {
        cell: Gated,
        depth: usize,
        width: usize,
        sequence_length: usize,
    },
    Transformer(Transformer),
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

/// An activation function for which the engine has passes of its own. For the others it takes
/// libtorch's operations one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fused {
    Linear,
    Relu,
    Tanh,
}

impl Activation {
    /// The engine's own passes for the function, where it has them.
    pub fn fused(self) -> Option<Fused> {
        match self {
            Activation::Linear => Some(Fused::Linear),
            Activation::Relu => Some(Fused::Relu),
            Activation::Tanh => Some(Fused::Tanh),
            Activation::LeakyRelu { .. }
            | Activation::Sigmoid
            | Activation::Gelu
            | Activation::Selu
            | Activation::Silu => None,
        }
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
    /// The names of those that have a place.
    pub const PLACED: &'static [&'static str] = Norm::NAMES.split_at(1).1;

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
    fn set_position(&mut self, to: NormPosition) {
        match self {
            Norm::None => {}
            Norm::Batch(position) | Norm::Layer(position) | Norm::Rms(position) => *position = to,
        }
    }
}

impl Network {
    pub const NAMES: &'static [&'static str] = &["mlp", "rnn", "lstm", "gru", "transformer"];
    /// The networks that read sequences.
    pub const SEQUENTIAL: &'static [&'static str] = &["rnn", "lstm", "gru", "transformer"];
    /// The networks that read them step by step.
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
            "transformer" => Some(Network::Transformer(Transformer::unset())),
            _ => None,
        }
    }

    /// The network of this name, which is a bundle where it is none of `NAMES`.
    pub fn of_name(text: &str) -> Network {
        Network::from_name(text).unwrap_or(Network::Bundle)
    }

    /// Whether the network learns the tasks of a kind. A bundle has a task of its own, of none of
    /// these kinds.
    pub fn learns(self, kind: TaskKind) -> bool {
        match self {
            Network::Linear | Network::Mlp { .. } => !kind.is_sequence(),
            // A recurrent net is read at the last time step.
            Network::Rnn { .. } | Network::Gated { .. } => kind.is_sequence() && !kind.asks_at_every_step(),
            Network::Transformer(_) => kind.is_sequence(),
            Network::Bundle => false,
        }
    }

    /// Sets the number of hidden layers.
    ///
    /// # Panics
    /// If a recurrent net or a transformer is to have depth 0.
    pub fn set_depth(&mut self, to: usize) {
        match self {
            Network::Linear | Network::Mlp { .. } if to == 0 => *self = Network::Linear,
            Network::Mlp { depth, .. }
            | Network::Rnn { depth, .. }
            | Network::Gated { depth, .. }
            | Network::Transformer(Transformer { depth, .. })
                if to > 0 =>
            {
                *depth = to;
            }
            Network::Linear
            | Network::Mlp { .. }
            | Network::Rnn { .. }
            | Network::Gated { .. }
            | Network::Transformer(_)
            | Network::Bundle => panic!("{} cannot have depth {to}", self.name()),
        }
    }

    /// Sets the units of a hidden layer.
    ///
    /// # Panics
    /// If the network has no hidden layer.
    pub fn set_width(&mut self, to: usize) {
        match self {
            Network::Mlp { width, .. }
            | Network::Rnn { width, .. }
            | Network::Gated { width, .. }
            | Network::Transformer(Transformer { width, .. }) => *width = to,
            Network::Linear | Network::Bundle => panic!("this network has no width"),
        }
    }

    /// The activation, to be set.
    ///
    /// # Panics
    /// If the network has no activation to choose.
    pub fn activation_mut(&mut self) -> &mut Activation {
        match self {
            Network::Mlp { activation, .. }
            | Network::Rnn { activation, .. }
            | Network::Transformer(Transformer { activation, .. }) => activation,
            Network::Linear | Network::Gated { .. } | Network::Bundle => panic!("{} has no activation", self.name()),
        }
    }

    /// Sets the norm by its name.
    ///
    /// # Panics
    /// If the network has no norm of this name.
    pub fn set_norm(&mut self, name: &str) {
        let known = match self {
            Network::Mlp { norm, .. } | Network::Rnn { norm, .. } => Norm::from_name(name).map(|to| *norm = to),
            Network::Transformer(transformer) => BlockNorm::from_name(name).map(|to| transformer.norm = to),
            Network::Linear | Network::Gated { .. } | Network::Bundle => None,
        };
        known.unwrap_or_else(|| panic!("{} has no norm {name}", self.name()));
    }

    /// Sets the place of the norm by its name, if there is a norm.
    ///
    /// # Panics
    /// If the network has no place of this name.
    pub fn set_norm_position(&mut self, name: &str) {
        let known = match self {
            Network::Mlp { norm, .. } | Network::Rnn { norm, .. } => {
                NormPosition::from_name(name).map(|to| norm.set_position(to))
            }
            Network::Transformer(transformer) => {
                Placement::from_name(name).map(|to| transformer.norm = transformer.norm.at(to))
            }
            Network::Linear | Network::Gated { .. } | Network::Bundle => None,
        };
        known.unwrap_or_else(|| panic!("{} has no norm position {name}", self.name()));
    }

    pub fn name(self) -> &'static str {
        match self {
            Network::Linear | Network::Mlp { .. } => "mlp",
            Network::Rnn { .. } => "rnn",
            Network::Gated { cell, .. } => cell.name(),
            Network::Transformer(_) => "transformer",
            Network::Bundle => "bundle",
        }
    }

    /// The number of hidden layers, which are the blocks of a transformer.
    pub fn depth(self) -> usize {
        match self {
            Network::Linear | Network::Bundle => 0,
            Network::Mlp { depth, .. }
            | Network::Rnn { depth, .. }
            | Network::Gated { depth, .. }
            | Network::Transformer(Transformer { depth, .. }) => depth,
        }
    }

    /// The units of a hidden layer, or the numbers of a transformer's token.
    pub fn width(self) -> Option<usize> {
        match self {
            Network::Linear | Network::Bundle => None,
            Network::Mlp { width, .. }
            | Network::Rnn { width, .. }
            | Network::Gated { width, .. }
            | Network::Transformer(Transformer { width, .. }) => Some(width),
        }
    }

    /// The activation, if it can be chosen.
    pub fn activation(self) -> Option<Activation> {
        match self {
            Network::Linear | Network::Gated { .. } | Network::Bundle => None,
            Network::Mlp { activation, .. }
            | Network::Rnn { activation, .. }
            | Network::Transformer(Transformer { activation, .. }) => Some(activation),
        }
    }

    /// The norm of the hidden layers, if they have a place for one. That of a transformer is a
    /// `BlockNorm`.
    pub fn norm(self) -> Option<Norm> {
        match self {
            Network::Linear | Network::Gated { .. } | Network::Transformer(_) | Network::Bundle => None,
            Network::Mlp { norm, .. } | Network::Rnn { norm, .. } => Some(norm),
        }
    }

    /// The name of the norm, if the network has a place for one.
    pub fn norm_name(self) -> Option<&'static str> {
        match self {
            Network::Transformer(transformer) => Some(transformer.norm.name()),
            other @ (Network::Linear
            | Network::Mlp { .. }
            | Network::Rnn { .. }
            | Network::Gated { .. }
            | Network::Bundle) => other.norm().map(Norm::name),
        }
    }

    /// The name of the place of the norm, if there is a norm.
    pub fn norm_position(self) -> Option<&'static str> {
        match self {
            Network::Transformer(transformer) => transformer.norm.placement().map(Placement::name),
            other @ (Network::Linear
            | Network::Mlp { .. }
            | Network::Rnn { .. }
            | Network::Gated { .. }
            | Network::Bundle) => other.norm()?.position().map(NormPosition::name),
        }
    }

    /// Whether hidden layers, or the branches of a transformer, add their input to their output.
    pub fn residual(self) -> bool {
        match self {
            Network::Mlp { residual, .. } | Network::Transformer(Transformer { residual, .. }) => residual,
            Network::Linear | Network::Rnn { .. } | Network::Gated { .. } | Network::Bundle => false,
        }
    }

    /// The number of residual branches that there are, or would be.
    pub fn branches(self) -> usize {
        match self {
            Network::Transformer(transformer) => transformer.branches(),
            Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } | Network::Gated { .. } | Network::Bundle => {
                self.depth().saturating_sub(1)
            }
        }
    }

    /// The time steps of a sequence, if the network reads sequences.
    pub fn sequence_length(self) -> Option<usize> {
        match self {
            Network::Linear | Network::Mlp { .. } | Network::Bundle => None,
            Network::Rnn { sequence_length, .. }
            | Network::Gated { sequence_length, .. }
            | Network::Transformer(Transformer { sequence_length, .. }) => Some(sequence_length),
        }
    }

    /// The time steps through which a state is carried, if the network is recurrent.
    pub fn recurrent_steps(self) -> Option<usize> {
        match self {
            Network::Linear | Network::Mlp { .. } | Network::Transformer(_) | Network::Bundle => None,
            Network::Rnn { sequence_length, .. } | Network::Gated { sequence_length, .. } => Some(sequence_length),
        }
    }

    /// The transformer that it is.
    pub fn transformer(self) -> Option<Transformer> {
        match self {
            Network::Transformer(transformer) => Some(transformer),
            Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } | Network::Gated { .. } | Network::Bundle => {
                None
            }
        }
    }
}
