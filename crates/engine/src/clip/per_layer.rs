//! Clipping each parameter tensor alone, as `torch.nn.utils.clip_grad_norm_` does it with that
//! tensor as its only parameter.

use super::{tensor_norm, times};
use tch::Tensor;

/// Returns the factors `[layers, lane, 1, 1]` of gradients `[layers, lane, rows, cols]`:
/// min(1, threshold / (norm + 1e-6)), where a NaN norm gives NaN and an infinite one 0.
///
/// `threshold` is `[1, lane, 1, 1]`. A number is divided by a tensor as in [`super::norm`].
pub fn factors(gradient: &Tensor, threshold: &Tensor) -> Tensor {
    times(&(tensor_norm(gradient) + 1e-6).reciprocal(), threshold).clamp_max(1.0)
}
