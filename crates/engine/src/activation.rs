//! All that the engine knows of each activation: forward and backward with libtorch's own kernels, how those treat the end
//! of a tensor, which of the engine's own passes takes their place (`fused`), and the form that autograd differentiates.
//! To add one: an entry of `trial::Activation`, and an arm in each function here.

use super::fused::Fused;
use blowup_core::trial::Activation;
use tch::Tensor;

/// SELU's constants (Klambauer 2017), as in `torch.nn.SELU`.
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;
const SELU_SCALE: f64 = 1.050_700_987_355_480_5;

/// Whether the derivative is computed from the output, so that the input may be overwritten.
pub fn from_output(activation: Activation) -> bool {
    match activation {
        Activation::Linear | Activation::Relu | Activation::Tanh | Activation::Sigmoid | Activation::Selu => true,
        Activation::LeakyRelu { .. } | Activation::Gelu | Activation::Silu => false,
    }
}

/// Whether its kernel treats the last few elements of a whole tensor with scalar code that rounds differently: see
/// `lanes::pads`.
pub fn has_tail(activation: Activation) -> bool {
    match activation {
        Activation::Sigmoid | Activation::Silu | Activation::Gelu | Activation::Selu => true,
        Activation::Linear | Activation::Relu | Activation::LeakyRelu { .. } | Activation::Tanh => false,
    }
}

/// The engine's own pass, where it has one for f32 on a CPU.
pub fn fused(activation: Activation) -> Option<Fused> {
    match activation {
        Activation::Linear => Some(Fused::Linear),
        Activation::Relu => Some(Fused::Relu),
        Activation::Tanh => Some(Fused::Tanh),
        Activation::LeakyRelu { .. } | Activation::Sigmoid | Activation::Gelu | Activation::Selu | Activation::Silu => {
            None
        }
    }
}

/// phi(`x`), in operations that autograd can differentiate twice.
pub fn differentiable(activation: Activation, x: Tensor) -> Tensor {
    match activation {
        Activation::Linear => x,
        Activation::Relu => x.relu(),
        Activation::LeakyRelu { negative_slope } => x.relu() - (-x).relu() * negative_slope,
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => x.sigmoid(),
        Activation::Gelu => x.gelu("none"),
        Activation::Selu => x.selu(),
        Activation::Silu => x.silu(),
    }
}

/// Writes phi(`input`) to `output`; both are the same tensor where `from_output` holds.
pub fn forward(activation: Activation, input: &Tensor, output: &Tensor) {
    let mut output = output.shallow_clone();
    match activation {
        Activation::Linear => {}
        Activation::Relu => drop(output.relu_()),
        Activation::Tanh => drop(output.tanh_()),
        Activation::Sigmoid => drop(output.sigmoid_()),
        Activation::Selu => drop(output.selu_()),
        Activation::Gelu => drop(input.gelu_out(&output, "none")),
        Activation::Silu => drop(input.silu_out(&output)),
        Activation::LeakyRelu { negative_slope } => {
            // The binding's leaky_relu has no slope argument.
            drop(input.clamp_max_out(&output, 0.0));
            drop(output.g_mul_scalar_(negative_slope));
            drop(output.g_add_(&input.clamp_min(0.0)));
        }
    }
}

/// Turns `signal` from dLoss/dphi(input) into dLoss/dinput, in place. `input` is read only where `from_output` does not hold.
pub fn backward(activation: Activation, input: &Tensor, output: &Tensor, signal: &Tensor) {
    match activation {
        Activation::Linear => {}
        Activation::Relu => drop(output.threshold_backward_grad_input(signal, signal, 0.0)),
        Activation::Tanh => drop(Tensor::tanh_backward_grad_input(signal, signal, output)),
        Activation::Sigmoid => drop(Tensor::sigmoid_backward_grad_input(signal, signal, output)),
        Activation::Selu => {
            drop(Tensor::elu_backward_grad_input(signal, signal, SELU_ALPHA, SELU_SCALE, 1.0, true, output));
        }
        Activation::Gelu => drop(input.gelu_backward_grad_input(signal, signal, "none")),
        Activation::Silu => drop(input.silu_backward_grad_input(signal, signal)),
        Activation::LeakyRelu { negative_slope } => {
            drop(input.leaky_relu_backward_grad_input(signal, signal, negative_slope, false));
        }
    }
}
