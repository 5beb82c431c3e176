//! Turns the rows of `runs.csv` into `summary.csv`, which has one row per configuration, and into
//! the table at the end of a sweep: text in, text out.

mod counted;
mod interval;
pub mod sensitivity;
mod table;

pub use interval::{BySeed, Clusters, Interval, draws, of_share, student_quantiles, wilson};

use crate::axis::AxisSet;
use crate::record::column::{About, abouts, names};
use crate::record::{self, Counts, LABEL, OUTCOME, Verdict};
use crate::spec::Spec;
use crate::spec::metric::Rate;
use counted::COUNTED;
use std::collections::HashMap;
use std::io::{self, Write};

/// A summary that is being made. It is fed with rows in grid order.
pub struct Summary {
    columns: Columns,
    /// Whether the rows of a configuration follow each other, so that one is complete when the next
    /// begins.
    together: bool,
    /// The counts, by the text of all cells that make a configuration.
    configurations: Groups<Tally>,
    by_axis: table::ByAxis,
    pub all: Counts,
    /// The positions at which the cells of the current row end. They are kept to save allocations,
    /// and so is `key`, the text of its configuration.
    ends: Vec<usize>,
    key: Vec<u8>,
}

struct Columns {
    /// The number of columns without those of declared axes.
    usual: usize,
    seed: usize,
    data_seed: usize,
    epoch_diverged: usize,
    epoch_nonfinite: usize,
}

/// What is counted of a configuration.
#[derive(Default)]
struct Tally {
    /// The position in the text of the configuration at which the cells of declared axes begin.
    /// They are written last.
    declared: usize,
    counts: Counts,
    epochs_diverged: Vec<u64>,
    epochs_nonfinite: Vec<u64>,
}

/// A map from texts to values that remembers the order in which the texts came.
struct Groups<V> {
    at: HashMap<Vec<u8>, usize>,
    values: Vec<V>,
    /// The text that came last, and its place in `values`. From row to row of the grid seldom more
    /// than a cell or two change.
    last: Option<(Vec<u8>, usize)>,
}

impl<V: Default> Groups<V> {
    fn new() -> Groups<V> {
        Groups { at: HashMap::new(), values: Vec::new(), last: None }
    }

    fn of(&mut self, key: &[u8]) -> &mut V {
        let last = self.last.as_ref().filter(|(last, _)| last == key).map(|(_, at)| *at);
        let at = last.or_else(|| self.at.get(key).copied()).unwrap_or_else(|| {
            self.values.push(V::default());
            self.at.insert(key.to_vec(), self.values.len() - 1);
            self.values.len() - 1
        });
        if last.is_none() {
            self.last = Some((key.to_vec(), at));
        }
        &mut self.values[at]
    }

    fn in_order(&self) -> Vec<(&[u8], &V)> {
        let mut keys: Vec<(&[u8], usize)> = self.at.iter().map(|(key, at)| (&key[..], *at)).collect();
        keys.sort_unstable_by_key(|(_, at)| *at);
        keys.into_iter().map(|(key, at)| (key, &self.values[at])).collect()
    }
}

/// The first line of `summary.csv`.
pub fn header(axes: &AxisSet) -> Vec<u8> {
    let columns = record::runs();
    let configuration = columns[LABEL..OUTCOME].iter().copied().filter(|name| *name != "seed");
    let declared = axes.declared.iter().map(|id| id.name());
    record::line(configuration.chain(names(&COUNTED)).chain(declared))
}

/// What is known of the columns behind those of the configuration.
pub fn counted() -> impl Iterator<Item = &'static About> {
    abouts(&COUNTED)
}

impl Summary {
    /// Begins a summary. `together` says whether the rows of each configuration follow each other.
    pub fn new(spec: &Spec, together: bool) -> Summary {
        let columns = Columns {
            usual: record::runs().len(),
            seed: record::column("seed"),
            data_seed: record::column("data_seed"),
            epoch_diverged: record::column("epoch_diverged"),
            epoch_nonfinite: record::column("epoch_nonfinite"),
        };
        let (configurations, by_axis, all) = (Groups::new(), table::ByAxis::new(spec), Counts::default());
        Summary { columns, together, configurations, by_axis, all, ends: Vec::new(), key: Vec::new() }
    }

    /// Counts a whole row of `runs.csv` for the table and for `summary.csv`, and writes the lines
    /// of the latter that are complete to `to`.
    pub fn add(&mut self, row: &[u8], to: &mut impl Write) -> io::Result<()> {
        let Some(verdict) = self.add_to_table(row) else {
            return Ok(());
        };
        let ends = &self.ends;
        let cell = |column: usize| &row[ends[column - 1] + 1..ends[column]];
        let Columns { usual, seed, data_seed, epoch_diverged, epoch_nonfinite } = self.columns;
        self.key.clear();
        for column in (LABEL..OUTCOME).filter(|column| *column != seed) {
            // A seed of the data that is set makes a configuration. By default it is the seed,
            // which makes none.
            if column != data_seed || cell(data_seed) != cell(seed) {
                self.key.extend_from_slice(cell(column));
            }
            self.key.push(b',');
        }
        let declared = self.key.len();
        if ends.len() > usual {
            self.key.extend_from_slice(&row[ends[usual - 1]..ends[ends.len() - 1]]);
        }
        if self.together && !self.configurations.at.contains_key(&self.key) {
            to.write_all(&self.rest())?;
            self.configurations = Groups::new();
        }
        let tally = self.configurations.of(&self.key);
        tally.declared = declared;
        tally.counts.add(verdict);
        let number = |column: usize| std::str::from_utf8(cell(column)).ok().and_then(|text| text.parse::<u64>().ok());
        tally.epochs_diverged.extend(number(epoch_diverged));
        tally.epochs_nonfinite.extend(number(epoch_nonfinite));
        Ok(())
    }

    /// Counts a whole row of `runs.csv` for the table only, which is quicker.
    pub fn add_to_table(&mut self, row: &[u8]) -> Option<Verdict> {
        record::cells(row, &mut self.ends);
        let cell = |column: usize| Some(&row[*self.ends.get(column - 1)? + 1..*self.ends.get(column)?]);
        let verdict = Verdict::parse(cell(OUTCOME)?, cell(OUTCOME + 1)?)?;
        let seed = std::str::from_utf8(cell(self.columns.seed)?).ok()?.parse().ok()?;
        self.by_axis.add(row, &self.ends, seed, verdict);
        self.all.add(verdict);
        Some(verdict)
    }

    /// The lines of the configurations that were not complete before the last row.
    pub fn rest(&self) -> Vec<u8> {
        let mut csv = Vec::new();
        for (key, tally) in self.configurations.in_order() {
            let (usual, declared) = key.split_at(tally.declared);
            csv.extend_from_slice(usual);
            csv.extend(record::cells_of(&COUNTED, tally));
            if !declared.is_empty() {
                csv.pop();
                csv.extend_from_slice(declared);
                csv.push(b'\n');
            }
        }
        csv
    }

    /// The share of failed trials among those with a verdict. `None` if there are none.
    pub fn failed(&self) -> Option<Interval> {
        self.by_axis.failed()
    }

    /// The table of the axes that vary, at most 80 characters wide.
    pub fn table(&self) -> String {
        self.by_axis.text()
    }
}

/// A rate of the trials of a configuration that have a verdict. Each of them has a seed of its own.
fn rate(counts: &Counts, rate: Rate) -> Option<Interval> {
    let (hits, verdicts) = (counts.hits(rate), counts.verdicts());
    (verdicts > 0).then(|| {
        let (low, high) = wilson(hits, verdicts);
        Interval { rate: hits as f64 / verdicts as f64, low, high }
    })
}

/// The median of the epochs of the trials that have one; `None` if there are none.
fn median(epochs: &[u64]) -> Option<f64> {
    let mut numbers: Vec<f64> = epochs.iter().map(|epoch| *epoch as f64).collect();
    crate::median::median(&mut numbers)
}
