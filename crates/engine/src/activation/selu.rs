//! The scaled exponential linear unit (Klambauer 2017), as `torch.nn.SELU`.

use super::function::ActivationFunction;
use tch::Tensor;

/// SELU's constants, as libtorch holds them.
const ALPHA: f64 = 1.673_263_242_354_377_2;
const SCALE: f64 = 1.050_700_987_355_480_5;

/// The scaled exponential linear unit.
pub struct Selu;

impl ActivationFunction for Selu {
    fn is_in_place(&self) -> bool {
        true
    }

    fn has_tail(&self) -> bool {
        true
    }

    fn differentiable(&self, x: Tensor) -> Tensor {
        x.selu()
    }

    fn forward(&self, _input: &Tensor, output: &Tensor) {
        drop(output.shallow_clone().selu_());
    }

    fn backward(&self, _input: &Tensor, output: &Tensor, signal: &Tensor) {
        drop(Tensor::elu_backward_grad_input(signal, signal, ALPHA, SCALE, 1.0, true, output));
    }
}
