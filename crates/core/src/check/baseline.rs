//! Compares a sweep with an earlier one, pair by pair. A trial's id stands for its configuration
//! and seed, so the pairs are the rows of equal id. For each group there are three tests: whether
//! more trials fail, whether more trials blow up (the exact test of McNemar), and whether those
//! that blow up in both sweeps do so earlier (signed rank). Holm's method corrects each of them
//! over the groups, so each raises a false alarm with a chance of at most alpha.
//!
//! Trials of one seed share their random draws, so their pairs are not independent. The tests take
//! the seeds as independent: all pairs of a seed change sides together (`random_signs`). Where a
//! group has one pair of each seed they are McNemar's test and Wilcoxon's. A few seeds can prove
//! nothing, however many pairs they have; where the pairs would, the group fails too, since a gate
//! never passes on what it could not see.

use super::measure::SweepRows;
use super::run::Run;
use super::statistics::{detectable, holm, random_signs, signed_ranks};
use super::{Case, Code, Finding};
use crate::failure::counted;
use crate::record::Verdict;
use crate::spec::expect::Baseline;
use crate::spec::metric::Rate;
use crate::verdict::Outcome;
use std::collections::{BTreeMap, BTreeSet};

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct BaselineComparison {
    /// The number of trials with a verdict in both sweeps.
    pub pairs: u64,
    /// The number of trials of the grid that have no row in the baseline. Grids grow and axes lose
    /// values, so these trials, and those of `only_there`, are counted and not compared.
    pub only_here: u64,
    /// The number of rows of the baseline whose trial is not in the grid.
    pub only_there: u64,
    pub groups: Vec<GroupComparison>,
    pub changes: Vec<ChangedOutcome>,
    /// The level of Holm's first test, which is the strictest.
    pub level: f64,
    /// The fewest seeds, all with changes for the worse, that fail a group.
    pub detectable: u64,
    pub cases: Vec<Case>,
}

/// A rate that is compared.
pub struct ComparedRate {
    pub rate: Rate,
    /// What the trials do that it counts, and what they did.
    pub verbs: [&'static str; 2],
}

/// The rates that are compared.
pub const RATES: [ComparedRate; 2] = [
    ComparedRate { rate: Rate::Failure, verbs: ["fail", "failed"] },
    ComparedRate { rate: Rate::Divergence, verbs: ["blow up", "blew up"] },
];

/// The pairs of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupComparison {
    pub name: String,
    pub pairs: u64,
    /// The number of seeds of the pairs.
    pub seeds: u64,
    /// In the order of [`RATES`].
    pub rates: [RateComparison; 2],
    /// The number of pairs that crossed the divergence threshold in both sweeps. `earlier` and
    /// `later` of them did so in another epoch than before.
    pub both: u64,
    pub earlier: u64,
    pub later: u64,
    /// The signed-rank test of the epochs.
    pub epoch: Test,
}

/// The pairs of one group, as a rate counts them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RateComparison {
    /// The number of pairs that the rate counted before.
    pub before: u64,
    /// The number of pairs that it counts now.
    pub now: u64,
    /// The number of pairs that it counts now and did not before.
    pub newly: u64,
    /// The number of pairs that it counted before and does not now.
    pub no_longer: u64,
    /// McNemar's test of them.
    pub test: Test,
}

/// The result of a test of a group.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Test {
    /// The p-value where the seeds are independent, adjusted over the groups.
    pub p: f64,
    /// The same where each pair was independent.
    pub p_of_pairs: f64,
}

impl Test {
    /// Whether the result fails a group of so many seeds: where p is at most alpha, and where the
    /// seeds are fewer than can make it so though the pairs, each for itself, would do it.
    pub fn fails(self, seeds: u64, needed: u64, alpha: f64) -> bool {
        self.p <= alpha || seeds < needed && self.p_of_pairs <= alpha
    }
}

/// What a test takes: for each pair a number that is above 0 for the worse, and its seed's cluster.
#[derive(Default)]
struct Signs {
    pairs: Vec<i64>,
    clusters: Vec<u16>,
}

impl Signs {
    /// The sum over the pairs of each seed.
    fn by_seed(&self) -> Vec<i64> {
        let mut sums = BTreeMap::new();
        for (number, cluster) in self.pairs.iter().zip(&self.clusters) {
            *sums.entry(cluster).or_insert(0) += number;
        }
        sums.into_values().collect()
    }
}

/// Tests every group, and adjusts the p-values over them.
fn tests(groups: &[Signs], settings: &Baseline) -> Vec<Test> {
    let of = |numbers: &dyn Fn(&Signs) -> Vec<i64>| {
        holm(&groups.iter().map(|group| random_signs(&numbers(group), settings.direction)).collect::<Vec<_>>())
    };
    let (seeds, pairs) = (of(&Signs::by_seed), of(&|group| group.pairs.clone()));
    seeds.into_iter().zip(pairs).map(|(p, p_of_pairs)| Test { p, p_of_pairs }).collect()
}

/// A pair whose outcomes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangedOutcome {
    pub place: u32,
    pub before: Outcome,
    pub now: Outcome,
}

/// The column of `runs.csv` that the comparison reads.
pub const COLUMN: &str = "epoch_diverged";

/// Compares the rows of a sweep with those of an earlier one.
pub fn compare(settings: &Baseline, rows: SweepRows<'_>, earlier: &Run) -> BaselineComparison {
    let mut comparison = BaselineComparison {
        pairs: 0,
        only_here: earlier.such(|verdict| verdict.is_none()).count() as u64,
        only_there: earlier.foreign.count,
        groups: Vec::new(),
        changes: Vec::new(),
        level: 0.0,
        detectable: 0,
        cases: Vec::new(),
    };
    comparison.cases = comparable(&comparison, rows, earlier);
    let other_grid = comparison.cases.iter().any(|case| case.has(Code::BaselineOtherGrid));
    if other_grid {
        return comparison;
    }
    let (mut rates, mut epochs) = ([Vec::new(), Vec::new()], Vec::new());
    for members in &rows.roster.baseline {
        let mut group = GroupComparison { name: members.name.clone(), ..GroupComparison::default() };
        for (at, compared) in RATES.iter().enumerate() {
            let signs = signs_of(&members.places, rows, earlier, compared.rate, &mut group.rates[at]);
            group.pairs = signs.pairs.len() as u64;
            group.seeds = BTreeSet::from_iter(&signs.clusters).len() as u64;
            rates[at].push(signs);
        }
        epochs.push(epochs_apart(&members.places, rows, earlier, &mut group));
        comparison.pairs += group.pairs;
        comparison.groups.push(group);
        comparison.changes.extend(changes(&members.places, rows.run, earlier));
    }
    comparison.level = settings.alpha / comparison.groups.len().max(1) as f64;
    comparison.detectable = detectable(comparison.level, settings.direction);
    for (at, signs) in rates.iter().enumerate() {
        for (group, test) in comparison.groups.iter_mut().zip(tests(signs, settings)) {
            group.rates[at].test = test;
        }
    }
    for (group, test) in comparison.groups.iter_mut().zip(tests(&epochs, settings)) {
        group.epoch = test;
    }
    for group in &comparison.groups {
        let bar = Bar { settings, seeds: comparison.detectable };
        comparison
            .cases
            .extend(RATES.iter().zip(&group.rates).map(|(compared, rate)| rated(compared, rate, group, &bar)));
        comparison.cases.push(epoch(group, &bar));
    }
    comparison.cases.push(changed(&comparison, settings));
    comparison
}

/// The places whose trial has a verdict in both sweeps, with the two outcomes.
fn pairs<'a>(places: &'a [u32], run: &'a Run, earlier: &'a Run) -> impl Iterator<Item = (u32, Outcome, Outcome)> + 'a {
    places.iter().filter_map(|place| Some((*place, earlier.outcome(*place)?, run.outcome(*place)?)))
}

fn changes(places: &[u32], run: &Run, earlier: &Run) -> Vec<ChangedOutcome> {
    let changed = pairs(places, run, earlier).filter(|(_, before, now)| before != now);
    changed.map(|(place, before, now)| ChangedOutcome { place, before, now }).collect()
}

/// Counts the pairs of a group as a rate does. Returns 1 for each that it counts newly, and -1 for
/// each that it counts no longer.
fn signs_of(places: &[u32], rows: SweepRows<'_>, earlier: &Run, rate: Rate, counts: &mut RateComparison) -> Signs {
    let mut signs = Signs::default();
    for (place, before, now) in pairs(places, rows.run, earlier) {
        let (before, now) = (rate.counts(before), rate.counts(now));
        counts.before += u64::from(before);
        counts.now += u64::from(now);
        counts.newly += u64::from(now && !before);
        counts.no_longer += u64::from(before && !now);
        signs.pairs.push(i64::from(now) - i64::from(before));
        signs.clusters.push(rows.roster.clusters[place as usize]);
    }
    signs
}

/// The signed ranks of the epochs by which each pair diverged sooner than before.
fn epochs_apart(places: &[u32], rows: SweepRows<'_>, earlier: &Run, group: &mut GroupComparison) -> Signs {
    let (mut sooner, mut clusters) = (Vec::new(), Vec::new());
    for (place, ..) in pairs(places, rows.run, earlier) {
        let epochs = [earlier, rows.run].map(|run| run.column(COLUMN)[place as usize]);
        if let [Some(before), Some(now)] = epochs {
            sooner.push(before - now);
            clusters.push(rows.roster.clusters[place as usize]);
        }
    }
    group.both = sooner.len() as u64;
    group.earlier = sooner.iter().filter(|d| **d > 0.0).count() as u64;
    group.later = sooner.iter().filter(|d| **d < 0.0).count() as u64;
    Signs { pairs: signed_ranks(&sooner), clusters }
}

/// Checks that the earlier sweep has trials of this grid, each once and with a verdict.
fn comparable(comparison: &BaselineComparison, rows: SweepRows<'_>, earlier: &Run) -> Vec<Case> {
    let all = rows.roster.ids.len() as u64;
    let common = all - comparison.only_here;
    let lost = earlier.such(|verdict| matches!(verdict, Some(Verdict::Lost(_)))).count() as u64;
    let case = |code, count: u64, message: String| {
        let finding = (count > 0).then_some(Finding { code, message });
        Case::counted(code, count, all, finding)
    };
    vec![
        Case {
            metric: "trials in common".to_owned(),
            expected: ">= 1".to_owned(),
            measured: Some(common as f64),
            ..case(
                Code::BaselineOtherGrid,
                u64::from(common == 0),
                format!("the baseline has none of the grid's {all} trials, and {} others", comparison.only_there),
            )
        },
        case(Code::BaselineLostTrials, lost, format!("{lost} trials of the baseline are lost: they have no verdict")),
        case(
            Code::BaselineDuplicateTrials,
            earlier.duplicates.count,
            format!("{} rows of the baseline are of trials that have one already", earlier.duplicates.count),
        ),
    ]
}

/// What a group needs to fail a test.
struct Bar<'a> {
    settings: &'a Baseline,
    /// The fewest seeds that can do it.
    seeds: u64,
}

fn rated(compared: &ComparedRate, rate: &RateComparison, group: &GroupComparison, bar: &Bar<'_>) -> Case {
    let [does, did] = compared.verbs;
    let message = format!(
        "{} of {} trials {does}{}, {} {did} before: {} newly, {} no longer",
        rate.now,
        group.pairs,
        at(group),
        rate.before,
        rate.newly,
        rate.no_longer
    );
    let finding = bar.finding(rate.test, group.seeds, Code::BaselineRegressed, message);
    let name = compared.rate.name().replace('_', " ");
    tested(&name, "McNemar p (Holm)", group, (rate.test.p, group.pairs), bar, finding)
}

fn epoch(group: &GroupComparison, bar: &Bar<'_>) -> Case {
    let message = format!(
        "of {} trials that cross the divergence threshold in both{}, {} do so earlier and {} later",
        group.both,
        at(group),
        group.earlier,
        group.later
    );
    let finding = bar.finding(group.epoch, group.seeds, Code::BaselineEpoch, message);
    tested("epoch of divergence", "signed-rank p (Holm)", group, (group.epoch.p, group.both), bar, finding)
}

impl Bar<'_> {
    /// The finding of a test that fails a group.
    fn finding(&self, test: Test, seeds: u64, code: Code, message: String) -> Option<Finding> {
        let (alpha, needed, have) = (self.settings.alpha, self.seeds, counted(seeds, "seed"));
        test.fails(seeds, needed, alpha).then(|| match test.p <= alpha {
            true => Finding { code, message: format!("{message}; p = {:.2e} over {have}", test.p) },
            false => Finding {
                code: Code::BaselineFewSeeds,
                message: format!(
                    "{message}; {have} cannot tell this from chance, {needed} or more can: train more in both sweeps"
                ),
            },
        })
    }
}

/// The case of a test of a group. `result` is p and the number of pairs.
fn tested(
    name: &str,
    metric: &str,
    group: &GroupComparison,
    result: (f64, u64),
    bar: &Bar<'_>,
    finding: Option<Finding>,
) -> Case {
    let (p, n) = result;
    Case {
        name: format!("baseline: {name}"),
        group: group.name.clone(),
        metric: metric.to_owned(),
        expected: format!("> {}", bar.settings.alpha),
        measured: Some(p),
        interval: None,
        seeds: Some(group.seeds),
        n,
        empty: 0,
        finding,
        place: Some(bar.settings.span.start),
    }
}

fn at(group: &GroupComparison) -> String {
    if group.name.is_empty() { String::new() } else { format!(" at {}", group.name) }
}

fn changed(comparison: &BaselineComparison, settings: &Baseline) -> Case {
    let (count, pairs) = (comparison.changes.len() as u64, comparison.pairs);
    // If there are no pairs, their trials are missing or lost, which has a finding of its own.
    let share = count as f64 / pairs.max(1) as f64;
    let limit = settings.max_changed.unwrap_or(1.0);
    let message = format!("{count} of {pairs} outcomes changed, a share of {share:.4}; `max_changed` is {limit}");
    Case {
        name: "baseline: changed outcomes".to_owned(),
        group: String::new(),
        metric: "share of changed outcomes".to_owned(),
        expected: format!("<= {limit}"),
        measured: Some(share),
        interval: None,
        seeds: None,
        n: pairs,
        empty: 0,
        finding: (share > limit).then_some(Finding { code: Code::BaselineChanged, message }),
        place: Some(settings.span.start),
    }
}
