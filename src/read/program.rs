//! The program of a run directory that was made of logs. It runs in the directory, is told the name
//! of a log as a trial, and says its records: the lines are those of docs/program.md.

use super::columns::{Asked, Entry};
use crate::program::PROTOCOL;
use blowup_core::failure::Failure;
use blowup_core::input;
use blowup_core::output::bytes;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};

/// The file of the directory that has the path of each log by its name.
pub const LOGS: &str = "logs.json";

/// The axis whose values are the names of the logs.
pub const AXIS: &str = "log";

/// Says the records of each log that it is told, until stdin ends.
///
/// # Errors
/// If the file of paths cannot be read, or a line is no trial.
pub fn run(asked: &Asked) -> Result<(), Failure> {
    let paths = paths(Path::new(LOGS))?;
    let broken = |error: io::Error| Failure::new(format!("the pipe to the sweep is broken: {error}"));
    let mut out = io::BufWriter::new(bytes());
    let mut say = |lines: &[Value]| {
        lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush()).map_err(broken)
    };
    say(&[json!({ "ready": PROTOCOL })])?;
    for line in io::stdin().lock().lines() {
        let trial: Value = serde_json::from_str(&line.map_err(broken)?)
            .map_err(|error| Failure::new(format!("this is no trial: {error}")))?;
        let begin = json!({ "begin": trial["trial"] });
        let name = trial["axes"][AXIS].as_str().unwrap_or_default();
        let entries = match paths.get(name) {
            Some(path) => super::read(path, asked),
            None => Err(Failure::new(format!("`{LOGS}` has no log `{name}`"))),
        };
        match entries {
            Err(failure) => say(&[begin, json!({ "error": failure.to_string() })])?,
            Ok(entries) => {
                let steps = entries.iter().enumerate().map(|(epoch, entry)| step(epoch, entry));
                say(&[begin].into_iter().chain(steps).chain([json!({ "done": {} })]).collect::<Vec<_>>())?;
            }
        }
    }
    Ok(())
}

/// The paths of the logs by their names.
fn paths(file: &Path) -> Result<BTreeMap<String, PathBuf>, Failure> {
    let text = input::text(file)?.unwrap_or_default();
    serde_json::from_str(&text).map_err(|error| Failure::new(format!("`{}`: {error}", file.display())))
}

/// A record as a step. Each record is an epoch of its own, since a log has the mean of many steps
/// or some of them.
fn step(epoch: usize, entry: &Entry) -> Value {
    let mut step = json!({ "loss": number(entry.loss), "epoch": epoch });
    for (name, value) in [("grad_norm", entry.grad_norm), ("lr", entry.lr)] {
        if let Some(value) = value {
            step[name] = number(value);
        }
    }
    json!({ "step": step })
}

fn number(x: f64) -> Value {
    match x {
        x if x.is_finite() => json!(x),
        x if x.is_nan() => json!("nan"),
        x => json!(if x > 0.0 { "inf" } else { "-inf" }),
    }
}
