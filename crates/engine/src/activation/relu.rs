//! phi(h) = max(0, h), as `torch.nn.ReLU`.

use super::function::ActivationFunction;
use tch::Tensor;

/// The rectified linear unit.
pub struct Relu;

impl ActivationFunction for Relu {
    fn is_in_place(&self) -> bool {
        true
    }

    fn has_tail(&self) -> bool {
        false
    }

    fn differentiable(&self, x: Tensor) -> Tensor {
        x.relu()
    }

    fn forward(&self, _input: &Tensor, output: &Tensor) {
        drop(output.shallow_clone().relu_());
    }

    fn saturated(&self, output: &Tensor) -> Option<Tensor> {
        Some(output.eq(0.0))
    }

    fn backward(&self, _input: &Tensor, output: &Tensor, signal: &Tensor) {
        drop(output.threshold_backward_grad_input(signal, signal, 0.0));
    }
}
