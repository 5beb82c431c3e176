//! The device on which this thread makes its tensors. A worker trains on one device for its whole
//! life. So the device is chosen once, at the worker's start, as `torch.set_default_device` chooses
//! it, and is no parameter of the engine's functions.
//!
//! Random numbers, data and lists of indices are made on the CPU and uploaded, so that a trial
//! starts from the same weights and sees the same data on every device.

use super::cuda;
pub use super::cuda::Unusable;
use blowup_core::device::Device;
use std::cell::{Cell, RefCell};
use tch::{Kind, Tensor};

thread_local! {
    static DEVICE: Cell<Device> = const { Cell::new(Device::Cpu) };
    static GPU: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Chooses the device of this thread. It must be called before any other function of libtorch,
/// which asks only once whether there is CUDA.
///
/// # Errors
/// If `device` is a GPU, and the library, the driver or the GPU is missing.
pub fn settle(device: Device) -> Result<(), Unusable> {
    if let Device::Cuda(number) = device {
        let name = cuda::load(number)?;
        GPU.set(Some(name));
    }
    DEVICE.set(device);
    Ok(())
}

/// The device of this thread's tensors.
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

/// Whether the engine works on tensors in the CPU's memory directly, and not by libtorch alone: it
/// calls MKL for products (`blas`), runs fused passes and measures a single lane again. On a GPU,
/// all lanes would have to wait for each copy to the host.
pub fn is_host() -> bool {
    match DEVICE.get() {
        Device::Cpu => true,
        Device::CpuPlain | Device::Cuda(_) => false,
    }
}

/// Whether the fused passes (`fused`) take tensors of this kind.
pub fn fuses(kind: Kind) -> bool {
    kind == Kind::Float && is_host()
}

/// Whether this thread trains on `cpu:plain`, by the operations that a GPU takes.
pub fn is_plain() -> bool {
    DEVICE.get() == Device::CpuPlain
}

/// Moves a tensor from the CPU to this thread's device. The copy may still be under way when this
/// function returns; whatever reads the tensor waits for it.
pub fn upload(tensor: Tensor) -> Tensor {
    let device = current();
    if device == tch::Device::Cpu {
        return tensor;
    }
    // CUDA has read all of a source in pageable memory when the call returns, so the source may be
    // dropped.
    tensor.to_device_(device, tensor.kind(), true, false)
}
