//! One `[[grid]]` block: its dials, after base values, short forms and zips were settled and everything that spans axes was checked.

use super::axis::{self, Axis};
use super::source::{Entry, Node, Problems, Raw};
use super::task::{self, TaskSpec};
use super::value::{self, Cell, Setting};
use super::{Files, Run};
use crate::axes::Value;
use crate::trial::{Budget, Loss, Task};
use std::ops::Range;

/// A block, valid.
#[derive(Debug, Clone)]
pub struct Block {
    pub label: String,
    /// The task under each loss that the block uses.
    pub tasks: Vec<(Loss, Task)>,
    pub sequence: bool,
    pub budget: Budget,
    pub loss_ratio: f64,
    pub seeds: Vec<u64>,
    /// Their product is the block, the last one fastest; the seed is faster still.
    pub dials: Vec<Vec<Setting>>,
    /// No two points can be the same trial.
    pub distinct: bool,
}

/// A dial with where it was written.
#[derive(Debug, Clone)]
pub struct Dial {
    axis: &'static Axis,
    span: Range<usize>,
    settings: Vec<Setting>,
    from_base: bool,
}

/// Keys of a block that are not axes.
const OTHER_KEYS: [&str; 6] = ["label", "task", "epochs", "steps", "seeds", "zip"];

/// The axes of a table, `[base]` or a block.
pub fn dials(entries: &[Entry], from_base: bool, problems: &mut Problems) -> Vec<Dial> {
    let mut dials: Vec<Dial> = Vec::new();
    for entry in entries {
        if !from_base && OTHER_KEYS.contains(&entry.key.as_str()) {
            continue;
        }
        let Some(axis) = axis::find(&entry.key) else {
            let mut known = axis::names();
            if !from_base {
                known.extend(OTHER_KEYS);
            }
            problems.unknown(entry.key_span.clone(), "key", &entry.key, &known);
            continue;
        };
        let settings = value::settings(axis, &entry.value, problems);
        if settings.is_empty() {
            if matches!(&entry.value.raw, Raw::List(items) if items.is_empty()) {
                let hint = "give at least one value, or leave the axis out for its default";
                problems.add(entry.value.span.clone(), format!("`{}` has no values", entry.key), hint);
            }
            continue;
        }
        dials.push(Dial { axis, span: entry.key_span.clone(), settings, from_base });
    }
    // A short form and its axis in one table.
    for dial in &dials {
        if let Some(short) = dials.iter().find(|d| d.axis.name != dial.axis.name && d.sets(dial.axis.name)) {
            let message =
                format!("`{}` is given twice: here and in parentheses in `{}`", dial.axis.name, short.axis.name);
            problems.add(dial.span.clone(), message, "keep one of the two");
        }
    }
    dials
}

impl Dial {
    fn sets(&self, axis: &str) -> bool {
        self.settings.iter().flatten().any(|cell| cell.axis == axis)
    }
}

/// Builds a block; axes of `[base]` that apply in it are added to `used`.
pub fn block(
    node: &Node,
    base: &[Dial],
    defaults: &Run,
    files: &Files,
    used: &mut Vec<&'static str>,
    problems: &mut Problems,
) -> Option<Block> {
    let Raw::Table(entries) = &node.raw else {
        problems.add(node.span.clone(), "`grid` is not a table", "write blocks as [[grid]]");
        return None;
    };
    let get = |key: &str| entries.iter().find(|e| e.key == key);
    let own = dials(entries, false, problems);
    let mut all = own.clone();
    for dial in base {
        if own.iter().any(|d| d.sets(dial.axis.name)) {
            continue;
        }
        if let Some(conflict) = own.iter().find(|d| dial.sets(d.axis.name)) {
            let message = format!("`{}` is given here and in parentheses in [base]", conflict.axis.name);
            let hint = format!("also set `{}` here, or write the pair as two axes in [base]", dial.axis.name);
            problems.add(conflict.span.clone(), message, hint);
            continue;
        }
        all.push(dial.clone());
    }
    let possible = Possible { dials: &all };
    for dial in &all {
        for axis in axis::AXES.iter().filter(|a| dial.sets(a.name)) {
            let applies = axis.needs.iter().all(|(other, holds)| possible.values(other).into_iter().any(holds));
            if applies {
                used.push(axis.name);
            } else if !dial.from_base {
                let why = axis.needs.iter().map(|n| format!("`{}`", n.0)).collect::<Vec<_>>().join(" and ");
                let message = format!("`{}` applies nowhere in this block", axis.name);
                problems.add(dial.span.clone(), message, format!("it depends on {why}; remove it or change those"));
            }
        }
    }
    let label = match get("label").map(|e| &e.value) {
        None => String::new(),
        Some(Node { raw: Raw::Text(text), .. }) => text.clone(),
        Some(other) => {
            problems.add(other.span.clone(), "`label` is not a string", "label = \"a name for this block\"");
            String::new()
        }
    };
    let run = super::run(entries, defaults, problems);
    let losses: Vec<Loss> = possible
        .values("loss")
        .into_iter()
        .filter_map(|v| if let Value::Text(name) = v { Loss::from_name(name) } else { None })
        .collect();
    let task: Option<TaskSpec> = match get("task") {
        Some(entry) => task::parse(&entry.value, problems),
        None => defaults.task.clone(),
    };
    if task.is_none() && get("task").is_none() && !defaults.task_failed {
        problems.add(
            node.span.clone(),
            "there is no task",
            "add [task] with kind = \"teacher\", or task = { ... } here",
        );
    }
    if run.budget.is_none() {
        problems.add(node.span.clone(), "`epochs` is missing", "add epochs = 100 at the top of the file, or here");
    }
    check(node, &all, &possible, task.as_ref(), problems);
    let tasks = task.as_ref().map(|task| task.for_losses(&losses, files, problems)).unwrap_or_default();
    let zip = get("zip").map(|e| &e.value);
    let distinct = distinct(&all, &possible, &tasks);
    let dials = zipped(all, zip, problems);
    Some(Block {
        label,
        sequence: task.as_ref().is_some_and(|t| t.kind.is_sequence()),
        tasks,
        budget: run.budget?,
        loss_ratio: defaults.loss_ratio,
        seeds: run.seeds,
        dials,
        distinct,
    })
}

/// The values that axes may have somewhere in a block.
struct Possible<'a> {
    dials: &'a [Dial],
}

impl Possible<'_> {
    fn cells(&self, axis: &str) -> Vec<Cell> {
        let cells = self.dials.iter().flat_map(|d| &d.settings).flatten();
        cells.filter(|cell| cell.axis == axis).copied().collect()
    }

    fn values(&self, axis: &str) -> Vec<Value> {
        let mut values: Vec<Value> = self.cells(axis).into_iter().map(|cell| cell.value).collect();
        // Where only some settings of a short form set the axis, the others leave its default.
        let partly = self
            .dials
            .iter()
            .any(|d| d.sets(axis) && d.settings.iter().any(|s| s.iter().all(|cell| cell.axis != axis)));
        if values.is_empty() || partly {
            values.extend(axis::default(axis));
        }
        values
    }

    fn has(&self, axis: &str, name: &'static str) -> bool {
        self.values(axis).contains(&Value::Text(name))
    }
}

/// What no single axis can tell.
fn check(node: &Node, dials: &[Dial], possible: &Possible, task: Option<&TaskSpec>, problems: &mut Problems) {
    let span_of = |axis: &str| dials.iter().find(|d| d.sets(axis)).map_or(node.span.clone(), |d| d.span.clone());
    let written = matches!(&node.raw, Raw::Table(entries) if entries.iter().any(|e| e.key == "lr"));
    if !written && !dials.iter().any(|d| d.sets("lr")) {
        problems.add(node.span.clone(), "`lr` is missing", "it has no default: lr = 0.1, or a range over decades");
    }
    let recurrent = possible.has("network", "rnn");
    if let Some(task) = task {
        let kind = task.kind.name();
        if recurrent && !task.kind.is_sequence() {
            let message = format!("network `rnn` cannot train on the task `{kind}`, which has no sequences");
            problems.add(span_of("network"), message, "tasks with sequences: adding, noise-sequence");
        }
        if possible.has("network", "mlp") && task.kind.is_sequence() {
            let message = format!("network `mlp` cannot train on the task `{kind}`, which has sequences");
            problems.add(span_of("network"), message, "set network = \"rnn\", or another task in this block");
        }
        if possible.has("loss", "cross_entropy") && !task.has_classes() {
            let message = format!("the task `{kind}` has no classes for the loss `cross_entropy`");
            problems.add(
                span_of("loss"),
                message,
                "use mse, or one of the tasks teacher, noise, fresh-noise, csv, noise-sequence",
            );
        }
    }
    if recurrent {
        if !dials.iter().any(|d| d.sets("sequence_length")) {
            let hint = "add sequence_length = 50, or a list";
            problems.add(node.span.clone(), "network `rnn` needs `sequence_length`", hint);
        }
        let adding = task.is_some_and(|t| t.kind == crate::trial::TaskKind::Adding);
        if adding && possible.values("sequence_length").contains(&Value::Integer(1)) {
            let message = "the task `adding` marks two time steps: `sequence_length` cannot be 1";
            problems.add(span_of("sequence_length"), message, "use 2 or more");
        }
        if possible.values("depth").contains(&Value::Integer(0)) {
            let message = "network `rnn` cannot have depth 0";
            problems.add(span_of("depth"), message, "use 1 or more; a linear model is an mlp");
        }
        if possible.has("norm", "batch") {
            let message = "batch norm is refused in recurrent nets: its statistics would mix time steps";
            problems.add(span_of("norm"), message, "use norm = \"layer\"");
        }
    }
    let negative = possible.values("init_scale").iter().any(|v| matches!(v, Value::Float(x) if *x < 0.0));
    if negative && possible.values("init") != [Value::Text("constant")] {
        let message = "`init_scale` is negative, which only `constant` can be";
        problems.add(span_of("init_scale"), message, "it is a standard deviation, a bound, a variance or a gain");
    }
    let momentum = possible.values("momentum").iter().any(|v| matches!(v, Value::Float(x) if *x > 0.0));
    if possible.values("nesterov").contains(&Value::Boolean(true)) && !momentum {
        problems.add(span_of("nesterov"), "`nesterov` needs a momentum above 0", "add momentum = 0.9");
    }
    for dial in dials {
        for per in dial.settings.iter().flatten().filter_map(|cell| cell.per) {
            if possible.values(per).iter().any(|v| matches!(v, Value::Integer(0) | Value::Float(0.0))) {
                problems.add(dial.span.clone(), format!("`per = \"{per}\"` divides by 0"), "leave 0 out of that axis");
            }
        }
    }
}

/// Whether no two points of the block can resolve to the same trial: then no set of seen trials is needed.
fn distinct(dials: &[Dial], possible: &Possible, tasks: &[(Loss, Task)]) -> bool {
    let samples = tasks.first().map_or(0, |t| t.1.samples as u64);
    let merged_batches = |v: &Value| matches!(v, Value::Integer(n) if *n >= samples);
    dials.iter().all(|dial| {
        let single = dial.settings.len() == 1;
        let mut texts = std::collections::HashSet::new();
        let repeats = dial.settings.iter().any(|setting| !texts.insert(format!("{setting:?}")));
        let axes = axis::AXES.iter().filter(|a| dial.sets(a.name));
        let always = axes.flat_map(|a| a.needs).all(|(other, holds)| possible.values(other).into_iter().all(holds));
        let batches =
            dial.axis.name != "batch" || possible.values("batch").iter().filter(|v| merged_batches(v)).count() < 2;
        let per = dial.settings.iter().flatten().any(|cell| cell.per.is_some());
        let special = ["nesterov", "bias_std", "sampling"].contains(&dial.axis.name);
        // Without a threshold, every clip is none.
        let unclipped = (dial.sets("clip") || dial.sets("clip_threshold"))
            && possible.values("clip_threshold").contains(&Value::Float(f64::INFINITY));
        single || (!repeats && always && batches && !per && !special && !unclipped)
    })
}

/// Dials after `zip = [["depth", "lr"], ...]` has joined some of them.
fn zipped(dials: Vec<Dial>, zip: Option<&Node>, problems: &mut Problems) -> Vec<Vec<Setting>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    if let Some(zip) = zip {
        let Raw::List(lists) = &zip.raw else {
            problems.add(zip.span.clone(), "`zip` is not a list", "zip = [[\"depth\", \"lr\"]]");
            return Vec::new();
        };
        for list in lists {
            let mut group = Vec::new();
            let Raw::List(names) = &list.raw else {
                problems.add(list.span.clone(), "`zip` holds lists of axes", "zip = [[\"depth\", \"lr\"]]");
                continue;
            };
            for name in names {
                let Raw::Text(text) = &name.raw else {
                    problems.add(name.span.clone(), "this is not the name of an axis", "zip = [[\"depth\", \"lr\"]]");
                    continue;
                };
                match dials.iter().position(|d| d.axis.name == text.replace('-', "_")) {
                    Some(at) if groups.iter().flatten().chain(&group).any(|&g| g == at) => {
                        problems.add(name.span.clone(), format!("`{text}` is zipped twice"), "name each axis once");
                    }
                    Some(at) => group.push(at),
                    None => {
                        let message = format!("`{text}` is zipped but has no values in this block");
                        problems.add(name.span.clone(), message, format!("add {text} = [...]"));
                    }
                }
            }
            let lengths: Vec<usize> = group.iter().map(|&g| dials[g].settings.len()).collect();
            if lengths.windows(2).any(|w| w[0] != w[1]) {
                let all: Vec<String> =
                    group.iter().zip(&lengths).map(|(&g, n)| format!("{} has {n}", dials[g].axis.name)).collect();
                let message = format!("zipped axes differ in length: {}", all.join(", "));
                problems.add(list.span.clone(), message, "give each the same number of values");
            } else if !group.is_empty() {
                groups.push(group);
            }
        }
    }
    let mut out = Vec::new();
    for (i, dial) in dials.iter().enumerate() {
        match groups.iter().find(|g| g.contains(&i)) {
            Some(group) if group.iter().min() == Some(&i) => {
                let joined = |at: usize| group.iter().flat_map(|&g| dials[g].settings[at].clone()).collect();
                out.push((0..dial.settings.len()).map(joined).collect());
            }
            Some(_) => {}
            None => out.push(dial.settings.clone()),
        }
    }
    out
}

/// Axes of `[base]` that no block uses.
pub fn unused(base: &[Dial], used: &[&str], problems: &mut Problems) {
    for dial in base.iter().filter(|d| !used.contains(&d.axis.name)) {
        let message = format!("`{}` applies in no block", dial.axis.name);
        problems.add(dial.span.clone(), message, "remove it, or add a block that it applies to");
    }
}
