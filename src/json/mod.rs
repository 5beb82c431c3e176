//! What a command says to programs under `--json`: one document on standard output, and a line for
//! each event on standard error. docs/json.md describes them, and docs/json.schema.json is their
//! JSON Schema. Names and meanings stay; what is new is added.

pub mod check;
pub mod event;
pub mod plan;
pub mod shards;
pub mod swept;

use blowup_core::record::float;
use serde::{Serialize, Serializer};

/// The version of documents and events. It is raised when a program for those as they are would
/// misread the new ones.
pub const FORMAT: u32 = 1;

/// A document on standard output. Its `kind` says which.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Document {
    /// What `blowup sweep --dry-run` would do.
    Plan(plan::PlanDocument),
    /// How `blowup sweep` ended.
    Sweep(swept::SweptDocument),
    /// What `blowup merge` wrote.
    Merge(swept::SweptDocument),
    /// What `blowup check` found.
    Check(check::CheckDocument),
    /// What `blowup slurm --status` tells.
    Shards(shards::ShardsDocument),
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    format: u32,
    #[serde(flatten)]
    of: &'a T,
}

impl Document {
    /// The document as text, which ends with a line break.
    pub fn text(&self) -> String {
        let document = Versioned { format: FORMAT, of: self };
        serde_json::to_string_pretty(&document).expect("a document is plain data") + "\n"
    }
}

/// An event on one line, without a line break.
pub fn line(event: &event::Event) -> String {
    serde_json::to_string(&Versioned { format: FORMAT, of: event }).expect("an event is plain data")
}

/// A number. NaN and the infinities are no numbers of JSON, so they are the texts "NaN", "inf" and
/// "-inf".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { to.serialize_f64(self.0) } else { to.serialize_str(&float(self.0)) }
    }
}

/// Names with values, as texts of the CSV files. They are an object, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells(pub Vec<(&'static str, String)>);

impl Serialize for Cells {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
