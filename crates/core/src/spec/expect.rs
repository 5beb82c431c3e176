//! `[[expect]]` and `[baseline]`: what `check` compares a finished sweep with. They are read with
//! the rest of the spec, so that a sweep refuses a broken expectation before it trains anything.

use super::edge::Edge;
use super::filter::{Attribute, Filter};
use super::formula;
use super::key;
use super::metric::{Metric, What};
use super::report::{Mistake, Problems};
use super::settings::{few, table};
use super::source::{Entry, Node, Raw, Span};
use crate::axis::AxisSet;

/// One `[[expect]]`.
#[derive(Debug, Clone)]
pub struct Expect {
    /// The name, or the metric where the spec gives no name.
    pub name: String,
    pub filter: Filter,
    /// The name of the edge that it is about; `None` for all of them.
    pub edge: Option<String>,
    /// The expectation must hold in every group of trials that agree in these attributes.
    pub by: Vec<Attribute>,
    pub metric: Metric,
    pub bound: Bound,
    /// The place of the whole table.
    pub span: Span,
    /// The place of its `where`, or of the table if it has none.
    pub where_span: Span,
}

/// What the metric must be. A NaN is within no bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// From `min` to `max`, with both ends.
    Between { min: f64, max: f64 },
    /// At most `tolerance` away from `value`.
    Near { value: f64, tolerance: Tolerance },
}

/// How far a metric may be from its expected value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Tolerance {
    Absolute(f64),
    /// A share of the absolute value.
    Relative(f64),
}

impl Bound {
    /// Whether the bound holds of what was measured.
    pub fn holds(self, measured: f64) -> bool {
        match self {
            Bound::Between { min, max } => min <= measured && measured <= max,
            Bound::Near { value, tolerance: Tolerance::Absolute(off) } => (measured - value).abs() <= off,
            Bound::Near { value, tolerance: Tolerance::Relative(share) } => {
                (measured - value).abs() <= share * value.abs()
            }
        }
    }
}

/// `[baseline]`: how a sweep is compared with an earlier one.
#[derive(Debug, Clone)]
pub struct Baseline {
    /// There is one test for each group of trials that agree in these attributes.
    pub by: Vec<Attribute>,
    /// The chance of a false alarm over all groups.
    pub alpha: f64,
    pub direction: Direction,
    /// The largest share of pairs whose outcomes may differ.
    pub max_changed: Option<f64>,
    pub span: Span,
}

impl Default for Baseline {
    fn default() -> Baseline {
        Baseline { by: Vec::new(), alpha: 0.05, direction: Direction::Worse, max_changed: None, span: 0..0 }
    }
}

/// The differences that fail the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// More trials that blow up, or earlier ones.
    Worse,
    /// Any difference, as after an upgrade that should change nothing.
    Any,
}

/// Reads `[[expect]]`.
pub fn expects(node: &Node, known: &AxisSet, problems: &mut Problems) -> Vec<Expect> {
    let Raw::List(items) = &node.raw else {
        problems.push(&node.span, Mistake::kind("expect", node.raw.kind(), "a list of tables", "write [[expect]]"));
        return Vec::new();
    };
    let items = few("expect", items, &node.span, problems);
    items.iter().filter_map(|item| expect(item, known, problems)).collect()
}

fn expect(item: &Node, known: &AxisSet, problems: &mut Problems) -> Option<Expect> {
    let entries = table("expect", item, &key::names(&key::EXPECT), problems);
    let find = |key: &str| entries.iter().find(|entry| entry.key == key);
    let by = find("by").map(|entry| columns(&entry.value, known, problems)).unwrap_or_default();
    let filter = find("where").map(|entry| filter(&entry.value, known, problems)).unwrap_or_default();
    let name = find("name").and_then(|entry| string(entry, problems));
    let edge = find("edge").and_then(|entry| string(entry, problems));
    let bound = bound(item, entries, problems);
    let Some(entry) = find("metric") else {
        if matches!(item.raw, Raw::Table(_)) {
            problems.add(&item.span, "this [[expect]] has no `metric`", "for example metric = \"divergence_rate\"");
        }
        return None;
    };
    let metric = metric(entry, known, problems)?;
    Some(Expect {
        name: name.unwrap_or_else(|| metric.text.clone()),
        filter,
        edge,
        by,
        metric,
        bound: bound?,
        span: item.span.clone(),
        where_span: find("where").map_or(item.span.clone(), |entry| entry.value.span.clone()),
    })
}

/// Reports what expectations say of edges that the spec does not have.
pub fn check_edges(expects: &[Expect], edges: &[Edge], problems: &mut Problems) {
    let names: Vec<&str> = edges.iter().map(|edge| edge.name.as_str()).collect();
    for expect in expects {
        let mut wrong = |message: String, hint: String| problems.add(&expect.span, message, hint);
        let What::Edge(metric) = expect.metric.what else {
            if expect.edge.is_some() {
                let hint = "the metrics of an edge are edge.safe_up_to, edge.dead_from, edge.low, edge.high and edge.reentrant";
                wrong("`edge` stands beside a metric that is not of an edge".to_owned(), hint.to_owned());
            }
            continue;
        };
        let is_meant = |edge: &&Edge| expect.edge.as_ref().is_none_or(|name| edge.name == *name);
        let meant: Vec<&Edge> = edges.iter().filter(is_meant).collect();
        if meant.is_empty() {
            let known = if names.is_empty() {
                "write [[edge]]".to_owned()
            } else {
                format!("known here: {}", names.join(", "))
            };
            wrong("this [[expect]] is about an edge that the spec does not have".to_owned(), known);
        } else if let Some(share) = metric.share().filter(|share| !meant.iter().any(|edge| edge.shares.contains(share)))
        {
            wrong(
                format!("no edge has a bracket of the share {share}"),
                "add it to `share` of the [[edge]]".to_owned(),
            );
        }
        if !expect.by.is_empty() {
            let hint = "an edge is judged line by line: leave `by` out, and choose lines with `where`";
            wrong("`by` stands beside a metric of an edge".to_owned(), hint.to_owned());
        }
        if let Some(column) = expect.filter.columns().find(|column| meant.iter().any(|edge| edge.is_along(column))) {
            let message = format!("`{}` is no value of a whole line, so it cannot choose one", column.name());
            wrong(message, "`where` chooses lines by the axes of `by`".to_owned());
        }
    }
}

fn string(entry: &Entry, problems: &mut Problems) -> Option<String> {
    let text = entry.value.raw.text().map(str::to_owned);
    if text.is_none() {
        let kind = entry.value.raw.kind();
        problems.push(&entry.value.span, Mistake::kind(&entry.key, kind, "a string", "write it in quotes"));
    }
    text
}

fn metric(entry: &Entry, known: &AxisSet, problems: &mut Problems) -> Option<Metric> {
    let text = string(entry, problems)?;
    let span = &entry.value.span;
    match formula::metric(&text, known) {
        Ok(metric) => Some(metric),
        Err((place, mistake)) => {
            // The text was written in quotes and without escapes, so it stands in the spec as it
            // is.
            let plain = span.len() == text.len() + 2;
            let place = if plain { span.start + 1 + place.start..span.start + 1 + place.end } else { span.clone() };
            problems.push(&place, mistake);
            None
        }
    }
}

fn filter(node: &Node, known: &AxisSet, problems: &mut Problems) -> Filter {
    match node.raw.table() {
        Some(entries) => Filter::read(entries, known, problems),
        None => {
            let hint = "for example where = { network = \"mlp\", lr = { max = 0.1 } }";
            problems.push(&node.span, Mistake::kind("where", node.raw.kind(), "a table", hint));
            Filter::default()
        }
    }
}

/// Reads the value of `by`.
pub fn columns(node: &Node, known: &AxisSet, problems: &mut Problems) -> Vec<Attribute> {
    let hint = "for example by = [\"depth\"]";
    let Raw::List(items) = &node.raw else {
        problems.push(&node.span, Mistake::kind("by", node.raw.kind(), "a list of axes", hint));
        return Vec::new();
    };
    let mut columns: Vec<Attribute> = Vec::new();
    for item in items {
        let found = match item.raw.text() {
            Some(name) => Attribute::find(name, known),
            None => Err(Mistake::kind("by", item.raw.kind(), "the name of an axis", hint)),
        };
        if let Some(column) = problems.keep(&item.span, found) {
            if columns.iter().any(|other| other.name() == column.name()) {
                problems.add(&item.span, format!("`{}` stands twice", column.name()), "keep one of them");
            }
            columns.push(column);
        }
    }
    columns
}

fn bound(item: &Node, entries: &[Entry], problems: &mut Problems) -> Option<Bound> {
    let find = |key: &str| entries.iter().find(|entry| entry.key == key);
    let before = problems.len();
    let mut end = |key: &str| find(key).and_then(|entry| number(entry, problems));
    let (min, max, value) = (end("min"), end("max"), end("value"));
    let tolerance = find("tolerance").and_then(|entry| tolerance(entry, problems));
    if problems.len() > before || !matches!(item.raw, Raw::Table(_)) {
        return None;
    }
    let (span, message, hint) = match (min, max, value, tolerance) {
        (None, None, Some((value, _)), Some((tolerance, span))) => {
            if value != 0.0 || matches!(tolerance, Tolerance::Absolute(_)) {
                return Some(Bound::Near { value, tolerance });
            }
            (span, "a share of the value 0 is 0", "write the tolerance as a number")
        }
        (None, None, Some((_, span)), None) => {
            (span, "`value` needs a `tolerance`", "for example tolerance = 0.01, or tolerance = \"5%\" of the value")
        }
        (_, _, None, Some((_, span))) => (span, "`tolerance` needs a `value`", "`min` and `max` are taken as they are"),
        (_, _, Some((_, span)), _) => (span, "`value` stands beside `min` or `max`", "write one or the other"),
        (None, None, None, None) => {
            (&item.span, "this [[expect]] expects nothing", "it needs `min`, `max`, or `value` with `tolerance`")
        }
        (min, max, None, None) => {
            let (low, high) = (min.map_or(f64::NEG_INFINITY, |m| m.0), max.map_or(f64::INFINITY, |m| m.0));
            if low <= high {
                return Some(Bound::Between { min: low, max: high });
            }
            (max.map_or(&item.span, |m| m.1), "`max` is below `min`", "nothing lies between them")
        }
    };
    problems.add(span, message, hint);
    None
}

fn number<'a>(entry: &'a Entry, problems: &mut Problems) -> Option<(f64, &'a Span)> {
    let Some(x) = entry.value.raw.number() else {
        let kind = entry.value.raw.kind();
        problems.push(&entry.value.span, Mistake::kind(&entry.key, kind, "a number", "for example 0.05"));
        return None;
    };
    if x.is_nan() || x.is_infinite() && entry.key == "value" {
        let hint = "`min` and `max` may be inf; nan is within no bound";
        problems.add(&entry.value.span, format!("`{}` cannot be {x}", entry.key), hint);
        return None;
    }
    Some((x, &entry.value.span))
}

/// Reads a number, or a share of the value such as `"5%"`.
fn tolerance<'a>(entry: &'a Entry, problems: &mut Problems) -> Option<(Tolerance, &'a Span)> {
    let span = &entry.value.span;
    let percent = entry.value.raw.text().and_then(|text| text.trim().strip_suffix('%'));
    let tolerance = match percent.map(|text| text.trim().parse::<f64>()) {
        Some(Ok(percent)) => Some((percent, Tolerance::Relative(percent / 100.0))),
        Some(Err(_)) => None,
        None => entry.value.raw.number().map(|x| (x, Tolerance::Absolute(x))),
    };
    match tolerance {
        Some((x, tolerance)) if x >= 0.0 && x.is_finite() => Some((tolerance, span)),
        _ => {
            problems.add(span, "`tolerance` is no number, 0 or more", "for example 0.01, or \"5%\" of the value");
            None
        }
    }
}

/// Reads `[baseline]`.
pub fn baseline(node: &Node, known: &AxisSet, problems: &mut Problems) -> Baseline {
    let mut baseline = Baseline { span: node.span.clone(), ..Baseline::default() };
    for entry in table("baseline", node, &key::names(&key::BASELINE), problems) {
        let (span, raw) = (&entry.value.span, &entry.value.raw);
        match (entry.key.as_str(), raw.number(), raw.text()) {
            ("by", _, _) => baseline.by = columns(&entry.value, known, problems),
            ("direction", _, Some("worse")) => baseline.direction = Direction::Worse,
            ("direction", _, Some("any")) => baseline.direction = Direction::Any,
            ("direction", _, _) => {
                problems.add(span, "`direction` is neither \"worse\" nor \"any\"", "write one of them");
            }
            ("alpha", Some(x), _) if x > 0.0 && x < 1.0 => baseline.alpha = x,
            ("alpha", _, _) => problems.add(span, "`alpha` is no number between 0 and 1", "for example 0.05"),
            ("max_changed", Some(x), _) if (0.0..=1.0).contains(&x) => baseline.max_changed = Some(x),
            ("max_changed", _, _) => {
                problems.add(span, "`max_changed` is no number from 0 to 1", "0.01 lets 1% of the outcomes differ");
            }
            _ => {}
        }
    }
    baseline
}
