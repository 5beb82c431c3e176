//! From results to lines of CSV. Absent is empty, never 0; a float is its shortest exact form and always carries a `.` or an exponent;
//! what is not finite is `inf`, `-inf` or `NaN`.

use super::{COLUMNS, EPOCHS, LAYERS, Lost, STEPS};
use crate::axis::TABLE;
use crate::trial::{Trial, Value};
use crate::verdict::{EpochRow, Finished, LayerRow, Measured, StepRow, When};

/// One CSV line with its line end; quoted where a field needs it.
pub fn line<I: IntoIterator<Item = T>, T: AsRef<[u8]>>(fields: I) -> Vec<u8> {
    let mut cells = Cells::default();
    fields.into_iter().for_each(|field| cells.bytes(field.as_ref()));
    cells.line()
}

/// The shortest text that reads back as the same number.
pub fn float(x: f64) -> String {
    // Rust's `{:?}` is exactly the form the files promise: 1.0, 1e16, 1e-7, inf, NaN.
    format!("{x:?}")
}

/// The row of a trial that was trained.
pub fn run_row(trial: &Trial, measured: &Measured) -> Vec<u8> {
    let mut cells = configuration(trial);
    verdict(&mut cells, measured);
    cells.line()
}

/// The row of a trial without a verdict: only its configuration and the reason.
pub fn lost_row(trial: &Trial, lost: Lost) -> Vec<u8> {
    let mut cells = configuration(trial);
    cells.empty();
    cells.text(lost.name());
    while cells.count < COLUMNS {
        cells.empty();
    }
    cells.line()
}

/// The trial's lines of each of `SIDES`.
pub fn side_rows(trial: &Trial, finished: &Finished) -> [Vec<u8>; 3] {
    if finished.epochs.is_empty() && finished.layers.is_empty() && finished.steps.is_empty() {
        return Default::default();
    }
    let id = trial.id().to_string();
    [
        lines(&id, &finished.epochs, EPOCHS.len(), epoch),
        lines(&id, &finished.layers, LAYERS.len(), layer),
        lines(&id, &finished.steps, STEPS.len(), step),
    ]
}

fn lines<T>(id: &str, rows: &[T], columns: usize, put: fn(&mut Cells, &T)) -> Vec<u8> {
    let mut lines = Vec::new();
    for row in rows {
        let mut cells = Cells::default();
        cells.text(id);
        put(&mut cells, row);
        debug_assert_eq!(cells.count, columns);
        lines.extend(cells.line());
    }
    lines
}

fn epoch(cells: &mut Cells, row: &EpochRow) {
    cells.integer(row.epoch);
    cells.integer(row.steps);
    cells.float(row.loss);
    cells.maybe_float(row.loss_max);
    cells.maybe_float(row.grad_norm_max);
    cells.maybe_float(row.clipped_fraction);
    cells.float(row.lr);
    cells.float(row.weight_norm);
    cells.maybe_float(row.update_norm_max);
}

fn layer(cells: &mut Cells, row: &LayerRow) {
    cells.integer(row.epoch);
    cells.integer(row.layer as u64);
    cells.maybe_integer(row.time.map(|time| time as u64));
    cells.float(row.activation_rms);
    cells.float(row.backprop_norm);
    cells.float(row.weight_grad_norm);
    cells.float(row.weight_norm);
}

fn step(cells: &mut Cells, row: &StepRow) {
    cells.integer(row.step);
    cells.float(row.loss);
    cells.float(row.grad_norm);
    match row.clipped {
        Some(clipped) => cells.boolean(clipped),
        None => cells.empty(),
    }
    cells.maybe_float(row.update_norm);
}

fn configuration(trial: &Trial) -> Cells {
    let mut cells = Cells::default();
    cells.text(&trial.id().to_string());
    cells.text(&trial.label);
    cells.text(trial.task.kind.name());
    cells.integer(trial.task.inputs as u64);
    cells.integer(trial.task.samples as u64);
    cells.integer(trial.epochs());
    for axis in &TABLE {
        match (axis.get)(trial) {
            None => cells.empty(),
            Some(value) => cells.value(value),
        }
    }
    cells
}

fn verdict(cells: &mut Cells, m: &Measured) {
    cells.text(m.outcome.name());
    cells.empty();
    cells.when(m.diverged);
    cells.when(m.nonfinite);
    cells.text(m.site.map_or("", |site| site.tensor.name()));
    cells.maybe_integer(m.site.and_then(|site| site.layer).map(|layer| layer as u64));
    cells.maybe_integer(m.site.and_then(|site| site.time).map(|time| time as u64));
    cells.when(m.nan);
    cells.integer(m.epochs_run);
    cells.integer(m.steps_run);
    cells.float(m.loss_initial);
    cells.float(m.loss_final);
    cells.float(m.loss_trivial);
    cells.maybe_float(m.loss_min);
    cells.maybe_float(m.loss_max);
    cells.maybe_integer(m.epoch_loss_max);
    cells.maybe_float(m.loss_jump_max);
    cells.float(m.grad_norm_initial);
    cells.maybe_float(m.grad_norm_max);
    cells.maybe_integer(m.epoch_grad_norm_max);
    cells.maybe_float(m.clipped_fraction);
    cells.maybe_float(m.update_norm_max);
    cells.float(m.weight_norm_initial);
    cells.maybe_float(m.weight_norm_max);
    cells.maybe_float(m.backprop_ratio);
    cells.maybe_float(m.activation_ratio);
    cells.maybe_float(m.sharpness_initial);
    cells.maybe_float(m.sharpness_final);
}

/// The fields of a row, each with what follows it.
struct Cells {
    text: Vec<u8>,
    count: usize,
}

impl Default for Cells {
    fn default() -> Cells {
        Cells { text: Vec::with_capacity(512), count: 0 }
    }
}

impl Cells {
    fn end(&mut self) {
        self.text.push(b',');
        self.count += 1;
    }

    fn empty(&mut self) {
        self.end();
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
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
        self.end();
    }

    fn integer(&mut self, n: u64) {
        self.value(Value::Integer(n));
    }

    fn float(&mut self, x: f64) {
        self.value(Value::Float(x));
    }

    fn boolean(&mut self, b: bool) {
        self.value(Value::Boolean(b));
    }

    /// A value's text needs no quotes.
    fn value(&mut self, value: Value) {
        value.put(&mut self.text);
        self.end();
    }

    fn maybe_integer(&mut self, n: Option<u64>) {
        match n {
            Some(n) => self.integer(n),
            None => self.empty(),
        }
    }

    fn maybe_float(&mut self, x: Option<f64>) {
        match x {
            Some(x) => self.float(x),
            None => self.empty(),
        }
    }

    fn when(&mut self, when: Option<When>) {
        self.maybe_integer(when.map(|w| w.epoch));
        self.maybe_integer(when.map(|w| w.step));
    }

    fn line(mut self) -> Vec<u8> {
        self.text.pop();
        self.text.push(b'\n');
        self.text
    }
}
