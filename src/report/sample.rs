//! A sample of the rows of a `runs.csv` that is too long for a page. It has the trials whose ids
//! end in zero bits. An id is a hash, so these trials are spread evenly over the grid, and the same
//! rows always give the same sample. The rows are passed on as they are.

use super::{MOST_SAMPLED, MOST_TRIALS};
use blowup_core::record;
use std::io::{self, BufRead, Read};

/// Reads the header and the rows of the sample, and leaves out all others.
pub struct Sample<R> {
    from: R,
    /// The bits of the id of a trial that must be 0.
    mask: u64,
    line: Vec<u8>,
    /// How many bytes of `line` were read.
    at: usize,
    /// Whether the row to which `line` belongs is in the sample.
    kept: bool,
}

/// The bits of an id that must be 0, so that the sample is no larger than a page allows. None of
/// them if there are few enough rows.
pub fn mask(rows: u64) -> u64 {
    let mut mask = 0;
    while rows > MOST_TRIALS && rows > MOST_SAMPLED * (mask + 1) {
        mask = 2 * mask + 1;
    }
    mask
}

impl<R: BufRead> Sample<R> {
    /// The rows from `from` whose ids have only zeros at the bits of `mask`.
    pub fn new(from: R, mask: u64) -> Sample<R> {
        // The header has no id. It is kept.
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
            // A line without an id continues the row before it, whose label contains a line end.
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
