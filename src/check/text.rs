//! A gate for people: a table of what was looked at, then what failed, then one line to remember.

use super::{Case, Gate};
use std::fmt::Write;

/// `spec`: the file in messages; `line`: of a byte of it.
pub fn text(gate: &Gate, spec: &str, line: &dyn Fn(usize) -> usize) -> String {
    let mut text = String::new();
    if gate.whole.iter().all(|case| case.finding.is_none()) {
        let _ = writeln!(text, "{} trials, each with one row and a verdict", gate.trials);
    }
    if !gate.expectations.is_empty() {
        let _ = writeln!(text, "\n{}", table(&gate.expectations));
    }
    for (case, finding) in gate.findings() {
        let place = case.place.map(|place| format!("{spec}:{}: ", line(place))).unwrap_or_default();
        let named = case.place.is_some() && case.name != case.metric;
        let name = if named { format!("{}: ", case.name) } else { String::new() };
        let _ = writeln!(text, "{}: {place}{name}{}", finding.code.name(), finding.message);
    }
    let _ = writeln!(text, "{}", verdict(gate));
    text
}

/// The last line.
fn verdict(gate: &Gate) -> String {
    let (all, failed) = (gate.cases().count(), gate.findings().count());
    if failed == 0 {
        return format!("gate passed: {all} checks");
    }
    let mut codes: Vec<&str> = gate.findings().map(|(_, finding)| finding.code.name()).collect();
    codes.dedup();
    format!("gate FAILED: {failed} of {all} checks ({})", codes.join(", "))
}

fn table(cases: &[Case]) -> String {
    let head = ["", "expectation", "group", "metric", "measured", "95% interval", "n", "expected"].map(str::to_owned);
    let rows = cases.iter().map(|case| {
        let empty = if case.empty > 0 { format!(" ({} empty)", case.empty) } else { String::new() };
        [
            if case.finding.is_none() { "PASS" } else { "FAIL" }.to_owned(),
            shortened(&case.name),
            case.group.clone(),
            if case.name == case.metric { String::new() } else { case.metric.clone() },
            case.measured.map(short).unwrap_or_else(|| "none".to_owned()),
            case.interval.map(|(low, high)| format!("{low:.3} to {high:.3}")).unwrap_or_default(),
            format!("{}{empty}", case.n),
            case.expected.clone(),
        ]
    });
    columns(&[head].into_iter().chain(rows).collect::<Vec<_>>())
}

/// Aligned; a column that is empty in all rows is left out.
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

fn shortened(name: &str) -> String {
    const LONGEST: usize = 50;
    match name.chars().count() {
        0..=LONGEST => name.to_owned(),
        _ => name.chars().take(LONGEST - 1).chain(['…']).collect(),
    }
}

/// Six digits are enough to read.
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
