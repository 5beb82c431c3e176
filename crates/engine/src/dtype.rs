//! The dtypes of training as libtorch's kinds, and how their numbers are rounded.

use blowup_core::trial::{Dtype, Numbers};
use tch::Kind;

/// The kind of a tensor that trains in `dtype`.
pub fn kind(dtype: Dtype) -> Kind {
    match dtype {
        Dtype::Float32 => Kind::Float,
        Dtype::Float64 => Kind::Double,
        Dtype::Bfloat16 => Kind::BFloat16,
        Dtype::Float16 => Kind::Half,
    }
}

/// The kinds of the tensors of a cohort, which are one unless passes have 16 bits beside float32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// That of the weights, of their gradients and of the optimizer's states.
    pub optimizer: Kind,
    /// That of the matrices, inputs, activations and signals of a pass.
    pub passes: Kind,
    /// That of what `torch.autocast` leaves as wide as it is: the losses, and the scales, the
    /// shifts and the statistics of norms.
    pub kept: Kind,
}

impl Kinds {
    /// The kinds of trials that compute in these numbers.
    pub fn of(numbers: Numbers) -> Kinds {
        let (optimizer, passes) = (kind(numbers.optimizer()), kind(numbers.passes()));
        Kinds { optimizer, passes, kept: if numbers.is_autocast() { optimizer } else { passes } }
    }

    /// Whether all are the same.
    pub fn are_one(self) -> bool {
        self.passes == self.optimizer
    }
}

/// The kind in which an operation on tensors of `kind` computes before it rounds its result once.
/// As in libtorch, this is f32 for the 16-bit kinds and the kind itself otherwise.
pub fn inner(kind: Kind) -> Kind {
    if matches!(kind, Kind::Half | Kind::BFloat16) { Kind::Float } else { kind }
}

/// The gap between 1 and the next number that `dtype` holds.
pub fn epsilon(dtype: Dtype) -> f64 {
    match dtype {
        Dtype::Float32 => f64::from(f32::EPSILON),
        Dtype::Float64 => f64::EPSILON,
        Dtype::Bfloat16 => half::bf16::EPSILON.to_f64(),
        Dtype::Float16 => half::f16::EPSILON.to_f64(),
    }
}

/// Rounds `x` to the nearest number that `kind` holds.
#[expect(clippy::wildcard_enum_match_arm, reason = "tch has kinds that no network is trained in")]
pub fn round(x: f64, kind: Kind) -> f64 {
    match kind {
        Kind::Half => half::f16::from_f64(x).to_f64(),
        Kind::BFloat16 => half::bf16::from_f64(x).to_f64(),
        Kind::Float => f64::from(x as f32),
        _ => x,
    }
}
