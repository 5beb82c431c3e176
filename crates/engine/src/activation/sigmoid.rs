//! phi(h) = 1 / (1 + exp(-h)), as `torch.nn.Sigmoid`.

use super::function::ActivationFunction;
use tch::Tensor;

/// The logistic function.
pub struct Sigmoid;

impl ActivationFunction for Sigmoid {
    fn is_in_place(&self) -> bool {
        true
    }

    fn has_tail(&self) -> bool {
        true
    }

    fn differentiable(&self, x: Tensor) -> Tensor {
        x.sigmoid()
    }

    fn forward(&self, _input: &Tensor, output: &Tensor) {
        drop(output.shallow_clone().sigmoid_());
    }

    fn saturated(&self, output: &Tensor) -> Option<Tensor> {
        // The same as |tanh(h / 2)| > 0.99.
        Some((output * 2.0 - 1.0).abs().gt(0.99))
    }

    fn backward(&self, _input: &Tensor, output: &Tensor, signal: &Tensor) {
        drop(Tensor::sigmoid_backward_grad_input(signal, signal, output));
    }
}
