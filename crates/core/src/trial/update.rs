//! How a gradient is clipped.

use super::choice::with_threshold;

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
