//! One result file: where the rows of each trial are, appending to it, and replacing it by itself in another order. Of a row only its
//! place is kept in memory, so a million rows cost 32 MB.

use super::places::{Place, Places};
use crate::failure::Failure;
use crate::record::{self, OUTCOME, Piece, Verdict};
use crate::trial::TrialId;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
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
        let mut table =
            Table { path, header, places: Places::default(), file: None, end: 0, there: false, clean: true };
        let file = match File::open(&table.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(table),
            Err(error) => return Err(Failure::io("read", &table.path, &error)),
        };
        table.there = true;
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut first = Vec::new();
        reader.read_until(b'\n', &mut first).map_err(|error| Failure::io("read", &table.path, &error))?;
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
            table.take(offset, piece, verdicts, &mut problems);
            Ok(())
        })
        .map_err(|error| Failure::io("read", &table.path, &error))?;
        if problems > 0 {
            tracing::warn!("`{}` has {problems} damaged rows; their trials run again", table.path.display());
        }
        Ok(table)
    }

    fn take(&mut self, offset: u64, piece: Piece<'_>, verdicts: bool, problems: &mut u64) {
        let (trial, text, ends) = match piece {
            Piece::Row { trial, text, ends } => (trial, text, ends),
            Piece::Damaged { text } => {
                *problems += 1;
                self.clean = false;
                self.end = offset + text.len() as u64;
                return;
            }
            Piece::Torn { .. } => {
                self.clean = false;
                return;
            }
        };
        self.end = offset + text.len() as u64;
        let mut place = Place { offset, length: text.len() as u32, verdict: None };
        if verdicts {
            let cell = |column: usize| &text[ends[column - 1] + 1..ends[column]];
            place.verdict = Verdict::parse(cell(OUTCOME), cell(OUTCOME + 1));
            if place.verdict.is_none() {
                *problems += 1;
                self.clean = false;
                return;
            }
        }
        match self.places.number(trial).map(|number| self.places.at(number)) {
            None => self.places.insert(trial, place),
            // The trial's next line.
            Some(block) if !verdicts && block.offset + u64::from(block.length) == offset => {
                block.length += place.length
            }
            Some(first) => {
                self.clean = false;
                // A lost trial that was run again. Two verdicts are the same; the first stands.
                let was_lost = matches!(first.verdict, Some(Verdict::Lost(_)));
                if was_lost || !verdicts {
                    *first = place;
                }
            }
        }
    }

    pub fn exists(&self) -> bool {
        self.there
    }

    /// Whether the file is there with nothing in it but one row (or block) per trial.
    pub fn is_clean(&self) -> bool {
        self.there && self.clean
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
        let read = File::open(&self.path).and_then(|from| from.read_exact_at(&mut text, place.offset));
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
        self.places.iter().map(|(trial, _)| *trial)
    }

    pub fn sort_by_place(&self, trials: &mut [TrialId]) {
        trials.sort_by_key(|trial| self.places.get(*trial).map(|place| place.offset));
    }

    /// Opens the file for appending: makes it, or cuts what is torn at its end.
    pub fn open(&mut self) -> Result<(), Failure> {
        let attempt = |table: &mut Table| {
            let mut file = OpenOptions::new().create(true).append(true).read(true).open(&table.path)?;
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

    /// Appends the rows of several trials in one write. Does nothing if the table was not opened.
    pub fn append(
        &mut self,
        text: &[u8],
        trials: impl Iterator<Item = (TrialId, u32, Option<Verdict>)>,
    ) -> Result<(), Failure> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.write_all(text).map_err(|error| {
            Failure::io("write", &self.path, &error).hint("rows that were written are kept; the same command resumes")
        })?;
        let mut offset = self.end;
        for (trial, length, verdict) in trials.filter(|(_, length, _)| *length > 0) {
            self.places.insert(trial, Place { offset, length, verdict });
            offset += u64::from(length);
        }
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
        let from = File::open(&self.path).map_err(|error| Failure::io("read", &self.path, &error))?;
        let mut window = Window { from, start: 0, bytes: Vec::new(), last: 0 };
        // In place: a second map of a million rows would be the largest thing in this process.
        let mut kept = vec![false; self.places.len()];
        let places = &mut self.places;
        let mut end = self.header.len() as u64;
        super::replace(&self.path, |to| {
            to.write_all(&self.header)?;
            for (at, trial) in order.enumerate() {
                // A place that was taken over already is of the new file.
                let Some(number) = places.number(trial).filter(|number| !kept[*number]) else {
                    continue;
                };
                let place = places.at(number);
                let text = window.read(place)?;
                let changed = change(at, text)?;
                let text = changed.as_deref().unwrap_or(text);
                to.write_all(text)?;
                (place.offset, place.length) = (end, text.len() as u32);
                kept[number] = true;
                end += text.len() as u64;
            }
            Ok(())
        })?;
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
            let from = File::open(&self.path)?;
            let mut places: Vec<Place> = self.places.iter().map(|(_, place)| *place).collect();
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
