//! How many lanes a cohort's tensors have, so that a trial's bits do not depend on how many neighbours it has.

use super::task;
use crate::trial::Trial;

/// Pad lanes at the end of every tensor of a cohort: their weights are zero and nobody reads them.
///
/// Vectorized kernels (sigmoid, silu, gelu, selu) treat the last fewer than 64 elements of a whole tensor with scalar code that rounds
/// differently; pads keep real lanes out of that tail. A batched product of a single lane takes another kernel than one of two or more, so
/// there is always at least one. Measured with libtorch 2.11 on AVX2 and AVX-512; `tests/it/bits.rs` watches it.
pub fn pads(trial: &Trial) -> usize {
    let ragged = |samples: usize| match samples % trial.batch {
        0 => trial.batch,
        rest => rest,
    };
    let mut batch = ragged(trial.task.samples);
    if task::is_fresh(&trial.task) {
        batch = batch.min(ragged(task::EVALUATION_SAMPLES));
    }
    let width = trial.network.width().unwrap_or(trial.task.outputs);
    64usize.div_ceil(batch * width).max(1)
}
