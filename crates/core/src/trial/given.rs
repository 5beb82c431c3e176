//! What a spec gives a trial that a program of the user's own trains.

use super::Value;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What a spec gives a program for one trial: the axes that it sets and nothing else, since what
/// they mean, and what the others are, is the program's own business. The axes are named, so that a
/// trial means the same in every process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// The program, as it enters the identity of the trial.
    pub program: String,
    /// The built-in axes that have a value, in the order of the columns.
    pub built_in: Vec<(Cow<'static, str>, Value)>,
    /// Every axis that the spec declares, in the order of the columns.
    pub declared: Vec<(Cow<'static, str>, Option<Value>)>,
}

impl Given {
    /// The value of an axis; `None` where the spec does not set it.
    pub fn value(&self, axis: &str) -> Option<Value> {
        self.values().find(|(name, _)| *name == axis).map(|(_, value)| value)
    }

    /// The axes that have a value, in the order of the columns.
    pub fn values(&self) -> impl Iterator<Item = (&str, Value)> {
        let declared = self.declared.iter().filter_map(|(name, value)| Some((&**name, (*value)?)));
        self.built_in.iter().map(|(name, value)| (&**name, *value)).chain(declared)
    }
}
