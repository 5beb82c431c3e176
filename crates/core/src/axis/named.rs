//! Names that a spec may write instead of numbers, such as "1/sqrt(L)". A name is the number that
//! it stands for in its trial, and a filter compares it with the number that a trial has.

use super::{Axis, Id, Kind};
use crate::trial::{Exact, LossScale, Network, Value};

/// A name that stands instead of a number.
#[derive(Debug)]
pub struct Named {
    pub name: &'static str,
    /// The number, given the values of the other axes of the trial. It is `None` where these do not
    /// say it.
    pub number: fn(Values) -> Option<f64>,
    /// The axis that applies beside this name only, if the name means more than its number. A trial
    /// is given the name then, and otherwise the number.
    pub marked_by: Option<Id>,
}

/// The values of the axes of a trial, or of a row. A value is `None` where its axis does not apply.
pub type Values<'a> = &'a dyn Fn(Id) -> Option<Value>;

/// A name that means a number and nothing more.
const fn plain(name: &'static str, number: fn(Values) -> Option<f64>) -> Named {
    Named { name, number, marked_by: None }
}

/// The names of factors of residual branches. L is the number of branches.
pub(super) const OF_BRANCHES: &[Named] = &[
    plain("1/sqrt(L)", |of| Some(1.0 / branches(of)?.sqrt())),
    plain("1/sqrt(2L)", |of| Some(1.0 / (2.0 * branches(of)?).sqrt())),
];

/// The name of a factor of the last layers of residual branches (Radford et al. 2019).
pub(super) const OF_BRANCH_STARTS: &[Named] = &[plain("gpt2", |of| Some(1.0 / branches(of)?.sqrt()))];

/// The names of factors of attention logits.
pub(super) const OF_LOGITS: &[Named] =
    &[plain("standard", |of| Some(1.0 / head_width(of)?.sqrt())), plain("mup", |of| Some(1.0 / head_width(of)?))];

/// The name of a cap that caps nothing.
pub(super) const OF_CAPS: &[Named] = &[plain("none", |_| Some(f64::INFINITY))];

/// The name of a loss scale that changes while a trial trains. Its number is where it begins.
pub(super) const OF_LOSS_SCALES: &[Named] =
    &[Named { name: LossScale::DYNAMIC, number: |_| Some(LossScale::START), marked_by: Some(Id::GrowthInterval) }];

/// The number of residual branches that there are, or would be, and at least 1.
fn branches(of: Values) -> Option<f64> {
    let Some(Value::Text(network)) = of(Id::Network) else { return None };
    let mut network = Network::from_name(network)?;
    match of(Id::Depth) {
        Some(Value::Integer(depth)) if depth > 0 => network.set_depth(depth as usize),
        _ => return None,
    }
    if let (Network::Transformer(transformer), Some(Value::Float(ratio))) = (&mut network, of(Id::MlpRatio)) {
        transformer.mlp_ratio = Exact(ratio);
    }
    Some(network.branches().max(1) as f64)
}

/// The width of a head of attention.
fn head_width(of: Values) -> Option<f64> {
    match (of(Id::Width), of(Id::Heads)) {
        (Some(Value::Integer(width)), Some(Value::Integer(heads))) => Some(width.checked_div(heads)? as f64),
        _ => None,
    }
}

impl Axis {
    /// The names that may stand instead of numbers of this axis.
    pub fn named(&self) -> &'static [Named] {
        match self.kind {
            Kind::Float { names, .. } => names,
            Kind::Choice { .. } | Kind::Integer { .. } | Kind::Boolean | Kind::Text => &[],
        }
    }

    /// The name of a number that this value is.
    pub fn named_number(&self, value: Value) -> Option<&'static Named> {
        let Value::Text(text) = value else { return None };
        self.named().iter().find(|named| named.name == text)
    }

    /// What a trial is given for a value that a spec has. `of` has the values of the axes that were
    /// set before.
    ///
    /// # Panics
    /// If the value is the name of a number that depends on an axis that was not set before.
    pub fn resolved(&self, value: Value, of: Values) -> Value {
        match self.named_number(value) {
            Some(Named { name, number, marked_by: None }) => {
                let number = number(of);
                Value::Float(number.unwrap_or_else(|| panic!("no axis says what `{name}` is in `{}`", self.name)))
            }
            Some(Named { marked_by: Some(_), .. }) | None => value,
        }
    }
}
