//! The training loop of a cohort: forward, loss, backward, one read, verdicts, update.
//!
//! The [`Subject`] makes the batches and runs the passes, and `judge` turns what was read into
//! verdicts. The host learns the
//! norms of an update and of the weights after it one step later, from the read that brings the
//! next step's loss. Where an update takes several batches, `accumulate` runs their passes. A lane
//! leaves at its first NaN loss; the tensors shrink when enough lanes have
//! left.

mod accumulate;
mod judge;

use super::bundle::StepGraph;
use super::clip;
use super::data::LaneSeeds;
use super::device;
use super::dtype::Kinds;
use super::init;
use super::lane::{ActiveLane, LaneTrial, LastUpdate, siblings};
use super::lanes;
use super::layered::Layered;
use super::optimizer::{PerLaneOptimizer, UpdateNorm};
use super::profile::Profile;
use super::readout::{Readout, lane_norms};
use super::rounding::round_at_random;
use super::scaling::Factors;
use super::skip::Saved;
use super::start::Start;
use super::still;
use super::subject::{self, Fault, Subject, Turn};
use super::trace::Sink;
use super::weights::Weights;
use accumulate::{Accumulated, Passes, accumulate};
use blowup_core::map::Reading;
use blowup_core::map::trainability::Trainability;
use blowup_core::training::Step;
use blowup_core::trial::{Clipping, Lane, Shape, Trial};
use blowup_core::verdict::{Finished, Layers, Record};
use judge::{Judge, Pass};
use std::cell::RefCell;
use std::collections::HashMap;
use tch::{Kind, Tensor};

/// The tensors shrink when at least this share of the lanes has left.
const COMPACT_AT: f64 = 0.25;

/// Trains `trials` to their verdicts, as [`crate::train`] does. `watch` sees every step of the
/// first trial.
///
/// Returns the number of passes, which is one more than the number of updates, or less where every
/// trial has left before the last update.
///
/// # Errors
/// If a data file cannot be read.
///
/// # Panics
/// If the trials are not of one shape.
pub fn train(
    trials: &[Trial],
    record: &Record,
    watch: Option<Sink>,
    done: &mut dyn FnMut(usize, Finished),
) -> Result<u64, String> {
    let Some((shape, lanes)) = parts(trials) else { return Ok(0) };
    // The trainer sees no trials. It sees their shape, which they share, and the lane of each.
    Trainer::new(&shape, &lanes, record, watch)?.run(done)
}

/// Trains `trials` and measures the trainability of each, from its losses over all of its data
/// before each update.
///
/// A trial that leaves early is known to its end: at rest its losses repeat, and from its first NaN
/// step loss on they count as not finite. After an update by NaN gradients every weight of the
/// output layer is NaN, so this is what training on would give. (It is a convention where a batch
/// is a part of the data and such an update does not reach the weights, by `skip` or under lion.)
///
/// Returns the number of passes, as `train` does.
///
/// # Errors
/// If a data file cannot be read.
///
/// # Panics
/// If the trials are not of one shape, or make no update.
pub fn trainability(trials: &[Trial], done: &mut dyn FnMut(usize, Reading)) -> Result<u64, String> {
    let Some((shape, lanes)) = parts(trials) else { return Ok(0) };
    let (record, measures) = (Record::default(), RefCell::new(vec![Trainability::new(shape.steps); lanes.len()]));
    let mut note = |index: usize, loss| measures.borrow_mut()[index].step(loss);
    let mut trainer = Trainer::new(&shape, &lanes, &record, None)?;
    trainer.losses = Some(&mut note);
    trainer.run(&mut |index, finished| {
        let rest = match finished.measured.nan {
            Some(_) => f64::NAN,
            None => finished.measured.loss_final.unwrap_or(f64::NAN),
        };
        done(index, measures.borrow()[index].finish(rest));
    })
}

/// The shape of these trials, and the lane of each. None if there are no trials.
///
/// # Panics
/// If the trials are not of one shape.
fn parts(trials: &[Trial]) -> Option<(Shape, Vec<Lane>)> {
    let mut parts = trials.iter().map(Trial::parts);
    let (shape, first) = parts.next()?;
    let mut lanes = vec![first];
    for (other, lane) in parts {
        assert!(other == shape, "trials of different shapes cannot train together: {other:?} and {shape:?}");
        lanes.push(lane);
    }
    Some((shape, lanes))
}

/// What the passes of a step have given beside what the readout has.
struct Passed {
    /// What only the first pass measures.
    start: Option<Start>,
    /// The profile of the layers, where the record wants it.
    profile: Option<Profile>,
    /// Each lane's share of underflown gradients, where it is measured.
    underflow: Option<Vec<f64>>,
    samples: usize,
    /// Where the first value that is not finite began, by lane, if the passes had to look for it.
    faults: Option<HashMap<usize, Fault>>,
}

struct Trainer<'a, 'w> {
    shape: &'a Shape,
    /// The lane of every trial, in the order in which the trials were given.
    lanes: &'a [Lane],
    /// The lanes in training, in the order of the tensors' lanes.
    active: Vec<ActiveLane>,
    /// The number of pad lanes behind them.
    pads: usize,
    weights: Weights,
    gradients: Weights,
    optimizer: PerLaneOptimizer,
    readout: Readout,
    subject: Box<dyn Subject + 'a>,
    judge: Judge<'a>,
    watch: Option<Sink<'w>>,
    /// Is told the loss of each trial in training over all of its data, before each update.
    losses: Option<&'w mut dyn FnMut(usize, f64)>,
}

impl<'a, 'w> Trainer<'a, 'w> {
    fn new(
        shape: &'a Shape,
        lanes: &'a [Lane],
        record: &'a Record,
        watch: Option<Sink<'w>>,
    ) -> Result<Trainer<'a, 'w>, String> {
        let kinds = Kinds::of(shape.numbers);
        let active: Vec<ActiveLane> =
            siblings(shape, lanes).into_iter().map(|trials| ActiveLane::new(trials, lanes)).collect();
        let all: Vec<Lane> = active.iter().map(|lane| *lane.settings(lanes)).collect();
        let (subject, weights): (Box<dyn Subject>, Weights) = match shape.task.bundle() {
            Some(file) => {
                let (subject, weights) = StepGraph::new(shape, file, &all)?;
                (Box::new(subject), weights)
            }
            None => {
                let weights = init::weights(shape, &all, lanes::pads(shape, active.len()), kinds.optimizer);
                (Box::new(Layered::new(shape, lanes, &weights, kinds)?), weights)
            }
        };
        let pads = subject.pads(active.len());
        let only_norms = watch.is_none() && record.layers == Layers::Never && !record.sharpness;
        let rests = subject.rests() && only_norms;
        let mut trainer = Trainer {
            shape,
            lanes,
            pads,
            gradients: weights.zeros_like(),
            optimizer: PerLaneOptimizer::new(shape, &all, pads, &weights),
            active,
            readout: Readout::new(&weights),
            weights,
            subject,
            judge: Judge { shape, lanes, record, initial: None, rests },
            watch,
            losses: None,
        };
        trainer.judge.initial = trainer.evaluate();
        Ok(trainer)
    }

    /// Trains to the end and returns the number of passes.
    fn run(mut self, done: &mut dyn FnMut(usize, Finished)) -> Result<u64, String> {
        let total = self.shape.steps;
        for step in 0..=total {
            let Passed { start, profile, underflow, samples, faults } = self.pass(step)?;
            self.tell_losses(step);
            let evaluated = if step == total { self.evaluate() } else { None };
            let pass = Pass {
                step,
                subject: &*self.subject,
                samples,
                faults: faults.as_ref(),
                pads: self.pads,
                weights: &self.weights,
                gradients: &self.gradients,
                optimizer: &self.optimizer,
                readout: &self.readout,
                start: start.as_ref(),
                profile: profile.as_ref(),
                underflow: underflow.as_deref(),
                evaluated,
            };
            let finals = self.judge.judge(&mut self.active, &pass);
            self.subject.settle();
            self.judge.release(&mut self.active, &self.readout, finals.as_deref(), done);
            if self.active.iter().all(ActiveLane::has_left) {
                return Ok(step + 1);
            }
            self.arrange();
            self.update(step);
        }
        Ok(total + 1)
    }

    /// Tells the losses over all of the data before the update of this step.
    fn tell_losses(&mut self, step: u64) {
        if self.losses.is_none() || step == self.shape.steps {
            return;
        }
        let evaluated = if step == 0 { self.judge.initial.clone() } else { self.evaluate() };
        let Some(tell) = &mut self.losses else { return };
        for (i, lane) in self.active.iter().enumerate().filter(|(_, lane)| step == 0 || !lane.has_left()) {
            let loss = evaluated.as_ref().map_or_else(|| self.readout.loss(i), |losses| losses[i]);
            let in_training = lane.trials.iter().filter(|trial| step == 0 || trial.course.is_some());
            in_training.for_each(|trial| tell(trial.index, loss));
        }
    }

    /// Returns the seeds of the lanes in training.
    fn seeds(&self) -> Vec<LaneSeeds> {
        self.active.iter().map(|lane| LaneSeeds::of(lane.settings(self.lanes))).collect()
    }

    /// Runs forward and backward over the batch, or the batches, of a step and reads all that is
    /// measured on the way.
    ///
    /// # Errors
    /// If a data file cannot be read.
    fn pass(&mut self, step: u64) -> Result<Passed, String> {
        let at_epoch = self.judge.epoch_end(step).filter(|&epoch| self.judge.record.layers.at(epoch));
        let wanted = at_epoch.or_else(|| self.watch.is_some().then_some(0));
        let (is_last, batches) = (step == self.shape.steps && step > 0, self.shape.batches(step));
        let seeds = self.seeds();
        let mut losses = None;
        let (subject::Passed { start, profile, underflow }, samples, faults) =
            if is_last || batches.end - batches.start == 1 {
                self.subject.prepare(Turn { batch: batches.start, is_last }, &seeds, self.pads)?;
                let passed = self.subject.pass(subject::Pass {
                    step,
                    weights: &self.weights,
                    gradients: &mut self.gradients,
                    readout: &self.readout,
                    factors: factors(&self.active, self.pads, 1.0),
                    profile: wanted,
                });
                (passed, self.subject.samples(), None)
            } else {
                let Accumulated { passed, faults, samples, losses: means } = accumulate(Passes {
                    step,
                    batches,
                    subject: &mut *self.subject,
                    active: &self.active,
                    seeds: &seeds,
                    pads: self.pads,
                    weights: &self.weights,
                    gradients: &mut self.gradients,
                    readout: &mut self.readout,
                    profile: wanted,
                })?;
                losses = Some(means);
                (passed, samples, Some(faults))
            };
        self.readout.measure_gradients(&self.gradients);
        if step == 0 {
            self.readout.measure_weights(&self.weights);
        }
        self.readout.read();
        losses.iter().for_each(|losses| self.readout.replace_losses(losses));
        if let Some(watch) = &mut self.watch {
            let (loss, grad_norm) = (self.readout.loss(0), self.readout.gradient_norm(0, &self.gradients).exact);
            let layers = profile.as_ref().map_or(Vec::new(), |p| p.rows(0));
            watch(Step { step, loss, grad_norm, layers });
        }
        Ok(Passed { start, profile: profile.filter(|_| at_epoch.is_some()), underflow, samples, faults })
    }

    /// Forks lanes whose trials part ways, and drops the lanes that have left if they are many.
    fn arrange(&mut self) {
        let left = self.active.iter().filter(|lane| lane.has_left()).count();
        let few_left = (left as f64) < COMPACT_AT * self.active.len() as f64 || left == 0;
        if few_left && !self.active.iter().any(ActiveLane::forks) {
            return;
        }
        let (mut stay, mut active) = (Vec::new(), Vec::new());
        for (i, lane) in std::mem::take(&mut self.active).into_iter().enumerate() {
            let forked = lane.fork();
            stay.extend(std::iter::repeat_n(i, forked.len()));
            active.extend(forked);
        }
        let old = self.weights.lanes as usize - self.pads;
        let pads = self.subject.pads(stay.len());
        let old_pads = old..old + self.pads;
        let index: Vec<usize> =
            stay.iter().copied().chain(old_pads.chain(std::iter::repeat(stay[0])).take(pads)).collect();
        self.pads = pads;
        let tensor = device::upload(Tensor::from_slice(&index.iter().map(|&i| i as i64).collect::<Vec<_>>()));
        self.weights = self.weights.gather(&tensor);
        self.gradients = self.gradients.gather(&tensor);
        self.subject.gather(&index, &self.weights);
        self.optimizer.gather(&index);
        self.readout = Readout::new(&self.weights);
        self.active = active;
    }

    /// Clips the elements, tensors or units of the gradients, where the shape has such a clipping,
    /// and returns whether that is so. What clips the whole gradient or the rates comes later.
    fn clip(&mut self) -> bool {
        let clipping = self.shape.clipping;
        let numbers = |of: &dyn Fn(&Lane) -> f64| -> Vec<f64> {
            let lanes = self.active.iter().map(|lane| of(lane.settings(self.lanes)));
            lanes.chain(std::iter::repeat_n(1.0, self.pads)).collect()
        };
        match clipping {
            Clipping::Whole | Clipping::Rates => return false,
            Clipping::Elements => {
                let bounds = numbers(&|lane| clip::bound(lane.clip));
                clip::value::clamp(&mut self.gradients, &bounds);
            }
            Clipping::Tensors | Clipping::Units => {
                let thresholds = numbers(&|lane| lane.clip.threshold().unwrap_or(f64::INFINITY));
                let least = clip::rescale(clipping, &thresholds, &self.weights, &mut self.gradients);
                self.active.iter_mut().zip(least).for_each(|(lane, least)| lane.clipped = Some(least));
            }
        }
        true
    }

    /// Clips the gradients, updates the weights, and notes how long the update of each lane was
    /// and what it changed: the first one, and all where the weights round them.
    fn update(&mut self, step: u64) {
        let pads = std::iter::repeat_n(1.0, self.pads);
        let skipped: Vec<usize> = (0..self.active.len()).filter(|&i| self.active[i].trials[0].skipped).collect();
        let saved = (!skipped.is_empty()).then(|| Saved::of(&skipped, &self.weights, &mut self.optimizer));
        let clamped = self.clip();
        let coefficients: Vec<f64> = self.active.iter().map(|lane| lane.trials[0].clip).chain(pads).collect();
        let clipped = coefficients.iter().any(|&c| c != 1.0);
        let watched = self.suspected_still();
        let measures = step == 0 || self.shape.numbers.rounds_updates();
        let before = measures.then(|| self.weights.groups.iter().map(Tensor::copy).collect::<Vec<_>>());
        let norm = self.optimizer.step(
            &mut self.weights,
            &mut self.gradients,
            clipped.then_some(&coefficients[..]),
            &self.readout,
        );
        saved.iter().for_each(|saved| saved.restore(&mut self.weights, &mut self.optimizer, &self.readout));
        if self.shape.numbers.rounds_at_random() {
            let seeds: Vec<u64> = self.active.iter().map(|lane| lane.settings(self.lanes).seed).collect();
            round_at_random(&mut self.weights, &seeds, step);
            self.readout.measure_weights(&self.weights);
        }
        for (i, before) in watched {
            self.active[i].still.found(still::equal(&self.weights, i, &before));
        }
        if let Some(before) = before {
            let changed = changed(&self.weights.groups, &before);
            self.active.iter_mut().zip(changed).for_each(|(lane, norm)| lane.changed = Some(norm));
        }
        let norm = match norm {
            UpdateNorm::OfGradient(rates) if clamped => UpdateNorm::OfDirection(rates),
            norm @ (UpdateNorm::OfGradient(_) | UpdateNorm::OfDirection(_) | UpdateNorm::Measured) => norm,
        };
        match norm {
            UpdateNorm::OfGradient(_) => {}
            UpdateNorm::OfDirection(_) => self.readout.measure_update(&self.gradients),
            UpdateNorm::Measured => self.readout.settle_update(&self.gradients),
        }
        for (i, lane) in self.active.iter_mut().enumerate() {
            lane.update = Some(match &norm {
                UpdateNorm::OfGradient(rates) => {
                    LastUpdate::Known(length(rates[i], lane.trials[0].clip, lane.gradient_norm))
                }
                UpdateNorm::OfDirection(factors) => LastUpdate::Measured { factor: factors[i] },
                UpdateNorm::Measured => LastUpdate::Measured { factor: 1.0 },
            });
            lane.clipped = self.optimizer.limited(i).or(lane.clipped);
        }
        for i in skipped {
            let lane = &mut self.active[i];
            (lane.update, lane.clipped) = (Some(LastUpdate::Known(0.0)), None);
        }
    }

    /// Returns the lanes that may be at rest, each with a copy of its weights.
    fn suspected_still(&self) -> Vec<(usize, Vec<Tensor>)> {
        let suspect = |(i, lane): (usize, &ActiveLane)| {
            let suspect = self.judge.rests && lane.still.is_suspect() && !lane.has_left();
            let rests = |trial: &LaneTrial| still::can_rest(self.shape, &self.lanes[trial.index]);
            let can_rest = suspect && lane.trials.iter().all(rests);
            can_rest.then(|| (i, still::copy(&self.weights, i)))
        };
        self.active.iter().enumerate().filter_map(suspect).collect()
    }

    /// Returns each lane's loss over the whole evaluation data. None where the training batch is
    /// all of the data.
    fn evaluate(&mut self) -> Option<Vec<f64>> {
        let seeds = self.seeds();
        self.subject.evaluate(&self.weights, &seeds, self.pads)
    }
}

/// Returns what the losses of these lanes and of `pads` pad lanes are multiplied with, each times
/// `share`. None where no loss is scaled.
fn factors(active: &[ActiveLane], pads: usize, share: f64) -> Option<Factors> {
    let scales: Option<Vec<f64>> = active.iter().map(|lane| Some(lane.scaler?.scale() * share)).collect();
    scales.map(|scales| Factors::new(&scales.into_iter().chain(std::iter::repeat_n(1.0, pads)).collect::<Vec<_>>()))
}

/// Returns the norm of each lane's change, over all groups of parameters.
fn changed(now: &[Tensor], before: &[Tensor]) -> Vec<f64> {
    let mut norms: Vec<f64> = Vec::new();
    for (now, before) in now.iter().zip(before) {
        let change = now.to_kind(Kind::Double) - before.to_kind(Kind::Double);
        // Layer by layer, so that a lane's sum does not depend on how many lanes lie between.
        for layer in 0..change.size()[0] {
            let of = lane_norms(&change.select(0, layer));
            norms.resize(of.len(), 0.0);
            norms.iter_mut().zip(of).for_each(|(norm, of)| *norm = norm.hypot(of));
        }
    }
    norms
}

/// Returns lr x coefficient x norm. The product of the first two alone may be below the range of
/// f64.
fn length(lr: f64, clip: f64, norm: f64) -> f64 {
    let factor = lr * clip;
    if factor.is_normal() { factor * norm } else { lr * (clip * norm) }
}
