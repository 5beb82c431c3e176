//! Reads `runs.csv` into a `TrialTable`, and refuses a file with a damaged row or a cell of the
//! wrong kind.

use super::table::{Factor, Level, TrialTable, measures};
use blowup_core::axis::{Axis, AxisSet};
use blowup_core::check::sheet::{Header, SheetRow};
use blowup_core::failure::Failure;
use blowup_core::record::{self, LABEL, OUTCOME, Verdict};
use blowup_core::spec::filter::{Filter, Filterable};
use blowup_core::spec::unmet::Coverage;
use blowup_core::spec::value;
use blowup_core::trial::{TrialId, Value};
use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

impl TrialTable {
    /// Reads a whole `runs.csv`, of which only the rows that pass the filter are kept. `path` names
    /// it in messages. `measures` are the numeric columns to keep.
    ///
    /// # Errors
    /// If a row is damaged or has a cell of the wrong kind, or if a column is missing. The message
    /// names the line of the row.
    pub fn read(
        path: &Path,
        mut reader: impl BufRead,
        measures: &[&'static str],
        filter: &Filter,
        axes: &AxisSet,
    ) -> Result<TrialTable, Failure> {
        let header = Header::read(path, &mut reader)?;
        let mut reading = TableReader::new(&header, measures, axes)?;
        let mut coverage = Coverage::new(filter);
        header.rows(path, reader, &mut |row| reading.add(&row, filter, &mut coverage))?;
        Ok(TrialTable { unmet: coverage.unmet(), ..reading.finish() })
    }
}

/// A factor whose levels are found row by row.
struct FactorBuilder {
    column: usize,
    axis: Option<&'static Axis>,
    factor: Factor,
    values: Vec<Option<Value>>,
    /// The code of each cell that was seen.
    at: HashMap<Box<[u8]>, u32>,
    /// The code and the cell of the row before. Neighbouring rows of a grid often have the same
    /// cell.
    last: (u32, Vec<u8>),
}

impl FactorBuilder {
    /// The code of the cell of a row. A cell that was not seen before becomes a level.
    fn intern(&mut self, header: &Header, row: &SheetRow<'_>) -> Result<u32, Failure> {
        let cell = row.cell(self.column);
        if cell == self.last.1 && !self.values.is_empty() {
            return Ok(self.last.0);
        }
        let code = match self.at.get(cell) {
            Some(code) => *code,
            None => {
                let wrong = || header.wrong_cell(row, self.column, &format!("not a value of `{}`", self.factor.name));
                let text = std::str::from_utf8(cell).map_err(|_| wrong())?.to_owned();
                let value = match (self.axis, self.factor.name) {
                    _ if text.is_empty() => None,
                    (Some(axis), _) => Some(value::recorded(axis, &text).ok_or_else(wrong)?),
                    (None, "label" | "task") => None,
                    (None, _) => Some(Value::Integer(text.parse().map_err(|_| wrong())?)),
                };
                let number = match value {
                    Some(Value::Integer(n)) => Some(n as f64),
                    Some(Value::Float(x)) => Some(x),
                    Some(Value::Text(_) | Value::Boolean(_)) | None => None,
                };
                let code = self.values.len() as u32;
                self.at.insert(cell.into(), code);
                self.values.push(value);
                self.factor.levels.push(Level { text, number });
                code
            }
        };
        self.last = (code, cell.to_vec());
        Ok(code)
    }

    /// Notes the code of the next row. `rows` is how many rows there are before it.
    fn push(&mut self, code: u32, rows: usize) {
        let codes = &mut self.factor.codes;
        if codes.is_empty() && code != 0 {
            codes.resize(rows, 0);
        }
        if code != 0 || !codes.is_empty() {
            codes.push(code);
        }
    }

    /// Puts the levels into their order. Levels that no kept row has are dropped.
    fn finish(mut self, rows: usize) -> Factor {
        let levels = std::mem::take(&mut self.factor.levels);
        let mut used = vec![false; levels.len()];
        if self.factor.codes.is_empty() && rows > 0 {
            used[0] = true;
        }
        self.factor.codes.iter().for_each(|code| used[*code as usize] = true);
        let mut order: Vec<usize> = (0..levels.len()).filter(|i| used[*i]).collect();
        order.sort_by(|a, b| {
            let (a, b) = (&levels[*a], &levels[*b]);
            let numbers = a.number.zip(b.number).map(|(a, b)| a.total_cmp(&b));
            a.text.is_empty().cmp(&b.text.is_empty()).then(numbers.unwrap_or(std::cmp::Ordering::Equal))
        });
        let mut new = vec![0; levels.len()];
        order.iter().enumerate().for_each(|(to, from)| new[*from] = to as u32);
        let mut codes = self.factor.codes;
        if order.len() > 1 {
            codes.iter_mut().for_each(|code| *code = new[*code as usize]);
        } else {
            codes = Vec::new();
        }
        let levels = order.iter().map(|i| levels[*i].clone()).collect();
        Factor { name: self.factor.name, levels, codes }
    }
}

/// A file that is being read: where its columns stand, and what was read so far.
struct TableReader<'a> {
    header: &'a Header,
    outcome: usize,
    lost: usize,
    epochs: [usize; 2],
    numeric: Vec<usize>,
    kept: Vec<usize>,
    growing: Vec<FactorBuilder>,
    /// The row in the table of each trial that was kept.
    at: HashMap<TrialId, u32>,
    table: TrialTable,
}

impl<'a> TableReader<'a> {
    fn new(header: &'a Header, measures: &[&'static str], axes: &AxisSet) -> Result<TableReader<'a>, Failure> {
        let columns = record::runs();
        let declared = axes.declared.iter().map(|id| id.name());
        let growing = columns[LABEL..OUTCOME].iter().copied().chain(declared).map(|name| {
            let factor = Factor { name, levels: Vec::new(), codes: Vec::new() };
            let (column, axis) = (header.column(name)?, axes.find(name));
            Ok(FactorBuilder { column, axis, factor, values: Vec::new(), at: HashMap::new(), last: (0, Vec::new()) })
        });
        let known = self::measures();
        Ok(TableReader {
            header,
            outcome: header.column("outcome")?,
            lost: header.column("lost")?,
            epochs: [header.column("epoch_diverged")?, header.column("epoch_nonfinite")?],
            numeric: header.columns(|name| known.contains(&name)),
            kept: measures.iter().map(|name| header.column(name)).collect::<Result<_, _>>()?,
            growing: growing.collect::<Result<_, Failure>>()?,
            at: HashMap::new(),
            table: TrialTable {
                trials: Vec::new(),
                verdicts: Vec::new(),
                factors: Vec::new(),
                epochs_diverged: Vec::new(),
                epochs_nonfinite: Vec::new(),
                measures: measures.iter().map(|name| (*name, Vec::new())).collect(),
                read: 0,
                unmet: Vec::new(),
            },
        })
    }

    /// Adds a row of the file, if it passes the filter.
    fn add(&mut self, row: &SheetRow<'_>, filter: &Filter, coverage: &mut Coverage<'_>) -> Result<(), Failure> {
        let header = self.header;
        let Some(verdict) = Verdict::parse(row.cell(self.outcome), row.cell(self.lost)) else {
            return Err(header.wrong_cell(row, self.outcome, "not an outcome"));
        };
        for column in &self.numeric {
            header.number(row, *column)?;
        }
        let epoch = |column: usize| match row.cell(column) {
            b"" => Ok(None),
            cell => {
                let number = std::str::from_utf8(cell).ok().and_then(|text| text.parse().ok());
                number.map(Some).ok_or_else(|| header.wrong_cell(row, column, "not an epoch"))
            }
        };
        let [diverged, nonfinite] = [epoch(self.epochs[0])?, epoch(self.epochs[1])?];
        let mut codes = vec![0; self.growing.len()];
        for (growing, code) in self.growing.iter_mut().zip(&mut codes) {
            *code = growing.intern(header, row)?;
        }
        self.table.read += 1;
        let seen = RowConfiguration { growing: &self.growing, codes: &codes };
        coverage.see(&seen);
        if !filter.matches(&seen) {
            return Ok(());
        }
        let table = &mut self.table;
        let rows = table.trials.len();
        let at = *self.at.entry(row.trial).or_insert(rows as u32) as usize;
        if at == rows {
            table.trials.push(row.trial);
            table.verdicts.push(verdict);
            table.epochs_diverged.push(None);
            table.epochs_nonfinite.push(None);
            table.measures.iter_mut().for_each(|(_, values)| values.push(None));
            self.growing.iter_mut().zip(&codes).for_each(|(growing, code)| growing.push(*code, rows));
        } else if table.verdicts[at].outcome().is_some() {
            // The first row of a trial with an outcome counts.
            return Ok(());
        }
        table.verdicts[at] = verdict;
        table.epochs_diverged[at] = diverged;
        table.epochs_nonfinite[at] = nonfinite;
        for ((_, values), column) in table.measures.iter_mut().zip(&self.kept) {
            values[at] = header.number(row, *column)?;
        }
        Ok(())
    }

    fn finish(self) -> TrialTable {
        let mut table = self.table;
        let rows = table.trials.len();
        table.factors = self.growing.into_iter().map(|growing| growing.finish(rows)).collect();
        table
    }
}

/// The configuration of a row, in the form that a filter needs.
struct RowConfiguration<'a> {
    growing: &'a [FactorBuilder],
    codes: &'a [u32],
}

impl RowConfiguration<'_> {
    fn level(&self, name: &str) -> (&FactorBuilder, usize) {
        let at = self.growing.iter().position(|growing| growing.factor.name == name).expect("a factor");
        (&self.growing[at], self.codes[at] as usize)
    }

    fn text(&self, name: &str) -> &str {
        let (growing, code) = self.level(name);
        &growing.factor.levels[code].text
    }
}

impl Filterable for RowConfiguration<'_> {
    fn value(&self, axis: &'static Axis) -> Option<Value> {
        let (growing, code) = self.level(axis.name);
        growing.values[code]
    }

    fn label(&self) -> &str {
        self.text("label")
    }

    fn task(&self) -> &str {
        self.text("task")
    }

    fn samples(&self) -> u64 {
        let (growing, code) = self.level("samples");
        match growing.values[code] {
            Some(Value::Integer(n)) => n,
            Some(Value::Text(_) | Value::Float(_) | Value::Boolean(_)) | None => 0,
        }
    }
}
