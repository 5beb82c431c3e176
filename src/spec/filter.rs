//! Filters on trials: `where`, `[[exclude]]` and `--where`.

use super::axis::{self, Axis, Kind};
use super::source::{Node, Problems, Raw, nearest};
use super::value::{self, Cell};
use crate::axes::{self, Value};
use crate::trial::Trial;

/// Holds of a trial if every test does.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    tests: Vec<Test>,
}

#[derive(Debug, Clone)]
enum Test {
    Label(Vec<String>),
    Task(Vec<String>),
    /// Any of these; a short form asks for two axes at once.
    Any(Vec<Vec<Cell>>),
    Range {
        axis: &'static str,
        min: f64,
        max: f64,
    },
}

/// Axes that filters know beside those of `axis::AXES`.
const EXTRA: [&str; 3] = ["label", "task", "seed"];

impl Filter {
    /// From the arguments of `--where AXIS=V[,V]` and `AXIS=A..B`; all of them must hold.
    ///
    /// # Errors
    /// A message with a hint for an unknown axis, a value of another type, an empty range.
    pub fn parse(arguments: &[String]) -> Result<Filter, String> {
        let mut tests = Vec::new();
        for argument in arguments {
            let Some((name, values)) = argument.split_once('=') else {
                return Err(format!("`{argument}` is not a filter\nhint: --where AXIS=VALUE[,VALUE] or AXIS=MIN..MAX"));
            };
            let name = name.trim().replace('-', "_");
            let texts = || values.split(',').map(|v| v.trim().to_string()).collect::<Vec<_>>();
            match name.as_str() {
                "label" => {
                    tests.push(Test::Label(texts()));
                    continue;
                }
                "task" => {
                    tests.push(Test::Task(texts()));
                    continue;
                }
                _ => {}
            }
            let axis = known(&name)?;
            if let Some((low, high)) = values.split_once("..") {
                let end = |text: &str, open: f64| match text.trim() {
                    "" => Ok(open),
                    text => text
                        .parse::<f64>()
                        .map_err(|_| format!("`{text}` in `{argument}` is not a number\nhint: --where {name}=0.1..1")),
                };
                let (min, max) = (end(low, f64::NEG_INFINITY)?, end(high, f64::INFINITY)?);
                if matches!(axis.kind, Kind::Choice { .. } | Kind::Boolean) || min.is_nan() || max.is_nan() || min > max
                {
                    return Err(format!("`{argument}` is no range of numbers\nhint: --where lr=0.1..1"));
                }
                tests.push(Test::Range { axis: axis.name, min, max });
                continue;
            }
            let mut any = Vec::new();
            for text in values.split(',') {
                any.push(from_text(axis, text.trim()).ok_or_else(|| {
                    let hint = match &axis.kind {
                        Kind::Choice { names, .. } => format!("one of: {}", names.join(", ")),
                        _ => "a number, or for batch `all`".to_string(),
                    };
                    format!("`{text}` is no value of `{name}`\nhint: {hint}")
                })?);
            }
            tests.push(Test::Any(any));
        }
        Ok(Filter { tests })
    }

    /// From a table of a spec.
    pub fn from_node(node: &Node, problems: &mut Problems) -> Filter {
        let Raw::Table(entries) = &node.raw else {
            problems.add(node.span.clone(), "a filter is a table of axes", "{ init = \"he\", lr = { max = 0.1 } }");
            return Filter::default();
        };
        let mut tests = Vec::new();
        for entry in entries {
            let value = &entry.value;
            let items: &[Node] = match &value.raw {
                Raw::List(items) => items,
                _ => std::slice::from_ref(value),
            };
            if entry.key == "label" || entry.key == "task" {
                let texts: Option<Vec<String>> = items
                    .iter()
                    .map(|i| if let Raw::Text(text) = &i.raw { Some(text.clone()) } else { None })
                    .collect();
                match texts {
                    Some(texts) if entry.key == "label" => tests.push(Test::Label(texts)),
                    Some(texts) => tests.push(Test::Task(texts)),
                    None => problems.add(value.span.clone(), format!("`{}` is not a string", entry.key), "use quotes"),
                }
                continue;
            }
            let Ok(axis) = known(&entry.key) else {
                let mut names = axis::names();
                names.extend(EXTRA);
                problems.unknown(entry.key_span.clone(), "axis", &entry.key, &names);
                continue;
            };
            if let Raw::Table(bounds) = &value.raw {
                let (mut min, mut max) = (f64::NEG_INFINITY, f64::INFINITY);
                for bound in bounds {
                    match (bound.key.as_str(), bound.value.number().filter(|x| !x.is_nan())) {
                        ("min", Some(x)) => min = x,
                        ("max", Some(x)) => max = x,
                        ("min" | "max", None) => {
                            problems.add(
                                bound.value.span.clone(),
                                "this bound is not a number",
                                "{ min = 0.1, max = 1.0 }",
                            );
                        }
                        (other, _) => problems.unknown(bound.key_span.clone(), "bound", other, &["min", "max"]),
                    }
                }
                if min > max {
                    problems.add(value.span.clone(), "this range is empty", "`min` is above `max`");
                }
                tests.push(Test::Range { axis: axis.name, min, max });
                continue;
            }
            tests.push(Test::Any(items.iter().filter_map(|item| value::single(axis, item, problems)).collect()));
        }
        Filter { tests }
    }

    pub fn is_empty(&self) -> bool {
        self.tests.is_empty()
    }

    pub fn matches(&self, trial: &Trial) -> bool {
        self.tests.iter().all(|test| match test {
            Test::Label(labels) => labels.contains(&trial.label),
            Test::Task(tasks) => tasks.iter().any(|t| t.replace('_', "-") == trial.task.kind.name()),
            Test::Any(any) => any.iter().any(|cells| cells.iter().all(|cell| holds(trial, cell))),
            Test::Range { axis, min, max } => match axes::value(trial, axis) {
                Some(Value::Integer(i)) => within(i as f64, *min, *max),
                Some(Value::Float(x)) => within(x, *min, *max),
                Some(Value::Text(_) | Value::Boolean(_)) | None => false,
            },
        })
    }
}

fn within(x: f64, min: f64, max: f64) -> bool {
    (x >= min || same(x, min)) && (x <= max || same(x, max))
}

/// Floats compare at relative 1e-9.
fn same(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}

fn holds(trial: &Trial, cell: &Cell) -> bool {
    match (axes::value(trial, cell.axis), cell.value) {
        (Some(Value::Float(a)), Value::Float(b)) => same(a, b),
        // `batch = "all"`
        (Some(Value::Integer(n)), Value::Integer(u64::MAX)) => n == trial.task.samples as u64,
        (Some(found), wanted) => found == wanted,
        (None, _) => false,
    }
}

/// `seed` is an axis of trials, but not one that a block can set.
static SEED: Axis = Axis { name: "seed", kind: Kind::Integer { min: 0, max: i64::MAX as u64 }, needs: &[] };

fn known(name: &str) -> Result<&'static Axis, String> {
    if name == "seed" {
        return Ok(&SEED);
    }
    axis::find(name).ok_or_else(|| {
        let mut names = axis::names();
        names.extend(EXTRA);
        match nearest(name, &names) {
            Some(near) => format!("unknown axis `{name}`\nhint: did you mean `{near}`?"),
            None => format!("unknown axis `{name}`\nhint: known are: {}", names.join(", ")),
        }
    })
}

/// A value from the command line, read as TOML would read it.
fn from_text(axis: &'static Axis, text: &str) -> Option<Vec<Cell>> {
    let raw = match &axis.kind {
        Kind::Choice { .. } | Kind::Later { .. } => Raw::Text(text.to_string()),
        Kind::Integer { .. } if text == "all" => Raw::Text(text.to_string()),
        Kind::Integer { .. } => Raw::Integer(text.parse().ok()?),
        Kind::Float { .. } => Raw::Float(text.parse().ok()?),
        Kind::Boolean => Raw::Boolean(text.parse().ok()?),
    };
    value::single(axis, &Node { span: 0..0, raw }, &mut Problems::default())
}
