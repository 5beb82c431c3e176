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
    /// Of its text.
    pub const LENGTH: usize = 13;

    /// 48 bits, as good as random.
    pub fn bits(self) -> u64 {
        self.0
    }

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
        self.digest().0
    }

    /// The id, and 64 further bits of the same hash: two trials that share an id are the same trial only if they share these too.
    pub fn digest(&self) -> (TrialId, u64) {
        let hash = Sha256::digest(self.identity());
        let word = |at: usize| u64::from_be_bytes(hash[at..at + 8].try_into().expect("a SHA-256 has 32 bytes"));
        (TrialId(word(0) >> 16), word(8))
    }

    /// Every field that changes the run, as text. Names and order are written out here, so that renaming a field changes no id. An axis added
    /// later is appended only where it is not at its default, so the ids of existing sweeps stay.
    fn identity(&self) -> Vec<u8> {
        use Value::{Boolean, Float, Integer, Text};
        let mut text = Vec::with_capacity(512);
        let task = &self.task;
        put(&mut text, "task", Text(task.kind.name()));
        put(&mut text, "inputs", Integer(task.inputs as u64));
        put(&mut text, "outputs", Integer(task.outputs as u64));
        put(&mut text, "samples", Integer(task.samples as u64));
        put(&mut text, "input_std", Float(task.input_std));
        if let Some(csv) = &task.csv {
            put_debug(&mut text, "csv", &(&csv.sha256, &csv.target, &csv.features, csv.standardize));
        }
        match self.budget {
            Budget::Epochs(epochs) => put(&mut text, "epochs", Integer(epochs)),
            Budget::Steps(steps) => put(&mut text, "steps", Integer(steps)),
        }
        put(&mut text, "loss_ratio", Float(self.loss_ratio));
        for axis in IDENTITY {
            if let Some(value) = axes::value(self, axis) {
                put(&mut text, axis, value);
            }
        }
        // What came later.
        if let Some(csv) = task.csv.as_ref().filter(|csv| csv.separator != ',') {
            put_debug(&mut text, "separator", &csv.separator);
        }
        if self.network.residual() {
            put(&mut text, "residual", Boolean(true));
        }
        if let Network::Gated { forget_bias, .. } = self.network
            && forget_bias != 0.0
        {
            put(&mut text, "forget_bias", Float(forget_bias));
        }
        if self.parametrization != Parametrization::Standard {
            put(&mut text, "parametrization", Text(self.parametrization.name()));
        }
        if self.init.offset != 0.0 {
            put(&mut text, "init_offset", Float(self.init.offset));
        }
        if let Some(lr) = self.lr_output {
            put(&mut text, "lr_output", Float(lr));
        }
        if self.schedule != Schedule::Constant {
            put(&mut text, "schedule", Text(self.schedule.name()));
            put_debug(&mut text, "warmup", &self.schedule.warmup());
        }
        if let Some(Init { kind, scale, .. }) = self.recurrent_init {
            put_debug(&mut text, "recurrent_init", &(kind.name(), scale));
        }
        if self.sampling != Sampling::Shuffle {
            put(&mut text, "sampling", Text(self.sampling.name()));
        }
        if let Some(seed) = self.data_seed {
            put(&mut text, "data_seed", Integer(seed));
        }
        put(&mut text, "seed", Integer(self.seed));
        text
    }
}

fn put(text: &mut Vec<u8>, name: &str, value: Value) {
    text.extend_from_slice(name.as_bytes());
    text.push(b'=');
    let quote: &[u8] = if matches!(value, Value::Text(_)) { b"\"" } else { b"" };
    text.extend_from_slice(quote);
    value.put(text);
    text.extend_from_slice(quote);
    text.push(b';');
}

fn put_debug(text: &mut Vec<u8>, name: &str, value: &dyn fmt::Debug) {
    use std::io::Write;
    write!(text, "{name}={value:?};").expect("writing to memory");
}
