//! The rows of a `runs.csv` by the place of their trial in the grid: the verdicts, and the
//! requested columns as numbers. No text is kept, so a million rows take some tens of megabytes.

use super::roster::Roster;
use super::sheet::Header;
use super::sides::SideFiles;
use crate::failure::Failure;
use crate::record::{Verdict, is_numeric};
use crate::store::sums::{self, Found, Known};
use crate::trial::TrialId;
use crate::verdict::Outcome;
use std::io::BufRead;
use std::path::Path;

/// The rows of a `runs.csv`.
pub struct Run {
    verdicts: Vec<Option<Verdict>>,
    columns: Vec<(&'static str, Vec<Option<f64>>)>,
    /// The rows beyond the first row of their trial, which is the one that counts.
    pub duplicates: Occurrences,
    /// The rows whose trial is not in the grid.
    pub foreign: Occurrences,
}

/// The number of certain rows, and the first of them with its line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Occurrences {
    pub count: u64,
    pub first: Option<(TrialId, u64)>,
}

impl Occurrences {
    fn add(&mut self, trial: TrialId, line: u64) {
        self.count += 1;
        self.first = self.first.or(Some((trial, line)));
    }
}

impl Run {
    /// Reads a whole file. `path` is its name in messages, and `known` has the checksums of its
    /// rows, if there are any. If `beside` is given, the rows of the other files are compared with
    /// the checksums, too.
    ///
    /// # Errors
    /// The first row that is damaged, that is not as it was written, or that has a cell without a
    /// number where one belongs; the error names its line. Or a column that is missing.
    pub fn read(
        path: &Path,
        mut reader: impl BufRead,
        roster: &Roster,
        columns: &[&'static str],
        mut known: Option<Known>,
        beside: Option<&SideFiles>,
    ) -> Result<Run, Failure> {
        let header = Header::read(path, &mut reader)?;
        let (outcome, lost) = (header.column("outcome")?, header.column("lost")?);
        let numeric = header.columns(is_numeric);
        let mut run = Run {
            verdicts: vec![None; roster.ids.len()],
            columns: Vec::new(),
            duplicates: Occurrences::default(),
            foreign: Occurrences::default(),
        };
        let mut kept = Vec::new();
        for name in columns {
            if !run.columns.iter().any(|(known, _)| known == name) {
                kept.push(header.column(name)?);
                run.columns.push((name, vec![None; roster.ids.len()]));
            }
        }
        header.rows(path, reader, &mut |row| {
            let place = roster.place(row.trial);
            if let Some(known) = &mut known {
                let found = known.find(
                    row.trial,
                    sums::sum(row.text),
                    beside.zip(place).map(|(beside, place)| beside.of(place)),
                );
                match found.map_err(|error| Failure::io("read", &sums::path(path), &error))? {
                    Found::Written(_) => {}
                    Found::Nothing => return Err(header.wrong_sum(&row)),
                    Found::Other(side, written) => {
                        let (beside, place) = beside.zip(place).expect("they were held against the line");
                        return Err(beside.wrong(side, &row, written, place));
                    }
                }
            }
            let Some(verdict) = Verdict::parse(row.cell(outcome), row.cell(lost)) else {
                return Err(header.wrong_cell(&row, outcome, "not an outcome"));
            };
            for column in &numeric {
                header.number(&row, *column)?;
            }
            let Some(place) = place else {
                run.foreign.add(row.trial, row.line);
                return Ok(());
            };
            let place = place as usize;
            if run.verdicts[place].is_some() {
                run.duplicates.add(row.trial, row.line);
                return Ok(());
            }
            run.verdicts[place] = Some(verdict);
            for ((_, values), column) in run.columns.iter_mut().zip(&kept) {
                values[place] = header.number(&row, *column)?;
            }
            Ok(())
        })?;
        Ok(run)
    }

    /// The verdict of a trial; `None` if it has no row.
    pub fn verdict(&self, place: u32) -> Option<Verdict> {
        self.verdicts[place as usize]
    }

    /// The outcome of a trial; `None` if it has none.
    pub fn outcome(&self, place: u32) -> Option<Outcome> {
        self.verdict(place).and_then(Verdict::outcome)
    }

    /// A column by the places of the trials. A value is `None` where the cell is empty.
    ///
    /// # Panics
    /// If the column was not asked for when the file was read.
    pub fn column(&self, name: &str) -> &[Option<f64>] {
        &self.columns.iter().find(|(known, _)| *known == name).expect("a column that was read").1
    }

    /// The places of the trials of which `holds` is true.
    pub fn such(&self, holds: impl Fn(Option<Verdict>) -> bool) -> impl Iterator<Item = u32> {
        (0..self.verdicts.len() as u32).filter(move |place| holds(self.verdict(*place)))
    }
}
