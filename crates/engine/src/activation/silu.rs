//! phi(h) = h sigmoid(h), as `torch.nn.SiLU`.

use super::function::ActivationFunction;
use tch::Tensor;

/// The sigmoid linear unit.
pub struct Silu;

impl ActivationFunction for Silu {
    fn is_in_place(&self) -> bool {
        false
    }

    fn has_tail(&self) -> bool {
        true
    }

    fn differentiable(&self, x: Tensor) -> Tensor {
        x.silu()
    }

    fn forward(&self, input: &Tensor, output: &Tensor) {
        drop(input.silu_out(output));
    }

    fn backward(&self, input: &Tensor, _output: &Tensor, signal: &Tensor) {
        drop(input.silu_backward_grad_input(signal, signal));
    }
}
