//! `runs.crc32`: what was written of every trial, so that a bit that flips inside of a number is noticed, and a row that is gone. A line of it is a
//! trial; the CRC-32 (zlib's) of the trial's whole row in `runs.csv` with its line end; under which `[record]` it was trained; and for each file
//! beside `runs.csv` how many bytes are the trial's own, and their CRC-32 (both are empty where there are none).
//!
//! A line is written after the rows of the other files and before the row of `runs.csv`. Killed at any moment, a sweep leaves lines without a row,
//! which mean nothing, and never a row without its line: such a row is damaged. A folder without the file (an older version wrote none) has rows
//! that nobody can vouch for; they are accepted. So are lines that end after the first checksum, which say nothing of the other files.

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

pub const FILE: &str = "runs.crc32";
const HEADER: &[u8] =
    b"trial,crc32,record,epochs_bytes,epochs_crc32,layers_bytes,layers_crc32,steps_bytes,steps_crc32\n";
/// `t0123456789ab,01234567` and a line end.
const BARE: usize = TrialId::LENGTH + 10;
/// Of the longest line.
const LONGEST: usize = BARE + 9 + SIDES.len() * (1 + 10 + 1 + 8);

/// Of a row with its line end.
pub fn sum(row: &[u8]) -> u32 {
    crc32fast::hash(row)
}

/// Of rows of which `before` is the sum so far.
pub fn continued(before: u32, row: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(row);
    hasher.finalize()
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

/// The rows of one trial in a file beside `runs.csv`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockSum {
    pub bytes: u64,
    /// 0 of none.
    pub sum: u32,
}

/// Of each of `SIDES`.
pub type BlockSums = [BlockSum; SIDES.len()];

/// A name for the `[record]` under which a trial was trained. The manifest says what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    /// An older version did not say.
    Unknown,
    /// Nothing but `runs.csv`.
    Nothing,
    Hash(u32),
}

impl Recorded {
    pub fn of(record: &Record) -> Recorded {
        if *record == Record::default() {
            return Recorded::Nothing;
        }
        let bytes = postcard::to_stdvec(record).expect("a record is plain data");
        Recorded::Hash(sum(&bytes))
    }

    /// The cell of `runs.crc32`, and the key in the manifest.
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

/// A line of the file. Without `beside` it is one of an older version.
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

/// A number above 0 in the one way in which it is written.
fn count(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse::<u32>().ok().filter(|_| digits).map(u64::from)
}

/// Whether it is a line of the file, with its line end.
pub fn is_line(line: &[u8]) -> bool {
    parse(line).is_some()
}

/// What the lines say of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It was not written.
    Nothing,
    /// It was, with other rows in this one of `SIDES` than are there.
    Other(usize, BlockSum),
    Written(Recorded),
}

/// The lines of the file, to hold rows against. As long as the rows come in the order of the lines, which is how both are written, one line
/// is kept.
pub struct Known {
    from: BufReader<File>,
    next: Option<SumLine>,
    /// All of them, as soon as a row was not the next.
    sorted: Option<Sorted>,
}

/// Most lines say the same of the other files where nothing is recorded: a line is 16 bytes then.
#[derive(Default)]
struct Sorted {
    /// With a place in `besides`.
    lines: Vec<(TrialId, u32, u32)>,
    besides: Vec<Option<SideSums>>,
}

impl Known {
    /// None if there is no file. A line that is damaged is none: its row will be taken for damaged, and its trial runs again.
    pub fn open(path: PathBuf) -> Result<Option<Known>, Failure> {
        match input::open(&path) {
            Ok(file) => Known::new(file).map(Some).map_err(|error| Failure::io("read", &path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io("read", &path, &error)),
        }
    }

    pub fn new(file: File) -> io::Result<Known> {
        let mut from = BufReader::with_capacity(1 << 16, file);
        let next = read(&mut from)?;
        Ok(Known { from, next, sorted: None })
    }

    /// Whether a row with this sum was written for this trial, beside `blocks` in the other files (of which none are looked at if there are none). A row can have several lines: of the first time
    /// that it was written, and of a later one.
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

/// The next line that is one.
fn read(from: &mut impl BufRead) -> io::Result<Option<SumLine>> {
    let (mut text, mut whole) = (Vec::with_capacity(LONGEST + 1), true);
    // What is longer is no line, nor are its parts.
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
    /// Opens the file as it is, less a torn end.
    pub fn open(folder: &Folder) -> Result<Sums, Failure> {
        let attempt = || {
            let file = folder.append(FILE)?;
            file.set_len(whole_lines(&file)?)?;
            Ok(file)
        };
        let file = attempt().map_err(|error| Failure::io("write", &folder.name(FILE), &error))?;
        Ok(Sums { folder: folder.clone(), file })
    }

    /// `lines`: any number of them.
    pub fn append(&mut self, lines: &[u8]) -> Result<(), Failure> {
        self.file.write_all(lines).map_err(|error| super::cannot_append(&self.folder.name(FILE), &error))
    }

    /// What was appended survives a power cut.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Begins to replace the file; its lines are to be put.
pub fn begin(folder: &Folder) -> Result<Replacement, Failure> {
    let mut lines = folder.replacement(FILE)?;
    lines.put(HEADER)?;
    Ok(lines)
}

/// The length without a line that was being written.
fn whole_lines(file: &File) -> io::Result<u64> {
    use std::os::unix::fs::FileExt;
    let end = file.metadata()?.len();
    let mut tail = [0; LONGEST];
    let tail = &mut tail[..end.min(LONGEST as u64) as usize];
    file.read_exact_at(tail, end - tail.len() as u64)?;
    let torn = tail.iter().rev().take_while(|byte| **byte != b'\n').count();
    Ok(end - torn as u64)
}
