//! The published measure of trainability (Sohl-Dickstein 2024, "The boundary of neural network
//! trainability is fractal", arXiv 2402.06184): how far, and how long, training was from where it
//! began.
//!
//! Let v be the loss before each update over the loss before the first. A v that is not finite or
//! is above 1e6 counts as 1e6. A trial converged if the mean of its last 20 v is below 1. Its value
//! is minus the sum of all v if it converged, and the sum of all 1/v otherwise. So a small size of
//! the value means that training converged, or diverged, fast.

use super::Reading;

/// The largest ratio of losses, which also stands for what is not finite.
pub const MOST: f64 = 1e6;
/// The number of last steps over which a mean is taken.
pub const LAST: u64 = 20;

/// The losses of a trial so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Trainability {
    /// The updates of the trial, which is the number of losses to come.
    steps: u64,
    seen: u64,
    first: f64,
    sum: f64,
    inverse: f64,
    /// The sum over the last steps.
    tail: f64,
}

impl Trainability {
    /// The measure of a trial of `steps` updates, before its first step.
    ///
    /// # Panics
    /// If `steps` is 0: without a step there is no verdict.
    pub fn new(steps: u64) -> Trainability {
        assert!(steps > 0, "a trial of a map makes at least one update");
        Trainability { steps, seen: 0, first: f64::NAN, sum: 0.0, inverse: 0.0, tail: 0.0 }
    }

    /// Takes the loss before the next update. A loss after the last update is not looked at.
    pub fn step(&mut self, loss: f64) {
        if self.seen == self.steps {
            return;
        }
        if self.seen == 0 {
            self.first = loss;
        }
        let ratio = loss / self.first;
        // A NaN is not below.
        let ratio = if ratio < MOST { ratio } else { MOST };
        self.sum += ratio;
        self.inverse += 1.0 / ratio;
        if self.steps - self.seen <= LAST {
            self.tail += ratio;
        }
        self.seen += 1;
    }

    /// The reading of a trial whose losses are `rest` in all steps that were not seen.
    pub fn finish(mut self, rest: f64) -> Reading {
        while self.seen < self.steps {
            self.step(rest);
        }
        let converged = self.tail / (self.steps.min(LAST) as f64) < 1.0;
        Reading::Trainability { converged, value: if converged { -self.sum } else { self.inverse } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(losses: &[f64]) -> f64 {
        let mut measure = Trainability::new(losses.len() as u64);
        losses.iter().for_each(|loss| measure.step(*loss));
        let Reading::Trainability { converged, value } = measure.finish(f64::NAN) else { unreachable!() };
        // Losses are not negative here, so the sign tells the verdict.
        assert_eq!(converged, value < 0.0);
        value
    }

    #[test]
    fn a_trial_that_converges_has_minus_the_sum_of_its_ratios() {
        assert_eq!(value(&[4.0, 2.0, 1.0, 1.0]), -(1.0 + 0.5 + 0.25 + 0.25));
        // 30 steps, of which the last 20 count for the verdict and all for the value.
        let losses: Vec<f64> = (0..30).map(|i| if i < 10 { 8.0 } else { 4.0 }).collect();
        assert_eq!(value(&losses), -(10.0 + 20.0 * 0.5));
        let late: Vec<f64> = (0..30).map(|i| if i < 10 { 4.0 } else { 8.0 }).collect();
        assert_eq!(value(&late), 10.0 + 20.0 / 2.0);
    }

    #[test]
    fn a_mean_of_exactly_one_did_not_converge() {
        assert_eq!(value(&[2.0; 25]), 25.0);
        assert_eq!(value(&[2.0, 1.0, 3.0]), 1.0 + 2.0 + 2.0 / 3.0);
    }

    #[test]
    fn what_is_large_or_not_finite_counts_as_a_million() {
        let far = 1.0 + 1e-6 + 1e-6 + 1e-6 + 1e-6;
        assert_eq!(value(&[1.0, f64::INFINITY, f64::NAN, 1e300, 1e6]), far);
        // Nothing can be compared with a first loss that is 0 or is not finite.
        assert_eq!(value(&[0.0, 0.0]), 1e-6 + 1e-6);
        assert_eq!(value(&[0.0, 3.0]), 1e-6 + 1e-6);
        // inf / inf counts as a million and 1 / inf is 0, whose inverse is infinite.
        assert_eq!(value(&[f64::INFINITY, 1.0]), f64::INFINITY);
        assert_eq!(value(&[f64::NAN, 1.0]), 1e-6 + 1e-6);
    }

    #[test]
    fn the_rest_of_a_course_counts_as_if_it_had_been_trained() {
        let mut whole = Trainability::new(500);
        let mut early = Trainability::new(500);
        for i in 0..500u32 {
            let loss = if i < 100 { 1.0 / f64::from(i + 3) } else { 1.0 / 102.0 };
            whole.step(loss);
            if i <= 100 {
                early.step(loss);
            }
        }
        assert_eq!(early.finish(1.0 / 102.0), whole.finish(f64::NAN));
        // Losses after the last update are not looked at.
        let mut more = whole;
        more.step(f64::NAN);
        assert_eq!(more, whole);
    }
}
