//! Lanes at rest. Where an update leaves every weight as it was, and the next update comes from the
//! same data by the same rule, nothing will ever change again. Such a lane is not trained to its
//! end: the rest of its course repeats the step at rest.
//!
//! The proof is exact, since the weights before and after an update are compared. To save work,
//! only a lane whose loss and norms equal those of the step before is compared, and a lane that
//! turns out to move is left alone for a while.

use super::weights::Weights;
use blowup_core::trial::{Clip, Lane, LossScale, Schedule, Shape, Skip};
use blowup_core::verdict::{Course, Probe};
use std::ops::Range;
use tch::Tensor;

/// What is known about whether one lane is at rest.
#[derive(Debug, Clone, Copy, Default)]
pub struct Still {
    /// The bits of loss, gradient norm and weight norm of the step before.
    before: Option<[u64; 3]>,
    /// The number of steps in a row with these bits, and the number of repeats above which weights
    /// are compared.
    repeats: u32,
    look_at: u32,
    /// Whether an update has left the weights as they were.
    pub at_rest: bool,
}

impl Still {
    /// Takes note of a step. `weight_norm` is the norm after the update before this step.
    pub fn note(&mut self, loss: f64, gradient_norm: f64, weight_norm: f64) {
        let now = [loss, gradient_norm, weight_norm].map(f64::to_bits);
        self.repeats = if self.before == Some(now) { self.repeats + 1 } else { 0 };
        self.before = Some(now);
    }

    /// Whether the weights before and after the next update are worth comparing.
    pub fn is_suspect(&self) -> bool {
        self.repeats > self.look_at
    }

    /// Takes note of the result of a comparison.
    pub fn found(&mut self, at_rest: bool) {
        self.at_rest = at_rest;
        self.look_at = if at_rest { 0 } else { 2 * self.repeats };
    }
}

/// Whether an update depends on the weights and on nothing else that changes. This is so without
/// moments, with a constant learning rate, with a clipping, a skipping and a loss scale that
/// remember nothing and without rounding at random, given the same data at every step. A clipping
/// that only the update tells is not followed.
pub fn can_rest(shape: &Shape, lane: &Lane) -> bool {
    let clips_alike = match lane.clip {
        Clip::None | Clip::Norm(_) | Clip::Value(_) => true,
        Clip::PerLayer(_) | Clip::Agc(_) | Clip::Autoclip(_) | Clip::Zclip(_) | Clip::Update(_) => false,
    };
    let skips_alike = match lane.skip {
        Skip::None | Skip::Norm(_) => true,
        Skip::Zscore(_) => false,
    };
    let scales_alike = match lane.loss_scale {
        None | Some(LossScale::Fixed(_)) => true,
        Some(LossScale::Dynamic { .. }) => false,
    };
    let steps_alike = shape.optimizer.states() == 0 && lane.schedule == Schedule::Constant;
    steps_alike && clips_alike && skips_alike && scales_alike && !shape.numbers.rounds_at_random()
}

/// Returns a copy of one lane's parameters.
pub fn copy(weights: &Weights, lane: usize) -> Vec<Tensor> {
    weights.groups.iter().map(|group| group.select(1, lane as i64).copy()).collect()
}

/// Whether a lane's parameters equal the copy. A NaN equals nothing, so it is never at rest.
pub fn equal(weights: &Weights, lane: usize, copy: &[Tensor]) -> bool {
    weights.groups.iter().zip(copy).all(|(group, copy)| group.select(1, lane as i64).equal(copy))
}

/// What every further step of a trial at rest looks like.
pub struct FixedPoint {
    /// What is measured at each step.
    pub probe: Probe,
    /// The norm of the update, which changes no weight because it is less than half a unit in the
    /// weights' last place.
    pub moved: f64,
    /// Whether what updates change in the weights is measured. It is nothing here.
    pub rounds: bool,
    /// The norm of the weights.
    pub weight_norm: f64,
    /// The learning rate.
    pub lr: f64,
}

impl FixedPoint {
    /// Takes a course from the step that it has just seen to the check after its last update.
    /// `steps` are the numbers of the updates still to come.
    pub fn stay(&self, course: &mut Course, steps: Range<u64>, steps_per_epoch: u64) {
        let total = steps.end;
        for done in steps.map(|step| step + 1) {
            course.updated(self.moved, self.rounds.then_some(0.0));
            course.weighed(self.weight_norm);
            if done.is_multiple_of(steps_per_epoch) || done == total {
                course.epoch_end(self.weight_norm, self.lr);
            }
            if done == total {
                course.last_check(self.probe.loss, self.probe.grad_norm);
            } else {
                course.step(self.probe);
            }
        }
    }
}
