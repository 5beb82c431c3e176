//! Checks whether the dtype of a trial holds the numbers that it starts from: data, learning rates
//! and the like. A number that it does not hold would be infinite before the first step, which is a
//! mistake in the spec and not something that training did. PyTorch refuses such a learning rate,
//! too ("value cannot be converted to type float without overflow"). A number that becomes 0 is
//! accepted there, and so it is here.

use super::bundle::{self, KnownBundle};
use super::check::View;
use super::report::{Mistake, Problems, excerpt};
use crate::axis::{Bounds, Held, Id, Kind, TABLE};
use crate::trial::{Dtype, Loss, Number, Optimizer, Value};

/// Whether `x` is a finite number of this dtype after rounding.
pub fn holds(dtype: Dtype, x: f64) -> bool {
    match dtype {
        Dtype::Float32 => (x as f32).is_finite(),
        Dtype::Float64 => x.is_finite(),
        Dtype::Bfloat16 => half::bf16::from_f64(x).is_finite(),
        Dtype::Float16 => half::f16::from_f64(x).is_finite(),
    }
}

/// Whether `x`, which is not 0, becomes 0 in this dtype.
pub fn vanishes(dtype: Dtype, x: f64) -> bool {
    match dtype {
        Dtype::Float32 => x.abs() < f64::from(f32::MIN_POSITIVE),
        Dtype::Float64 => x.abs() < f64::MIN_POSITIVE,
        Dtype::Bfloat16 => x.abs() < f64::from(f32::MIN_POSITIVE),
        Dtype::Float16 => half::f16::from_f64(x) == half::f16::ZERO,
    }
}

/// The dtype of the factor by which a number of this dtype is multiplied: for the 16-bit dtypes it
/// is float32.
fn inner(dtype: Dtype) -> Dtype {
    match dtype {
        Dtype::Float64 => Dtype::Float64,
        Dtype::Float32 | Dtype::Bfloat16 | Dtype::Float16 => Dtype::Float32,
    }
}

fn largest(dtype: Dtype) -> &'static str {
    match dtype {
        Dtype::Float32 => "3.40e38",
        Dtype::Float64 => "1.79e308",
        Dtype::Bfloat16 => "3.39e38",
        Dtype::Float16 => "65504",
    }
}

/// Reports the numbers from which no trial of the block can start. Where axes stand in one dial,
/// their values are taken row by row, otherwise each value with each.
pub fn check(view: &View, bundles: &[KnownBundle], problems: &mut Problems) {
    let dtypes = dtypes(view, bundles);
    if let Some(plan) = view.task {
        let losses = view.losses();
        for &dtype in &dtypes {
            if let Some((span, mistake)) = plan.beyond(dtype, losses.contains(&Loss::Mse)) {
                problems.push(span, mistake);
                break;
            }
        }
    }
    // Under autocast the inputs are rounded to 16 bits, and the targets are not.
    if let Some(plan) = view.task
        && view.can_be(Id::Precision, "amp_float16")
        && let Some((span, mistake)) = plan.beyond(Dtype::Float16, false)
    {
        problems.push(span, mistake);
    }
    for axis in &TABLE {
        let id = axis.id;
        let Kind::Float { range: Bounds { held, .. }, .. } = axis.kind else { continue };
        let broken = pairs(view, id, held, &dtypes).into_iter().find_map(|(x, dtype)| {
            let (factor, dtype) = taken(view, held, dtype);
            (!holds(dtype, x * factor)).then_some((x, factor, dtype))
        });
        let Some((x, factor, dtype)) = broken else { continue };
        let name = id.name();
        let under = if factor > 1.0 { " (Adam divides it by 1 - beta1 at its first step)" } else { "" };
        let message = format!("`{name}` = {} is beyond {}{under}", crate::record::float(x), dtype.name());
        let hint = format!(
            "the largest number of {} is {}; a larger `{name}` needs a wider dtype, in a block of its own if others are narrower",
            dtype.name(),
            largest(dtype)
        );
        problems.add(view.place(id), message, hint);
    }
}

/// The dtypes of the block. That of a bundle is in its file.
fn dtypes(view: &View, bundles: &[KnownBundle]) -> Vec<Dtype> {
    let names = bundle::named(view);
    if !names.is_empty() {
        return bundles.iter().filter(|bundle| names.contains(&bundle.name)).map(|bundle| bundle.dtype).collect();
    }
    let named = |value: &Value| if let Value::Text(name) = value { Dtype::from_name(name) } else { None };
    view.values(Id::Dtype).unwrap_or_default().iter().filter_map(named).collect()
}

/// The numbers of an axis that a dtype must hold, each with a dtype beside which it comes.
fn pairs(view: &View, id: Id, held: Held, dtypes: &[Dtype]) -> Vec<(f64, Dtype)> {
    match held {
        Held::Nothing => return Vec::new(),
        Held::Number | Held::Rate => {}
    }
    let number = |value: &Value| if let Value::Float(x) = value { Some(*x) } else { None };
    if let Some(given) = view.given(id)
        && given.dial.axes().contains(&Id::Dtype)
    {
        let rows = given.dial.cells(id).into_iter().zip(given.dial.cells(Id::Dtype));
        let pair = |(number_cell, dtype_cell): (Option<super::dial::Cell>, Option<super::dial::Cell>)| {
            let dtype = match dtype_cell.map(|cell| cell.value) {
                Some(Value::Text(name)) => Dtype::from_name(name)?,
                _ => return None,
            };
            Some((number(&number_cell.filter(|cell| cell.per.is_none())?.value)?, dtype))
        };
        return rows.filter_map(pair).collect();
    }
    let largest = view.values(id).unwrap_or_default().iter().filter_map(number).reduce(f64::max);
    largest.into_iter().flat_map(|x| dtypes.iter().map(move |&dtype| (x, dtype))).collect()
}

/// The most that the optimizers of a block multiply a number by before they take it, and the dtype
/// in which they take it.
fn taken(view: &View, held: Held, dtype: Dtype) -> (f64, Dtype) {
    match held {
        Held::Rate => {
            let quotients: Option<Vec<f64>> = optimizers(view).into_iter().map(Optimizer::quotient).collect();
            // `add_` rounds its `alpha` to the dtype, `addcdiv_` its `value` to float32.
            quotients.map_or((1.0, dtype), |all| (all.into_iter().fold(1.0, f64::max), inner(dtype)))
        }
        Held::Number | Held::Nothing => (1.0, dtype),
    }
}

/// The optimizers of a block, each with every momentum and with the largest beta1 that it can have.
fn optimizers(view: &View) -> Vec<Optimizer> {
    let named = |value: Value| if let Value::Text(name) = value { Optimizer::from_name(name) } else { None };
    let all = view.values(Id::Optimizer).unwrap_or_default().into_iter().filter_map(named);
    let numbers = |id: Id| view.values(id).unwrap_or_default();
    let mut optimizers = Vec::new();
    for mut optimizer in all {
        let largest = numbers(Id::Beta1).into_iter().reduce(|a, b| if f64::of(a) >= f64::of(b) { a } else { b });
        if let (Some(_), Some(beta1)) = (optimizer.number("beta1"), largest) {
            optimizer.set_number("beta1", beta1);
        }
        optimizers.push(optimizer);
        for momentum in numbers(Id::Momentum) {
            if optimizer.number("momentum").is_some() {
                optimizer.set_number("momentum", momentum);
                optimizers.push(optimizer);
            }
        }
    }
    optimizers
}

/// The mistake of a data file's first column that a dtype does not hold. `columns` are the columns
/// with their largest magnitudes.
pub fn column(dtype: Dtype, file: &str, columns: &[(String, f64)]) -> Option<Mistake> {
    let (name, beyond, largest) = columns.iter().find_map(|(name, largest)| {
        let (beyond, gone) = (!holds(dtype, *largest), *largest != 0.0 && vanishes(dtype, *largest));
        (beyond || gone).then_some((name, beyond, *largest))
    })?;
    let (dtype, largest) = (dtype.name(), crate::record::float(largest));
    let what = match beyond {
        true => format!("holds {largest}, which is beyond {dtype}"),
        false => format!("is 0 everywhere in {dtype}: its largest number is {largest}"),
    };
    let message = format!("`{}`: column `{}` {what}", excerpt(file), excerpt(name));
    Some(Mistake::new(
        message,
        "standardize = true brings every column to mean 0 and variance 1; or take dtype = \"float64\"",
    ))
}

/// The mistake that some of the drawn inputs would be beyond a dtype.
pub fn input_std(dtype: Dtype, std: f64) -> Option<Mistake> {
    // No normal number of 64 bits lies beyond 9 standard deviations. The sums over them that make
    // targets are in float64.
    let room = if dtype == Dtype::Float64 { 1e6 } else { 10.0 };
    (!holds(dtype, std * room)).then(|| {
        let message = format!("inputs of `input_std` = {} are beyond {}", crate::record::float(std), dtype.name());
        Mistake::new(message, format!("numbers of {} end at {}", dtype.name(), largest(dtype)))
    })
}
