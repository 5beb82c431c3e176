//! Update clipping, as StableAdamW has it (Wortsman et al. 2023, "Stable and low-precision training
//! for large-scale vision-language models", arXiv 2304.13013, algorithm 2), from AdaFactor (Shazeer
//! and Stern 2018, arXiv 1804.04235): where the gradients of a parameter tensor are larger than
//! their mean of squares says, its learning rate is divided by how much larger they are.

use super::lower;
use crate::data::per_lane;
use crate::dtype::inner;
use tch::{Kind, Tensor};

/// The thresholds of all lanes, and what the last update did.
pub struct UpdateLimit {
    /// `[1, lane, 1, 1]`.
    pub threshold: Tensor,
    /// Each lane's smallest factor of a learning rate in this update.
    pub smallest: Vec<f64>,
}

impl UpdateLimit {
    /// `thresholds` has a number for each lane, pad lanes included.
    pub fn new(thresholds: &[f64], kind: Kind) -> UpdateLimit {
        UpdateLimit { threshold: per_lane(thresholds, kind), smallest: vec![1.0; thresholds.len()] }
    }

    /// To be called at the begin of an update.
    pub fn begin(&mut self) {
        self.smallest.fill(1.0);
    }

    /// Returns the factors `[layers, lane, 1, 1]` of the learning rates of some layers:
    /// 1 / max(1, RMS / threshold), where RMS is the root mean square of the gradient divided by
    /// max(root, eps). `gradient` and `root`, the root of the corrected mean of squares, are
    /// `[layers, lane, rows, cols]`, and `eps` is `[1, lane, 1, 1]`.
    pub fn factors(&mut self, gradient: &Tensor, root: &Tensor, eps: &Tensor) -> Tensor {
        let wide = |tensor: &Tensor| tensor.to_kind(inner(tensor.kind()));
        let quotient = wide(gradient) / wide(root).maximum(&wide(eps));
        let mean = quotient.flatten(2, 3).square().mean_dim([-1i64].as_slice(), true, None::<Kind>);
        let factors = (mean.sqrt().unsqueeze(-1) / &self.threshold).clamp_min(1.0).reciprocal();
        lower(&mut self.smallest, &factors);
        factors
    }
}
