//! Compares a sweep with an earlier one, pair by pair. A trial's id stands for its configuration
//! and seed, so the pairs are the rows of equal id. For each group there are two tests: whether
//! more trials blow up (the exact test of McNemar), and whether those that blow up in both sweeps
//! do so earlier (signed rank). Holm's method corrects each of the two over the groups, so each
//! raises a false alarm with a chance of at most alpha.
//!
//! The tests take the pairs as independent. They are not independent where they share a seed, since
//! such trials share their random draws.

use super::measure::SweepRows;
use super::run::Run;
use super::statistics::{detectable, holm, mcnemar, signed_rank};
use super::{Case, Code, Finding};
use crate::record::Verdict;
use crate::spec::expect::Baseline;
use crate::verdict::Outcome;

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
    /// The fewest changes for the worse that would be found in a group.
    pub detectable: u64,
    pub cases: Vec<Case>,
}

/// The pairs of one group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GroupComparison {
    pub name: String,
    pub pairs: u64,
    /// The number of pairs that blew up before.
    pub before: u64,
    /// The number of pairs that blow up now.
    pub now: u64,
    /// The number of pairs that blow up now and did not before.
    pub newly: u64,
    /// The number of pairs that blew up before and do not now.
    pub no_longer: u64,
    /// The adjusted p-value of McNemar's test.
    pub p: f64,
    /// The number of pairs that crossed the divergence threshold in both sweeps. `earlier` and
    /// `later` of them did so in another epoch than before.
    pub both: u64,
    pub earlier: u64,
    pub later: u64,
    /// The adjusted p-value of the signed-rank test of the epochs.
    pub p_epoch: f64,
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
    let (mut rates, mut epochs) = (Vec::new(), Vec::new());
    for members in &rows.roster.baseline {
        let mut group = GroupComparison { name: members.name.clone(), ..GroupComparison::default() };
        let sooner = pair(&members.places, rows.run, earlier, &mut group, &mut comparison);
        rates.push(mcnemar(group.newly, group.no_longer, settings.direction));
        epochs.push(signed_rank(&sooner, settings.direction));
        comparison.pairs += group.pairs;
        comparison.groups.push(group);
    }
    comparison.level = settings.alpha / comparison.groups.len().max(1) as f64;
    comparison.detectable = detectable(comparison.level, settings.direction);
    for ((group, p), p_epoch) in comparison.groups.iter_mut().zip(holm(&rates)).zip(holm(&epochs)) {
        (group.p, group.p_epoch) = (p, p_epoch);
        comparison.cases.extend([rate(group, settings), epoch(group, settings)]);
    }
    comparison.cases.push(changed(&comparison, settings));
    comparison
}

/// Counts the pairs of a group. Returns by how many epochs each pair diverged sooner than before.
fn pair(
    places: &[u32],
    run: &Run,
    earlier: &Run,
    group: &mut GroupComparison,
    comparison: &mut BaselineComparison,
) -> Vec<f64> {
    let mut sooner = Vec::new();
    for place in places {
        let (Some(before), Some(now)) = (earlier.outcome(*place), run.outcome(*place)) else {
            continue;
        };
        group.pairs += 1;
        group.before += u64::from(before.blew_up());
        group.now += u64::from(now.blew_up());
        group.newly += u64::from(now.blew_up() && !before.blew_up());
        group.no_longer += u64::from(before.blew_up() && !now.blew_up());
        if before != now {
            comparison.changes.push(ChangedOutcome { place: *place, before, now });
        }
        let epochs = [earlier, run].map(|run| run.column(COLUMN)[*place as usize]);
        if let [Some(before), Some(now)] = epochs {
            sooner.push(before - now);
        }
    }
    group.both = sooner.len() as u64;
    group.earlier = sooner.iter().filter(|d| **d > 0.0).count() as u64;
    group.later = sooner.iter().filter(|d| **d < 0.0).count() as u64;
    sooner
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

fn rate(group: &GroupComparison, settings: &Baseline) -> Case {
    let message = format!(
        "{} of {} trials blow up{}, {} did: {} newly, {} no longer; p = {:.2e}",
        group.now,
        group.pairs,
        at(group),
        group.before,
        group.newly,
        group.no_longer,
        group.p
    );
    tested(
        "divergence rate",
        "McNemar p (Holm)",
        group,
        (group.p, group.pairs),
        (settings, Code::BaselineRegressed),
        message,
    )
}

fn epoch(group: &GroupComparison, settings: &Baseline) -> Case {
    let message = format!(
        "of {} trials that cross the divergence threshold in both{}, {} do so earlier and {} later; p = {:.2e}",
        group.both,
        at(group),
        group.earlier,
        group.later,
        group.p_epoch
    );
    let result = (group.p_epoch, group.both);
    tested("epoch of divergence", "signed-rank p (Holm)", group, result, (settings, Code::BaselineEpoch), message)
}

/// The case of a test of a group, which fails if p is at most alpha. `result` is p and the number
/// of pairs.
fn tested(
    name: &str,
    metric: &str,
    group: &GroupComparison,
    result: (f64, u64),
    fails: (&Baseline, Code),
    message: String,
) -> Case {
    let ((p, n), (settings, code)) = (result, fails);
    Case {
        name: format!("baseline: {name}"),
        group: group.name.clone(),
        metric: metric.to_owned(),
        expected: format!("> {}", settings.alpha),
        measured: Some(p),
        interval: None,
        seeds: None,
        n,
        empty: 0,
        finding: (p <= settings.alpha).then_some(Finding { code, message }),
        place: Some(settings.span.start),
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
