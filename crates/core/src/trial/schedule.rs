//! The schedules of the learning rate.

use super::choice::with_numbers;
use std::f64::consts::PI;

with_numbers! {
    /// The factor of the learning rates at each update. `warmup` and `cooldown` count updates and
    /// are at least 1, and `lr_min` is the factor at which a decay ends.
    Schedule {
        Constant = "constant",
        Warmup { warmup: u64 } = "warmup",
        Cosine { lr_min: f64 = 0.0 } = "cosine",
        WarmupCosine { warmup: u64, lr_min: f64 = 0.0 } = "warmup_cosine",
        Linear { lr_min: f64 = 0.0 } = "linear",
        Polynomial { power: f64 = 1.0, lr_min: f64 = 0.0 } = "polynomial",
        /// Warmup, stable, decay.
        Wsd { warmup: u64, cooldown: u64, lr_min: f64 = 0.0 } = "wsd",
        /// `torch.optim.lr_scheduler.OneCycleLR` with `cycle_momentum=False`. Its end is that of
        /// `final_div_factor=1e4`.
        OneCycle { lr_min: f64 = 1.0 / (DIV_FACTOR * 1e4) } = "one_cycle",
    }
}

/// OneCycleLR's `div_factor`: it starts from the learning rate divided by this.
const DIV_FACTOR: f64 = 25.0;
/// OneCycleLR's `pct_start`: the share of the updates in which it rises.
const PCT_START: f64 = 0.3;

impl Schedule {
    /// The updates of the warmup, if there is one.
    pub fn warmup(self) -> Option<u64> {
        match self {
            Schedule::Warmup { warmup } | Schedule::WarmupCosine { warmup, .. } | Schedule::Wsd { warmup, .. } => {
                Some(warmup)
            }
            Schedule::Constant
            | Schedule::Cosine { .. }
            | Schedule::Linear { .. }
            | Schedule::Polynomial { .. }
            | Schedule::OneCycle { .. } => None,
        }
    }

    /// The factor at update `t` (from 0) of `total`. docs/spec.md has the formulas.
    pub fn factor(self, t: u64, total: u64) -> f64 {
        let warmup = self.warmup().unwrap_or(0);
        let rise = if t < warmup { (t + 1) as f64 / warmup as f64 } else { 1.0 };
        let share = || (t - warmup) as f64 / (total - warmup) as f64;
        match self {
            Schedule::Constant | Schedule::Warmup { .. } => rise,
            Schedule::WarmupCosine { .. } if t < warmup => rise,
            Schedule::Cosine { lr_min } | Schedule::WarmupCosine { lr_min, .. } => {
                between(1.0, lr_min, half_wave(share()))
            }
            Schedule::Linear { lr_min } => between(1.0, lr_min, 1.0 - share()),
            Schedule::Polynomial { power, lr_min } => between(1.0, lr_min, (1.0 - share()).powf(power)),
            Schedule::Wsd { cooldown, lr_min, .. } => {
                let left = (total - t) as f64 / cooldown as f64;
                rise * between(1.0, lr_min, left.min(1.0))
            }
            Schedule::OneCycle { lr_min } => {
                let (t, last, peak) = (t as f64, total as f64 - 1.0, PCT_START * total as f64 - 1.0);
                if t <= peak {
                    between(1.0 / DIV_FACTOR, 1.0, half_wave(t / peak))
                } else {
                    between(1.0, lr_min, half_wave((t - peak) / (last - peak)))
                }
            }
        }
    }
}

/// Goes from `from`, where `share` is 1, to `to`, where it is 0.
fn between(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * share
}

/// Half a wave of a cosine, from 1 at 0 to 0 at 1.
fn half_wave(x: f64) -> f64 {
    (1.0 + (PI * x).cos()) / 2.0
}
