//! Which updates are skipped. Each rule has a file of its own.
//!
//! A step that is skipped leaves the weights of its lane, the state of its optimizer and that of
//! its clipping as they were ([`Saved`]). The schedule of the learning rate goes on.

mod saved;
pub mod zscore;

pub use saved::Saved;

use blowup_core::trial::Skip;
use zscore::Window;

/// What a rule remembers of the steps of one trial.
#[derive(Debug, Clone, Default)]
pub struct Guard(Window);

impl Guard {
    /// Takes note of a step and returns whether its update is skipped; `None` without a rule. The
    /// norm is that of the whole gradient before clipping, in the training dtype.
    pub fn skips(&mut self, skip: Skip, loss: f64, norm: f64) -> Option<bool> {
        match skip {
            Skip::None => None,
            Skip::Norm(threshold) => Some(norm > threshold || !norm.is_finite()),
            Skip::Zscore(z) => Some(self.0.skips(z, loss, norm)),
        }
    }
}
