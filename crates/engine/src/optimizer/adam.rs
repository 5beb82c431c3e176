//! Adam and AdamW, as `torch.optim.Adam` and `torch.optim.AdamW`: an update is the mean of the
//! gradients divided by the root of the mean of their squares, or with `amsgrad` by the root of the
//! largest such mean so far. Both means are corrected for their start at 0. AdamW's weight decay is
//! decoupled from the gradient.

use super::moments::Moments;
use super::rates::ClassRates;
use super::rule::{Division, Kept, PerLane, UpdateRule};
use crate::apply::divide;
use crate::data::per_lane;
use crate::device::fuses;
use crate::fused;
use crate::weights::Weights;

/// The state of Adam or AdamW and its hyperparameters.
pub struct Adam {
    /// beta1 and beta2 by lane.
    betas: Vec<(f64, f64)>,
    eps: Vec<f64>,
    pub moments: Moments,
    /// The largest mean of squares so far, with `amsgrad`.
    largest: Option<Weights>,
}

impl Adam {
    /// The state has the layout of `weights`.
    pub fn new(lanes: &PerLane, amsgrad: bool, weights: &Weights) -> Adam {
        Adam {
            betas: lanes.number("beta1").into_iter().zip(lanes.number("beta2")).collect(),
            eps: lanes.number("eps"),
            moments: Moments::new(lanes, weights),
            largest: amsgrad.then(|| weights.zeros_like()),
        }
    }

    /// Makes the step of the slices that `has` names.
    pub fn divide_slices(&mut self, division: &mut Division, has: impl Fn(usize) -> bool) {
        let corrected = |((_, beta2), steps): (&(f64, f64), &i32)| (1.0 - beta2.powf(f64::from(*steps))).sqrt();
        let root: Vec<f64> = self.betas.iter().zip(division.steps).map(corrected).collect();
        if fuses(division.kind) && self.largest.is_none() && division.limit.is_none() {
            return self.fused_slices(division, &root, has);
        }
        let Adam { betas, eps: _, moments, largest } = self;
        let root = per_lane(&root, division.kind);
        let strides = division.strides(|i| 1.0 - betas[i].0.powf(f64::from(division.steps[i])));
        let Division { limit, weights, gradients, readout, .. } = division;
        for (slice, g) in gradients.slices.iter_mut().enumerate().filter(|(slice, _)| has(*slice)) {
            moments.take(slice, g);
            let (m, v) = moments.of(slice);
            let mut denominator = match largest {
                Some(largest) => {
                    let largest = &mut largest.slices[slice];
                    largest.copy_(&largest.maximum(v));
                    largest.sqrt()
                }
                None => v.sqrt(),
            };
            drop(denominator.g_div_(&root));
            let stride = strides.of_slice(weights, slice);
            let limited = limit.as_mut().map(|limit| stride.times(&limit.factors(g, &denominator, &moments.eps)));
            drop(denominator.g_add_(&moments.eps));
            divide(weights, g, slice, m, &denominator, limited.as_ref().unwrap_or(stride), readout);
        }
    }

    fn fused_slices(&mut self, division: &mut Division, root: &[f64], has: impl Fn(usize) -> bool) {
        let Adam { betas, eps, moments: Moments { mean, square, .. }, largest: _ } = self;
        let Division { rates, steps, weights, gradients, readout, .. } = division;
        let lane = |of: &ClassRates, i: usize| fused::AdamRates {
            weight: (1.0 - betas[i].0) as f32,
            beta2: betas[i].1 as f32,
            one_minus_beta2: (1.0 - betas[i].1) as f32,
            root: root[i] as f32,
            eps: eps[i] as f32,
            rate: -(of.lr[i] / (1.0 - betas[i].0.powf(f64::from(steps[i])))) as f32,
            decay: of.lost.as_ref().map(|lost| ((1.0 - lost[i]) as f32, lost[i] as f32)),
        };
        let lanes = rates.map(|of| (0..betas.len()).map(|i| lane(of, i)).collect::<Vec<_>>());
        for (slice, flat) in weights.flat.iter().enumerate().filter(|(slice, _)| has(*slice)) {
            let (gradient, mean, square) = (&gradients.flat[slice], &mean.flat[slice], &square.flat[slice]);
            let rates = lanes.of_slice(weights, slice);
            let slices = fused::AdamSlice { weights: flat, gradient, mean, square };
            fused::adam(&slices, rates, readout.weight_norms(slice), readout.update_norms(slice));
        }
    }
}

impl UpdateRule for Adam {
    fn divide(&mut self, mut division: Division) {
        self.divide_slices(&mut division, |_| true);
    }

    fn states(&mut self) -> Vec<&mut Weights> {
        self.moments.states().into_iter().chain(&mut self.largest).collect()
    }

    fn gather(&mut self, kept: &Kept) {
        let Adam { betas, eps, moments, largest } = self;
        kept.values(betas);
        kept.values(eps);
        moments.gather(kept);
        largest.iter_mut().for_each(|state| kept.weights(state));
    }
}
