//! As `torch.optim.SGD`: the direction of an update is the gradient, or, with momentum, the sum of all gradients so far,
//! each further step ago multiplied once more with the momentum.

use super::{Kept, PerLane};
use crate::weights::Weights;
use blowup_core::trial::Lane;
use tch::Tensor;

pub struct Sgd {
    momentum: Option<Momentum>,
}

struct Momentum {
    momentum: Tensor,
    /// The momentum once more where it looks ahead, as the `alpha` of an addition.
    nesterov: Option<Tensor>,
    buffer: Weights,
}

impl Sgd {
    pub fn new(lanes: &PerLane, momentum: bool, nesterov: bool, weights: &Weights) -> Sgd {
        let of = |lane: &Lane| lane.optimizer.momentum().unwrap_or(0.0);
        let momentum = momentum.then(|| Momentum {
            momentum: lanes.factor(of),
            nesterov: nesterov.then(|| lanes.alpha(of)),
            buffer: weights.zeros_like(),
        });
        Sgd { momentum }
    }

    /// Whether the direction is the gradient itself.
    pub fn is_plain(&self) -> bool {
        self.momentum.is_none()
    }

    /// Turns gradients into the direction of the update, in place.
    pub fn direct(&mut self, gradients: &mut Weights) {
        let Some(Momentum { momentum, nesterov, buffer }) = &mut self.momentum else { return };
        for (b, g) in buffer.slices.iter_mut().zip(&mut gradients.slices) {
            drop(b.g_mul_(momentum));
            drop(b.g_add_(g));
            match nesterov {
                Some(alpha) => drop(g.addcmul_(b, alpha)),
                None => g.copy_(b),
            }
        }
    }

    pub fn gather(&mut self, kept: &Kept) {
        let Some(Momentum { momentum, nesterov, buffer }) = &mut self.momentum else { return };
        kept.tensor(momentum);
        nesterov.iter_mut().for_each(|nesterov| kept.tensor(nesterov));
        kept.weights(buffer);
    }
}
