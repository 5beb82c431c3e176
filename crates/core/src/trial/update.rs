//! How an update is made from a gradient: the optimizer, the schedule and the clipping.

use super::choice::{with_numbers, with_threshold};

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

with_threshold! {
    /// Gradient clipping. A threshold is finite and above 0, since an infinite one is `None`.
    Clip {
        None,
        /// `torch.nn.utils.clip_grad_norm_`
        Norm = "norm",
        /// `torch.nn.utils.clip_grad_value_`
        Value = "value",
        /// `clip_grad_norm_` of each parameter tensor alone.
        PerLayer = "per_layer",
        /// Adaptive gradient clipping (Brock et al. 2021): the norm of a unit's gradient is at most
        /// this multiple of the norm of its weights.
        Agc = "agc",
        /// AutoClip (Seetharaman et al. 2020): the norm is clipped to this percentile, from 0 to
        /// 100, of all norms so far.
        Autoclip = "autoclip",
        /// ZClip (Kumar et al. 2025): a norm so many standard deviations above its running mean is
        /// clipped.
        Zclip = "zclip",
        /// StableAdamW (Wortsman et al. 2023): the root mean square of the update of each parameter
        /// tensor, before the learning rate, is at most this.
        Update = "update",
    }
}

/// What is multiplied with what when a gradient is clipped, which decides what kernels run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Clipping {
    /// The whole gradient of a lane, with one number, which is 1 where nothing is clipped.
    Whole,
    /// Each element by itself.
    Elements,
    /// Each parameter tensor.
    Tensors,
    /// Each unit of a layer, but for the output layer.
    Units,
    /// The learning rate of each parameter tensor.
    Rates,
}

impl Clip {
    /// The same rule with another threshold. With an infinite one it clips nothing.
    pub fn at(self, threshold: f64) -> Clip {
        if threshold.is_finite() { self.with(threshold) } else { Clip::None }
    }

    pub fn clipping(self) -> Clipping {
        match self {
            Clip::None | Clip::Norm(_) | Clip::Autoclip(_) | Clip::Zclip(_) => Clipping::Whole,
            Clip::Value(_) => Clipping::Elements,
            Clip::PerLayer(_) => Clipping::Tensors,
            Clip::Agc(_) => Clipping::Units,
            Clip::Update(_) => Clipping::Rates,
        }
    }
}

with_threshold! {
    /// Which updates are skipped. A step that is skipped leaves the weights, the state of the
    /// optimizer and that of the clipping as they were.
    Skip {
        None,
        /// Those whose gradient norm is above this, or not finite.
        Norm = "norm",
        /// Those whose loss or gradient norm is this many standard deviations above its mean of the
        /// last 128 steps (OLMo's `SkipStepOptimizer`).
        Zscore = "zscore",
    }
}

impl Optimizer {
    /// Whether the optimizer divides by the root of a mean of squares that is corrected for its
    /// start at 0, of which `Clip::Update` takes the root mean square.
    pub fn is_adam(self) -> bool {
        match self {
            Optimizer::Adam { .. } | Optimizer::Adamw { .. } => true,
            Optimizer::Sgd { .. } | Optimizer::Rmsprop { .. } => false,
        }
    }
}
