//! The device on which this thread makes its tensors. A worker trains on one device for its whole life, so the choice is made once, at its
//! start, as `torch.set_default_device` makes it, instead of travelling through every signature of the engine.
//!
//! Random numbers, data and index lists are made on the CPU and uploaded: a trial starts from the same weights and sees the same data
//! wherever it is trained.

use super::cuda;
use blowup_core::device::Device;
use std::cell::{Cell, RefCell};
use tch::{Kind, Tensor};

thread_local! {
    static DEVICE: Cell<Device> = const { Cell::new(Device::Cpu) };
    static GPU: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Why a device cannot be trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    pub what: String,
    pub hint: String,
}

/// To be called before anything else of libtorch: what it asks CUDA about, it asks once.
///
/// # Errors
/// If a GPU is wanted and the library, the driver or the GPU is missing.
pub fn settle(device: Device) -> Result<(), Unusable> {
    if let Device::Cuda(number) = device {
        let name = cuda::load(number)?;
        GPU.set(Some(name));
    }
    DEVICE.set(device);
    Ok(())
}

/// Where this thread's tensors are.
pub fn current() -> tch::Device {
    match DEVICE.get() {
        Device::Cpu | Device::CpuPlain => tch::Device::Cpu,
        Device::Cuda(number) => tch::Device::Cuda(number as usize),
    }
}

/// The name of the GPU, if this thread trains on one.
pub fn gpu() -> Option<String> {
    GPU.with_borrow(Clone::clone)
}

/// Whether tensors are worked on in the CPU's memory directly, beside what libtorch does: products by calls of MKL (`engine::blas`), fused passes, a single
/// lane measured again. On a GPU thousands of lanes would wait for each copy.
pub fn is_host() -> bool {
    match DEVICE.get() {
        Device::Cpu => true,
        Device::CpuPlain | Device::Cuda(_) => false,
    }
}

/// Whether the fused passes (`engine::fused`) take tensors of this kind.
pub fn fuses(kind: Kind) -> bool {
    kind == Kind::Float && is_host()
}

/// What plain operations differ in, for a fingerprint.
pub fn is_plain() -> bool {
    DEVICE.get() == Device::CpuPlain
}

/// A tensor made on the CPU, where this thread trains. The copy may still be under way; whatever reads it waits for it.
pub fn upload(tensor: Tensor) -> Tensor {
    let device = current();
    if device == tch::Device::Cpu {
        return tensor;
    }
    // From memory that is not pinned CUDA has taken its copy when the call returns, so the source may be dropped.
    tensor.to_device_(device, tensor.kind(), true, false)
}
