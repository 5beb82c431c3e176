//! What a replay prints: the configuration of the trial, its course, the first tensor with a bad
//! value and the steps before it, and the verdict.

use super::LeadUp;
use super::compare::Comparison;
use blowup_core::axis::TABLE;
use blowup_core::failure::counted;
use blowup_core::trial::{Trial, Value};
use blowup_core::verdict::{Finished, LayerRow, Measured, Site, StepRow, When};
use std::fmt::Write;
use std::path::Path;

/// How many rows a table of layers has, about. If there are more layers, those in the middle are
/// left out.
const MOST_LAYERS: usize = 14;
/// How many time steps are shown before the bad one, and after it.
const TIMES_AROUND: usize = 3;
/// The width at which a list of axes is broken, in columns.
const LINE: usize = 100;

/// Describes the trial: the axes that were set, and those at their defaults.
pub fn configuration(trial: &Trial, dir: &Path) -> String {
    let mut text = format!("{} of {}", trial.id(), dir.display());
    if !trial.label.is_empty() {
        let _ = write!(text, ", {}", trial.label);
    }
    let task = &trial.task;
    let ends = match task.bundle() {
        Some(bundle) => counted(bundle.size.parameters, "parameter"),
        None => format!("{}, {}", counted(task.inputs as u64, "input"), counted(task.outputs as u64, "output")),
    };
    let _ = write!(
        text,
        "\n\ntask      {}: {ends}, {}\nbudget    {} in {} of {}\n",
        trial.task_name(),
        counted(task.samples as u64, "sample"),
        counted(trial.steps(), "update"),
        counted(trial.epochs(), "epoch"),
        trial.steps_per_epoch(),
    );
    let (mut set, mut defaults) = (Vec::new(), Vec::new());
    for axis in &TABLE {
        let Some(value) = axis.id.of(trial) else { continue };
        let list = if axis.default_in(trial) == Some(value) { &mut defaults } else { &mut set };
        list.push(format!("{} {}", axis.name, cell(value)));
    }
    text.push_str(&list("set", &set));
    text.push_str(&list("default", &defaults));
    text
}

fn cell(value: Value) -> String {
    match value {
        Value::Text(text) => text.to_owned(),
        Value::Integer(n) => n.to_string(),
        Value::Float(x) => format!("{x:?}"),
        Value::Boolean(b) => b.to_string(),
    }
}

/// The items after a heading, on as many lines as they need.
fn list(heading: &str, items: &[String]) -> String {
    let mut text = String::new();
    let mut line = format!("{heading:<9}");
    for (i, item) in items.iter().enumerate() {
        if line.len() + item.len() > LINE {
            text.push_str(line.trim_end());
            text.push('\n');
            line = " ".repeat(9);
        }
        let separator = if i + 1 < items.len() { "," } else { "" };
        let _ = write!(line, " {item}{separator}");
    }
    text.push_str(&line);
    text.push('\n');
    text
}

/// What is said of a step that a dynamic loss scale skips.
const OVERFLOW: &str = "the scaled gradient overflowed: update skipped, loss scale halved";

/// The steps, of which only some are shown: many at the start, and those where something happened.
pub fn course(trial: &Trial, finished: &Finished) -> String {
    let Measured { diverged, nonfinite, nan, loss_initial, loss_final, .. } = finished.measured;
    let happened = |step: u64| {
        let at = |when: Option<When>| when.is_some_and(|when| when.step == step);
        let events =
            [(diverged, "above the threshold of divergence"), (nonfinite, "first non-finite step"), (nan, "NaN loss")];
        events.iter().filter(|(when, _)| at(*when)).map(|(_, what)| *what).collect::<Vec<_>>().join(", ")
    };
    let rows = &finished.steps;
    let is_dynamic = trial.numerics.loss_scale().is_some_and(|scale| scale.growth_interval().is_some());
    let skips_overflow = |row: &StepRow| is_dynamic && !row.grad_norm.is_some_and(f64::is_finite);
    let near = |step: u64| [diverged, nonfinite, nan].iter().flatten().any(|w| step <= w.step && w.step - step <= 1);
    let shown = |row: &&StepRow| {
        let magnitude = 10u64.pow(row.step.max(1).ilog10());
        let first_digit = row.step / magnitude;
        let round = row.step.is_multiple_of(magnitude) && matches!(first_digit, 0 | 1 | 2 | 5);
        round || skips_overflow(row) || near(row.step) || row.step + 1 == rows.len() as u64
    };
    let clips = rows.iter().any(|row| row.clipped.is_some());
    let scales = rows.iter().any(|row| row.loss_scale.is_some());
    let mut text = format!(
        "\n{:>8} {:>8} {:>11} {:>11} {:>11}{}{}\n",
        "step",
        "epoch",
        "loss",
        "grad norm",
        "update",
        if scales { "  loss scale" } else { "" },
        if clips { "  clipped" } else { "" }
    );
    for row in rows.iter().filter(shown) {
        let epoch = row.step / trial.steps_per_epoch() + 1;
        let clipped = match row.clipped {
            Some(true) => "  yes",
            Some(false) => "  no",
            None => "",
        };
        let note = if skips_overflow(row) { OVERFLOW.to_owned() } else { happened(row.step) };
        let scale = row.loss_scale.map(|scale| format!(" {:>11}", short(scale))).unwrap_or_default();
        let gap = if clips { " ".repeat(9_usize.saturating_sub(clipped.len())) } else { String::new() };
        let line = format!(
            "{:>8} {epoch:>8} {:>11} {:>11} {:>11}{scale}{clipped}{gap}  {note}",
            row.step,
            short(row.loss),
            row.grad_norm.map(short).unwrap_or_default(),
            row.update_norm.map(short).unwrap_or_default(),
        );
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let note = happened(trial.steps());
    let after = if rows.len() as u64 == trial.steps() && !note.is_empty() {
        format!("; {note} after the last update")
    } else {
        String::new()
    };
    let [before, finally] = [loss_initial, loss_final].map(|loss| loss.map(short).unwrap_or_default());
    let _ = writeln!(text, "\nloss over all data: {before} before, {finally} after{after}");
    text
}

/// Says where the first non-finite value began, and shows the norms of the steps before it.
pub fn first_bad(trial: &Trial, finished: &Finished, lead_up: &LeadUp) -> String {
    if trial.task.bundle().is_some() {
        return first_bad_of_bundle(finished);
    }
    let layers = trial.network.depth() + 1;
    let Some(when) = finished.measured.nonfinite else {
        let text = "\nno tensor was bad; the norms of the last steps:\n".to_owned();
        return text + &tables(layers, lead_up, None);
    };
    let site = finished.measured.site;
    let mut text = format!(
        "\nfirst bad tensor: {} in step {} (epoch {}); the norms that led up to it:\n",
        site.map_or("none in the step itself, a norm overflowed".to_owned(), |site| place(site, layers)),
        when.step,
        when.epoch
    );
    text.push_str(&tables(layers, lead_up, site));
    text
}

/// Says which call of a bundle made the first value that is not finite. Its layers are unknown.
fn first_bad_of_bundle(finished: &Finished) -> String {
    let Some(when) = finished.measured.nonfinite else { return "\nno value was bad\n".to_owned() };
    let Some(origin) = &finished.measured.origin else {
        return format!("\nin step {} (epoch {}) a norm overflowed, and no value was bad\n", when.step, when.epoch);
    };
    let part = |before: &str, text: &Option<String>| text.as_ref().map_or(String::new(), |t| format!("{before}{t}"));
    format!(
        "\nfirst bad value: {}{}{}{} in step {} (epoch {})\n",
        origin.operator.as_deref().unwrap_or("of an unknown call"),
        part(", ", &origin.module),
        part(", ", &origin.source),
        part(", sample ", &origin.sample.map(|sample| sample.to_string())),
        when.step,
        when.epoch
    )
}

/// Describes where a non-finite value began.
fn place(site: Site, layers: usize) -> String {
    let mut text = site.tensor.name().to_owned();
    if let Some(layer) = site.layer {
        let _ = write!(text, " of layer {layer}");
        if layer == layers {
            text.push_str(" (the output)");
        }
    }
    if let Some(time) = site.time {
        let _ = write!(text, " at time {time}");
    }
    text
}

/// A quantity of a layer: its name, its value in a row, and how the time steps of a recurrent layer
/// are combined.
type Quantity = (&'static str, fn(&LayerRow) -> f64, TimeAggregation);

#[derive(Clone, Copy)]
enum TimeAggregation {
    /// Every time step has the same value.
    Same,
    Sum,
    Mean,
}

const QUANTITIES: [Quantity; 4] = [
    ("weights", |row| row.weight_norm, TimeAggregation::Same),
    ("activation rms", |row| row.activation_rms, TimeAggregation::Mean),
    ("backprop signal", |row| row.backprop_norm, TimeAggregation::Sum),
    ("weight gradient", |row| row.weight_grad_norm, TimeAggregation::Same),
];

/// The tables of norms, by layer and step. `site` is where the first non-finite value began.
fn tables(layers: usize, lead_up: &LeadUp, site: Option<Site>) -> String {
    let mut text = String::new();
    let bad = site.and_then(|site| site.layer);
    for (what, quantity, together) in QUANTITIES {
        let _ = write!(text, "\n{what:<16}");
        for (step, _) in &lead_up.steps {
            let _ = write!(text, "{:>11}", format!("step {step}"));
        }
        text.push('\n');
        let mut left_out = false;
        for layer in 1..=layers {
            let near_bad = bad.is_some_and(|bad| bad.abs_diff(layer) <= 1);
            let at_end = layer <= MOST_LAYERS / 2 - 2 || layer + MOST_LAYERS / 2 - 2 > layers;
            if layers > MOST_LAYERS && !near_bad && !at_end {
                if !left_out {
                    text.push_str("  ...\n");
                }
                left_out = true;
                continue;
            }
            left_out = false;
            let name = if layer == layers { "  output".to_owned() } else { format!("  layer {layer}") };
            let _ = write!(text, "{name:<16}");
            for (_, rows) in &lead_up.steps {
                let value = over_time(rows.iter().filter(|row| row.layer == layer).map(quantity), together);
                let _ = write!(text, "{:>11}", value.map(short).unwrap_or_default());
            }
            text.push('\n');
        }
    }
    if let Some(Site { layer: Some(layer), time: Some(time), .. }) = site {
        text.push_str(&around(layer, time, lead_up));
    }
    text
}

/// The value of a layer. For a recurrent layer it is the root of the sum or of the mean of the
/// squares over its time steps.
fn over_time(values: impl Iterator<Item = f64>, together: TimeAggregation) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    let any_nan = values.iter().any(|x| x.is_nan());
    let norm = if any_nan { f64::NAN } else { values.iter().copied().fold(0.0, f64::hypot) };
    match together {
        TimeAggregation::Same => values.first().copied(),
        TimeAggregation::Sum => Some(norm),
        TimeAggregation::Mean => Some(norm / (values.len() as f64).sqrt()),
    }
}

/// The bad layer of a recurrent net in the bad step, by time step.
fn around(layer: usize, time: usize, lead_up: &LeadUp) -> String {
    let Some((step, rows)) = lead_up.steps.back() else {
        return String::new();
    };
    let mut text = format!(
        "\nlayer {layer} in step {step}, time by time\n{:>8} {:>16} {:>16}\n",
        "time", "activation rms", "backprop signal"
    );
    let shown = rows.iter().filter(|row| row.layer == layer);
    for row in shown {
        let Some(t) = row.time.filter(|t| t.abs_diff(time) <= TIMES_AROUND) else { continue };
        let _ = writeln!(text, "{t:>8} {:>16} {:>16}", short(row.activation_rms), short(row.backprop_norm));
    }
    text
}

/// Says the verdict, and whether it is the recorded one. `elsewhere` is why the row may have other
/// bytes.
pub fn verdict(measured: &Measured, comparison: &Comparison, elsewhere: Option<&str>) -> String {
    let mut text = format!("\nverdict: {}\n", measured.outcome.name());
    match comparison {
        Comparison::Missing => text.push_str("recorded: nothing, this trial has no row yet\n"),
        Comparison::Lost(reason) => {
            let _ = writeln!(text, "recorded: no verdict, the trial was lost ({reason})");
        }
        Comparison::Differs(cells) if cells.is_empty() => {
            text.push_str("recorded: the same verdict, and the whole row has the same bytes\n");
        }
        Comparison::Differs(cells) => {
            let same = !cells.iter().any(|cell| cell.of_verdict);
            let what = if same { "the same verdict, but other numbers" } else { "ANOTHER VERDICT" };
            let _ = writeln!(text, "recorded: {what}; the columns that differ:\n");
            let _ = writeln!(text, "{:<22} {:<24} replayed", "", "recorded");
            for cell in cells {
                let _ = writeln!(text, "{:<22} {:<24} {}", cell.column, shown(&cell.recorded), shown(&cell.replayed));
            }
            if let Some(reason) = elsewhere {
                let _ = writeln!(text, "\n{reason}: the last digits may differ");
            }
        }
    }
    text
}

fn shown(cell: &str) -> &str {
    if cell.is_empty() { "(empty)" } else { cell }
}

/// The number with four digits, which are enough to see how it grows.
fn short(x: f64) -> String {
    if x == 0.0 || !x.is_finite() { format!("{x:?}") } else { format!("{x:.3e}") }
}
