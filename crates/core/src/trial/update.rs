//! How an update is made from a gradient: the optimizer, the schedule and the clipping.

use super::choice::with_numbers;
use serde::{Deserialize, Serialize};

with_numbers! {
    /// PyTorch's optimizers (`torch.optim`) with their parameters.
    Optimizer {
        Sgd { momentum: f64, nesterov: bool } = "sgd",
        Adam { beta1: f64, beta2: f64, eps: f64 } = "adam",
        Adamw { beta1: f64, beta2: f64, eps: f64 } = "adamw",
        Rmsprop { alpha: f64, eps: f64, momentum: f64 } = "rmsprop",
    }
}

impl Optimizer {
    /// The momentum, if the optimizer has one.
    pub fn momentum(self) -> Option<f64> {
        match self {
            Optimizer::Sgd { momentum, .. } | Optimizer::Rmsprop { momentum, .. } => Some(momentum),
            Optimizer::Adam { .. } | Optimizer::Adamw { .. } => None,
        }
    }
}

with_numbers! {
    /// The factor of the learning rate at each update. `warmup` counts updates and is at least 1.
    Schedule {
        Constant = "constant",
        Warmup { warmup: u64 } = "warmup",
        Cosine = "cosine",
        WarmupCosine { warmup: u64 } = "warmup_cosine",
    }
}

impl Schedule {
    /// The updates of the warmup, if there is one.
    pub fn warmup(self) -> Option<u64> {
        match self {
            Schedule::Warmup { warmup } | Schedule::WarmupCosine { warmup } => Some(warmup),
            Schedule::Constant | Schedule::Cosine => None,
        }
    }

    /// The factor at update `t` (from 0) of `total`. It rises as min(1, (t + 1) / warmup). A cosine
    /// falls as (1 + cos(pi s / T)) / 2, where T is the number of updates behind the warmup and s
    /// counts them from 0.
    pub fn factor(self, t: u64, total: u64) -> f64 {
        let warmup = self.warmup().unwrap_or(0);
        let rise = if t < warmup { (t + 1) as f64 / warmup as f64 } else { 1.0 };
        let fall = match self {
            Schedule::Cosine | Schedule::WarmupCosine { .. } if t >= warmup => {
                let share = (t - warmup) as f64 / (total - warmup) as f64;
                (1.0 + (std::f64::consts::PI * share).cos()) / 2.0
            }
            Schedule::Constant | Schedule::Warmup { .. } | Schedule::Cosine | Schedule::WarmupCosine { .. } => 1.0,
        };
        rise * fall
    }
}

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
