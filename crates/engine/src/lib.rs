//! Trains cohorts of trials on libtorch. This crate alone knows `tch`.
//!
//! A cohort stacks the trials of one shape as lanes of batched tensors `[lane, batch, width]`. The
//! forward and backward passes are written out layer by layer, because the backprop signal of each
//! layer is what this program measures. In reading order:
//!
//! - [`cohort`] is the training loop, and [`lane`] holds what is known of a lane in training. What
//!   it trains is a [`subject`]: a built-in net ([`layered`]) or a model of the user's own
//!   ([`bundle`]).
//! - [`task`] draws samples, [`data`] makes tensors and batches of them, and [`draw`] names random
//!   numbers.
//! - [`weights`] holds the parameters of all lanes, [`init`] draws them, and [`effective`] makes
//!   of them what a pass takes: scaled for a parametrization, and rounded in mixed precision.
//!   [`mup`] is the parametrization that changes all three of start, product and learning rate.
//! - [`network`] builds a [`module`], which is an [`mlp`] or a [`recurrent`] net. Both apply a
//!   [`stage`], which is an [`activation`] with a [`norm`].
//! - [`product`] multiplies matrices ([`matrix`]), on a CPU through [`blas`]. [`fused`] holds
//!   passes that are written here, on slices that [`elements`] makes.
//! - [`loss`] and [`readout`] measure a step, [`skip`] decides whether there is an update, [`clip`]
//!   and [`optimizer`] update the weights, the latter by [`apply`]. [`scaling`] keeps the scales of
//!   losses, and [`rounding`] rounds updates at random.
//! - [`mod@start`], [`profile`], [`sharpness`], [`locate`] and [`still`] measure what only some
//!   steps or lanes need.
//! - [`child`] is a worker's life, and [`door`] is how the program enters it. [`trace`] is what a
//!   replay sees.
//! - [`device`] and [`cuda`] say where training happens, [`trouble`] says what went wrong, and
//!   `fingerprint` says what the bits of a result depend on.
//!
//! # Same bits for any neighbours
//!
//! A trial's results may not depend on which lanes it trains beside. What that takes, each watched
//! by a test (`tests/it/training.rs`):
//!
//! - *Aligned matrices* (`blas.rs`): MKL gives a matrix the same bits at any place that is a
//!   multiple of 64 bytes; lanes that do not start at one are copied first. A single product is
//!   called beside a product of two numbers, since MKL has other kernels for one alone.
//!   `tests/it/products.rs` tries sizes at random.
//! - *Pad lanes* (`lanes.rs`): the kernels of sigmoid, silu, gelu and selu treat the last fewer
//!   than 64 elements of a tensor with scalar code that rounds differently; and where libtorch
//!   multiplies (on a GPU) a single lane takes another kernel than two. Pads stand only where one
//!   of these holds.
//! - The engine sees trials at its door alone (`cohort/`): then a `Shape` and `Lane`s.
//! - *Bundles* (`bundle/`): never fewer than three lanes, pads by the sizes that kernels
//!   with a rough tail see (`tail.rs`), and a trial of each number of lanes before it is used;
//!   where a lane does not get the bits that it has alone, lanes run one by one.
//! - Reductions keep the lane dimension outermost and never reduce over anything outside it; time
//!   steps are added in a fixed order.
//! - One thread per worker; denormals are flushed to zero.
//!
//! # What was chosen
//!
//! - Products go through `product.rs`, on a CPU to libtorch's own MKL without libtorch's dispatch
//!   (`blas.rs`): a `Matrix` asks once where it lies. 16-bit ones are widened to f32 and rounded
//!   once, since which of libtorch's two 16-bit kernels runs, and so the rounding, depends on the
//!   number of lanes. MKL takes AVX2 kernels where the CPU is not Intel's; `mkl.rs` has it go by
//!   the CPU's instructions: twice as fast on Zen 5.
//! - f32 passes over single elements are fused and written here (`fused/`), where libtorch goes
//!   over a tensor several times and MKL's tanh is slow on AMD: bias with activation, derivative
//!   with bias gradient, softmax with its entropy, update with norm, Adam. Everything else is
//!   libtorch's kernel. `elements.rs` alone makes slices of a tensor's memory, and checks that none
//!   overlaps another that is written; an address (`matrix.rs`) is borrowed from what holds the
//!   memory.
//! - Recurrent nets share one pass through time (`recurrent/`) and differ in their cells. A
//!   transformer (`transformer/`) has tokens as rows, so that a layer is one product per lane, and
//!   a matrix of tokens for each head. Parametrizations scale the matrices before a pass and the
//!   gradients after it, and mixed precision rounds and widens them there (`effective.rs`);
//!   networks do not know of either. The loss scale is in `scaling.rs`, rounding at random in
//!   `rounding.rs`.
//! - Where numbers leave their range the order of factors decides: `apply.rs` and `fused/update.rs`
//!   keep PyTorch's, norms (`norm/`) with its fused products, so that an overflow reads inf or NaN
//!   where PyTorch's does. Every mean is taken by `mean.rs`. Update norms are measured right at
//!   once.
//! - Sharpness needs second derivatives: a differentiable twin of the networks (`plain_loss/`)
//!   exists for it alone, and the tests hold it against those that train.
//! - On a GPU (right, and slower than the CPU beside it: docs/gpu.md) a worker loads libtorch's
//!   CUDA half at its start, before any other call of libtorch (`cuda.rs`); the engine links the
//!   CPU half alone. `device.rs` knows where the thread's tensors are; what is drawn or indexed is
//!   made on the CPU and uploaded. libtorch's operations stand in for the fused passes;
//!   `--device cpu:plain` runs them on the CPU, for the tests. Bits are promised on CPUs alone.
//! - Forward and backward are written out. Parameters of equal shape are stacked
//!   `[layer, lane, in, out]`, contiguous per layer, so that an optimizer step is a handful of
//!   operations at any depth. Two signal buffers serve all layers of an mlp.
//! - One read per step: losses and per-layer norms in one buffer. The norm of the weights, measured
//!   while they are in the cache, arrives with the next step's loss.
//! - Norms are taken in the training dtype; a lane outside [1e-15, 1e18] is measured again in f64.
//!   Clipping uses the norm in the training dtype, as PyTorch does, also where it is infinite
//!   (coefficient 0) or NaN (every gradient NaN).
//! - Where a non-finite value began is found by running that one step again for the lanes concerned
//!   (`locate.rs`): nothing is checked in the hot path.
//! - Tensors shrink when a quarter of the lanes has left. A lane at rest (full batch, plain SGD, an
//!   update that leaves every weight as it was) is closed with the rest of its course (`still.rs`).

pub mod activation;
pub mod apply;
#[expect(unsafe_code, reason = "MKL is given matrices as addresses")]
pub mod blas;
pub mod bundle;
pub mod child;
pub mod clip;
pub mod cohort;
#[expect(unsafe_code, reason = "libraries are opened and called by the names of their functions")]
pub mod cuda;
pub mod data;
pub mod device;
#[expect(unsafe_code, reason = "the functions of C by which the program enters")]
pub mod door;
pub mod draw;
mod drill;
pub mod dtype;
pub mod effective;
#[expect(unsafe_code, reason = "makes slices of the memory of tensors")]
pub mod elements;
#[expect(unsafe_code, reason = "the version of glibc is asked for through C")]
pub mod fingerprint;
#[expect(unsafe_code, reason = "passes over the slices that `elements` makes, and kernels for a set of instructions")]
pub mod fused;
pub mod init;
pub mod lane;
pub mod lanes;
pub mod layered;
pub mod loaded;
pub mod locate;
pub mod loss;
#[expect(unsafe_code, reason = "an address is handed on with what holds its memory")]
pub mod matrix;
pub mod mlp;
pub mod module;
pub mod mup;
pub mod network;
#[expect(unsafe_code, reason = "passes over the slices that `elements` makes")]
pub mod norm;
pub mod optimizer;
pub mod plain_loss;
pub mod product;
pub mod profile;
pub mod readout;
pub mod recurrent;
pub mod rounding;
pub mod scaling;
pub mod sharpness;
pub mod skip;
pub mod stage;
pub mod start;
pub mod still;
pub mod subject;
pub mod task;
pub mod trace;
pub mod transformer;
pub mod trouble;
pub mod weights;

pub use fingerprint::{LIBTORCH, fingerprint};
pub use trouble::Trouble;

use blowup_core::device::Device;
use blowup_core::map::{Measure, Reading};
use blowup_core::training::Array;
use blowup_core::trial::Trial;
use blowup_core::verdict::{Finished, Record};
use device::Unusable;
use trouble::caught;

/// Prepares this thread of a worker before its first tensor: libtorch runs on this thread alone,
/// and denormal numbers are flushed to zero, because a vanishing gradient would otherwise cost up
/// to a hundred times the time of an ordinary one.
///
/// The parent sets the worker's environment: see [`blowup_core::training::ENVIRONMENT`].
pub fn start() {
    tch::set_num_threads(1);
    flush_denormals();
}

/// Prepares this thread as `start` does, for training on `device`.
///
/// # Errors
/// If `device` is a GPU, and the library, the driver or the GPU is missing.
pub fn start_on(device: Device) -> Result<(), Unusable> {
    device::settle(device)?;
    start();
    Ok(())
}

/// Trains `trials`, which are all of one `Shape`, together. `done` is called with the index and the
/// result of each trial when it finishes. Denormal numbers are not flushed while it runs, since a
/// row has the numbers of its trial as they were written.
///
/// # Errors
/// See [`Trouble`]. Trials that were handed over before keep their results.
pub fn train(trials: &[Trial], record: &Record, done: &mut dyn FnMut(usize, Finished)) -> Result<(), Trouble> {
    let done = &mut |index, finished| unflushed(|| done(index, finished));
    caught(|| cohort::train(trials, record, None, done)).map(drop)
}

/// Trains `trials` as `train` does, for the pixels of a map: `done` is called with the index of
/// each trial and what was read of it.
///
/// # Errors
/// The same as those of `train`.
///
/// # Panics
/// If the published measure is asked for and the trials make no update.
pub fn read(trials: &[Trial], measure: Measure, done: &mut dyn FnMut(usize, Reading)) -> Result<(), Trouble> {
    match measure {
        Measure::Published => caught(|| cohort::trainability(trials, done)).map(drop),
        Measure::Outcome => train(trials, &Record::default(), &mut |index, finished| {
            done(index, Reading::Outcome(finished.measured.outcome));
        }),
    }
}

/// Trains one trial as `train` does, with the same bits, and calls `watch` with the norms of every
/// step.
///
/// # Errors
/// The same as those of `train`.
pub fn replay(trial: &Trial, record: &Record, watch: trace::Sink) -> Result<Finished, Trouble> {
    let mut result = None;
    let trials = std::slice::from_ref(trial);
    caught(|| cohort::train(trials, record, Some(&mut *watch), &mut |_, finished| result = Some(finished)))?;
    result.ok_or_else(|| Trouble::Bug("the trial did not end".to_owned()))
}

/// Returns the arrays that the training of `trial` starts from, and the random numbers of its first
/// `draws` steps: see [`trace::start`].
///
/// # Errors
/// The same as those of `train`.
pub fn start_of(trial: &Trial, draws: u64) -> Result<Vec<Array>, Trouble> {
    caught(|| trace::start(trial, draws))
}

/// The two bits of the SSE control register that flush denormal results to zero and take denormal
/// operands for zero.
const FLUSH: u32 = 0x8040;

/// Sets both bits for this thread, as `torch.set_flush_denormal(True)` does.
fn flush_denormals() {
    set_control(control() | FLUSH);
}

/// Runs `f` on this thread as on any other, with denormal numbers.
fn unflushed<T>(f: impl FnOnce() -> T) -> T {
    let before = control();
    set_control(before & !FLUSH);
    let result = f();
    set_control(before);
    result
}

/// The SSE control register of this thread; 0 on a processor that has none.
#[expect(unsafe_code, reason = "no library reads these bits")]
fn control() -> u32 {
    let mut control: u32 = 0;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: this writes the register of this thread to `control`, and changes nothing else.
    unsafe {
        std::arch::asm!("stmxcsr [{}]", in(reg) &mut control, options(nostack));
    }
    control
}

/// Sets the SSE control register of this thread.
#[expect(unsafe_code, reason = "no library sets these bits")]
fn set_control(control: u32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the value was read from the register, and differs at most in the two bits of `FLUSH`,
    // which say how denormals are treated.
    unsafe {
        std::arch::asm!("ldmxcsr [{}]", in(reg) &control, options(nostack));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = control;
}
