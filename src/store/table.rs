//! One result file: where the rows of each trial are, appending to it, and replacing it by itself in another order. Of a row only its
//! place is kept in memory, so a million rows cost 32 MB.

use super::places::{Place, Places};
use super::sums::{self, Known, Sums};
use crate::failure::Failure;
use crate::input;
use crate::output;
use crate::record::{self, OUTCOME, Piece, Verdict};
use crate::trial::TrialId;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

pub struct Table {
    path: PathBuf,
    header: Vec<u8>,
    places: Places,
    /// Open for appending (and for reading when it is replaced).
    file: Option<File>,
    /// Where the next row goes; what lies beyond is torn.
    end: u64,
    there: bool,
    /// Bytes that are no row of any trial, or a row too many: the file must be rewritten once.
    clean: bool,
    guard: Guard,
}

/// Whether rows have checksums beside them.
enum Guard {
    /// Not in this file.
    No,
    /// They should, but the file is not there: as an older version left it.
    Missing,
    There,
    Open(Sums),
}

/// Given a position and the row (or rows) that stand there; what takes their place, if anything does.
pub type Change<'a> = dyn FnMut(usize, &[u8]) -> io::Result<Option<Vec<u8>>> + 'a;

/// Part of a file: rows that will stand beside each other mostly did so before.
struct Window {
    from: File,
    start: u64,
    bytes: Vec<u8>,
    /// Where the last row ended.
    last: u64,
}

impl Window {
    const BYTES: usize = 16 * 1024;

    fn read(&mut self, place: &Place) -> io::Result<&[u8]> {
        let length = place.length as usize;
        let near = place.offset.checked_sub(self.last).is_some_and(|gap| gap < Self::BYTES as u64);
        self.last = place.offset + u64::from(place.length);
        let inside = |window: &Window| {
            let from = usize::try_from(place.offset.checked_sub(window.start)?).ok()?;
            Some(from..from.checked_add(length)?).filter(|range| range.end <= window.bytes.len())
        };
        if let Some(range) = inside(self) {
            return Ok(&self.bytes[range]);
        }
        self.start = place.offset;
        // Where rows are far from each other, more than a row would be read in vain.
        self.bytes.resize(if near { length.max(Self::BYTES) } else { length }, 0);
        let more = self.from.read_at(&mut self.bytes, place.offset)?;
        if more < length {
            self.from.read_exact_at(&mut self.bytes[..length], place.offset)?;
        }
        self.bytes.truncate(more.max(length));
        Ok(&self.bytes[..length])
    }
}

impl Table {
    /// `verdicts`: whether rows carry one (`runs.csv`), one row per trial; else a trial has a block of rows.
    pub fn read(path: PathBuf, columns: &[&str], verdicts: bool) -> Result<Table, Failure> {
        let header = record::line(columns);
        let mut table = Table {
            path,
            header,
            places: Places::default(),
            file: None,
            end: 0,
            there: false,
            clean: true,
            guard: Guard::No,
        };
        let file = match sums::open_file(&table.path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Failure::io("read", &table.path, &error)),
        };
        let mut known = if verdicts { Known::open(sums::path(&table.path))? } else { None };
        if verdicts {
            table.guard = if known.is_some() { Guard::There } else { Guard::Missing };
        }
        let Some(mut reader) = file else {
            return Ok(table);
        };
        table.there = true;
        let mut first = Vec::new();
        let limit = table.header.len() as u64;
        reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut first)
            .map_err(|error| Failure::io("read", &table.path, &error))?;
        if table.header.starts_with(&first) && first != table.header {
            // Torn in the header itself: nothing was written yet.
            table.clean = false;
            return Ok(table);
        }
        if first != table.header {
            return Err(Failure::new(format!("`{}` has other columns than this version writes", table.path.display()))
                .hint("it was written by another version, or changed by another program; name another folder with `--out`"));
        }
        table.end = first.len() as u64;
        let mut problems = 0;
        let start = table.end;
        record::scan::<io::Error>(reader, start, columns.len(), &mut |offset, piece| {
            problems += u64::from(!table.take(offset, piece, verdicts, known.as_mut())?);
            Ok(())
        })
        .map_err(|error| Failure::io("read", &table.path, &error))?;
        if problems > 0 {
            tracing::warn!("`{}` has {problems} damaged rows; their trials run again", table.path.display());
        }
        Ok(table)
    }

    /// Whether the piece was a row, or a torn end.
    fn take(&mut self, offset: u64, piece: Piece<'_>, verdicts: bool, known: Option<&mut Known>) -> io::Result<bool> {
        let (trial, text, ends) = match piece {
            Piece::Row { trial, text, ends } => (trial, text, ends),
            Piece::Damaged { length, .. } => {
                self.clean = false;
                self.end = offset + length;
                return Ok(false);
            }
            Piece::Torn { .. } => {
                self.clean = false;
                return Ok(true);
            }
        };
        self.end = offset + text.len() as u64;
        let mut place = Place { offset, length: text.len() as u32, sum: 0, verdict: None };
        if verdicts {
            let cell = |column: usize| &text[ends[column - 1] + 1..ends[column]];
            place.verdict = Verdict::parse(cell(OUTCOME), cell(OUTCOME + 1));
            place.sum = sums::sum(text);
            let vouched = known.map_or(Ok(true), |known| known.has(trial, place.sum))?;
            if place.verdict.is_none() || !vouched {
                self.clean = false;
                return Ok(false);
            }
        }
        self.keep(trial, place, verdicts);
        Ok(true)
    }

    fn keep(&mut self, trial: TrialId, place: Place, verdicts: bool) {
        let Some(number) = self.places.number(trial) else {
            return self.places.insert(trial, place);
        };
        let first = self.places.at(number);
        if !verdicts && first.offset + u64::from(first.length) == place.offset {
            // The trial's next line.
            let length = first.length.checked_add(place.length);
            if let Some(length) = length {
                return self.places.set(number, Place { length, ..first });
            }
        }
        self.clean = false;
        // A lost trial that was run again. Two verdicts are the same; the first stands.
        let was_lost = matches!(first.verdict, Some(Verdict::Lost(_)));
        if was_lost || !verdicts {
            self.places.set(number, place);
        }
    }

    pub fn exists(&self) -> bool {
        self.there
    }

    /// Whether the file is there with nothing in it but one row (or block) per trial.
    pub fn is_clean(&self) -> bool {
        self.there && self.clean && !matches!(self.guard, Guard::Missing)
    }

    /// Whether there are rows that should have checksums and have none.
    pub fn is_unguarded(&self) -> bool {
        matches!(self.guard, Guard::Missing) && !self.is_empty()
    }

    pub fn verdict(&self, trial: TrialId) -> Option<Verdict> {
        self.places.get(trial).and_then(|place| place.verdict)
    }

    /// The trial's row (or block of rows) as it lies in the file, with its line end.
    pub fn row(&self, trial: TrialId) -> Result<Option<Vec<u8>>, Failure> {
        let Some(place) = self.places.get(trial) else {
            return Ok(None);
        };
        let mut text = vec![0; place.length as usize];
        let read = input::open(&self.path).and_then(|from| from.read_exact_at(&mut text, place.offset));
        read.map_err(|error| Failure::io("read", &self.path, &error))?;
        Ok(Some(text))
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.len() == 0
    }

    /// The trials that have rows, in no order.
    pub fn places(&self) -> impl Iterator<Item = TrialId> + '_ {
        self.places.iter().map(|(trial, _)| trial)
    }

    pub fn sort_by_place(&self, trials: &mut [TrialId]) {
        trials.sort_by_key(|trial| self.places.get(*trial).map(|place| place.offset));
    }

    /// Opens the file for appending: makes it, or cuts what is torn at its end.
    pub fn open(&mut self) -> Result<(), Failure> {
        self.open_sums()?;
        let attempt = |table: &mut Table| {
            let mut file = output::append(&table.path)?;
            file.set_len(table.end)?;
            if table.end == 0 {
                file.write_all(&table.header)?;
                table.end = table.header.len() as u64;
            }
            table.file = Some(file);
            table.there = true;
            Ok(())
        };
        attempt(self).map_err(|error| Failure::io("write", &self.path, &error))
    }

    /// Before any row can be appended, every row that is there has its line.
    fn open_sums(&mut self) -> Result<(), Failure> {
        self.guard = match self.guard {
            Guard::No => Guard::No,
            // Without a row its lines are of rows that are no more.
            Guard::There if !self.is_empty() => Guard::Open(Sums::open(sums::path(&self.path))?),
            Guard::There | Guard::Missing | Guard::Open(_) => {
                let rows = self.places.iter().map(|(trial, place)| (trial, place.sum));
                Guard::Open(Sums::make(&self.path, rows)?)
            }
        };
        Ok(())
    }

    /// Appends the rows of several trials in one write. Does nothing if the table was not opened.
    pub fn append(
        &mut self,
        text: &[u8],
        trials: impl Iterator<Item = (TrialId, u32, Option<Verdict>)>,
    ) -> Result<(), Failure> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let (mut rows, mut lines, mut at) = (Vec::new(), Vec::new(), 0);
        for (trial, length, verdict) in trials.filter(|(_, length, _)| *length > 0) {
            let mut place = Place { offset: self.end + at as u64, length, sum: 0, verdict };
            if let Guard::Open(_) = self.guard {
                place.sum = sums::sum(&text[at..at + length as usize]);
                lines.extend_from_slice(&sums::line(trial, place.sum));
            }
            rows.push((trial, place));
            at += length as usize;
        }
        if let Guard::Open(sums) = &mut self.guard {
            sums.append(&lines)?;
        }
        file.write_all(text).map_err(|error| super::cannot_append(&self.path, &error))?;
        rows.into_iter().for_each(|(trial, place)| self.places.insert(trial, place));
        self.end += text.len() as u64;
        Ok(())
    }

    /// Room for this many trials, made at once.
    pub fn reserve(&mut self, trials: usize) {
        self.places.reserve(trials);
    }

    /// Replaces the file by the rows of the trials of `order` that have any. `change` is given the position in `order`. After an error the
    /// places are of no use any more, only the verdicts.
    pub fn replace(&mut self, order: impl Iterator<Item = TrialId>, change: &mut Change<'_>) -> Result<(), Failure> {
        let from = input::open(&self.path).map_err(|error| Failure::io("read", &self.path, &error))?;
        let mut window = Window { from, start: 0, bytes: Vec::new(), last: 0 };
        // In place: a second map of a million rows would be the largest thing in this process.
        let mut kept = vec![false; self.places.len()];
        let (places, guard) = (&mut self.places, &mut self.guard);
        let mut end = self.header.len() as u64;
        let guarded = !matches!(guard, Guard::No);
        let mut lines = guarded.then(|| sums::begin(&self.path)).transpose()?;
        let mut changed_any = false;
        super::replace(&self.path, |to| {
            to.write_all(&self.header)?;
            for (at, trial) in order.enumerate() {
                // A place that was taken over already is of the new file.
                let Some(number) = places.number(trial).filter(|number| !kept[*number]) else {
                    continue;
                };
                let mut place = places.at(number);
                let text = window.read(&place)?;
                if guarded && sums::sum(text) != place.sum {
                    return Err(io::Error::other(format!("the row of {trial} is not what it was a moment ago")));
                }
                let changed = change(at, text)?;
                let text = changed.as_deref().unwrap_or(text);
                to.write_all(text)?;
                if let (Some(text), Guard::Open(open)) = (&changed, &mut *guard) {
                    place.sum = sums::sum(text);
                    open.append(&sums::line(trial, place.sum)).map_err(io::Error::other)?;
                    changed_any = true;
                }
                if let Some(lines) = &mut lines {
                    lines.write_all(&sums::line(trial, place.sum))?;
                }
                (place.offset, place.length) = (end, text.len() as u32);
                places.set(number, place);
                kept[number] = true;
                end += text.len() as u64;
            }
            // The lines of rows that changed are there before the rows.
            if let (true, Guard::Open(open)) = (changed_any, &*guard) { open.sync() } else { Ok(()) }
        })?;
        // The old lines hold for the new file too; the new ones are only fewer and in its order.
        if let Some(lines) = lines {
            lines.finish()?;
            self.guard = Guard::There;
        }
        let was_open = self.file.is_some();
        self.places.retain(&kept);
        (self.end, self.clean, self.file) = (end, true, None);
        if was_open { self.open() } else { Ok(()) }
    }

    pub fn forget(&mut self) {
        self.places = Places::default();
    }

    /// Calls `each` with the rows in the order of the file.
    pub fn rows(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let mut attempt = || -> io::Result<()> {
            let from = input::open(&self.path)?;
            let mut places: Vec<Place> = self.places.iter().map(|(_, place)| place).collect();
            places.sort_unstable_by_key(|place| place.offset);
            let mut reader = BufReader::with_capacity(1 << 18, from);
            let (mut text, mut at) = (Vec::new(), 0);
            for place in places {
                reader.seek_relative(place.offset as i64 - at as i64)?;
                text.resize(place.length as usize, 0);
                io::Read::read_exact(&mut reader, &mut text)?;
                at = place.offset + u64::from(place.length);
                each(&text);
            }
            Ok(())
        };
        attempt().map_err(|error| Failure::io("read", &self.path, &error))
    }
}

/// Rows of a table, one after the other: quick where they lie near each other.
pub struct Reader<'a> {
    table: &'a Table,
    window: Window,
}

impl Table {
    pub fn reader(&self) -> Result<Reader<'_>, Failure> {
        let from = input::open(&self.path).map_err(|error| Failure::io("read", &self.path, &error))?;
        Ok(Reader { table: self, window: Window { from, start: 0, bytes: Vec::new(), last: 0 } })
    }
}

impl Reader<'_> {
    /// The trial's row (or block of rows) with its line end.
    ///
    /// # Errors
    /// Also if another process has replaced the file in the meantime.
    pub fn row(&mut self, trial: TrialId) -> Result<Option<&[u8]>, Failure> {
        let path = &self.table.path;
        let Some(place) = self.table.places.get(trial) else {
            return Ok(None);
        };
        let text = self.window.read(&place).map_err(|error| Failure::io("read", path, &error))?;
        let vouched = matches!(self.table.guard, Guard::No) || sums::sum(text) == place.sum;
        if record::row_id(text) != Some(trial) || !text.ends_with(b"\n") || !vouched {
            let text = format!("`{}` changed while it was read", path.display());
            return Err(Failure::new(text).hint("a sweep is running there; try again"));
        }
        Ok(Some(text))
    }
}
