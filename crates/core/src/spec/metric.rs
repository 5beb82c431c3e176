//! What an expectation measures: a rate of outcomes, or a function of a formula that is evaluated
//! once per trial.
//!
//! ```text
//! metric   = rate | "lr_sensitivity" | function "(" formula ")" | "edge." edge
//! rate     = failure_rate | divergence_rate | nonfinite_rate | relapse_rate | ruined_rate
//!          | converged_rate | stalled_rate | unsettled_rate | untrained_rate
//! function = mean | geomean | median | min | max | std | var | count
//! edge     = "safe_up_to" | "dead_from" | "reentrant" | ("low" | "high") "(" number ")"
//! formula  = number | column | layers | "(" formula ")"
//!          | ("ln" | "log10" | "sqrt" | "abs") "(" formula ")"
//!          | "-" formula | formula ("<" | ">" | "+" | "-" | "*" | "/" | "^") formula
//! layers   = layer_column "[" range ["," "time" range] ["," "epoch" integer] "]"
//! range    = end [".." end]
//! end      = integer | "last" ["-" integer] | "output"
//! ```
//!
//! A `column` is a numeric column of `runs.csv`, axes included, and a `layer_column` is one of
//! `layers.csv`. `^` binds tighter than a sign, and to the right, as in Python: `-2 ^ 2` is -4.
//! `std` and `var` divide by n - 1, and `ln` is the natural logarithm. `<` and `>` bind last. They
//! give 1 or 0, and 0 where a side is NaN, so that their mean is a share of trials.
//!
//! A range of layers includes both ends and makes one observation per layer. The ranges in one
//! formula advance together, so they must be equally long; a single layer goes with each layer of a
//! range. `last` is the last hidden layer (or the last time step), and `output` is the output
//! layer, `depth + 1`. Without `epoch` the layers are those at epoch 0, before any update. Without
//! `time` they are those of the rows that have no time step. Hidden layers of recurrent nets have
//! one row per time step, so they need it.
//!
//! `lr_sensitivity` needs no formula (`summary::sensitivity`).
//!
//! This module has the types only; `formula` reads the text, and `check` measures.

use crate::record::LAYER;
use crate::record::column::abouts;
use crate::summary::sensitivity;
use crate::verdict::Outcome;

/// A metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The text as it was written, on one line.
    pub text: String,
    pub what: What,
}

/// What a metric is.
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    Rate(Rate),
    /// How much the learning rate matters (`summary::sensitivity`).
    LrSensitivity,
    Aggregate(Function, Formula),
    Edge(EdgeMetric),
}

/// What is found of a line of an edge, see [`Answer`](crate::edge::answer::Answer).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EdgeMetric {
    SafeUpTo,
    DeadFrom,
    /// The lower end of the bracket of this share.
    Low(f64),
    /// The upper end of it.
    High(f64),
    /// 1 if the line is re-entrant, otherwise 0.
    Reentrant,
}

impl EdgeMetric {
    /// The share whose bracket it is about.
    pub fn share(self) -> Option<f64> {
        match self {
            EdgeMetric::Low(share) | EdgeMetric::High(share) => Some(share),
            EdgeMetric::SafeUpTo | EdgeMetric::DeadFrom | EdgeMetric::Reentrant => None,
        }
    }
}

/// The name of the metric `What::LrSensitivity`.
pub const LR_SENSITIVITY: &str = "lr_sensitivity";

/// A share of the trials with a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// Diverged, non-finite, relapsed or ruined.
    Failure,
    /// Diverged or non-finite.
    Divergence,
    Nonfinite,
    Relapse,
    Ruined,
    Converged,
    Stalled,
    Unsettled,
    Untrained,
}

impl Rate {
    pub const ALL: [Rate; 9] = [
        Rate::Failure,
        Rate::Divergence,
        Rate::Nonfinite,
        Rate::Relapse,
        Rate::Ruined,
        Rate::Converged,
        Rate::Stalled,
        Rate::Unsettled,
        Rate::Untrained,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Rate::Failure => "failure_rate",
            Rate::Divergence => "divergence_rate",
            Rate::Nonfinite => "nonfinite_rate",
            Rate::Relapse => "relapse_rate",
            Rate::Ruined => "ruined_rate",
            Rate::Converged => "converged_rate",
            Rate::Stalled => "stalled_rate",
            Rate::Unsettled => "unsettled_rate",
            Rate::Untrained => "untrained_rate",
        }
    }

    /// Whether the rate counts a trial with this outcome.
    pub fn counts(self, outcome: Outcome) -> bool {
        match self {
            Rate::Failure => outcome.failed(),
            Rate::Divergence => outcome.blew_up(),
            Rate::Nonfinite => outcome == Outcome::Nonfinite,
            Rate::Relapse => outcome == Outcome::Relapsed,
            Rate::Ruined => outcome == Outcome::Ruined,
            Rate::Converged => outcome == Outcome::Converged,
            Rate::Stalled => outcome == Outcome::Stalled,
            Rate::Unsettled => outcome == Outcome::Unsettled,
            Rate::Untrained => outcome == Outcome::Untrained,
        }
    }
}

/// A function from observations to one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Mean,
    Geomean,
    Median,
    Min,
    Max,
    /// The root of `Var`.
    Std,
    /// The sample variance: the divisor is n - 1.
    Var,
    /// The number of trials (or layers) that have a value, finite or not.
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

/// What is evaluated for a trial.
#[derive(Debug, Clone, PartialEq)]
pub struct Formula {
    pub root: Expr,
    /// The columns of `runs.csv` that it reads. `Expr::Column` is an index into them.
    pub columns: Vec<&'static str>,
    /// What it reads of `layers.csv`. `Expr::Layers` is an index into it.
    pub layers: Vec<LayerTerm>,
}

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    Number(f64),
    Column(usize),
    Layers(usize),
    Apply(Unary, Box<Expr>),
    Operate(Operator, Box<Expr>, Box<Expr>),
}

impl Expr {
    /// The value where `cell` gives the columns of a row. A formula of layers has none there, which
    /// is NaN.
    pub fn of_row(&self, cell: &dyn Fn(usize) -> f64) -> f64 {
        match self {
            Expr::Number(x) => *x,
            Expr::Column(i) => cell(*i),
            Expr::Layers(_) => f64::NAN,
            Expr::Apply(unary, inner) => unary.of(inner.of_row(cell)),
            Expr::Operate(operator, a, b) => operator.of(a.of_row(cell), b.of_row(cell)),
        }
    }
}

/// An operation on one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unary {
    Negate,
    Ln,
    Log10,
    Sqrt,
    Abs,
}

impl Unary {
    /// The operations that are written as functions.
    pub const NAMED: [(&'static str, Unary); 4] =
        [("ln", Unary::Ln), ("log10", Unary::Log10), ("sqrt", Unary::Sqrt), ("abs", Unary::Abs)];

    /// The result of the operation.
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

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    /// It is 1 if the comparison holds, otherwise 0.
    Less,
    Greater,
}

impl Operator {
    /// The result of the operation.
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

/// The cells of one column of `layers.csv`, for each trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerTerm {
    pub column: &'static str,
    pub layers: IndexRange,
    /// It is `None` for the rows whose time is empty.
    pub times: Option<IndexRange>,
    pub epoch: u64,
}

impl LayerTerm {
    /// The columns of `layers.csv` that were measured.
    pub fn columns() -> impl Iterator<Item = &'static str> {
        abouts(&LAYER).filter(|about| !about.is_key && about.is_numeric()).map(|about| about.name)
    }
}

/// The layers (or time steps) from one to another, with both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexRange {
    pub from: RangeEnd,
    pub to: RangeEnd,
}

/// The number of a layer or time step or, if `from_last` is set, its distance behind the last one,
/// which depends on the trial.
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
    /// The first layer and the number of layers, in a trial whose last layer is `last`.
    pub fn of(self, last: u64) -> (i64, usize) {
        let (from, to) = (self.from.at(last), self.to.at(last));
        (from, (to - from + 1).max(0) as usize)
    }

    /// Whether the range is one layer (or time step) in every trial.
    pub fn is_single(self) -> bool {
        self.from == self.to
    }

    /// Whether the two ranges are equally long in every trial.
    pub(super) fn as_long_as(self, other: IndexRange) -> bool {
        let slope = |reach: IndexRange| i64::from(reach.to.from_last) - i64::from(reach.from.from_last);
        let length = |reach: IndexRange| reach.to.number - reach.from.number;
        slope(self) == slope(other) && length(self) == length(other)
    }
}

impl Metric {
    /// The columns of `runs.csv` that it reads, beside `outcome` and `lost`.
    pub fn columns(&self) -> &[&'static str] {
        match &self.what {
            What::Rate(_) | What::Edge(_) => &[],
            What::LrSensitivity => &sensitivity::COLUMNS,
            What::Aggregate(_, formula) => &formula.columns,
        }
    }

    /// What it reads of `layers.csv`.
    pub fn layers(&self) -> &[LayerTerm] {
        match &self.what {
            What::Rate(_) | What::LrSensitivity | What::Edge(_) => &[],
            What::Aggregate(_, formula) => &formula.layers,
        }
    }
}
