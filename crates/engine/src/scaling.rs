//! The scaling of losses. In 16 bits a gradient that is too small is 0; so the loss is multiplied
//! with a number before the backward pass, and the gradients are divided by it after they are
//! widened (Micikevicius et al. 2018, "Mixed Precision Training", arXiv 1710.03740).

use super::device::upload;
use super::weights::Weights;
use blowup_core::trial::LossScale;
use tch::Tensor;

/// The loss scale of a lane, step by step, as `torch.amp.GradScaler` keeps it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaler {
    kind: LossScale,
    /// In f32, as PyTorch has it.
    scale: f32,
    /// The steps in a row whose gradients were finite.
    good: u64,
}

impl Scaler {
    const GROWTH_FACTOR: f32 = 2.0;
    const BACKOFF_FACTOR: f32 = 0.5;

    /// The scaler before the first step.
    pub fn new(kind: LossScale) -> Scaler {
        Scaler { kind, scale: kind.first() as f32, good: 0 }
    }

    /// What the loss of this step is multiplied with.
    pub fn scale(self) -> f64 {
        f64::from(self.scale)
    }

    /// Whether the scale follows the gradients, so that a step whose gradients are not finite is
    /// skipped.
    pub fn is_dynamic(self) -> bool {
        match self.kind {
            LossScale::Fixed(_) => false,
            LossScale::Dynamic { .. } => true,
        }
    }

    /// Whether gradients that are not finite may be finite at a smaller scale that still is a
    /// scale. At a scale of 1 or less, it is not the scaling that made them so.
    pub fn is_to_blame(self) -> bool {
        self.is_dynamic() && self.scale > 1.0
    }

    /// Takes note of a step and whether its gradients were finite.
    pub fn update(&mut self, finite: bool) {
        let LossScale::Dynamic { growth_interval } = self.kind else { return };
        if !finite {
            (self.scale, self.good) = (self.scale * Scaler::BACKOFF_FACTOR, 0);
            return;
        }
        self.good += 1;
        if self.good == growth_interval {
            let larger = self.scale * Scaler::GROWTH_FACTOR;
            (self.scale, self.good) = (if larger.is_finite() { larger } else { self.scale }, 0);
        }
    }
}

/// What the losses of a pass are multiplied with: a factor for each lane, pad lanes included.
#[derive(Debug)]
pub struct Factors {
    /// `[lane, 1, 1]`.
    pub factors: Tensor,
    /// 1 over each factor, `[1, lane, 1, 1]`.
    inverse: Tensor,
    /// The same on the host.
    inverses: Vec<f64>,
}

impl Factors {
    pub fn new(factors: &[f64]) -> Factors {
        let inverses: Vec<f64> = factors.iter().map(|factor| f64::from((1.0 / factor) as f32)).collect();
        let single = |values: &[f64]| upload(Tensor::from_slice(&values.iter().map(|&x| x as f32).collect::<Vec<_>>()));
        let lanes = factors.len() as i64;
        Factors {
            factors: single(factors).view([lanes, 1, 1]),
            inverse: single(&inverses).view([1, lanes, 1, 1]),
            inverses,
        }
    }

    /// The factors of these lanes, in that order.
    pub fn gather(&self, index: &Tensor, lanes: &[usize]) -> Factors {
        Factors {
            factors: self.factors.index_select(0, index),
            inverse: self.inverse.index_select(1, index),
            inverses: lanes.iter().map(|&lane| self.inverses[lane]).collect(),
        }
    }

    /// Divides gradients by the factors, in place.
    pub fn divide(&self, gradients: &mut Weights) {
        gradients.groups.iter_mut().for_each(|gradient| drop(gradient.g_mul_(&self.inverse)));
    }

    /// 1 over the factor of each lane.
    pub fn inverses(&self) -> &[f64] {
        &self.inverses
    }
}
