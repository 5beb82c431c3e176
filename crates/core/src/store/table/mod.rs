//! One result file: where the rows of each trial lie, appending to it (here), reading it as it was
//! left (`load`), reading rows again (`rows`), and replacing it by its own rows in another order
//! (`replace`). Only the place of a row is kept in memory, so a million rows take 32 MB.

mod load;
mod replace;
mod rows;

pub use load::Vouch;
pub use replace::{Put, RowChange};
pub use rows::Reader;

use super::folder::Folder;
use super::places::{Mark, Places, RowPlace};
use super::sums::{self, BlockSum, Recorded};
use crate::axis::AxisSet;
use crate::failure::{Failure, counted};
use crate::record::{self, Verdict};
use crate::trial::TrialId;
use std::fs::File;
use std::io::{self, Write};

/// A result file.
pub struct Table {
    folder: Folder,
    name: &'static str,
    header: Vec<u8>,
    /// The number of fields of a row.
    columns: usize,
    places: Places,
    /// The records that marks refer to, at most 256.
    recorded: Vec<Recorded>,
    /// The file, if it is open for appending (and for reading when it is replaced).
    file: Option<File>,
    /// The offset of the next row. What lies beyond it is torn.
    end: u64,
    there: bool,
    /// Whether the file holds nothing but one row (or block of rows) per trial. Otherwise it must
    /// be rewritten.
    clean: bool,
    /// The number of damaged rows.
    pub damaged: u64,
}

/// The rows of one trial that are to be appended.
#[derive(Clone, Copy)]
pub struct New {
    pub trial: TrialId,
    pub length: u32,
    /// Only a row of `runs.csv` has a verdict.
    pub verdict: Option<(Verdict, Recorded)>,
}

impl Table {
    fn mark(&mut self, verdict: Verdict, recorded: Recorded) -> Mark {
        let at = self.recorded.iter().position(|known| *known == recorded).unwrap_or_else(|| {
            self.recorded.push(recorded);
            self.recorded.len() - 1
        });
        // Nobody asks for more records in one folder. Beyond them, the first is as good as any.
        Mark { verdict, recorded: u8::try_from(at).unwrap_or(0) }
    }

    /// Whether the file is there.
    pub fn exists(&self) -> bool {
        self.there
    }

    /// Whether the file is there and holds nothing but one row (or block of rows) per trial.
    pub fn is_clean(&self) -> bool {
        self.there && self.clean
    }

    /// What the trial's row of `runs.csv` says.
    pub fn verdict(&self, trial: TrialId) -> Option<Verdict> {
        self.places.get(trial).and_then(|place| place.mark).map(|mark| mark.verdict)
    }

    /// The record under which the trial was trained.
    pub fn recorded(&self, trial: TrialId) -> Option<Recorded> {
        let mark = self.places.get(trial).and_then(|place| place.mark)?;
        Some(self.recorded[usize::from(mark.recorded)])
    }

    /// The length and the checksum of the trial's rows.
    pub fn block(&self, trial: TrialId) -> BlockSum {
        self.places
            .get(trial)
            .map_or(BlockSum::default(), |place| BlockSum { bytes: place.length.into(), sum: place.sum })
    }

    /// The open file, whatever has its name now, or else the file of that name.
    fn reopened(&self) -> io::Result<File> {
        self.file.as_ref().map_or_else(|| self.folder.read(self.name), File::try_clone)
    }

    fn failure(&self, what: &str, error: &io::Error) -> Failure {
        Failure::io(what, &self.folder.name(self.name), error)
    }

    /// The number of trials that have rows.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.len() == 0
    }

    /// Every row of `runs.csv`: its trial, its checksum, and the record under which the trial was
    /// trained.
    pub fn sums(&self) -> impl Iterator<Item = (TrialId, u32, Recorded)> + '_ {
        self.places.iter().map(|(trial, place)| {
            let recorded = place.mark.map_or(Recorded::Unknown, |mark| self.recorded[usize::from(mark.recorded)]);
            (trial, place.sum, recorded)
        })
    }

    /// Warns of what is wrong in the file, and says what becomes of it. `incomplete` is the number
    /// of trials whose rows are not those that were written.
    pub fn warn(&self, incomplete: u64) {
        let (file, damaged) = (self.folder.name(self.name), self.damaged);
        let file = file.display();
        if incomplete > 0 {
            let trials = counted(incomplete, "trial");
            tracing::warn!("`{file}` does not have the rows that were written of {trials}, which count as not run");
        } else if damaged > 0 {
            let rows = counted(damaged, "damaged row");
            tracing::warn!("`{file}` has {rows} that no trial is known to need: nothing runs again for them");
        }
    }

    /// The trials that have rows, in the order in which they came.
    pub fn places(&self) -> impl Iterator<Item = TrialId> + '_ {
        self.places.iter().map(|(trial, _)| trial)
    }

    /// Sorts trials by the places of their rows in the file.
    pub fn sort_by_place(&self, trials: &mut [TrialId]) {
        trials.sort_by_key(|trial| self.places.get(*trial).map(|place| place.offset));
    }

    /// Takes the columns of the axes that a spec declares, which stand behind those that every
    /// sweep has.
    ///
    /// # Errors
    /// If there are rows with other columns.
    pub fn declare(&mut self, axes: &AxisSet) -> Result<(), Failure> {
        let columns = record::runs_of(axes);
        let header = record::line(&columns);
        if header == self.header {
            return Ok(());
        }
        if !self.is_empty() {
            let message =
                format!("`{}` has columns of other axes than the spec declares", self.folder.name(self.name).display());
            return Err(Failure::new(message).hint("name another folder with `--out`"));
        }
        (self.header, self.columns, self.end) = (header, columns.len(), 0);
        Ok(())
    }

    /// Opens the file for appending. It is made, or what is torn at its end is cut.
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

    /// Appends the rows of several trials in one write. It does nothing if the table was not
    /// opened.
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

    /// Makes room for this many trials at once.
    pub fn reserve(&mut self, trials: usize) {
        self.places.reserve(trials);
    }

    /// Forgets where the rows lie.
    pub fn forget(&mut self) {
        self.places = Places::default();
    }
}
