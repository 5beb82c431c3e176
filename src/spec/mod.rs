//! The spec: TOML as written -> a validated grid. Every mistake is found in one pass and reported with its place; nothing is read here but
//! what `Files` hands over.
//!
//! In reading order: `source` (text, places, report), `axis` (what each axis takes), `value` (lists, ranges, short forms), `task`,
//! `block` (one `[[grid]]`), `resolve` (a point -> a trial), `filter`.

pub mod axis;
pub mod block;
pub mod filter;
pub mod resolve;
pub mod source;
pub mod task;
pub mod value;

use crate::grid::Grid;
use crate::trial::Budget;
use crate::verdict::Record;
use block::Block;
use filter::Filter;
pub use source::Report;
use source::{Entry, Node, Problems, Raw};
use task::TaskSpec;

/// Opens the file of a csv task: its path as written -> the path where workers find it, and its bytes.
pub type Files<'a> = dyn Fn(&str) -> std::io::Result<(String, Vec<u8>)> + 'a;

/// A valid spec.
#[derive(Debug, Clone)]
pub struct Spec {
    pub name: String,
    pub record: Record,
    pub blocks: Vec<Block>,
    pub excludes: Vec<Filter>,
}

/// What blocks inherit from the top of the file.
#[derive(Debug, Clone)]
pub struct Run {
    pub budget: Option<Budget>,
    pub seeds: Vec<u64>,
    pub task: Option<TaskSpec>,
    /// There is a task, but it is wrong.
    pub task_failed: bool,
    pub loss_ratio: f64,
}

const KEYS: [&str; 13] = [
    "name",
    "epochs",
    "steps",
    "seeds",
    "task",
    "base",
    "grid",
    "exclude",
    "divergence",
    "record",
    "expect",
    "baseline",
    "map",
];

impl Spec {
    /// Parses and checks a spec; `file` names it in messages.
    ///
    /// # Errors
    /// Every mistake at once, each with line, column, text and hint.
    pub fn parse(text: &str, file: &str, files: &Files) -> Result<Spec, Report> {
        let mut problems = Problems::default();
        let entries = source::parse(text, &mut problems);
        let spec = if problems.is_empty() { build(&entries, text.len(), files, &mut problems) } else { None };
        match spec {
            Some(spec) if problems.is_empty() => Ok(spec),
            _ => Err(problems.report(text, file)),
        }
    }

    pub fn grid(&self) -> Grid<'_> {
        Grid::new(self)
    }
}

fn build(entries: &[Entry], end: usize, files: &Files, problems: &mut Problems) -> Option<Spec> {
    let get = |key: &str| entries.iter().find(|e| e.key == key).map(|e| &e.value);
    for entry in entries.iter().filter(|e| !KEYS.contains(&e.key.as_str())) {
        problems.unknown(entry.key_span.clone(), "key", &entry.key, &KEYS);
    }
    let name = name(get("name"), problems);
    let task = get("task").and_then(|node| task::parse(node, problems));
    let defaults = Run {
        budget: None,
        seeds: vec![0],
        task_failed: get("task").is_some() && task.is_none(),
        task,
        loss_ratio: loss_ratio(get("divergence"), problems),
    };
    let defaults = run(entries, &defaults, problems);
    let base = match get("base") {
        Some(Node { raw: Raw::Table(table), .. }) => block::dials(table, true, problems),
        Some(other) => {
            problems.add(other.span.clone(), "`base` is not a table", "[base]");
            Vec::new()
        }
        None => Vec::new(),
    };
    if let Some(map) = get("map") {
        value::not_built(map, "[map]", problems);
    }
    let record = record(get("record"), problems);
    let excludes = tables(get("exclude"), "exclude", problems)
        .iter()
        .map(|node| Filter::from_node(node, problems))
        .collect::<Vec<_>>();
    gate(get("expect"), get("baseline"), problems);
    let grids = tables(get("grid"), "grid", problems);
    if grids.is_empty() {
        problems.add(
            end..end,
            "there is no grid",
            "add a block: [[grid]], then lines like depth = [4, 16] and lr = 0.1",
        );
    }
    let mut used = Vec::new();
    let blocks: Vec<Option<Block>> =
        grids.iter().map(|node| block::block(node, &base, &defaults, files, &mut used, problems)).collect();
    if !grids.is_empty() {
        block::unused(&base, &used, problems);
    }
    Some(Spec { name: name?, record, blocks: blocks.into_iter().collect::<Option<_>>()?, excludes })
}

fn name(node: Option<&Node>, problems: &mut Problems) -> Option<String> {
    let hint = "letters, digits, `.`, `-` and `_`, not starting with `.`: it names the folder of the results";
    match node {
        None => {
            problems.add(0..0, "`name` is missing", "add a line: name = \"grid\"");
            None
        }
        Some(Node { raw: Raw::Text(text), span }) => {
            let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            if !plain || text.is_empty() || text.starts_with('.') || text.len() > 100 {
                problems.add(span.clone(), format!("`name` cannot be {text:?}"), hint);
                return None;
            }
            Some(text.clone())
        }
        Some(other) => {
            problems.add(other.span.clone(), "`name` is not a string", hint);
            None
        }
    }
}

/// `epochs` or `steps`, and `seeds`, of the file or of a block.
pub fn run(entries: &[Entry], defaults: &Run, problems: &mut Problems) -> Run {
    let get = |key: &str| entries.iter().find(|e| e.key == key);
    let mut run = defaults.clone();
    let budget = |key: &str, problems: &mut Problems| {
        let entry = get(key)?;
        match entry.value.raw {
            Raw::Integer(n) if (0..=1_000_000_000).contains(&n) => Some(n as u64),
            _ => {
                let message = format!("`{key}` is not an integer from 0 to 1,000,000,000");
                problems.add(
                    entry.value.span.clone(),
                    message,
                    format!("{key} = 100; 0 measures at initialization only"),
                );
                None
            }
        }
    };
    let (epochs, steps) = (budget("epochs", problems), budget("steps", problems));
    if let (Some(_), Some(entry)) = (get("epochs"), get("steps")) {
        problems.add(entry.key_span.clone(), "`epochs` and `steps` are both given", "keep one of the two");
    }
    run.budget = epochs.map(Budget::Epochs).or(steps.map(Budget::Steps)).or(defaults.budget);
    // A value that is wrong is reported once, not as missing too.
    if run.budget.is_none() && (get("epochs").is_some() || get("steps").is_some()) {
        run.budget = Some(Budget::Epochs(0));
    }
    if let Some(entry) = get("seeds") {
        match &entry.value.raw {
            Raw::Integer(n) if (1..=10_000_000).contains(n) => run.seeds = (0..*n as u64).collect(),
            Raw::List(items) if !items.is_empty() => {
                run.seeds = Vec::new();
                for item in items {
                    match item.raw {
                        Raw::Integer(seed) if seed >= 0 => {
                            if run.seeds.contains(&(seed as u64)) {
                                let message = format!("the seed {seed} is listed twice");
                                problems.add(item.span.clone(), message, "name each seed once");
                            }
                            run.seeds.push(seed as u64);
                        }
                        _ => problems.add(item.span.clone(), "a seed is an integer, 0 or more", "seeds = [0, 1, 2]"),
                    }
                }
            }
            _ => {
                let message = "`seeds` is neither a number of seeds (1 or more) nor a list of them";
                problems.add(entry.value.span.clone(), message, "seeds = 5, or seeds = [0, 7]");
            }
        }
    }
    run
}

fn loss_ratio(node: Option<&Node>, problems: &mut Problems) -> f64 {
    let mut ratio = 1e6;
    for entry in table(node, "divergence", &["loss_ratio"], problems) {
        match entry.value.number() {
            Some(x) if x.is_finite() && x > 0.0 => ratio = x,
            _ => {
                let message = "`loss_ratio` is not a finite number above 0";
                problems.add(entry.value.span.clone(), message, "loss_ratio = 1e6");
            }
        }
    }
    ratio
}

fn record(node: Option<&Node>, problems: &mut Problems) -> Record {
    let mut record = Record::default();
    for entry in table(node, "record", &["epochs", "steps", "layers", "sharpness"], problems) {
        let value = &entry.value;
        match (entry.key.as_str(), &value.raw) {
            ("epochs", Raw::Boolean(b)) => record.epochs = *b,
            ("epochs", _) => problems.add(value.span.clone(), "`epochs` is not true or false", "epochs = true"),
            ("steps", Raw::Integer(n)) if *n >= 0 => record.steps = *n as u64,
            ("steps", _) => problems.add(value.span.clone(), "`steps` is not an integer, 0 or more", "steps = 20"),
            ("sharpness", Raw::Boolean(false)) => {}
            ("layers", Raw::List(items)) if items.is_empty() => {}
            (other, _) => value::not_built(value, &format!("[record] `{other}`"), problems),
        }
    }
    record
}

/// `[[expect]]` and `[baseline]` may change freely and are used by the gate; here only their keys are checked.
fn gate(expect: Option<&Node>, baseline: Option<&Node>, problems: &mut Problems) {
    for node in tables(expect, "expect", problems) {
        let keys = ["name", "where", "by", "metric", "min", "max", "value", "tolerance"];
        for entry in table(Some(&node), "expect", &keys, problems).iter().filter(|e| e.key == "where") {
            Filter::from_node(&entry.value, problems);
        }
    }
    table(baseline, "baseline", &["by", "alpha", "direction", "max_changed"], problems);
}

/// The entries of a table whose keys must be known.
fn table(node: Option<&Node>, name: &str, keys: &[&str], problems: &mut Problems) -> Vec<Entry> {
    let Some(node) = node else { return Vec::new() };
    let Raw::Table(entries) = &node.raw else {
        problems.add(node.span.clone(), format!("`{name}` is not a table"), format!("[{name}]"));
        return Vec::new();
    };
    let (known, unknown): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|e| keys.contains(&e.key.as_str()));
    for entry in unknown {
        problems.unknown(entry.key_span.clone(), &format!("key of [{name}]"), &entry.key, keys);
    }
    known.into_iter().cloned().collect()
}

/// The tables of `[[name]]`.
fn tables(node: Option<&Node>, name: &str, problems: &mut Problems) -> Vec<Node> {
    match node {
        None => Vec::new(),
        Some(Node { raw: Raw::List(items), .. }) => items.clone(),
        Some(other) => {
            problems.add(other.span.clone(), format!("`{name}` is {}", other.kind()), format!("write [[{name}]]"));
            Vec::new()
        }
    }
}
