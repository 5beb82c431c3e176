//! Passes over f32 tensors on the CPU that do at once what libtorch does in several operations: a
//! bias with its activation, the derivative with the gradient of the bias, a softmax with the
//! entropy of its rows, and an update with the norm of its result; and the copies of the heads of
//! an attention, whose short rows libtorch copies slowly. Everything else (f64, 16 bits,
//! other activations, norms) is left to libtorch.
//!
//! Each element goes through the same operations in the same order wherever it stands and whichever
//! vectors the CPU has. Each sum is taken in 16 parts, whatever the width of the vectors. So the
//! bits depend on nothing else. All tensors are contiguous.

mod heads;
mod simd;
mod softmax;
mod tanh;
mod update;

use super::elements::{nothing, slices};
use super::matrix::Matrix;
pub use blowup_core::trial::Fused;
pub use heads::{SideBySide, merge_heads, split_heads};
use simd::PARTS;
pub(crate) use simd::vectorized;
pub use softmax::{softmax, softmax_backward};
pub use tanh::tanh;
pub use update::{AdamRates, AdamSlice, adam, add, exact_norms, norms};

/// Returns the place of the elements of a matrix.
///
/// # Panics
/// If the matrix is not contiguous, not f32, or on a GPU.
fn all(matrix: &Matrix) -> *mut [f32] {
    matrix.f32s().expect("a fused pass is for contiguous f32 matrices on the CPU")
}

/// Computes x = phi(x + b) in place, where x is `pre` `[lane, batch, width]` and b is `bias`
/// `[lane, 1, width]`.
pub fn forward(activation: Fused, pre: &Matrix, bias: Option<&Matrix>) {
    let (batch, width) = size(pre);
    if activation == Fused::Linear && bias.is_none() {
        return;
    }
    // SAFETY: the matrices are borrowed until the pass ends. The pass runs on this thread and calls
    // nothing of libtorch.
    let ([x], [b]) = unsafe { slices([all(pre)], [bias.map_or_else(nothing, all)]) };
    let bias = bias.map(|_| b);
    match activation {
        Fused::Linear => forward_linear(x, bias, batch, width),
        Fused::Relu => forward_relu(x, bias, batch, width),
        Fused::Tanh => forward_tanh(x, bias, batch, width),
    }
}

/// Turns `signal` from dLoss/dx into dLoss/dh, in place, where `output` is x = phi(h), both
/// `[lane, batch, width]`. It writes the sum of the result over the batch to `bias`, which is the
/// gradient `[lane, 1, width]` of the bias, or adds the sum to it where `add` is set.
pub fn backward(activation: Fused, output: &Matrix, signal: &Matrix, bias: Option<&Matrix>, add: bool) {
    let (batch, width) = size(signal);
    let places = [all(signal), bias.map_or_else(nothing, all)];
    // SAFETY: the matrices are borrowed until the pass ends. The pass runs on this thread and calls
    // nothing of libtorch.
    let ([signal, b], [output]) = unsafe { slices(places, [all(output)]) };
    let bias = bias.map(|_| b);
    match activation {
        Fused::Linear => backward_linear(output, signal, bias, add, batch, width),
        Fused::Relu => backward_relu(output, signal, bias, add, batch, width),
        Fused::Tanh => backward_tanh(output, signal, bias, add, batch, width),
    }
}

/// Returns the number of rows and of columns.
fn size(matrix: &Matrix) -> (usize, usize) {
    let view = matrix.strided().expect("a fused pass is for matrices on the CPU");
    (view.rows(), view.cols())
}

#[inline(always)]
fn forward_with(x: &mut [f32], bias: Option<&[f32]>, batch: usize, width: usize, phi: impl Fn(f32) -> f32) {
    match bias {
        None => x.iter_mut().for_each(|x| *x = phi(*x)),
        Some(bias) => {
            for (lane, bias) in x.chunks_exact_mut(batch * width).zip(bias.chunks_exact(width)) {
                for sample in lane.chunks_exact_mut(width) {
                    sample.iter_mut().zip(bias).for_each(|(x, b)| *x = phi(*x + b));
                }
            }
        }
    }
}

#[inline(always)]
fn backward_with(
    output: &[f32],
    signal: &mut [f32],
    bias: Option<&mut [f32]>,
    add: bool,
    batch: usize,
    width: usize,
    pull: impl Fn(f32, f32) -> f32,
) {
    let Some(bias) = bias else {
        signal.iter_mut().zip(output).for_each(|(s, y)| *s = pull(*s, *y));
        return;
    };
    let lanes = signal.chunks_exact_mut(batch * width).zip(output.chunks_exact(batch * width));
    for ((signal, output), bias) in lanes.zip(bias.chunks_exact_mut(width)) {
        if !add {
            bias.fill(0.0);
        }
        // The columns are taken a few at a time, so that their sums stay in registers.
        let (blocks, rest) = bias.as_chunks_mut::<PARTS>();
        let whole = blocks.len() * PARTS;
        for (block, bias) in blocks.iter_mut().enumerate() {
            let mut sums = *bias;
            for (signal, output) in signal.chunks_exact_mut(width).zip(output.chunks_exact(width)) {
                let columns = block * PARTS..(block + 1) * PARTS;
                let (signal, output) = (&mut signal[columns.clone()], &output[columns]);
                for ((s, y), sum) in signal.iter_mut().zip(output).zip(&mut sums) {
                    *s = pull(*s, *y);
                    *sum += *s;
                }
            }
            *bias = sums;
        }
        for (signal, output) in signal.chunks_exact_mut(width).zip(output.chunks_exact(width)) {
            for ((s, y), sum) in signal[whole..].iter_mut().zip(&output[whole..]).zip(rest.iter_mut()) {
                *s = pull(*s, *y);
                *sum += *s;
            }
        }
    }
}

/// Returns max(0, x). A NaN stays a NaN, and -0 stays -0.
#[inline(always)]
fn relu(x: f32) -> f32 {
    if x < 0.0 { 0.0 } else { x }
}

vectorized! { fn forward_linear(x: &mut [f32], bias: Option<&[f32]>, batch: usize, width: usize) {
    forward_with(x, bias, batch, width, |x| x)
}}
vectorized! { fn forward_relu(x: &mut [f32], bias: Option<&[f32]>, batch: usize, width: usize) {
    forward_with(x, bias, batch, width, relu)
}}
vectorized! { fn forward_tanh(x: &mut [f32], bias: Option<&[f32]>, batch: usize, width: usize) {
    forward_with(x, bias, batch, width, tanh)
}}
vectorized! { fn backward_linear(y: &[f32], s: &mut [f32], b: Option<&mut [f32]>, add: bool, batch: usize, width: usize) {
    backward_with(y, s, b, add, batch, width, |s, _| s)
}}
vectorized! { fn backward_relu(y: &[f32], s: &mut [f32], b: Option<&mut [f32]>, add: bool, batch: usize, width: usize) {
    backward_with(y, s, b, add, batch, width, |s, y| if y <= 0.0 { 0.0 } else { s })
}}
vectorized! { fn backward_tanh(y: &[f32], s: &mut [f32], b: Option<&mut [f32]>, add: bool, batch: usize, width: usize) {
    backward_with(y, s, b, add, batch, width, |s, y| s * (1.0 - y * y))
}}
