//! All data in a page.

use super::checks::Checks;
use super::columns::{Measure, TypedArray, base64, integers, measure};
use super::curves::Curves;
use super::edges::EdgeTable;
use crate::figures::design;
use crate::figures::influence::Influence;
use crate::figures::palette::{Colour, NAMED, VIRIDIS, YL_OR_RD};
use crate::figures::plan::{AxisSelection, Frame, by_influence, usual_level};
use crate::figures::table::{Factor, SurvivalEvent, TrialTable};
use blowup_core::record::column::{self, About};
use blowup_core::record::{Counts, Lost, Verdict, abouts_of_runs};
use blowup_core::store::{Manifest, Status};
use blowup_core::summary::student_quantiles;
use blowup_core::verdict::Outcome;
use serde::Serialize;
use std::collections::HashMap;

/// The measured columns that a page shows, if they have values. The integers, which are places such
/// as an epoch or a layer, come last.
pub fn measures() -> Vec<&'static str> {
    let mut shown: Vec<&About> = abouts_of_runs().filter(|about| about.is_reported).collect();
    shown.sort_by_key(|about| about.kind != column::ColumnKind::Float);
    shown.into_iter().map(|about| about.name).collect()
}

/// The data of a page, in the form that `page/data.js` reads.
#[derive(Debug, Serialize)]
pub struct PageData<'a> {
    pub name: String,
    version: &'static str,
    fingerprints: Vec<String>,
    status: Option<Status>,
    /// Whether the sweep has ended, or its rows came without a sweep.
    complete: bool,
    /// Whether the page loads itself anew every few seconds.
    reloads: bool,
    /// The counts of the whole grid.
    counts: Counts,
    /// How many trials were lost, by reason.
    lost_text: String,
    /// Present if the page has only a part of the rows of `runs.csv`.
    sampled: Option<Sampled>,
    /// The names of the outcomes and then of the reasons of a loss. The numbers in `verdict` are
    /// indices into this.
    verdicts: Vec<&'static str>,
    /// How many of these names are outcomes.
    outcomes: usize,
    /// Which of the outcomes the failure rate and the divergence rate count.
    failed: Vec<bool>,
    blown: Vec<bool>,
    /// The 97.5% quantiles of Student's distribution with 1, 2, ... degrees of freedom, as many as
    /// intervals by seeds can need.
    student: Vec<f64>,
    axes: Vec<AxisData<'a>>,
    /// What each axis explains of which trials fail, in the order of `influences`.
    influences: Vec<InfluenceData>,
    /// The axes of the first diagram.
    start: DiagramData,
    colours: ColourData,
    measures: Vec<Measure>,
    /// The ids of the trials: six bytes for each row, the highest first.
    trial: String,
    verdict: TypedArray,
    /// The number of the configuration of each row. Rows with the same number differ only in their
    /// seed.
    configuration: TypedArray,
    /// How many epochs each trial was to be trained.
    budget: TypedArray,
    /// The epoch in which each trial diverged, or 0 if it did not.
    diverged: TypedArray,
    /// The epoch in which each trial had its first value that was not finite, or 0 if it had none.
    nonfinite: TypedArray,
    curves: Option<Curves>,
    edges: Option<EdgeTable>,
    spec: Option<String>,
    checks: Option<Checks>,
}

/// Whether a page loads itself anew, so that it follows a sweep whose report is written again and
/// again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    Never,
    /// Every few seconds, until the sweep is complete.
    UntilComplete,
}

/// That the rows are a sample.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sampled {
    /// How many rows `runs.csv` has.
    pub of: u64,
}

/// One axis of the grid.
#[derive(Debug, Serialize)]
struct AxisData<'a> {
    name: &'static str,
    numeric: bool,
    levels: Vec<&'a str>,
    codes: TypedArray,
    /// Whether the value follows from another axis.
    follows: bool,
    /// Whether it is the seed.
    repeats: bool,
    /// The level at which it is held where a diagram does not show it.
    usual: u32,
}

/// What one axis explains of which trials fail.
#[derive(Debug, Serialize)]
struct InfluenceData {
    axis: &'static str,
    alone: f64,
    gain: f64,
}

/// The axes of a diagram. A name is empty where there is none.
#[derive(Debug, Serialize)]
struct DiagramData {
    x: &'static str,
    y: &'static str,
    columns: &'static str,
    rows: &'static str,
}

/// The colours of the figures, as a style sheet has them.
#[derive(Debug, Serialize)]
struct ColourData {
    cells: Vec<String>,
    ordered: Vec<String>,
    named: Vec<String>,
}

/// What a page shows beside the rows.
pub struct PageContext {
    pub name: String,
    pub manifest: Option<Manifest>,
    pub sampled: Option<Sampled>,
    pub edges: Option<EdgeTable>,
    pub spec: Option<String>,
    pub checks: Option<Checks>,
    pub reload: Reload,
}

impl<'a> PageData<'a> {
    /// The data of a page. `configurations` is what the function of that name returns. `table` was
    /// shortened by `design::shorten`.
    pub fn new(
        table: &'a TrialTable,
        configurations: &[u32],
        curves: Option<Curves>,
        beside: PageContext,
    ) -> PageData<'a> {
        let status = beside.manifest.as_ref().map(|manifest| manifest.status);
        let complete = status.is_none_or(has_ended);
        let counts = match &beside.manifest {
            // The manifest of a sweep that trains has the counts of its start.
            Some(manifest) if !complete && beside.sampled.is_none() => so_far(counted(table), manifest.counts.trials),
            Some(manifest) => manifest.counts,
            None => counted(table),
        };
        let epochs = |event| integers(table.epochs_of(event).iter().map(|epoch| epoch.unwrap_or(0)));
        let budget = table.factor("epochs").expect("a column that is always there");
        let influences = by_influence(table, &table.rows(), design::causes(table));
        let ids = table.trials.iter().flat_map(|trial| trial.bits().to_be_bytes().into_iter().skip(2));
        PageData {
            name: beside.name,
            version: env!("CARGO_PKG_VERSION"),
            fingerprints: beside.manifest.as_ref().map(|manifest| manifest.fingerprints.clone()).unwrap_or_default(),
            status,
            complete,
            reloads: beside.reload == Reload::UntilComplete && !complete,
            lost_text: lost_text(table, counts.lost),
            counts,
            sampled: beside.sampled,
            verdicts: Outcome::ALL.iter().map(|o| o.name()).chain(Lost::ALL.iter().map(|l| l.name())).collect(),
            outcomes: Outcome::ALL.len(),
            failed: Outcome::ALL.map(Outcome::failed).to_vec(),
            blown: Outcome::ALL.map(Outcome::blew_up).to_vec(),
            student: student_quantiles(table.factor("seed").map_or(0, |seed| seed.levels.len())),
            axes: axes(table),
            influences: influences.iter().map(InfluenceData::of).collect(),
            start: DiagramData::first(table, influences.iter().map(|of| of.factor).collect()),
            colours: ColourData::new(),
            measures: measures().into_iter().filter_map(|name| measure(name, table.measure(name))).collect(),
            trial: base64(&ids.collect::<Vec<u8>>()),
            verdict: integers(table.verdicts.iter().map(|verdict| number(*verdict))),
            configuration: integers(configurations.iter().copied()),
            budget: integers((0..table.len()).map(|row| budget.level(row).number.unwrap_or_default() as u32)),
            diverged: epochs(SurvivalEvent::Diverged),
            nonfinite: epochs(SurvivalEvent::Nonfinite),
            curves,
            edges: beside.edges,
            spec: beside.spec,
            checks: beside.checks,
        }
    }
}

/// The number of the configuration of each row, in the order in which they first appear. As in
/// `summary.csv`, a configuration is everything but the seed.
pub fn configurations(table: &TrialTable) -> Vec<u32> {
    let causes: Vec<&Factor> =
        table.factors.iter().filter(|factor| factor.levels.len() > 1 && !repeats(table, factor)).collect();
    let (mut at, mut key) = (HashMap::new(), Vec::new());
    let mut of = |row| {
        key.clear();
        key.extend(causes.iter().map(|factor| factor.code(row)));
        match at.get(&key) {
            Some(number) => *number,
            None => {
                let number = at.len() as u32;
                at.insert(key.clone(), number);
                number
            }
        }
    };
    (0..table.len()).map(&mut of).collect()
}

/// Whether the factor is the seed, or the seed of the data where that is the same as the seed in
/// every row.
fn repeats(table: &TrialTable, factor: &Factor) -> bool {
    match factor.name {
        "seed" => true,
        "data_seed" => {
            let seed = table.factor("seed").expect("a column that is always there");
            (0..table.len()).all(|row| seed.level(row).text == factor.level(row).text)
        }
        _ => false,
    }
}

/// The axes that vary. The seed of the data is left out if it is the same as the seed.
fn axes<'a>(table: &'a TrialTable) -> Vec<AxisData<'a>> {
    let causes: Vec<&str> = design::causes(table).iter().map(|factor| factor.name).collect();
    let several = table.factors.iter().filter(|factor| factor.levels.len() > 1);
    let own = several.filter(|factor| factor.name != "data_seed" || !repeats(table, factor));
    let cause = |factor: &Factor| match factor.name {
        "data_seed" => true,
        name => causes.contains(&name),
    };
    let axis = |factor: &'a Factor| AxisData {
        name: factor.name,
        numeric: factor.is_numeric(),
        levels: factor.levels.iter().map(|level| &*level.text).collect(),
        codes: integers((0..table.len()).map(|row| factor.code(row))),
        follows: factor.name != "seed" && !cause(factor),
        repeats: factor.name == "seed",
        usual: usual_level(factor, &table.rows()),
    };
    own.map(axis).collect()
}

impl InfluenceData {
    fn of(influence: &Influence<'_>) -> InfluenceData {
        InfluenceData { axis: influence.factor.name, alone: influence.alone, gain: influence.gain }
    }
}

impl DiagramData {
    /// The first diagram of these rows: `blowup plot` chooses the same axes where all trials are
    /// one family.
    ///
    /// `ranked` are the causes in the order of what they decide.
    fn first(table: &TrialTable, ranked: Vec<&Factor>) -> DiagramData {
        let name = |factor: Option<&Factor>| factor.map_or("", |factor| factor.name);
        match AxisSelection::default().frame(table, &table.rows(), ranked) {
            (Frame::Phase(axes), _) => {
                DiagramData { x: axes.x.name, y: axes.y.name, columns: name(axes.columns), rows: name(axes.rows) }
            }
            (Frame::Rates { by }, rest) => {
                // An axis with a single value says nothing, and the page shows one cell without it.
                let x = if by.levels.len() > 1 { by.name } else { "" };
                DiagramData { x, y: name(rest.first().copied()), columns: "", rows: "" }
            }
        }
    }
}

impl ColourData {
    fn new() -> ColourData {
        let texts = |colours: &[Colour]| colours.iter().map(Colour::to_string).collect();
        ColourData { cells: texts(&YL_OR_RD), ordered: texts(&VIRIDIS), named: texts(&NAMED) }
    }
}

/// The index of a verdict in `verdicts`.
fn number(verdict: Verdict) -> u32 {
    let place = match verdict {
        Verdict::Outcome(outcome) => Outcome::ALL.iter().position(|o| *o == outcome),
        Verdict::Lost(lost) => Lost::ALL.iter().position(|l| *l == lost).map(|at| Outcome::ALL.len() + at),
    };
    place.expect("all are listed") as u32
}

fn counted(table: &TrialTable) -> Counts {
    let mut counts = Counts::default();
    table.verdicts.iter().for_each(|verdict| counts.add(*verdict));
    counts
}

/// The counts of a sweep of so many trials, of which these have rows.
fn so_far(counts: Counts, trials: u64) -> Counts {
    let trials = trials.max(counts.trials);
    Counts { missing: trials - counts.trials, trials, ..counts }
}

/// Whether a sweep with this status trains nothing more.
fn has_ended(status: Status) -> bool {
    match status {
        Status::Running | Status::Interrupted => false,
        Status::Complete | Status::Partial => true,
    }
}

/// How many trials were lost for which reason, such as `2 crashed, 1 timeout`.
fn lost_text(table: &TrialTable, lost: u64) -> String {
    let of = |reason: &Lost| table.verdicts.iter().filter(|verdict| **verdict == Verdict::Lost(*reason)).count() as u64;
    let reasons: Vec<(u64, &Lost)> = Lost::ALL.iter().map(|reason| (of(reason), reason)).collect();
    if reasons.iter().map(|(n, _)| n).sum::<u64>() != lost {
        return "the column `lost` of runs.csv says why".to_owned();
    }
    let some = reasons.iter().filter(|(n, _)| *n > 0);
    some.map(|(n, reason)| format!("{n} {}", reason.name())).collect::<Vec<_>>().join(", ")
}
