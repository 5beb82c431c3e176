//! `[task]` and `task = { ... }`: which keys each task takes, and their defaults.

use super::Files;
use super::source::{Node, Problems, Raw};
use crate::csv_task;
use crate::trial::{CsvFile, Loss, Task, TaskKind};
use sha2::{Digest, Sha256};
use std::ops::Range;

/// A task as written, before the loss decides what its outputs are.
#[derive(Debug, Clone)]
pub struct TaskSpec {
    pub kind: TaskKind,
    span: Range<usize>,
    inputs: usize,
    outputs: usize,
    classes: usize,
    samples: usize,
    input_std: f64,
    csv: Option<CsvSpec>,
}

#[derive(Debug, Clone)]
struct CsvSpec {
    path: String,
    path_span: Range<usize>,
    target: String,
    features: Vec<String>,
    standardize: bool,
}

const LATER: [&str; 3] = ["digits", "copy", "temporal-order"];

/// The keys that a task takes beside `kind`.
fn keys(kind: TaskKind) -> &'static [&'static str] {
    match kind {
        TaskKind::Teacher | TaskKind::Noise | TaskKind::FreshNoise | TaskKind::NoiseSequence => {
            &["inputs", "outputs", "classes", "samples", "input_std"]
        }
        TaskKind::Scalar => &[],
        TaskKind::Adding => &["samples"],
        TaskKind::Csv => &["path", "target", "features", "standardize"],
    }
}

pub fn parse(node: &Node, problems: &mut Problems) -> Option<TaskSpec> {
    let Raw::Table(entries) = &node.raw else {
        problems.add(node.span.clone(), "`task` is not a table", "task = { kind = \"teacher\", inputs = 10 }");
        return None;
    };
    let names: Vec<&str> = TaskKind::ALL.iter().map(|k| k.name()).collect();
    let Some(kind_entry) = entries.iter().find(|e| e.key == "kind") else {
        problems.add(node.span.clone(), "`kind` is missing", format!("one of: {}", names.join(", ")));
        return None;
    };
    let Raw::Text(text) = &kind_entry.value.raw else {
        problems.add(kind_entry.value.span.clone(), "`kind` is not a string", format!("one of: {}", names.join(", ")));
        return None;
    };
    let name = text.replace('_', "-");
    let Some(kind) = TaskKind::from_name(&name) else {
        if LATER.contains(&name.as_str()) {
            super::value::not_built(&kind_entry.value, &format!("the task `{name}`"), problems);
        } else {
            problems.unknown(kind_entry.value.span.clone(), "task", text, &names);
        }
        return None;
    };
    let (inputs, outputs, samples) = match kind {
        TaskKind::Scalar => (1, 1, 1),
        TaskKind::Adding => (2, 1, 256),
        TaskKind::NoiseSequence => (1, 1, 256),
        TaskKind::Teacher | TaskKind::Noise | TaskKind::FreshNoise | TaskKind::Csv => (10, 1, 256),
    };
    let span = node.span.clone();
    let mut task = TaskSpec { kind, span, inputs, outputs, classes: 10, samples, input_std: 1.0, csv: None };
    let mut csv = CsvSpec {
        path: String::new(),
        path_span: node.span.clone(),
        target: String::new(),
        features: Vec::new(),
        standardize: true,
    };
    for entry in entries.iter().filter(|e| e.key != "kind") {
        let value = &entry.value;
        if !keys(kind).contains(&entry.key.as_str()) {
            let mut known = vec!["kind"];
            known.extend(keys(kind));
            problems.unknown(entry.key_span.clone(), &format!("key of the task `{}`", kind.name()), &entry.key, &known);
            continue;
        }
        match entry.key.as_str() {
            "inputs" => count(value, "inputs", 1_000_000, &mut task.inputs, problems),
            "outputs" => count(value, "outputs", 1_000_000, &mut task.outputs, problems),
            "classes" => count(value, "classes", 1_000_000, &mut task.classes, problems),
            "samples" => count(value, "samples", 100_000_000, &mut task.samples, problems),
            "input_std" => match value.number() {
                Some(std) if std.is_finite() && std >= 0.0 => task.input_std = std,
                _ => problems.add(value.span.clone(), "`input_std` is not a number of 0 or more", "input_std = 1.0"),
            },
            "path" => {
                csv.path_span = value.span.clone();
                string(value, "path", &mut csv.path, problems);
            }
            "target" => string(value, "target", &mut csv.target, problems),
            "standardize" => match value.raw {
                Raw::Boolean(b) => csv.standardize = b,
                _ => problems.add(value.span.clone(), "`standardize` is not true or false", "standardize = true"),
            },
            "features" => match &value.raw {
                Raw::List(items) if !items.is_empty() => {
                    for item in items {
                        let mut name = String::new();
                        string(item, "features", &mut name, problems);
                        csv.features.push(name);
                    }
                }
                _ => {
                    problems.add(value.span.clone(), "`features` is not a list of columns", "features = [\"a\", \"b\"]")
                }
            },
            _ => unreachable!("keys() names them all"),
        }
    }
    if kind == TaskKind::Csv {
        for key in ["path", "target"] {
            if !entries.iter().any(|e| e.key == key) {
                let message = format!("the task `csv` needs `{key}`");
                problems.add(
                    node.span.clone(),
                    message,
                    "task = { kind = \"csv\", path = \"data.csv\", target = \"y\" }",
                );
            }
        }
        task.csv = Some(csv);
    }
    Some(task)
}

fn count(node: &Node, key: &str, max: i64, target: &mut usize, problems: &mut Problems) {
    match node.raw {
        Raw::Integer(i) if (1..=max).contains(&i) => *target = i as usize,
        _ => {
            let message = format!("`{key}` is not an integer from 1 to {max}");
            problems.add(node.span.clone(), message, format!("for example {key} = {target}"));
        }
    }
}

fn string(node: &Node, key: &str, target: &mut String, problems: &mut Problems) {
    match &node.raw {
        Raw::Text(text) => target.clone_from(text),
        _ => problems.add(node.span.clone(), format!("`{key}` is {}, not a string", node.kind()), "put it in quotes"),
    }
}

impl TaskSpec {
    pub fn has_classes(&self) -> bool {
        !matches!(self.kind, TaskKind::Scalar | TaskKind::Adding)
    }

    /// The task under each of `losses`; the file of a csv task is read and checked here.
    pub fn for_losses(&self, losses: &[Loss], files: &Files, problems: &mut Problems) -> Vec<(Loss, Task)> {
        let mut tasks: Vec<(Loss, Task)> = Vec::new();
        for &loss in losses {
            if tasks.iter().any(|t| t.0 == loss) {
                continue;
            }
            let outputs = match loss {
                Loss::Mse => self.outputs,
                Loss::CrossEntropy => self.classes,
            };
            let (inputs, samples, input_std) = (self.inputs, self.samples, self.input_std);
            let task = Task { kind: self.kind, inputs, outputs, samples, input_std, csv: None };
            let task = match &self.csv {
                None => Some(task),
                Some(csv) if csv.path.is_empty() || csv.target.is_empty() => None,
                Some(csv) => self.read(csv, loss, task, files, problems),
            };
            tasks.extend(task.map(|task| (loss, task)));
        }
        tasks
    }

    fn read(&self, csv: &CsvSpec, loss: Loss, task: Task, files: &Files, problems: &mut Problems) -> Option<Task> {
        let (path, bytes) = match files(&csv.path) {
            Ok(opened) => opened,
            Err(error) => {
                let message = format!("cannot read `{}`: {error}", csv.path);
                problems.add(csv.path_span.clone(), message, "`path` is relative to the folder of this file");
                return None;
            }
        };
        match csv_task::table(&bytes, &csv.target, &csv.features, loss == Loss::CrossEntropy) {
            Err(error) => {
                problems.add(csv.path_span.clone(), format!("in `{}`: {error}", csv.path), error.hint());
                None
            }
            Ok(table) => {
                let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
                let outputs = match &table.targets {
                    csv_task::Targets::Values(_) => 1,
                    csv_task::Targets::Classes { classes, .. } => *classes,
                };
                let (target, standardize) = (csv.target.clone(), csv.standardize);
                let inputs = table.features.len();
                let file = CsvFile { path, sha256, target, features: table.features, standardize };
                Some(Task { inputs, outputs, samples: table.samples, csv: Some(file), ..task })
            }
        }
    }

    pub fn span(&self) -> Range<usize> {
        self.span.clone()
    }
}
