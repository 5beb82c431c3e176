//! What makes two trials the same run: a hash of every field that changes the meaning of a trial, and of nothing else.

use super::{Budget, Init, Network, Parametrization, Sampling, Schedule, Trial};
use crate::axes::{self, Value};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// `t` and 12 hexadecimal digits: a hash of everything that changes the meaning of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrialId(u64);

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{:012x}", self.0)
    }
}

impl TrialId {
    pub fn parse(text: &str) -> Option<TrialId> {
        let digits = text.strip_prefix('t')?;
        let hexadecimal = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() != 12 || !hexadecimal {
            return None;
        }
        u64::from_str_radix(digits, 16).ok().map(TrialId)
    }
}

/// The axes whose value is always part of an identity, where they apply.
const IDENTITY: [&str; 26] = [
    "network",
    "depth",
    "width",
    "activation",
    "negative_slope",
    "init",
    "init_scale",
    "bias",
    "bias_std",
    "norm",
    "norm_position",
    "loss",
    "optimizer",
    "momentum",
    "nesterov",
    "beta1",
    "beta2",
    "eps",
    "alpha",
    "lr",
    "clip",
    "clip_threshold",
    "weight_decay",
    "batch",
    "sequence_length",
    "dtype",
];

impl Trial {
    /// The hash of `identity`.
    pub fn id(&self) -> TrialId {
        let hash = Sha256::digest(self.identity().as_bytes());
        let first: [u8; 8] = hash[..8].try_into().expect("a SHA-256 has 32 bytes");
        TrialId(u64::from_be_bytes(first) >> 16)
    }

    /// Every field that changes the run, as text. Names and order are written out here, so that renaming a field changes no id. An axis added
    /// later is appended only where it is not at its default, so the ids of existing sweeps stay.
    fn identity(&self) -> String {
        use fmt::Write;
        let mut text = String::with_capacity(512);
        let mut put = |name: &str, value: &dyn fmt::Debug| {
            let _ = write!(text, "{name}={value:?};");
        };
        let task = &self.task;
        put("task", &task.kind.name());
        put("inputs", &task.inputs);
        put("outputs", &task.outputs);
        put("samples", &task.samples);
        put("input_std", &task.input_std);
        if let Some(csv) = &task.csv {
            put("csv", &(&csv.sha256, &csv.target, &csv.features, csv.standardize));
        }
        match self.budget {
            Budget::Epochs(epochs) => put("epochs", &epochs),
            Budget::Steps(steps) => put("steps", &steps),
        }
        put("loss_ratio", &self.loss_ratio);
        for axis in IDENTITY {
            match axes::value(self, axis) {
                Some(Value::Text(value)) => put(axis, &value),
                Some(Value::Integer(value)) => put(axis, &value),
                Some(Value::Float(value)) => put(axis, &value),
                Some(Value::Boolean(value)) => put(axis, &value),
                None => {}
            }
        }
        // Axes that came later.
        if self.network.residual() {
            put("residual", &true);
        }
        if let Network::Gated { forget_bias, .. } = self.network
            && forget_bias != 0.0
        {
            put("forget_bias", &forget_bias);
        }
        if self.parametrization != Parametrization::Standard {
            put("parametrization", &self.parametrization.name());
        }
        if self.init.offset != 0.0 {
            put("init_offset", &self.init.offset);
        }
        if let Some(lr) = self.lr_output {
            put("lr_output", &lr);
        }
        if self.schedule != Schedule::Constant {
            put("schedule", &self.schedule.name());
            put("warmup", &self.schedule.warmup());
        }
        if let Some(Init { kind, scale, .. }) = self.recurrent_init {
            put("recurrent_init", &(kind.name(), scale));
        }
        if self.sampling != Sampling::Shuffle {
            put("sampling", &self.sampling.name());
        }
        if let Some(seed) = self.data_seed {
            put("data_seed", &seed);
        }
        put("seed", &self.seed);
        text
    }
}
