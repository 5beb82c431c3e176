//! How many lanes a cohort's tensors have, so that a trial's bits do not depend on how many neighbours it has.

use super::activation;
use super::blas;
use blowup_core::trial::{Shape, Task};

/// Fewer elements than this at the very end of a tensor may be treated by scalar code.
const TAIL: usize = 64;
/// For elements of 16 bits, and whatever the activation: every kernel converts.
const TAIL_16_BIT: usize = 128;

/// Pad lanes at the end of every tensor of a cohort of `lanes` trials; nobody reads them.
///
/// libtorch's batched product of a single lane takes another kernel than that of two or more, so where it is used there are always two lanes. And
/// the vectorized kernels of sigmoid, silu, gelu and selu treat the last few elements of a whole tensor with scalar code that rounds differently, unless lanes end on a
/// vector's boundary; pads keep real lanes out of that tail. Measured with libtorch 2.11 on AVX2 and AVX-512; `tests/it/training.rs`
/// watches it.
pub fn pads(shape: &Shape, lanes: usize) -> usize {
    let elements = match shape.network.activation() {
        _ if shape.dtype.is_16_bit() => TAIL_16_BIT,
        Some(activation) if activation::of(activation).has_tail() => TAIL,
        Some(_) | None => 1,
    };
    let width = shape.network.width().unwrap_or(1);
    let width = if shape.dtype.is_16_bit() { width.min(shape.task.outputs) } else { width };
    let sizes = batches(shape).map(|batch| batch * width);
    let tail = sizes.filter(|size| !size.is_multiple_of(elements)).map(|size| elements.div_ceil(size)).max();
    tail.unwrap_or(0).max(fewest().saturating_sub(lanes))
}

/// The lanes that a product takes, at least.
pub fn fewest() -> usize {
    if blas::serves() { 1 } else { 2 }
}

/// The sizes of all batches that the trial trains and is evaluated on.
fn batches(shape: &Shape) -> impl Iterator<Item = usize> {
    let fresh = shape.task.is_fresh().then_some(Task::EVALUATION_SAMPLES);
    let rests = fresh.into_iter().chain([shape.task.samples]).map(|samples| samples % shape.batch);
    rests.filter(|&rest| rest > 0).chain([shape.batch])
}
