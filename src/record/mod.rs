//! The rows of the result files: which columns there are, how a cell is written, how a row is found again. The only module that knows the
//! layout of `runs.csv` and of the files beside it; it touches no file.

mod read;
mod write;

pub use read::{LONGEST, Piece, cells, fields, row_id, scan};
pub use write::{float, line, lost_row, run_row, side_rows};

use crate::axis;
use crate::verdict::{Layers, Outcome, Record};
use serde::{Deserialize, Serialize};

/// Raised when a column is added, removed or changes its meaning.
pub const FORMAT: u32 = 1;

const FRONT: [&str; 6] = ["trial", "label", "task", "inputs", "samples", "epochs"];

const BACK: [&str; 31] = [
    "outcome",
    "lost",
    "epoch_diverged",
    "step_diverged",
    "epoch_nonfinite",
    "step_nonfinite",
    "nonfinite_site",
    "nonfinite_layer",
    "nonfinite_time",
    "epoch_nan",
    "step_nan",
    "epochs_run",
    "steps_run",
    "loss_initial",
    "loss_final",
    "loss_trivial",
    "loss_min",
    "loss_max",
    "epoch_loss_max",
    "loss_jump_max",
    "grad_norm_initial",
    "grad_norm_max",
    "epoch_grad_norm_max",
    "clipped_fraction",
    "update_norm_max",
    "weight_norm_initial",
    "weight_norm_max",
    "backprop_ratio",
    "activation_ratio",
    "sharpness_initial",
    "sharpness_final",
];

/// A file beside `runs.csv`, with any number of rows per trial.
#[derive(Debug)]
pub struct Side {
    pub file: &'static str,
    pub columns: &'static [&'static str],
}

/// The files beside `runs.csv`; all that is said of them elsewhere is in this order.
pub const SIDES: [Side; 3] = [
    Side { file: "epochs.csv", columns: &EPOCHS },
    Side { file: "layers.csv", columns: &LAYERS },
    Side { file: "steps.csv", columns: &STEPS },
];

/// Which of `SIDES` are written.
pub fn recorded(record: &Record) -> [bool; 3] {
    [record.epochs, record.layers != Layers::Never, record.steps > 0]
}

/// The columns of `epochs.csv`.
pub const EPOCHS: [&str; 10] = [
    "trial",
    "epoch",
    "steps",
    "loss",
    "loss_max",
    "grad_norm_max",
    "clipped_fraction",
    "lr",
    "weight_norm",
    "update_norm_max",
];

/// The columns of `layers.csv`.
pub const LAYERS: [&str; 8] =
    ["trial", "epoch", "layer", "time", "activation_rms", "backprop_norm", "weight_grad_norm", "weight_norm"];

/// The columns of `steps.csv`.
pub const STEPS: [&str; 6] = ["trial", "step", "loss", "grad_norm", "clipped", "update_norm"];

/// How many columns `runs.csv` has.
const COLUMNS: usize = FRONT.len() + axis::COUNT + BACK.len();

/// The columns of `runs.csv`.
pub fn runs() -> Vec<&'static str> {
    FRONT.into_iter().chain(axis::Axis::names()).chain(BACK).collect()
}

/// Where `name` stands in `runs.csv`.
///
/// # Panics
/// If it is not one of its columns.
pub fn column(name: &str) -> usize {
    runs().iter().position(|column| *column == name).expect("a column of `runs.csv`")
}

/// Whether a column of `runs.csv` has values only where `[record]` asks for it.
pub fn is_recorded(column: &str) -> bool {
    column.starts_with("sharpness_")
}

/// The first column in which two rows of a trial differ, of those that say what became of it. The sharpness may be in one of them alone.
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
/// The column of the outcome; that of `lost` follows.
pub const OUTCOME: usize = FRONT.len() + axis::COUNT;

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
    /// From the cells `outcome` and `lost`, of which one is empty.
    pub fn parse(outcome: &[u8], lost: &[u8]) -> Option<Verdict> {
        match (outcome, lost) {
            (b"", lost) => Lost::ALL.into_iter().find(|l| l.name().as_bytes() == lost).map(Verdict::Lost),
            (outcome, b"") => std::str::from_utf8(outcome).ok().and_then(Outcome::from_name).map(Verdict::Outcome),
            _ => None,
        }
    }

    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Verdict::Outcome(outcome) => Some(outcome),
            Verdict::Lost(_) => None,
        }
    }
}
