//! One result file: where the rows of each trial are, appending to it, and replacing it by itself in another order. Of a row only its
//! place is kept in memory, so a million rows cost 32 MB.

use super::folder::{Folder, Snapshot};
use super::places::{Mark, Place, Places};
use super::sums::{self, Block, Recorded};
use crate::failure::Failure;
use crate::record::{self, OUTCOME, Piece, Verdict};
use crate::trial::TrialId;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::FileExt;

pub struct Table {
    folder: Folder,
    name: &'static str,
    header: Vec<u8>,
    places: Places,
    /// Those that marks speak of, at most 256.
    recorded: Vec<Recorded>,
    /// Open for appending (and for reading when it is replaced).
    file: Option<File>,
    /// Where the next row goes; what lies beyond is torn.
    end: u64,
    there: bool,
    /// Bytes that are no row of any trial, or a row too many: the file must be rewritten once.
    clean: bool,
    /// Rows that are none.
    pub damaged: u64,
}

/// Given a row of `runs.csv` as its trial and its sum: under what it was recorded, if it is as it was written.
pub type Vouch<'a> = dyn FnMut(TrialId, u32) -> io::Result<Option<Recorded>> + 'a;

/// A row that was put into a replaced file.
pub struct Put {
    pub trial: TrialId,
    pub sum: u32,
    pub recorded: Recorded,
    /// It is not the one that stood there before.
    pub changed: bool,
}

/// Rows to be appended: of one trial.
#[derive(Clone, Copy)]
pub struct New {
    pub trial: TrialId,
    pub length: u32,
    /// Of a row of `runs.csv`.
    pub verdict: Option<(Verdict, Recorded)>,
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

    fn new(from: File) -> Window {
        Window { from, start: 0, bytes: Vec::new(), last: 0 }
    }

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
    /// `vouch`: for `runs.csv`, which has one row per trial, with a verdict; in the other files a trial has a block of rows. `from`: the file, if it is
    /// there.
    pub fn read(
        folder: &Folder,
        name: &'static str,
        columns: &[&str],
        from: Option<Snapshot>,
        mut vouch: Option<&mut Vouch<'_>>,
    ) -> Result<Table, Failure> {
        let mut table = Table {
            folder: folder.clone(),
            name,
            header: record::line(columns),
            places: Places::default(),
            recorded: Vec::new(),
            file: None,
            end: 0,
            there: from.is_some(),
            clean: true,
            damaged: 0,
        };
        let Some(mut reader) = from else {
            return Ok(table);
        };
        let path = folder.name(name);
        let mut first = Vec::new();
        let limit = table.header.len() as u64;
        reader
            .by_ref()
            .take(limit)
            .read_until(b'\n', &mut first)
            .map_err(|error| Failure::io("read", &path, &error))?;
        if table.header.starts_with(&first) && first != table.header {
            // Torn in the header itself: nothing was written yet.
            table.clean = false;
            return Ok(table);
        }
        if first != table.header {
            return Err(Failure::new(format!("`{}` has other columns than this version writes", path.display())).hint(
                "it was written by another version, or changed by another program; name another folder with `--out`",
            ));
        }
        table.end = first.len() as u64;
        let start = table.end;
        record::scan::<io::Error>(reader, start, columns.len(), &mut |offset, piece| {
            table.take(offset, piece, vouch.as_deref_mut())
        })
        .map_err(|error| Failure::io("read", &path, &error))?;
        table.clean &= table.damaged == 0;
        Ok(table)
    }

    fn take(&mut self, offset: u64, piece: Piece<'_>, vouch: Option<&mut Vouch<'_>>) -> io::Result<()> {
        let (trial, text, ends) = match piece {
            Piece::Row { trial, text, ends } => (trial, text, ends),
            Piece::Damaged { length, .. } => {
                self.damaged += 1;
                self.end = offset + length;
                return Ok(());
            }
            Piece::Torn { .. } => {
                self.clean = false;
                return Ok(());
            }
        };
        self.end = offset + text.len() as u64;
        let mut place = Place { offset, length: text.len() as u32, sum: 0, mark: None };
        let Some(vouch) = vouch else {
            self.keep_line(trial, place, text);
            return Ok(());
        };
        let cell = |column: usize| &text[ends[column - 1] + 1..ends[column]];
        let Some(verdict) = Verdict::parse(cell(OUTCOME), cell(OUTCOME + 1)) else {
            self.damaged += 1;
            return Ok(());
        };
        place.sum = sums::sum(text);
        match vouch(trial, place.sum)? {
            Some(recorded) => {
                place.mark = Some(self.mark(verdict, recorded));
                self.keep_row(trial, place);
            }
            None => self.clean = false,
        }
        Ok(())
    }

    fn mark(&mut self, verdict: Verdict, recorded: Recorded) -> Mark {
        let at = self.recorded.iter().position(|known| *known == recorded).unwrap_or_else(|| {
            self.recorded.push(recorded);
            self.recorded.len() - 1
        });
        // More than anybody asks for in one folder; the first is as good as any.
        Mark { verdict, recorded: u8::try_from(at).unwrap_or(0) }
    }

    fn keep_row(&mut self, trial: TrialId, place: Place) {
        let Some(first) = self.places.get(trial) else {
            return self.places.insert(trial, place);
        };
        self.clean = false;
        // A trial that was run again. A verdict is not given up for a loss.
        let verdict = |place: Place| place.mark.and_then(|mark| mark.verdict.outcome());
        if verdict(place).is_some() || verdict(first).is_none() {
            self.places.insert(trial, place);
        }
    }

    fn keep_line(&mut self, trial: TrialId, mut place: Place, text: &[u8]) {
        let first = self.places.get(trial);
        let length = first.and_then(|first| {
            let end = first.offset + u64::from(first.length);
            first.length.checked_add(place.length).filter(|_| end == place.offset)
        });
        place = match (first, length) {
            // The trial's next line.
            (Some(first), Some(length)) => Place { length, sum: sums::continued(first.sum, text), ..first },
            (first, _) => {
                self.clean &= first.is_none();
                Place { sum: sums::sum(text), ..place }
            }
        };
        self.places.insert(trial, place);
    }

    pub fn exists(&self) -> bool {
        self.there
    }

    /// Whether the file is there with nothing in it but one row (or block) per trial.
    pub fn is_clean(&self) -> bool {
        self.there && self.clean
    }

    pub fn verdict(&self, trial: TrialId) -> Option<Verdict> {
        self.places.get(trial).and_then(|place| place.mark).map(|mark| mark.verdict)
    }

    /// Under which `[record]` the trial was trained.
    pub fn recorded(&self, trial: TrialId) -> Option<Recorded> {
        let mark = self.places.get(trial).and_then(|place| place.mark)?;
        Some(self.recorded[usize::from(mark.recorded)])
    }

    /// The trial's rows as one.
    pub fn block(&self, trial: TrialId) -> Block {
        self.places.get(trial).map_or(Block::default(), |place| Block { bytes: place.length.into(), sum: place.sum })
    }

    /// The trial's row (or block of rows) as it lies in the file, with its line end.
    pub fn row(&self, trial: TrialId) -> Result<Option<Vec<u8>>, Failure> {
        let Some(place) = self.places.get(trial) else {
            return Ok(None);
        };
        let mut text = vec![0; place.length as usize];
        let read = self.reopened().and_then(|from| from.read_exact_at(&mut text, place.offset));
        read.map_err(|error| self.failure("read", &error))?;
        Ok(Some(text))
    }

    /// The file that is open, whatever has its name now; else the one of that name.
    fn reopened(&self) -> io::Result<File> {
        self.file.as_ref().map_or_else(|| self.folder.read(self.name), File::try_clone)
    }

    fn failure(&self, what: &str, error: &io::Error) -> Failure {
        Failure::io(what, &self.folder.name(self.name), error)
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.len() == 0
    }

    /// Every row of `runs.csv`: its trial, its sum and what the trial was recorded under.
    pub fn sums(&self) -> impl Iterator<Item = (TrialId, u32, Recorded)> + '_ {
        self.places.iter().map(|(trial, place)| {
            let recorded = place.mark.map_or(Recorded::Unknown, |mark| self.recorded[usize::from(mark.recorded)]);
            (trial, place.sum, recorded)
        })
    }

    /// Says what is wrong in the file, and what becomes of it. `incomplete`: trials that have other rows in it than were written.
    pub fn warn(&self, incomplete: u64) {
        let (file, damaged) = (self.folder.name(self.name), self.damaged);
        let file = file.display();
        if incomplete > 0 {
            let trials = super::counted(incomplete, "trial");
            tracing::warn!("`{file}` does not have the rows that were written of {trials}, which count as not run");
        } else if damaged > 0 {
            let rows = super::counted(damaged, "damaged row");
            tracing::warn!("`{file}` has {rows} that no trial is known to need: nothing runs again for them");
        }
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
        let attempt = |table: &mut Table| {
            let mut file = table.folder.append(table.name)?;
            file.set_len(table.end)?;
            if table.end == 0 {
                file.write_all(&table.header)?;
                table.end = table.header.len() as u64;
            }
            table.file = Some(file);
            table.there = true;
            Ok(())
        };
        attempt(self).map_err(|error| self.failure("write", &error))
    }

    /// The file, if it is open for appending.
    pub fn opened(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// Appends the rows of several trials in one write. Does nothing if the table was not opened.
    pub fn append(&mut self, text: &[u8], trials: impl Iterator<Item = New>) -> Result<(), Failure> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.write_all(text).map_err(|error| super::cannot_append(&self.folder.name(self.name), &error))?;
        let mut at = 0;
        for New { trial, length, verdict } in trials.filter(|new| new.length > 0) {
            let mark = verdict.map(|(verdict, recorded)| self.mark(verdict, recorded));
            let sum = sums::sum(&text[at..at + length as usize]);
            self.places.insert(trial, Place { offset: self.end + at as u64, length, sum, mark });
            at += length as usize;
        }
        self.end += text.len() as u64;
        Ok(())
    }

    /// Room for this many trials, made at once.
    pub fn reserve(&mut self, trials: usize) {
        self.places.reserve(trials);
    }

    /// Replaces the file by the rows of the trials of `order` that have any. `change` is given the position in `order`; `put` sees what was put, and
    /// `ready` is called when all of it is there and the file still is the old one. After an error the places are of no use any more, only the verdicts.
    pub fn replace(
        &mut self,
        order: impl Iterator<Item = TrialId>,
        change: &mut Change<'_>,
        put: &mut dyn FnMut(Put) -> io::Result<()>,
        ready: &mut dyn FnMut() -> io::Result<()>,
    ) -> Result<(), Failure> {
        let from = self.reopened().map_err(|error| self.failure("read", &error))?;
        let mut window = Window::new(from);
        // In place: a second map of a million rows would be the largest thing in this process.
        let mut kept = vec![false; self.places.len()];
        let (places, recorded) = (&mut self.places, &self.recorded);
        let mut end = self.header.len() as u64;
        self.folder.replace(self.name, |to| {
            to.write_all(&self.header)?;
            for (at, trial) in order.enumerate() {
                // A place that was taken over already is of the new file.
                let Some(number) = places.number(trial).filter(|number| !kept[*number]) else {
                    continue;
                };
                let mut place = places.at(number);
                let text = window.read(&place)?;
                if sums::sum(text) != place.sum {
                    return Err(io::Error::other(format!("the row of {trial} is not what it was a moment ago")));
                }
                let changed = change(at, text)?;
                let text = changed.as_deref().unwrap_or(text);
                to.write_all(text)?;
                if changed.is_some() {
                    place.sum = sums::sum(text);
                }
                let recorded = place.mark.map_or(Recorded::Unknown, |mark| recorded[usize::from(mark.recorded)]);
                put(Put { trial, sum: place.sum, recorded, changed: changed.is_some() })?;
                (place.offset, place.length) = (end, text.len() as u32);
                places.set(number, place);
                kept[number] = true;
                end += text.len() as u64;
            }
            ready()
        })?;
        let was_open = self.file.is_some();
        self.places.retain(&kept);
        (self.end, self.clean, self.file, self.damaged) = (end, true, None, 0);
        if was_open { self.open() } else { Ok(()) }
    }

    /// `replace` by the rows as they are.
    pub fn reorder(&mut self, order: impl Iterator<Item = TrialId>) -> Result<(), Failure> {
        self.replace(order, &mut |_, _| Ok(None), &mut |_| Ok(()), &mut || Ok(()))
    }

    pub fn forget(&mut self) {
        self.places = Places::default();
    }

    /// Calls `each` with the rows in the order of the file.
    pub fn rows(&self, each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let mut attempt = || -> io::Result<()> {
            let from = self.reopened()?;
            let mut places: Vec<Place> = self.places.iter().map(|(_, place)| place).collect();
            places.sort_unstable_by_key(|place| place.offset);
            let mut reader = BufReader::with_capacity(1 << 18, from);
            let (mut text, mut at) = (Vec::new(), 0);
            for place in places {
                reader.seek_relative(place.offset as i64 - at as i64)?;
                text.resize(place.length as usize, 0);
                Read::read_exact(&mut reader, &mut text)?;
                at = place.offset + u64::from(place.length);
                each(&text);
            }
            Ok(())
        };
        attempt().map_err(|error| self.failure("read", &error))
    }
}

/// Rows of a table, one after the other: quick where they lie near each other.
pub struct Reader<'a> {
    table: &'a Table,
    window: Window,
}

impl Table {
    pub fn reader(&self) -> Result<Reader<'_>, Failure> {
        let from = self.reopened().map_err(|error| self.failure("read", &error))?;
        Ok(Reader { table: self, window: Window::new(from) })
    }
}

impl Reader<'_> {
    /// The trial's row (or block of rows) with its line end.
    ///
    /// # Errors
    /// Also if another process has replaced the file in the meantime.
    pub fn row(&mut self, trial: TrialId) -> Result<Option<&[u8]>, Failure> {
        let table = self.table;
        let Some(place) = table.places.get(trial) else {
            return Ok(None);
        };
        let text = self.window.read(&place).map_err(|error| table.failure("read", &error))?;
        if sums::sum(text) != place.sum {
            let text = format!("`{}` changed while it was read", table.folder.name(table.name).display());
            return Err(Failure::new(text).hint("a sweep is running there; try again"));
        }
        Ok(Some(text))
    }
}
