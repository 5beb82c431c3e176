//! Clipping by value, as `torch.nn.utils.clip_grad_value_` does it.

use crate::data::per_lane;
use crate::dtype::{kind, round};
use crate::weights::{Weights, host};
use blowup_core::trial::Dtype;

/// Whether clipping changes any of the gradients whose largest magnitude is `largest`. The
/// threshold counts as the gradients' dtype holds it.
pub fn exceeds(largest: f64, threshold: f64, dtype: Dtype) -> bool {
    largest > round(threshold, kind(dtype))
}

/// Returns the largest magnitude among each lane's gradients, pad lanes included. A NaN has none,
/// and stays a NaN when the other gradients are clamped.
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

/// Clamps each lane's gradients to [-threshold, threshold], in place. An infinite threshold changes
/// nothing.
pub fn clamp(gradients: &mut Weights, thresholds: &[f64]) {
    let kind = gradients.groups[0].kind();
    let (low, high) = (per_lane(&thresholds.iter().map(|t| -t).collect::<Vec<_>>(), kind), per_lane(thresholds, kind));
    for g in &mut gradients.groups {
        drop(g.clamp_tensor_(Some(&low), Some(&high)));
    }
}
