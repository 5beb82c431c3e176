//! The table of axes: what values each takes and where it applies. Everything that `spec` knows of a single axis stands here.

use crate::axes::Value;
use crate::trial::{Activation, Dtype, InitKind, Loss, NormPosition, Optimizer};

/// An axis that can be set in `[base]` and `[[grid]]`.
#[derive(Debug)]
pub struct Axis {
    pub name: &'static str,
    pub kind: Kind,
    /// Applies only where each of these axes has a value of which the condition holds.
    pub needs: &'static [Need],
}

/// Another axis, and what must hold of its value.
pub type Need = (&'static str, fn(Value) -> bool);

#[derive(Debug)]
pub enum Kind {
    Choice {
        names: &'static [&'static str],
        /// In the contract, but not built yet.
        later: &'static [&'static str],
        /// The numeric axis that `name(number)` sets, and the names that take it.
        short: Option<(&'static str, &'static [&'static str])>,
    },
    Integer {
        min: u64,
        max: u64,
    },
    Float {
        /// What must hold of a value, in words and as a test.
        range: (&'static str, fn(f64) -> bool),
    },
    Boolean,
    /// In the contract, but not built yet; only this value, its default, is accepted.
    Later {
        default: Option<&'static str>,
    },
}

pub const INITS: &[&str] = &[
    "normal",
    "uniform",
    "xavier",
    "xavier_uniform",
    "he",
    "he_uniform",
    "lecun",
    "orthogonal",
    "scaled",
    "constant",
    "pytorch",
];

const FINITE: (&str, fn(f64) -> bool) = ("a finite number", f64::is_finite);
const NOT_NEGATIVE: (&str, fn(f64) -> bool) = ("a finite number, 0 or more", |x| x.is_finite() && x >= 0.0);
const BELOW_ONE: (&str, fn(f64) -> bool) = ("a number from 0 to below 1", |x| (0.0..1.0).contains(&x));
const THRESHOLD: (&str, fn(f64) -> bool) = ("a number above 0 (inf is no clipping)", |x| x > 0.0);

fn is_text(value: Value, names: &[&str]) -> bool {
    matches!(value, Value::Text(text) if names.contains(&text))
}

fn hidden(value: Value) -> bool {
    !matches!(value, Value::Integer(0))
}

/// In the order of the contract.
pub const AXES: &[Axis] = &[
    choice("network", &["mlp", "rnn"], &["lstm", "gru"], &[]),
    Axis { name: "depth", kind: Kind::Integer { min: 0, max: 10_000 }, needs: &[] },
    Axis { name: "width", kind: Kind::Integer { min: 1, max: 100_000 }, needs: &[("depth", hidden)] },
    Axis {
        name: "activation",
        kind: Kind::Choice { names: Activation::NAMES, later: &[], short: Some(("negative_slope", &["leaky_relu"])) },
        needs: &[("depth", hidden)],
    },
    Axis {
        name: "negative_slope",
        kind: Kind::Float { range: FINITE },
        needs: &[("depth", hidden), ("activation", |v| is_text(v, &["leaky_relu"]))],
    },
    Axis {
        name: "init",
        kind: Kind::Choice { names: INITS, later: &[], short: Some(("init_scale", INITS)) },
        needs: &[],
    },
    Axis { name: "init_scale", kind: Kind::Float { range: FINITE }, needs: &[] },
    later("init_offset", Some("0")),
    later("recurrent_init", None),
    later("recurrent_init_scale", None),
    later("forget_bias", None),
    choice("bias", &["none", "learned"], &[], &[]),
    Axis {
        name: "bias_std",
        kind: Kind::Float { range: NOT_NEGATIVE },
        needs: &[("bias", |v| is_text(v, &["learned"]))],
    },
    choice("norm", &["none", "batch", "layer"], &["rms"], &[("depth", hidden)]),
    choice(
        "norm_position",
        &["before", "after"],
        &[],
        &[("depth", hidden), ("norm", |v| is_text(v, &["batch", "layer"]))],
    ),
    later("residual", Some("false")),
    later("parametrization", Some("standard")),
    choice("loss", &["mse", "cross_entropy"], &[], &[]),
    choice("optimizer", Optimizer::NAMES, &[], &[]),
    Axis {
        name: "momentum",
        kind: Kind::Float { range: NOT_NEGATIVE },
        needs: &[("optimizer", |v| is_text(v, &["sgd", "rmsprop"]))],
    },
    Axis { name: "nesterov", kind: Kind::Boolean, needs: &[("optimizer", |v| is_text(v, &["sgd"]))] },
    Axis {
        name: "beta1",
        kind: Kind::Float { range: BELOW_ONE },
        needs: &[("optimizer", |v| is_text(v, &["adam", "adamw"]))],
    },
    Axis {
        name: "beta2",
        kind: Kind::Float { range: BELOW_ONE },
        needs: &[("optimizer", |v| is_text(v, &["adam", "adamw"]))],
    },
    Axis {
        name: "eps",
        kind: Kind::Float { range: NOT_NEGATIVE },
        needs: &[("optimizer", |v| is_text(v, &["adam", "adamw", "rmsprop"]))],
    },
    Axis {
        name: "alpha",
        kind: Kind::Float { range: NOT_NEGATIVE },
        needs: &[("optimizer", |v| is_text(v, &["rmsprop"]))],
    },
    Axis { name: "lr", kind: Kind::Float { range: NOT_NEGATIVE }, needs: &[] },
    later("lr_output", None),
    later("schedule", Some("constant")),
    later("warmup", None),
    Axis {
        name: "clip",
        kind: Kind::Choice {
            names: &["none", "norm", "value"],
            later: &[],
            short: Some(("clip_threshold", &["norm", "value"])),
        },
        needs: &[],
    },
    Axis {
        name: "clip_threshold",
        kind: Kind::Float { range: THRESHOLD },
        needs: &[("clip", |v| is_text(v, &["norm", "value"]))],
    },
    Axis { name: "weight_decay", kind: Kind::Float { range: NOT_NEGATIVE }, needs: &[] },
    Axis { name: "batch", kind: Kind::Integer { min: 1, max: 1 << 40 }, needs: &[] },
    choice("sampling", &["shuffle"], &["replacement"], &[]),
    Axis {
        name: "sequence_length",
        kind: Kind::Integer { min: 1, max: 1_000_000 },
        needs: &[("network", |v| is_text(v, &["rnn"]))],
    },
    choice("dtype", &["float32", "float64"], &["bfloat16", "float16"], &[]),
    later("data_seed", None),
];

const fn choice(
    name: &'static str,
    names: &'static [&'static str],
    later: &'static [&'static str],
    needs: &'static [Need],
) -> Axis {
    Axis { name, kind: Kind::Choice { names, later, short: None }, needs }
}

const fn later(name: &'static str, default: Option<&'static str>) -> Axis {
    Axis { name, kind: Kind::Later { default }, needs: &[] }
}

/// The axis of this name, if there is one.
pub fn find(name: &str) -> Option<&'static Axis> {
    AXES.iter().find(|axis| axis.name == name)
}

pub fn names() -> Vec<&'static str> {
    AXES.iter().map(|axis| axis.name).collect()
}

/// The value of an axis that a spec leaves out. None where there is none to speak of (lr must be set; batch is all samples;
/// activation depends on the network).
pub fn default(name: &str) -> Option<Value> {
    use Value::{Boolean, Float, Integer, Text};
    Some(match name {
        "network" => Text("mlp"),
        "depth" => Integer(1),
        "width" => Integer(64),
        "negative_slope" => Float(0.01),
        "init" => Text(InitKind::Pytorch.name()),
        "init_scale" => Float(1.0),
        "bias" => Text("learned"),
        "norm" | "clip" => Text("none"),
        "norm_position" => Text(NormPosition::Before.name()),
        "loss" => Text(Loss::Mse.name()),
        "optimizer" => Text("sgd"),
        "momentum" | "weight_decay" => Float(0.0),
        "nesterov" => Boolean(false),
        "beta1" => Float(0.9),
        "beta2" => Float(0.999),
        "eps" => Float(1e-8),
        "alpha" => Float(0.99),
        "clip_threshold" => Float(f64::INFINITY),
        "sampling" => Text("shuffle"),
        "dtype" => Text(Dtype::Float32.name()),
        _ => return None,
    })
}

/// The contract's name for a name that others use.
pub fn canonical(axis: &str, name: &str) -> String {
    let name = name.trim().replace('-', "_");
    let alias = match (axis, name.as_str()) {
        ("init" | "recurrent_init", "kaiming" | "kaiming_normal" | "he_normal") => "he",
        ("init" | "recurrent_init", "kaiming_uniform") => "he_uniform",
        ("init" | "recurrent_init", "glorot" | "glorot_normal" | "xavier_normal") => "xavier",
        ("init" | "recurrent_init", "glorot_uniform") => "xavier_uniform",
        _ => return name,
    };
    alias.to_string()
}
