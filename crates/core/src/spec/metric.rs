//! What an expectation measures: a rate of outcomes, or a function of a formula that is worked out once per trial.
//!
//! ```text
//! metric   = rate | function "(" formula ")"
//! rate     = divergence_rate | nonfinite_rate | converged_rate | stalled_rate | unsettled_rate
//! function = mean | geomean | median | min | max | std | var | count
//! formula  = number | column | layers | "(" formula ")" | ("ln" | "log10" | "sqrt" | "abs") "(" formula ")"
//!          | "-" formula | formula ("<" | ">" | "+" | "-" | "*" | "/" | "^") formula
//! layers   = layer_column "[" range ["," "time" range] ["," "epoch" integer] "]"
//! range    = end [".." end]
//! end      = integer | "last" ["-" integer] | "output"
//! ```
//!
//! A column is a numeric one of `runs.csv`, axes included; a layer column one of `layers.csv`. `^` binds tighter than a sign and to the
//! right, as in Python: `-2 ^ 2` is -4. `std` and `var` divide by n - 1; `ln` is the natural logarithm. `<` and `>`
//! bind last and give 1 or 0, and 0 where a side is NaN, so that their mean is a share of trials.
//!
//! A range of layers includes both ends and makes one observation per layer; ranges in one formula advance together, so they must
//! be equally long, and a single layer goes with each of them. `last` is the last hidden layer (or the last time step), `output` the
//! output layer, `depth + 1`. Without `epoch` the layers are those at epoch 0, before any update. Without `time` they are those of rows
//! that have none: hidden layers of recurrent nets have one row per time step and need it.
//!
//! Types only; `formula` reads the text, `check` measures.

use crate::record::LAYER;
use crate::record::column::abouts;

#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// As written, on one line.
    pub text: String,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Rate(Rate),
    Aggregate(Function, Formula),
}

/// A share of the trials with a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Diverged or non-finite.
    Divergence,
    Nonfinite,
    Converged,
    Stalled,
    Unsettled,
}

impl Rate {
    pub const ALL: [Rate; 5] = [Rate::Divergence, Rate::Nonfinite, Rate::Converged, Rate::Stalled, Rate::Unsettled];

    pub fn name(self) -> &'static str {
        match self {
            Rate::Divergence => "divergence_rate",
            Rate::Nonfinite => "nonfinite_rate",
            Rate::Converged => "converged_rate",
            Rate::Stalled => "stalled_rate",
            Rate::Unsettled => "unsettled_rate",
        }
    }
}

/// From observations to one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Mean,
    Geomean,
    Median,
    Min,
    Max,
    /// The root of `Var`.
    Std,
    /// Of the sample: the divisor is n - 1.
    Var,
    /// How many trials (or layers) have a value, finite or not.
    Count,
}

impl Function {
    pub const ALL: [Function; 8] = [
        Function::Mean,
        Function::Geomean,
        Function::Median,
        Function::Min,
        Function::Max,
        Function::Std,
        Function::Var,
        Function::Count,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Function::Mean => "mean",
            Function::Geomean => "geomean",
            Function::Median => "median",
            Function::Min => "min",
            Function::Max => "max",
            Function::Std => "std",
            Function::Var => "var",
            Function::Count => "count",
        }
    }
}

/// What is worked out for a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    pub root: Expr,
    /// The columns of `runs.csv` that it reads; `Expr::Column` is an index into them.
    pub columns: Vec<&'static str>,
    /// What it reads of `layers.csv`; `Expr::Layers` is an index into it.
    pub layers: Vec<LayerTerm>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Number(f64),
    Column(usize),
    Layers(usize),
    Apply(Unary, Box<Expr>),
    Operate(Operator, Box<Expr>, Box<Expr>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    Negate,
    Ln,
    Log10,
    Sqrt,
    Abs,
}

impl Unary {
    /// Those that are written as functions.
    pub const NAMED: [(&'static str, Unary); 4] =
        [("ln", Unary::Ln), ("log10", Unary::Log10), ("sqrt", Unary::Sqrt), ("abs", Unary::Abs)];

    pub fn of(self, x: f64) -> f64 {
        match self {
            Unary::Negate => -x,
            Unary::Ln => x.ln(),
            Unary::Log10 => x.log10(),
            Unary::Sqrt => x.sqrt(),
            Unary::Abs => x.abs(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    /// 1 if it holds, else 0.
    Less,
    Greater,
}

impl Operator {
    pub fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Operator::Add => a + b,
            Operator::Subtract => a - b,
            Operator::Multiply => a * b,
            Operator::Divide => a / b,
            Operator::Power => a.powf(b),
            Operator::Less => f64::from(a < b),
            Operator::Greater => f64::from(a > b),
        }
    }
}

/// Cells of one column of `layers.csv`, for each trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerTerm {
    pub column: &'static str,
    pub layers: IndexRange,
    /// None: rows whose time is empty.
    pub times: Option<IndexRange>,
    pub epoch: u64,
}

impl LayerTerm {
    /// The columns of `layers.csv` that were measured.
    pub fn columns() -> impl Iterator<Item = &'static str> {
        abouts(&LAYER).filter(|about| !about.is_key && about.is_numeric()).map(|about| about.name)
    }
}

/// From one layer (or time step) to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRange {
    pub from: RangeEnd,
    pub to: RangeEnd,
}

/// `number`, or that much after the last one, which depends on the trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeEnd {
    pub number: i64,
    pub from_last: bool,
}

impl RangeEnd {
    fn at(self, last: u64) -> i64 {
        if self.from_last { last as i64 + self.number } else { self.number }
    }
}

impl IndexRange {
    /// The first one of a trial whose last is `last`, and how many there are.
    pub fn of(self, last: u64) -> (i64, usize) {
        let (from, to) = (self.from.at(last), self.to.at(last));
        (from, (to - from + 1).max(0) as usize)
    }

    pub fn is_single(self) -> bool {
        self.from == self.to
    }

    /// Whether the two have as many members in every trial.
    pub(super) fn as_long_as(self, other: IndexRange) -> bool {
        let slope = |reach: IndexRange| i64::from(reach.to.from_last) - i64::from(reach.from.from_last);
        let length = |reach: IndexRange| reach.to.number - reach.from.number;
        slope(self) == slope(other) && length(self) == length(other)
    }
}

impl Metric {
    /// The columns of `runs.csv` that it reads, beside outcome and lost.
    pub fn columns(&self) -> &[&'static str] {
        match &self.what {
            What::Rate(_) => &[],
            What::Aggregate(_, formula) => &formula.columns,
        }
    }

    pub fn layers(&self) -> &[LayerTerm] {
        match &self.what {
            What::Rate(_) => &[],
            What::Aggregate(_, formula) => &formula.layers,
        }
    }
}
