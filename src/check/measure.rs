//! A metric of a group of trials. Trials without a verdict take no part; empty cells are left out and counted.

use super::aggregate::aggregate;
use super::run::Run;
use crate::spec::metric::{Expr, Formula, Function, Metric, Rate, What};
use crate::summary::wilson;
use crate::verdict::Outcome;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// None if there was nothing (or for a variance too little) to measure.
    pub value: Option<f64>,
    /// The 95% interval of a rate.
    pub interval: Option<(f64, f64)>,
    /// Values that went into it: trials, or trials and layers. Of a count: all that could have one.
    pub n: u64,
    /// Those left out because a cell is empty.
    pub empty: u64,
}

pub fn measure(metric: &Metric, places: &[u32], run: &Run) -> Measured {
    match &metric.what {
        What::Rate(rate) => measure_rate(*rate, places, run),
        What::Aggregate(function, formula) => {
            let (mut values, mut empty) = (Vec::with_capacity(places.len()), 0);
            let observed = Observed::new(formula, run);
            for place in places.iter().filter(|place| run.outcome(**place).is_some()) {
                match observed.of(*place) {
                    Some(x) => values.push(x),
                    None => empty += 1,
                }
            }
            // What is counted may be nothing at all, but not among no trials.
            let n = values.len() as u64 + if *function == Function::Count { empty } else { 0 };
            let value = if n == 0 { None } else { aggregate(*function, &values) };
            Measured { value, interval: None, n, empty }
        }
    }
}

fn measure_rate(rate: Rate, places: &[u32], run: &Run) -> Measured {
    let counts = |outcome: Outcome| match rate {
        Rate::Divergence => outcome.blew_up(),
        Rate::Nonfinite => outcome == Outcome::Nonfinite,
        Rate::Converged => outcome == Outcome::Converged,
        Rate::Stalled => outcome == Outcome::Stalled,
        Rate::Unsettled => outcome == Outcome::Unsettled,
    };
    let (mut hits, mut n) = (0, 0);
    for outcome in places.iter().filter_map(|place| run.outcome(*place)) {
        n += 1;
        hits += u64::from(counts(outcome));
    }
    let some = n > 0;
    Measured { value: some.then(|| hits as f64 / n as f64), interval: some.then(|| wilson(hits, n)), n, empty: 0 }
}

/// A formula with the columns it reads.
struct Observed<'a> {
    root: &'a Expr,
    columns: Vec<&'a [Option<f64>]>,
}

impl<'a> Observed<'a> {
    fn new(formula: &'a Formula, run: &'a Run) -> Observed<'a> {
        Observed { root: &formula.root, columns: formula.columns.iter().map(|name| run.column(name)).collect() }
    }

    fn of(&self, place: u32) -> Option<f64> {
        self.value(self.root, place)
    }

    fn value(&self, expr: &Expr, place: u32) -> Option<f64> {
        match expr {
            Expr::Number(x) => Some(*x),
            Expr::Column(i) => self.columns[*i][place as usize],
            Expr::Layers(_) => None,
            Expr::Apply(unary, inner) => self.value(inner, place).map(|x| unary.of(x)),
            Expr::Operate(operator, a, b) => Some(operator.of(self.value(a, place)?, self.value(b, place)?)),
        }
    }
}
