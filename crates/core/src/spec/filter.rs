//! Conditions on trials: `[[exclude]]`, the `where` of a spec, and `--where` of the command line.

use super::key;
use super::report::{Mistake, Problems, excerpt};
use super::source::{Entry, Node, Raw, Span};
use super::value::{self, Written};
use crate::axis::{ALL_SAMPLES, Axis, AxisSet, Bounds, Id, Kind, Named};
use crate::record;
use crate::trial::{TaskKind, Trial, Value};

/// What a filter reads: a trial of the grid, or a row of `runs.csv`.
pub trait Filterable {
    /// The value of an axis; `None` where the axis does not apply.
    fn value(&self, axis: &'static Axis) -> Option<Value>;
    fn label(&self) -> &str;
    fn task(&self) -> &str;
    fn samples(&self) -> u64;
}

impl Filterable for Trial {
    fn value(&self, axis: &'static Axis) -> Option<Value> {
        axis.id.of(self)
    }

    fn label(&self) -> &str {
        &self.label
    }

    fn task(&self) -> &str {
        self.task_name()
    }

    fn samples(&self) -> u64 {
        self.task.samples as u64
    }
}

/// Conditions on trials. A filter holds of a trial if all its conditions do, so without conditions
/// it holds of every trial.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    conditions: Vec<Condition>,
}

/// An attribute and the values that it may have.
#[derive(Debug, Clone)]
struct Condition {
    column: Attribute,
    any: Vec<Listed>,
}

/// A value, and its place in the spec or in the argument.
#[derive(Debug, Clone)]
struct Listed {
    want: Want,
    span: Span,
}

/// An attribute of a trial, by which trials are filtered and grouped.
#[derive(Debug, Clone, Copy)]
pub enum Attribute {
    Axis(&'static Axis),
    Label,
    Task,
}

/// What an attribute is compared with.
#[derive(Debug, Clone)]
enum Want {
    Text(String),
    /// A value, and the number of a short form.
    Value(Value, Option<f64>),
    /// A number under its name, which may be another one in each trial.
    Named(&'static Named),
    /// The ends of a range, which includes both.
    Between(f64, f64),
}

const HINT: &str = "a value, a list of values, or { min = a, max = b }";

impl Attribute {
    pub(super) fn find(name: &str, known: &AxisSet) -> Result<Attribute, Mistake> {
        let name = name.trim().replace('-', "_");
        match name.as_str() {
            "label" => Ok(Attribute::Label),
            "task" => Ok(Attribute::Task),
            name => known.find(name).map(Attribute::Axis).ok_or_else(|| {
                let known: Vec<&str> = ["label", "task"].into_iter().chain(known.names()).collect();
                Mistake::unknown(format!("`{}` is not an axis", excerpt(name)), name, &known)
            }),
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Attribute::Axis(axis) => axis.name,
            Attribute::Label => "label",
            Attribute::Task => "task",
        }
    }

    /// The attribute of a trial as `runs.csv` has it. It is empty where the axis does not apply.
    pub fn text(&self, trial: &Trial) -> String {
        match self {
            Attribute::Label => trial.label.clone(),
            Attribute::Task => trial.task_name().to_owned(),
            Attribute::Axis(axis) => match axis.id.of(trial) {
                None => String::new(),
                Some(Value::Text(text)) => text.to_owned(),
                Some(Value::Integer(n)) => n.to_string(),
                Some(Value::Float(x)) => record::float(x),
                Some(Value::Boolean(b)) => b.to_string(),
            },
        }
    }

    /// Reads a value that is written as in TOML.
    fn want(&self, raw: &Raw) -> Result<Want, Mistake> {
        match (self, raw) {
            (Attribute::Axis(axis), _) => {
                let Written { value, number } = value::typed(axis, raw)?;
                Ok(axis.named_number(value).map_or(Want::Value(value, number), Want::Named))
            }
            (Attribute::Label, Raw::Text(text)) => Ok(Want::Text(text.clone())),
            (Attribute::Task, Raw::Text(text)) => {
                let name = text.replace('_', "-");
                let known: Vec<&str> = TaskKind::ALL.iter().map(|kind| kind.name()).chain(["bundle"]).collect();
                match known.contains(&name.as_str()) {
                    true => Ok(Want::Text(name)),
                    false => Err(Mistake::unknown(format!("`{}` is not a task", excerpt(text)), text, &known)),
                }
            }
            (Attribute::Label | Attribute::Task, raw) => Err(Mistake::kind(self.name(), raw.kind(), "a string", HINT)),
        }
    }

    fn between(&self, min: Option<f64>, max: Option<f64>) -> Result<Want, Mistake> {
        match self {
            Attribute::Axis(axis) if axis.is_numeric() => {}
            Attribute::Axis(_) | Attribute::Label | Attribute::Task => {
                let message = format!("`{}` is not numeric, so it has no range", self.name());
                return Err(Mistake::new(message, "write a value or a list of values"));
            }
        }
        match (min, max) {
            (None, None) => Err(Mistake::new(format!("the range of `{}` has no end", self.name()), HINT)),
            (min, max) => {
                let (min, max) = (min.unwrap_or(f64::NEG_INFINITY), max.unwrap_or(f64::INFINITY));
                match min <= max || close(min, max) {
                    true => Ok(Want::Between(min, max)),
                    false => Err(Mistake::new(
                        format!("the range of `{}` from {min} to {max} is empty", self.name()),
                        "the smaller end comes first",
                    )),
                }
            }
        }
    }
}

impl Filter {
    /// Reads the arguments of `--where`: `AXIS=V`, `AXIS=V,V` or `AXIS=A..B`. A value may stand in
    /// quotes, and a value with a comma must.
    ///
    /// # Errors
    /// What is wrong with the first bad argument, with a hint.
    pub fn parse(args: &[String], known: &AxisSet) -> Result<Filter, String> {
        let conditions = args
            .iter()
            .map(|arg| condition(arg, known).map_err(|mistake| format!("`--where {}`: {mistake}", excerpt(arg))));
        Ok(Filter { conditions: conditions.collect::<Result<_, _>>()? })
    }

    /// Reads a table of conditions.
    pub(super) fn read(entries: &[Entry], known: &AxisSet, problems: &mut Problems) -> Filter {
        let mut conditions = Vec::new();
        for entry in entries {
            if let Some(column) = problems.keep(&entry.key_span, Attribute::find(&entry.key, known)) {
                conditions.push(Condition { column, any: wants(&column, &entry.value, problems) });
            }
        }
        Filter { conditions }
    }

    /// The values that are no ranges, each as its condition and its position in that.
    pub(super) fn listed(&self) -> Vec<(usize, usize)> {
        let all =
            self.conditions.iter().enumerate().flat_map(|(i, condition)| (0..condition.any.len()).map(move |k| (i, k)));
        all.filter(|(i, k)| !matches!(self.conditions[*i].any[*k].want, Want::Between(..))).collect()
    }

    /// Whether a trial has this value of `listed`.
    pub(super) fn has(&self, condition: usize, value: usize, trial: &impl Filterable) -> bool {
        let Condition { column, any } = &self.conditions[condition];
        any[value].want.holds(column, trial)
    }

    /// The attribute of a value of `listed`, and the place of the value.
    pub(super) fn place(&self, condition: usize, value: usize) -> (Attribute, Span) {
        let Condition { column, any } = &self.conditions[condition];
        (*column, any[value].span.clone())
    }

    /// The attributes of its conditions.
    pub(super) fn columns(&self) -> impl Iterator<Item = Attribute> {
        self.conditions.iter().map(|condition| condition.column)
    }

    /// The number of values with which a trial may be compared.
    pub(super) fn values(&self) -> u64 {
        self.conditions.iter().map(|condition| condition.any.len() as u64).sum()
    }

    /// Whether the filter holds of a trial.
    pub fn matches(&self, trial: &impl Filterable) -> bool {
        self.conditions
            .iter()
            .all(|condition| condition.any.iter().any(|listed| listed.want.holds(&condition.column, trial)))
    }
}

fn wants(column: &Attribute, node: &Node, problems: &mut Problems) -> Vec<Listed> {
    let listed = |want| Listed { want, span: node.span.clone() };
    match &node.raw {
        Raw::List(items) if items.is_empty() => {
            problems.add(&node.span, format!("the list of `{}` is empty", column.name()), HINT);
            Vec::new()
        }
        Raw::List(items) if items.iter().all(|item| item.raw.list().is_none()) => {
            items.iter().flat_map(|item| wants(column, item, problems)).collect()
        }
        Raw::Table(entries) => {
            let (mut min, mut max) = (None, None);
            for entry in entries {
                let end = match entry.key.as_str() {
                    "min" => &mut min,
                    "max" => &mut max,
                    other => {
                        problems.push(
                            &entry.key_span,
                            Mistake::unknown(
                                format!("a range has no key `{}`", excerpt(other)),
                                other,
                                &key::names(&key::BETWEEN),
                            ),
                        );
                        return Vec::new();
                    }
                };
                match entry.value.raw.number().filter(|x| !x.is_nan()) {
                    Some(x) => *end = Some(x),
                    None => {
                        problems.add(&entry.value.span, format!("`{}` is not a number", entry.key), HINT);
                        return Vec::new();
                    }
                }
            }
            problems.keep(&node.span, column.between(min, max)).into_iter().map(listed).collect()
        }
        Raw::List(_) | Raw::Text(_) | Raw::Integer(_) | Raw::Float(_) | Raw::Boolean(_) | Raw::Other(_) => {
            problems.keep(&node.span, column.want(&node.raw)).into_iter().map(listed).collect()
        }
    }
}

/// Reads `AXIS=V[,V]` or `AXIS=A..B`. Either end of a range may be left out.
fn condition(arg: &str, known: &AxisSet) -> Result<Condition, Mistake> {
    let Some((name, values)) = arg.split_once('=') else {
        return Err(Mistake::new("there is no `=`", "AXIS=V, AXIS=V,V or AXIS=A..B, for example lr=1e-3..0.1"));
    };
    let column = Attribute::find(name, known)?;
    let numeric = matches!(column, Attribute::Axis(axis) if axis.is_numeric());
    let any = match values.split_once("..") {
        Some((min, max)) if numeric => {
            let end = |text: &str| match text.trim() {
                "" => Ok(None),
                text => number(text).map(Some).ok_or_else(|| {
                    let message = format!("`{}` is not an end of a range of `{}`", excerpt(text), column.name());
                    Mistake::new(message, "the ends of a range are numbers")
                }),
            };
            vec![Listed { want: column.between(end(min)?, end(max)?)?, span: name.len() + 1..arg.len() }]
        }
        _ => {
            let words = words(arg, name.len() + 1)?;
            let listed = |span: Span| Ok(Listed { want: want(&column, &arg[span.clone()])?, span });
            words.into_iter().map(listed).collect::<Result<_, _>>()?
        }
    };
    Ok(Condition { column, any })
}

/// The places of the values of a list in `arg`, from `at` on. Commas separate them, and blanks
/// around them do not count. A value in quotes comes without its quotes, and may have commas and
/// blanks of its own.
fn words(arg: &str, mut at: usize) -> Result<Vec<Span>, Mistake> {
    let mut words = Vec::new();
    loop {
        let rest = &arg[at..];
        let start = at + rest.len() - rest.trim_start().len();
        let quote = arg[start..].chars().next().filter(|c| matches!(c, '"' | '\''));
        let end = match quote {
            None => {
                let end = arg[start..].find(',').map_or(arg.len(), |comma| start + comma);
                words.push(start..start + arg[start..end].trim_end().len());
                end
            }
            Some(quote) => {
                let Some(length) = arg[start + 1..].find(quote) else {
                    return Err(Mistake::new(
                        format!("the quote {quote} is not closed"),
                        "a value that begins with a quote stands in the other one: label='\"so\"'",
                    ));
                };
                let close = start + 1 + length;
                words.push(start + 1..close);
                let rest = &arg[close + 1..];
                let end = arg.len() - rest.trim_start().len();
                if end < arg.len() && !arg[end..].starts_with(',') {
                    let message = format!("`{}` stands behind a value in quotes", excerpt(&arg[end..]));
                    return Err(Mistake::new(message, "values are apart by commas: label=\"a, b\",c"));
                }
                end
            }
        };
        if end == arg.len() {
            return Ok(words);
        }
        at = end + 1;
    }
}

fn number(text: &str) -> Option<f64> {
    text.parse::<f64>().ok().filter(|x| !x.is_nan())
}

/// Reads a value as the command line has it: without quotes.
fn want(column: &Attribute, text: &str) -> Result<Want, Mistake> {
    let no_value = |takes: &str| {
        let message = format!("`{}` is not a value of `{}`", excerpt(text), column.name());
        Mistake::new(message, format!("it takes {takes}"))
    };
    let raw = match column {
        Attribute::Axis(axis) => match axis.kind {
            Kind::Integer { .. } if axis.id == Id::Batch && text == "all" => Raw::Text(text.to_owned()),
            Kind::Integer { .. } => Raw::Integer(text.parse().map_err(|_| no_value("integers"))?),
            Kind::Float { names: [], .. } => Raw::Float(number(text).ok_or_else(|| no_value("numbers"))?),
            Kind::Float { range: Bounds { words, .. }, names } => match number(text) {
                Some(number) => Raw::Float(number),
                None if names.iter().any(|named| named.name == text) => Raw::Text(text.to_owned()),
                None => return Err(no_value(words)),
            },
            Kind::Boolean if text == "true" || text == "false" => Raw::Boolean(text == "true"),
            Kind::Boolean | Kind::Choice { .. } | Kind::Text => Raw::Text(text.to_owned()),
        },
        Attribute::Label | Attribute::Task => Raw::Text(text.to_owned()),
    };
    column.want(&raw)
}

impl Want {
    fn is_text(&self, found: &str) -> bool {
        matches!(self, Want::Text(text) if text == found)
    }

    fn holds(&self, column: &Attribute, trial: &impl Filterable) -> bool {
        let axis = match column {
            Attribute::Label => return self.is_text(trial.label()),
            Attribute::Task => return self.is_text(trial.task()),
            Attribute::Axis(axis) => axis,
        };
        let Some(found) = trial.value(axis) else { return false };
        let applies = |id: Id| trial.value(id.axis()).is_some();
        match self {
            Want::Text(_) => false,
            Want::Between(min, max) => {
                let x = as_number(found);
                (x >= *min || close(x, *min)) && (x <= *max || close(x, *max))
            }
            Want::Value(Value::Integer(ALL_SAMPLES), _) if axis.id == Id::Batch => {
                found == Value::Integer(trial.samples())
            }
            Want::Value(want, number) => {
                // A name that means more than its number is not meant by the number.
                let is_more = axis.named().iter().filter_map(|named| named.marked_by).any(applies);
                same(found, *want) && !is_more && number.is_none_or(|number| has_number(trial, axis, number))
            }
            Want::Named(named) => {
                (named.number)(&|id| trial.value(id.axis())).is_some_and(|x| same(found, Value::Float(x)))
                    && named.marked_by.is_none_or(applies)
            }
        }
    }
}

/// Whether the number of a short form holds, too.
fn has_number(trial: &impl Filterable, axis: &Axis, number: f64) -> bool {
    let Kind::Choice { short: Some(short), .. } = &axis.kind else { return false };
    trial.value(short.sets.axis()).is_some_and(|found| same(found, Value::Float(number)))
}

fn same(found: Value, want: Value) -> bool {
    match (found, want) {
        (Value::Float(found), Value::Float(want)) => close(found, want),
        (found, want) => found == want,
    }
}

fn as_number(value: Value) -> f64 {
    match value {
        Value::Integer(i) => i as f64,
        Value::Float(x) => x,
        Value::Text(_) | Value::Boolean(_) => f64::NAN,
    }
}

/// Whether two numbers are equal within a relative 1e-9.
fn close(a: f64, b: f64) -> bool {
    a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()) && a.is_finite() && b.is_finite()
}
