//! Finds the rows of a file that may be damaged: torn in the middle of its last row, or with a row
//! that cannot be read. Every row of every file begins with its trial, so a damaged row never takes
//! its neighbours with it, even where a stray quote would swallow them.

use crate::trial::TrialId;
use std::borrow::Cow;
use std::io::{self, BufRead, Read};

/// A stretch of a file behind its header.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A whole row with its line end, and the positions at which its fields end.
    Row { trial: TrialId, text: &'a [u8], ends: &'a [usize] },
    /// A row that has another number of fields, has no trial, or is too long. `text` is its
    /// beginning, `length` all its bytes.
    Damaged { text: &'a [u8], length: u64 },
    /// The end of the file without a line end: a row that was being written.
    Torn { text: &'a [u8] },
}

/// The bytes of the longest row, with its line end. Real rows have a few hundred bytes. What is
/// longer is not kept in memory.
pub const LONGEST: usize = 1 << 16;

/// Calls `each` with every piece and its byte offset, in the order of the file. `start` is the
/// offset of the reader, which stands at the start of a line. `columns` is the expected number of
/// fields.
///
/// # Errors
/// The errors of the reader, and the first error of `each`.
pub fn scan<E: From<io::Error>>(
    mut reader: impl BufRead,
    start: u64,
    columns: usize,
    each: &mut dyn FnMut(u64, Piece<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let (mut offset, mut row, mut next, mut ends) = (start, RawLine::default(), RawLine::default(), Vec::new());
    loop {
        if row.text.is_empty() && !row.read(&mut reader)? {
            return Ok(());
        }
        next.text.clear();
        // A quote is open, so the field continues in the next line, unless that line is a row of
        // its own.
        let mut open = open_quote(&row.text);
        while open && next.read(&mut reader)? && row_id(&next.text).is_none() {
            if row.text.len() + next.text.len() > LONGEST {
                break;
            }
            open ^= open_quote(&next.text);
            row.append(&mut next);
        }
        each(offset, piece(&row, columns, &mut ends))?;
        offset += row.length;
        std::mem::swap(&mut row, &mut next);
    }
}

/// A line, or several lines that an open quote holds together.
#[derive(Default)]
struct RawLine {
    /// Its first `LONGEST` bytes.
    text: Vec<u8>,
    length: u64,
    /// Whether it has a line end.
    ended: bool,
}

impl RawLine {
    /// Reads a line; `false` at the end of the file.
    fn read(&mut self, reader: &mut impl BufRead) -> io::Result<bool> {
        self.text.clear();
        self.length = reader.by_ref().take(LONGEST as u64).read_until(b'\n', &mut self.text)? as u64;
        self.ended = self.text.ends_with(b"\n");
        while !self.ended && self.length >= LONGEST as u64 {
            let more = reader.fill_buf()?;
            if more.is_empty() {
                break;
            }
            let end = more.iter().position(|b| *b == b'\n');
            let length = end.map_or(more.len(), |end| end + 1);
            self.ended = end.is_some();
            self.length += length as u64;
            reader.consume(length);
        }
        Ok(self.length > 0)
    }

    fn append(&mut self, next: &mut RawLine) {
        self.text.append(&mut next.text);
        self.length += next.length;
        self.ended = next.ended;
    }
}

fn piece<'a>(line: &'a RawLine, columns: usize, ends: &'a mut Vec<usize>) -> Piece<'a> {
    let text = &line.text[..];
    if !line.ended {
        return Piece::Torn { text };
    }
    ends.clear();
    if line.length == text.len() as u64 {
        cells(text, ends);
    }
    match row_id(text) {
        // Where a quote is open, the line end is a part of a field.
        Some(trial) if ends.len() == columns && ends.last() == Some(&(text.len() - 1)) => {
            Piece::Row { trial, text, ends }
        }
        _ => Piece::Damaged { text, length: line.length },
    }
}

/// The fields of a whole row without its line end, with their quotes removed.
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

/// Sets `ends` to the positions at which the fields of a whole row end, with their quotes.
pub fn cells(row: &[u8], ends: &mut Vec<usize>) {
    ends.clear();
    let mut quoted = false;
    for (at, byte) in row.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' | b'\n' if !quoted => ends.push(at),
            _ => {}
        }
    }
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

/// The columns of declared axes in the first line of `runs.csv`, which may be torn. It is `None` if
/// the line does not continue behind the columns that every sweep has.
pub fn declared(line: &[u8]) -> Option<Vec<String>> {
    let mut usual = super::line(super::runs());
    usual.pop();
    let rest = line.strip_prefix(&usual[..])?.strip_prefix(b",")?;
    let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
    let names = std::str::from_utf8(rest).ok()?.split(',').map(str::to_owned).collect::<Vec<_>>();
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    names.iter().all(|name| name.chars().all(legal)).then_some(names)
}

/// The trial that a line begins with, if it does.
pub fn row_id(line: &[u8]) -> Option<TrialId> {
    let (id, rest) = line.split_at_checked(TrialId::LENGTH)?;
    std::str::from_utf8(id).ok().filter(|_| rest.starts_with(b",")).and_then(TrialId::parse)
}
