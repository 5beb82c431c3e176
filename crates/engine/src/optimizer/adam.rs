//! Adam and AdamW, as `torch.optim.Adam` and `torch.optim.AdamW`: an update is the mean of the
//! gradients divided by the root of the mean of their squares. Both means are corrected for their
//! start at 0. AdamW's weight decay is decoupled from the gradient.

use super::rule::{Division, Kept, PerLane, UpdateRule};
use crate::apply::{Stride, add_square, divide};
use crate::data::per_lane;
use crate::device::fuses;
use crate::dtype::inner;
use crate::fused;
use crate::weights::Weights;
use blowup_core::trial::{Lane, Optimizer};
use tch::{Kind, Tensor};

/// The state of Adam or AdamW and its hyperparameters.
pub struct Adam {
    decoupled: bool,
    /// beta1 and beta2 by lane.
    betas: Vec<(f64, f64)>,
    eps: Vec<f64>,
    rates: AdamTensors,
    mean: Weights,
    square: Weights,
}

/// The same numbers as tensors `[1, lane, 1, 1]`, for libtorch's operations.
struct AdamTensors {
    one_minus_beta1: Tensor,
    beta2: Tensor,
    one_minus_beta2: Tensor,
    eps: Tensor,
}

/// Returns beta1, beta2 and eps of a lane.
fn numbers(lane: &Lane) -> (f64, f64, f64) {
    match lane.optimizer {
        Optimizer::Adam { beta1, beta2, eps } | Optimizer::Adamw { beta1, beta2, eps } => (beta1, beta2, eps),
        Optimizer::Sgd { .. } | Optimizer::Rmsprop { .. } => unreachable!("the lanes of a shape share their optimizer"),
    }
}

impl Adam {
    /// `decoupled` makes it AdamW. The state has the layout of `weights`.
    pub fn new(lanes: &PerLane, decoupled: bool, weights: &Weights) -> Adam {
        let [beta1, beta2] = [lanes.values(|lane| numbers(lane).0, 0.5), lanes.values(|lane| numbers(lane).1, 0.5)];
        Adam {
            decoupled,
            betas: beta1.into_iter().zip(beta2).collect(),
            eps: lanes.values(|lane| numbers(lane).2, 0.5),
            rates: AdamTensors {
                one_minus_beta1: lanes.factor(|lane| 1.0 - numbers(lane).0),
                beta2: lanes.factor(|lane| numbers(lane).1),
                one_minus_beta2: lanes.factor(|lane| 1.0 - numbers(lane).1),
                // eps is added to a tensor, so it is rounded to the tensor's dtype.
                eps: lanes.alpha(|lane| numbers(lane).2),
            },
            mean: weights.zeros_like(),
            square: weights.zeros_like(),
        }
    }
}

impl UpdateRule for Adam {
    fn is_decoupled(&self) -> bool {
        self.decoupled
    }

    fn divide(&mut self, division: Division) {
        let Adam { decoupled: _, betas, eps, rates, mean, square } = self;
        let Division { lr, decay, steps, mut limit, kind, weights, gradients, readout } = division;
        let size = |lr: &[f64]| -> Vec<f64> {
            let lanes = lr.iter().zip(&*betas).zip(steps);
            lanes.map(|((lr, betas), steps)| -(lr / (1.0 - betas.0.powf(f64::from(*steps))))).collect()
        };
        let corrected = |((_, beta2), steps): (&(f64, f64), &i32)| (1.0 - beta2.powf(f64::from(*steps))).sqrt();
        let root: Vec<f64> = betas.iter().zip(steps).map(corrected).collect();
        if fuses(kind) && limit.is_none() {
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
        let root = per_lane(&root, kind);
        let strides = lr.map(|lr| Stride::new(&size(lr), decay.map(|decay| (lr, decay)), kind));
        let states = mean.slices.iter_mut().zip(&mut square.slices).zip(&mut gradients.slices);
        for (slice, ((m, v), g)) in states.enumerate() {
            if inner(kind) != kind {
                let wide = m.to_kind(Kind::Float).lerp_tensor(&g.to_kind(Kind::Float), &rates.one_minus_beta1);
                m.copy_(&wide);
            } else {
                drop(m.lerp_tensor_(g, &rates.one_minus_beta1));
            }
            add_square(v, g, &rates.beta2, &rates.one_minus_beta2);
            let mut denominator = v.sqrt();
            drop(denominator.g_div_(&root));
            let limited = limit.as_mut().map(|limit| {
                let factors = limit.factors(g, &denominator, &rates.eps);
                strides.each_ref().map(|stride| stride.times(&factors))
            });
            drop(denominator.g_add_(&rates.eps));
            divide(weights, g, slice, m, &denominator, limited.as_ref().unwrap_or(&strides), readout);
        }
    }

    fn states(&mut self) -> Vec<&mut Weights> {
        vec![&mut self.mean, &mut self.square]
    }

    fn gather(&mut self, kept: &Kept) {
        let Adam { decoupled: _, betas, eps, rates, mean, square } = self;
        let AdamTensors { one_minus_beta1, beta2, one_minus_beta2, eps: added } = rates;
        kept.values(betas);
        kept.values(eps);
        [one_minus_beta1, beta2, one_minus_beta2, added].into_iter().for_each(|rate| kept.tensor(rate));
        kept.weights(mean);
        kept.weights(square);
    }
}
