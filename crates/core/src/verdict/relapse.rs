//! The best that a run reached, and how much of it the run gave back.

use super::late::Late;
use super::outcome::LEARNED;

/// The smallest of the epoch losses so far and the number of its epoch, the first of equal ones.
#[derive(Debug, Clone, Copy, Default)]
pub struct Best {
    best: Option<(f64, u64)>,
}

impl Best {
    /// Takes the loss of an epoch. A NaN is never the best.
    pub fn push(&mut self, loss: f64, epoch: u64) {
        if self.best.is_none_or(|(best, _)| loss < best) && !loss.is_nan() {
            self.best = Some((loss, epoch));
        }
    }

    /// The best loss and its epoch.
    pub fn loss_and_epoch(self) -> Option<(f64, u64)> {
        self.best
    }

    /// The share that was given back of the way from the reference down to the best loss: 0 where
    /// the run ended at its best, 1 where it is back at the reference, more above. It is `None`
    /// where the best loss is above 0.9 times the reference, and where the end is NaN.
    ///
    /// The run's end is the late loss, of which only what came after the best loss takes part. So a
    /// loss that falls to its end gives nothing back, however fast it falls.
    pub fn given_back(self, reference: f64, late: &Late, after: Option<f64>, epochs: u64) -> Option<f64> {
        let (best, epoch) = self.best.filter(|(best, _)| *best <= LEARNED * reference)?;
        let end = if epoch > epochs { best } else { late.median(after, epoch) };
        let share = (end - best) / (reference - best);
        (!share.is_nan()).then(|| share.max(0.0))
    }
}
