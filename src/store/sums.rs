//! `runs.crc32`: a checksum for every row of `runs.csv`, so that a bit that flips inside of a number is noticed. A line of it is a trial and the
//! CRC-32 (zlib's) of the trial's whole row with its line end.
//!
//! A line is written before its row. Killed at any moment, a sweep leaves lines without a row, which mean nothing, and never a row without its
//! line: such a row is damaged. A folder without the file (an older version wrote none) has rows that nobody can vouch for; they are accepted.

use super::Replacement;
use crate::failure::Failure;
use crate::input;
use crate::output;
use crate::trial::TrialId;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

const HEADER: &[u8] = b"trial,crc32\n";
/// `t0123456789ab,01234567` and a line end.
const LINE: usize = TrialId::LENGTH + 10;

/// Of a row with its line end.
pub fn sum(row: &[u8]) -> u32 {
    crc32fast::hash(row)
}

/// The file for the rows of `runs`, which lies beside it.
pub fn path(runs: &Path) -> PathBuf {
    runs.with_extension("crc32")
}

/// A file of rows as it is now. Whoever opens it before the checksums finds one for each of its rows, even while a sweep is writing both.
pub fn open_file(path: &Path) -> io::Result<impl BufRead + use<>> {
    let file = input::open(path)?;
    let length = file.metadata()?.len();
    Ok(BufReader::with_capacity(1 << 18, file).take(length))
}

/// A line of the file.
pub fn line(trial: TrialId, sum: u32) -> [u8; LINE] {
    let mut line = [b'0'; LINE];
    let mut rest = &mut line[..];
    writeln!(rest, "{trial},{sum:08x}").expect("a line has the length of a line");
    line
}

fn parse(line: &[u8]) -> Option<(TrialId, u32)> {
    let text = std::str::from_utf8(line).ok().filter(|text| text.len() == LINE)?;
    let (trial, sum) = text.strip_suffix('\n')?.split_once(',')?;
    let digits = sum.len() == 8 && sum.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    Some((TrialId::parse(trial)?, u32::from_str_radix(sum, 16).ok().filter(|_| digits)?))
}

/// The lines of the file, to hold rows against. As long as the rows come in the order of the lines, which is how both are written, one line
/// is kept.
pub struct Known {
    from: BufReader<File>,
    next: Option<(TrialId, u32)>,
    /// All of them, as soon as a row was not the next.
    sorted: Option<Vec<(TrialId, u32)>>,
}

impl Known {
    /// None if there is no file. A line that is damaged is none: its row will be taken for damaged, and its trial runs again.
    pub fn open(path: PathBuf) -> Result<Option<Known>, Failure> {
        let attempt = || -> io::Result<_> {
            let mut from = BufReader::with_capacity(1 << 16, input::open(&path)?);
            let next = read(&mut from)?;
            Ok((from, next))
        };
        match attempt() {
            Ok((from, next)) => Ok(Some(Known { from, next, sorted: None })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io("read", &path, &error)),
        }
    }

    /// Whether a row with this sum was written for this trial.
    pub fn has(&mut self, trial: TrialId, sum: u32) -> io::Result<bool> {
        if let Some(sorted) = &self.sorted {
            return Ok(sorted.binary_search(&(trial, sum)).is_ok());
        }
        if self.next == Some((trial, sum)) {
            self.next = read(&mut self.from)?;
            return Ok(true);
        }
        self.from.rewind()?;
        let mut lines = Vec::with_capacity(self.from.get_ref().metadata()?.len() as usize / LINE);
        while let Some(line) = read(&mut self.from)? {
            lines.push(line);
        }
        lines.sort_unstable();
        Ok(self.sorted.insert(lines).binary_search(&(trial, sum)).is_ok())
    }
}

/// The next line that is one.
fn read(from: &mut impl BufRead) -> io::Result<Option<(TrialId, u32)>> {
    let (mut text, mut whole) = (Vec::with_capacity(LINE + 1), true);
    // What is longer is no line, nor are its parts.
    while from.by_ref().take(LINE as u64 + 1).read_until(b'\n', &mut text)? > 0 {
        if let Some(line) = parse(&text).filter(|_| whole) {
            return Ok(Some(line));
        }
        whole = text.ends_with(b"\n");
        text.clear();
    }
    Ok(None)
}

/// The file, open for appending.
pub struct Sums {
    path: PathBuf,
    file: File,
}

impl Sums {
    /// Opens the file as it is, less a torn end.
    pub fn open(path: PathBuf) -> Result<Sums, Failure> {
        let attempt = || {
            let mut file = output::append_to(&path)?;
            file.set_len(whole_lines(&file)?)?;
            file.flush()?;
            Ok(file)
        };
        let file = attempt().map_err(|error| Failure::io("write", &path, &error))?;
        Ok(Sums { path, file })
    }

    /// Replaces the file, if there is one, by a line for each of these rows.
    pub fn make(runs: &Path, rows: impl Iterator<Item = (TrialId, u32)>) -> Result<Sums, Failure> {
        let mut lines = begin(runs)?;
        for (trial, sum) in rows {
            lines.put(&line(trial, sum))?;
        }
        lines.finish()?;
        Sums::open(path(runs))
    }

    /// `lines`: any number of them.
    pub fn append(&mut self, lines: &[u8]) -> Result<(), Failure> {
        self.file.write_all(lines).map_err(|error| super::cannot_append(&self.path, &error))
    }

    /// What was appended survives a power cut.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Begins to replace the file beside `runs`; its lines are to be put.
pub fn begin(runs: &Path) -> Result<Replacement, Failure> {
    let mut lines = Replacement::new(&path(runs))?;
    lines.put(HEADER)?;
    Ok(lines)
}

/// The length without a line that was being written.
fn whole_lines(file: &File) -> io::Result<u64> {
    use std::os::unix::fs::FileExt;
    let end = file.metadata()?.len();
    let mut tail = [0; LINE];
    let tail = &mut tail[..end.min(LINE as u64) as usize];
    file.read_exact_at(tail, end - tail.len() as u64)?;
    let torn = tail.iter().rev().take_while(|byte| **byte != b'\n').count();
    Ok(end - torn as u64)
}
