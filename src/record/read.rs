//! Finds the rows of a file that may be damaged: torn in the middle of its last row, or with a row that does not parse. Every row of every
//! file begins with its trial, so a damaged row never takes its neighbours with it, even where a stray quote would swallow them.

use crate::trial::TrialId;
use std::borrow::Cow;
use std::io::{self, BufRead};

/// A stretch of a file after its header.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A whole row with its line end, and its fields.
    Row { trial: TrialId, text: &'a [u8], fields: Vec<Cow<'a, [u8]>> },
    /// A row that does not have the expected number of fields, or no trial.
    Damaged { text: &'a [u8] },
    /// The end of the file without a line end: a row that was being written.
    Torn { text: &'a [u8] },
}

/// Calls `each` with the byte offset of every piece, in order. `start`: the offset of the reader, at a line start.
pub fn scan<E: From<io::Error>>(
    mut reader: impl BufRead,
    start: u64,
    columns: usize,
    each: &mut dyn FnMut(u64, Piece<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let (mut offset, mut row, mut next) = (start, Vec::new(), Vec::new());
    loop {
        if row.is_empty() && reader.read_until(b'\n', &mut row)? == 0 {
            return Ok(());
        }
        next.clear();
        // An open quote: the field goes on in the next line, unless that is a row of its own.
        let mut open = open_quote(&row);
        while open && reader.read_until(b'\n', &mut next)? > 0 && !begins_row(&next) {
            open ^= open_quote(&next);
            row.append(&mut next);
        }
        each(offset, piece(&row, columns))?;
        offset += row.len() as u64;
        std::mem::swap(&mut row, &mut next);
    }
}

fn piece(text: &[u8], columns: usize) -> Piece<'_> {
    let Some(inner) = text.strip_suffix(b"\n") else {
        return Piece::Torn { text };
    };
    let fields = if open_quote(text) { Vec::new() } else { fields(inner) };
    let trial = fields.first().and_then(|f| std::str::from_utf8(f).ok()).and_then(TrialId::parse);
    match trial {
        Some(trial) if fields.len() == columns => Piece::Row { trial, text, fields },
        _ => Piece::Damaged { text },
    }
}

/// The fields of a whole row without its line end.
pub fn fields(row: &[u8]) -> Vec<Cow<'_, [u8]>> {
    let mut fields = Vec::with_capacity(80);
    let (mut start, mut quoted) = (0, false);
    for (at, byte) in row.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                fields.push(unquote(&row[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(unquote(&row[start..]));
    fields
}

fn unquote(field: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = field.strip_prefix(b"\"").and_then(|f| f.strip_suffix(b"\"")) else {
        return Cow::Borrowed(field);
    };
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        text.push(*byte);
        if *byte == b'"' {
            bytes.next();
        }
    }
    Cow::Owned(text)
}

fn open_quote(text: &[u8]) -> bool {
    text.iter().filter(|b| **b == b'"').count() % 2 == 1
}

fn begins_row(line: &[u8]) -> bool {
    let id = line.get(..13).and_then(|id| std::str::from_utf8(id).ok());
    id.and_then(TrialId::parse).is_some() && line.get(13) == Some(&b',')
}
