//! The axes by name, in the order of the columns of `runs.csv`, and the value that each has in a trial. Reading only: `spec` goes the
//! other way, from names to a `Trial`.

use crate::trial::{Activation, Bias, Clip, Network, Norm, Optimizer, Trial};
use std::io::Write as _;

/// Every axis of the contract, in column order.
pub const AXES: [&str; 38] = [
    "network",
    "depth",
    "width",
    "activation",
    "negative_slope",
    "init",
    "init_scale",
    "init_offset",
    "recurrent_init",
    "recurrent_init_scale",
    "forget_bias",
    "bias",
    "bias_std",
    "norm",
    "norm_position",
    "residual",
    "parametrization",
    "loss",
    "optimizer",
    "momentum",
    "nesterov",
    "beta1",
    "beta2",
    "eps",
    "alpha",
    "lr",
    "lr_output",
    "schedule",
    "warmup",
    "clip",
    "clip_threshold",
    "weight_decay",
    "batch",
    "sampling",
    "sequence_length",
    "dtype",
    "seed",
    "data_seed",
];

/// One cell of a configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    Text(&'static str),
    Integer(u64),
    Float(f64),
    Boolean(bool),
}

impl Value {
    /// Appends its text: floats as `{:?}` writes them.
    pub fn put(self, to: &mut Vec<u8>) {
        match self {
            Value::Text(text) => to.extend_from_slice(text.as_bytes()),
            Value::Integer(n) => to.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
            Value::Float(x) if x.fract() == 0.0 && x.abs() < 1e15 && (x != 0.0 || x.is_sign_positive()) => {
                to.extend_from_slice(itoa::Buffer::new().format(x as i64).as_bytes());
                to.extend_from_slice(b".0");
            }
            // Not ryu: of two texts of 16 digits that are equally near it takes the other one.
            Value::Float(x) => write!(to, "{x:?}").expect("writing to memory"),
            Value::Boolean(b) => to.extend_from_slice(if b { b"true" } else { b"false" }),
        }
    }
}

/// The value of `axis` in `trial`; `None` where the axis does not apply.
///
/// # Panics
/// If `axis` is not one of `AXES`.
pub fn value(trial: &Trial, axis: &str) -> Option<Value> {
    use Value::{Boolean, Float, Integer, Text};
    let network = trial.network;
    let recurrent = network.sequence_length().is_some();
    let hidden = network.depth() > 0;
    match axis {
        "network" => Some(Text(network.name())),
        "depth" => Some(Integer(network.depth() as u64)),
        "width" => network.width().map(|w| Integer(w as u64)),
        "activation" => network.activation().map(|a| Text(a.name())),
        "negative_slope" => match network.activation() {
            Some(Activation::LeakyRelu { negative_slope }) => Some(Float(negative_slope)),
            _ => None,
        },
        "init" => Some(Text(trial.init.kind.name())),
        "init_scale" => Some(Float(trial.init.scale)),
        "init_offset" => Some(Float(trial.init.offset)),
        "recurrent_init" => recurrent.then(|| Text(trial.recurrent_init.unwrap_or(trial.init).kind.name())),
        "recurrent_init_scale" => recurrent.then(|| Float(trial.recurrent_init.unwrap_or(trial.init).scale)),
        "forget_bias" => match network {
            Network::Gated { forget_bias, .. } if trial.bias != Bias::None => Some(Float(forget_bias)),
            Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } | Network::Gated { .. } => None,
        },
        "bias" => Some(Text(if trial.bias == Bias::None { "none" } else { "learned" })),
        "bias_std" => match trial.bias {
            Bias::Learned { std } => Some(Float(std)),
            Bias::None | Bias::LearnedPytorch => None,
        },
        "norm" => network.norm().map(|norm| {
            Text(match norm {
                Norm::None => "none",
                Norm::Batch(_) => "batch",
                Norm::Layer(_) => "layer",
                Norm::Rms(_) => "rms",
            })
        }),
        "norm_position" => match network.norm() {
            Some(Norm::Batch(position) | Norm::Layer(position) | Norm::Rms(position)) => Some(Text(position.name())),
            Some(Norm::None) | None => None,
        },
        "residual" => (hidden && !recurrent).then_some(Boolean(network.residual())),
        "parametrization" => Some(Text(trial.parametrization.name())),
        "loss" => Some(Text(trial.loss.name())),
        "optimizer" => Some(Text(trial.optimizer.name())),
        "momentum" => trial.optimizer.momentum().map(Float),
        "nesterov" => match trial.optimizer {
            Optimizer::Sgd { nesterov, .. } => Some(Boolean(nesterov)),
            Optimizer::Adam { .. } | Optimizer::Adamw { .. } | Optimizer::Rmsprop { .. } => None,
        },
        "beta1" | "beta2" => match trial.optimizer {
            Optimizer::Adam { beta1, beta2, .. } | Optimizer::Adamw { beta1, beta2, .. } => {
                Some(Float(if axis == "beta1" { beta1 } else { beta2 }))
            }
            Optimizer::Sgd { .. } | Optimizer::Rmsprop { .. } => None,
        },
        "eps" => match trial.optimizer {
            Optimizer::Adam { eps, .. } | Optimizer::Adamw { eps, .. } | Optimizer::Rmsprop { eps, .. } => {
                Some(Float(eps))
            }
            Optimizer::Sgd { .. } => None,
        },
        "alpha" => match trial.optimizer {
            Optimizer::Rmsprop { alpha, .. } => Some(Float(alpha)),
            Optimizer::Sgd { .. } | Optimizer::Adam { .. } | Optimizer::Adamw { .. } => None,
        },
        "lr" => Some(Float(trial.lr)),
        "lr_output" => Some(Float(trial.lr_output.unwrap_or(trial.lr))),
        "schedule" => Some(Text(trial.schedule.name())),
        "warmup" => trial.schedule.warmup().map(Integer),
        "clip" => Some(Text(match trial.clip {
            Clip::None => "none",
            Clip::Norm(_) => "norm",
            Clip::Value(_) => "value",
        })),
        "clip_threshold" => Some(Float(match trial.clip {
            Clip::None => f64::INFINITY,
            Clip::Norm(threshold) | Clip::Value(threshold) => threshold,
        })),
        "weight_decay" => Some(Float(trial.weight_decay)),
        "batch" => Some(Integer(trial.batch as u64)),
        "sampling" => (trial.batch < trial.task.samples).then(|| Text(trial.sampling.name())),
        "sequence_length" => network.sequence_length().map(|t| Integer(t as u64)),
        "dtype" => Some(Text(trial.dtype.name())),
        "seed" => Some(Integer(trial.seed)),
        "data_seed" => Some(Integer(trial.data_seed())),
        _ => unreachable!("`{axis}` is not in AXES"),
    }
}
