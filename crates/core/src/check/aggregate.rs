//! Observations become one number. A NaN among them makes the number NaN, except a `count`.
//! Infinities are taken as numbers: they are minimum, maximum and mean where they should be, and
//! they leave `var` and `std` NaN.

use crate::mean::mean;
use crate::median::median;
use crate::spec::metric::Function;

/// The number that `function` makes of the values; `None` if they are too few, which means none at
/// all, or a single one for `std` and `var`.
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
        Function::Mean => Some(mean(values.iter().copied())),
        Function::Geomean => Some(geomean(values)),
        Function::Median => median(&mut values.to_vec()),
        Function::Min => values.iter().copied().reduce(f64::min),
        Function::Max => values.iter().copied().reduce(f64::max),
        Function::Var => var(values),
        Function::Std => std(values),
    }
}

/// exp(mean(ln x)). It is 0 if a value is 0, and NaN if a value is negative.
fn geomean(values: &[f64]) -> f64 {
    mean(values.iter().map(|x| x.ln())).exp()
}

/// The sample variance in two passes, with the rounding error of the mean corrected.
fn var(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = mean(values.iter().copied());
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    let drift: f64 = values.iter().map(|x| x - mean).sum();
    (values.len() > 1).then(|| (squares - drift * drift / n) / (n - 1.0))
}

/// The root of the variance, also where the variance leaves the range of f64.
fn std(values: &[f64]) -> Option<f64> {
    let plain = var(values)?;
    let largest = values.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    if plain.is_normal() || largest == 0.0 || !largest.is_finite() {
        return Some(plain.sqrt());
    }
    let scaled: Vec<f64> = values.iter().map(|x| x / largest).collect();
    var(&scaled).map(|var| var.sqrt() * largest)
}
