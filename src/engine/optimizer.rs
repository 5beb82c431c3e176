//! PyTorch's optimizers on stacked weights, with every hyperparameter one value per lane.

use super::apply::{Stride, add, add_square, divide};
use super::data::{per_lane, per_lane_alpha};
use super::device::{fuses, upload};
use super::fused;
use super::inner;
use super::readout::{Readout, round};
use super::weights::Weights;
use crate::trial::{Lane, Method, Optimizer as Rule, Schedule, Shape};
use tch::{Kind, Tensor};

/// Hyperparameters `[1, lane, 1, 1]` and state of all lanes.
pub struct Optimizer {
    kind: Kind,
    lr: Vec<f64>,
    /// The output layer's, where it differs.
    lr_output: Option<Vec<f64>>,
    schedules: Vec<Schedule>,
    /// Updates of the whole run.
    total: u64,
    /// `lr` under the schedules at the last update.
    scheduled: Vec<f64>,
    decay: Option<Decay>,
    state: State,
    /// Updates done.
    steps: i32,
}

/// `weight_decay`, absent from a cohort where it is 0 (so that 0 x inf never arises).
struct Decay {
    values: Vec<f64>,
    rate: Tensor,
}

enum State {
    Sgd,
    Momentum { momentum: Tensor, nesterov: Option<Tensor>, buffer: Weights },
    Adam { decoupled: bool, betas: Vec<(f64, f64)>, eps: Vec<f64>, rates: AdamRates, mean: Weights, square: Weights },
    Rmsprop { rates: RmspropRates, square: Weights, momentum: Option<(Tensor, Weights)> },
}

struct AdamRates {
    one_minus_beta1: Tensor,
    beta2: Tensor,
    one_minus_beta2: Tensor,
    eps: Tensor,
}

struct RmspropRates {
    alpha: Tensor,
    one_minus_alpha: Tensor,
    eps: Tensor,
}

/// How long an update was, per lane: what is added to the weights, before the sum is rounded to their dtype.
pub enum UpdateNorm {
    /// lr x |coefficient x gradient|: plain SGD.
    OfGradient,
    /// The gradients now hold the direction, still to be measured; the factors are per lane.
    OfDirection(Vec<f64>),
    /// The gradients now hold the update, which the step has measured on its way.
    Measured,
}

impl RmspropRates {
    /// Takes a gradient into the mean of squares, and returns what it is divided by.
    fn denominator(&self, square: &mut Tensor, gradient: &Tensor) -> Tensor {
        add_square(square, gradient, &self.alpha, &self.one_minus_alpha);
        let mut denominator = square.sqrt();
        drop(denominator.g_add_(&self.eps));
        denominator
    }
}

impl Optimizer {
    /// The optimizer of a cohort; `pads` pad lanes get a learning rate of 0.
    pub fn new(shape: &Shape, lanes: &[Lane], pads: usize, weights: &Weights) -> Optimizer {
        let kind = weights.groups[0].kind();
        let all = |value: &dyn Fn(&Lane) -> f64, pad: f64| -> Vec<f64> {
            lanes.iter().map(value).chain(std::iter::repeat_n(pad, pads)).collect()
        };
        let tensor = |value: &dyn Fn(&Lane) -> f64| per_lane(&all(value, 0.5), kind);
        let eps_of = |lane: &Lane| match lane.optimizer {
            Rule::Adam { eps, .. } | Rule::Adamw { eps, .. } | Rule::Rmsprop { eps, .. } => eps,
            Rule::Sgd { .. } => unreachable!("sgd has no eps"),
        };
        // Added to a tensor, so rounded to its dtype.
        let eps = || per_lane_alpha(&all(&eps_of, 0.5), kind);
        let momentum_of = |lane: &Lane| lane.optimizer.momentum().unwrap_or(0.0);
        let momentum = || tensor(&momentum_of);
        let state = match shape.optimizer {
            Method::Sgd { momentum: true, nesterov } => {
                let nesterov = nesterov.then(|| per_lane_alpha(&all(&momentum_of, 0.5), kind));
                State::Momentum { momentum: momentum(), nesterov, buffer: weights.zeros_like() }
            }
            Method::Sgd { momentum: false, nesterov: _ } => State::Sgd,
            Method::Adam | Method::Adamw => {
                let betas = |lane: &Lane| match lane.optimizer {
                    Rule::Adam { beta1, beta2, .. } | Rule::Adamw { beta1, beta2, .. } => (beta1, beta2),
                    Rule::Sgd { .. } | Rule::Rmsprop { .. } => unreachable!("lanes share their optimizer"),
                };
                State::Adam {
                    decoupled: shape.optimizer == Method::Adamw,
                    eps: all(&eps_of, 0.5),
                    betas: lanes.iter().map(betas).chain(std::iter::repeat_n((0.5, 0.5), pads)).collect(),
                    rates: AdamRates {
                        one_minus_beta1: tensor(&|lane| 1.0 - betas(lane).0),
                        beta2: tensor(&|lane| betas(lane).1),
                        one_minus_beta2: tensor(&|lane| 1.0 - betas(lane).1),
                        eps: eps(),
                    },
                    mean: weights.zeros_like(),
                    square: weights.zeros_like(),
                }
            }
            Method::Rmsprop { momentum: has_momentum } => {
                let alpha = |lane: &Lane| match lane.optimizer {
                    Rule::Rmsprop { alpha, .. } => alpha,
                    Rule::Sgd { .. } | Rule::Adam { .. } | Rule::Adamw { .. } => {
                        unreachable!("lanes share their optimizer")
                    }
                };
                State::Rmsprop {
                    rates: RmspropRates {
                        alpha: tensor(&alpha),
                        one_minus_alpha: tensor(&|lane| 1.0 - alpha(lane)),
                        eps: eps(),
                    },
                    square: weights.zeros_like(),
                    momentum: has_momentum.then(|| (momentum(), weights.zeros_like())),
                }
            }
        };
        let decay = shape.weight_decay.then(|| {
            let values = all(&|lane| lane.weight_decay, 0.0);
            Decay { rate: per_lane_alpha(&values, kind), values }
        });
        let lr = all(&|lane| lane.lr, 0.0);
        Optimizer {
            kind,
            scheduled: lr.clone(),
            lr,
            lr_output: shape.lr_output.then(|| all(&|lane| lane.lr_output, 0.0)),
            schedules: lanes
                .iter()
                .map(|lane| lane.schedule)
                .chain(std::iter::repeat_n(Schedule::Constant, pads))
                .collect(),
            total: shape.steps,
            decay,
            state,
            steps: 0,
        }
    }

    /// One update of `weights`. `clip`: the factor of each lane's gradient, or None where no lane is clipped in this step. The
    /// gradients' memory is used for the update. The norms of the new weights go to `readout`, slice by slice, while they are in the cache.
    pub fn step(
        &mut self,
        weights: &mut Weights,
        gradients: &mut Weights,
        clip: Option<&[f64]>,
        readout: &Readout,
    ) -> UpdateNorm {
        let schedule = |lr: &[f64]| -> Vec<f64> {
            let factor = |s: &Schedule| s.factor(self.steps as u64, self.total);
            lr.iter().zip(&self.schedules).map(|(lr, s)| lr * factor(s)).collect()
        };
        let output = self.lr_output.as_deref().map(schedule);
        self.scheduled = schedule(&self.lr);
        self.steps += 1;
        let output_lr = output.as_deref().unwrap_or(&self.scheduled);
        // In 16 bits the clipped gradient is rounded before the learning rate comes, so it is a direction of its own.
        let rounds = inner(self.kind) != self.kind;
        let plain = matches!(self.state, State::Sgd) && self.decay.is_none() && output.is_none() && !rounds;
        let on_the_way = clip.filter(|_| plain && fuses(self.kind));
        if let (Some(clip), None) = (clip, on_the_way) {
            let clip = per_lane(clip, self.kind);
            gradients.slices.iter_mut().for_each(|g| drop(g.g_mul_(&clip)));
        }
        let minus = |lr: &[f64]| lr.iter().map(|lr| -lr).collect::<Vec<f64>>();
        let rates = [minus(&self.scheduled), minus(output_lr)];
        if plain {
            add(weights, gradients, [&rates[0], &rates[1]], on_the_way, readout);
            return UpdateNorm::OfGradient;
        }
        let decoupled = matches!(self.state, State::Adam { decoupled: true, .. });
        if let Some(decay) = self.decay.as_ref().filter(|_| !decoupled) {
            for (w, g) in weights.slices.iter().zip(&mut gradients.slices) {
                drop(g.addcmul_(w, &decay.rate));
            }
        }
        if self.divides() {
            let output_lr = output_lr.to_vec();
            self.quotient(weights, gradients, [&self.scheduled.clone(), &output_lr], readout);
            return UpdateNorm::Measured;
        }
        self.direct(gradients);
        add(weights, gradients, [&rates[0], &rates[1]], None, readout);
        if output.is_none() {
            let factor = |lr: &f64| if rounds { round(*lr, self.kind) } else { *lr };
            return UpdateNorm::OfDirection(self.scheduled.iter().map(factor).collect());
        }
        let rates = rates.map(|rate| per_lane_alpha(&rate, self.kind));
        for (slice, d) in gradients.slices.iter_mut().enumerate() {
            let change = d.to_kind(inner(self.kind)) * &rates[usize::from(weights.is_output[slice])];
            readout.measure_change(slice, &change.view_as(&weights.flat[slice]));
            d.copy_(&change);
        }
        UpdateNorm::Measured
    }

    /// Whether the update is a quotient (`addcdiv_`) and not a direction times the learning rate (`add_`).
    fn divides(&self) -> bool {
        matches!(self.state, State::Adam { .. } | State::Rmsprop { momentum: None, .. })
    }

    /// Turns gradients into the direction of the update, in place.
    fn direct(&mut self, gradients: &mut Weights) {
        match &mut self.state {
            State::Sgd => {}
            State::Momentum { nesterov, momentum, buffer } => {
                for (b, g) in buffer.slices.iter_mut().zip(&mut gradients.slices) {
                    drop(b.g_mul_(momentum));
                    drop(b.g_add_(g));
                    match nesterov {
                        Some(alpha) => drop(g.addcmul_(b, alpha)),
                        None => g.copy_(b),
                    }
                }
            }
            State::Rmsprop { rates, square, momentum } => {
                let Some((momentum, buffer)) = momentum else { unreachable!("an update that is a quotient") };
                for ((b, v), g) in buffer.slices.iter_mut().zip(&mut square.slices).zip(&mut gradients.slices) {
                    let denominator = rates.denominator(v, g);
                    drop(b.g_mul_(momentum));
                    drop(b.addcdiv_(g, &denominator));
                    g.copy_(b);
                }
            }
            State::Adam { .. } => unreachable!("an update that is a quotient"),
        }
    }

    /// A step whose update is a quotient. `lr`: of the hidden layers and of the output layer.
    fn quotient(&mut self, weights: &mut Weights, gradients: &mut Weights, lr: [&[f64]; 2], readout: &Readout) {
        let decay = self.decay.as_ref().map(|decay| &decay.values[..]);
        match &mut self.state {
            State::Adam { decoupled, betas, eps, rates, mean, square } => {
                let decay = decay.filter(|_| *decoupled);
                let steps = f64::from(self.steps);
                let size = |lr: &[f64]| -> Vec<f64> {
                    lr.iter().zip(&*betas).map(|(lr, betas)| -(lr / (1.0 - betas.0.powf(steps)))).collect()
                };
                let root: Vec<f64> = betas.iter().map(|betas| (1.0 - betas.1.powf(steps)).sqrt()).collect();
                if fuses(self.kind) {
                    let lane = |lr: &[f64], size: &[f64], i: usize| fused::AdamRates {
                        weight: (1.0 - betas[i].0) as f32,
                        beta2: betas[i].1 as f32,
                        one_minus_beta2: (1.0 - betas[i].1) as f32,
                        root: root[i] as f32,
                        eps: eps[i] as f32,
                        rate: size[i] as f32,
                        decay: decay.map(|decay| lr[i] * decay[i]).map(|lost| ((1.0 - lost) as f32, lost as f32)),
                    };
                    let lanes = lr.map(|lr| {
                        let size = size(lr);
                        (0..lr.len()).map(|i| lane(lr, &size, i)).collect::<Vec<_>>()
                    });
                    for (slice, flat) in weights.flat.iter().enumerate() {
                        let (gradient, mean, square) = (&gradients.flat[slice], &mean.flat[slice], &square.flat[slice]);
                        let rates = &lanes[usize::from(weights.is_output[slice])];
                        let slices = fused::AdamSlice { weights: flat, gradient, mean, square };
                        fused::adam(&slices, rates, readout.weight_norms(slice), readout.update_norms(slice));
                    }
                    return;
                }
                let root = per_lane(&root, self.kind);
                let strides = lr.map(|lr| Stride::new(&size(lr), decay.map(|decay| (lr, decay)), self.kind));
                let states = mean.slices.iter_mut().zip(&mut square.slices).zip(&mut gradients.slices);
                for (slice, ((m, v), g)) in states.enumerate() {
                    if inner(self.kind) != self.kind {
                        let wide = m.to_kind(Kind::Float).lerp_tensor(&g.to_kind(Kind::Float), &rates.one_minus_beta1);
                        m.copy_(&wide);
                    } else {
                        drop(m.lerp_tensor_(g, &rates.one_minus_beta1));
                    }
                    add_square(v, g, &rates.beta2, &rates.one_minus_beta2);
                    let mut denominator = v.sqrt();
                    drop(denominator.g_div_(&root));
                    drop(denominator.g_add_(&rates.eps));
                    divide(weights, g, slice, m, &denominator, &strides, readout);
                }
            }
            State::Rmsprop { rates, square, .. } => {
                let minus = |lr: &[f64]| lr.iter().map(|lr| -lr).collect::<Vec<f64>>();
                let strides = lr.map(|lr| Stride::new(&minus(lr), None, self.kind));
                for (slice, (v, g)) in square.slices.iter_mut().zip(&mut gradients.slices).enumerate() {
                    let (numerator, denominator) = (g.shallow_clone(), rates.denominator(v, g));
                    divide(weights, g, slice, &numerator, &denominator, &strides, readout);
                }
            }
            State::Sgd | State::Momentum { .. } => unreachable!("an update that is no quotient"),
        }
    }

    /// Of the last update, under the schedule.
    pub fn lr(&self, lane: usize) -> f64 {
        self.scheduled[lane]
    }

    /// Keeps the lanes of `index`, in that order.
    pub fn gather(&mut self, index: &[usize]) {
        let tensor = upload(Tensor::from_slice(&index.iter().map(|&i| i as i64).collect::<Vec<_>>()));
        let lanes = |t: &Tensor| t.index_select(1, &tensor);
        let values = |v: &[f64]| -> Vec<f64> { index.iter().map(|&i| v[i]).collect() };
        self.lr = values(&self.lr);
        self.scheduled = values(&self.scheduled);
        self.lr_output = self.lr_output.as_deref().map(values);
        self.schedules = index.iter().map(|&i| self.schedules[i]).collect();
        if let Some(decay) = &mut self.decay {
            decay.values = values(&decay.values);
            decay.rate = lanes(&decay.rate);
        }
        match &mut self.state {
            State::Sgd => {}
            State::Momentum { momentum, nesterov, buffer } => {
                *momentum = lanes(momentum);
                *nesterov = nesterov.as_ref().map(lanes);
                *buffer = buffer.gather(&tensor);
            }
            State::Adam { betas, eps, rates, mean, square, .. } => {
                *eps = index.iter().map(|&i| eps[i]).collect();
                *betas = index.iter().map(|&i| betas[i]).collect();
                for rate in [&mut rates.one_minus_beta1, &mut rates.beta2, &mut rates.one_minus_beta2, &mut rates.eps] {
                    *rate = lanes(rate);
                }
                *mean = mean.gather(&tensor);
                *square = square.gather(&tensor);
            }
            State::Rmsprop { rates, square, momentum } => {
                for rate in [&mut rates.alpha, &mut rates.one_minus_alpha, &mut rates.eps] {
                    *rate = lanes(rate);
                }
                *square = square.gather(&tensor);
                if let Some((momentum, buffer)) = momentum {
                    *momentum = lanes(momentum);
                    *buffer = buffer.gather(&tensor);
                }
            }
        }
    }
}
