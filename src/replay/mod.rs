//! One trial of a sweep, trained again alone. [`find`] finds it by the beginning of its id,
//! [`compare`] compares it with its recorded row, [`report`] describes it to a person, and
//! [`trace`] writes it down for other programs. Nothing here trains, and only [`trace`] opens
//! files.

pub mod compare;
pub mod find;
pub mod report;
pub mod trace;

use blowup_core::training::Step;
use blowup_core::verdict::LayerRow;
use std::collections::VecDeque;

/// How many steps are kept.
const KEPT: usize = 7;

/// The norms of the first non-finite step and of the steps before it. If every step is finite, the
/// norms of the last steps.
#[derive(Debug, Default)]
pub struct LeadUp {
    /// The number of each step, and the rows of its layers.
    pub steps: VecDeque<(u64, Vec<LayerRow>)>,
    complete: bool,
}

impl LeadUp {
    /// Takes the next step.
    pub fn see(&mut self, seen: Step) {
        if self.complete {
            return;
        }
        if self.steps.len() == KEPT {
            self.steps.pop_front();
        }
        self.complete = !(seen.loss.is_finite() && seen.grad_norm.is_finite());
        self.steps.push_back((seen.step, seen.layers));
    }
}
