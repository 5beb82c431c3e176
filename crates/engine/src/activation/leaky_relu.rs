//! phi(h) = max(0, h) + negative_slope min(0, h), as `torch.nn.LeakyReLU`.

use super::function::ActivationFunction;
use tch::Tensor;

/// The leaky rectified linear unit.
pub struct LeakyRelu {
    /// The derivative of phi below 0.
    pub negative_slope: f64,
}

impl ActivationFunction for LeakyRelu {
    fn is_in_place(&self) -> bool {
        false
    }

    fn has_tail(&self) -> bool {
        false
    }

    fn differentiable(&self, x: Tensor) -> Tensor {
        x.relu() - (-x).relu() * self.negative_slope
    }

    fn forward(&self, input: &Tensor, output: &Tensor) {
        // The binding's leaky_relu takes no slope, so phi is composed of its two halves.
        let mut output = output.shallow_clone();
        drop(input.clamp_max_out(&output, 0.0));
        drop(output.g_mul_scalar_(self.negative_slope));
        drop(output.g_add_(&input.clamp_min(0.0)));
    }

    fn backward(&self, input: &Tensor, _output: &Tensor, signal: &Tensor) {
        drop(input.leaky_relu_backward_grad_input(signal, signal, self.negative_slope, false));
    }
}
