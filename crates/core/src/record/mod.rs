//! The rows of the result files: which columns there are, how a cell is written, and how a row is
//! found again. This is the only room that knows the layout of `runs.csv` and of the files beside
//! it. It touches no file.

pub mod column;
mod counts;
mod read;
mod runs;
mod sides;
mod write;

pub use counts::Counts;
pub use read::{LONGEST, Piece, cells, declared, fields, row_id, scan};
pub use runs::{FRONT, MEASURED, TRIAL, VERDICT};
pub use sides::{EPOCH, EPOCHS, LAYER, LAYERS, SIDES, STEP, STEPS, Side};
pub use write::{cells_of, float, layer_rows, line, lost_row, run_row, side_rows};

use crate::axis::{self, Axis, AxisSet, Id};
use crate::verdict::{Outcome, Record};
use column::{About, abouts, names};
use serde::{Deserialize, Serialize};
use std::iter::once;

/// The number of the layout. It is raised when a column is added, is removed or changes its
/// meaning.
pub const FORMAT: u32 = 3;

/// The sections of a line of `runs.csv`. The header and every row are made of `ALL` in this order,
/// each section from its one table.
#[derive(Debug, Clone, Copy)]
enum Section {
    Trial,
    Front,
    Axes,
    Verdict,
    Measured,
}

impl Section {
    const ALL: [Section; 5] = [Section::Trial, Section::Front, Section::Axes, Section::Verdict, Section::Measured];

    fn names(self) -> Vec<&'static str> {
        match self {
            Section::Trial => vec![TRIAL.name],
            Section::Front => names(&FRONT).collect(),
            Section::Axes => Axis::names().collect(),
            Section::Verdict => names(&VERDICT).collect(),
            Section::Measured => names(&MEASURED).collect(),
        }
    }
}

/// The names of the columns of `runs.csv`.
pub fn runs() -> Vec<&'static str> {
    Section::ALL.into_iter().flat_map(Section::names).collect()
}

/// The columns of `runs.csv`, with those of the axes that a spec declares, which come last.
pub fn runs_of(axes: &AxisSet) -> Vec<&'static str> {
    runs().into_iter().chain(axes.declared.iter().map(|id| id.name())).collect()
}

/// The position of an axis in `runs.csv`.
///
/// # Panics
/// If it is no axis of the spec.
pub fn column_of(axis: Id, axes: &AxisSet) -> usize {
    match axis.place() {
        Some(place) => OUTCOME - axis::COUNT + place,
        None => {
            let declared = axes.declared.iter().position(|declared| *declared == axis);
            runs().len() + declared.expect("an axis of the spec")
        }
    }
}

/// What is known of the columns of `runs.csv` that are no axes.
pub fn abouts_of_runs() -> impl Iterator<Item = &'static About> {
    once(&TRIAL).chain(abouts(&FRONT)).chain(abouts(&VERDICT)).chain(abouts(&MEASURED))
}

/// Which of `SIDES` are written under this record.
pub fn recorded(record: &Record) -> [bool; 3] {
    SIDES.map(|side| (side.asked)(record))
}

/// The position of the column `name` in `runs.csv`.
///
/// # Panics
/// If `runs.csv` has no such column.
pub fn column(name: &str) -> usize {
    runs().iter().position(|column| *column == name).expect("a column of `runs.csv`")
}

/// Whether a column of `runs.csv` has values only where `[record]` asks for them.
pub fn is_recorded(column: &str) -> bool {
    abouts_of_runs().any(|about| about.name == column && about.is_recorded)
}

/// Whether a column of `runs.csv` holds numbers.
pub fn is_numeric(column: &str) -> bool {
    match Axis::find(column) {
        Some(axis) => axis.is_numeric(),
        None => abouts_of_runs().any(|about| about.name == column && about.is_numeric()),
    }
}

/// The first column in which two rows of one trial differ, apart from the label. A column that
/// `[record]` has to ask for, as the sharpness, may be empty in one of them.
pub fn differing(a: &[u8], b: &[u8]) -> Option<&'static str> {
    let cells = |row: &[u8]| -> Vec<Vec<u8>> {
        fields(row.strip_suffix(b"\n").unwrap_or(row)).into_iter().map(|cell| cell.into_owned()).collect()
    };
    let (a, b) = (cells(a), cells(b));
    let empty = |at: usize| [&a, &b].iter().any(|row| row.get(at).is_none_or(Vec::is_empty));
    let mut columns = runs().into_iter().enumerate().filter(|(at, _)| *at != LABEL);
    columns.find(|(at, name)| a.get(*at) != b.get(*at) && !(is_recorded(name) && empty(*at))).map(|(_, name)| name)
}

/// The column of the label, the one cell of a row that may change after it was written.
pub const LABEL: usize = 1;
/// The column of the outcome. That of `lost` follows it.
pub const OUTCOME: usize = 1 + FRONT.len() + axis::COUNT;

/// Why a trial has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Lost {
    Crashed,
    Timeout,
    Memory,
}

impl Lost {
    pub const ALL: [Lost; 3] = [Lost::Crashed, Lost::Timeout, Lost::Memory];

    pub fn name(self) -> &'static str {
        match self {
            Lost::Crashed => "crashed",
            Lost::Timeout => "timeout",
            Lost::Memory => "memory",
        }
    }
}

/// What a whole row says of its trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Outcome(Outcome),
    Lost(Lost),
}

impl Verdict {
    /// Reads the cells `outcome` and `lost`, of which one is empty; `None` if they are not of that
    /// form.
    pub fn parse(outcome: &[u8], lost: &[u8]) -> Option<Verdict> {
        match (outcome, lost) {
            (b"", lost) => Lost::ALL.into_iter().find(|l| l.name().as_bytes() == lost).map(Verdict::Lost),
            (outcome, b"") => std::str::from_utf8(outcome).ok().and_then(Outcome::from_name).map(Verdict::Outcome),
            _ => None,
        }
    }

    /// The outcome, if the trial has one.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Verdict::Outcome(outcome) => Some(outcome),
            Verdict::Lost(_) => None,
        }
    }

    /// The reason why the trial is lost, if it is.
    pub fn lost(self) -> Option<Lost> {
        match self {
            Verdict::Outcome(_) => None,
            Verdict::Lost(lost) => Some(lost),
        }
    }
}
