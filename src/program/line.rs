//! The lines of JSON between blowup and a program.

use blowup_core::axis::Id;
use blowup_core::trial::{Budget, Trial, Value};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json, json};
use std::fmt;

/// What a program says, a line each.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Once, before anything else: the version of these lines.
    Ready(u32),
    /// Before the first step of a trial, if there is something to say.
    Start(SaidStart),
    Step(SaidStep),
    /// The trial is over.
    Done(SaidDone),
    /// The trial has failed, which is no divergence; the program goes on with the next one.
    Error(String),
}

/// What is known before the first update.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SaidStart {
    /// Over all training data.
    pub loss: Option<SaidNumber>,
    /// Of the best constant prediction.
    pub loss_trivial: Option<SaidNumber>,
    pub weight_norm: Option<SaidNumber>,
}

/// One step: its loss and gradient as they are before the update, which follows it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaidStep {
    pub loss: SaidNumber,
    #[serde(default)]
    pub grad_norm: Option<SaidNumber>,
    /// From 0.
    #[serde(default)]
    pub epoch: Option<u64>,
    /// Samples of the batch, which weigh the step in the loss of its epoch.
    #[serde(default)]
    pub samples: Option<u64>,
    #[serde(default)]
    pub clipped: Option<bool>,
    #[serde(default)]
    pub update_norm: Option<SaidNumber>,
    /// After the update.
    #[serde(default)]
    pub weight_norm: Option<SaidNumber>,
    #[serde(default)]
    pub lr: Option<SaidNumber>,
    /// Where the first value that is not finite was: the module, and the line of code.
    #[serde(default)]
    pub module: Option<String>,
    #[serde(default)]
    pub source: Option<String>,
}

/// The end of a trial.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SaidDone {
    /// Over all training data, after the last update.
    pub loss: Option<SaidNumber>,
}

/// A number; what is not finite is no JSON number and travels as text: "nan", "inf", "-inf".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SaidNumber(pub f64);

impl<'de> Deserialize<'de> for SaidNumber {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<SaidNumber, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = SaidNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or \"nan\", \"inf\" or \"-inf\"")
            }

            fn visit_f64<E: de::Error>(self, x: f64) -> Result<SaidNumber, E> {
                Ok(SaidNumber(x))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<SaidNumber, E> {
                Ok(SaidNumber(n as f64))
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<SaidNumber, E> {
                Ok(SaidNumber(n as f64))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SaidNumber, E> {
                match text.to_ascii_lowercase().as_str() {
                    "nan" => Ok(SaidNumber(f64::NAN)),
                    "inf" | "infinity" => Ok(SaidNumber(f64::INFINITY)),
                    "-inf" | "-infinity" => Ok(SaidNumber(f64::NEG_INFINITY)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        from.deserialize_any(Any)
    }
}

impl SaidNumber {
    /// Of one that may not be said.
    pub fn of(said: Option<SaidNumber>) -> Option<f64> {
        said.map(|number| number.0)
    }
}

/// What a program is told of a trial.
pub fn of(trial: &Trial) -> String {
    let values = trial.given.iter().flat_map(|given| given.values());
    let axes: Map<String, Json> = values.map(|(name, value)| (name.to_owned(), json_of(name, value))).collect();
    let (unit, budget) = match trial.budget {
        Budget::Epochs(epochs) => ("epochs", epochs),
        Budget::Steps(steps) => ("steps", steps),
    };
    json!({ "trial": trial.id().to_string(), "label": trial.label, "seed": trial.seed, unit: budget, "axes": axes })
        .to_string()
}

fn json_of(axis: &str, value: Value) -> Json {
    match value {
        Value::Text(text) => json!(text),
        Value::Integer(blowup_core::axis::ALL_SAMPLES) if axis == Id::Batch.name() => json!("all"),
        Value::Integer(n) => json!(n),
        Value::Float(x) if x.is_finite() => json!(x),
        Value::Float(x) if x.is_nan() => json!("nan"),
        Value::Float(x) => json!(if x > 0.0 { "inf" } else { "-inf" }),
        Value::Boolean(b) => json!(b),
    }
}
