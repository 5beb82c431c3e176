//! RMSprop, as `torch.optim.RMSprop`: an update is the gradient divided by the root of the mean of
//! its squares. With momentum, it is the sum of all such quotients, each multiplied with the
//! momentum once more for every step that it is old.

use super::rule::{Division, Kept, PerLane, UpdateRule};
use crate::apply::{add_square, divide};
use crate::weights::Weights;
use tch::Tensor;

/// The state of RMSprop and its hyperparameters.
pub struct Rmsprop {
    rates: RmspropTensors,
    square: Weights,
    momentum: Option<(Tensor, Weights)>,
}

struct RmspropTensors {
    alpha: Tensor,
    one_minus_alpha: Tensor,
    eps: Tensor,
}

impl RmspropTensors {
    /// Updates the mean of squares with a gradient, and returns the number that the gradient is
    /// divided by.
    fn denominator(&self, square: &mut Tensor, gradient: &Tensor) -> Tensor {
        add_square(square, gradient, &self.alpha, &self.one_minus_alpha);
        let mut denominator = square.sqrt();
        drop(denominator.g_add_(&self.eps));
        denominator
    }
}

impl Rmsprop {
    /// `momentum` says whether the shape has momentum. The state has the layout of `weights`.
    pub fn new(lanes: &PerLane, momentum: bool, weights: &Weights) -> Rmsprop {
        Rmsprop {
            rates: RmspropTensors {
                alpha: lanes.factor("alpha"),
                one_minus_alpha: lanes.rest("alpha"),
                eps: lanes.alpha("eps"),
            },
            square: weights.zeros_like(),
            momentum: momentum.then(|| (lanes.factor("momentum"), weights.zeros_like())),
        }
    }
}

impl UpdateRule for Rmsprop {
    fn direct(&mut self, gradients: &mut Weights) -> bool {
        let Rmsprop { rates, square, momentum } = self;
        let Some((momentum, buffer)) = momentum else { return false };
        for ((b, v), g) in buffer.slices.iter_mut().zip(&mut square.slices).zip(&mut gradients.slices) {
            let denominator = rates.denominator(v, g);
            drop(b.g_mul_(momentum));
            drop(b.addcdiv_(g, &denominator));
            g.copy_(b);
        }
        true
    }

    fn divide(&mut self, division: Division) {
        let strides = division.strides(|_| 1.0);
        let Division { weights, gradients, readout, .. } = division;
        for (slice, (v, g)) in self.square.slices.iter_mut().zip(&mut gradients.slices).enumerate() {
            let (numerator, denominator) = (g.shallow_clone(), self.rates.denominator(v, g));
            divide(weights, g, slice, &numerator, &denominator, strides.of_slice(weights, slice), readout);
        }
    }

    fn states(&mut self) -> Vec<&mut Weights> {
        let momentum = self.momentum.as_mut().map(|(_, buffer)| buffer);
        std::iter::once(&mut self.square).chain(momentum).collect()
    }

    fn gather(&mut self, kept: &Kept) {
        let Rmsprop { rates: RmspropTensors { alpha, one_minus_alpha, eps }, square, momentum } = self;
        [alpha, one_minus_alpha, eps].into_iter().for_each(|rate| kept.tensor(rate));
        kept.weights(square);
        if let Some((momentum, buffer)) = momentum {
            kept.tensor(momentum);
            kept.weights(buffer);
        }
    }
}
