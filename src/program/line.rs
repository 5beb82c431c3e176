//! The lines of JSON between blowup and a program.

use blowup_core::axis::Id;
use blowup_core::trial::{Budget, Trial, Value};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json, json};
use std::fmt;

/// A message from a program. Each is one line.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgramMessage {
    /// The program is ready. This is its first message, and has the version of these lines.
    Ready(u32),
    /// The id of a trial, as the program was told it. It comes first of each trial: without it, a
    /// line that is left over from one trial would be taken for one of the next.
    Begin(String),
    /// What is known before the first step of a trial. A program may leave it out.
    Start(StartMessage),
    Step(StepMessage),
    /// The trial is over.
    Done(DoneMessage),
    /// The trial has failed, which is no divergence. The program can train the next one.
    Error(String),
}

/// What a program tells before the first update.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StartMessage {
    /// The loss over all training data.
    pub loss: Option<MessageNumber>,
    /// The loss of the best constant prediction.
    pub loss_trivial: Option<MessageNumber>,
    pub weight_norm: Option<MessageNumber>,
}

/// What a program tells of one step. The loss and the gradient are those before the update.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepMessage {
    pub loss: MessageNumber,
    #[serde(default)]
    pub grad_norm: Option<MessageNumber>,
    /// The epoch of the step, counted from 0.
    #[serde(default)]
    pub epoch: Option<u64>,
    /// How many samples the batch has. This is the weight of the step in the mean loss of its
    /// epoch.
    #[serde(default)]
    pub samples: Option<u64>,
    #[serde(default)]
    pub clipped: Option<bool>,
    #[serde(default)]
    pub update_norm: Option<MessageNumber>,
    /// The norm of the weights after the update.
    #[serde(default)]
    pub weight_norm: Option<MessageNumber>,
    #[serde(default)]
    pub lr: Option<MessageNumber>,
    /// Where the first value that is not finite was: the module, and the line of code.
    #[serde(default)]
    pub module: Option<String>,
    #[serde(default)]
    pub source: Option<String>,
}

/// What a program tells at the end of a trial.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DoneMessage {
    /// The loss over all training data after the last update.
    pub loss: Option<MessageNumber>,
}

/// A number. JSON has no numbers that are not finite, so they are texts: "nan", "inf" and "-inf".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MessageNumber(pub f64);

impl<'de> Deserialize<'de> for MessageNumber {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<MessageNumber, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = MessageNumber;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, or \"nan\", \"inf\" or \"-inf\"")
            }

            fn visit_f64<E: de::Error>(self, x: f64) -> Result<MessageNumber, E> {
                Ok(MessageNumber(x))
            }

            fn visit_i64<E: de::Error>(self, n: i64) -> Result<MessageNumber, E> {
                Ok(MessageNumber(n as f64))
            }

            fn visit_u64<E: de::Error>(self, n: u64) -> Result<MessageNumber, E> {
                Ok(MessageNumber(n as f64))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<MessageNumber, E> {
                match text.to_ascii_lowercase().as_str() {
                    "nan" => Ok(MessageNumber(f64::NAN)),
                    "inf" | "infinity" => Ok(MessageNumber(f64::INFINITY)),
                    "-inf" | "-infinity" => Ok(MessageNumber(f64::NEG_INFINITY)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        from.deserialize_any(Any)
    }
}

impl MessageNumber {
    /// The number, if it was told.
    pub fn of(said: Option<MessageNumber>) -> Option<f64> {
        said.map(|number| number.0)
    }
}

/// The line that hands a trial to a program.
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
