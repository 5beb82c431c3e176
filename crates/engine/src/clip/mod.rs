//! Gradient clipping. Each rule has a file of its own.
//!
//! To add one, give `trial::Clip` a variant and write a file here; the functions below ask for it.

pub mod norm;
pub mod value;

use super::readout::GlobalNorm;
use blowup_core::trial::{Clip, Dtype};

/// Returns what a lane's gradient is multiplied with, which is exactly 1 where its norm is not
/// clipped.
pub fn coefficient(clip: Clip, norm: GlobalNorm, dtype: Dtype) -> f64 {
    match clip {
        Clip::Norm(threshold) => norm::coefficient(threshold, norm, dtype),
        Clip::None | Clip::Value(_) => 1.0,
    }
}

/// Returns the magnitude that a lane's gradients are clamped to, which is infinite where they are
/// not clipped by value.
pub fn bound(clip: Clip) -> f64 {
    match clip {
        Clip::Value(threshold) => threshold,
        Clip::None | Clip::Norm(_) => f64::INFINITY,
    }
}

/// Whether this step is clipped, given the result of `coefficient` and, where gradients are clipped
/// by value, their largest magnitude. Without a rule the answer is None.
pub fn is_clipped(clip: Clip, coefficient: f64, largest: Option<f64>, dtype: Dtype) -> Option<bool> {
    match clip {
        Clip::None => None,
        Clip::Norm(_) => Some(coefficient < 1.0),
        Clip::Value(threshold) => largest.map(|largest| value::exceeds(largest, threshold, dtype)),
    }
}
