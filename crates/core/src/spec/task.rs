//! Reads `[task]`, or the `task` of a block: the keys that its kind takes, and the file of a csv
//! task, checked cell by cell.

use super::array_task::{self, ArraysDraft};
use super::data::{self, Asked, Sources, Taken};
use super::held;
use super::key::{self, Key, Takes};
use super::report::{Mistake, Problems, excerpt};
use super::source::{Entry, Node, Raw, Span};
use super::text_task::{self, TextDraft};
use crate::csv_task::{self, DIGITS, Layout, Targets};
use crate::input;
use crate::trial::{CsvFile, Dtype, Loss, Source, Task, TaskKind};
use std::cell::OnceCell;
use std::collections::HashSet;

/// A task as it is written. Its outputs depend on the loss, which is not known yet.
#[derive(Debug)]
pub struct TaskDraft {
    pub kind: TaskKind,
    inputs: Option<usize>,
    outputs: Option<(usize, Span)>,
    classes: Option<(usize, Span)>,
    samples: Option<usize>,
    input_std: Option<(f64, Span)>,
    file: Option<File>,
    arrays: Option<ArraysDraft>,
    text: Option<TextDraft>,
}

#[derive(Debug)]
struct File {
    path: String,
    /// The path as the spec has it, for messages.
    written: String,
    span: Span,
    content: Content,
    target: String,
    features: Vec<String>,
    standardize: bool,
    separator: char,
    samples: Option<usize>,
    /// The largest magnitude of each feature and, behind them, that of the target if it is a
    /// number.
    columns: OnceCell<Vec<(String, f64)>>,
}

/// What is known of a file.
#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    /// What an earlier sweep took of it.
    Taken(Box<Taken>),
}

/// The task under each loss that a grid uses.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    pub mse: Option<Task>,
    pub cross_entropy: Option<Task>,
    /// What the tasks take of the file of a csv task.
    pub taken: Option<Taken>,
}

impl Tasks {
    /// The task under a loss.
    ///
    /// # Panics
    /// If the tasks were not made for this loss.
    pub fn of(&self, loss: Loss) -> &Task {
        let task = match loss {
            Loss::Mse => &self.mse,
            Loss::CrossEntropy => &self.cross_entropy,
        };
        task.as_ref().expect("the tasks were made for every loss of the block")
    }

    /// The loss where the grid names none.
    pub fn default_loss(&self) -> Loss {
        self.any().map_or(Loss::Mse, |task| task.kind.default_loss())
    }

    /// Any of the tasks, which differ in their outputs only.
    pub fn any(&self) -> Option<&Task> {
        self.mse.as_ref().or(self.cross_entropy.as_ref())
    }
}

/// The keys of all kinds.
fn keys() -> Vec<&'static str> {
    let mut all = vec![key::KIND];
    for name in key::TASKS.iter().flat_map(key::TaskKeys::names) {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    all
}

/// Reads the table of a task. It returns `None` after a mistake that leaves no task at all.
pub fn read(node: &Node, open: Sources, problems: &mut Problems) -> Option<TaskDraft> {
    let Raw::Table(entries) = &node.raw else {
        let hint = "for example task = { kind = \"teacher\", samples = 256 }";
        problems.push(&node.span, Mistake::kind("task", node.raw.kind(), "a table", hint));
        return None;
    };
    let kind = kind(entries, &node.span, problems);
    let mut plan = TaskDraft {
        kind: kind.unwrap_or(TaskKind::Teacher),
        inputs: None,
        outputs: None,
        classes: None,
        samples: None,
        input_std: None,
        file: None,
        arrays: None,
        text: None,
    };
    for entry in entries.iter().filter(|entry| entry.key != "kind") {
        let key = entry.key.as_str();
        // If the kind is unknown, the keys of all kinds are accepted.
        let table = kind.map(key::TaskKeys::of);
        let known = match table {
            Some(table) => table.key(key),
            None => key::TASKS.iter().find_map(|table| table.key(key)),
        };
        if let Some(known) = known {
            fill(&mut plan, entry, known, problems);
        } else if let Some(table) = table.filter(|_| keys().contains(&key)) {
            let known = table.names().join(", ");
            let hint = if known.is_empty() { "it takes none".to_owned() } else { format!("it takes: {known}") };
            let message = format!("`{key}` does not apply to the task `{}`", table.kind.name());
            problems.add(&entry.key_span, message, hint);
        } else {
            // If the kind is known, a key that does not apply to it is no suggestion.
            let message = match kind {
                Some(kind) => format!("the task `{}` has no key `{}`", kind.name(), excerpt(key)),
                None => format!("a task has no key `{}`", excerpt(key)),
            };
            let known = table.map_or_else(keys, |table| [vec![key::KIND], table.names()].concat());
            problems.push(&entry.key_span, Mistake::unknown(message, key, &known));
        }
    }
    let kind = kind?;
    if kind == TaskKind::Csv {
        plan.file = Some(file(entries, (&node.span, plan.samples), open, problems)?);
    }
    if matches!(kind, TaskKind::Arrays | TaskKind::ArraySequences) {
        let arrays = array_task::read(entries, (&node.span, plan.samples), open, problems)?;
        if kind == TaskKind::ArraySequences && arrays.sizes.time.is_none() {
            let message = format!("`{}`: its inputs are no sequences", excerpt(&arrays.written));
            problems.add(&arrays.span, message, "kind = \"arrays\"; sequences are [samples, time, features]");
            return None;
        }
        plan.kind = arrays.kind();
        plan.arrays = Some(arrays);
    }
    if kind == TaskKind::Text {
        plan.text = Some(text_task::read(entries, open, problems)?);
    }
    Some(plan)
}

fn kind(entries: &[Entry], span: &Span, problems: &mut Problems) -> Option<TaskKind> {
    let names: Vec<&str> = TaskKind::ALL.iter().map(|kind| kind.name()).collect();
    let Some(entry) = entries.iter().find(|entry| entry.key == "kind") else {
        problems.add(span, "the task has no `kind`", format!("one of: {}", names.join(", ")));
        return None;
    };
    let found = match entry.value.raw.text() {
        Some(text) => {
            let name = text.replace('_', "-");
            TaskKind::from_name(&name)
                .ok_or_else(|| Mistake::unknown(format!("`{}` is not a kind of task", excerpt(&name)), &name, &names))
        }
        None => Err(Mistake::kind("kind", entry.value.raw.kind(), "a name", format!("one of: {}", names.join(", ")))),
    };
    problems.keep(&entry.value.span, found)
}

/// Takes a number of the table. The keys of a file are left to `file`.
fn fill(plan: &mut TaskDraft, entry: &Entry, key: &Key, problems: &mut Problems) {
    let (span, raw) = (&entry.value.span, &entry.value.raw);
    let (mut count, mut number) = (None, None);
    if let Takes::Integer { min, max } = key.takes {
        let wrong = || {
            let message = format!("`{}` is not an integer from {min} to {max}", key.name);
            Mistake::new(message, format!("for example {} = 10", key.name))
        };
        let found = match raw.integer() {
            Some(i) if (min..=max).contains(&i) => Ok(i as usize),
            _ => Err(wrong()),
        };
        count = problems.keep(span, found);
    } else if let Takes::Number(range) = key.takes {
        let message = format!("`{}` is not {}", key.name, range.words);
        let wrong = || Mistake::new(message, format!("for example {} = 1.0", key.name));
        let found = raw.number().filter(|x| range.holds(*x)).ok_or_else(wrong);
        number = problems.keep(span, found).map(|x| (x + 0.0, span.clone()));
    } else {
        return;
    }
    match key.name {
        "inputs" => plan.inputs = count,
        "outputs" => plan.outputs = count.map(|n| (n, entry.key_span.clone())),
        "classes" => plan.classes = count.map(|n| (n, entry.key_span.clone())),
        "samples" => plan.samples = count,
        "input_std" => plan.input_std = number,
        other => unreachable!("the number `{other}` of a task has no place in its plan"),
    }
}

/// Reads the keys of a csv task and its file. `samples` is the value of the key of that name.
fn file(
    entries: &[Entry],
    (span, samples): (&Span, Option<usize>),
    open: Sources,
    problems: &mut Problems,
) -> Option<File> {
    let find = |key: &str| entries.iter().find(|entry| entry.key == key);
    let mut text = |key: &str, hint: &str| match find(key) {
        Some(Entry { value: Node { raw: Raw::Text(text), span }, .. }) => Some((text.clone(), span.clone())),
        Some(entry) => {
            problems.push(&entry.value.span, Mistake::kind(key, entry.value.raw.kind(), "a string", hint));
            None
        }
        None => {
            problems.add(span, format!("the csv task has no `{key}`"), hint);
            None
        }
    };
    let path = text("path", "path = \"data.csv\", relative to the spec");
    let target = text("target", "target = \"name of the column to learn\"");
    let features = features(find("features"), target.as_ref().map(|t| t.0.as_str()), problems);
    let standardize = match find("standardize").map(|entry| (&entry.value.raw, &entry.value.span)) {
        None => Some(true),
        Some((Raw::Boolean(b), _)) => Some(*b),
        Some((raw, span)) => {
            problems.push(span, Mistake::kind("standardize", raw.kind(), "true or false", "standardize = true"));
            None
        }
    };
    let between = separator(find("separator"), problems);
    let (written, span) = path?;
    let (target, features, separator) = (target?.0, features?, between?);
    let asked = Asked { path: &written, target: &target, features: &features, samples, separator };
    let opened = match ((open.read)(&written), asked.find(open.taken)) {
        (Ok((path, bytes)), _) => data::other_format(&written, &bytes).map(|()| (path, Content::Bytes(bytes))),
        (Err(_), Some(taken)) => Ok((taken.file.clone(), Content::Taken(Box::new(taken.clone())))),
        (Err(error), None) => {
            let message = format!("cannot read `{}`: {error}", excerpt(&written));
            Err(Mistake::new(message, "the path is relative to the folder of the spec"))
        }
    };
    let (path, content) = problems.keep(&span, opened)?;
    let (standardize, columns) = (standardize?, OnceCell::new());
    Some(File { path, written, span, content, target, features, standardize, separator, samples, columns })
}

/// Reads the value of `separator`, which is a comma if the key is missing.
fn separator(entry: Option<&Entry>, problems: &mut Problems) -> Option<char> {
    let Some(entry) = entry else { return Some(',') };
    let hint = "separator = \";\", or \"\\t\" for a tab";
    let found = match entry.value.raw.text().map(|text| text.as_bytes()) {
        Some([byte])
            if !byte.is_ascii_alphanumeric() && !matches!(byte, b'"' | b'\n' | b'\r' | b'.' | b'-' | b'+' | 0) =>
        {
            Ok(char::from(*byte))
        }
        Some(_) => Err(Mistake::new("`separator` is not one character that can stand between cells", hint)),
        None => Err(Mistake::kind("separator", entry.value.raw.kind(), "a string", hint)),
    };
    problems.keep(&entry.value.span, found)
}

fn features(entry: Option<&Entry>, target: Option<&str>, problems: &mut Problems) -> Option<Vec<String>> {
    let Some(entry) = entry else { return Some(Vec::new()) };
    let hint = "features = [\"a\", \"b\"]; leave it out to take every column but the target";
    let Raw::List(items) = &entry.value.raw else {
        problems.push(&entry.value.span, Mistake::kind("features", entry.value.raw.kind(), "a list of columns", hint));
        return None;
    };
    let (mut names, mut seen): (Vec<String>, HashSet<&str>) = Default::default();
    for item in items {
        let mistake = match item.raw.text() {
            None => Mistake::kind("features", item.raw.kind(), "the name of a column", hint),
            Some(name) if target == Some(name) => {
                Mistake::new(format!("`{}` is the target", excerpt(name)), "a feature is another column")
            }
            Some(name) if !seen.insert(name) => {
                Mistake::new(format!("the feature `{}` stands twice", excerpt(name)), hint)
            }
            Some(name) => {
                names.push(name.to_owned());
                continue;
            }
        };
        problems.push(&item.span, mistake);
        return None;
    }
    if names.is_empty() {
        problems.add(&entry.value.span, "`features` is empty", hint);
        return None;
    }
    Some(names)
}

impl TaskDraft {
    /// Why no trial of this dtype can start from the data, and the place of the mistake.
    pub fn beyond(&self, dtype: Dtype, learns_numbers: bool) -> Option<(&Span, Mistake)> {
        if let Some((std, span)) = &self.input_std {
            return held::input_std(dtype, *std).map(|mistake| (span, mistake));
        }
        if let Some(arrays) = self.arrays.as_ref().filter(|arrays| !arrays.file.standardize) {
            let arrays_of = &arrays.largest[..arrays.largest.len().min(if learns_numbers { 2 } else { 1 })];
            return held::column(dtype, &arrays.written, arrays_of).map(|mistake| (&arrays.span, mistake));
        }
        let file = self.file.as_ref().filter(|file| !file.standardize)?;
        let columns = file.columns();
        let features = columns.len() - usize::from(columns.last().is_some_and(|(name, _)| *name == file.target));
        let columns = if learns_numbers { columns } else { &columns[..features] };
        held::column(dtype, &file.written, columns).map(|mistake| (&file.span, mistake))
    }

    /// Whether the task has targets for this loss.
    pub fn takes(&self, loss: Loss) -> bool {
        match &self.arrays {
            Some(arrays) => loss == Loss::Mse || arrays.sizes.classes.is_some(),
            None if self.kind == TaskKind::Text => loss == Loss::CrossEntropy,
            None => loss == Loss::Mse || !matches!(self.kind, TaskKind::Scalar | TaskKind::Adding),
        }
    }

    /// The task under each of `losses`, which are those that the grid uses.
    pub fn tasks(&self, losses: &[Loss], problems: &mut Problems) -> Tasks {
        for (key, unused, loss) in
            [("outputs", &self.outputs, Loss::Mse), ("classes", &self.classes, Loss::CrossEntropy)]
        {
            if let Some((_, span)) = unused
                && self.kind != TaskKind::Copy
                && !losses.is_empty()
                && !losses.contains(&loss)
            {
                let other = if key == "outputs" { "classes" } else { "outputs" };
                let message = format!("`{key}` applies under loss = \"{}\" only", loss.name());
                problems.add(span, message, format!("set that loss, or write `{other}`"));
            }
        }
        let mut taken: Option<Taken> = None;
        let mut task = |loss: Loss| {
            if !losses.contains(&loss) || !self.takes(loss) {
                return None;
            }
            if let Some(arrays) = &self.arrays {
                taken = Some(arrays.taken.clone());
                return Some(arrays.task(loss));
            }
            if let Some(text) = &self.text {
                taken = text.taken.clone();
                return Some(text.task(self.samples));
            }
            let Some(file) = &self.file else {
                return Some(self.task(loss));
            };
            let (task, mut now) = file.task(loss, problems)?;
            if now.classes.is_empty() {
                now.classes = taken.take().map(|before| before.classes).unwrap_or_default();
            }
            taken = Some(now);
            Some(task)
        };
        let (mse, cross_entropy) = (task(Loss::Mse), task(Loss::CrossEntropy));
        Tasks { mse, cross_entropy, taken }
    }

    /// The task of any kind without a file.
    fn task(&self, loss: Loss) -> Task {
        let symbols = self.classes.as_ref().map_or(8, |c| c.0);
        let (inputs, samples) = match self.kind {
            TaskKind::Scalar => (1, 1),
            TaskKind::Digits => (DIGITS.features.len(), DIGITS.samples),
            TaskKind::Adding => (2, 256),
            // There is an input for each symbol, for the blank and for the question.
            TaskKind::Copy => (symbols + 2, 256),
            // There is an input for each of four distractors, for X and for Y.
            TaskKind::TemporalOrder => (6, 256),
            TaskKind::NoiseSequence => (1, 256),
            TaskKind::Teacher
            | TaskKind::Noise
            | TaskKind::FreshNoise
            | TaskKind::Csv
            | TaskKind::Arrays
            | TaskKind::Text
            | TaskKind::ArraySequences => (10, 256),
        };
        let outputs = match (self.kind, loss) {
            (TaskKind::Digits, _) => 10,
            (TaskKind::Copy, _) => symbols,
            (TaskKind::TemporalOrder, _) => 4,
            (_, Loss::Mse) => self.outputs.as_ref().map_or(1, |o| o.0),
            (_, Loss::CrossEntropy) => self.classes.as_ref().map_or(10, |c| c.0),
        };
        Task {
            kind: self.kind,
            inputs: self.inputs.unwrap_or(inputs),
            outputs,
            samples: self.samples.unwrap_or(samples),
            input_std: self.input_std.as_ref().map_or(1.0, |std| std.0),
            source: Source::BuiltIn,
        }
    }

    /// Whether it learns arrays of the user's own.
    pub fn is_of_arrays(&self) -> bool {
        self.arrays.is_some()
    }

    /// The text that it learns.
    pub fn text(&self) -> Option<&TextDraft> {
        self.text.as_ref()
    }

    /// The samples that a spec gives it.
    pub fn samples(&self) -> Option<usize> {
        self.samples
    }

    /// The time steps of its sequences, where they are given.
    pub fn time(&self) -> Option<usize> {
        self.arrays.as_ref()?.sizes.time
    }
}

impl File {
    /// See the field. There are none if the file is no table, which is reported elsewhere, or if it
    /// is not here.
    fn columns(&self) -> &[(String, f64)] {
        self.columns.get_or_init(|| {
            let Content::Bytes(bytes) = &self.content else { return Vec::new() };
            let table =
                |as_classes| csv_task::parse_with(bytes, &self.target, &self.features, as_classes, self.layout());
            let Ok(table) = table(false).or_else(|_| table(true)) else { return Vec::new() };
            let mut columns: Vec<(String, f64)> = table.features.iter().map(|name| (name.clone(), 0.0)).collect();
            for row in table.inputs.chunks_exact(columns.len()) {
                columns.iter_mut().zip(row).for_each(|((_, largest), x)| *largest = largest.max(x.abs()));
            }
            if let Targets::Values(values) = &table.targets {
                let largest = values.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
                columns.push((self.target.clone(), largest));
            }
            columns
        })
    }

    /// The task, and what it takes of the file.
    fn task(&self, loss: Loss, problems: &mut Problems) -> Option<(Task, Taken)> {
        let taken = problems.keep(&self.span, self.taken(loss))?;
        let task = Task {
            kind: TaskKind::Csv,
            inputs: taken.features.len(),
            outputs: if loss == Loss::CrossEntropy { taken.classes.len() } else { 1 },
            samples: taken.rows as usize,
            input_std: 1.0,
            source: Source::Csv(Box::new(CsvFile {
                path: self.path.clone(),
                sha256: taken.sha256.clone(),
                target: self.target.clone(),
                features: taken.features.clone(),
                standardize: self.standardize,
                separator: self.separator,
            })),
        };
        Some((task, taken))
    }

    fn layout(&self) -> Layout {
        Layout { separator: self.separator as u8, samples: self.samples }
    }

    fn taken(&self, loss: Loss) -> Result<Taken, Mistake> {
        let bytes = match &self.content {
            Content::Bytes(bytes) => bytes,
            Content::Taken(taken) if loss == Loss::CrossEntropy && taken.classes.is_empty() => {
                let message = format!(
                    "`{}` is not here, and its target was not learned as classes before",
                    excerpt(&self.written)
                );
                return Err(Mistake::new(message, "the path is relative to the folder of the spec"));
            }
            Content::Taken(taken) => return Ok((**taken).clone()),
        };
        let table =
            csv_task::parse_with(bytes, &self.target, &self.features, loss == Loss::CrossEntropy, self.layout());
        let table = table.map_err(|error| data::mistake(&self.written, bytes, &error, self.separator, loss))?;
        let asked = Asked {
            path: &self.written,
            target: &self.target,
            features: &self.features,
            samples: self.samples,
            separator: self.separator,
        };
        Ok(asked.taken(&table, &self.path, &input::sha256(bytes)))
    }
}
