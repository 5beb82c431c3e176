//! `runs.csv` in memory, by columns. Every axis is a factor, of which each row has one level; then
//! there are the verdicts, the epochs of divergence, and the measures that were asked for. A factor
//! with a single level keeps nothing per row, so a million rows of a grid take some tens of
//! megabytes.

use blowup_core::record::{self, OUTCOME, Verdict};
use blowup_core::spec::unmet::Unmet;
use blowup_core::trial::TrialId;

/// The rows of a `runs.csv` that pass a filter, one of each trial. Rows are counted from 0, in the
/// order of the file.
pub struct TrialTable {
    pub trials: Vec<TrialId>,
    pub verdicts: Vec<Verdict>,
    /// The factors in the order of the columns: `label`, `task`, `inputs`, `samples`, `epochs` and
    /// every axis.
    pub factors: Vec<Factor>,
    pub(super) epochs_diverged: Vec<Option<u32>>,
    pub(super) epochs_nonfinite: Vec<Option<u32>>,
    pub(super) measures: Vec<(&'static str, Vec<Option<f64>>)>,
    /// How many rows the file has, whether they pass the filter or not.
    pub read: u64,
    /// The values in the filter that no row of the file has.
    pub unmet: Vec<Unmet>,
}

/// A column with few different values.
pub struct Factor {
    pub name: &'static str,
    /// The different values. Numbers ascend, and others are in the order in which they first
    /// appear. The empty cell comes last.
    pub levels: Vec<Level>,
    /// The index of the level of each row. It is empty if there is only one level.
    pub(super) codes: Vec<u32>,
}

/// A value of a factor.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The cell as it is written. It is empty where the axis does not apply.
    pub text: String,
    /// The value, if it is a number.
    pub number: Option<f64>,
}

/// The event that ends the survival of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SurvivalEvent {
    /// The loss of a step is not finite, or is above `loss_ratio` times the reference.
    Diverged,
    /// A loss or a gradient is not finite.
    Nonfinite,
}

impl Level {
    /// A level that is no number.
    pub(super) fn name(text: &str) -> Level {
        Level { text: text.to_owned(), number: None }
    }
}

impl Factor {
    /// The index of the level of a row.
    pub fn code(&self, row: u32) -> u32 {
        self.codes.get(row as usize).copied().unwrap_or(0)
    }

    /// The level of a row.
    pub fn level(&self, row: u32) -> &Level {
        &self.levels[self.code(row) as usize]
    }

    /// Whether all levels are numbers, apart from the empty one.
    pub fn is_numeric(&self) -> bool {
        let mut some = self.levels.iter().filter(|level| !level.text.is_empty()).peekable();
        some.peek().is_some() && some.all(|level| level.number.is_some())
    }

    /// A factor with a level for each pair of levels of this factor and the other that occurs, in
    /// their order. `text` makes the text of a pair. There are `rows` rows.
    pub(super) fn paired(&self, other: &Factor, rows: u32, text: impl Fn(&Level, &Level) -> String) -> Factor {
        let pairs: Vec<(u32, u32)> = (0..rows).map(|row| (self.code(row), other.code(row))).collect();
        let mut sorted = pairs.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let codes = pairs.iter().map(|pair| sorted.binary_search(pair).expect("it was sorted in") as u32).collect();
        let level = |(a, b): &(u32, u32)| Level {
            text: text(&self.levels[*a as usize], &other.levels[*b as usize]),
            number: None,
        };
        Factor { name: self.name, levels: sorted.iter().map(level).collect(), codes }
    }
}

impl TrialTable {
    /// How many rows the table has.
    pub fn len(&self) -> u32 {
        self.trials.len() as u32
    }

    pub fn is_empty(&self) -> bool {
        self.trials.is_empty()
    }

    /// The numbers of all rows.
    pub fn rows(&self) -> Vec<u32> {
        (0..self.len()).collect()
    }

    /// The factor of this name. None if no factor has it.
    pub fn factor(&self, name: &str) -> Option<&Factor> {
        self.factors.iter().find(|factor| factor.name == name)
    }

    /// The epoch of the event in each row, counted from 1. None where it did not happen.
    pub fn epochs_of(&self, event: SurvivalEvent) -> &[Option<u32>] {
        match event {
            SurvivalEvent::Diverged => &self.epochs_diverged,
            SurvivalEvent::Nonfinite => &self.epochs_nonfinite,
        }
    }

    /// The values of a column, by row. None where the cell is empty.
    ///
    /// # Panics
    /// If the column was not asked for when the file was read.
    pub fn measure(&self, name: &str) -> &[Option<f64>] {
        &self.measures.iter().find(|(known, _)| *known == name).expect("a measure that was read").1
    }
}

/// The names of the measured columns of `runs.csv` that hold numbers.
pub fn measures() -> Vec<&'static str> {
    record::runs()[OUTCOME..].iter().copied().filter(|name| record::is_numeric(name)).collect()
}
