//! `runs.crc32`: checksums of what was written of every trial, so that a flipped bit in a number is
//! noticed, and so is a missing row. Each line has a trial, the CRC-32 (zlib's) of its whole row in
//! `runs.csv` with the line end, the `[record]` under which it was trained, and for each file
//! beside `runs.csv` the bytes of the trial's rows and their CRC-32. Both are empty where there are
//! no such rows.
//!
//! A line is written after the rows of the other files and before the row of `runs.csv`. So a sweep
//! that is killed at any moment leaves lines without a row, which mean nothing, and never a row
//! without its line; such a row is damaged. A folder without this file (an older version wrote
//! none) has rows that nobody can vouch for, and they are accepted. So are lines that end behind
//! the first checksum, which say nothing of the other files.

use super::folder::{Folder, Replacement};
use crate::failure::Failure;
use crate::input;
use crate::record::SIDES;
use crate::trial::TrialId;
use crate::verdict::Record;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The name of the file.
pub const FILE: &str = "runs.crc32";
const HEADER: &[u8] =
    b"trial,crc32,record,epochs_bytes,epochs_crc32,layers_bytes,layers_crc32,steps_bytes,steps_crc32\n";
/// The bytes of the shortest line: `t0123456789ab,01234567` and a line end.
const BARE: usize = TrialId::LENGTH + 10;
/// The bytes of the longest line.
const LONGEST: usize = BARE + 9 + SIDES.len() * (1 + 10 + 1 + 8);

/// The checksum of a row with its line end.
pub fn sum(row: &[u8]) -> u32 {
    crc32fast::hash(row)
}

/// The checksum of several rows, of which `before` is the checksum without the last one, `row`.
pub fn continued(before: u32, row: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(row);
    hasher.finalize()
}

/// The path of the file of checksums that lies beside `runs`, the file of the rows.
pub fn path(runs: &Path) -> PathBuf {
    runs.with_extension("crc32")
}

/// Opens a file of rows as it is now. Whoever opens it before the checksums finds a checksum for
/// each of its rows, even while a sweep is writing both.
pub fn open_file(path: &Path) -> io::Result<impl BufRead + use<>> {
    let file = input::open(path)?;
    let length = file.metadata()?.len();
    Ok(BufReader::with_capacity(1 << 18, file).take(length))
}

/// The length and the checksum of a trial's rows in a file beside `runs.csv`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockSum {
    pub bytes: u64,
    /// It is 0 of no rows.
    pub sum: u32,
}

/// One for each of `SIDES`.
pub type BlockSums = [BlockSum; SIDES.len()];

/// A name for the `[record]` under which a trial was trained. The manifest says what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// An older version did not say it.
    Unknown,
    /// Nothing beside `runs.csv`.
    Nothing,
    /// A hash of the record.
    Hash(u32),
}

impl Recorded {
    /// The name of a record.
    pub fn of(record: &Record) -> Recorded {
        if *record == Record::default() {
            return Recorded::Nothing;
        }
        let bytes = postcard::to_stdvec(record).expect("a record is plain data");
        Recorded::Hash(sum(&bytes))
    }

    /// The text of the name: the cell of `runs.crc32`, and the key in the manifest.
    pub fn name(self) -> String {
        match self {
            Recorded::Unknown => "?".to_owned(),
            Recorded::Nothing => String::new(),
            Recorded::Hash(hash) => format!("{hash:08x}"),
        }
    }

    fn parse(text: &str) -> Option<Recorded> {
        match text {
            "?" => Some(Recorded::Unknown),
            "" => Some(Recorded::Nothing),
            text => hexadecimal(text).map(Recorded::Hash),
        }
    }
}

/// What a line says beyond the row of `runs.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SideSums {
    pub recorded: Recorded,
    pub blocks: BlockSums,
}

/// A line of the file. Without `beside` it is a line of an older version.
pub fn line(trial: TrialId, sum: u32, beside: Option<&SideSums>) -> Vec<u8> {
    let mut line = String::with_capacity(LONGEST);
    let _ = write!(line, "{trial},{sum:08x}");
    if let Some(SideSums { recorded, blocks }) = beside {
        line.push(',');
        line.push_str(&recorded.name());
        for BlockSum { bytes, sum } in blocks {
            let _ = if *bytes == 0 { write!(line, ",,") } else { write!(line, ",{bytes},{sum:08x}") };
        }
    }
    line.push('\n');
    line.into_bytes()
}

fn hexadecimal(text: &str) -> Option<u32> {
    let digits = text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    u32::from_str_radix(text, 16).ok().filter(|_| digits)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SumLine {
    trial: TrialId,
    sum: u32,
    beside: Option<SideSums>,
}

fn parse(line: &[u8]) -> Option<SumLine> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let mut cells = text.split(',');
    let (trial, sum) = (TrialId::parse(cells.next()?)?, hexadecimal(cells.next()?)?);
    let beside = match cells.next() {
        None => None,
        Some(recorded) => {
            let mut beside = SideSums { recorded: Recorded::parse(recorded)?, blocks: BlockSums::default() };
            for block in &mut beside.blocks {
                *block = match (cells.next()?, cells.next()?) {
                    ("", "") => BlockSum::default(),
                    (bytes, sum) => BlockSum { bytes: count(bytes)?, sum: hexadecimal(sum)? },
                };
            }
            Some(beside)
        }
    };
    cells.next().is_none().then_some(SumLine { trial, sum, beside })
}

/// Reads a number above 0 in the one form in which it is written.
fn count(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse::<u32>().ok().filter(|_| digits).map(u64::from)
}

/// Whether this is a line of the file, with its line end.
pub fn is_line(line: &[u8]) -> bool {
    parse(line).is_some()
}

/// What the lines say of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The row was not written.
    Nothing,
    /// The row was written, but with other rows in this one of `SIDES` than there are.
    Other(usize, BlockSum),
    /// The row was written, under this record.
    Written(Recorded),
}

/// The lines of the file, to compare rows with. While the rows come in the order of the lines,
/// which is how both are written, one line is kept in memory.
pub struct Known {
    from: BufReader<File>,
    next: Option<SumLine>,
    /// All lines, once a row was not the next one.
    sorted: Option<Sorted>,
}

/// Lines in the order of their trials. Where nothing is recorded, most lines say the same of the
/// other files, so a line takes 16 bytes.
#[derive(Default)]
struct Sorted {
    /// Each line is its trial, its checksum and a position in `besides`.
    lines: Vec<(TrialId, u32, u32)>,
    besides: Vec<Option<SideSums>>,
}

impl Known {
    /// Opens the file; `None` if there is none. A damaged line counts as no line: its row will
    /// count as damaged, and its trial runs again.
    pub fn open(path: PathBuf) -> Result<Option<Known>, Failure> {
        match input::open(&path) {
            Ok(file) => Known::new(file).map(Some).map_err(|error| Failure::io("read", &path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io("read", &path, &error)),
        }
    }

    /// Begins to read an open file.
    pub fn new(file: File) -> io::Result<Known> {
        let mut from = BufReader::with_capacity(1 << 16, file);
        let next = read(&mut from)?;
        Ok(Known { from, next, sorted: None })
    }

    /// Looks for the row of a trial with this checksum. If `blocks` is given, the trial's rows in
    /// the other files must be these, too. A row can have several lines, one for each time that it
    /// was written.
    pub fn find(&mut self, trial: TrialId, sum: u32, blocks: Option<BlockSums>) -> io::Result<Found> {
        if self.sorted.is_none() {
            if let Some(next) = self.next.filter(|line| (line.trial, line.sum) == (trial, sum))
                && let found @ Found::Written(_) = judge(next.beside, blocks)
            {
                self.next = read(&mut self.from)?;
                return Ok(found);
            }
            self.sort()?;
        }
        let Sorted { lines, besides } = self.sorted.as_ref().expect("they were sorted");
        let first = lines.partition_point(|line| (line.0, line.1) < (trial, sum));
        let mut best = Found::Nothing;
        for line in lines[first..].iter().take_while(|line| (line.0, line.1) == (trial, sum)) {
            match judge(besides[line.2 as usize], blocks) {
                found @ Found::Written(_) => return Ok(found),
                found @ (Found::Nothing | Found::Other(..)) => best = found,
            }
        }
        Ok(best)
    }

    fn sort(&mut self) -> io::Result<()> {
        self.from.rewind()?;
        let mut sorted = Sorted::default();
        sorted.lines.reserve(self.from.get_ref().metadata()?.len() as usize / LONGEST);
        while let Some(SumLine { trial, sum, beside }) = read(&mut self.from)? {
            if sorted.besides.last() != Some(&beside) {
                sorted.besides.push(beside);
            }
            sorted.lines.push((trial, sum, sorted.besides.len() as u32 - 1));
        }
        sorted.lines.sort_unstable();
        self.sorted = Some(sorted);
        Ok(())
    }
}

fn judge(beside: Option<SideSums>, there: Option<BlockSums>) -> Found {
    let Some(SideSums { recorded, blocks: written }) = beside else {
        return Found::Written(Recorded::Unknown);
    };
    let there = there.unwrap_or(written);
    match (0..SIDES.len()).find(|side| written[*side] != there[*side]) {
        Some(side) => Found::Other(side, written[side]),
        None => Found::Written(recorded),
    }
}

/// The next valid line.
fn read(from: &mut impl BufRead) -> io::Result<Option<SumLine>> {
    let (mut text, mut whole) = (Vec::with_capacity(LONGEST + 1), true);
    // What is longer than a line is no line, and neither are its parts.
    while from.by_ref().take(LONGEST as u64 + 1).read_until(b'\n', &mut text)? > 0 {
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
    folder: Folder,
    pub file: File,
}

impl Sums {
    /// Opens the file as it is, and cuts a torn end.
    pub fn open(folder: &Folder) -> Result<Sums, Failure> {
        let attempt = || {
            let file = folder.append(FILE)?;
            file.set_len(whole_lines(&file)?)?;
            Ok(file)
        };
        let file = attempt().map_err(|error| Failure::io("write", &folder.name(FILE), &error))?;
        Ok(Sums { folder: folder.clone(), file })
    }

    /// Appends any number of lines.
    pub fn append(&mut self, lines: &[u8]) -> Result<(), Failure> {
        self.file.write_all(lines).map_err(|error| super::cannot_append(&self.folder.name(FILE), &error))
    }

    /// Makes sure that what was appended survives a power cut.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Begins to replace the file. Its lines are put into the replacement.
pub fn begin(folder: &Folder) -> Result<Replacement, Failure> {
    let mut lines = folder.replacement(FILE)?;
    lines.put(HEADER)?;
    Ok(lines)
}

/// The bytes of the file without a line that was being written.
fn whole_lines(file: &File) -> io::Result<u64> {
    use std::os::unix::fs::FileExt;
    let end = file.metadata()?.len();
    let mut tail = [0; LONGEST];
    let tail = &mut tail[..end.min(LONGEST as u64) as usize];
    file.read_exact_at(tail, end - tail.len() as u64)?;
    let torn = tail.iter().rev().take_while(|byte| **byte != b'\n').count();
    Ok(end - torn as u64)
}
