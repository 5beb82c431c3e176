//! Clipping by the global norm, as `torch.nn.utils.clip_grad_norm_` does it, also for norms that
//! are NaN or infinite.

use crate::dtype::{kind, round};
use crate::readout::GlobalNorm;
use blowup_core::trial::Dtype;

/// Returns the factor of a lane's gradient, min(1, threshold / (norm + 1e-6)). It is NaN for a NaN
/// norm, which makes every gradient NaN, and 0 for an infinite one.
///
/// It is computed in the training dtype, as PyTorch does it, which divides a number by a tensor as
/// the tensor's reciprocal times the number.
pub fn coefficient(threshold: f64, norm: GlobalNorm, dtype: Dtype) -> f64 {
    let coefficient = match dtype {
        Dtype::Float64 => 1.0 / (norm.in_dtype + 1e-6) * threshold,
        Dtype::Float32 | Dtype::Bfloat16 | Dtype::Float16 => {
            let rounded = |x: f32| round(f64::from(x), kind(dtype)) as f32;
            let reciprocal = rounded(1.0 / rounded(norm.in_dtype as f32 + rounded(1e-6)));
            f64::from(rounded(reciprocal * threshold as f32))
        }
    };
    // `min` would drop a NaN.
    if coefficient > 1.0 { 1.0 } else { coefficient }
}
