//! Stochastic gradient descent, as `torch.optim.SGD`: the direction of an update is the gradient.
//! With momentum, it is the sum of all gradients so far, each multiplied with the momentum once
//! more for every step that it is old.

use super::rule::{Kept, PerLane, UpdateRule};
use crate::weights::Weights;
use tch::Tensor;

/// The state of SGD and its hyperparameters.
pub struct Sgd {
    momentum: Option<Momentum>,
}

struct Momentum {
    momentum: Tensor,
    /// The momentum as the `alpha` of an addition. None unless the momentum is Nesterov's.
    nesterov: Option<Tensor>,
    buffer: Weights,
}

impl Sgd {
    /// `momentum` and `nesterov` say what the shape has. The state has the layout of `weights`.
    pub fn new(lanes: &PerLane, momentum: bool, nesterov: bool, weights: &Weights) -> Sgd {
        let momentum = momentum.then(|| Momentum {
            momentum: lanes.factor("momentum"),
            nesterov: nesterov.then(|| lanes.alpha("momentum")),
            buffer: weights.zeros_like(),
        });
        Sgd { momentum }
    }
}

impl UpdateRule for Sgd {
    fn is_plain(&self) -> bool {
        self.momentum.is_none()
    }

    fn direct(&mut self, gradients: &mut Weights) -> bool {
        let Some(Momentum { momentum, nesterov, buffer }) = &mut self.momentum else { return true };
        for (b, g) in buffer.slices.iter_mut().zip(&mut gradients.slices) {
            drop(b.g_mul_(momentum));
            drop(b.g_add_(g));
            match nesterov {
                Some(alpha) => drop(g.addcmul_(b, alpha)),
                None => g.copy_(b),
            }
        }
        true
    }

    fn states(&mut self) -> Vec<&mut Weights> {
        self.momentum.iter_mut().map(|momentum| &mut momentum.buffer).collect()
    }

    fn gather(&mut self, kept: &Kept) {
        let Some(Momentum { momentum, nesterov, buffer }) = &mut self.momentum else { return };
        kept.tensor(momentum);
        nesterov.iter_mut().for_each(|nesterov| kept.tensor(nesterov));
        kept.weights(buffer);
    }
}
