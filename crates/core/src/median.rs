//! The median, for everything in blowup that speaks of one.

/// The median of these numbers, which it may reorder; of an even number of them the mean of the
/// middle two. It is `None` if there are none. A NaN is sorted by its sign, before or behind all
/// other numbers, so callers leave NaN out or decide what it means.
///
/// It takes a time proportional to the number of numbers.
pub fn median(numbers: &mut [f64]) -> Option<f64> {
    let middle = numbers.len() / 2;
    if numbers.is_empty() {
        return None;
    }
    let is_odd = !numbers.len().is_multiple_of(2);
    let (below, upper, _) = numbers.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = if is_odd { *upper } else { below.iter().copied().max_by(f64::total_cmp)? };
    // Halves are added, since the sum of two large numbers may be beyond f64.
    Some(if lower == *upper { *upper } else { lower / 2.0 + *upper / 2.0 })
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_middle_two() {
        for (numbers, expected) in [
            (&[][..], None),
            (&[2.0], Some(2.0)),
            (&[3.0, 1.0, 2.0], Some(2.0)),
            (&[4.0, 1.0, 2.0, 3.0], Some(2.5)),
            (&[9.0, 1.0], Some(5.0)),
            (&[f64::INFINITY, 1.0, f64::INFINITY, 2.0, f64::INFINITY], Some(f64::INFINITY)),
            (&[f64::INFINITY, f64::INFINITY], Some(f64::INFINITY)),
            (&[f64::NEG_INFINITY, 1.0, 7.0], Some(1.0)),
            (&[f64::MAX, f64::MAX / 2.0], Some(f64::MAX * 0.75)),
        ] {
            assert_eq!(median(&mut numbers.to_vec()), expected, "{numbers:?}");
        }
    }

    /// All orders of some numbers, two of which are equal, have the median that sorting gives.
    #[test]
    fn the_order_of_the_numbers_does_not_matter() {
        fn orders(numbers: &mut Vec<f64>, from: usize, seen: &mut dyn FnMut(&[f64])) {
            if from == numbers.len() {
                return seen(numbers);
            }
            for at in from..numbers.len() {
                numbers.swap(from, at);
                orders(numbers, from + 1, seen);
                numbers.swap(from, at);
            }
        }
        for (mut numbers, expected) in
            [(vec![1.0, 2.0, 2.0, 5.0, 9.0], 2.0), (vec![1.0, 2.0, 2.0, 5.0, 9.0, 12.0], 3.5)]
        {
            orders(&mut numbers, 0, &mut |order| assert_eq!(median(&mut order.to_vec()), Some(expected), "{order:?}"));
        }
    }
}
