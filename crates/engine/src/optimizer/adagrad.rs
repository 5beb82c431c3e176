//! Adagrad, as `torch.optim.Adagrad`: an update is the gradient divided by the root of the sum of
//! all its squares so far.

use super::rule::{Division, Kept, PerLane, UpdateRule};
use crate::apply::divide;
use crate::weights::Weights;
use tch::Tensor;

/// The state of Adagrad and its hyperparameters.
pub struct Adagrad {
    lr_decay: Vec<f64>,
    eps: Tensor,
    sum: Weights,
}

impl Adagrad {
    /// The state has the layout of `weights`.
    pub fn new(lanes: &PerLane, weights: &Weights) -> Adagrad {
        let (mut sum, start) = (weights.zeros_like(), lanes.alpha("initial_accumulator_value"));
        sum.slices.iter_mut().for_each(|sum| drop(sum.g_add_(&start)));
        Adagrad { lr_decay: lanes.number("lr_decay"), eps: lanes.alpha("eps"), sum }
    }
}

impl UpdateRule for Adagrad {
    fn divide(&mut self, division: Division) {
        let before = |lane: usize| f64::from(division.steps[lane] - 1);
        let strides = division.strides(|lane| 1.0 + before(lane) * self.lr_decay[lane]);
        let Division { weights, gradients, readout, .. } = division;
        for (slice, (sum, g)) in self.sum.slices.iter_mut().zip(&mut gradients.slices).enumerate() {
            drop(sum.addcmul_(g, g));
            let mut denominator = sum.sqrt();
            drop(denominator.g_add_(&self.eps));
            let numerator = g.shallow_clone();
            divide(weights, g, slice, &numerator, &denominator, strides.of_slice(weights, slice), readout);
        }
    }

    fn states(&mut self) -> Vec<&mut Weights> {
        vec![&mut self.sum]
    }

    fn gather(&mut self, kept: &Kept) {
        let Adagrad { lr_decay, eps, sum } = self;
        kept.values(lr_decay);
        kept.tensor(eps);
        kept.weights(sum);
    }
}
