//! Compares what was measured with what was expected.

use super::baseline::compare;
use super::edges;
use super::measure::{Estimate, SweepRows, measure};
use super::roster::{Roster, TrialGroup};
use super::run::{Occurrences, Run};
use super::text::short;
use super::{Case, Code, Finding, Gate};
use crate::failure::counted;
use crate::record::{self, Verdict};
use crate::spec::Spec;
use crate::spec::expect::{Bound, Expect, Tolerance};
use crate::spec::metric::What;

/// Judges the rows of a sweep. `earlier` has the rows of the baseline, if there is one.
pub fn judge(spec: &Spec, rows: SweepRows<'_>, earlier: Option<&Run>) -> Gate {
    let expects = spec.expects.iter().zip(&rows.roster.expects);
    Gate {
        trials: rows.roster.ids.len() as u64,
        whole: whole(rows.roster, rows.run),
        expectations: expects
            .flat_map(|(expect, groups)| match expect.metric.what {
                What::Edge(metric) => edges::cases(expect, metric, spec, rows.lines, &expected(expect.bound)),
                What::Rate(_) | What::LrSensitivity | What::Aggregate(..) => {
                    groups.iter().map(|group| expectation(expect, group, rows)).collect()
                }
            })
            .collect(),
        baseline: earlier.map(|earlier| compare(&spec.baseline, rows, earlier)),
    }
}

/// Checks that the rows are those of the grid, each once and with a verdict.
fn whole(roster: &Roster, run: &Run) -> Vec<Case> {
    let all = roster.ids.len() as u64;
    let of = |code, count: u64, example: Option<String>, what: &str| {
        let message = |example| format!("{count} {what}; the first is {example}");
        Case::counted(code, count, all, example.map(|example| Finding { code, message: message(example) }))
    };
    let first = |holds: fn(Option<Verdict>) -> bool| {
        let mut such = run.such(holds);
        let first = such.next().map(|place| format!("`{}`", roster.ids[place as usize]));
        (u64::from(first.is_some()) + such.count() as u64, first)
    };
    let (missing, a_missing) = first(|verdict| verdict.is_none());
    let (lost, a_lost) = first(|verdict| matches!(verdict, Some(Verdict::Lost(_))));
    let line = |rows: Occurrences| rows.first.map(|(trial, line)| format!("`{trial}` in line {line}"));
    let of_grid = format!("of the grid's {all} trials have no row");
    vec![
        of(Code::MissingTrials, missing, a_missing, &of_grid),
        of(Code::LostTrials, lost, a_lost, "trials are lost: they have no verdict"),
        of(
            Code::DuplicateTrials,
            run.duplicates.count,
            line(run.duplicates),
            "rows are of trials that have one already",
        ),
        of(Code::ForeignTrials, run.foreign.count, line(run.foreign), "rows are of trials that are not in the grid"),
    ]
}

fn expectation(expect: &Expect, group: &TrialGroup, rows: SweepRows<'_>) -> Case {
    let Estimate { value, interval, seeds, n, empty, nan, recordable, unrecorded } =
        measure(&expect.metric, &group.places, rows);
    let expected = expected(expect.bound);
    let metric = expect.metric.text.clone();
    let at = if group.name.is_empty() { String::new() } else { format!(" at {}", group.name) };
    let finding = match value {
        _ if unrecorded > 0 => Some(Finding {
            code: Code::NoValues,
            message: format!(
                "{metric} speaks of {recordable} trials{at}, and only {} of them have the values: they were not recorded of the others",
                recordable - unrecorded
            ),
        }),
        Some(value) if expect.bound.holds(value) => None,
        Some(value) => {
            let of = if value.is_nan() && nan > 0 { format!("{nan} of n = {n} are NaN") } else { format!("n = {n}") };
            let of = if empty > 0 { format!("{of}, {empty} more are empty") } else { of };
            let of = seeds.map_or(of.clone(), |seeds| format!("{of}, {}", counted(seeds, "seed")));
            let message = format!("{metric} is {}{at} ({of}), expected {expected}", readable(value, expect.bound));
            Some(Finding { code: Code::ExpectationFailed, message })
        }
        None => Some(Finding {
            code: Code::NoValues,
            message: format!(
                "{metric} has too few values{at}: {n}, and {empty} empty in {} trials{}",
                group.places.len(),
                lacking_time(expect, rows)
            ),
        }),
    };
    Case {
        name: expect.name.clone(),
        group: group.name.clone(),
        metric,
        expected,
        measured: value,
        interval,
        seeds,
        n,
        empty,
        finding,
        place: Some(expect.span.start),
    }
}

/// The value with as few digits as show that it is out of bounds.
pub(super) fn readable(value: f64, bound: Bound) -> String {
    let short = short(value);
    if short.parse().is_ok_and(|shown| bound.holds(shown)) { exact(value) } else { short }
}

/// The hint that a metric did not find the layers of recurrent nets because it names no time step.
fn lacking_time(expect: &Expect, rows: SweepRows<'_>) -> &'static str {
    match expect.metric.layers().iter().any(|layers| rows.layers.lacks_time(*layers)) {
        true => "; layers.csv has them by time step: write [1, time 3] or [1, time 1..last]",
        false => "",
    }
}

/// All digits of a number, without `.0`, since what is measured may be a count.
fn exact(x: f64) -> String {
    let text = record::float(x);
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// `<= 0.05`, `0.1 to 0.2`, `1 +- 5%`
fn expected(bound: Bound) -> String {
    match bound {
        Bound::Between { min: f64::NEG_INFINITY, max } => format!("<= {}", exact(max)),
        Bound::Between { min, max: f64::INFINITY } => format!(">= {}", exact(min)),
        Bound::Between { min, max } => format!("{} to {}", exact(min), exact(max)),
        Bound::Near { value, tolerance: Tolerance::Absolute(off) } => format!("{} +- {}", exact(value), exact(off)),
        Bound::Near { value, tolerance: Tolerance::Relative(share) } => {
            // It was written as a percentage: 5% must not become 5.000000000000001%.
            format!("{} +- {}%", exact(value), exact((share * 1e14).round() / 1e12))
        }
    }
}
