//! The samples of each task, drawn on the host in f64, so that they are the same for every dtype.

use super::draw::{Purpose, Stream};
use blowup_core::arrays;
use blowup_core::csv_task::{self, DIGITS, Layout};
use blowup_core::input;
use blowup_core::mean::mean;
use blowup_core::text::{self, Text};
use blowup_core::training::{Array, Values};
use blowup_core::trial::{ArraysFile, Loss, Source, Task, TaskKind, TextFile};
use std::path::Path;

/// The inputs and targets of one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    /// The number of samples.
    pub samples: usize,
    /// `[time, sample, inputs]`. The time dimension is 1 except for sequences.
    pub inputs: Vec<f64>,
    pub targets: SampleTargets,
}

/// The targets of the samples.
#[derive(Debug, Clone, PartialEq)]
pub enum SampleTargets {
    /// `[sample, outputs]`.
    Values(Vec<f64>),
    /// One class per sample or, where there is a target at every time step, `[sample, time]`.
    Classes(Vec<i64>),
}

/// Which of a task's data sets to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// The training data of an epoch, counted from 0. Only tasks with new data in every epoch make
    /// a difference between epochs.
    Training(u64),
    /// The evaluation data, which is never trained on.
    Evaluation,
}

/// The width of the fixed network behind `teacher`.
const TEACHER_WIDTH: usize = 64;

/// Draws the samples of `task` for `seed`. `times` is the sequence length, which is 1 for an mlp.
///
/// # Errors
/// If the file of a csv task cannot be read or is no longer what the spec was checked against.
pub fn samples(task: &Task, loss: Loss, times: usize, seed: u64, draw: Draw) -> Result<Samples, String> {
    let text_file = match &task.source {
        Source::Csv(file) => return read(task, file, loss),
        Source::Arrays(file) => return read_arrays(task, file, loss, times),
        Source::Bundle(_) => unreachable!("a bundle has its own data"),
        Source::Text(file) => Some(&**file),
        Source::BuiltIn => None,
    };
    let (index, purpose, n) = match draw {
        Draw::Training(epoch) => (if task.is_fresh() { epoch } else { 0 }, Purpose::Data, task.samples),
        Draw::Evaluation => (0, Purpose::Evaluation, Task::EVALUATION_SAMPLES),
    };
    let mut stream = Stream::new(seed, purpose, index);
    Ok(match task.kind {
        TaskKind::Teacher => {
            let inputs = scaled(stream.normal(n * task.inputs), task.input_std);
            let targets = taught(task, loss, seed, &inputs, n);
            Samples { samples: n, inputs, targets }
        }
        TaskKind::Noise | TaskKind::FreshNoise | TaskKind::NoiseSequence => {
            let inputs = scaled(stream.normal(times * n * task.inputs), task.input_std);
            let targets = match loss {
                Loss::Mse => SampleTargets::Values(stream.normal(n * task.outputs)),
                Loss::CrossEntropy => {
                    SampleTargets::Classes((0..n).map(|_| stream.index(0, task.outputs) as i64).collect())
                }
            };
            Samples { samples: n, inputs, targets }
        }
        TaskKind::Scalar => Samples { samples: 1, inputs: vec![1.0], targets: SampleTargets::Values(vec![0.0]) },
        TaskKind::Digits => digits(n, loss),
        TaskKind::Adding => adding(&mut stream, n, times),
        TaskKind::Copy => copy(&mut stream, task.outputs, loss, n, times),
        TaskKind::TemporalOrder => temporal_order(&mut stream, loss, n, times),
        TaskKind::Text => return text(task, text_file, times),
        TaskKind::Csv | TaskKind::Arrays | TaskKind::ArraySequences => unreachable!("the task has its file"),
    })
}

fn scaled(mut values: Vec<f64>, factor: f64) -> Vec<f64> {
    values.iter_mut().for_each(|x| *x *= factor);
    values
}

/// Returns the targets of a fixed random network with one tanh layer: its standardized outputs, or
/// the class of the largest output.
fn taught(task: &Task, loss: Loss, seed: u64, inputs: &[f64], n: usize) -> SampleTargets {
    let mut stream = Stream::new(seed, Purpose::Teacher, 0);
    let hidden = scaled(stream.normal(task.inputs * TEACHER_WIDTH), 1.0 / (task.inputs as f64).sqrt());
    let output = scaled(stream.normal(TEACHER_WIDTH * task.outputs), 1.0 / (TEACHER_WIDTH as f64).sqrt());
    let mut values = product(&product(inputs, &hidden, n, true), &output, n, false);
    match loss {
        Loss::Mse => {
            standardize(&mut values, task.outputs);
            SampleTargets::Values(values)
        }
        Loss::CrossEntropy => SampleTargets::Classes(
            values
                .chunks(task.outputs)
                .map(|row| (0..row.len()).fold(0, |best, c| if row[c] > row[best] { c } else { best }) as i64)
                .collect(),
        ),
    }
}

/// Returns the product of `[n, a]` and `[a, b]`, passed through tanh if `tanh` is set.
fn product(left: &[f64], right: &[f64], n: usize, tanh: bool) -> Vec<f64> {
    let a = left.len() / n;
    let b = right.len() / a;
    let mut out = vec![0.0; n * b];
    for i in 0..n {
        let row = &mut out[i * b..(i + 1) * b];
        for k in 0..a {
            let x = left[i * a + k];
            row.iter_mut().zip(&right[k * b..(k + 1) * b]).for_each(|(o, w)| *o += x * w);
        }
        if tanh {
            row.iter_mut().for_each(|o| *o = o.tanh());
        }
    }
    out
}

/// Shifts and scales each column of `[n, columns]` to mean 0 and variance 1. A constant column
/// becomes 0.
fn standardize(values: &mut [f64], columns: usize) {
    for c in 0..columns {
        let mut column: Vec<f64> = values.iter().skip(c).step_by(columns).copied().collect();
        if column.iter().all(|x| *x == column[0]) {
            column.fill(0.0);
        } else if !standardize_column(&mut column) {
            // The squares leave the range of f64. A power of two brings the largest number near 1
            // without rounding.
            let largest = column.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
            let half = 2.0f64.powi(-(largest.log2() / 2.0).round() as i32);
            column.iter_mut().for_each(|x| *x = *x * half * half);
            standardize_column(&mut column);
        }
        values.iter_mut().skip(c).step_by(columns).zip(column).for_each(|(x, standard)| *x = standard);
    }
}

/// Standardizes one column. It returns false, with nothing done, where the variance leaves the
/// range of f64.
fn standardize_column(column: &mut [f64]) -> bool {
    let middle = mean(column.iter().copied());
    let variance = mean(column.iter().map(|x| (x - middle).powi(2)));
    if !variance.is_normal() {
        return false;
    }
    let factor = 1.0 / variance.sqrt();
    column.iter_mut().for_each(|x| *x = (*x - middle) * factor);
    true
}

/// The adding problem (Hochreiter and Schmidhuber 1997). One input channel holds values from U(0,
/// 1), the other holds two marks, one in each half of the sequence. The target is the sum of the
/// two marked values.
fn adding(stream: &mut Stream, n: usize, times: usize) -> Samples {
    let mut inputs = vec![0.0; times * n * 2];
    let values = stream.uniform(0.0, 1.0, times * n);
    let mut targets = vec![0.0; n];
    for (i, target) in targets.iter_mut().enumerate() {
        let marked = [stream.index(0, times / 2), stream.index(times / 2, times)];
        for t in 0..times {
            let mark = marked.contains(&t);
            inputs[(t * n + i) * 2] = values[t * n + i];
            inputs[(t * n + i) * 2 + 1] = f64::from(u8::from(mark));
            *target += if mark { values[t * n + i] } else { 0.0 };
        }
    }
    Samples { samples: n, inputs, targets: SampleTargets::Values(targets) }
}

/// The first `n` images of digits, with every pixel divided by 16, so that inputs are from 0 to 1.
/// They are the same for every seed.
fn digits(n: usize, loss: Loss) -> Samples {
    let table = &*DIGITS;
    let csv_task::Targets::Classes { index, classes } = &table.targets else {
        unreachable!("the digits were read as classes")
    };
    let inputs = table.inputs[..n * table.features.len()].iter().map(|pixel| pixel / 16.0).collect();
    Samples { samples: n, inputs, targets: labels(index[..n].to_vec(), *classes, loss) }
}

/// Copy memory (Hochreiter and Schmidhuber 1997; Arjovsky, Shah and Bengio 2016), for a network
/// that is read at the last step only.
///
/// The first step shows one of `symbols` symbols, the last step shows a question mark, and all
/// steps between are blank. The target is the symbol. The original asks for ten symbols in a row
/// after the delay; this asks for one. Inputs are one-hot: the symbols, then the blank, then the
/// question mark.
fn copy(stream: &mut Stream, symbols: usize, loss: Loss, n: usize, times: usize) -> Samples {
    let shown: Vec<i64> = (0..n).map(|_| stream.index(0, symbols) as i64).collect();
    let (blank, question) = (symbols, symbols + 1);
    let at = |t: usize, i: usize| match t {
        0 => shown[i] as usize,
        t if t + 1 == times => question,
        _ => blank,
    };
    let inputs = one_hot((0..times).flat_map(|t| (0..n).map(move |i| (t, i))).map(|(t, i)| at(t, i)), symbols + 2);
    Samples { samples: n, inputs, targets: labels(shown, symbols, loss) }
}

/// Temporal order with two relevant symbols (Hochreiter and Schmidhuber 1997, task 6a).
///
/// X or Y stands at one step of the second tenth of the sequence, and X or Y again at one step of
/// the sixth. Every other step holds one of four distractors. The class is 2 [the first is Y] +
/// [the second is Y]. Where a tenth holds no step, the step at its start counts. Inputs are
/// one-hot: the distractors, then X, then Y. In the original a start and an end symbol stand around
/// the sequence; they are left out here, because the network is read at the last step.
fn temporal_order(stream: &mut Stream, loss: Loss, n: usize, times: usize) -> Samples {
    const DISTRACTORS: usize = 4;
    let mut symbols = vec![0; times * n];
    let mut orders = vec![0; n];
    for (i, order) in orders.iter_mut().enumerate() {
        for t in 0..times {
            symbols[t * n + i] = stream.index(0, DISTRACTORS);
        }
        for tenth in [1, 5] {
            let start = tenth * times / 10;
            let end = ((tenth + 1) * times / 10).max(start + 1);
            let which = stream.index(0, 2);
            symbols[stream.index(start, end) * n + i] = DISTRACTORS + which;
            *order = 2 * *order + which as i64;
        }
    }
    let inputs = one_hot(symbols.into_iter(), DISTRACTORS + 2);
    Samples { samples: n, inputs, targets: labels(orders, 4, loss) }
}

/// Windows of a text, each with the character behind every place.
///
/// # Errors
/// If the file cannot be read or is no longer what the spec was checked against.
fn text(task: &Task, file: Option<&TextFile>, times: usize) -> Result<Samples, String> {
    let own = file.map(|file| {
        let bytes = unchanged(&file.path, &file.sha256)?;
        Text::read(&bytes).map_err(|what| format!("`{}` {what}", file.path))
    });
    let own = own.transpose()?;
    let windows: Vec<&[u16]> = own.as_ref().unwrap_or(&text::BUILT_IN).windows(times, task.samples).collect();
    let inputs = (0..times).flat_map(|t| windows.iter().map(move |window| usize::from(window[t])));
    let targets = windows.iter().flat_map(|window| window[1..].iter().map(|&symbol| i64::from(symbol))).collect();
    let inputs = one_hot(inputs, task.inputs);
    Ok(Samples { samples: task.samples, inputs, targets: SampleTargets::Classes(targets) })
}

/// Returns a row of zeros with a 1 at the index, for each index.
fn one_hot(index: impl Iterator<Item = usize>, columns: usize) -> Vec<f64> {
    index.flat_map(|one| (0..columns).map(move |c| f64::from(u8::from(c == one)))).collect()
}

/// Returns the classes for cross-entropy, or their one-hot rows for the squared error.
fn labels(classes: Vec<i64>, outputs: usize, loss: Loss) -> SampleTargets {
    match loss {
        Loss::CrossEntropy => SampleTargets::Classes(classes),
        Loss::Mse => SampleTargets::Values(one_hot(classes.into_iter().map(|c| c as usize), outputs)),
    }
}

/// The bytes of a data file.
///
/// # Errors
/// If it cannot be read, or does not have this hash.
fn unchanged(path: &str, sha256: &str) -> Result<Vec<u8>, String> {
    let (_, bytes) = input::data(Path::new(path)).map_err(|error| format!("cannot read `{path}`: {error}"))?;
    if input::sha256(&bytes) != sha256 {
        return Err(format!("`{path}` is not what it was when the sweep began"));
    }
    Ok(bytes)
}

fn read(task: &Task, file: &blowup_core::trial::CsvFile, loss: Loss) -> Result<Samples, String> {
    let bytes = unchanged(&file.path, &file.sha256)?;
    let layout = Layout { separator: file.separator as u8, samples: Some(task.samples) };
    let table = csv_task::parse_with(&bytes, &file.target, &file.features, loss == Loss::CrossEntropy, layout)
        .map_err(|error| format!("`{}`: {error}", file.path))?;
    let mut inputs = table.inputs;
    if file.standardize {
        standardize(&mut inputs, task.inputs);
    }
    let targets = match table.targets {
        csv_task::Targets::Values(mut values) => {
            if file.standardize {
                standardize(&mut values, 1);
            }
            SampleTargets::Values(values)
        }
        csv_task::Targets::Classes { index, .. } => SampleTargets::Classes(index),
    };
    Ok(Samples { samples: table.samples, inputs, targets })
}

/// Reads the file of an `arrays` task. `times` is the length of its sequences.
fn read_arrays(task: &Task, file: &ArraysFile, loss: Loss, times: usize) -> Result<Samples, String> {
    let wrong = |path: &str| {
        let path = path.to_owned();
        move |what: String| format!("`{path}`: {what}")
    };
    let bytes = unchanged(&file.path, &file.sha256)?;
    let inputs = arrays::read(&bytes, &file.inputs).map_err(wrong(&file.path))?;
    let targets = match &file.targets_file {
        None => arrays::read(&bytes, &file.targets).map_err(wrong(&file.path))?,
        Some((path, sha256)) => arrays::read(&unchanged(path, sha256)?, &file.targets).map_err(wrong(path))?,
    };
    let sizes = arrays::sizes(&inputs, &targets, Some(task.samples)).map_err(wrong(&file.path))?;
    let (n, features) = (task.samples, task.inputs);
    if (sizes.features, sizes.time.unwrap_or(1)) != (features, times) {
        return Err(format!("`{}`: its sizes are not those of the spec", file.path));
    }
    let mut numbers = arrays::floats(inputs);
    numbers.truncate(n * times * features);
    if file.standardize {
        standardize(&mut numbers, features);
    }
    // [sample, time, feature] -> [time, sample, feature]
    let mut inputs = Vec::with_capacity(numbers.len());
    for time in 0..times {
        for sample in numbers.chunks_exact(times * features) {
            inputs.extend_from_slice(&sample[time * features..(time + 1) * features]);
        }
    }
    let targets = match (loss, targets.values) {
        (Loss::CrossEntropy, Values::Integer(classes)) => SampleTargets::Classes(classes[..n].to_vec()),
        (_, values) => {
            let mut values = arrays::floats(Array { values, ..targets });
            values.truncate(n * sizes.targets);
            if file.standardize {
                standardize(&mut values, sizes.targets);
            }
            SampleTargets::Values(values)
        }
    };
    Ok(Samples { samples: n, inputs, targets })
}

impl Samples {
    /// Returns the loss of the best constant prediction: the variance of the targets, averaged over
    /// outputs, or the entropy of the shares of the classes.
    pub fn trivial_loss(&self, outputs: usize) -> f64 {
        match &self.targets {
            SampleTargets::Values(values) => {
                let variance = |c: usize| {
                    let column = || values.iter().skip(c).step_by(outputs);
                    let middle = mean(column().copied());
                    mean(column().map(|y| (y - middle).powi(2)))
                };
                mean((0..outputs).map(variance))
            }
            SampleTargets::Classes(classes) => {
                let mut counts = vec![0usize; outputs];
                classes.iter().for_each(|&c| counts[c as usize] += 1);
                let shares = counts.into_iter().filter(|&c| c > 0).map(|c| c as f64 / classes.len() as f64);
                // The entropy of a single class is -1 x ln(1) = -0; adding 0 makes it 0.
                shares.map(|p| -p * p.ln()).sum::<f64>() + 0.0
            }
        }
    }
}
