//! Goes once over the grid and finds the place of every trial in it, and the trials of each
//! expectation, group by group.

use crate::axis::{AxisSet, Id};
use crate::spec::filter::{Attribute, Filter};
use crate::spec::metric::What;
use crate::spec::unmet::{self, Coverage, Unmet};
use crate::spec::written::Written;
use crate::spec::{Diagnostics, Mistake, Problems, Spec};
use crate::summary::Clusters;
use crate::trial::{Trial, TrialId};
use std::collections::HashMap;

/// The trials of the grid by their place in it.
pub struct Roster {
    pub ids: Vec<TrialId>,
    pub shapes: Vec<Dimensions>,
    /// The cluster of each trial's seed, by which intervals go.
    pub clusters: Vec<u16>,
    /// The trials that differ in their learning rate alone have the same number. It is empty where
    /// no expectation asks.
    pub curves: Vec<u32>,
    places: HashMap<TrialId, u32>,
    /// The groups of each expectation, in the order of the spec.
    pub expects: Vec<Vec<TrialGroup>>,
    /// The groups of `[baseline]`.
    pub baseline: Vec<TrialGroup>,
    /// The values of the spec's filters that no trial has.
    unmet: Vec<Unmet>,
}

/// The numbers of layers and time steps of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimensions {
    /// The hidden layers.
    pub depth: u64,
    /// The time steps of a recurrent net, otherwise 0.
    pub steps: u64,
}

/// Trials that agree in the columns of `by`, in grid order.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialGroup {
    /// `depth=4 init=he`
    pub name: String,
    pub places: Vec<u32>,
}

impl Roster {
    /// Goes over the grid of a spec, and behind it over these points of its edges.
    pub fn new(spec: &Spec, beside: &[u64]) -> Roster {
        let (mut ids, mut shapes, mut places) = (Vec::new(), Vec::new(), HashMap::new());
        let (mut clusters, mut seen) = (Vec::new(), Clusters::default());
        let mut expects: Vec<Grouping> = spec.expects.iter().map(|e| Grouping::new(&e.filter, &e.by)).collect();
        let everything = Filter::default();
        let mut baseline = Grouping::new(&everything, &spec.baseline.by);
        let mut coverages: Vec<Coverage<'_>> =
            spec.expects.iter().map(|expect| Coverage::new(&expect.filter)).collect();
        let asked = spec.expects.iter().any(|expect| expect.metric.what == What::LrSensitivity);
        let mut curves = asked.then(|| Curves::new(&spec.axes));
        let mut trials = spec.grid().beside(beside).trials();
        while let Some((_, id, trial)) = trials.advance() {
            let place = ids.len() as u32;
            coverages.iter_mut().for_each(|covered| covered.see(&trial));
            ids.push(id);
            let (depth, steps) = (trial.network.depth(), trial.network.recurrent_steps().unwrap_or(0));
            shapes.push(Dimensions { depth: depth as u64, steps: steps as u64 });
            clusters.push(seen.of(trial.seed) as u16);
            if let Some(curves) = &mut curves {
                curves.add(&trial);
            }
            places.insert(id, place);
            for groups in expects.iter_mut().chain([&mut baseline]) {
                groups.add(&trial, place);
            }
        }
        let expects = expects.into_iter().map(|groups| groups.all).collect();
        let unmet = coverages.iter().flat_map(Coverage::unmet).chain(trials.unmet(&spec.edges)).collect();
        let curves = curves.map(|curves| curves.of).unwrap_or_default();
        Roster { ids, shapes, clusters, curves, places, expects, baseline: baseline.all, unmet }
    }

    /// The place of a trial in the grid.
    pub fn place(&self, trial: TrialId) -> Option<u32> {
        self.places.get(&trial).copied()
    }

    /// Refuses filters that match nothing, since an expectation of nothing would always hold, and
    /// values in filters that no trial has.
    pub fn check_filters(&self, spec: &Spec, written: &Written) -> Result<(), Diagnostics> {
        let mut problems = Problems::default();
        for (expect, _) in spec.expects.iter().zip(&self.expects).filter(|(_, groups)| groups.is_empty()) {
            let message = format!("this filter matches none of the {} trials", self.ids.len());
            let hint = "an expectation of nothing would always hold; loosen `where`, or drop the expectation";
            problems.push(&expect.where_span, Mistake::new(message, hint));
        }
        if !problems.is_empty() {
            return Err(problems.report(written));
        }
        unmet::refuse(&self.unmet, &|column| spec.grid().values(column), written)
    }
}

/// Numbers the trials by all that they are but for the learning rate.
struct Curves {
    /// The attributes but for the learning rate.
    others: Vec<Attribute>,
    numbers: HashMap<String, u32>,
    of: Vec<u32>,
}

impl Curves {
    fn new(known: &AxisSet) -> Curves {
        let others = known.all().filter(|axis| axis.id != Id::Lr).map(Attribute::Axis);
        Curves { others: others.chain([Attribute::Task]).collect(), numbers: HashMap::new(), of: Vec::new() }
    }

    fn add(&mut self, trial: &Trial) {
        let lr = Attribute::Axis(Id::Lr.axis()).text(trial);
        let texts = self.others.iter().map(|attribute| {
            let text = attribute.text(trial);
            // What has the learning rate because it was not set follows it.
            let follows = matches!(attribute, Attribute::Axis(axis) if axis.id.follows() == Some(Id::Lr));
            if follows && text == lr { String::new() } else { text }
        });
        let key = texts.collect::<Vec<_>>().join("\n");
        let next = self.numbers.len() as u32;
        self.of.push(*self.numbers.entry(key).or_insert(next));
    }
}

/// Puts trials into groups.
struct Grouping<'a> {
    filter: &'a Filter,
    by: &'a [Attribute],
    at: HashMap<String, usize>,
    all: Vec<TrialGroup>,
}

impl<'a> Grouping<'a> {
    fn new(filter: &'a Filter, by: &'a [Attribute]) -> Grouping<'a> {
        Grouping { filter, by, at: HashMap::new(), all: Vec::new() }
    }

    fn add(&mut self, trial: &Trial, place: u32) {
        if !self.filter.matches(trial) {
            return;
        }
        let names = self.by.iter().map(|column| format!("{}={}", column.name(), column.text(trial)));
        let name = names.collect::<Vec<_>>().join(" ");
        let at = *self.at.entry(name).or_insert_with_key(|name| {
            self.all.push(TrialGroup { name: name.clone(), places: Vec::new() });
            self.all.len() - 1
        });
        self.all[at].places.push(place);
    }
}
