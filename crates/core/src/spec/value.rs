//! A single value of an axis, which is read from TOML or the command line into a typed `Value`,
//! short forms included. Lists and ranges are for `dial`.

use super::bundle;
use super::report::{Mistake, excerpt};
use super::source::{Entry, Node, Raw};
use crate::axis::{ALL_SAMPLES, Axis, Bounds, Id, Kind, Short};
use crate::bundle::SUFFIX;
use crate::trial::Value;

/// The most bytes of a text that is a value, since it stands in every row.
pub const LONGEST_TEXT: usize = 1000;

/// A value and, for a short form like `normal(0.1)`, its number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Written {
    pub value: Value,
    pub number: Option<f64>,
}

/// The value that `raw` gives `axis`.
///
/// # Errors
/// If it is not of the axis's type.
pub fn typed(axis: &Axis, raw: &Raw) -> Result<Written, Mistake> {
    let plain = |value| Ok(Written { value, number: None });
    match (&axis.kind, raw) {
        (_, Raw::Table(entries)) if axis.id == Id::Network => match entries.as_slice() {
            [Entry { key, value: Node { raw: Raw::Text(file), .. }, .. }] if key == "file" => {
                bundle_name(file).and_then(plain)
            }
            _ => Err(Mistake::new("a network that is a table names a bundle", BUNDLE)),
        },
        (_, Raw::Text(text)) if axis.id == Id::Network && bundle::is_name(text) => bundle_name(text).and_then(plain),
        (Kind::Choice { names, short, .. }, Raw::Text(text)) => choice(axis, names, short.as_ref(), text),
        (Kind::Integer { .. }, Raw::Integer(i)) => match u64::try_from(*i) {
            Ok(i) => plain(Value::Integer(i)),
            Err(_) => Err(out_of_range(axis, &i.to_string())),
        },
        (Kind::Integer { .. }, Raw::Text(text)) if axis.id == Id::Batch && text == "all" => {
            plain(Value::Integer(ALL_SAMPLES))
        }
        (Kind::Float { names, range }, Raw::Text(text)) if !names.is_empty() => {
            match names.iter().find(|named| named.name == text.trim()) {
                Some(named) => plain(Value::Text(named.name)),
                None => Err(Mistake::new(
                    format!("`{}` is not a value of `{}`", excerpt(text), axis.name),
                    format!("it takes {}", range.words),
                )),
            }
        }
        (Kind::Boolean, Raw::Boolean(b)) => plain(Value::Boolean(*b)),
        (Kind::Text, Raw::Text(text)) if text.chars().any(char::is_control) || text.len() > LONGEST_TEXT => {
            Err(Mistake::new(
                format!("`{}` is not one plain line of at most {LONGEST_TEXT} bytes", excerpt(text)),
                "it becomes a cell of runs.csv",
            ))
        }
        (Kind::Text, Raw::Text(text)) if text.is_empty() => Err(Mistake::new(
            format!("`{}` is an empty text", axis.name),
            "an empty cell of runs.csv means that there is no value: leave the axis out, or write a word",
        )),
        (Kind::Text, Raw::Text(text)) => plain(Value::text(text)),
        (Kind::Float { .. }, _) if raw.number().is_some() => {
            // -0.0 is read as 0.0, since they would be two trials.
            plain(Value::Float(raw.number().unwrap_or_default() + 0.0))
        }
        (kind, _) => {
            let (wanted, hint) = match kind {
                Kind::Choice { names, short: Some(short), .. } if raw.number().is_some() => {
                    let form = format!("{} = \"{}({:?})\"", axis.name, short.names[0], raw.number().unwrap_or(1.0));
                    (
                        "a name",
                        format!(
                            "a number stands in the parentheses of a name, as in {form}; one of: {}",
                            names.join(", ")
                        ),
                    )
                }
                Kind::Choice { names, .. } => ("a name", format!("one of: {}", names.join(", "))),
                Kind::Integer { .. } => {
                    ("an integer", "an integer, a list of them, or a range { log = [4, 64], points = 3 }".to_owned())
                }
                Kind::Float { .. } => {
                    ("a number", "a number, a list of them, or a range { log = [1e-3, 1.0], points = 4 }".to_owned())
                }
                Kind::Boolean => ("true or false", "true, false or [false, true]".to_owned()),
                Kind::Text => ("a string", "write it in quotes".to_owned()),
            };
            Err(Mistake::kind(axis.name, raw.kind(), wanted, hint))
        }
    }
}

const BUNDLE: &str = "network = { file = \"model.blowup\" }: blowup.export of the Python package writes such a file";

/// The network that a bundle is.
fn bundle_name(file: &str) -> Result<Value, Mistake> {
    if file.chars().any(char::is_control) || file.len() > LONGEST_TEXT {
        return Err(Mistake::new(format!("`{}` is not one plain line, as a cell is", excerpt(file)), BUNDLE));
    }
    match bundle::is_name(file) {
        true => Ok(Value::text(file)),
        false => Err(Mistake::new(format!("`{}` does not end with `{SUFFIX}`", excerpt(file)), BUNDLE)),
    }
}

/// The value that a cell of `runs.csv`, which is not empty, gives `axis`; `None` if it is not of
/// the axis's type.
pub fn recorded(axis: &Axis, cell: &str) -> Option<Value> {
    match &axis.kind {
        Kind::Choice { .. } if axis.id == Id::Network && bundle::is_name(cell) => Some(Value::text(cell)),
        Kind::Choice { names, .. } => names.iter().find(|name| **name == cell).map(|name| Value::Text(name)),
        Kind::Integer { .. } => cell.parse().ok().map(Value::Integer),
        Kind::Float { .. } => cell.parse().ok().map(Value::Float),
        Kind::Boolean => cell.parse().ok().map(Value::Boolean),
        Kind::Text => Some(Value::text(cell)),
    }
}

fn choice(axis: &Axis, names: &[&'static str], short: Option<&Short>, text: &str) -> Result<Written, Mistake> {
    let (name, argument) = match text.trim_end().strip_suffix(')').and_then(|t| t.split_once('(')) {
        Some((name, argument)) => (name, Some(argument.trim())),
        None => (text, None),
    };
    let found = axis.canonical(name);
    let Some(&known) = names.iter().find(|known| **known == found) else {
        return Err(Mistake::unknown(format!("`{}` is not a value of `{}`", excerpt(name), axis.name), name, names));
    };
    let number = argument.map(|argument| short_number(axis, short, known, argument)).transpose()?;
    Ok(Written { value: Value::Text(known), number })
}

fn short_number(axis: &Axis, short: Option<&Short>, known: &str, argument: &str) -> Result<f64, Mistake> {
    if !short.is_some_and(|short| short.names.contains(&known)) {
        let message = format!("`{known}` takes no number in parentheses");
        return Err(Mistake::new(message, format!("write {} = \"{known}\"", axis.name)));
    }
    match argument.parse::<f64>() {
        Ok(x) => Ok(x + 0.0),
        Err(_) => {
            let message = format!("`{}` in the parentheses of `{known}` is not a number", excerpt(argument));
            Err(Mistake::new(message, format!("for example {} = \"{known}(0.5)\"", axis.name)))
        }
    }
}

/// Checks whether a spec may give `axis` this value.
///
/// # Errors
/// If it is out of range.
pub fn allowed(axis: &Axis, value: Value) -> Result<(), Mistake> {
    match (&axis.kind, value) {
        (Kind::Integer { min, max }, Value::Integer(i)) if !(*min..=*max).contains(&i) => {
            Err(out_of_range(axis, &i.to_string()))
        }
        (Kind::Float { range, .. }, Value::Float(x)) if !range.holds(x) => Err(out_of_range(axis, &format!("{x:?}"))),
        _ => Ok(()),
    }
}

fn out_of_range(axis: &Axis, found: &str) -> Mistake {
    let wanted = match &axis.kind {
        Kind::Integer { min, max: ALL_SAMPLES } => format!("an integer, {min} or more"),
        Kind::Integer { min, max } => format!("an integer from {min} to {max}"),
        Kind::Float { range: Bounds { words, .. }, .. } => (*words).to_owned(),
        Kind::Choice { .. } | Kind::Boolean | Kind::Text => "another value".to_owned(),
    };
    Mistake::new(format!("`{}` cannot be {found}", axis.name), format!("it takes {wanted}"))
}
