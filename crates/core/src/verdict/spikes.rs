//! How often the loss spiked, and how long it took to come back.

/// The spikes of a run. A spike begins with an epoch loss above twice the best loss so far that has
/// risen by more than a tenth of the reference, too, so that noise near 0 makes none. It ends with
/// a loss that is at most a tenth above that best one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spikes {
    best: Option<f64>,
    /// The number of spikes that began.
    count: u64,
    /// The epochs of the current spike so far, and the best loss before it.
    current: Option<(u64, f64)>,
    /// The epochs of the longest spike that ended.
    longest: Option<u64>,
}

const BEGINS: f64 = 2.0;
const RISES: f64 = 0.1;
const ENDS: f64 = 1.1;

impl Spikes {
    /// Takes the next loss: the initial one first, then those of the epochs, then the final one.
    pub fn push(&mut self, loss: f64, reference: f64) {
        match self.current {
            Some((epochs, best)) if loss <= ENDS * best => {
                self.longest = self.longest.max(Some(epochs));
                self.current = None;
            }
            Some((epochs, best)) => self.current = Some((epochs + 1, best)),
            None => {
                if let Some(best) = self.best.filter(|best| loss > BEGINS * best && loss > best + RISES * reference) {
                    self.count += 1;
                    self.current = Some((1, best));
                }
            }
        }
        if loss.is_finite() && self.best.is_none_or(|best| loss < best) {
            self.best = Some(loss);
        }
    }

    /// The number of spikes, whether they ended or not.
    pub fn count(self) -> u64 {
        self.count
    }

    /// The number of epochs of the longest spike; `None` where there was none, and where the last
    /// one did not end.
    pub fn recovery(self) -> Option<u64> {
        self.longest.filter(|_| self.current.is_none())
    }
}
