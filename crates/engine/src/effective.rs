//! The matrices that a network multiplies with. In the standard parametrization they are the
//! weights themselves; in another one they are the weights times a factor of their layer (Jacot
//! 2018; Mei 2018; Yang and Hu 2021). Gradients are always those of the weights.

use super::mup::Mup;
use super::weights::{ParameterGroup, Role, Weights};
use blowup_core::trial::{Parametrization, Shape};

/// The matrices of a cohort under its parametrization.
pub struct Effective {
    /// The matrices and the factor of each group. A group whose factor is 1 lies in the memory of
    /// the weights. None if all factors are 1.
    scaled: Option<(Weights, Vec<f64>)>,
}

impl Effective {
    /// Makes memory for the matrices of `weights`, whose values are scaled by `of` later.
    pub fn new(shape: &Shape, weights: &Weights) -> Effective {
        let factors: Vec<f64> = weights.layout.iter().map(|group| factor(shape, group)).collect();
        if factors.iter().all(|factor| *factor == 1.0) {
            return Effective { scaled: None };
        }
        let matrices = weights.groups.iter().zip(&factors);
        let matrices = matrices.map(|(w, factor)| if *factor == 1.0 { w.shallow_clone() } else { w.zeros_like() });
        let matrices = Weights::of(&weights.layout, matrices.collect());
        Effective { scaled: Some((matrices, factors)) }
    }

    /// Returns the matrices to run a pass with. `weights` are those that `new` was given, whatever
    /// their values are now.
    pub fn of<'a>(&'a mut self, weights: &'a Weights) -> &'a Weights {
        let Some((scaled, factors)) = &mut self.scaled else { return weights };
        for ((to, from), factor) in scaled.groups.iter().zip(&weights.groups).zip(factors.iter()) {
            if *factor != 1.0 {
                drop(from.mul_scalar_out(to, *factor));
            } else {
                assert_eq!(to.data_ptr(), from.data_ptr(), "other weights than `new` was given");
            }
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
pub fn factor(shape: &Shape, group: &ParameterGroup) -> f64 {
    let fan_in = group.rows as f64;
    match (group.role, shape.parametrization) {
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
        (Role::Weight | Role::Recurrent | Role::Position, Parametrization::Mup { .. }) => {
            Mup::of(shape).map_or(1.0, |mup| mup.multiplier(group))
        }
        (Role::Weight, Parametrization::MeanField) if group.is_output => 1.0 / fan_in,
        (Role::Weight | Role::Recurrent | Role::Position, Parametrization::Ntk | Parametrization::MeanField) => {
            1.0 / fan_in.sqrt()
        }
    }
}
