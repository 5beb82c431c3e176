//! The identity, phi(h) = h.

use super::function::ActivationFunction;
use tch::Tensor;

/// No activation: a linear layer.
pub struct Linear;

impl ActivationFunction for Linear {
    fn is_in_place(&self) -> bool {
        true
    }

    fn has_tail(&self) -> bool {
        false
    }

    fn differentiable(&self, x: Tensor) -> Tensor {
        x
    }

    fn forward(&self, _input: &Tensor, _output: &Tensor) {}

    fn backward(&self, _input: &Tensor, _output: &Tensor, _signal: &Tensor) {}
}
