//! Logs in JSON. Python writes NaN, Infinity and -Infinity there, which are no JSON; they are read
//! as the numbers that they mean.

use super::Table;
use serde_json::Value;
use std::collections::BTreeMap;

/// The records of `log_history`.
pub fn trainer_state(bytes: &[u8]) -> Result<Table, String> {
    let value = parse(bytes)?;
    let Some(history) = value.get("log_history").and_then(Value::as_array) else {
        return Err("it has no list `log_history`".to_owned());
    };
    Ok(history.iter().map(numbers).collect())
}

/// A record for each line. The last one may be torn, as that of a run that was killed.
pub fn lines(bytes: &[u8]) -> Result<Table, String> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut table = Table::new();
    for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let is_torn = line.as_ptr() as usize - bytes.as_ptr() as usize >= whole;
        match parse(line) {
            Ok(value) => table.push(numbers(&value)),
            Err(_) if is_torn => {}
            Err(what) => return Err(format!("line {}: {what}", at + 1)),
        }
    }
    Ok(table)
}

fn parse(bytes: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    serde_json::from_str(&quoted(text)).map_err(|error| error.to_string())
}

/// The words of Python for numbers that JSON lacks.
const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// The text with these words in quotes, where they do not stand in a string.
fn quoted(text: &str) -> String {
    let (mut out, mut rest, mut in_string) = (String::with_capacity(text.len()), text, false);
    while let Some(first) = rest.chars().next() {
        let word = WORDS.into_iter().find(|word| !in_string && rest.starts_with(word));
        let length = match (word, first) {
            (Some(word), _) => {
                out.push_str(&format!("\"{word}\""));
                rest = &rest[word.len()..];
                continue;
            }
            (None, '\\') if in_string => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            (None, _) => first.len_utf8(),
        };
        in_string ^= first == '"';
        out.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    out
}

/// The numbers of an object by their names; those of an object within it by both names.
fn numbers(value: &Value) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    add(value, "", &mut found);
    found
}

fn add(value: &Value, prefix: &str, found: &mut BTreeMap<String, f64>) {
    let Some(object) = value.as_object() else { return };
    for (name, value) in object {
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => word(text),
            Value::Null | Value::Bool(_) | Value::Array(_) => None,
            Value::Object(_) => {
                add(value, &name, found);
                None
            }
        };
        if let Some(number) = number {
            found.insert(name, number);
        }
    }
}

/// A number that is not finite, written as a text.
fn word(text: &str) -> Option<f64> {
    match text.to_ascii_lowercase().as_str() {
        "nan" => Some(f64::NAN),
        "inf" | "infinity" => Some(f64::INFINITY),
        "-inf" | "-infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}
