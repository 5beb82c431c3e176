//! What a spec gives a trial that a program of the user's own trains.

use super::Value;
use crate::axis::{Declared, Id};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a spec gives a program for one trial: the axes that it sets and nothing else, since what
/// they mean, and what the others are, is the program's own business.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// The program, as it enters the identity of the trial.
    pub program: String,
    /// The built-in axes that have a value, then every declared axis, each in the order of the
    /// columns.
    pub cells: Vec<(Id, Option<Value>)>,
}

impl Given {
    /// The value of an axis; `None` where the spec does not set it.
    pub fn value(&self, id: Id) -> Option<Value> {
        self.cells.iter().find(|(axis, _)| *axis == id)?.1
    }

    /// The declared axes, in the order of their columns.
    pub fn declared(&self) -> impl Iterator<Item = (Id, Option<Value>)> {
        self.cells.iter().filter(|(id, _)| id.place().is_none()).copied()
    }

    /// The axes that have a value.
    pub fn values(&self) -> impl Iterator<Item = (Id, Value)> {
        self.cells.iter().filter_map(|(id, value)| Some((*id, (*value)?)))
    }
}

/// An axis as it goes to another process: a built-in one by its name.
#[derive(Serialize, Deserialize)]
enum Sent {
    BuiltIn(String),
    Declared(Declared),
}

impl Serialize for Given {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let sent = |id: Id| Declared::of(id).map_or_else(|| Sent::BuiltIn(id.name().to_owned()), Sent::Declared);
        let cells: Vec<(Sent, Option<Value>)> = self.cells.iter().map(|(id, value)| (sent(*id), *value)).collect();
        (&self.program, cells).serialize(to)
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Given, D::Error> {
        use crate::axis::Axis;
        use serde::de::Error;
        let (program, sent): (String, Vec<(Sent, Option<Value>)>) = Deserialize::deserialize(from)?;
        let axis = |sent: Sent| match sent {
            Sent::BuiltIn(name) => Axis::find(&name).map(|axis| axis.id),
            Sent::Declared(declared) => declared.id(),
        };
        let cell = |(sent, value)| Some((axis(sent)?, value));
        let cells: Option<Vec<(Id, Option<Value>)>> = sent.into_iter().map(cell).collect();
        Ok(Given { program, cells: cells.ok_or_else(|| D::Error::custom("an axis that nobody knows"))? })
    }
}
