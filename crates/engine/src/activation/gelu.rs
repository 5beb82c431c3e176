//! phi(h) = h Phi(h), where Phi is the normal distribution function: the exact form of
//! `torch.nn.GELU`.

use super::function::ActivationFunction;
use tch::Tensor;

/// The exact Gaussian error linear unit.
pub struct Gelu;

impl ActivationFunction for Gelu {
    fn is_in_place(&self) -> bool {
        false
    }

    fn has_tail(&self) -> bool {
        true
    }

    fn differentiable(&self, x: Tensor) -> Tensor {
        x.gelu("none")
    }

    fn forward(&self, input: &Tensor, output: &Tensor) {
        drop(input.gelu_out(output, "none"));
    }

    fn backward(&self, input: &Tensor, _output: &Tensor, signal: &Tensor) {
        drop(input.gelu_backward_grad_input(signal, signal, "none"));
    }
}
