//! Turns the norms and losses of a pass into the verdicts of its trials.

use crate::clip;
use crate::data::LaneSeeds;
use crate::lane::{ActiveLane, LaneTrial, LastUpdate};
use crate::optimizer::PerLaneOptimizer;
use crate::profile::{self, Profile};
use crate::readout::Readout;
use crate::scaling::Scaler;
use crate::start::Start;
use crate::still::FixedPoint;
use crate::subject::{Fault, Subject};
use crate::weights::Weights;
use blowup_core::trial::{Clip, Clipping, Lane, Shape, Skip};
use blowup_core::verdict::{Aftermath, Beginning, Course, Finished, Next, Probe, Record, Terms};
use std::collections::HashMap;

/// What verdicts depend on besides the passes.
pub struct Judge<'a> {
    pub shape: &'a Shape,
    /// The lane of every trial, in the order in which the trials were given.
    pub lanes: &'a [Lane],
    /// What the spec wants to be recorded.
    pub record: &'a Record,
    /// Each lane's loss over the evaluation data before the first update. None where the training
    /// batch is all of the data.
    pub initial: Option<Vec<f64>>,
    /// Whether a lane at rest need not be trained to its end: every batch is all of the data, and
    /// nothing is recorded that only a pass can tell.
    pub rests: bool,
}

/// What a pass has left behind.
pub struct Pass<'a> {
    /// The number of updates before it.
    pub step: u64,
    /// What is trained, with the batch that it was trained on.
    pub subject: &'a dyn Subject,
    /// The samples of the step.
    pub samples: usize,
    /// Where the first value of the step that is not finite began, where that is known already.
    pub faults: Option<&'a HashMap<usize, Fault>>,
    /// The number of pad lanes at the end of all tensors.
    pub pads: usize,
    /// The weights before the update.
    pub weights: &'a Weights,
    /// The gradients before they are clipped.
    pub gradients: &'a Weights,
    pub optimizer: &'a PerLaneOptimizer,
    pub readout: &'a Readout,
    /// What only the first pass measures.
    pub start: Option<&'a Start>,
    /// What `layers.csv` says of this pass, where the record wants it.
    pub profile: Option<&'a Profile>,
    /// Each lane's share of underflown gradients, where it is measured.
    pub underflow: Option<&'a [f64]>,
    /// After the last update, each lane's loss over the evaluation data, where that is not the
    /// batch.
    pub evaluated: Option<Vec<f64>>,
}

impl Judge<'_> {
    /// The number of the epoch that has ended when `step` begins, 0 before the first. None within
    /// an epoch.
    pub fn epoch_end(&self, step: u64) -> Option<u64> {
        let steps_per_epoch = self.shape.steps_per_epoch();
        let ends = step.is_multiple_of(steps_per_epoch) || step == self.shape.steps;
        ends.then(|| step.div_ceil(steps_per_epoch))
    }

    /// Feeds what was read to the courses and decides about clipping. After the last update it
    /// returns the final loss of each lane.
    pub fn judge(&self, active: &mut [ActiveLane], pass: &Pass) -> Option<Vec<f64>> {
        let Pass { step, readout, optimizer, .. } = *pass;
        let total = self.shape.steps;
        let last = step == total;
        let ends_epoch = self.epoch_end(step).is_some();
        let by_value = self.shape.clipping == Clipping::Elements;
        let largest = by_value.then(|| clip::value::largest(pass.gradients));
        if step == 0 {
            self.begin(active, pass);
        }
        let dtype = self.shape.numbers.optimizer();
        let mut finals = Vec::with_capacity(active.len());
        let mut suspects = Vec::new();
        for (i, lane) in active.iter_mut().enumerate() {
            let loss = readout.loss(i);
            finals.push(pass.evaluated.as_ref().map_or(loss, |e| e[i]));
            if lane.has_left() {
                continue;
            }
            let moved = lane.update.take().map(|update| match update {
                LastUpdate::Known(norm) => norm,
                LastUpdate::Measured { factor } => factor * readout.update_norm(i),
            });
            let changed = lane.changed.take();
            if let (1, Some(changed), Some(moved)) = (step, changed, moved) {
                lane.moved_share = Some(changed / moved).filter(|share| share.is_finite());
            }
            let rounds = self.shape.numbers.rounds_updates();
            let weight_norm = moved.map(|_| readout.weight_norm(i, pass.weights));
            let norm = readout.gradient_norm(i, pass.gradients);
            lane.gradient_norm = norm.exact;
            if let Some(weight_norm) = weight_norm {
                lane.still.note(loss, norm.exact, weight_norm);
            }
            let overflowed = lane.scaler.filter(|scaler| scaler.is_dynamic()).map(|_| !norm.exact.is_finite());
            // A gradient that overflowed because the loss was scaled is none that was measured.
            let excused = overflowed == Some(true) && lane.scaler.is_some_and(Scaler::is_to_blame);
            let grad_norm = (!excused).then_some(norm.exact);
            let underflow = pass.underflow.map(|shares| shares[i]);
            let mut suspect = false;
            let limited = lane.clipped.take();
            for LaneTrial { index, course, clip, memory, guard, skipped } in &mut lane.trials {
                let (settings, Some(course)) = (&self.lanes[*index], course.as_mut()) else { continue };
                pass.profile.iter().for_each(|profile| course.profiled(profile.rows(i)));
                if let (Some(moved), Some(weight_norm)) = (moved, weight_norm) {
                    limited.iter().for_each(|coefficient| course.clipped(*coefficient));
                    course.updated(moved, changed.filter(|_| rounds));
                    course.weighed(weight_norm);
                    if ends_epoch {
                        course.epoch_end(weight_norm, optimizer.lr(i));
                    }
                }
                // What the scaler skips, neither the guard nor the clipping sees.
                let skips = match overflowed {
                    Some(true) => (settings.skip != Skip::None).then_some(false),
                    Some(false) | None => guard.skips(settings.skip, loss, norm.in_dtype),
                };
                *skipped = skips == Some(true) || overflowed == Some(true);
                let coefficient = if *skipped {
                    *clip = 1.0;
                    (settings.clip != Clip::None).then_some(1.0)
                } else {
                    *clip = clip::coefficient(settings.clip, memory, norm, dtype);
                    let largest = largest.as_ref().map(|largest| largest[i]);
                    clip::smallest(settings.clip, *clip, largest, dtype)
                };
                let probe = Probe {
                    loss,
                    grad_norm,
                    samples: pass.samples,
                    clipped: coefficient.map(|coefficient| coefficient < 1.0),
                    coefficient,
                    skipped: skips,
                    loss_scale: lane.scaler.map(Scaler::scale),
                    overflowed,
                    underflow,
                };
                let Next { locate, .. } =
                    if last { course.last_check(finals[i], grad_norm) } else { course.step(probe) };
                suspect |= locate;
                if let (true, false, Some(moved), Some(weight_norm)) = (lane.still.at_rest, last, moved, weight_norm) {
                    let rest = FixedPoint { probe, moved, rounds, weight_norm, lr: optimizer.lr(i) };
                    rest.stay(course, step..total, self.shape.steps_per_epoch());
                }
            }
            if suspect {
                suspects.push(i);
            }
            let updates = !last && !loss.is_nan();
            if let (Some(scaler), Some(overflowed), true) = (&mut lane.scaler, overflowed, updates) {
                scaler.update(!overflowed);
            }
        }
        self.locate(active, pass, &suspects);
        active.iter_mut().zip(pass.subject.attended()).for_each(|(lane, attended)| lane.attended = *attended);
        if last || active.iter().any(|lane| lane.still.at_rest && lane.dead_share.is_none()) {
            let shares = pass.subject.dead_shares();
            active.iter_mut().enumerate().for_each(|(i, lane)| lane.dead_share = shares.as_ref().map(|of| of[i]));
        }
        if last && self.record.sharpness {
            for (i, lane) in active.iter_mut().enumerate() {
                lane.sharpness = Some(self.sharpness(lane, pass, i));
            }
        }
        last.then_some(finals)
    }

    /// Gives every trial its course, now that its beginning is measured.
    fn begin(&self, active: &mut [ActiveLane], pass: &Pass) {
        let silent = profile::by_layer(self.shape, pass.gradients);
        for (i, lane) in active.iter_mut().enumerate() {
            let settings = lane.settings(self.lanes);
            let loss_initial = self.initial.as_ref().map_or(pass.readout.loss(i), |initial| initial[i]);
            let beginning = Beginning {
                loss_initial: Some(loss_initial),
                loss_trivial: pass.subject.loss_trivial(LaneSeeds::of(settings)),
                weight_norm: Some(pass.readout.weight_norm(i, pass.weights)),
                backprop_ratio: pass.start.and_then(|start| start.backprop_ratio(i)),
                activation_ratio: pass.start.and_then(|start| start.activation_ratio(i)),
                sharpness: self.record.sharpness.then(|| self.sharpness(lane, pass, i)),
                silent_layers: (!silent.is_empty())
                    .then(|| silent.values().filter(|norms| norms[i] == 0.0).count() as u64),
                vanished: pass.start.and_then(|start| start.vanished(i, self.shape.numbers.passes())),
            };
            let lr = settings.lr * settings.schedule.factor(0, self.shape.steps.max(1));
            let terms = Terms {
                loss_ratio: settings.loss_ratio,
                lr: Some(lr),
                is_idle: settings.lr == 0.0 && settings.lr_output == 0.0,
                same_data: self.shape.sees_the_same_data(),
            };
            for trial in &mut lane.trials {
                trial.course = Some(Course::new(beginning.clone(), terms, self.record.clone()));
            }
        }
    }

    /// The sharpness of lane `i` as it stands now.
    fn sharpness(&self, lane: &ActiveLane, pass: &Pass, i: usize) -> f64 {
        pass.subject.sharpness(pass.weights, i, LaneSeeds::of(lane.settings(self.lanes)))
    }

    /// Finds where the first non-finite value of this step began, for the lanes `suspects`.
    fn locate(&self, active: &mut [ActiveLane], pass: &Pass, suspects: &[usize]) {
        if suspects.is_empty() {
            return;
        }
        let faults = match pass.faults {
            Some(known) => suspects.iter().map(|i| known.get(i).cloned().unwrap_or(Fault::Site(None))).collect(),
            None => pass.subject.locate(pass.weights, suspects, pass.pads),
        };
        for (&i, fault) in suspects.iter().zip(faults) {
            let courses = active[i].trials.iter_mut().filter_map(|trial| trial.course.as_mut());
            courses.for_each(|course| match &fault {
                Fault::Site(site) => course.located(*site),
                Fault::Origin(origin) => course.located_in(origin.clone()),
            });
        }
    }

    /// Hands over every trial that has its verdict: all of them after the last update, when
    /// `finals` has the final loss of each lane; before, those with a NaN loss or at rest.
    pub fn release(
        &self,
        active: &mut [ActiveLane],
        readout: &Readout,
        finals: Option<&[f64]>,
        done: &mut dyn FnMut(usize, Finished),
    ) {
        for (i, lane) in active.iter_mut().enumerate() {
            // A trial that ends at a NaN has no curvature there, so its sharpness is NaN.
            let sharpness = lane.sharpness.or(self.record.sharpness.then_some(f64::NAN));
            let last = lane.still.at_rest.then(|| readout.loss(i)).or(finals.map(|finals| finals[i]));
            for trial in &mut lane.trials {
                let ended = trial.course.as_ref().is_some_and(Course::has_ended);
                if let Some(course) = trial.course.take_if(|_| ended || last.is_some()) {
                    let after = Aftermath {
                        sharpness,
                        dead_share: lane.dead_share,
                        moved_share: lane.moved_share,
                        attention_logit_max: lane.attended.logit_max,
                        attention_entropy_min: lane.attended.entropy_min,
                        loss_scale: lane.scaler.map(Scaler::scale),
                    };
                    done(trial.index, course.finish(last.unwrap_or(f64::NAN), after));
                }
            }
        }
    }
}
