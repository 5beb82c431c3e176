//! Observations -> one number. A NaN among them makes the result NaN, except that of `count`. Infinities are taken as numbers: they
//! are minimum, maximum and mean where they should be, and leave `var` and `std` NaN.

use crate::spec::metric::Function;

/// None if there are too few values: none at all, or one for `std` and `var`.
pub fn aggregate(function: Function, values: &[f64]) -> Option<f64> {
    if function == Function::Count {
        return Some(values.len() as f64);
    }
    if values.is_empty() {
        return None;
    }
    if values.iter().any(|x| x.is_nan()) {
        return Some(f64::NAN);
    }
    match function {
        Function::Count => None,
        Function::Mean => Some(mean(values)),
        Function::Geomean => Some(geomean(values)),
        Function::Median => Some(median(values)),
        Function::Min => values.iter().copied().reduce(f64::min),
        Function::Max => values.iter().copied().reduce(f64::max),
        Function::Var => var(values),
        Function::Std => var(values).map(f64::sqrt),
    }
}

fn mean(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let sum: f64 = values.iter().sum();
    if sum.is_finite() || values.iter().any(|x| x.is_infinite()) {
        return sum / n;
    }
    // The sum overflowed, the mean does not.
    values.iter().map(|x| x / n).sum()
}

/// exp(mean(ln x)): 0 if a value is 0, NaN if one is negative.
fn geomean(values: &[f64]) -> f64 {
    let logarithms: Vec<f64> = values.iter().map(|x| x.ln()).collect();
    mean(&logarithms).exp()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        1 => sorted[middle],
        _ if sorted[middle - 1] == sorted[middle] => sorted[middle],
        _ => sorted[middle - 1] / 2.0 + sorted[middle] / 2.0,
    }
}

/// In two passes, with the rounding error of the mean taken out again.
fn var(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = mean(values);
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    let drift: f64 = values.iter().map(|x| x - mean).sum();
    (values.len() > 1).then(|| (squares - drift * drift / n) / (n - 1.0))
}
