//! The activation functions, each in a file of its own.
//!
//! To add one, give `trial::Activation` a variant, write a file here, and name it in `of`.

mod function;
mod gelu;
mod leaky_relu;
mod linear;
mod relu;
mod selu;
mod sigmoid;
mod silu;
mod tanh;

use blowup_core::trial::Activation;
pub use function::ActivationFunction;

/// Returns the function that `activation` names.
///
/// Every variant is taken apart completely, so the compiler asks for each of its numbers.
pub fn of(activation: Activation) -> Box<dyn ActivationFunction> {
    match activation {
        Activation::Linear => Box::new(linear::Linear),
        Activation::Relu => Box::new(relu::Relu),
        Activation::LeakyRelu { negative_slope } => Box::new(leaky_relu::LeakyRelu { negative_slope }),
        Activation::Tanh => Box::new(tanh::Tanh),
        Activation::Sigmoid => Box::new(sigmoid::Sigmoid),
        Activation::Gelu => Box::new(gelu::Gelu),
        Activation::Selu => Box::new(selu::Selu),
        Activation::Silu => Box::new(silu::Silu),
    }
}
