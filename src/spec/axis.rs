//! The table of axes: what values each takes, its default, and where it applies. A new axis is a line here, a field
//! of `Trial` and its use in `resolve`.

use crate::axes::{self, Value};
use crate::trial::{Activation, Optimizer, Schedule};
use std::fmt;

/// The axes of the contract in the order of `axes::AXES`; an `Id` is an index into it and into `TABLE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Id {
    Network,
    Depth,
    Width,
    Activation,
    NegativeSlope,
    Init,
    InitScale,
    InitOffset,
    RecurrentInit,
    RecurrentInitScale,
    ForgetBias,
    Bias,
    BiasStd,
    Norm,
    NormPosition,
    Residual,
    Parametrization,
    Loss,
    Optimizer,
    Momentum,
    Nesterov,
    Beta1,
    Beta2,
    Eps,
    Alpha,
    Lr,
    LrOutput,
    Schedule,
    Warmup,
    Clip,
    ClipThreshold,
    WeightDecay,
    Batch,
    Sampling,
    SequenceLength,
    Dtype,
    Seed,
    DataSeed,
}

pub const COUNT: usize = axes::AXES.len();

impl Id {
    pub fn name(self) -> &'static str {
        axes::AXES[self as usize]
    }

    pub fn axis(self) -> &'static Axis {
        &TABLE[self as usize]
    }

    /// The axis whose value this one has where a spec gives none.
    pub fn follows(self) -> Option<Id> {
        match self {
            Id::RecurrentInit => Some(Id::Init),
            Id::RecurrentInitScale => Some(Id::InitScale),
            Id::LrOutput => Some(Id::Lr),
            Id::DataSeed => Some(Id::Seed),
            _ => None,
        }
    }

    /// Every axis that decides what this one is in a trial, itself included.
    pub fn depends_on(self) -> Vec<Id> {
        let short = match &self.axis().kind {
            Kind::Choice { short: Some(short), .. } => Some(short.sets),
            Kind::Choice { short: None, .. } | Kind::Integer { .. } | Kind::Float { .. } | Kind::Boolean => None,
        };
        let beside = match self {
            Id::RecurrentInitScale => Some(Id::RecurrentInit),
            Id::BiasStd => Some(Id::Init),
            Id::Nesterov => Some(Id::Momentum),
            Id::Sampling => Some(Id::Batch),
            _ => None,
        };
        let needs = self.axis().needs.iter().map(|need| need.axis);
        [self].into_iter().chain(needs).chain(short).chain(self.follows()).chain(beside).collect()
    }
}

#[derive(Debug)]
pub struct Axis {
    pub id: Id,
    pub kind: Kind,
    /// The value where a spec gives none. Empty if it must be given, does not exist before its network does, or depends on other axes.
    pub default: Option<Value>,
    /// Applies only where all of these hold.
    pub needs: &'static [Need],
}

#[derive(Debug)]
pub enum Kind {
    Choice { names: &'static [&'static str], short: Option<Short> },
    Integer { min: u64, max: u64 },
    Float { range: Bounds },
    Boolean,
}

/// `name(number)` sets the numeric axis `sets` too, for these names.
#[derive(Debug)]
pub struct Short {
    pub sets: Id,
    pub names: &'static [&'static str],
}

/// What holds of a number, as a test and in words.
#[derive(Debug)]
pub struct Bounds {
    pub holds: fn(f64) -> bool,
    pub words: &'static str,
}

/// A condition on the value of another axis at the same point.
#[derive(Debug)]
pub struct Need {
    pub axis: Id,
    pub test: Test,
}

#[derive(Debug)]
pub enum Test {
    OneOf(&'static [&'static str]),
    AtLeastOne,
}

impl Need {
    pub fn holds(&self, value: Value) -> bool {
        match (&self.test, value) {
            (Test::OneOf(names), Value::Text(text)) => names.contains(&text),
            (Test::AtLeastOne, Value::Integer(i)) => i >= 1,
            (Test::OneOf(_) | Test::AtLeastOne, _) => false,
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            Test::OneOf(names) => write!(f, "`{}` {}", self.axis.name(), names.join(" or ")),
            Test::AtLeastOne => write!(f, "`{}` 1 or more", self.axis.name()),
        }
    }
}

impl Axis {
    pub fn name(&self) -> &'static str {
        self.id.name()
    }

    pub fn is_numeric(&self) -> bool {
        matches!(self.kind, Kind::Integer { .. } | Kind::Float { .. })
    }

    /// The axis that `name(number)` sets, if the axis has that form.
    pub fn short_form(&self) -> Option<Id> {
        match &self.kind {
            Kind::Choice { short, .. } => short.as_ref().map(|short| short.sets),
            Kind::Integer { .. } | Kind::Float { .. } | Kind::Boolean => None,
        }
    }

    /// The axis of this name, if there is one.
    pub fn find(name: &str) -> Option<&'static Axis> {
        TABLE.iter().find(|axis| axis.name() == name)
    }
}

const INITS: &[&str] = &[
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

/// The contract's name for a value that others call otherwise; `-` is read as `_`.
pub fn canonical(id: Id, text: &str) -> String {
    let name = text.trim().replace('-', "_");
    if !matches!(id, Id::Init | Id::RecurrentInit) {
        return name;
    }
    match name.as_str() {
        "kaiming" | "kaiming_normal" | "he_normal" => "he".to_owned(),
        "kaiming_uniform" => "he_uniform".to_owned(),
        "glorot" | "glorot_normal" | "xavier_normal" => "xavier".to_owned(),
        "glorot_uniform" => "xavier_uniform".to_owned(),
        _ => name,
    }
}

const FINITE: Kind = float("a finite number", |x| x.is_finite());
const NOT_NEGATIVE: Kind = float("a finite number, 0 or more", |x| x.is_finite() && x >= 0.0);
const BELOW_ONE: Kind = float("a number from 0 to below 1", |x| (0.0..1.0).contains(&x));
const THRESHOLD: Kind = float("a number above 0; inf means no clipping", |x| x > 0.0);

const HIDDEN: Need = Need { axis: Id::Depth, test: Test::AtLeastOne };
const RECURRENT: Need = is(Id::Network, &["rnn", "lstm", "gru"]);
const GATED: Need = is(Id::Network, &["lstm", "gru"]);
/// Their activation is one and has a place for a norm.
const STAGED: Need = is(Id::Network, &["mlp", "rnn"]);
const LEARNED: Need = is(Id::Bias, &["learned"]);
const MOMENTUM: Need = is(Id::Optimizer, &["sgd", "rmsprop"]);
const SGD: Need = is(Id::Optimizer, &["sgd"]);
const ADAMS: Need = is(Id::Optimizer, &["adam", "adamw"]);
const ADAPTIVE: Need = is(Id::Optimizer, &["adam", "adamw", "rmsprop"]);

const fn float(words: &'static str, holds: fn(f64) -> bool) -> Kind {
    Kind::Float { range: Bounds { holds, words } }
}

const fn integer(min: u64, max: u64) -> Kind {
    Kind::Integer { min, max }
}

const fn one_of(names: &'static [&'static str]) -> Kind {
    Kind::Choice { names, short: None }
}

const fn with_number(names: &'static [&'static str], sets: Id, takes: &'static [&'static str]) -> Kind {
    Kind::Choice { names, short: Some(Short { sets, names: takes }) }
}

const fn is(axis: Id, names: &'static [&'static str]) -> Need {
    Need { axis, test: Test::OneOf(names) }
}

const fn axis(id: Id, kind: Kind, default: Option<Value>, needs: &'static [Need]) -> Axis {
    Axis { id, kind, default, needs }
}

const fn text(name: &'static str) -> Option<Value> {
    Some(Value::Text(name))
}

const fn number(x: f64) -> Option<Value> {
    Some(Value::Float(x))
}

/// In the order of `Id`.
pub const TABLE: [Axis; COUNT] = [
    axis(Id::Network, one_of(&["mlp", "rnn", "lstm", "gru"]), text("mlp"), &[]),
    axis(Id::Depth, integer(0, 10_000), Some(Value::Integer(1)), &[]),
    axis(Id::Width, integer(1, 1_000_000), Some(Value::Integer(64)), &[HIDDEN]),
    axis(Id::Activation, with_number(Activation::NAMES, Id::NegativeSlope, &["leaky_relu"]), None, &[HIDDEN, STAGED]),
    axis(Id::NegativeSlope, FINITE, number(0.01), &[HIDDEN, STAGED, is(Id::Activation, &["leaky_relu"])]),
    axis(Id::Init, with_number(INITS, Id::InitScale, INITS), text("pytorch"), &[]),
    axis(Id::InitScale, FINITE, number(1.0), &[]),
    axis(Id::InitOffset, FINITE, number(0.0), &[]),
    axis(Id::RecurrentInit, with_number(INITS, Id::RecurrentInitScale, INITS), None, &[RECURRENT]),
    axis(Id::RecurrentInitScale, FINITE, None, &[RECURRENT]),
    axis(Id::ForgetBias, FINITE, number(0.0), &[GATED, LEARNED]),
    axis(Id::Bias, one_of(&["none", "learned"]), text("learned"), &[]),
    axis(Id::BiasStd, NOT_NEGATIVE, None, &[LEARNED]),
    axis(Id::Norm, one_of(&["none", "batch", "layer", "rms"]), text("none"), &[HIDDEN, STAGED]),
    axis(
        Id::NormPosition,
        one_of(&["before", "after"]),
        text("before"),
        &[HIDDEN, STAGED, is(Id::Norm, &["batch", "layer", "rms"])],
    ),
    axis(Id::Residual, Kind::Boolean, Some(Value::Boolean(false)), &[HIDDEN, is(Id::Network, &["mlp"])]),
    axis(Id::Parametrization, one_of(&["standard", "ntk", "mean_field"]), text("standard"), &[]),
    axis(Id::Loss, one_of(&["mse", "cross_entropy"]), text("mse"), &[]),
    axis(Id::Optimizer, one_of(Optimizer::NAMES), text("sgd"), &[]),
    axis(Id::Momentum, NOT_NEGATIVE, number(0.0), &[MOMENTUM]),
    axis(Id::Nesterov, Kind::Boolean, Some(Value::Boolean(false)), &[SGD]),
    axis(Id::Beta1, BELOW_ONE, number(0.9), &[ADAMS]),
    axis(Id::Beta2, BELOW_ONE, number(0.999), &[ADAMS]),
    axis(Id::Eps, NOT_NEGATIVE, number(1e-8), &[ADAPTIVE]),
    axis(Id::Alpha, NOT_NEGATIVE, number(0.99), &[is(Id::Optimizer, &["rmsprop"])]),
    axis(Id::Lr, NOT_NEGATIVE, None, &[]),
    axis(Id::LrOutput, NOT_NEGATIVE, None, &[]),
    axis(Id::Schedule, one_of(Schedule::NAMES), text("constant"), &[]),
    axis(Id::Warmup, integer(1, 1 << 50), None, &[is(Id::Schedule, &["warmup", "warmup_cosine"])]),
    axis(Id::Clip, with_number(&["none", "norm", "value"], Id::ClipThreshold, &["norm", "value"]), text("none"), &[]),
    axis(Id::ClipThreshold, THRESHOLD, number(f64::INFINITY), &[is(Id::Clip, &["norm", "value"])]),
    axis(Id::WeightDecay, NOT_NEGATIVE, number(0.0), &[]),
    axis(Id::Batch, integer(1, ALL_SAMPLES), Some(Value::Integer(ALL_SAMPLES)), &[]),
    axis(Id::Sampling, one_of(&["shuffle", "replacement"]), text("shuffle"), &[]),
    axis(Id::SequenceLength, integer(1, 10_000_000), None, &[RECURRENT]),
    axis(Id::Dtype, one_of(&["float32", "float64", "bfloat16", "float16"]), text("float32"), &[]),
    // `seeds` sets it; it is an axis for filters.
    axis(Id::Seed, integer(0, i64::MAX as u64), None, &[]),
    axis(Id::DataSeed, integer(0, i64::MAX as u64), None, &[]),
];

/// `batch = "all"`, and any batch that no task has.
pub const ALL_SAMPLES: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_columns() {
        for (i, axis) in TABLE.iter().enumerate() {
            assert_eq!(axis.id as usize, i, "{}", axis.name());
        }
    }

    #[test]
    fn every_default_is_of_its_axis() {
        for axis in &TABLE {
            let fits = match (&axis.kind, axis.default) {
                (_, None) | (Kind::Boolean, Some(Value::Boolean(_))) => true,
                (Kind::Choice { names, .. }, Some(Value::Text(text))) => names.contains(&text),
                (Kind::Integer { min, max }, Some(Value::Integer(i))) => (*min..=*max).contains(&i),
                (Kind::Float { range }, Some(Value::Float(x))) => (range.holds)(x),
                (_, Some(_)) => false,
            };
            assert!(fits, "{}", axis.name());
        }
    }
}
