//! `edges.csv`, a row for each line of each edge, and the table of the same that ends a sweep. Both
//! follow from the rows of `runs.csv`.

use super::answer::{Answer, Bracket};
use super::follow::Line;
use crate::check::text::{columns, short};
use crate::record::{float, line};
use crate::spec::Spec;
use crate::spec::filter::Attribute;

/// The name of the file.
pub const FILE: &str = "edges.csv";

/// The columns that stand whatever the axes and the shares are called. No axis may be called so.
pub const FIXED: [&str; 7] = ["edge", "over", "safe_up_to", "dead_from", "reentrant", "trials", "waiting"];

/// The attributes of `by` of all edges: first those that are no axes, then axes in the order of the
/// columns of `runs.csv`.
fn attributes(spec: &Spec) -> Vec<Attribute> {
    let has = |name: &str| spec.edges.iter().flat_map(|edge| &edge.by).any(|by| by.name() == name);
    let all = [Attribute::Label, Attribute::Task].into_iter().chain(spec.axes.all().map(Attribute::Axis));
    all.filter(|column| has(column.name())).collect()
}

/// The shares of all edges, ascending.
fn shares(spec: &Spec) -> Vec<f64> {
    let mut shares: Vec<f64> = spec.edges.iter().flat_map(|edge| edge.shares.iter().copied()).collect();
    shares.sort_unstable_by(f64::total_cmp);
    shares.dedup();
    shares
}

/// The whole file: the header, and the rows in the order of the lines.
pub fn csv(spec: &Spec, lines: &[Line]) -> Vec<u8> {
    let (attributes, shares) = (attributes(spec), shares(spec));
    let mut header: Vec<String> = attributes.iter().map(|column| column.name().to_owned()).collect();
    header.extend(FIXED[..4].iter().map(|name| String::from(*name)));
    for share in &shares {
        header.extend(["low", "high", "ci_low", "ci_high"].map(|name| format!("{name}_{}", float(*share))));
    }
    header.extend(FIXED[4..].iter().map(|name| String::from(*name)));
    let mut text = line(&header);
    for found in lines {
        let (edge, trial, answer) = (&spec.edges[found.edge], found.trial(spec), found.answer(spec));
        let number = |get: &dyn Fn(&Answer) -> Option<f64>| answer.as_ref().and_then(get).map_or(String::new(), float);
        let mut cells: Vec<String> = attributes.iter().map(|column| column.text(&trial)).collect();
        cells.extend([edge.name.clone(), edge.over.name.to_owned()]);
        cells.extend([number(&|answer| Some(answer.safe_up_to)), number(&|answer| Some(answer.dead_from))]);
        for share in &shares {
            let at = edge.shares.iter().position(|own| own == share);
            let of = |get: &dyn Fn(&Bracket) -> Option<f64>| number(&|answer| get(&answer.brackets[at?]));
            cells.extend([of(&|bracket| Some(bracket.low)), of(&|bracket| Some(bracket.high))]);
            cells.extend([of(&|bracket| Some(bracket.interval?.0)), of(&|bracket| Some(bracket.interval?.1))]);
        }
        cells.push(answer.as_ref().map_or(String::new(), |answer| answer.reentrant.to_string()));
        cells.extend([found.answered.to_string(), found.waiting().to_string()]);
        text.extend(line(&cells));
    }
    text
}

/// The most lines that are shown to people.
const SHOWN: usize = 24;

/// The edges for people: a table, and below it what the table cannot say.
pub fn told(spec: &Spec, lines: &[Line]) -> String {
    let names = ["edge", "", "safe up to", "dead from", "low to high, by share", "", "trials"].map(str::to_owned);
    let row = |found: &Line| {
        let (edge, answer) = (&spec.edges[found.edge], found.answer(spec));
        let number = |x: f64| if x.is_finite() { short(x) } else { "none".to_owned() };
        let brackets = answer.as_ref().map_or(String::new(), |answer| {
            let each = edge.shares.iter().zip(&answer.brackets);
            let told = |(share, bracket): (&f64, &Bracket)| {
                format!("{}: {} to {}", short(*share), number(bracket.low), number(bracket.high))
            };
            each.map(told).collect::<Vec<_>>().join("; ")
        });
        let note = match &answer {
            None => format!("waits for {}", crate::failure::counted(found.waiting(), "trial")),
            Some(answer) if answer.reentrant => "re-entrant".to_owned(),
            Some(_) => String::new(),
        };
        let end = |get: fn(&Answer) -> f64| answer.as_ref().map_or(String::new(), |answer| number(get(answer)));
        [
            edge.name.clone(),
            group(spec, found),
            end(|answer| answer.safe_up_to),
            end(|answer| answer.dead_from),
            brackets,
            note,
            found.answered.to_string(),
        ]
    };
    let rows: Vec<[String; 7]> = lines.iter().take(SHOWN).map(row).collect();
    let mut text = columns(&[vec![names], rows].concat());
    if lines.len() > SHOWN {
        text.push_str(&format!("and {} more in {FILE}\n", lines.len() - SHOWN));
    }
    text
}

/// The line in words, as `depth=4 init=he`.
pub fn group(spec: &Spec, line: &Line) -> String {
    let trial = line.trial(spec);
    let by = spec.edges[line.edge].by.iter();
    by.map(|column| format!("{}={}", column.name(), column.text(&trial))).collect::<Vec<_>>().join(" ")
}
