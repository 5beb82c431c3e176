//! Trains cohorts of trials on libtorch: the only module that knows `tch`.
//!
//! A cohort stacks the trials of one shape as lanes of batched tensors `[lane, batch, width]`. Forward and backward passes are written
//! out layer by layer, because the backprop signal of each layer is what this program is about. In reading order:
//! `cohort` (the training loop), `data` (what is learned), `weights` and `init` (parameters of all lanes), `effective` (their
//! parametrization), `network` with `mlp`, `recurrent`
//! and `stage` with `norm` (forward and backward), `product` with `matrix` and `blas`, `loss`, `readout` (norms, one read per step), `optimizer` with `apply`, `fused` with `elements` (passes that are written here), `still` (lanes at rest), `locate` (where the first NaN began),
//! `trace` (what a replay sees), `trouble` (what goes wrong), `device` and `cuda` (where it happens).
//!
//! Invariant: the bits of a lane's results do not depend on its neighbours. Every tensor has the lane dimension outside of what is
//! reduced, has pad lanes where a kernel treats the end of a tensor in another way (`lanes::pads`), and
//! draws its random numbers from streams named by seed and purpose (`draw`).

pub mod activation;
pub mod apply;
#[expect(unsafe_code, reason = "MKL is given matrices as addresses")]
pub mod blas;
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
pub mod locate;
pub mod loss;
#[expect(unsafe_code, reason = "an address is handed on with what holds its memory")]
pub mod matrix;
pub mod mlp;
pub mod network;
#[expect(unsafe_code, reason = "passes over the slices that `elements` makes")]
pub mod norm;
pub mod optimizer;
pub mod plain_loss;
pub mod product;
pub mod profile;
pub mod readout;
pub mod recurrent;
pub mod sharpness;
pub mod stage;
pub mod start;
pub mod still;
pub mod task;
pub mod trace;
pub mod trouble;
pub mod weights;

pub use fingerprint::fingerprint;
pub use trouble::Trouble;

use blowup_core::device::Device;
use blowup_core::training::Array;
use blowup_core::trial::{Dtype, Trial};
use blowup_core::verdict::{Finished, Record};
use device::Unusable;
use tch::Kind;
use trouble::caught;

/// The version of the libtorch that the program was built against, as its `build-version` file says.
pub const LIBTORCH: &str = env!("BLOWUP_LIBTORCH");

/// Prepares this thread of a worker before its first tensor: libtorch runs on it alone, and denormal numbers are flushed to zero (a
/// vanishing gradient would otherwise cost up to a hundred times the time of an ordinary one). The environment is the parent's part: see
/// `blowup_core::training::ENVIRONMENT`.
pub fn start() {
    tch::set_num_threads(1);
    flush_denormals();
}

/// As `start`, for training on `device`.
///
/// # Errors
/// If it is a GPU, and the library, the driver or the GPU is missing.
pub fn start_on(device: Device) -> Result<(), Unusable> {
    device::settle(device)?;
    start();
    Ok(())
}

/// Trains trials of one `Shape` together and hands over each as it finishes, with its index.
///
/// # Errors
/// See `Trouble`. Trials already handed over keep their results.
pub fn train(trials: &[Trial], record: &Record, done: &mut dyn FnMut(usize, Finished)) -> Result<(), Trouble> {
    caught(|| cohort::train(trials, record, None, done)).map(drop)
}

/// Trains one trial as `train` does, with the same bits, and shows `watch` the norms of every step.
///
/// # Errors
/// As `train`.
pub fn replay(trial: &Trial, record: &Record, watch: trace::Sink) -> Result<Finished, Trouble> {
    let mut result = None;
    let trials = std::slice::from_ref(trial);
    caught(|| cohort::train(trials, record, Some(&mut *watch), &mut |_, finished| result = Some(finished)))?;
    result.ok_or_else(|| Trouble::Bug("the trial did not end".to_owned()))
}

/// What training `trial` starts from; see `trace::start`.
///
/// # Errors
/// As `train`.
pub fn start_of(trial: &Trial) -> Result<Vec<Array>, Trouble> {
    caught(|| trace::start(trial))
}

pub(crate) fn kind(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::Float32 => Kind::Float,
        Dtype::Float64 => Kind::Double,
        Dtype::Bfloat16 => Kind::BFloat16,
        Dtype::Float16 => Kind::Half,
    }
}

/// What is computed inside of an operation on tensors of this kind, as libtorch does it: one rounding, at its end.
pub(crate) fn inner(kind: Kind) -> Kind {
    if matches!(kind, Kind::Half | Kind::BFloat16) { Kind::Float } else { kind }
}

/// Sets the flush-to-zero and denormals-are-zero bits of this thread, as `torch.set_flush_denormal(True)` does.
#[expect(unsafe_code, reason = "no library sets these bits")]
fn flush_denormals() {
    #[cfg(target_arch = "x86_64")]
    {
        let mut control: u32 = 0;
        // SAFETY: reads and writes the SSE control register of this thread; only the two rounding-of-denormals bits change.
        unsafe {
            std::arch::asm!("stmxcsr [{}]", in(reg) &mut control, options(nostack));
            control |= 0x8040;
            std::arch::asm!("ldmxcsr [{}]", in(reg) &control, options(nostack));
        }
    }
}
