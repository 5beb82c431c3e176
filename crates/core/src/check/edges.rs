//! The edges of a sweep from its rows alone, and the cases of the expectations that speak of them.

use super::sheet::Header;
use super::{Case, Code, Finding};
use crate::edge::answer::Answer;
use crate::edge::follow::{Line, follow};
use crate::edge::table;
use crate::failure::Failure;
use crate::record::Verdict;
use crate::spec::Spec;
use crate::spec::expect::Expect;
use crate::spec::metric::EdgeMetric;
use crate::trial::TrialId;
use std::collections::HashMap;
use std::io::BufRead;
use std::path::Path;

/// Follows the edges of a spec by the rows of a whole `runs.csv`. `path` is its name in messages.
///
/// # Errors
/// The first row that is damaged or has no outcome that there is, or a column that is missing.
pub fn read(spec: &Spec, path: &Path, mut reader: impl BufRead) -> Result<Vec<Line>, Failure> {
    let header = Header::read(path, &mut reader)?;
    let (outcome, lost) = (header.column("outcome")?, header.column("lost")?);
    let places =
        |columns: &[&'static str]| columns.iter().map(|name| header.column(name)).collect::<Result<Vec<_>, _>>();
    let cells: Vec<Vec<usize>> =
        spec.edges.iter().map(|edge| places(edge.event.columns())).collect::<Result<_, _>>()?;
    let mut events: HashMap<TrialId, Vec<bool>> = HashMap::new();
    header.rows(path, reader, &mut |row| {
        let Some(verdict) = Verdict::parse(row.cell(outcome), row.cell(lost)) else {
            return Err(header.wrong_cell(&row, outcome, "not an outcome"));
        };
        if let Some(outcome) = verdict.outcome() {
            let number = |place: usize| std::str::from_utf8(row.cell(place)).ok().and_then(|text| text.parse().ok());
            let has = |(edge, places): (usize, &Vec<usize>)| {
                spec.edges[edge].event.holds(outcome, &|i| number(places[i]).unwrap_or(f64::NAN))
            };
            events.entry(row.trial).or_insert_with(|| cells.iter().enumerate().map(has).collect());
        }
        Ok(())
    })?;
    follow(spec, None, &mut |edge, trial| Ok(events.get(&trial).map(|events| events[edge])))
}

/// One case for each line that an expectation speaks of. An expectation that speaks of none has a
/// case that fails.
pub fn cases(expect: &Expect, metric: EdgeMetric, spec: &Spec, lines: &[Line], expected: &str) -> Vec<Case> {
    let is_meant = |line: &&Line| {
        let edge = &spec.edges[line.edge];
        expect.edge.as_ref().is_none_or(|name| edge.name == *name)
            && metric.share().is_none_or(|share| edge.shares.contains(&share))
            && expect.filter.matches(&line.trial(spec))
    };
    let meant: Vec<&Line> = lines.iter().filter(is_meant).collect();
    let empty = || {
        let message = format!("{} has no line of an edge to speak of: the filter matches none", expect.metric.text);
        let finding = Some(Finding { code: Code::NoValues, message });
        Case { finding, ..plain(expect, expected) }
    };
    if meant.is_empty() {
        vec![empty()]
    } else {
        meant.iter().map(|line| case(expect, metric, spec, line, expected)).collect()
    }
}

fn case(expect: &Expect, metric: EdgeMetric, spec: &Spec, line: &Line, expected: &str) -> Case {
    let edge = &spec.edges[line.edge];
    let named = (expect.edge.is_none() && spec.edges.len() > 1).then(|| format!("edge={}", edge.name));
    let group = [named.unwrap_or_default(), table::group(spec, line)];
    let group = group.iter().filter(|part| !part.is_empty()).map(String::as_str).collect::<Vec<_>>().join(" ");
    let answer = line.answer(spec);
    let measured = answer.as_ref().map(|answer| value(metric, answer, &edge.shares));
    let at = if group.is_empty() { String::new() } else { format!(" at {group}") };
    let text = &expect.metric.text;
    let finding = match measured {
        Some(x) if expect.bound.holds(x) => None,
        Some(x) => Some(Finding {
            code: Code::ExpectationFailed,
            message: format!(
                "{text} is {}{at} ({} trials), expected {expected}",
                super::judge::readable(x, expect.bound),
                line.answered
            ),
        }),
        None => Some(Finding {
            code: Code::NoValues,
            message: format!(
                "{text} is not known{at}: the search waits for {} trials without a verdict",
                line.waiting()
            ),
        }),
    };
    Case { group, measured, n: line.answered, finding, ..plain(expect, expected) }
}

fn plain(expect: &Expect, expected: &str) -> Case {
    Case {
        name: expect.name.clone(),
        group: String::new(),
        metric: expect.metric.text.clone(),
        expected: expected.to_owned(),
        measured: None,
        interval: None,
        seeds: None,
        n: 0,
        empty: 0,
        finding: None,
        place: Some(expect.span.start),
    }
}

/// The metric of an answer, of which `shares` are the shares of its brackets.
fn value(metric: EdgeMetric, answer: &Answer, shares: &[f64]) -> f64 {
    let bracket = |share: f64| shares.iter().position(|own| *own == share).map(|at| answer.brackets[at]);
    match metric {
        EdgeMetric::SafeUpTo => answer.safe_up_to,
        EdgeMetric::DeadFrom => answer.dead_from,
        EdgeMetric::Low(share) => bracket(share).map_or(f64::NAN, |bracket| bracket.low),
        EdgeMetric::High(share) => bracket(share).map_or(f64::NAN, |bracket| bracket.high),
        EdgeMetric::Reentrant => f64::from(answer.reentrant),
    }
}
