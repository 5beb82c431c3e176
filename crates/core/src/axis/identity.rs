//! What makes two trials the same run: a hash of every field that changes the meaning of a trial,
//! and of nothing else.

use super::{Axis, Id, Identity, TABLE};
use crate::trial::{Budget, Given, InitKind, Source, Trial, TrialId, Value};
use sha2::{Digest, Sha256};
use std::fmt;

impl Trial {
    /// The id of the trial, which is a hash of its identity.
    pub fn id(&self) -> TrialId {
        self.digest().0
    }

    /// The id, and 64 further bits of the same hash. Two trials with one id are the same trial only
    /// if they share these bits, too.
    pub fn digest(&self) -> (TrialId, u64) {
        UnseededHash::of(self).digest(self.seed)
    }

    /// The hash that trials share which differ from this one in their seeds alone. It is `None`
    /// where the data has a seed of its own, which is a part of the identity of those trials alone
    /// whose seed is another.
    pub fn shared_hash(&self) -> Option<UnseededHash> {
        self.data_seed.is_none().then(|| UnseededHash::of(self))
    }

    /// The text of every field that changes the run, but for the seed, which stands behind it. An
    /// axis that was added later is appended only where it is not at its default, so the ids of
    /// existing sweeps stay as they are.
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other axis means what it says")]
    fn unseeded_identity(&self) -> Vec<u8> {
        use Value::{Float, Integer, Text};
        let mut text = Vec::with_capacity(512);
        if let Some(given) = &self.given {
            self.put_given(given, &mut text);
            return text;
        }
        let task = &self.task;
        let stored = self.init.kind == InitKind::Stored;
        if let Some(bundle) = task.bundle() {
            put_text(&mut text, "bundle", format_args!("{:?}", bundle.sha256));
            if !stored {
                put_text(&mut text, "initialized", format_args!("{:?}", bundle.initialized));
            }
        } else {
            put(&mut text, "task", Text(task.kind.name()));
            put(&mut text, "inputs", Integer(task.inputs as u64));
            put(&mut text, "outputs", Integer(task.outputs as u64));
            put(&mut text, "samples", Integer(task.samples as u64));
            put(&mut text, "input_std", Float(task.input_std));
        }
        if let Source::Csv(csv) = &task.source {
            put_text(
                &mut text,
                "csv",
                format_args!("{:?}", (&csv.sha256, &csv.target, &csv.features, csv.standardize)),
            );
        }
        self.put_budget(&mut text);
        put(&mut text, "loss_ratio", Float(self.loss_ratio));
        // The name of a bundle is its path, which means nothing. Nor does it that `init` leaves its
        // weights as they are.
        let means = |axis: &&Axis| match axis.id {
            Id::Network => task.bundle().is_none(),
            Id::Init => !stored,
            _ => true,
        };
        for axis in TABLE.iter().filter(|axis| matches!(axis.identity, Identity::Always)).filter(means) {
            if let Some(value) = (axis.get)(self) {
                put(&mut text, axis.name, value);
            }
        }
        if let Source::Arrays(arrays) = &task.source {
            let targets = arrays.targets_file.as_ref().map(|(_, sha256)| sha256);
            let contents = (&arrays.sha256, &arrays.inputs, &arrays.targets, targets, arrays.standardize);
            put_text(&mut text, "arrays", format_args!("{contents:?}"));
        }
        if let Source::Text(file) = &task.source {
            put_text(&mut text, "text", format_args!("{:?}", file.sha256));
        }
        if let Source::Csv(csv) = &task.source
            && csv.separator != ','
        {
            put_text(&mut text, "separator", format_args!("{:?}", csv.separator));
        }
        for axis in ADDED.iter().map(|at| &TABLE[*at]) {
            match axis.identity {
                Identity::Written(_, written) => {
                    if let Some(written) = written(self) {
                        put_text(&mut text, axis.name, format_args!("{written}"));
                    }
                }
                Identity::Added(_) => {
                    let value = (axis.get)(self).filter(|value| axis.default_in(self) != Some(*value));
                    if let Some(value) = value {
                        put(&mut text, axis.name, value);
                    }
                }
                Identity::Always | Identity::Within(_) | Identity::Last => {}
            }
        }
        text
    }

    fn put_budget(&self, text: &mut Vec<u8>) {
        match self.budget {
            Budget::Epochs(epochs) => put(text, "epochs", Value::Integer(epochs)),
            Budget::Steps(steps) => put(text, "steps", Value::Integer(steps)),
        }
    }

    /// Puts the program and the axes that have a value, which are all of a program's trial. A text
    /// is quoted, so that no value can look like another axis.
    fn put_given(&self, given: &Given, text: &mut Vec<u8>) {
        put_text(text, "program", format_args!("{:?}", given.program));
        self.put_budget(text);
        put(text, "loss_ratio", Value::Float(self.loss_ratio));
        // The order of a declaration is no part of what a trial is.
        let mut values: Vec<_> = given.values().collect();
        values.sort_by_key(|(name, _)| {
            (Axis::find(name).map_or(TABLE.len(), |axis| axis.id.place().unwrap_or(0)), *name)
        });
        for (name, value) in values {
            match value {
                Value::Text(value) => put_text(text, name, format_args!("{value:?}")),
                value @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_)) => put(text, name, value),
            }
        }
    }
}

/// The hash of a trial's identity before the seed is added to it.
#[derive(Debug, Clone)]
pub struct UnseededHash(Sha256);

impl UnseededHash {
    fn of(trial: &Trial) -> UnseededHash {
        UnseededHash(Sha256::new_with_prefix(trial.unseeded_identity()))
    }

    /// What `Trial::digest` is with this seed.
    pub fn digest(&self, seed: u64) -> (TrialId, u64) {
        let mut text = Vec::with_capacity(32);
        put(&mut text, "seed", Value::Integer(seed));
        let hash = self.0.clone().chain_update(text).finalize();
        let word = |at: usize| u64::from_be_bytes(hash[at..at + 8].try_into().expect("a SHA-256 has 32 bytes"));
        (TrialId::of(word(0) >> 16), word(8))
    }
}

/// The rank of an axis that was added later; `None` for the others.
const fn rank(identity: &Identity) -> Option<u8> {
    match identity {
        Identity::Added(rank) | Identity::Written(rank, _) => Some(*rank),
        Identity::Always | Identity::Within(_) | Identity::Last => None,
    }
}

/// The number of axes that were added later.
const COUNT: usize = {
    let (mut count, mut i) = (0, 0);
    while i < TABLE.len() {
        count += rank(&TABLE[i].identity).is_some() as usize;
        i += 1;
    }
    count
};

/// The positions of the axes that were added later, in the order in which they were added. Their
/// ranks begin at 1 and have no gap.
const ADDED: [usize; COUNT] = {
    let (mut added, mut i) = ([usize::MAX; COUNT], 0);
    while i < TABLE.len() {
        if let Some(rank) = rank(&TABLE[i].identity) {
            assert!(added[rank as usize - 1] == usize::MAX, "two axes of one rank");
            added[rank as usize - 1] = i;
        }
        i += 1;
    }
    added
};

fn put(text: &mut Vec<u8>, name: &str, value: Value) {
    text.extend_from_slice(name.as_bytes());
    text.push(b'=');
    let quote: &[u8] = if matches!(value, Value::Text(_)) { b"\"" } else { b"" };
    text.extend_from_slice(quote);
    value.put(text);
    text.extend_from_slice(quote);
    text.push(b';');
}

fn put_text(text: &mut Vec<u8>, name: &str, written: fmt::Arguments<'_>) {
    use std::io::Write;
    write!(text, "{name}={written};").expect("writing to memory");
}
