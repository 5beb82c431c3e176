//! Reads a file as it was left: where the rows of each trial lie in it, and which parts of it are
//! no rows.

use super::Table;
use crate::failure::Failure;
use crate::record::{self, OUTCOME, Piece, Verdict};
use crate::store::folder::{Folder, Snapshot};
use crate::store::places::{Places, RowPlace};
use crate::store::sums::{self, Recorded};
use crate::trial::TrialId;
use std::io::{self, BufRead, Read};

/// Called with the trial and the checksum of a row of `runs.csv`. It returns the record under which
/// the row was made, or `None` if the row is not as it was written.
pub type Vouch<'a> = dyn FnMut(TrialId, u32) -> io::Result<Option<Recorded>> + 'a;

impl Table {
    /// Reads the file `from`, if it is there. For `runs.csv`, `vouch` is given: it has one row per
    /// trial, with a verdict. In the other files a trial has a block of rows.
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
            columns: columns.len(),
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
        reader
            .by_ref()
            .take(record::LONGEST as u64)
            .read_until(b'\n', &mut first)
            .map_err(|error| Failure::io("read", &path, &error))?;
        let declared = vouch.is_some().then(|| record::declared(&first)).flatten();
        if !first.ends_with(b"\n") && (table.header.starts_with(&first) || declared.is_some()) {
            // The file is torn in its header, so no row was written yet.
            table.clean = false;
            return Ok(table);
        }
        if let Some(declared) = declared {
            table.columns += declared.len();
            table.header.clone_from(&first);
        }
        if first != table.header {
            return Err(Failure::new(format!("`{}` has other columns than this version writes", path.display())).hint(
                "it was written by another version, or changed by another program; name another folder with `--out`",
            ));
        }
        table.end = first.len() as u64;
        let start = table.end;
        record::scan::<io::Error>(reader, start, table.columns, &mut |offset, piece| {
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
        let mut place = RowPlace { offset, length: text.len() as u32, sum: 0, mark: None };
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

    fn keep_row(&mut self, trial: TrialId, place: RowPlace) {
        let Some(first) = self.places.get(trial) else {
            return self.places.insert(trial, place);
        };
        self.clean = false;
        // The trial was run again. A row with an outcome is not given up for one that says that the
        // trial was lost.
        let verdict = |place: RowPlace| place.mark.and_then(|mark| mark.verdict.outcome());
        if verdict(place).is_some() || verdict(first).is_none() {
            self.places.insert(trial, place);
        }
    }

    fn keep_line(&mut self, trial: TrialId, mut place: RowPlace, text: &[u8]) {
        let first = self.places.get(trial);
        let length = first.and_then(|first| {
            let end = first.offset + u64::from(first.length);
            first.length.checked_add(place.length).filter(|_| end == place.offset)
        });
        place = match (first, length) {
            // This is the trial's next line.
            (Some(first), Some(length)) => RowPlace { length, sum: sums::continued(first.sum, text), ..first },
            (first, _) => {
                self.clean &= first.is_none();
                RowPlace { sum: sums::sum(text), ..place }
            }
        };
        self.places.insert(trial, place);
    }
}
