//! Measures a metric of a group of trials. Trials without a verdict take no part. Empty cells are
//! left out and counted.

use super::aggregate::aggregate;
use super::layers::{LayerCells, extent};
use super::roster::{Dimensions, Roster};
use super::run::Run;
use crate::edge::follow::Line;
use crate::record::is_recorded;
use crate::spec::Spec;
use crate::spec::metric::{Expr, Formula, Function, Metric, Rate, What};
use crate::summary::BySeed;
use crate::summary::sensitivity::{self, LossCurve};
use std::collections::{BTreeMap, BTreeSet};

/// The value of a metric, and what it was measured on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// It is `None` if there was nothing to measure, or too little for a variance.
    pub value: Option<f64>,
    /// The 95% interval of a rate, which goes by seeds.
    pub interval: Option<(f64, f64)>,
    /// The number of seeds among the trials of a rate.
    pub seeds: Option<u64>,
    /// The number of values that went into it: one for each trial, or for each layer of each trial,
    /// or for each curve of trials that differ in their learning rate alone.
    /// For a count it is the number of those that could have a value.
    pub n: u64,
    /// The number of those that were left out because a cell is empty.
    pub empty: u64,
    /// The number of values that are NaN.
    pub nan: u64,
    /// The number of trials with a verdict that should have what the metric reads.
    pub recordable: u64,
    /// The number of those of them of which it was not recorded.
    pub unrecorded: u64,
}

/// The estimate of what no trial has.
const NOTHING: Estimate =
    Estimate { value: None, interval: None, seeds: None, n: 0, empty: 0, nan: 0, recordable: 0, unrecorded: 0 };

/// The rows of a sweep.
#[derive(Clone, Copy)]
pub struct SweepRows<'a> {
    pub roster: &'a Roster,
    pub run: &'a Run,
    pub layers: &'a LayerCells,
    /// The lines of its edges.
    pub lines: &'a [Line],
}

/// Measures a metric of the trials at these places of the grid.
pub fn measure(metric: &Metric, places: &[u32], rows: SweepRows<'_>) -> Estimate {
    match &metric.what {
        What::Rate(rate) => measure_rate(*rate, places, rows),
        What::LrSensitivity => measure_sensitivity(places, rows),
        // Trials have none: `judge` asks the lines of the edges.
        What::Edge(_) => NOTHING,
        What::Aggregate(function, formula) => {
            let (mut values, mut empty) = (Vec::with_capacity(places.len()), 0);
            let observed = Observed::new(formula, rows);
            let (mut recordable, mut unrecorded) = (0, 0);
            for place in places.iter().filter(|place| rows.run.outcome(**place).is_some()) {
                observed.of(*place, &mut values, &mut empty);
                let lacks = observed.lacks(*place);
                recordable += u64::from(lacks.is_some());
                unrecorded += u64::from(lacks == Some(true));
            }
            // A count may be of nothing at all, but not among no trials.
            let n = values.len() as u64 + if *function == Function::Count { empty } else { 0 };
            let value = if n == 0 { None } else { aggregate(*function, &values) };
            let nan = values.iter().filter(|x| x.is_nan()).count() as u64;
            Estimate { value, interval: None, seeds: None, n, empty, nan, recordable, unrecorded }
        }
    }
}

fn measure_rate(rate: Rate, places: &[u32], rows: SweepRows<'_>) -> Estimate {
    let (mut counted, mut n) = (BySeed::default(), 0);
    for place in places {
        if let Some(outcome) = rows.run.outcome(*place) {
            n += 1;
            counted.add(usize::from(rows.roster.clusters[*place as usize]), rate, outcome);
        }
    }
    let interval = counted.interval();
    Estimate {
        value: interval.map(|of| of.rate),
        interval: interval.map(|of| (of.low, of.high)),
        seeds: Some(counted.seeds()),
        n,
        empty: 0,
        nan: 0,
        recordable: 0,
        unrecorded: 0,
    }
}

fn measure_sensitivity(places: &[u32], rows: SweepRows<'_>) -> Estimate {
    let mut curves: BTreeMap<u32, LossCurve> = BTreeMap::new();
    let mut seeds = BTreeSet::new();
    let [lrs, initial, last] = sensitivity::COLUMNS.map(|name| rows.run.column(name));
    for place in places.iter().filter(|place| rows.run.outcome(**place).is_some()) {
        let at = *place as usize;
        // A program's trial may have no learning rate.
        if let Some(lr) = lrs[at] {
            curves.entry(rows.roster.curves[at]).or_default().add(lr, initial[at], last[at]);
            seeds.insert(rows.roster.clusters[at]);
        }
    }
    let (value, n) = sensitivity::lr_sensitivity(curves.values());
    Estimate {
        value,
        interval: None,
        seeds: Some(seeds.len() as u64),
        n,
        empty: curves.len() as u64 - n,
        nan: 0,
        recordable: 0,
        unrecorded: 0,
    }
}

/// The columns that are needed where layers are read; see [`Observed::reached`].
const COURSE: [&str; 2] = ["epochs", "epoch_nan"];

/// The columns of `runs.csv` that the expectations of a spec need.
pub fn columns(spec: &Spec) -> Vec<&'static str> {
    let metrics = || spec.expects.iter().map(|expect| &expect.metric);
    let mut columns: Vec<_> = metrics().flat_map(Metric::columns).copied().collect();
    if metrics().any(|metric| !metric.layers().is_empty()) {
        columns.extend(COURSE);
    }
    columns
}

/// A formula with the cells that it reads.
struct Observed<'a> {
    formula: &'a Formula,
    columns: Vec<&'a [Option<f64>]>,
    /// Where the formula reads layers: the epochs that each trial was to train, and the epoch in
    /// which the first NaN loss ended it.
    course: Option<[&'a [Option<f64>]; 2]>,
    rows: SweepRows<'a>,
}

/// A trial, and the position in its layers and time steps.
#[derive(Clone, Copy)]
struct Position {
    place: u32,
    shape: Dimensions,
    position: (usize, usize),
}

impl<'a> Observed<'a> {
    fn new(formula: &'a Formula, rows: SweepRows<'a>) -> Observed<'a> {
        let columns = formula.columns.iter().map(|name| rows.run.column(name)).collect();
        let course = !formula.layers.is_empty();
        Observed { formula, columns, course: course.then(|| COURSE.map(|name| rows.run.column(name))), rows }
    }

    /// Whether something that should have been measured in the trial was not recorded of it. It is
    /// `None` if everything that the formula reads is there of every trial, or cannot be there of
    /// this one.
    fn lacks(&self, place: u32) -> Option<bool> {
        let at = place as usize;
        let columns = self.formula.columns.iter().zip(&self.columns).filter(|(name, _)| is_recorded(name));
        let columns = columns.map(|(_, values)| values[at].is_none());
        let layers = self.formula.layers.iter().filter(|layers| self.reached(layers.epoch, at));
        let layers = layers.map(|layers| !self.rows.layers.has(*layers, place));
        columns.chain(layers).reduce(|a, b| a || b)
    }

    /// Whether the trial came to the end of this epoch. It did not if its loss became NaN in it.
    fn reached(&self, epoch: u64, place: usize) -> bool {
        let Some([epochs, nan]) = self.course else { return true };
        epochs[place].is_some_and(|epochs| epoch as f64 <= epochs) && nan[place].is_none_or(|nan| (epoch as f64) < nan)
    }

    /// Adds the observations of a trial: one, or one per layer (and time step).
    fn of(&self, place: u32, values: &mut Vec<f64>, empty: &mut u64) {
        let shape = self.rows.roster.shapes[place as usize];
        let (layers, times) = extent(&self.formula.layers, shape);
        // The trial has no such layer.
        *empty += u64::from(layers * times == 0);
        for position in (0..layers).flat_map(|layer| (0..times).map(move |time| (layer, time))) {
            match self.value(&self.formula.root, Position { place, shape, position }) {
                Some(x) => values.push(x),
                None => *empty += 1,
            }
        }
    }

    fn value(&self, expr: &Expr, at: Position) -> Option<f64> {
        match expr {
            Expr::Number(x) => Some(*x),
            Expr::Column(i) => self.columns[*i][at.place as usize],
            Expr::Layers(i) => self.rows.layers.value(self.formula.layers[*i], at.place, at.shape, at.position),
            Expr::Apply(unary, inner) => self.value(inner, at).map(|x| unary.of(x)),
            Expr::Operate(operator, a, b) => Some(operator.of(self.value(a, at)?, self.value(b, at)?)),
        }
    }
}
