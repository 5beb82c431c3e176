//! Skipping steps that stand out, as OLMo's `SkipStepOptimizer` does it (OLMo et al. 2024, "2 OLMo
//! 2 Furious", arXiv 2501.00656): those whose loss or gradient norm is so many standard deviations
//! above its mean of the last 128 steps.

use std::collections::VecDeque;

/// The most steps before the present one that are looked at.
const LENGTH: usize = 128;
/// The step, counted from 1, that is the first to be judged.
const FIRST: usize = LENGTH / 2;

/// The losses and norms of the last steps, those of skipped ones included.
#[derive(Debug, Clone, Default)]
pub struct Window {
    losses: VecDeque<f64>,
    norms: VecDeque<f64>,
}

impl Window {
    /// Takes note of a step and returns whether it stands out. Before the 64th step none does.
    ///
    /// Numbers that are not finite stand out, and are left out of mean and deviation, so that one
    /// of them costs one step. With fewer than two others every step stands out.
    pub fn skips(&mut self, z: f64, loss: f64, norm: f64) -> bool {
        let stands_out = self.losses.len() + 1 >= FIRST
            && [(&self.losses, loss), (&self.norms, norm)].into_iter().any(|(past, x)| stands_out(past, z, x));
        for (past, x) in [(&mut self.losses, loss), (&mut self.norms, norm)] {
            past.push_back(x);
            if past.len() > LENGTH {
                past.pop_front();
            }
        }
        stands_out
    }
}

/// Whether `x` is more than `z` standard deviations, with divisor n - 1, above the mean of `past`.
fn stands_out(past: &VecDeque<f64>, z: f64, x: f64) -> bool {
    let finite = || past.iter().copied().filter(|x| x.is_finite());
    let count = finite().count() as f64;
    let mean = finite().sum::<f64>() / count;
    let deviation = (finite().map(|x| (x - mean).powi(2)).sum::<f64>() / (count - 1.0)).sqrt();
    // A deviation of 0 times infinity would be a NaN.
    let most = if z.is_finite() { z * deviation } else { z };
    // A NaN is no reason to go on.
    !(x.is_finite() && x - mean <= most)
}
