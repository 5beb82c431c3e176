//! The rules by which a run gets its outcome.

use super::reference;
use serde::{Deserialize, Serialize};

/// What the network did. Of several outcomes that hold, the first in this order is taken, except
/// that a run without an update is `Nonfinite` where a loss was not finite.
///
/// The *reference* is the loss that divergence and convergence are measured against; see
/// [`reference`](super::reference()). The *late loss* is the median of the epoch losses of the last
/// tenth of the epochs, the final loss included; where their number is even, the final loss counts
/// twice. So one spike decides nothing, and in a short run the final loss decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// There was no update, or every learning rate is 0.
    Untrained,
    /// A step loss was NaN, or the final loss or the late loss is not finite.
    Nonfinite,
    /// The late loss is above `loss_ratio` times the reference.
    Diverged,
    /// The best loss was at most 0.9 times the reference, and more than half of the way down to it
    /// was given back. Only where every epoch is over the same data.
    Relapsed,
    /// The late loss is above twice the loss of the best constant prediction or, where that is not
    /// known, twice the reference.
    Ruined,
    /// The final loss is within a relative 1e-3 of the initial loss.
    Stalled,
    /// The final loss is below 0.9 times the reference.
    Converged,
    /// None of the others holds.
    Unsettled,
}

/// A best or final loss below this multiple of the reference counts as learned.
pub(super) const LEARNED: f64 = 0.9;
/// The share of what was learned above which giving it back is a relapse.
const GIVEN_BACK: f64 = 0.5;
/// The multiple of the best constant's loss above which a run is ruined.
const RUINED: f64 = 2.0;
/// The relative change of the loss within which a run has stalled.
const STALLED: f64 = 1e-3;

/// What the outcome of a run follows from. A loss that nobody measured is NaN.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ending {
    /// Whether there was no update, or every learning rate is 0.
    pub untrained: bool,
    /// Whether a step loss was NaN.
    pub saw_nan: bool,
    pub initial: f64,
    pub trivial: f64,
    pub last: f64,
    pub late: f64,
    pub loss_ratio: f64,
    /// The share of what was learned that was given back; `None` where nothing was learned.
    pub relapse: Option<f64>,
}

impl Outcome {
    /// All outcomes, from the best to the worst, which is their order in tables.
    pub const ALL: [Outcome; 8] = [
        Outcome::Converged,
        Outcome::Stalled,
        Outcome::Unsettled,
        Outcome::Untrained,
        Outcome::Ruined,
        Outcome::Relapsed,
        Outcome::Diverged,
        Outcome::Nonfinite,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Outcome::Untrained => "untrained",
            Outcome::Nonfinite => "nonfinite",
            Outcome::Diverged => "diverged",
            Outcome::Relapsed => "relapsed",
            Outcome::Ruined => "ruined",
            Outcome::Stalled => "stalled",
            Outcome::Converged => "converged",
            Outcome::Unsettled => "unsettled",
        }
    }

    /// The outcome of this name; `None` if there is no such outcome.
    pub fn from_name(text: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|o| o.name() == text)
    }

    /// Whether the divergence rate counts this outcome.
    pub fn blew_up(self) -> bool {
        match self {
            Outcome::Nonfinite | Outcome::Diverged => true,
            Outcome::Untrained
            | Outcome::Relapsed
            | Outcome::Ruined
            | Outcome::Stalled
            | Outcome::Converged
            | Outcome::Unsettled => false,
        }
    }

    /// Whether the failure rate counts this outcome: the run blew up, or is lost without it.
    pub fn failed(self) -> bool {
        match self {
            Outcome::Nonfinite | Outcome::Diverged | Outcome::Relapsed | Outcome::Ruined => true,
            Outcome::Untrained | Outcome::Stalled | Outcome::Converged | Outcome::Unsettled => false,
        }
    }

    pub(super) fn of(ending: Ending) -> Outcome {
        let Ending { untrained, saw_nan, initial, trivial, last, late, loss_ratio, relapse } = ending;
        let reference = reference(initial, trivial);
        let constant = if trivial.is_finite() && trivial > 0.0 { trivial } else { reference };
        let is_finite = !saw_nan && last.is_finite() && late.is_finite();
        // A trial that was only measured is no sound one where what was measured is not finite: a
        // gate has to see that.
        if untrained && is_finite {
            Outcome::Untrained
        } else if !is_finite {
            Outcome::Nonfinite
        } else if late > loss_ratio * reference {
            Outcome::Diverged
        } else if relapse.is_some_and(|share| share > GIVEN_BACK) {
            Outcome::Relapsed
        } else if late > RUINED * constant {
            Outcome::Ruined
        } else if initial.is_finite() && (last - initial).abs() <= STALLED * initial.abs() {
            Outcome::Stalled
        } else if last < LEARNED * reference {
            Outcome::Converged
        } else {
            Outcome::Unsettled
        }
    }
}
