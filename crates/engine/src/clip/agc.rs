//! Adaptive gradient clipping (Brock, De, Smith and Simonyan 2021, "High-Performance Large-Scale
//! Image Recognition Without Normalization", arXiv 2102.06171): the norm of each unit's gradient is
//! at most a multiple of the norm of its weights. Weights of a norm below 1e-3 count as that.
//!
//! A unit is a column of a matrix here, which is a row of PyTorch's: the weights of one output. A
//! vector, such as a bias, is one unit, as it is in timm's `adaptive_clip_grad`. The output layer
//! of a built-in net is left alone, as the paper has it; of a bundle nobody knows which parameters
//! those are, and all are clipped.

use super::{norm_over, tensor_norm, times};
use crate::weights::Role;
use tch::Tensor;

/// The smallest norm that a unit's weights count as.
const EPS: f64 = 1e-3;
/// The smallest norm that a unit's gradient is divided by.
const SMALLEST: f64 = 1e-6;

/// Returns the factors of gradients `[layers, lane, rows, cols]`, which broadcast over them: 1
/// where the norm of a unit's gradient is below `threshold` times that of its weights, and else the
/// quotient of the two, which is NaN for a NaN norm. `threshold` is `[1, lane, 1, 1]`.
pub fn factors(role: Role, weights: &Tensor, gradient: &Tensor, threshold: &Tensor) -> Tensor {
    let largest = times(&unit_norm(role, weights).clamp_min(EPS), threshold);
    let norm = unit_norm(role, gradient);
    let factors = &largest / norm.clamp_min(SMALLEST);
    factors.where_scalarother(&norm.lt_tensor(&largest).logical_not(), 1.0)
}

/// Returns the norm of each unit, in the place of its elements.
fn unit_norm(role: Role, values: &Tensor) -> Tensor {
    match role {
        Role::Weight | Role::Recurrent | Role::Position => norm_over(values, 2),
        Role::Own | Role::OwnMatrix => norm_over(values, 3),
        Role::Bias
        | Role::RecurrentBias
        | Role::QueryScale
        | Role::KeyScale
        | Role::Scale
        | Role::Shift
        | Role::ResidualWeight => tensor_norm(values),
    }
}
