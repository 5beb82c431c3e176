//! Reads a result file strictly: by the names in its header, every row whole and every number a
//! number. The first row that is not ends the reading, with its line. Nothing is repaired here;
//! `blowup sweep` does that.

use crate::failure::{Failure, excerpt};
use crate::record::{self, Piece};
use crate::trial::TrialId;
use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, BufRead, Read};
use std::path::Path;

/// The columns of a file by name.
pub struct Header {
    pub file: String,
    names: Vec<String>,
}

/// A whole row. Lines count from 1, which is the header's.
pub struct SheetRow<'a> {
    pub line: u64,
    pub trial: TrialId,
    /// The whole text, with its line end.
    pub text: &'a [u8],
    fields: &'a [Cow<'a, [u8]>],
}

enum Stop {
    Io(io::Error),
    Found(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Io(error)
    }
}

impl Header {
    /// Reads the first line.
    pub fn read(path: &Path, reader: &mut impl BufRead) -> Result<Header, Failure> {
        let mut line = Vec::new();
        reader
            .by_ref()
            .take(record::LONGEST as u64)
            .read_until(b'\n', &mut line)
            .map_err(|error| Failure::io("read", path, &error))?;
        let mut header = Header { file: path.display().to_string(), names: Vec::new() };
        let Some(line) = line.strip_suffix(b"\n") else {
            let what = match line.len() {
                0 => "the file is empty",
                record::LONGEST => "the header is longer than that of any result file",
                _ => "the header ends without a line end",
            };
            return Err(header.wrong(1, what).hint(REPAIR));
        };
        if line.ends_with(b"\r") {
            return Err(header.wrong(1, "the line ends are those of Windows, blowup writes others").hint(
                "another program has changed the file; git leaves it alone with `*.csv -text` in .gitattributes",
            ));
        }
        header.names = record::fields(line).iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
        if header.names[0] != "trial" {
            return Err(header.wrong(1, "the first column is not `trial`").hint(FOREIGN));
        }
        let mut seen = HashSet::new();
        match header.names.iter().find(|name| !seen.insert(*name)) {
            Some(name) => Err(header.wrong(1, &format!("the column `{}` stands twice", excerpt(name))).hint(FOREIGN)),
            None => Ok(header),
        }
    }

    /// The position of a column.
    pub fn column(&self, name: &str) -> Result<usize, Failure> {
        self.names
            .iter()
            .position(|column| column == name)
            .ok_or_else(|| self.wrong(1, &format!("there is no column `{name}`")).hint(FOREIGN))
    }

    /// The positions of the columns whose names satisfy `holds`.
    pub fn columns(&self, holds: impl Fn(&str) -> bool) -> Vec<usize> {
        (0..self.names.len()).filter(|i| holds(&self.names[*i])).collect()
    }

    /// Calls `each` with every row, in the order of the file. `reader` stands behind the header.
    pub fn rows(
        &self,
        path: &Path,
        reader: impl BufRead,
        each: &mut dyn FnMut(SheetRow<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut line = 2;
        let ended = record::scan::<Stop>(reader, 0, self.names.len(), &mut |_, piece| {
            let text = match piece {
                Piece::Row { trial, text, .. } => {
                    let fields = record::fields(&text[..text.len() - 1]);
                    each(SheetRow { line, trial, text, fields: &fields }).map_err(Stop::Found)?;
                    text
                }
                Piece::Damaged { text, length } if length > text.len() as u64 => {
                    let what = format!("the row is longer than {} bytes", record::LONGEST);
                    return Err(Stop::Found(self.wrong(line, &what).hint(REPAIR)));
                }
                Piece::Damaged { text, .. } => return Err(Stop::Found(self.damaged(line, text))),
                Piece::Torn { .. } => {
                    return Err(Stop::Found(self.wrong(line, "the row ends without a line end").hint(REPAIR)));
                }
            };
            line += text.iter().filter(|b| **b == b'\n').count() as u64;
            Ok(())
        });
        match ended {
            Ok(()) => Ok(()),
            Err(Stop::Io(error)) => Err(Failure::io("read", path, &error)),
            Err(Stop::Found(failure)) => Err(failure),
        }
    }

    fn damaged(&self, line: u64, text: &[u8]) -> Failure {
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let fields = record::fields(text);
        let what = if text.iter().filter(|b| **b == b'"').count() % 2 == 1 {
            "a quote is not closed".to_owned()
        } else if fields.len() != self.names.len() {
            format!("the row has {} cells, the header {}", fields.len(), self.names.len())
        } else {
            format!("`{}` is not a trial", excerpt(&String::from_utf8_lossy(&fields[0])))
        };
        self.wrong(line, &what).hint(REPAIR)
    }

    /// The failure `file`: line N: what is wrong.
    fn wrong(&self, line: u64, what: &str) -> Failure {
        Failure::new(format!("`{}`: line {line}: {what}", self.file))
    }

    /// The failure of a row that looks whole and is not as it was written.
    pub fn wrong_sum(&self, row: &SheetRow<'_>) -> Failure {
        self.wrong(row.line, "the row is not as it was written: `runs.crc32` has no such checksum for its trial").hint(
            "the file is damaged or was edited: the same `blowup sweep` again trains such trials anew; where the rows are meant to be so, remove `runs.crc32`",
        )
    }

    /// The failure of a cell. `wanted` completes the sentence "the cell is ...".
    pub fn wrong_cell(&self, row: &SheetRow<'_>, column: usize, wanted: &str) -> Failure {
        let (line, name, text) = (row.line, &self.names[column], excerpt(&String::from_utf8_lossy(row.cell(column))));
        let text = if text.is_empty() { "an empty cell".to_owned() } else { format!("`{text}`") };
        Failure::new(format!("`{}`: line {line}, column `{name}`: {text} is {wanted}", self.file)).hint(REPAIR)
    }

    /// The number in a cell; `None` if the cell is empty.
    pub fn number(&self, row: &SheetRow<'_>, column: usize) -> Result<Option<f64>, Failure> {
        let cell = row.cell(column);
        if cell.is_empty() {
            return Ok(None);
        }
        let number = std::str::from_utf8(cell).ok().and_then(|text| text.parse().ok());
        number.map(Some).ok_or_else(|| self.wrong_cell(row, column, "not a number"))
    }
}

impl SheetRow<'_> {
    /// The text of a cell, without its quotes.
    pub fn cell(&self, column: usize) -> &[u8] {
        &self.fields[column]
    }
}

const FOREIGN: &str = "the file was written by another version, or changed by another program";
const REPAIR: &str =
    "the file is damaged or a sweep was stopped: the same `blowup sweep` again repairs it and runs what is missing";
