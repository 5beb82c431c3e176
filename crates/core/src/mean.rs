//! The mean of numbers whose sum may leave the range of f64. Every mean in this program is taken
//! here.

/// The second sum is of numbers that are smaller by this factor. It is a power of two, so the
/// numbers keep their digits.
const SMALLER: f64 = 1.0 / 18_446_744_073_709_551_616.0;

/// A weighted mean, which is fed one number after the other. Wherever the plain sum does not
/// overflow, it has the bits of the plain sum divided by the weight.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mean {
    sum: f64,
    small: f64,
    weight: f64,
}

impl Mean {
    /// Adds a number of this weight.
    pub fn add(&mut self, value: f64, weight: f64) {
        self.sum += value * weight;
        self.small += value * SMALLER * weight;
        self.weight += weight;
    }

    /// The mean: NaN of no numbers, and infinite if one of the numbers is.
    pub fn value(&self) -> f64 {
        if self.sum.is_finite() { self.sum / self.weight } else { self.small / self.weight / SMALLER }
    }

    pub fn is_empty(&self) -> bool {
        self.weight == 0.0
    }
}

/// The mean of numbers of equal weight.
pub fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut mean = Mean::default();
    values.into_iter().for_each(|value| mean.add(value, 1.0));
    mean.value()
}

#[cfg(test)]
mod tests {
    use super::{Mean, mean};

    #[test]
    fn a_mean_is_finite_where_its_sum_is_not() {
        assert_eq!(mean([1e308; 10]), 1e308);
        assert_eq!(mean([f64::MAX; 1000]), f64::MAX);
        assert_eq!(mean([1.5e308, -1.5e308, 1.5e308, 1.5e308, 1.5e308]), 0.9e308);
        let mut weighted = Mean::default();
        weighted.add(1e308, 7.0);
        weighted.add(5e307, 3.0);
        assert_eq!(weighted.value(), 8.5e307);
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        assert_eq!(mean([1e308, f64::INFINITY, 1e308]), f64::INFINITY);
        assert_eq!(mean([-1e308, f64::NEG_INFINITY]), f64::NEG_INFINITY);
        assert!(mean([1.0, f64::NAN]).is_nan());
        assert!(mean([f64::INFINITY, f64::NEG_INFINITY]).is_nan());
        assert!(mean([]).is_nan());
    }

    #[test]
    fn an_ordinary_mean_is_the_sum_over_the_number() {
        let values = [0.1, 0.2, 0.3, 1e-200, 1e17];
        assert_eq!(mean(values), values.iter().sum::<f64>() / 5.0);
    }
}
