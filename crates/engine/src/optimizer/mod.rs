//! PyTorch's optimizers on stacked weights, where every hyperparameter has one value per lane.
//!
//! Here is what they have in common: learning rates and schedules, clipping, weight decay and the
//! way to the weights. Each rule has a file of its own, with its state. To add one, declare it in
//! `trial::Optimizer`, write a file here, and name it in `new`.

mod adagrad;
mod adam;
mod lion;
mod moments;
pub mod muon;
mod nadam;
mod radam;
pub mod rates;
mod rmsprop;
mod rule;
mod sgd;

use super::apply::{add, land};
use super::clip::update::UpdateLimit;
use super::data::{per_lane, per_lane_alpha};
use super::device::{fuses, upload};
use super::dtype::{inner, round};
use super::readout::Readout;
use super::weights::Weights;
use adagrad::Adagrad;
use adam::Adam;
use blowup_core::trial::{Clipping, DecayMode, Lane, Optimizer, Schedule, Shape};
use lion::Lion;
use muon::Muon;
use nadam::Nadam;
use radam::Radam;
use rates::{ClassRates, PerClass, RateClass, classes};
use rmsprop::Rmsprop;
use rule::{Division, Kept, PerLane, UpdateRule};
use sgd::Sgd;
use tch::{Kind, Tensor};

/// The optimizer of a cohort, with the hyperparameters and the state of all lanes.
pub struct PerLaneOptimizer {
    kind: Kind,
    classes: PerClass<RateClass>,
    lr: Vec<f64>,
    /// The learning rates of the output layer, where they differ.
    lr_output: Option<Vec<f64>>,
    schedules: Vec<Schedule>,
    /// The number of updates of the whole run.
    total: u64,
    /// `lr` times the schedules' factors at the last update.
    scheduled: Vec<f64>,
    decay: Option<Decay>,
    /// The clipping of updates.
    limit: Option<UpdateLimit>,
    rule: Box<dyn UpdateRule>,
    /// The number of steps so far, by which the schedules go.
    steps: i32,
    /// The number of updates of each lane so far. A step that was skipped is none.
    updates: Vec<i32>,
}

/// The weight decay of each lane. A cohort whose weight decay is 0 has no `Decay`, so that 0 x inf
/// never arises.
struct Decay {
    values: Vec<f64>,
    way: DecayWay,
}

/// How weight decay acts.
enum DecayWay {
    /// It is added to the gradient. The values are the `alpha` of that addition: the weight decay
    /// over the factor of the learning rate, so that the product of the two knows no factor.
    Coupled(PerClass<Tensor>),
    /// It is taken from the weights before the update.
    Decoupled(Vec<DecayMode>),
}

impl Decay {
    fn new(all: &PerLane, classes: &PerClass<RateClass>) -> Decay {
        let values = all.values(|lane| lane.weight_decay, 0.0);
        let modes = all.lanes.iter().map(|lane| lane.optimizer.decay_mode()).collect::<Option<Vec<_>>>();
        let way = match modes {
            Some(modes) => {
                let pads = std::iter::repeat_n(DecayMode::Decoupled, all.pads);
                DecayWay::Decoupled(modes.into_iter().chain(pads).collect())
            }
            None => DecayWay::Coupled(classes.map(|class| {
                let values: Vec<f64> = values.iter().map(|decay| decay / class.factor).collect();
                per_lane_alpha(&values, all.kind)
            })),
        };
        Decay { values, way }
    }

    /// The share of the weights that is taken from each lane before the update, if weight decay is
    /// decoupled. `lr` has the learning rates of this update without the factor of a class, and
    /// `factors` those of the schedules.
    fn lost(&self, lr: &[f64], factors: &[f64]) -> Option<Vec<f64>> {
        let DecayWay::Decoupled(modes) = &self.way else { return None };
        let lost = |i: usize| match modes[i] {
            DecayMode::Decoupled => lr[i] * self.values[i],
            DecayMode::Independent => factors[i] * self.values[i],
        };
        Some((0..lr.len()).map(lost).collect())
    }
}

/// How the norm of an update is known, per lane. The update is what is added to the weights before
/// the sum is rounded to their dtype.
pub enum UpdateNorm {
    /// It is |coefficient x gradient| times these learning rates, one per lane, for plain SGD.
    OfGradient(Vec<f64>),
    /// The gradients now hold the direction, whose norm is still to be measured. The norm of the
    /// update is that norm times these factors, one per lane.
    OfDirection(Vec<f64>),
    /// The gradients now hold the update, which was measured during the step.
    Measured,
}

impl PerLaneOptimizer {
    /// Makes the optimizer of a cohort. The `pads` pad lanes have a learning rate of 0.
    ///
    /// # Panics
    /// If updates are clipped and the optimizer is not Adam or AdamW. A spec refuses that.
    pub fn new(shape: &Shape, lanes: &[Lane], pads: usize, weights: &Weights) -> PerLaneOptimizer {
        let kind = weights.groups[0].kind();
        let all = PerLane { lanes, pads, kind };
        let rule: Box<dyn UpdateRule> = match shape.optimizer {
            Optimizer::Sgd { momentum, nesterov } => Box::new(Sgd::new(&all, momentum != 0.0, nesterov, weights)),
            Optimizer::Adam { amsgrad, .. } | Optimizer::Adamw { amsgrad, .. } => {
                Box::new(Adam::new(&all, amsgrad, weights))
            }
            Optimizer::Rmsprop { momentum, .. } => Box::new(Rmsprop::new(&all, momentum != 0.0, weights)),
            Optimizer::Nadam { .. } => Box::new(Nadam::new(&all, weights)),
            Optimizer::Radam { .. } => Box::new(Radam::new(&all, weights)),
            Optimizer::Adagrad { .. } => Box::new(Adagrad::new(&all, weights)),
            Optimizer::Lion { .. } => Box::new(Lion::new(&all, weights)),
            Optimizer::Muon { nesterov, .. } => Box::new(Muon::new(&all, nesterov, weights)),
        };
        let classes = classes(shape, weights);
        let decay = shape.weight_decay.then(|| Decay::new(&all, &classes));
        let lr = all.values(|lane| lane.lr, 0.0);
        let schedules = lanes.iter().map(|lane| lane.schedule);
        let limits = || all.values(|lane| lane.clip.threshold().unwrap_or(f64::INFINITY), f64::INFINITY);
        let limit = (shape.clipping == Clipping::Rates).then(|| UpdateLimit::new(&limits(), kind));
        let is_adam = lanes.iter().all(|lane| lane.optimizer.is_adam());
        assert!(limit.is_none() || is_adam, "only Adam and AdamW clip updates");
        PerLaneOptimizer {
            kind,
            classes,
            limit,
            updates: vec![0; lr.len()],
            scheduled: lr.clone(),
            lr,
            lr_output: shape.lr_output.then(|| all.values(|lane| lane.lr_output, 0.0)),
            schedules: schedules.chain(std::iter::repeat_n(Schedule::Constant, pads)).collect(),
            total: shape.steps,
            decay,
            rule,
            steps: 0,
        }
    }

    /// Makes one update of `weights`. `clip` has the factor of each lane's gradient; it is None
    /// where no lane is clipped in this step.
    ///
    /// The update is computed in the memory of the gradients. The norms of the new weights go to
    /// `readout`, slice by slice, while a slice is in the cache.
    pub fn step(
        &mut self,
        weights: &mut Weights,
        gradients: &mut Weights,
        clip: Option<&[f64]>,
        readout: &Readout,
    ) -> UpdateNorm {
        let factors: Vec<f64> = self.schedules.iter().map(|s| s.factor(self.steps as u64, self.total)).collect();
        let schedule = |lr: &[f64]| -> Vec<f64> { lr.iter().zip(&factors).map(|(lr, factor)| lr * factor).collect() };
        let output = self.lr_output.as_deref().map(schedule);
        self.scheduled = schedule(&self.lr);
        self.steps += 1;
        self.updates.iter_mut().for_each(|updates| *updates += 1);
        let rates = self.classes.map(|class| {
            let base = output.as_deref().filter(|_| class.is_output).unwrap_or(&self.scheduled);
            let lost = self.decay.as_ref().and_then(|decay| decay.lost(base, &factors));
            ClassRates { lr: base.iter().map(|lr| lr * class.factor).collect(), lost }
        });
        // A clipped gradient of 16 bits is rounded before the learning rate is multiplied with it,
        // so it is a direction of its own.
        let rounds = inner(self.kind) != self.kind;
        let plain = rates.common().filter(|_| self.rule.is_plain() && self.decay.is_none() && !rounds);
        let on_the_way = clip.filter(|_| plain.is_some() && fuses(self.kind));
        if let (Some(clip), None) = (clip, on_the_way) {
            let clip = per_lane(clip, self.kind);
            gradients.slices.iter_mut().for_each(|g| drop(g.g_mul_(&clip)));
        }
        let minus = rates.map(|of| of.lr.iter().map(|lr| -lr).collect::<Vec<f64>>());
        if let Some(of) = plain {
            add(weights, gradients, &minus, on_the_way, readout);
            return UpdateNorm::OfGradient(of.lr.clone());
        }
        if let Some(Decay { way: DecayWay::Coupled(rate), .. }) = &self.decay {
            for (slice, g) in gradients.slices.iter_mut().enumerate() {
                drop(g.addcmul_(&weights.slices[slice], rate.of_slice(weights, slice)));
            }
        }
        if !self.rule.direct(gradients) {
            let (rates, steps, kind) = (&rates, &self.updates[..], self.kind);
            self.limit.iter_mut().for_each(UpdateLimit::begin);
            let limit = self.limit.as_mut();
            self.rule.divide(Division { rates, steps, limit, kind, weights, gradients, readout });
            return UpdateNorm::Measured;
        }
        if let Some(Decay { way: DecayWay::Decoupled(_), .. }) = &self.decay {
            let strides = rates.map(|of| of.stride_of_sum(|_| 1.0, self.kind));
            for (slice, direction) in gradients.slices.iter_mut().enumerate() {
                let stride = strides.of_slice(weights, slice);
                let change = direction.to_kind(inner(self.kind)) * &stride.rate;
                land(weights, direction, slice, change, stride, readout);
            }
            return UpdateNorm::Measured;
        }
        add(weights, gradients, &minus, None, readout);
        if let Some(of) = rates.common() {
            let factor = |lr: &f64| if rounds { round(*lr, self.kind) } else { *lr };
            return UpdateNorm::OfDirection(of.lr.iter().map(factor).collect());
        }
        let minus = minus.map(|rate| per_lane_alpha(rate, self.kind));
        for (slice, d) in gradients.slices.iter_mut().enumerate() {
            let change = d.to_kind(inner(self.kind)) * minus.of_slice(weights, slice);
            readout.measure_change(slice, &change.view_as(&weights.flat[slice]));
            d.copy_(&change);
        }
        UpdateNorm::Measured
    }

    /// The learning rate of the last update of a lane, which the schedule has changed, without the
    /// factor of a class.
    pub fn lr(&self, lane: usize) -> f64 {
        self.scheduled[lane]
    }

    /// What update clipping multiplied the learning rates of a lane with in the last update, the
    /// smallest of its factors. None where updates are not clipped.
    pub fn limited(&self, lane: usize) -> Option<f64> {
        self.limit.as_ref().map(|limit| limit.smallest[lane])
    }

    /// The state of all lanes, which an update changes.
    pub fn states(&mut self) -> Vec<&mut Weights> {
        self.rule.states()
    }

    /// Takes back that the last step updated these lanes. Their states are put back by the caller.
    pub fn forget_update(&mut self, lanes: &[usize]) {
        lanes.iter().for_each(|&lane| self.updates[lane] -= 1);
    }

    /// Keeps the lanes of `index`, in that order.
    pub fn gather(&mut self, index: &[usize]) {
        let tensor = upload(Tensor::from_slice(&index.iter().map(|&i| i as i64).collect::<Vec<_>>()));
        let kept = Kept { index, tensor };
        kept.values(&mut self.lr);
        kept.values(&mut self.scheduled);
        self.lr_output.iter_mut().for_each(|lr| kept.values(lr));
        kept.values(&mut self.schedules);
        kept.values(&mut self.updates);
        if let Some(limit) = &mut self.limit {
            kept.tensor(&mut limit.threshold);
            kept.values(&mut limit.smallest);
        }
        if let Some(Decay { values, way }) = &mut self.decay {
            kept.values(values);
            match way {
                DecayWay::Coupled(rates) => rates.iter_mut().for_each(|rate| kept.tensor(rate)),
                DecayWay::Decoupled(modes) => kept.values(modes),
            }
        }
        self.rule.gather(&kept);
    }
}
