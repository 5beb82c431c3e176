//! The right-hand side of an axis: single values, lists, ranges, short forms.

use super::axis::{self, Axis, Kind};
use super::source::{Node, Problems, Raw};
use crate::axes::Value;

/// What one setting of a dial says of one axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    pub axis: &'static str,
    pub value: Value,
    /// Divide by the value of this axis at the same point.
    pub per: Option<&'static str>,
}

/// One position of a dial: one cell, two for a short form, several for a zip.
pub type Setting = Vec<Cell>;

/// All settings that a spec gives for an axis, in order.
pub fn settings(axis: &'static Axis, node: &Node, problems: &mut Problems) -> Vec<Setting> {
    match &node.raw {
        Raw::List(items) => items.iter().flat_map(|item| settings_of_item(axis, item, problems)).collect(),
        _ => settings_of_item(axis, node, problems),
    }
}

fn settings_of_item(axis: &'static Axis, node: &Node, problems: &mut Problems) -> Vec<Setting> {
    match &node.raw {
        Raw::Table(_) => range(axis, node, problems),
        _ => single(axis, node, problems).into_iter().collect(),
    }
}

/// One value; `name(number)` gives two cells.
pub fn single(axis: &'static Axis, node: &Node, problems: &mut Problems) -> Option<Setting> {
    let cell = |value| Some(vec![Cell { axis: axis.name, value, per: None }]);
    match &axis.kind {
        Kind::Choice { names, later, short } => {
            let Raw::Text(text) = &node.raw else {
                let hint = format!("one of: {}", names.join(", "));
                problems.add(node.span.clone(), format!("`{}` is {}, not a name", axis.name, node.kind()), hint);
                return None;
            };
            let (name, argument) = split(text);
            let name = axis::canonical(axis.name, name);
            let Some(&known) = names.iter().find(|n| **n == name) else {
                if later.contains(&name.as_str()) {
                    not_built(node, &format!("`{} = \"{name}\"`", axis.name), problems);
                } else {
                    problems.unknown(node.span.clone(), axis.name, text, names);
                }
                return None;
            };
            let mut setting = vec![Cell { axis: axis.name, value: Value::Text(known), per: None }];
            if let Some(argument) = argument {
                let Some((number_axis, _)) = short.filter(|(_, takes)| takes.contains(&known)) else {
                    let message = format!("`{known}` takes no number in parentheses");
                    problems.add(node.span.clone(), message, format!("write `{} = \"{known}\"`", axis.name));
                    return None;
                };
                let number_axis = axis::find(number_axis).expect("short forms name axes");
                let Ok(number) = argument.trim().parse::<f64>() else {
                    let message = format!("`{argument}` in `{text}` is not a number");
                    problems.add(node.span.clone(), message, format!("for example `{known}(1.0)`"));
                    return None;
                };
                let value = checked(number_axis, Value::Float(number), node, problems)?;
                setting.push(Cell { axis: number_axis.name, value, per: None });
            }
            Some(setting)
        }
        Kind::Integer { .. } => {
            if let (Raw::Text(text), "batch") = (&node.raw, axis.name)
                && text == "all"
            {
                return cell(Value::Integer(u64::MAX));
            }
            let Raw::Integer(i) = node.raw else {
                let message = format!("`{}` is {}, not an integer", axis.name, node.kind());
                problems.add(node.span.clone(), message, "write a whole number, a list or a range");
                return None;
            };
            let value = u64::try_from(i).unwrap_or(0);
            if i < 0 {
                out_of_range(axis, &i.to_string(), node, problems);
                return None;
            }
            cell(checked(axis, Value::Integer(value), node, problems)?)
        }
        Kind::Float { .. } => {
            let Some(number) = node.number() else {
                let message = format!("`{}` is {}, not a number", axis.name, node.kind());
                problems.add(
                    node.span.clone(),
                    message,
                    "write a number, a list or a range like { log = [1e-3, 1.0], points = 4 }",
                );
                return None;
            };
            cell(checked(axis, Value::Float(number), node, problems)?)
        }
        Kind::Boolean => {
            let Raw::Boolean(b) = node.raw else {
                let message = format!("`{}` is {}, not true or false", axis.name, node.kind());
                problems.add(node.span.clone(), message, "write true, false or [false, true]");
                return None;
            };
            cell(Value::Boolean(b))
        }
        Kind::Later { default } => {
            let text = match &node.raw {
                Raw::Text(text) => text.clone(),
                Raw::Boolean(b) => b.to_string(),
                Raw::Integer(i) => i.to_string(),
                Raw::Float(f) => f.to_string(),
                Raw::List(_) | Raw::Table(_) | Raw::Other(_) => String::new(),
            };
            if *default != Some(text.as_str()) {
                not_built(node, &format!("the axis `{}`", axis.name), problems);
            }
            None
        }
    }
}

pub fn not_built(node: &Node, what: &str, problems: &mut Problems) {
    let message = format!("{what} is not built yet");
    problems.add(node.span.clone(), message, "it is planned; remove it to run the rest of the grid");
}

/// `he(2.0)` is `he` and `2.0`.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.split_once('(') {
        Some((name, rest)) => match rest.trim_end().strip_suffix(')') {
            Some(argument) => (name, Some(argument)),
            None => (text, None),
        },
        None => (text, None),
    }
}

fn out_of_range(axis: &Axis, found: &str, node: &Node, problems: &mut Problems) {
    let wanted = match &axis.kind {
        Kind::Integer { min, max } => format!("an integer from {min} to {max}"),
        Kind::Float { range } => range.0.to_string(),
        Kind::Choice { .. } | Kind::Boolean | Kind::Later { .. } => "another value".to_string(),
    };
    problems.add(node.span.clone(), format!("`{}` cannot be {found}", axis.name), format!("it takes {wanted}"));
}

fn checked(axis: &Axis, value: Value, node: &Node, problems: &mut Problems) -> Option<Value> {
    let (fits, found) = match (&axis.kind, value) {
        (Kind::Integer { min, max }, Value::Integer(i)) => ((*min..=*max).contains(&i), i.to_string()),
        (Kind::Float { range }, Value::Float(f)) => ((range.1)(f), f.to_string()),
        _ => (true, String::new()),
    };
    if !fits {
        out_of_range(axis, &found, node, problems);
    }
    fits.then_some(value)
}

/// `{ log = [a, b], points = n }`, `{ linear = [a, b], points = n }`, with `per = "axis"`.
fn range(axis: &'static Axis, node: &Node, problems: &mut Problems) -> Vec<Setting> {
    let Raw::Table(entries) = &node.raw else { return Vec::new() };
    let integer = match axis.kind {
        Kind::Integer { .. } => true,
        Kind::Float { .. } => false,
        Kind::Choice { .. } | Kind::Boolean | Kind::Later { .. } => {
            let message = format!("`{}` takes no range", axis.name);
            problems.add(node.span.clone(), message, "ranges are for numeric axes; write a list");
            return Vec::new();
        }
    };
    let mut ends = None;
    let mut points = None;
    let mut per = None;
    for entry in entries {
        match entry.key.as_str() {
            "log" | "linear" => match pair(&entry.value) {
                Some((a, b)) if entry.key == "linear" || (a > 0.0 && b > 0.0) => {
                    ends = Some((entry.key == "log", a, b));
                }
                _ => {
                    let hint = "two finite numbers, for log both above 0: { log = [1e-3, 10.0], points = 5 }";
                    problems.add(entry.value.span.clone(), format!("`{}` needs two ends", entry.key), hint);
                    return Vec::new();
                }
            },
            "points" => match entry.value.raw {
                Raw::Integer(n) if (1..=10_000_000).contains(&n) => points = Some(n as usize),
                _ => {
                    let message = "`points` is not an integer from 1 to 10,000,000";
                    problems.add(entry.value.span.clone(), message, "for example points = 5");
                    return Vec::new();
                }
            },
            "per" => match &entry.value.raw {
                Raw::Text(name) => match axis::find(&name.replace('-', "_")) {
                    Some(other) if other.name != axis.name && is_numeric(other) => per = Some(other.name),
                    _ => {
                        let numeric: Vec<&str> = axis::AXES.iter().filter(|a| is_numeric(a)).map(|a| a.name).collect();
                        problems.unknown(entry.value.span.clone(), "numeric axis", name, &numeric);
                    }
                },
                _ => problems.add(entry.value.span.clone(), "`per` is not the name of an axis", "per = \"depth\""),
            },
            other => {
                problems.unknown(entry.key_span.clone(), "key of a range", other, &["log", "linear", "points", "per"]);
            }
        }
    }
    let (Some((log, a, b)), Some(points)) = (ends, points) else {
        let message = format!("this range of `{}` needs its ends and `points`", axis.name);
        problems.add(node.span.clone(), message, "for example { log = [1e-3, 10.0], points = 5 }");
        return Vec::new();
    };
    let mut settings: Vec<Setting> = Vec::with_capacity(points);
    for i in 0..points {
        let x = point(log, a, b, i, points);
        let value = if integer && per.is_none() { Value::Integer(x.round().max(0.0) as u64) } else { Value::Float(x) };
        let fits = if integer && x < 0.0 { None } else { checked(axis, value, node, problems) };
        let Some(value) = fits else { return Vec::new() };
        let setting = vec![Cell { axis: axis.name, value, per }];
        if !integer || settings.last() != Some(&setting) {
            settings.push(setting);
        }
    }
    settings
}

fn is_numeric(axis: &Axis) -> bool {
    matches!(axis.kind, Kind::Integer { .. } | Kind::Float { .. })
}

fn pair(node: &Node) -> Option<(f64, f64)> {
    let Raw::List(items) = &node.raw else { return None };
    let [a, b] = &items[..] else { return None };
    Some((a.number()?, b.number()?)).filter(|(a, b)| a.is_finite() && b.is_finite())
}

/// Point `i` of `n`: exact ends, inner values rounded to 12 significant digits.
pub fn point(log: bool, a: f64, b: f64, i: usize, n: usize) -> f64 {
    if i == 0 {
        return a;
    }
    if i + 1 == n {
        return b;
    }
    let share = i as f64 / (n - 1) as f64;
    let x = if log { (a.ln() + share * (b.ln() - a.ln())).exp() } else { a + share * (b - a) };
    format!("{x:.11e}").parse().unwrap_or(x)
}
