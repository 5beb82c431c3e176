//! How a gradient is clipped.

use serde::{Deserialize, Serialize};

/// Gradient clipping. A threshold is finite and above 0, since an infinite one is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Clip {
    None,
    /// `torch.nn.utils.clip_grad_norm_`
    Norm(f64),
    /// `torch.nn.utils.clip_grad_value_`
    Value(f64),
}

impl Clip {
    pub const NAMES: &'static [&'static str] = &["none", "norm", "value"];

    pub fn name(self) -> &'static str {
        match self {
            Clip::None => "none",
            Clip::Norm(_) => "norm",
            Clip::Value(_) => "value",
        }
    }

    /// The rule of this name, whose threshold is not set yet.
    pub fn from_name(text: &str) -> Option<Clip> {
        match text {
            "none" => Some(Clip::None),
            "norm" => Some(Clip::Norm(f64::INFINITY)),
            "value" => Some(Clip::Value(f64::INFINITY)),
            _ => None,
        }
    }

    /// The same rule with another threshold. With an infinite one it clips nothing.
    pub fn at(self, threshold: f64) -> Clip {
        match self {
            Clip::Norm(_) if threshold.is_finite() => Clip::Norm(threshold),
            Clip::Value(_) if threshold.is_finite() => Clip::Value(threshold),
            Clip::None | Clip::Norm(_) | Clip::Value(_) => Clip::None,
        }
    }

    /// The threshold. It is infinite where nothing is clipped.
    pub fn threshold(self) -> f64 {
        match self {
            Clip::None => f64::INFINITY,
            Clip::Norm(threshold) | Clip::Value(threshold) => threshold,
        }
    }
}
