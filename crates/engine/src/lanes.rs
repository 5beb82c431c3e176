//! How many lanes the tensors of a cohort have. Pad lanes ensure that a trial's bits do not depend
//! on the number of its neighbours.

use super::activation;
use super::blas;
use blowup_core::trial::{Shape, Task};

/// Scalar code may treat the last elements of a tensor, but always fewer than this number.
const TAIL: usize = 64;
/// The same for elements of 16 bits. It holds for every activation, because every 16-bit kernel
/// converts its elements.
const TAIL_16_BIT: usize = 128;

/// Returns the number of pad lanes at the end of every tensor of a cohort of `lanes` trials. Nobody
/// reads them.
///
/// There are two reasons for pads. Where libtorch multiplies, a batched product of a single lane
/// takes another kernel than one of two or more, so there are always two lanes. And the vectorized
/// kernels of sigmoid, silu, gelu and selu treat the last few elements of a whole tensor with
/// scalar code that rounds differently, unless lanes end on a vector's boundary; pads keep real
/// lanes out of that tail. This was measured with libtorch 2.11 on AVX2 and AVX-512, and
/// `tests/it/training.rs` watches it.
pub fn pads(shape: &Shape, lanes: usize) -> usize {
    let elements = match shape.network.activation() {
        _ if shape.numbers.passes().is_16_bit() => TAIL_16_BIT,
        Some(activation) if activation::of(activation).has_tail() => TAIL,
        Some(_) | None => 1,
    };
    let width = match (shape.network.transformer(), shape.network.width().unwrap_or(1)) {
        // The activations are those of the MLPs.
        (Some(of), _) if !shape.numbers.passes().is_16_bit() => of.sequence_length * of.hidden(),
        (_, width) if shape.numbers.passes().is_16_bit() => width.min(shape.task.outputs),
        (_, width) => width,
    };
    let sizes = batches(shape).map(|batch| batch * width);
    let tail = sizes.filter(|size| !size.is_multiple_of(elements)).map(|size| elements.div_ceil(size)).max();
    tail.unwrap_or(0).max(fewest().saturating_sub(lanes))
}

/// The smallest number of lanes whose products have the bits of any larger number.
pub fn fewest() -> usize {
    if blas::serves() { 1 } else { 2 }
}

/// The sizes of all batches that the trial trains and is evaluated on.
fn batches(shape: &Shape) -> impl Iterator<Item = usize> {
    let fresh = shape.task.is_fresh().then_some(Task::EVALUATION_SAMPLES);
    let rests = fresh.into_iter().chain([shape.task.samples]).map(|samples| samples % shape.batch);
    rests.filter(|&rest| rest > 0).chain([shape.batch])
}
