//! The folder of a trace. It has what a trial starts from and what it did at every step, for
//! another program that trains the same trial.
//!
//! - `trace.toml` has the configuration and the verdict.
//! - `tensors.safetensors` has the initial weights, the data and the order of the samples.
//! - `steps.csv` has a row per step.
//! - `layers.csv` has a row per step and layer.
//!
//! `trace.toml` is written last, so a folder without it is incomplete.

use super::compare;
use blowup_core::axis;
use blowup_core::failure::Failure;
use blowup_core::output;
use blowup_core::record::{self, OUTCOME};
use blowup_core::training::{Array, Step, Values};
use blowup_core::trial::{Trial, TrialId};
use blowup_core::verdict::{Finished, LayerRow};
use safetensors::tensor::{Dtype, TensorView};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const CONFIGURATION: &str = "trace.toml";
const TENSORS: &str = "tensors.safetensors";
const STEPS: &str = "steps.csv";
const LAYER_ROWS: &str = "layers.csv";

/// The folder of one trace. It is removed if this is dropped before `finish`.
pub struct TraceFolder {
    dir: PathBuf,
    layers: BufWriter<File>,
    /// The first error of writing. Later ones would follow from it.
    broken: Option<io::Error>,
    finished: bool,
}

impl TraceFolder {
    /// Makes the folder.
    ///
    /// # Errors
    /// If the folder exists or cannot be made. Nothing that exists is changed.
    pub fn make(dir: &Path) -> Result<TraceFolder, Failure> {
        fs::create_dir(dir).map_err(|error| {
            if error.kind() == io::ErrorKind::AlreadyExists {
                Failure::new(format!("`{}` is there already", dir.display()))
                    .hint("a trace overwrites nothing; name a folder that does not exist")
            } else {
                Failure::io("make the folder", dir, &error)
            }
        })?;
        let path = dir.join(LAYER_ROWS);
        let file = output::create_new(&path).and_then(|file| {
            let mut layers = BufWriter::new(file);
            layers.write_all(&record::line(layer_columns()))?;
            Ok(layers)
        });
        match file {
            Ok(layers) => Ok(TraceFolder { dir: dir.to_owned(), layers, broken: None, finished: false }),
            Err(error) => {
                let _ = fs::remove_dir_all(dir);
                Err(Failure::io("write", &path, &error))
            }
        }
    }

    /// Writes what the trial starts from.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_tensors(&self, arrays: &[Array]) -> Result<(), Failure> {
        let bytes: Vec<Vec<u8>> = arrays.iter().map(little_endian).collect();
        let views = arrays.iter().zip(&bytes).map(|(array, bytes)| {
            let dtype = match array.values {
                Values::Float(_) => Dtype::F64,
                Values::Integer(_) => Dtype::I64,
            };
            let view = TensorView::new(dtype, array.shape.clone(), bytes).expect("a shape holds its values");
            (array.name.as_str(), view)
        });
        let file = safetensors::serialize(views, &None).expect("tensors can be serialized");
        self.write(TENSORS, &file)
    }

    /// Writes one step of the trial. An error is kept and returned by `finish`.
    pub fn see(&mut self, trial: TrialId, seen: &Step) {
        let rows: Vec<LayerRow> = seen.layers.iter().map(|row| LayerRow { epoch: seen.step, ..row.clone() }).collect();
        if self.broken.is_none() {
            self.broken = self.layers.write_all(&record::layer_rows(trial, &rows)).err();
        }
    }

    /// Writes what is known when the trial has ended. `row` is its line of `runs.csv`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn finish(mut self, trial: &Trial, finished: &Finished, row: &[u8], fingerprint: &str) -> Result<(), Failure> {
        let written = self.broken.take().map_or_else(|| self.layers.flush(), Err);
        written.map_err(|error| Failure::io("write", &self.dir.join(LAYER_ROWS), &error))?;
        let [_, _, steps] = record::side_rows(trial, finished);
        self.write(STEPS, &[record::line(record::STEPS), steps].concat())?;
        self.write(CONFIGURATION, configuration(trial, row, fingerprint).as_bytes())?;
        self.finished = true;
        Ok(())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.dir.join(name);
        output::write(&path, bytes)
    }
}

impl Drop for TraceFolder {
    fn drop(&mut self) {
        if !self.finished {
            // This trace made the folder, so everything in it can be removed.
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn little_endian(array: &Array) -> Vec<u8> {
    match &array.values {
        Values::Float(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Values::Integer(values) => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
    }
}

/// The columns of a trace's `layers.csv`: those of a sweep's, with the step in the place of the
/// epoch.
fn layer_columns() -> impl Iterator<Item = &'static str> {
    record::LAYERS.into_iter().map(|name| if name == "epoch" { "step" } else { name })
}

/// The text of `trace.toml`: what is no axis first, then the axes that apply and the measured
/// columns, named as in `runs.csv`.
fn configuration(trial: &Trial, row: &[u8], fingerprint: &str) -> String {
    let names = record::runs();
    let cells = compare::cells(row);
    let table = |from: usize, to: usize| {
        let pairs = names[from..to].iter().zip(&cells[from..to]).filter(|(_, cell)| !cell.is_empty());
        toml::Value::Table(pairs.map(|(name, cell)| ((*name).to_owned(), value(cell))).collect())
    };
    let integer = |n: u64| toml::Value::Integer(n as i64);
    let text = |text: &str| toml::Value::String(text.to_owned());
    let file = toml::Table::from_iter([
        ("trial".to_owned(), text(&trial.id().to_string())),
        ("label".to_owned(), text(&trial.label)),
        ("blowup".to_owned(), text(env!("CARGO_PKG_VERSION"))),
        ("fingerprint".to_owned(), text(fingerprint)),
        ("task".to_owned(), text(trial.task_name())),
        ("fresh".to_owned(), toml::Value::Boolean(trial.task.is_fresh())),
        ("inputs".to_owned(), integer(trial.task.inputs as u64)),
        ("outputs".to_owned(), integer(trial.task.outputs as u64)),
        ("samples".to_owned(), integer(trial.task.samples as u64)),
        ("steps".to_owned(), integer(trial.steps())),
        ("steps_per_epoch".to_owned(), integer(trial.steps_per_epoch())),
        ("loss_ratio".to_owned(), toml::Value::Float(trial.loss_ratio)),
        ("axes".to_owned(), table(OUTCOME - axis::COUNT, OUTCOME)),
        ("measured".to_owned(), table(OUTCOME, names.len())),
    ]);
    file.to_string()
}

/// The value of a cell, as an integer, a float, a boolean or a text.
fn value(cell: &str) -> toml::Value {
    if let Ok(n) = cell.parse::<i64>() {
        return toml::Value::Integer(n);
    }
    match (cell.parse::<f64>(), cell.parse::<bool>()) {
        (Ok(x), _) => toml::Value::Float(x),
        (_, Ok(b)) => toml::Value::Boolean(b),
        _ => toml::Value::String(cell.to_owned()),
    }
}
