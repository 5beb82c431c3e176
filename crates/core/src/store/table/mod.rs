//! One result file: where the rows of each trial are, appending to it, and replacing it by itself in another order. Of a row only its
//! place is kept in memory, so a million rows cost 32 MB.

mod load;
mod replace;
mod rows;

pub use load::Vouch;
pub use replace::{Put, RowChange};
pub use rows::Reader;

use super::folder::Folder;
use super::places::{Mark, Places, RowPlace};
use super::sums::{self, BlockSum, Recorded};
use crate::failure::Failure;
use crate::record::Verdict;
use crate::trial::TrialId;
use std::fs::File;
use std::io::{self, Write};

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

/// Rows to be appended: of one trial.
#[derive(Clone, Copy)]
pub struct New {
    pub trial: TrialId,
    pub length: u32,
    /// Of a row of `runs.csv`.
    pub verdict: Option<(Verdict, Recorded)>,
}

impl Table {
    fn mark(&mut self, verdict: Verdict, recorded: Recorded) -> Mark {
        let at = self.recorded.iter().position(|known| *known == recorded).unwrap_or_else(|| {
            self.recorded.push(recorded);
            self.recorded.len() - 1
        });
        // More than anybody asks for in one folder; the first is as good as any.
        Mark { verdict, recorded: u8::try_from(at).unwrap_or(0) }
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
    pub fn block(&self, trial: TrialId) -> BlockSum {
        self.places
            .get(trial)
            .map_or(BlockSum::default(), |place| BlockSum { bytes: place.length.into(), sum: place.sum })
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
            self.places.insert(trial, RowPlace { offset: self.end + at as u64, length, sum, mark });
            at += length as usize;
        }
        self.end += text.len() as u64;
        Ok(())
    }

    /// Room for this many trials, made at once.
    pub fn reserve(&mut self, trials: usize) {
        self.places.reserve(trials);
    }

    pub fn forget(&mut self) {
        self.places = Places::default();
    }
}
