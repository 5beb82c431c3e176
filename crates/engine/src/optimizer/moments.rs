//! The two means that Adam and its kin keep: of the gradients and of their squares.

use super::rule::{Kept, PerLane};
use crate::apply::{add_square, add_to_mean};
use crate::weights::Weights;
use tch::Tensor;

/// The means of all lanes, both 0 at the start, and the numbers they go by, as tensors
/// `[1, lane, 1, 1]`.
pub struct Moments {
    pub mean: Weights,
    pub square: Weights,
    /// What is added to the root of the second mean.
    pub eps: Tensor,
    one_minus_beta1: Tensor,
    beta2: Tensor,
    one_minus_beta2: Tensor,
}

impl Moments {
    /// The means have the layout of `weights`.
    pub fn new(lanes: &PerLane, weights: &Weights) -> Moments {
        Moments {
            mean: weights.zeros_like(),
            square: weights.zeros_like(),
            eps: lanes.alpha("eps"),
            one_minus_beta1: lanes.rest("beta1"),
            beta2: lanes.factor("beta2"),
            one_minus_beta2: lanes.rest("beta2"),
        }
    }

    /// Takes the gradient of one slice into both means.
    pub fn take(&mut self, slice: usize, gradient: &Tensor) {
        add_to_mean(&mut self.mean.slices[slice], gradient, &self.one_minus_beta1);
        add_square(&mut self.square.slices[slice], gradient, &self.beta2, &self.one_minus_beta2);
    }

    /// The means of one slice.
    pub fn of(&self, slice: usize) -> (&Tensor, &Tensor) {
        (&self.mean.slices[slice], &self.square.slices[slice])
    }

    /// Both means, which an update changes.
    pub fn states(&mut self) -> Vec<&mut Weights> {
        vec![&mut self.mean, &mut self.square]
    }

    /// Keeps the lanes of `kept`, in its order.
    pub fn gather(&mut self, kept: &Kept) {
        let Moments { mean, square, eps, one_minus_beta1, beta2, one_minus_beta2 } = self;
        [mean, square].into_iter().for_each(|state| kept.weights(state));
        [eps, one_minus_beta1, beta2, one_minus_beta2].into_iter().for_each(|rate| kept.tensor(rate));
    }
}
