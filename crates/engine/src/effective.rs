//! The matrices that a network multiplies with. In the standard parametrization they are the
//! weights themselves; in another one they are the weights times a factor of their layer (Jacot
//! 2018; Mei 2018). Gradients are always those of the weights.

use super::weights::{ParameterGroup, Role, Weights};
use blowup_core::trial::{Parametrization, Shape};

/// The matrices of a cohort under its parametrization.
pub struct Effective {
    /// The scaled weights and the factor of each group. None in the standard parametrization.
    scaled: Option<(Weights, Vec<f64>)>,
}

impl Effective {
    /// Makes memory for the matrices of `weights`, whose values are scaled by `of` later.
    pub fn new(shape: &Shape, weights: &Weights) -> Effective {
        let factors = || weights.layout.iter().map(|group| factor(shape.parametrization, group)).collect();
        let standard = shape.parametrization == Parametrization::Standard;
        Effective { scaled: (!standard).then(|| (weights.zeros_like(), factors())) }
    }

    /// Returns the matrices to run a pass with.
    pub fn of<'a>(&'a mut self, weights: &'a Weights) -> &'a Weights {
        let Some((scaled, factors)) = &mut self.scaled else { return weights };
        for ((to, from), factor) in scaled.groups.iter().zip(&weights.groups).zip(factors.iter()) {
            drop(from.mul_scalar_out(to, *factor));
        }
        scaled
    }

    /// Turns gradients with respect to the matrices into gradients with respect to the weights, in
    /// place.
    pub fn pull_back(&self, gradients: &mut Weights) {
        let Some((_, factors)) = &self.scaled else { return };
        for (gradient, factor) in gradients.groups.iter_mut().zip(factors).filter(|(_, factor)| **factor != 1.0) {
            drop(gradient.g_mul_scalar_(*factor));
        }
    }
}

/// Returns the factor of the matrices of `group`. The factor of biases and norms is 1.
pub fn factor(parametrization: Parametrization, group: &ParameterGroup) -> f64 {
    let fan_in = group.rows as f64;
    match (group.role, parametrization) {
        (
            Role::Bias
            | Role::RecurrentBias
            | Role::QueryScale
            | Role::KeyScale
            | Role::Scale
            | Role::Shift
            | Role::ResidualWeight
            | Role::Own
            | Role::OwnMatrix,
            _,
        )
        | (_, Parametrization::Standard) => 1.0,
        (Role::Weight, Parametrization::MeanField) if group.is_output => 1.0 / fan_in,
        (Role::Weight | Role::Recurrent | Role::Position, Parametrization::Ntk | Parametrization::MeanField) => {
            1.0 / fan_in.sqrt()
        }
    }
}
