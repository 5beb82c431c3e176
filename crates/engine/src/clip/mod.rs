//! Gradient clipping. Each rule has a file of its own.
//!
//! A rule of `Clipping::Whole` multiplies a lane's whole gradient with one number, which
//! [`coefficient`] gives. The others are applied by [`value::clamp`], [`rescale`] and
//! [`update::UpdateLimit`]. To add one, name it in `trial::Clip` and write a file here; the
//! functions below ask for it.

pub mod agc;
pub mod autoclip;
pub mod norm;
pub mod per_layer;
pub mod update;
pub mod value;
pub mod zclip;

use super::data::per_lane;
use super::dtype::{inner, round};
use super::readout::GlobalNorm;
use super::weights::{Weights, host};
use blowup_core::trial::{Clip, Clipping, Dtype};
use tch::{Kind, Tensor};

/// What a rule remembers of the steps of one trial.
#[derive(Debug, Clone)]
pub enum Memory {
    Nothing,
    Norms(autoclip::Norms),
    Running(zclip::Running),
}

impl Memory {
    /// The memory of a rule before the first step.
    pub fn new(clip: Clip) -> Memory {
        match clip {
            Clip::Autoclip(_) => Memory::Norms(autoclip::Norms::default()),
            Clip::Zclip(_) => Memory::Running(zclip::Running::default()),
            Clip::None | Clip::Norm(_) | Clip::Value(_) | Clip::PerLayer(_) | Clip::Agc(_) | Clip::Update(_) => {
                Memory::Nothing
            }
        }
    }
}

/// Returns what a lane's gradient is multiplied with, which is exactly 1 where its norm is not
/// clipped. The memory takes note of the norm.
pub fn coefficient(clip: Clip, memory: &mut Memory, norm: GlobalNorm, dtype: Dtype) -> f64 {
    match (clip, memory) {
        (Clip::Norm(threshold), _) => norm::coefficient(threshold, norm, dtype),
        (Clip::Autoclip(percentile), Memory::Norms(norms)) => {
            norm::coefficient(norms.threshold(percentile, norm.in_dtype), norm, dtype)
        }
        (Clip::Zclip(z), Memory::Running(running)) => {
            running.threshold(z, norm.in_dtype).map_or(1.0, |threshold| norm::coefficient(threshold, norm, dtype))
        }
        (Clip::Autoclip(_) | Clip::Zclip(_), _) => unreachable!("the memory is that of the rule"),
        (Clip::None | Clip::Value(_) | Clip::PerLayer(_) | Clip::Agc(_) | Clip::Update(_), _) => 1.0,
    }
}

/// Returns the magnitude that a lane's gradients are clamped to, which is infinite where they are
/// not clipped by value.
pub fn bound(clip: Clip) -> f64 {
    match clip {
        Clip::Value(threshold) => threshold,
        Clip::None
        | Clip::Norm(_)
        | Clip::PerLayer(_)
        | Clip::Agc(_)
        | Clip::Autoclip(_)
        | Clip::Zclip(_)
        | Clip::Update(_) => f64::INFINITY,
    }
}

/// Returns the smallest number that this step multiplies an element of the gradient with, given the
/// result of `coefficient` and, where gradients are clipped by value, their largest magnitude. It
/// is 1 where nothing is clipped, and so far also where only the update tells. Without a rule there
/// is none.
pub fn smallest(clip: Clip, coefficient: f64, largest: Option<f64>, dtype: Dtype) -> Option<f64> {
    match clip {
        Clip::None => None,
        Clip::Norm(_) | Clip::Autoclip(_) | Clip::Zclip(_) => Some(coefficient),
        Clip::Value(threshold) => largest.map(|largest| match value::exceeds(largest, threshold, dtype) {
            true => round(threshold, super::dtype::kind(dtype)) / largest,
            false => 1.0,
        }),
        Clip::PerLayer(_) | Clip::Agc(_) | Clip::Update(_) => Some(1.0),
    }
}

/// Multiplies the gradients, in place, with the factors of a rule that has one for each parameter
/// tensor or unit. `thresholds` has a number for each lane, pad lanes included.
///
/// Returns each lane's smallest factor.
///
/// # Panics
/// If the rule has no such factors.
pub fn rescale(clipping: Clipping, thresholds: &[f64], weights: &Weights, gradients: &mut Weights) -> Vec<f64> {
    let threshold = per_lane(thresholds, gradients.groups[0].kind());
    let mut least = vec![1.0; thresholds.len()];
    for (at, group) in gradients.layout.iter().enumerate() {
        let gradient = &gradients.groups[at];
        let factors = match clipping {
            Clipping::Tensors => per_layer::factors(gradient, &threshold),
            Clipping::Units if weights.layout[at].is_output => continue,
            Clipping::Units => agc::factors(group.role, &weights.groups[at], gradient, &threshold),
            Clipping::Whole | Clipping::Elements | Clipping::Rates => unreachable!("these have no factors by tensor"),
        };
        lower(&mut least, &factors);
        drop(gradients.groups[at].g_mul_(&factors));
    }
    least
}

/// Lowers each lane's number to the smallest of its factors `[layers, lane, rows, cols]`. A NaN
/// stays.
fn lower(least: &mut [f64], factors: &Tensor) {
    for (least, factor) in least.iter_mut().zip(host(&factors.amin([0i64, 2, 3].as_slice(), false))) {
        if factor < *least || factor.is_nan() {
            *least = factor;
        }
    }
}

/// Returns the L2 norm over the last two dimensions of `[layers, lane, rows, cols]`, which stay
/// with size 1, as the dtype holds it.
fn tensor_norm(values: &Tensor) -> Tensor {
    norm_over(&values.flatten(2, 3), -1).unsqueeze(-1)
}

/// Returns the L2 norm over one dimension, which stays with size 1. 16-bit numbers are widened
/// first, as in `Readout`.
fn norm_over(values: &Tensor, dim: i64) -> Tensor {
    let wide = values.to_kind(inner(values.kind()));
    wide.norm_scalaropt_dim(2.0, [dim].as_slice(), true).to_kind(values.kind())
}

/// Computes a product with numbers of the lanes, which are wider than 16 bits, in the dtype of
/// `values`.
fn times(values: &Tensor, per_lane: &Tensor) -> Tensor {
    let kind: Kind = values.kind();
    (values.to_kind(inner(kind)) * per_lane).to_kind(kind)
}
