//! Logs that other tools have written become a run directory. A log is a table of numbers by name
//! (`Table`, from one of the formats), of which the loss, the gradient norm and the learning rate
//! are taken ([`columns`]). The directory is that of a sweep whose program is blowup itself, which
//! tells a log record by record ([`program`]): so the verdicts, the files, the report and the gate
//! are those of any sweep.

pub mod columns;
pub mod find;
pub mod program;

mod json;
mod separated;
mod tensorboard;

use blowup_core::failure::Failure;
use blowup_core::input;
use columns::{Asked, Entry};
use std::collections::BTreeMap;
use std::path::Path;

/// The format of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `trainer_state.json` of the trainer of Hugging Face, whose `log_history` is the log.
    TrainerState,
    /// An object of JSON in each line.
    JsonLines,
    /// A header and rows, as the loggers of Lightning and Keras write them.
    Separated,
    /// An event file of TensorBoard.
    TensorBoard,
}

impl Format {
    /// The format of a file of this name. `None` if it is no log.
    pub fn of(name: &str) -> Option<Format> {
        let ends = |with: &str| name.ends_with(with);
        if name.contains(".tfevents.") {
            Some(Format::TensorBoard)
        } else if ends(".jsonl") || ends(".ndjson") {
            Some(Format::JsonLines)
        } else if ends(".json") {
            Some(Format::TrainerState)
        } else if ends(".csv") || ends(".tsv") {
            Some(Format::Separated)
        } else {
            None
        }
    }

    /// What the format is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Format::TrainerState => "trainer state",
            Format::JsonLines => "JSON lines",
            Format::Separated => "CSV",
            Format::TensorBoard => "TensorBoard events",
        }
    }
}

/// The numbers of a log: a map for each record, in the order of the file.
pub type Table = Vec<BTreeMap<String, f64>>;

/// Reads the records of a log that have a loss.
///
/// # Errors
/// If the file cannot be read, is of no known format, or has no loss; the message names the columns
/// that there are.
pub fn read(path: &Path, asked: &Asked) -> Result<Vec<Entry>, Failure> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let Some(format) = Format::of(&name) else {
        return Err(Failure::new(format!("`{}` is no log that can be read", path.display()))
            .hint("there are trainer_state.json, .jsonl, .csv, .tsv and event files of TensorBoard"));
    };
    let (_, bytes) = input::data(path).map_err(|error| Failure::io("read", path, &error))?;
    let table = match format {
        Format::TrainerState => json::trainer_state(&bytes),
        Format::JsonLines => json::lines(&bytes),
        Format::Separated => separated::table(&bytes),
        Format::TensorBoard => tensorboard::table(&bytes),
    };
    let damaged = |what: String| Failure::new(format!("`{}` is no {}: {what}", path.display(), format.name()));
    columns::entries(&table.map_err(damaged)?, asked, path)
}
