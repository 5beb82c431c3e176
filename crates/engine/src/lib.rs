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
//! Invariant: the bits of a lane's results do not depend on its neighbours. In every tensor the
//! lane dimension is outside of what is reduced. Pad lanes stand where a kernel treats the end of a
//! tensor differently ([`lanes::pads`]). Random numbers come from streams that are named by seed
//! and purpose.

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
