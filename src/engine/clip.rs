//! Gradient clipping, as `torch.nn.utils.clip_grad_norm_` and `clip_grad_value_` do it: also for norms that are NaN or infinite.

use super::data::per_lane;
use super::kind;
use super::readout::{Norm, round};
use super::weights::{Weights, host};
use crate::trial::{Clip, Dtype};

/// What a lane's gradient is multiplied with: min(1, threshold / (norm + 1e-6)), computed in the training dtype. NaN for a NaN norm (then
/// every gradient becomes NaN), 0 for an infinite one. Exactly 1 without clipping.
pub fn coefficient(clip: Clip, norm: Norm, dtype: Dtype) -> f64 {
    let Clip::Norm(threshold) = clip else { return 1.0 };
    let coefficient = match dtype {
        Dtype::Float32 => f64::from(threshold as f32 / (norm.in_dtype as f32 + 1e-6)),
        Dtype::Float64 => threshold / (norm.in_dtype + 1e-6),
        Dtype::Bfloat16 | Dtype::Float16 => {
            let rounded = |x: f64| round(x, kind(dtype));
            rounded(threshold / rounded(norm.in_dtype + 1e-6))
        }
    };
    // `min` would drop a NaN.
    if coefficient > 1.0 { 1.0 } else { coefficient }
}

/// The largest magnitude among each lane's gradients; NaN if one is NaN.
pub fn largest(gradients: &Weights) -> Vec<f64> {
    let lanes = gradients.lanes as usize;
    let mut largest = vec![0.0f64; lanes];
    for flat in &gradients.flat {
        for (i, value) in host(&flat.abs().amax([1i64].as_slice(), false)).into_iter().enumerate() {
            let lane = &mut largest[i % lanes];
            if value.is_nan() || value > *lane {
                *lane = value;
            }
        }
    }
    largest
}

/// Clamps each lane's gradients to +-threshold, in place; infinite thresholds change nothing.
pub fn clamp(gradients: &mut Weights, thresholds: &[f64]) {
    let kind = gradients.groups[0].kind();
    let (low, high) = (per_lane(&thresholds.iter().map(|t| -t).collect::<Vec<_>>(), kind), per_lane(thresholds, kind));
    for g in &mut gradients.groups {
        drop(g.clamp_tensor_(Some(&low), Some(&high)));
    }
}
