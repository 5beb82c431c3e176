//! Turns results into lines of CSV. An absent value is empty, never 0. A float is written in its
//! shortest exact form, which always has a `.` or an exponent. A float that is not finite is `inf`,
//! `-inf` or `NaN`.

use super::column::{Column, Get};
use super::runs::{FRONT, MEASURED, VERDICT};
use super::sides::{EPOCH, LAYER, STEP};
use super::{Lost, Section, Verdict};
use crate::axis::TABLE;
use crate::trial::{Trial, TrialId, Value};
use crate::verdict::{Finished, LayerRow, Measured};
use std::io::Write as _;

/// One line of CSV with its line end. A field is quoted where it needs to be.
pub fn line<I: IntoIterator<Item = T>, T: AsRef<[u8]>>(fields: I) -> Vec<u8> {
    let mut cells = CsvLines::new();
    fields.into_iter().for_each(|field| cells.bytes(field.as_ref()));
    cells.end_line();
    cells.text
}

/// The shortest text that reads back as the same number.
pub fn float(x: f64) -> String {
    // Rust's `{:?}` has exactly the form that the files promise: 1.0, 1e16, 1e-7, inf, NaN.
    format!("{x:?}")
}

/// The row of a trial that was trained.
pub fn run_row(trial: &Trial, measured: &Measured) -> Vec<u8> {
    row(trial, Verdict::Outcome(measured.outcome), Some(measured))
}

/// The row of a trial without a verdict: its configuration and the reason.
pub fn lost_row(trial: &Trial, lost: Lost) -> Vec<u8> {
    row(trial, Verdict::Lost(lost), None)
}

fn row(trial: &Trial, verdict: Verdict, measured: Option<&Measured>) -> Vec<u8> {
    let mut cells = CsvLines::new();
    for part in Section::ALL {
        match part {
            Section::Trial => cells.trial(trial.id()),
            Section::Front => cells.put(&FRONT, Some(trial)),
            Section::Axes => TABLE.iter().for_each(|axis| cells.value(axis.id.of(trial))),
            Section::Verdict => cells.put(&VERDICT, Some(&verdict)),
            Section::Measured => cells.put(&MEASURED, measured),
        }
    }
    trial.given.iter().flat_map(|given| &given.declared).for_each(|(_, value)| cells.value(*value));
    cells.end_line();
    cells.text
}

/// The trial's lines of each of `SIDES`.
pub fn side_rows(trial: &Trial, finished: &Finished) -> [Vec<u8>; 3] {
    let Finished { measured: _, epochs, layers, steps } = finished;
    if epochs.is_empty() && layers.is_empty() && steps.is_empty() {
        return Default::default();
    }
    let id = trial.id();
    [lines(id, &EPOCH, epochs), lines(id, &LAYER, layers), lines(id, &STEP, steps)]
}

/// The lines of `layers.csv` for these rows.
pub fn layer_rows(trial: TrialId, rows: &[LayerRow]) -> Vec<u8> {
    lines(trial, &LAYER, rows)
}

fn lines<T>(trial: TrialId, columns: &[Column<T>], rows: &[T]) -> Vec<u8> {
    let mut cells = CsvLines { text: Vec::new() };
    for row in rows {
        cells.trial(trial);
        cells.put(columns, Some(row));
        cells.end_line();
    }
    cells.text
}

/// The cells of the columns of a table, with the line end.
pub fn cells_of<T>(columns: &[Column<T>], row: &T) -> Vec<u8> {
    let mut cells = CsvLines::new();
    cells.put(columns, Some(row));
    cells.end_line();
    cells.text
}

/// Lines of CSV as they are written: each field with the comma behind it.
struct CsvLines {
    text: Vec<u8>,
}

impl CsvLines {
    fn new() -> CsvLines {
        CsvLines { text: Vec::with_capacity(512) }
    }

    fn trial(&mut self, trial: TrialId) {
        write!(self.text, "{trial},").expect("writing to memory");
    }

    /// Writes a cell for each column. All of them are empty where there is no row.
    fn put<T>(&mut self, columns: &[Column<T>], row: Option<&T>) {
        for column in columns {
            match (row, &column.get) {
                (None, _) => self.value(None),
                (Some(row), Get::Text(get)) => self.bytes(get(row).unwrap_or_default().as_bytes()),
                (Some(row), Get::Integer(get)) => self.value(get(row).map(Value::Integer)),
                (Some(row), Get::Float(get)) => self.value(get(row).map(Value::Float)),
                (Some(row), Get::Boolean(get)) => self.value(get(row).map(Value::Boolean)),
            }
        }
    }

    fn bytes(&mut self, field: &[u8]) {
        if field.iter().any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r')) {
            self.text.push(b'"');
            for byte in field {
                self.text.push(*byte);
                if *byte == b'"' {
                    self.text.push(b'"');
                }
            }
            self.text.push(b'"');
        } else {
            self.text.extend_from_slice(field);
        }
        self.text.push(b',');
    }

    fn value(&mut self, value: Option<Value>) {
        match value {
            // The value of a declared axis can be any line.
            Some(Value::Text(text)) => return self.bytes(text.as_bytes()),
            Some(value @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_))) => value.put(&mut self.text),
            None => {}
        }
        self.text.push(b',');
    }

    /// Puts the line end in the place of the comma behind the last field.
    fn end_line(&mut self) {
        self.text.pop();
        self.text.push(b'\n');
    }
}
