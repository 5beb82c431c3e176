//! What a check found.

use super::{Cells, Number};
use blowup_core::check::baseline::{BaselineComparison, ChangedOutcome, GroupComparison, RATES};
use blowup_core::check::roster::Roster;
use blowup_core::check::{Case, Gate};
use serde::Serialize;
use std::collections::HashMap;

#[derive(Debug, Serialize)]
pub struct CheckDocument {
    pub passed: bool,
    /// The trials of the grid.
    pub trials: u64,
    pub cases: Vec<CaseLine>,
    pub baseline: Option<BaselineLine>,
}

/// One thing that was checked. It passed if it has no finding.
#[derive(Debug, Serialize)]
pub struct CaseLine {
    /// `results`, `expectations` or `baseline`.
    pub suite: &'static str,
    pub name: String,
    /// The group, as `depth=4 init=he`; empty if all trials are one.
    pub group: String,
    pub metric: String,
    pub expected: String,
    pub measured: Option<Number>,
    /// The 95% interval of a rate, by seeds.
    pub low: Option<Number>,
    pub high: Option<Number>,
    pub n: u64,
    pub seeds: Option<u64>,
    pub empty: u64,
    pub finding: Option<FindingLine>,
    /// The place in the spec that asks for it.
    pub file: Option<String>,
    pub line: Option<usize>,
}

#[derive(Debug, Serialize)]
pub struct FindingLine {
    pub code: &'static str,
    pub message: String,
}

#[derive(Debug, Serialize)]
pub struct BaselineLine {
    pub file: String,
    /// Whether its `runs.csv` has the same bytes.
    pub same_bytes: bool,
    pub pairs: u64,
    pub only_here: u64,
    pub only_there: u64,
    pub changed: Vec<ChangeLine>,
    pub groups: Vec<GroupLine>,
}

/// A trial whose outcome is another one than in the baseline.
#[derive(Debug, Serialize)]
pub struct ChangeLine {
    pub trial: String,
    /// What tells the trial from the others of its grid, as texts of `runs.csv`.
    pub axes: Cells,
    pub before: &'static str,
    pub now: &'static str,
}

#[derive(Debug, Serialize)]
pub struct GroupLine {
    pub group: String,
    pub pairs: u64,
    pub seeds: u64,
    pub rates: Vec<RateLine>,
    /// The pairs that crossed the threshold of divergence in both sweeps, those that did so earlier
    /// or later than before, and the p-value of that.
    pub both: u64,
    pub earlier: u64,
    pub later: u64,
    pub p: f64,
}

/// The trials that a rate counts, before and now, and the p-value of the difference.
#[derive(Debug, Serialize)]
pub struct RateLine {
    pub rate: &'static str,
    pub before: u64,
    pub now: u64,
    pub newly: u64,
    pub no_longer: u64,
    pub p: f64,
}

/// A comparison with an earlier sweep, and what is told beside it.
pub struct Compared<'a> {
    pub comparison: &'a BaselineComparison,
    pub roster: &'a Roster,
    /// What tells changed trials apart, by their places in the grid.
    pub apart: &'a HashMap<u32, Vec<(&'static str, String)>>,
    pub file: String,
    pub same_bytes: bool,
}

impl CheckDocument {
    /// The document of a gate. `place` gives the file and the line of a byte of the spec.
    pub fn new(gate: &Gate, baseline: Option<Compared<'_>>, place: &dyn Fn(usize) -> (String, usize)) -> CheckDocument {
        let compared = gate.baseline.as_ref().map_or(&[][..], |comparison| &comparison.cases);
        let suites = [("results", &gate.whole[..]), ("expectations", &gate.expectations[..]), ("baseline", compared)];
        let cases = suites.iter().flat_map(|(suite, cases)| cases.iter().map(|case| case_line(suite, case, place)));
        CheckDocument {
            passed: gate.passed(),
            trials: gate.trials,
            cases: cases.collect(),
            baseline: baseline.map(|compared| compared.line()),
        }
    }
}

fn case_line(suite: &'static str, case: &Case, place: &dyn Fn(usize) -> (String, usize)) -> CaseLine {
    let (file, line) = case.place.map(place).unzip();
    CaseLine {
        suite,
        name: case.name.clone(),
        group: case.group.clone(),
        metric: case.metric.clone(),
        expected: case.expected.clone(),
        measured: case.measured.map(Number),
        low: case.interval.map(|(low, _)| Number(low)),
        high: case.interval.map(|(_, high)| Number(high)),
        n: case.n,
        seeds: case.seeds,
        empty: case.empty,
        finding: case
            .finding
            .as_ref()
            .map(|finding| FindingLine { code: finding.code.name(), message: finding.message.clone() }),
        file,
        line,
    }
}

impl Compared<'_> {
    fn line(self) -> BaselineLine {
        let change = |change: &ChangedOutcome| ChangeLine {
            trial: self.roster.ids[change.place as usize].to_string(),
            axes: Cells(self.apart.get(&change.place).cloned().unwrap_or_default()),
            before: change.before.name(),
            now: change.now.name(),
        };
        BaselineLine {
            pairs: self.comparison.pairs,
            only_here: self.comparison.only_here,
            only_there: self.comparison.only_there,
            changed: self.comparison.changes.iter().map(change).collect(),
            groups: self.comparison.groups.iter().map(group_line).collect(),
            file: self.file,
            same_bytes: self.same_bytes,
        }
    }
}

fn group_line(group: &GroupComparison) -> GroupLine {
    let rates = RATES.iter().zip(&group.rates).map(|(compared, rate)| RateLine {
        rate: compared.rate.name(),
        before: rate.before,
        now: rate.now,
        newly: rate.newly,
        no_longer: rate.no_longer,
        p: rate.test.p,
    });
    GroupLine {
        group: group.name.clone(),
        pairs: group.pairs,
        seeds: group.seeds,
        rates: rates.collect(),
        both: group.both,
        earlier: group.earlier,
        later: group.later,
        p: group.epoch.p,
    }
}
