//! Maps: two axes, a trial for every pixel, and one reading of each trial. Everything here is pure,
//! apart from [`kept`], which reads and writes the file of the pixels that were trained.
//!
//! [`trainability`] is the published measure of a trial, [`raster`] holds what is known of every
//! pixel, [`refine`] says which pixels are trained and which are inferred, and [`dimension`] counts
//! boxes along the edge between the pixels that converge and those that do not.

pub mod dimension;
pub mod kept;
pub mod raster;
pub mod refine;
pub mod trainability;

use crate::trial::named;
use crate::verdict::Outcome;
use serde::{Deserialize, Serialize};

named! {
    /// What is read of the trial of a pixel.
    Measure {
        /// The published measure of trainability.
        Published = "published",
        /// The outcome that `runs.csv` would name.
        Outcome = "outcome",
    }
}

/// What was read of the trial of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Reading {
    /// The published measure.
    Trainability {
        converged: bool,
        value: f64,
    },
    Outcome(Outcome),
}

/// The verdict on a pixel. Neighbours with different verdicts have an edge between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelVerdict {
    Converged,
    Diverged,
    Outcome(Outcome),
}

impl PixelVerdict {
    /// Whether training failed: it diverged or, by its outcome, is counted in `failure_rate`.
    pub fn has_failed(self) -> bool {
        match self {
            PixelVerdict::Converged => false,
            PixelVerdict::Diverged => true,
            PixelVerdict::Outcome(outcome) => outcome.failed(),
        }
    }
}

impl Reading {
    pub fn verdict(self) -> PixelVerdict {
        match self {
            Reading::Trainability { converged: true, .. } => PixelVerdict::Converged,
            Reading::Trainability { converged: false, .. } => PixelVerdict::Diverged,
            Reading::Outcome(outcome) => PixelVerdict::Outcome(outcome),
        }
    }
}
