//! What `torch.nn.Linear` and `torch.nn.RNN` do by default.

use super::recipe::{Fans, Recipe, UnitDraws};
use crate::transformer::Places;
use blowup_core::trial::{Network, Shape};

/// UnitDraws from U(-bound, bound), times `scale`.
pub fn uniform(scale: f64, fans: Fans) -> Recipe {
    Recipe { draws: UnitDraws::Uniform, factor: scale * fans.pytorch_bound }
}

/// The bound of the uniform distribution: 1/sqrt(fan_in) in `torch.nn.Linear`, and 1/sqrt(width)
/// for every parameter of a layer of `torch.nn.RNN`. Layers count from 0.
pub fn bound(shape: &Shape, layer: usize) -> f64 {
    let width = shape.network.width().unwrap_or(0);
    let recurrent = shape.network.recurrent_steps().is_some();
    let fan_in = match &shape.network {
        Network::Transformer(transformer) => Places::of(transformer).fan_in(transformer, shape.task.inputs, layer),
        _ if layer == 0 && !recurrent => shape.task.inputs,
        Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } | Network::Gated { .. } | Network::Bundle => width,
    };
    1.0 / (fan_in as f64).sqrt()
}
