//! How a run ended: what its last epochs say together.

use crate::median::median;
use std::collections::VecDeque;

/// The epoch losses of the last third of the epochs so far, rounded up. An earlier loss will never
/// be in it again. The last tenth is a part of it.
#[derive(Debug, Clone, Default)]
pub struct Late {
    losses: VecDeque<f64>,
    epochs: u64,
}

/// The fewest losses among which a trend is told. With fewer, even losses that all rise are not
/// significant in the normal approximation.
const FEWEST: usize = 6;
/// The 99% quantile of the normal distribution.
const SIGNIFICANT: f64 = 2.3263478740408408;

impl Late {
    /// Takes the loss of the next epoch.
    pub fn push(&mut self, loss: f64) {
        self.epochs += 1;
        self.losses.push_back(loss);
        if self.losses.len() as u64 > self.epochs.div_ceil(3) {
            self.losses.pop_front();
        }
    }

    /// The loss of the last epoch.
    pub fn last(&self) -> Option<f64> {
        self.losses.back().copied()
    }

    /// The median of the epoch losses of the last tenth, rounded up, and the loss after the last
    /// epoch, if that was measured. Only the losses of the epochs from `since` on, which counts
    /// from 1, take part. Where their number is even, the last loss counts twice. Without any loss
    /// it is NaN, and so it is if one of them is NaN.
    pub fn median(&self, after: Option<f64>, since: u64) -> f64 {
        let tenth = self.epochs.div_ceil(10);
        let count = tenth.min((self.epochs + 1).saturating_sub(since)) as usize;
        let mut losses: Vec<f64> = self.losses.range(self.losses.len() - count..).copied().chain(after).collect();
        let Some(&last) = losses.last() else { return f64::NAN };
        if losses.iter().any(|loss| loss.is_nan()) {
            return f64::NAN;
        }
        if losses.len().is_multiple_of(2) {
            losses.push(last);
        }
        median(&mut losses).unwrap_or(f64::NAN)
    }

    /// Whether the losses of the last third rise, the loss after the last epoch included: the trend
    /// test of Mann (1945), one-sided at 1%, with the variance of ties (Kendall 1975). It is `None`
    /// with fewer losses than can tell, and if one of them is NaN.
    pub fn rises(&self, after: Option<f64>) -> Option<bool> {
        let mut losses: Vec<f64> = self.losses.iter().copied().chain(after).collect();
        if losses.len() < FEWEST || losses.iter().any(|loss| loss.is_nan()) {
            return None;
        }
        let n = losses.len() as f64;
        let pairs = n * (n - 1.0) / 2.0;
        let mut space = vec![0.0; losses.len()];
        let falls = inversions(&mut losses, &mut space);
        let (mut tied, mut variance) = (0.0, n * (n - 1.0) * (2.0 * n + 5.0));
        for equal in losses.chunk_by(|a, b| a == b).map(|equal| equal.len() as f64) {
            tied += equal * (equal - 1.0) / 2.0;
            variance -= equal * (equal - 1.0) * (2.0 * equal + 5.0);
        }
        // The pairs that rise without those that fall, corrected for continuity.
        let rise = pairs - tied - 2.0 * falls as f64 - 1.0;
        Some(variance > 0.0 && rise > SIGNIFICANT * (variance / 18.0).sqrt())
    }
}

/// Sorts the numbers, and counts the pairs of which the first was larger. `space` is as long.
fn inversions(numbers: &mut [f64], space: &mut [f64]) -> u64 {
    let middle = numbers.len() / 2;
    if middle == 0 {
        return 0;
    }
    let (left, right) = numbers.split_at_mut(middle);
    let mut count = inversions(left, &mut space[..middle]) + inversions(right, &mut space[middle..]);
    let (mut i, mut j) = (0, 0);
    for to in space.iter_mut() {
        if j == right.len() || (i < left.len() && left[i] <= right[j]) {
            *to = left[i];
            i += 1;
        } else {
            *to = right[j];
            j += 1;
            count += (left.len() - i) as u64;
        }
    }
    numbers.copy_from_slice(space);
    count
}
