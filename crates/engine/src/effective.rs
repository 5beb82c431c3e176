//! The matrices that a network multiplies with: the weights themselves, or, in another parametrization than the standard one, the weights
//! times a factor of their layer (Jacot 2018; Mei 2018). Gradients are those of the weights.

use super::weights::{ParameterGroup, Role, Weights};
use blowup_core::trial::{Parametrization, Shape};

pub struct Effective {
    /// None in the standard parametrization.
    scaled: Option<(Weights, Vec<f64>)>,
}

impl Effective {
    pub fn new(shape: &Shape, weights: &Weights) -> Effective {
        let output = shape.network.depth();
        let factors = || weights.layout.iter().map(|group| factor(shape.parametrization, group, output)).collect();
        let standard = shape.parametrization == Parametrization::Standard;
        Effective { scaled: (!standard).then(|| (weights.zeros_like(), factors())) }
    }

    /// What a pass is to be run with.
    pub fn of<'a>(&'a mut self, weights: &'a Weights) -> &'a Weights {
        let Some((scaled, factors)) = &mut self.scaled else { return weights };
        for ((to, from), factor) in scaled.groups.iter().zip(&weights.groups).zip(factors.iter()) {
            drop(from.mul_scalar_out(to, *factor));
        }
        scaled
    }

    /// From the gradients by the matrices to those by the weights, in place.
    pub fn pull_back(&self, gradients: &mut Weights) {
        let Some((_, factors)) = &self.scaled else { return };
        for (gradient, factor) in gradients.groups.iter_mut().zip(factors).filter(|(_, factor)| **factor != 1.0) {
            drop(gradient.g_mul_scalar_(*factor));
        }
    }
}

/// What the product with a parameter of this group is multiplied with; biases and norms keep 1.
pub fn factor(parametrization: Parametrization, group: &ParameterGroup, output: usize) -> f64 {
    let fan_in = group.rows as f64;
    match (group.role, parametrization) {
        (Role::Bias | Role::RecurrentBias | Role::Scale | Role::Shift, _) | (_, Parametrization::Standard) => 1.0,
        (Role::Weight, Parametrization::MeanField) if group.first_layer == output => 1.0 / fan_in,
        (Role::Weight | Role::Recurrent, Parametrization::Ntk | Parametrization::MeanField) => 1.0 / fan_in.sqrt(),
    }
}
