//! Lion (Chen 2023, arXiv 2302.06675, algorithm 2): an update is the sign of a mean of the
//! gradients, in which this one has the share 1 - beta1. In the mean that is kept, it has the share
//! (1 - beta2). Weight decay is decoupled from the gradient.

use super::rule::{Kept, PerLane, UpdateRule};
use crate::dtype::inner;
use crate::weights::Weights;
use tch::Tensor;

/// The state of Lion and its hyperparameters.
pub struct Lion {
    rates: [Tensor; 4],
    mean: Weights,
}

impl Lion {
    /// The state has the layout of `weights`.
    pub fn new(lanes: &PerLane, weights: &Weights) -> Lion {
        let rates = [lanes.factor("beta1"), lanes.rest("beta1"), lanes.factor("beta2"), lanes.rest("beta2")];
        Lion { rates, mean: weights.zeros_like() }
    }
}

impl UpdateRule for Lion {
    fn direct(&mut self, gradients: &mut Weights) -> bool {
        let [beta1, one_minus_beta1, beta2, one_minus_beta2] = &self.rates;
        for (m, g) in self.mean.slices.iter_mut().zip(&mut gradients.slices) {
            let (mean, gradient) = (m.to_kind(inner(m.kind())), g.to_kind(inner(g.kind())));
            let direction = (&mean * beta1 + &gradient * one_minus_beta1).sign();
            // These may lie in the memory of `m` and `g`.
            m.copy_(&(mean * beta2 + gradient * one_minus_beta2));
            g.copy_(&direction);
        }
        true
    }

    fn states(&mut self) -> Vec<&mut Weights> {
        vec![&mut self.mean]
    }

    fn gather(&mut self, kept: &Kept) {
        let Lion { rates, mean } = self;
        rates.iter_mut().for_each(|rate| kept.tensor(rate));
        kept.weights(mean);
    }
}
