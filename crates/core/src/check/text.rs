//! Shows a gate to people: a table of what was checked, then what failed, and then one line to
//! remember.

use super::apart::{self, Apart};
use super::baseline::{BaselineComparison, RATES};
use super::roster::Roster;
use super::{Case, Gate};
use crate::failure::{counted, printable};
use crate::spec::expect::{Baseline, Direction};
use std::collections::HashMap;
use std::fmt::Write;

/// The text of a gate. `between` stands between the table and the findings, and `place` gives the
/// file and the line of a byte of the spec.
pub fn text(gate: &Gate, between: &str, place: &dyn Fn(usize) -> String) -> String {
    let whole = match gate.whole.iter().all(|case| case.finding.is_none()) {
        true => format!("{}, each with one row and a verdict\n", counted(gate.trials, "trial")),
        false => String::new(),
    };
    let table = if gate.expectations.is_empty() { String::new() } else { table(&gate.expectations) };
    let mut end = String::new();
    for (case, finding) in gate.findings() {
        let at = case.place.map(|byte| format!("{}: ", place(byte))).unwrap_or_default();
        let named = case.place.is_some() && case.name != case.metric;
        let name = if named { format!("{}: ", line(&case.name)) } else { String::new() };
        let _ = writeln!(end, "{}: {at}{name}{}", finding.code.name(), finding.message);
    }
    let _ = writeln!(end, "{}", verdict(gate));
    let parts = [&whole, &table, between, &end];
    printable(&parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<&str>>().join("\n"))
}

/// The most changed outcomes that are listed. The others are counted.
pub const LISTED: usize = 20;

/// What is needed to show a comparison, beside the comparison itself.
pub struct ComparisonContext<'a> {
    pub settings: &'a Baseline,
    pub roster: &'a Roster,
    /// What tells the first `LISTED` changed trials from the others of the grid, by their places.
    pub apart: &'a HashMap<u32, Apart>,
    /// The name of the baseline's file.
    pub file: &'a str,
    /// Whether the two files have the same bytes.
    pub unchanged: bool,
}

/// The text of a comparison with a baseline.
pub fn comparison(comparison: &BaselineComparison, context: &ComparisonContext<'_>) -> String {
    let ComparisonContext { settings, roster, apart: told_apart, file, unchanged } = *context;
    let mut text = String::new();
    if unchanged {
        let _ = writeln!(text, "unchanged: the same bytes as `{file}`");
    }
    if comparison.groups.is_empty() {
        return text;
    }
    let (changed, pairs) = (comparison.changes.len(), comparison.pairs);
    let share = 100.0 * changed as f64 / pairs.max(1) as f64;
    let _ = writeln!(text, "baseline `{file}`: {pairs} pairs, {changed} changed outcomes ({share:.2}%)");
    if comparison.only_here > 0 {
        let _ =
            writeln!(text, "not compared: {} that the baseline does not have", counted(comparison.only_here, "trial"));
    }
    if comparison.only_there > 0 {
        let _ = writeln!(
            text,
            "not compared: {} of the baseline that the grid does not have any more",
            counted(comparison.only_there, "trial")
        );
    }
    for change in comparison.changes.iter().take(LISTED) {
        let id = roster.ids[change.place as usize];
        let apart = told_apart.get(&change.place).map(apart::text).unwrap_or_default();
        let line = format!("  {id}  {} -> {}  {apart}", change.before.name(), change.now.name());
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if changed > LISTED {
        let _ = writeln!(text, "  and {} more", changed - LISTED);
    }
    let sides = match settings.direction {
        Direction::Worse => "one-sided, for the worse",
        Direction::Any => "two-sided",
    };
    let _ = writeln!(text, "\n{}", rates(comparison, settings.alpha));
    let _ = write!(text, "{}", epochs(comparison, settings.alpha));
    let _ = writeln!(
        text,
        "\np: exact McNemar, and signed-rank for the epoch of divergence, {sides}; Holm over {} at alpha {}",
        counted(comparison.groups.len() as u64, "group"),
        settings.alpha
    );
    let _ = writeln!(
        text,
        "pairs of one seed share their draws: they count as one, so a group fails with {} at the least (p <= {})",
        counted(comparison.detectable, "seed"),
        short(comparison.level)
    );
    text
}

fn rates(comparison: &BaselineComparison, alpha: f64) -> String {
    let head = ["", "group", "pairs", "seeds", "rate", "before", "now", "newly", "no longer", "p"];
    let rows = comparison.groups.iter().flat_map(|group| {
        RATES.iter().zip(&group.rates).map(move |(compared, rate)| {
            let counts = [group.pairs, group.seeds, rate.before, rate.now, rate.newly, rate.no_longer];
            let [pairs, seeds, before, now, newly, no_longer] = counts.map(|n| n.to_string());
            let fails = rate.test.fails(group.seeds, comparison.detectable, alpha);
            let (verdict, name) = (passed(!fails), compared.rate.name().to_owned());
            [verdict, group.name.clone(), pairs, seeds, name, before, now, newly, no_longer, short(rate.test.p)]
        })
    });
    columns(&[head.map(str::to_owned)].into_iter().chain(rows).collect::<Vec<_>>())
}

fn epochs(comparison: &BaselineComparison, alpha: f64) -> String {
    let head = ["", "group", "crossed in both", "earlier", "later", "p"];
    let rows = comparison.groups.iter().map(|group| {
        let [both, earlier, later] = [group.both, group.earlier, group.later].map(|n| n.to_string());
        let fails = group.epoch.fails(group.seeds, comparison.detectable, alpha);
        [passed(!fails), group.name.clone(), both, earlier, later, short(group.epoch.p)]
    });
    columns(&[head.map(str::to_owned)].into_iter().chain(rows).collect::<Vec<_>>())
}

fn passed(passed: bool) -> String {
    if passed { "PASS" } else { "FAIL" }.to_owned()
}

/// The last line.
fn verdict(gate: &Gate) -> String {
    let (all, failed) = (gate.cases().count(), gate.findings().count());
    if failed == 0 {
        return format!("gate passed: {all} checks");
    }
    let mut codes: Vec<&str> = Vec::new();
    for code in gate.findings().map(|(_, finding)| finding.code.name()) {
        if !codes.contains(&code) {
            codes.push(code);
        }
    }
    format!("gate FAILED: {failed} of {all} checks ({})", codes.join(", "))
}

fn table(cases: &[Case]) -> String {
    let head =
        ["", "expectation", "group", "metric", "measured", "95% interval", "n", "seeds", "expected"].map(str::to_owned);
    let rows = cases.iter().map(|case| {
        let empty = if case.empty > 0 { format!(" ({} empty)", case.empty) } else { String::new() };
        [
            passed(case.finding.is_none()),
            shortened(&line(&case.name)),
            case.group.clone(),
            if case.name == case.metric { String::new() } else { case.metric.clone() },
            case.measured.map(short).unwrap_or_else(|| "none".to_owned()),
            case.interval.map(|(low, high)| format!("{low:.3} to {high:.3}")).unwrap_or_default(),
            format!("{}{empty}", case.n),
            case.seeds.map(|seeds| seeds.to_string()).unwrap_or_default(),
            case.expected.clone(),
        ]
    });
    columns(&[head].into_iter().chain(rows).collect::<Vec<_>>())
}

/// The rows in aligned columns. A column that is empty in all rows is left out.
pub fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let used: Vec<usize> = (0..N).filter(|column| rows.iter().skip(1).any(|row| !row[*column].is_empty())).collect();
    let mut text = String::new();
    for row in rows {
        let cells = used.iter().map(|column| format!("{:<width$}", row[*column], width = widths[*column]));
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    text
}

/// A name on one line. It may have several lines, and characters that a terminal would obey.
fn line(name: &str) -> String {
    printable(name).replace(['\n', '\t'], " ")
}

fn shortened(name: &str) -> String {
    const LONGEST: usize = 50;
    match name.chars().count() {
        0..=LONGEST => name.to_owned(),
        _ => name.chars().take(LONGEST - 1).chain(['…']).collect(),
    }
}

/// A number with six digits, which are enough to read.
pub fn short(x: f64) -> String {
    let magnitude = x.abs();
    if x == 0.0 || !x.is_finite() || x.fract() == 0.0 && magnitude < 1e15 {
        return format!("{x}");
    }
    if (1e-4..1e6).contains(&magnitude) {
        let digits = (5 - magnitude.log10().floor() as i32).max(0) as usize;
        let text = format!("{x:.digits$}");
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    format!("{x:.5e}")
}
