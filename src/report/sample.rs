//! The rows of a `runs.csv` that is too long for a page: those whose trial has an id that ends in
//! zeros. An id is a hash, so such rows lie evenly over the grid, and another reader of the same
//! rows takes the same ones. Rows are handed on as they are, not looked into.

use super::{MOST_SAMPLED, MOST_TRIALS};
use blowup_core::record;
use std::io::{self, BufRead, Read};

/// Reads the header and the rows of the sample.
pub struct Sample<R> {
    from: R,
    /// Of a trial's id, those that must be 0.
    mask: u64,
    line: Vec<u8>,
    /// How much of `line` was read.
    at: usize,
    /// Whether the row that `line` belongs to is in the sample.
    kept: bool,
}

/// The bits of an id that must be 0 to leave a page no more rows than it holds; none if it holds
/// them all.
pub fn mask(rows: u64) -> u64 {
    let mut mask = 0;
    while rows > MOST_TRIALS && rows > MOST_SAMPLED * (mask + 1) {
        mask = 2 * mask + 1;
    }
    mask
}

impl<R: BufRead> Sample<R> {
    pub fn new(from: R, mask: u64) -> Sample<R> {
        // The header has no id and is kept.
        Sample { from, mask, line: Vec::new(), at: 0, kept: true }
    }
}

impl<R: BufRead> BufRead for Sample<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.line.len() {
            self.line.clear();
            self.at = 0;
            if self.from.read_until(b'\n', &mut self.line)? == 0 {
                break;
            }
            // A line without an id goes on with the row before it, whose label has a line end in
            // it.
            if let Some(trial) = record::row_id(&self.line) {
                self.kept = trial.bits() & self.mask == 0;
            }
            if !self.kept {
                self.at = self.line.len();
            }
        }
        Ok(&self.line[self.at..])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

impl<R: BufRead> Read for Sample<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(to)?;
        self.consume(n);
        Ok(n)
    }
}
