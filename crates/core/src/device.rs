//! Where trials are trained, as `--device` says it. Parent, worker and engine name it to each
//! other. `engine::device` knows what it takes to train there.

use std::fmt;
use std::str::FromStr;

/// A device that trains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Device {
    Cpu,
    /// The CPU, by the operations that a GPU takes: libtorch's own in the place of the fused
    /// passes, and norms on the device. It is no faster. It exists so that what a GPU will do can
    /// be compared with the CPU without a GPU.
    CpuPlain,
    /// The GPU of this number, from 0.
    Cuda(u32),
}

impl Device {
    pub fn is_gpu(self) -> bool {
        match self {
            Device::Cpu | Device::CpuPlain => false,
            Device::Cuda(_) => true,
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::CpuPlain => f.write_str("cpu:plain"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl FromStr for Device {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Device, &'static str> {
        match text.split_once(':') {
            None if text == "cpu" => Ok(Device::Cpu),
            Some(("cpu", "plain")) => Ok(Device::CpuPlain),
            None if text == "cuda" => Ok(Device::Cuda(0)),
            Some(("cuda", number)) => number.parse().map(Device::Cuda).map_err(|_| "the K of `cuda:K` is a number"),
            _ => Err("expected cpu, cuda or cuda:K"),
        }
    }
}
