//! PyTorch's optimizers on stacked weights, with every hyperparameter one value per lane.

use super::data::per_lane;
use super::device::{fuses, upload};
use super::fused;
use super::inner;
use super::readout::Readout;
use super::weights::Weights;
use crate::trial::{Optimizer as Rule, Schedule, Trial};
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
    Momentum { nesterov: bool, momentum: Tensor, buffer: Weights },
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

/// How long an update was, per lane: known on the host, or a direction (in the gradients' memory) whose norm times the factor it is.
pub enum UpdateNorm {
    /// lr x |coefficient x gradient|: plain SGD.
    OfGradient,
    /// The gradients now hold the direction; the factors are per lane.
    OfDirection(Vec<f64>),
}

/// weights += direction x rate (per lane), slice by slice.
fn add(weights: &mut Weights, direction: &Weights, rate: &[f64], kind: Kind, readout: &Readout) {
    if fuses(kind) {
        let rates: Vec<f32> = rate.iter().map(|&rate| rate as f32).collect();
        for (slice, d) in direction.flat.iter().enumerate() {
            fused::add(&weights.flat[slice], d, &rates, readout.weight_norms(slice));
        }
        return;
    }
    let rate = per_lane(rate, kind);
    for (slice, d) in direction.slices.iter().enumerate() {
        drop(weights.slices[slice].addcmul_(d, &rate));
        readout.measure_slice(weights, slice);
    }
}

/// See `Optimizer::stride`.
struct Stride {
    rate: Tensor,
    keep: Option<Tensor>,
    shrink: Option<Tensor>,
}

/// weights = weights x keep - direction x rate, with one stride for hidden layers and one for the output layer. The direction becomes the
/// whole update.
fn walk(weights: &mut Weights, direction: &mut Weights, strides: [&Stride; 2], readout: &Readout) -> UpdateNorm {
    for (slice, d) in direction.slices.iter_mut().enumerate() {
        let Stride { rate, keep, shrink } = strides[usize::from(weights.is_output[slice])];
        let w = &mut weights.slices[slice];
        drop(d.g_mul_(rate));
        match (keep, shrink) {
            (Some(keep), Some(shrink)) => {
                let decayed = &*w * shrink;
                drop(w.g_mul_(keep));
                drop(w.g_sub_(d));
                drop(d.g_add_(&decayed));
            }
            _ => drop(w.g_sub_(d)),
        }
        readout.measure_slice(weights, slice);
    }
    UpdateNorm::OfDirection(vec![1.0; weights.lanes as usize])
}

impl Optimizer {
    /// The optimizer of a cohort; `pads` pad lanes get a learning rate of 0.
    pub fn new(trials: &[&Trial], pads: usize, weights: &Weights) -> Optimizer {
        let kind = weights.groups[0].kind();
        let all = |value: &dyn Fn(&Trial) -> f64, pad: f64| -> Vec<f64> {
            trials.iter().map(|t| value(t)).chain(std::iter::repeat_n(pad, pads)).collect()
        };
        let tensor = |value: &dyn Fn(&Trial) -> f64| per_lane(&all(value, 0.5), kind);
        let eps_of = |t: &Trial| match t.optimizer {
            Rule::Adam { eps, .. } | Rule::Adamw { eps, .. } | Rule::Rmsprop { eps, .. } => eps,
            Rule::Sgd { .. } => unreachable!("sgd has no eps"),
        };
        let eps = || tensor(&eps_of);
        let momentum = || tensor(&|t| t.optimizer.momentum().unwrap_or(0.0));
        let has_momentum = trials[0].optimizer.momentum().is_some_and(|m| m != 0.0);
        let state = match trials[0].optimizer {
            Rule::Sgd { nesterov, .. } if has_momentum => {
                State::Momentum { nesterov, momentum: momentum(), buffer: weights.zeros_like() }
            }
            Rule::Sgd { .. } => State::Sgd,
            Rule::Adam { .. } | Rule::Adamw { .. } => {
                let betas = |t: &Trial| match t.optimizer {
                    Rule::Adam { beta1, beta2, .. } | Rule::Adamw { beta1, beta2, .. } => (beta1, beta2),
                    Rule::Sgd { .. } | Rule::Rmsprop { .. } => unreachable!("lanes share their optimizer"),
                };
                State::Adam {
                    decoupled: matches!(trials[0].optimizer, Rule::Adamw { .. }),
                    eps: all(&eps_of, 0.5),
                    betas: trials.iter().map(|t| betas(t)).chain(std::iter::repeat_n((0.5, 0.5), pads)).collect(),
                    rates: AdamRates {
                        one_minus_beta1: tensor(&|t| 1.0 - betas(t).0),
                        beta2: tensor(&|t| betas(t).1),
                        one_minus_beta2: tensor(&|t| 1.0 - betas(t).1),
                        eps: eps(),
                    },
                    mean: weights.zeros_like(),
                    square: weights.zeros_like(),
                }
            }
            Rule::Rmsprop { .. } => {
                let alpha = |t: &Trial| match t.optimizer {
                    Rule::Rmsprop { alpha, .. } => alpha,
                    Rule::Sgd { .. } | Rule::Adam { .. } | Rule::Adamw { .. } => {
                        unreachable!("lanes share their optimizer")
                    }
                };
                State::Rmsprop {
                    rates: RmspropRates {
                        alpha: tensor(&alpha),
                        one_minus_alpha: tensor(&|t| 1.0 - alpha(t)),
                        eps: eps(),
                    },
                    square: weights.zeros_like(),
                    momentum: has_momentum.then(|| (momentum(), weights.zeros_like())),
                }
            }
        };
        let decay = (trials[0].weight_decay != 0.0).then(|| {
            let values = all(&|t| t.weight_decay, 0.0);
            Decay { rate: per_lane(&values, kind), values }
        });
        let lr = all(&|t| t.lr, 0.0);
        Optimizer {
            kind,
            scheduled: lr.clone(),
            lr,
            lr_output: trials[0].lr_output.map(|_| all(&|t| t.lr_output.unwrap_or(t.lr), 0.0)),
            schedules: trials.iter().map(|t| t.schedule).chain(std::iter::repeat_n(Schedule::Constant, pads)).collect(),
            total: trials[0].steps(),
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
        // In 16 bits the clipped gradient is rounded before the learning rate comes, so it is a direction of its own.
        let rounds = inner(self.kind) != self.kind;
        let plain = matches!(self.state, State::Sgd) && self.decay.is_none() && output.is_none() && !rounds;
        if plain {
            let rate: Vec<f64> = match clip {
                Some(clip) => self.scheduled.iter().zip(clip).map(|(lr, c)| -(lr * c)).collect(),
                None => self.scheduled.iter().map(|lr| -lr).collect(),
            };
            add(weights, gradients, &rate, self.kind, readout);
            return UpdateNorm::OfGradient;
        }
        if let Some(clip) = clip {
            let clip = per_lane(clip, self.kind);
            gradients.slices.iter_mut().for_each(|g| drop(g.g_mul_(&clip)));
        }
        let decoupled = matches!(self.state, State::Adam { decoupled: true, .. });
        if let Some(decay) = self.decay.as_ref().filter(|_| !decoupled) {
            for (w, g) in weights.slices.iter().zip(&mut gradients.slices) {
                drop(g.addcmul_(w, &decay.rate));
            }
        }
        let corrections = self.direct(gradients);
        let rates = |lr: &[f64]| -> Vec<f64> { lr.iter().zip(&corrections).map(|(lr, c)| lr * c).collect() };
        let factors = rates(&self.scheduled);
        if decoupled || output.is_some() {
            let output_lr = output.as_deref().unwrap_or(&self.scheduled);
            let hidden = self.stride(&self.scheduled, &factors, decoupled);
            let output = self.stride(output_lr, &rates(output_lr), decoupled);
            return walk(weights, gradients, [&hidden, &output], readout);
        }
        let rate: Vec<f64> = factors.iter().map(|f| -f).collect();
        add(weights, gradients, &rate, self.kind, readout);
        UpdateNorm::OfDirection(factors)
    }

    /// Turns gradients into the direction of the update, in place; returns what each lane's direction is to be multiplied with beside the
    /// learning rate.
    fn direct(&mut self, gradients: &mut Weights) -> Vec<f64> {
        match &mut self.state {
            State::Sgd => {}
            State::Momentum { nesterov, momentum, buffer } => {
                for (b, g) in buffer.slices.iter_mut().zip(&mut gradients.slices) {
                    drop(b.g_mul_(momentum));
                    drop(b.g_add_(g));
                    if *nesterov {
                        drop(g.addcmul_(b, momentum));
                    } else {
                        g.copy_(b);
                    }
                }
            }
            State::Adam { betas, eps: eps_values, rates, mean, square, .. } => {
                let correction = |beta: f64| 1.0 - beta.powi(self.steps);
                let root: Vec<f64> = betas.iter().map(|b| correction(b.1).sqrt()).collect();
                if fuses(self.kind) {
                    let rate = |((b, root), eps): ((&(f64, f64), &f64), &f64)| {
                        [1.0 - b.0, b.1, 1.0 - b.1, *root, *eps].map(|x| x as f32)
                    };
                    let rates: Vec<[f32; 5]> = betas.iter().zip(&root).zip(&*eps_values).map(rate).collect();
                    for ((m, v), g) in mean.flat.iter().zip(&square.flat).zip(&gradients.flat) {
                        fused::adam(g, m, v, &rates, m.size()[0] as usize);
                    }
                    return betas.iter().map(|b| 1.0 / correction(b.0)).collect();
                }
                let root = per_lane(&root, self.kind);
                for ((m, v), g) in mean.slices.iter_mut().zip(&mut square.slices).zip(&mut gradients.slices) {
                    let narrow = inner(self.kind) != self.kind;
                    if narrow {
                        let wide = m.to_kind(Kind::Float).lerp_tensor(&g.to_kind(Kind::Float), &rates.one_minus_beta1);
                        m.copy_(&wide);
                    } else {
                        drop(m.lerp_tensor_(g, &rates.one_minus_beta1));
                    }
                    drop(v.g_mul_(&rates.beta2));
                    let gg = g.to_kind(inner(self.kind)).square();
                    drop(v.addcmul_(&gg, &rates.one_minus_beta2));
                    let mut denominator = if narrow { v.empty_like() } else { gg };
                    drop(v.sqrt_out(&denominator));
                    drop(denominator.g_div_(&root));
                    drop(denominator.g_add_(&rates.eps));
                    drop(m.div_out(g, &denominator));
                }
                return betas.iter().map(|b| 1.0 / correction(b.0)).collect();
            }
            State::Rmsprop { rates, square, momentum } => {
                for (i, (v, g)) in square.slices.iter_mut().zip(&mut gradients.slices).enumerate() {
                    drop(v.g_mul_(&rates.alpha));
                    drop(v.addcmul_(&g.to_kind(inner(self.kind)).square(), &rates.one_minus_alpha));
                    let mut denominator = v.sqrt();
                    drop(denominator.g_add_(&rates.eps));
                    drop(g.g_div_(&denominator));
                    if let Some((momentum, buffer)) = momentum {
                        drop(buffer.slices[i].g_mul_(momentum));
                        drop(buffer.slices[i].g_add_(g));
                        g.copy_(&buffer.slices[i]);
                    }
                }
            }
        }
        vec![1.0; self.lr.len()]
    }

    /// What one layer's update takes: its rate and, if weight decay is decoupled (AdamW), the share lr x decay by which its weights shrink first.
    fn stride(&self, lr: &[f64], rate: &[f64], decoupled: bool) -> Stride {
        let decay = self.decay.as_ref().filter(|_| decoupled);
        let shrink = decay.map(|decay| lr.iter().zip(&decay.values).map(|(lr, d)| lr * d).collect::<Vec<f64>>());
        Stride {
            rate: per_lane(rate, self.kind),
            keep: shrink.as_ref().map(|s| per_lane(&s.iter().map(|s| 1.0 - s).collect::<Vec<_>>(), self.kind)),
            shrink: shrink.map(|s| per_lane(&s, self.kind)),
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
            State::Momentum { momentum, buffer, .. } => {
                *momentum = lanes(momentum);
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
