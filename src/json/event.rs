//! The events that a command tells on standard error while it runs.

use super::line;
use blowup_core::failure::{Failure, Told};
use blowup_core::log::Logged;
use blowup_core::record::Counts;
use serde::Serialize;
use tracing::Level;

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A sweep begins to train.
    Start(StartEvent),
    /// How far the sweep is.
    Progress(ProgressEvent),
    /// The workers of the sweep have ended.
    End(EndEvent),
    Warning(Message),
    /// The command cannot run or go on. A spec with several mistakes has an event for each.
    Error(Message),
    /// Anything else, in words.
    Note(Message),
    /// What `RUST_LOG` asks for.
    Log(LogEvent),
}

#[derive(Debug, Serialize)]
pub struct StartEvent {
    pub name: String,
    /// The folder of the results.
    pub out: String,
    /// The trials that are selected; `trials` of them are to run.
    pub selected: u64,
    pub trials: u64,
    pub chunks: u64,
    pub workers: u64,
}

#[derive(Debug, Serialize)]
pub struct ProgressEvent {
    /// The trials that were to run, and those that are done, by their verdicts.
    pub trials: u64,
    pub done: Counts,
    /// The seconds since the start, and those that are probably left.
    pub seconds: f64,
    pub seconds_left: f64,
}

#[derive(Debug, Serialize)]
pub struct EndEvent {
    pub trials: u64,
    pub done: Counts,
    pub seconds: f64,
    /// Whether it ended before all trials were done.
    pub interrupted: bool,
}

/// A message, with its place in a file where it has one.
#[derive(Debug, Default, Serialize)]
pub struct Message {
    pub message: String,
    pub hint: Option<String>,
    pub file: Option<String>,
    /// These count from 1.
    pub line: Option<usize>,
    pub column: Option<usize>,
}

#[derive(Debug, Serialize)]
pub struct LogEvent {
    pub level: String,
    pub message: String,
}

/// The line for what the program logs.
pub fn logged(Logged { level, message, hint }: Logged) -> String {
    line(&match level {
        Level::WARN => Event::Warning(Message::new(message, hint)),
        _ => Event::Log(LogEvent { level: level.to_string().to_lowercase(), message }),
    })
}

impl Message {
    /// A message without a place.
    pub fn new(message: impl Into<String>, hint: Option<String>) -> Message {
        Message { message: message.into(), hint, ..Message::default() }
    }

    /// Everything that a failure says.
    pub fn of(failure: &Failure) -> Vec<Message> {
        failure.told().into_iter().map(Message::from).collect()
    }
}

impl From<Told> for Message {
    fn from(told: Told) -> Message {
        let Told { message, hint, place } = told;
        let (file, line, column) =
            place.map_or((None, None, None), |(file, line, column)| (Some(file), Some(line), Some(column)));
        Message { message, hint, file, line, column }
    }
}
