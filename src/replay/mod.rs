//! One trial alone: found by the beginning of its id ([`find`]), compared with its recorded row
//! ([`compare`]), told to a person ([`report`]), written down for another program ([`trace`]).
//! Trains nothing itself, and of all this only [`trace`] touches files.

pub mod compare;
pub mod find;
pub mod report;
pub mod trace;

use blowup_core::training::Step;
use blowup_core::verdict::LayerRow;
use std::collections::VecDeque;

/// Steps that are kept: the first bad one and those before it, or the last ones.
const KEPT: usize = 7;

/// The norms of the steps that lead up to the first non-finite one; without any, of the last steps.
#[derive(Debug, Default)]
pub struct LeadUp {
    pub steps: VecDeque<(u64, Vec<LayerRow>)>,
    complete: bool,
}

impl LeadUp {
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
