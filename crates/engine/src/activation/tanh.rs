//! phi(h) = tanh(h), as `torch.nn.Tanh`.

use super::function::ActivationFunction;
use tch::Tensor;

/// The hyperbolic tangent.
pub struct Tanh;

impl ActivationFunction for Tanh {
    fn is_in_place(&self) -> bool {
        true
    }

    fn has_tail(&self) -> bool {
        false
    }

    fn differentiable(&self, x: Tensor) -> Tensor {
        x.tanh()
    }

    fn forward(&self, _input: &Tensor, output: &Tensor) {
        drop(output.shallow_clone().tanh_());
    }

    fn saturated(&self, output: &Tensor) -> Option<Tensor> {
        Some(output.abs().gt(0.99))
    }

    fn backward(&self, _input: &Tensor, output: &Tensor, signal: &Tensor) {
        drop(Tensor::tanh_backward_grad_input(signal, signal, output));
    }
}
