//! What the program and its engine say to each other about training, beside rows: what a replay
//! sees of its trial, and the environment of a worker.

use crate::verdict::LayerRow;
use serde::{Deserialize, Serialize};

/// What a worker's environment must say before libtorch loads (`.cargo/config.toml` says it for
/// tests and benchmarks).
///
/// It asks for one thread, and for MKL's reproducibility mode, in which a product whose matrices
/// start on a 64-byte boundary has the same bits at every call. The engine's `blas` sees to the
/// boundaries. MKL's strict mode gives the same bits on any boundary, but by slower kernels:
/// measured on an AMD EPYC with AVX-512, f32 products of 32 x 32 matrices run at 150 Gflop/s
/// instead of 222.
pub const ENVIRONMENT: [(&str, &str); 3] = [("OMP_NUM_THREADS", "1"), ("MKL_NUM_THREADS", "1"), ("MKL_CBWR", "AUTO")];

/// The variables that change which kernels run (of MKL, oneDNN, libtorch, the C library and
/// cuBLAS), and so the bits, or that make a library write into the pipe of the rows. They are taken
/// out of a worker's environment.
pub const FOREIGN_ENVIRONMENT: [&str; 14] = [
    "MKL_VERBOSE",
    "MKL_DYNAMIC",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DEBUG_CPU_TYPE",
    "MKL_DOMAIN_NUM_THREADS",
    "MKL_NUM_STRIPES",
    "ATEN_CPU_CAPABILITY",
    "DNNL_MAX_CPU_ISA",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_DEFAULT_FPMATH_MODE",
    "ONEDNN_DEFAULT_FPMATH_MODE",
    "GLIBC_TUNABLES",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "NVIDIA_TF32_OVERRIDE",
];

/// What to do about a mistake of our own in the engine.
pub const REPORT_IT: &str =
    "this is a mistake in blowup, not in the spec: please report it with this message and the spec";

/// One step of a watched trial, as it is before its update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// The updates that were done before it.
    pub step: u64,
    pub loss: f64,
    pub grad_norm: f64,
    /// The layers by layer and time, as in `layers.csv`. Their epoch means nothing.
    pub layers: Vec<LayerRow>,
}

/// A named tensor on the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Array {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Values,
}

/// The numbers of a tensor. f64 holds every value of the smaller dtypes exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Values {
    Float(Vec<f64>),
    Integer(Vec<i64>),
}
