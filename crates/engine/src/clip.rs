//! Gradient clipping, as `torch.nn.utils.clip_grad_norm_` and `clip_grad_value_` do it: also for norms that are NaN or infinite.

use super::data::per_lane;
use super::dtype::{kind, round};
use super::readout::Norm;
use super::weights::{Weights, host};
use blowup_core::trial::{Clip, Dtype};

/// What a lane's gradient is multiplied with: min(1, threshold / (norm + 1e-6)), computed in the training dtype, where PyTorch divides a number by a
/// tensor as the tensor's reciprocal times the number. NaN for a NaN norm (then every gradient becomes NaN), 0 for an infinite one. Exactly 1 without
/// clipping.
pub fn coefficient(clip: Clip, norm: Norm, dtype: Dtype) -> f64 {
    let Clip::Norm(threshold) = clip else { return 1.0 };
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

/// Whether clipping by value changes something of gradients whose largest magnitude is `largest`: the threshold as the gradients' dtype holds it.
pub fn exceeds(largest: f64, threshold: f64, dtype: Dtype) -> bool {
    largest > round(threshold, kind(dtype))
}

/// The largest magnitude among each lane's gradients. A NaN has none, and stays what it is when the others are clamped.
pub fn largest(gradients: &Weights) -> Vec<f64> {
    let lanes = gradients.lanes as usize;
    let mut largest = vec![0.0f64; lanes];
    for flat in &gradients.flat {
        let magnitude = flat.abs();
        let rows = host(&magnitude.amax([1i64].as_slice(), false));
        let rows = match rows.iter().any(|row| row.is_nan()) {
            false => rows,
            true => host(&magnitude.nan_to_num(0.0, f64::INFINITY, 0.0).amax([1i64].as_slice(), false)),
        };
        for (i, value) in rows.into_iter().enumerate() {
            let lane = &mut largest[i % lanes];
            *lane = lane.max(value);
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
