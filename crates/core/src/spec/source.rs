//! The TOML text as a tree in which every key and value knows its place. This module reads the
//! syntax only; what the keys mean is for the other files.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A range of bytes of the text.
pub type Span = Range<usize>;

/// A value with its place.
#[derive(Debug, Clone)]
pub struct Node {
    pub span: Span,
    pub raw: Raw,
}

/// A value as TOML has it.
#[derive(Debug, Clone)]
pub enum Raw {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// What no key of a spec takes, in words: a date, a number that is too large for the machine, a
    /// hundred brackets.
    Other(&'static str),
}

/// A line `key = value`, or a `[table]`.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key as it was written, except that `-` is read as `_`.
    pub key: String,
    pub key_span: Span,
    pub value: Node,
}

impl Raw {
    /// The kind of the value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Raw::Text(_) => "a string",
            Raw::Integer(_) => "an integer",
            Raw::Float(_) => "a decimal number",
            Raw::Boolean(_) => "true or false",
            Raw::List(_) => "a list",
            Raw::Table(_) => "a table",
            Raw::Other(what) => what,
        }
    }

    /// A number of either TOML type.
    pub fn number(&self) -> Option<f64> {
        match self {
            Raw::Integer(i) => Some(*i as f64),
            Raw::Float(f) => Some(*f),
            Raw::Text(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Table(_) | Raw::Other(_) => None,
        }
    }

    /// An integer.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Raw::Integer(integer) => Some(*integer),
            Raw::Text(_) | Raw::Float(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Table(_) | Raw::Other(_) => None,
        }
    }

    /// The items of a list.
    pub fn list(&self) -> Option<&[Node]> {
        match self {
            Raw::List(items) => Some(items),
            Raw::Text(_) | Raw::Integer(_) | Raw::Float(_) | Raw::Boolean(_) | Raw::Table(_) | Raw::Other(_) => None,
        }
    }

    /// The entries of a table.
    pub fn table(&self) -> Option<&[Entry]> {
        match self {
            Raw::Table(entries) => Some(entries),
            Raw::Text(_) | Raw::Integer(_) | Raw::Float(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Other(_) => None,
        }
    }

    /// The text of a string.
    pub fn text(&self) -> Option<&str> {
        match self {
            Raw::Text(text) => Some(text),
            Raw::Integer(_) | Raw::Float(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Table(_) | Raw::Other(_) => None,
        }
    }
}

/// Reads the top table. Its entries come in the order of the text.
///
/// # Errors
/// The place and the message of the first syntax error.
pub fn parse(text: &str) -> Result<Vec<Entry>, (Span, String)> {
    match DeTable::parse(text) {
        Ok(table) => Ok(entries(table.get_ref(), 0)),
        Err(error) => Err((error.span().unwrap_or(0..0), error.message().to_owned())),
    }
}

/// The keys that stand twice in a table once `-` is read as `_`. TOML itself refuses the other
/// repeats.
pub fn repeats(entries: &[Entry]) -> Vec<&Entry> {
    let mut seen = HashSet::new();
    let mut found: Vec<&Entry> = entries.iter().filter(|entry| !seen.insert(&entry.key)).collect();
    let mut inside: Vec<&Node> = entries.iter().map(|entry| &entry.value).collect();
    while let Some(node) = inside.pop() {
        match &node.raw {
            Raw::Table(entries) => found.extend(repeats(entries)),
            Raw::List(items) => inside.extend(items),
            Raw::Text(_) | Raw::Integer(_) | Raw::Float(_) | Raw::Boolean(_) | Raw::Other(_) => {}
        }
    }
    found
}

/// The most levels of tables and lists below the top. No value of a spec needs more than four, but
/// dotted keys could make thousands.
const DEEPEST: u32 = 32;

fn entries(table: &DeTable, depth: u32) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<Cow<str>>, &Spanned<DeValue>)| Entry {
        key: key.get_ref().replace('-', "_"),
        key_span: key.span(),
        value: node(value, depth),
    };
    let mut entries: Vec<Entry> = table.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.key_span.start);
    entries
}

fn node(value: &Spanned<DeValue>, depth: u32) -> Node {
    let raw = match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(i) => {
            i64::from_str_radix(i.as_str(), i.radix()).map_or(Raw::Other("an integer beyond 64 bits"), Raw::Integer)
        }
        DeValue::Float(f) => match f.as_str().parse::<f64>() {
            // 1e999 would silently become inf.
            Ok(x) if x.is_finite() || x.is_nan() || f.as_str().contains("inf") => Raw::Float(x),
            _ => Raw::Other("a number too large for 64 bits"),
        },
        DeValue::Boolean(b) => Raw::Boolean(*b),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Array(_) | DeValue::Table(_) if depth == DEEPEST => Raw::Other("nested too deeply"),
        DeValue::Array(items) => Raw::List(items.iter().map(|item| node(item, depth + 1)).collect()),
        DeValue::Table(table) => Raw::Table(entries(table, depth + 1)),
    };
    Node { span: value.span(), raw }
}
