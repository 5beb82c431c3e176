//! NAdam, as `torch.optim.NAdam`: Adam with Nesterov's momentum. An update is a quotient of the
//! gradient and one of the mean of the gradients, in shares that the momentum of this step and of
//! the next one decide. The momentum rises from beta1/2 to beta1.

use super::moments::Moments;
use super::rates::PerClass;
use super::rule::{Division, Kept, PerLane, UpdateRule};
use crate::apply::{Stride, measure};
use crate::data::per_lane;
use crate::dtype::inner;
use crate::weights::Weights;
use tch::Tensor;

/// The state of NAdam and its hyperparameters.
pub struct Nadam {
    lanes: Vec<NadamLane>,
    moments: Moments,
}

/// The numbers of a lane.
#[derive(Clone, Copy)]
struct NadamLane {
    beta1: f64,
    beta2: f64,
    momentum_decay: f64,
    /// The number of the last update, and the product of the momenta of all updates up to it and
    /// of those before it. A skipped update has the same number as the next one.
    step: f64,
    product: f64,
    before: f64,
}

impl NadamLane {
    /// Takes up an update, counted from 1.
    fn begin(&mut self, step: f64) {
        if step > self.step {
            self.before = self.product;
        }
        (self.step, self.product) = (step, self.before * self.momentum(step));
    }

    /// The momentum of a step, counted from 1.
    fn momentum(&self, step: f64) -> f64 {
        self.beta1 * (1.0 - 0.5 * 0.96f64.powf(step * self.momentum_decay))
    }
}

impl Nadam {
    /// The state has the layout of `weights`.
    pub fn new(lanes: &PerLane, weights: &Weights) -> Nadam {
        let [beta1, beta2, decay] = ["beta1", "beta2", "momentum_decay"].map(|axis| lanes.number(axis));
        let lane = |i: usize| NadamLane {
            beta1: beta1[i],
            beta2: beta2[i],
            momentum_decay: decay[i],
            step: 0.0,
            product: 1.0,
            before: 1.0,
        };
        Nadam { lanes: (0..beta1.len()).map(lane).collect(), moments: Moments::new(lanes, weights) }
    }
}

impl UpdateRule for Nadam {
    fn divide(&mut self, division: Division) {
        let Nadam { lanes, moments } = self;
        lanes.iter_mut().zip(division.steps).for_each(|(lane, steps)| lane.begin(f64::from(*steps)));
        let of_gradient = division.strides(|i| (1.0 - lanes[i].product) / (1.0 - lanes[i].momentum(lanes[i].step)));
        let of_mean = division.strides(|i| {
            let next = lanes[i].momentum(lanes[i].step + 1.0);
            (1.0 - lanes[i].product * next) / next
        });
        let correction: Vec<f64> = lanes.iter().map(|lane| 1.0 - lane.beta2.powf(lane.step)).collect();
        let correction = per_lane(&correction, division.kind);
        let Division { weights, gradients, readout, .. } = division;
        for (slice, g) in gradients.slices.iter_mut().enumerate() {
            moments.take(slice, g);
            let (m, v) = moments.of(slice);
            let mut denominator = v.copy();
            drop(denominator.g_div_(&correction));
            drop(denominator.sqrt_());
            drop(denominator.g_add_(&moments.eps));
            let quotient = |numerator: &Tensor, strides: &PerClass<Stride>| {
                let rate = &strides.of_slice(weights, slice).rate;
                let mut change = numerator.to_kind(inner(numerator.kind())) * rate;
                drop(change.g_div_(&denominator));
                change
            };
            let (mut change, of_mean) = (quotient(g, &of_gradient), quotient(m, &of_mean));
            let w = &mut weights.slices[slice];
            drop(w.g_add_(&change));
            drop(w.g_add_(&of_mean));
            drop(change.g_add_(&of_mean));
            measure(weights, g, slice, &change, readout);
        }
    }

    fn states(&mut self) -> Vec<&mut Weights> {
        self.moments.states()
    }

    fn gather(&mut self, kept: &Kept) {
        let Nadam { lanes, moments } = self;
        kept.values(lanes);
        moments.gather(kept);
    }
}
