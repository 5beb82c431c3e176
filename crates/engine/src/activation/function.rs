//! What the engine must know of an activation function.

use tch::Tensor;

/// An activation function phi, with its numbers, in libtorch's own kernels.
///
/// Tensors have any shape; phi is applied to every element. For f32 on a CPU the passes of
/// `Activation::fused`, where there are any, replace `forward` and `backward`.
pub trait ActivationFunction {
    /// Whether the derivative is computed from phi's output. If so, the output may overwrite the
    /// input.
    fn is_in_place(&self) -> bool;

    /// Whether libtorch's kernel treats the last few elements of a tensor with scalar code that
    /// rounds differently. See [`pads`](crate::lanes::pads).
    fn has_tail(&self) -> bool;

    /// Returns phi(`x`) in operations that autograd can differentiate twice.
    fn differentiable(&self, x: Tensor) -> Tensor;

    /// Writes phi(`input`) to `output`. Both are the same tensor where `is_in_place` holds.
    fn forward(&self, input: &Tensor, output: &Tensor);

    /// Where phi passes no signal on, given its output: its derivative is 0 or, if it never is,
    /// below 2% of its largest. None of a function whose derivative nowhere is that small for good
    /// reason.
    fn saturated(&self, _output: &Tensor) -> Option<Tensor> {
        None
    }

    /// Turns `signal` from dLoss/dphi(input) into dLoss/dinput, in place. Only one of `input` and
    /// `output` may be read: `output` where `is_in_place` holds, else `input`.
    fn backward(&self, input: &Tensor, output: &Tensor, signal: &Tensor);
}
