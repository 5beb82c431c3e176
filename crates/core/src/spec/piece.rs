//! A spec as keys and values that know in which file they stand, so that one can be put over
//! another one.

use super::source::{Entry, Node, Raw, Span};

/// A key with its value, in the file in which it stands.
pub struct Piece {
    /// The key with `_` for `-`.
    pub key: String,
    pub file: usize,
    pub key_span: Span,
    pub value: Value,
}

/// A value, in the file in which it stands.
pub enum Value {
    /// Taken over as it is written.
    Whole { file: usize, span: Span },
    /// Of a table of which not everything is taken over, or whose keys stand below a header.
    Table { file: usize, span: Span, pieces: Vec<Piece> },
    /// Of a list of such tables.
    List(Vec<Value>),
}

impl Value {
    /// Whether it stands below headers at the top of a spec.
    pub fn has_headers(&self) -> bool {
        match self {
            Value::Whole { .. } => false,
            Value::Table { .. } => true,
            Value::List(items) => items.iter().all(|item| matches!(item, Value::Table { .. })),
        }
    }
}

/// A key at the top of a spec. Its table is taken apart, and so are the blocks of `[[grid]]`.
pub fn top(entry: &Entry, file: usize, text: &str) -> Piece {
    let is_table = |node: &Node| matches!(node.raw, Raw::Table(_));
    let value = match &entry.value.raw {
        Raw::Table(_) => value(&entry.value, file, text, true),
        Raw::List(items) if entry.key == "grid" && !items.is_empty() && items.iter().all(is_table) => {
            Value::List(items.iter().map(|item| value(item, file, text, true)).collect())
        }
        Raw::List(_) | Raw::Text(_) | Raw::Integer(_) | Raw::Float(_) | Raw::Boolean(_) | Raw::Other(_) => {
            value(&entry.value, file, text, false)
        }
    };
    Piece { key: entry.key.clone(), file, key_span: entry.key_span.clone(), value }
}

/// A key of a table.
pub fn inner(entry: &Entry, file: usize, text: &str) -> Piece {
    let value = value(&entry.value, file, text, false);
    Piece { key: entry.key.clone(), file, key_span: entry.key_span.clone(), value }
}

/// A value, which is taken over as it stands unless it is a table with `apart`, or holds a table
/// that does not stand between braces.
fn value(node: &Node, file: usize, text: &str, apart: bool) -> Value {
    let span = node.span.clone();
    match &node.raw {
        Raw::Table(entries) if apart || !text[span.clone()].starts_with('{') => {
            Value::Table { file, span, pieces: entries.iter().map(|entry| inner(entry, file, text)).collect() }
        }
        Raw::List(items) if items.iter().any(|item| matches!(item.raw, Raw::Table(_))) => {
            Value::List(items.iter().map(|item| value(item, file, text, false)).collect())
        }
        Raw::Table(_)
        | Raw::List(_)
        | Raw::Text(_)
        | Raw::Integer(_)
        | Raw::Float(_)
        | Raw::Boolean(_)
        | Raw::Other(_) => Value::Whole { file, span },
    }
}

/// The keys that say how long a trial trains, of which a spec has one.
const BUDGET: [&str; 2] = ["epochs", "steps"];

/// Puts the keys of a spec over those of one that it extends: tables are merged key by key, all
/// else is replaced. A budget replaces the budget, in whichever unit it was.
pub fn merge(below: &mut Vec<Piece>, above: Vec<Piece>) {
    let is_budget = |piece: &Piece| BUDGET.contains(&piece.key.as_str());
    if above.iter().any(is_budget) {
        below.retain(|piece| !is_budget(piece) || above.iter().any(|own| own.key == piece.key));
    }
    for piece in above {
        match below.iter_mut().find(|known| known.key == piece.key) {
            Some(Piece { value: Value::Table { pieces, .. }, .. }) if matches!(piece.value, Value::Table { .. }) => {
                if let Value::Table { pieces: more, .. } = piece.value {
                    more.into_iter().for_each(|piece| replace(pieces, piece));
                }
            }
            Some(_) | None => replace(below, piece),
        }
    }
}

/// Puts a key in the place of the one with its name, or behind all.
pub fn replace(pieces: &mut Vec<Piece>, piece: Piece) {
    match pieces.iter_mut().find(|known| known.key == piece.key) {
        Some(known) => *known = piece,
        None => pieces.push(piece),
    }
}
