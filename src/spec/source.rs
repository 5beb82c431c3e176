//! The TOML text as a tree with places, and the report of everything that is wrong with it.

use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with its place in the text.
#[derive(Debug, Clone)]
pub struct Node {
    pub span: Range<usize>,
    pub raw: Raw,
}

#[derive(Debug, Clone)]
pub enum Raw {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// A date, or an integer beyond 64 bits.
    Other(&'static str),
}

#[derive(Debug, Clone)]
pub struct Entry {
    /// `-` read as `_`.
    pub key: String,
    pub key_span: Range<usize>,
    pub value: Node,
}

impl Node {
    pub fn kind(&self) -> &'static str {
        match &self.raw {
            Raw::Text(_) => "a string",
            Raw::Integer(_) => "an integer",
            Raw::Float(_) => "a number",
            Raw::Boolean(_) => "a boolean",
            Raw::List(_) => "a list",
            Raw::Table(_) => "a table",
            Raw::Other(what) => what,
        }
    }

    /// A number of either TOML type.
    pub fn number(&self) -> Option<f64> {
        match self.raw {
            Raw::Integer(i) => Some(i as f64),
            Raw::Float(f) => Some(f),
            Raw::Text(_) | Raw::Boolean(_) | Raw::List(_) | Raw::Table(_) | Raw::Other(_) => None,
        }
    }
}

/// Parses TOML; entries of a table come in the order of the text.
pub fn parse(text: &str, problems: &mut Problems) -> Vec<Entry> {
    match DeTable::parse(text) {
        Ok(table) => entries(table.get_ref()),
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            problems.add(span, format!("this is not TOML: {}", error.message()), "see https://toml.io for the syntax");
            Vec::new()
        }
    }
}

fn entries(table: &DeTable) -> Vec<Entry> {
    let entry = |(key, value): (&Spanned<std::borrow::Cow<str>>, &Spanned<DeValue>)| Entry {
        key: key.get_ref().replace('-', "_"),
        key_span: key.span(),
        value: node(value),
    };
    let mut entries: Vec<Entry> = table.iter().map(entry).collect();
    entries.sort_by_key(|e| e.key_span.start);
    entries
}

fn node(value: &Spanned<DeValue>) -> Node {
    let raw = match value.get_ref() {
        DeValue::String(text) => Raw::Text(text.to_string()),
        DeValue::Integer(i) => {
            i64::from_str_radix(i.as_str(), i.radix()).map_or(Raw::Other("an integer beyond 64 bits"), Raw::Integer)
        }
        DeValue::Float(f) => f.as_str().parse().map_or(Raw::Other("an unreadable number"), Raw::Float),
        DeValue::Boolean(b) => Raw::Boolean(*b),
        DeValue::Datetime(_) => Raw::Other("a date"),
        DeValue::Array(items) => Raw::List(items.iter().map(node).collect()),
        DeValue::Table(table) => Raw::Table(entries(table)),
    };
    Node { span: value.span(), raw }
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    span: Range<usize>,
    message: String,
    hint: String,
}

/// Mistakes as they are found.
#[derive(Debug, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub fn add(&mut self, span: Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem { span, message: message.into(), hint: hint.into() };
        // A mistake in [base] is seen by every block.
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A key that is not among `known`, with the nearest that is.
    pub fn unknown(&mut self, span: Range<usize>, what: &str, found: &str, known: &[&str]) {
        let hint = match nearest(found, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are: {}", known.join(", ")),
        };
        self.add(span, format!("unknown {what} `{found}`"), hint);
    }

    pub fn report(mut self, text: &str, file: &str) -> Report {
        self.0.sort_by_key(|p| p.span.start);
        Report { text: text.to_string(), file: file.to_string(), problems: self.0 }
    }
}

/// The known name most like `found`, if any is near.
pub fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let scored = known.iter().map(|&name| (strsim::damerau_levenshtein(found, name), name));
    scored.min().filter(|(distance, name)| *distance <= (name.len().min(found.len()) / 2).clamp(1, 4)).map(|(_, n)| n)
}

/// Every mistake in a spec, each with file, line, column, text and hint.
#[derive(Debug, Clone)]
pub struct Report {
    text: String,
    file: String,
    problems: Vec<Problem>,
}

impl Report {
    pub fn len(&self) -> usize {
        self.problems.len()
    }

    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }
}

impl std::error::Error for Report {}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let start = floor(&self.text, problem.span.start);
            let line_start = self.text[..start].rfind('\n').map_or(0, |at| at + 1);
            let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
            let line = self.text[line_start..line_end].trim_end_matches('\r');
            let number = self.text[..start].matches('\n').count() + 1;
            let column = self.text[line_start..start].chars().count() + 1;
            let end = floor(&self.text, problem.span.end).min(line_start + line.len()).max(start);
            let carets = self.text[start..end].chars().count().max(1);
            let margin = " ".repeat(number.to_string().len());
            if i > 0 {
                writeln!(f)?;
            }
            writeln!(f, "error: {}", problem.message)?;
            writeln!(f, "{margin}--> {}:{number}:{column}", self.file)?;
            let shown: String = line.chars().take(200).collect();
            writeln!(f, "{number} | {shown}")?;
            writeln!(f, "{margin} | {}{}", " ".repeat(column - 1), "^".repeat(carets.min(200)))?;
            write!(f, "hint: {}", problem.hint)?;
            if i + 1 < self.problems.len() {
                writeln!(f)?;
            }
        }
        if self.problems.len() > 1 {
            write!(f, "\n\n{} mistakes in {}", self.problems.len(), self.file)?;
        }
        Ok(())
    }
}

/// The nearest character boundary at or below `at`.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}
