//! The event that begins at an edge: in words of the spec, and whether a row has it.

use super::formula;
use super::metric::{Expr, Operator};
use super::report::{Mistake, Problems};
use super::source::Entry;
use crate::axis::AxisSet;
use crate::record;
use crate::verdict::{Outcome, Record};

/// What happens to a trial, or does not.
#[derive(Debug, Clone)]
pub enum Event {
    /// What the divergence rate counts.
    BlewUp,
    /// What the failure rate counts.
    Failed,
    Outcome(Outcome),
    Bound(Bound),
}

/// A comparison over the columns of `runs.csv`.
#[derive(Debug, Clone)]
pub struct Bound {
    pub text: String,
    /// `Less` or `Greater`, and what stands at its sides.
    compared: (Operator, Expr, Expr),
    /// The columns that it reads, and their places in a row.
    columns: Vec<&'static str>,
    cells: Vec<usize>,
}

impl Event {
    /// The event in the words of a spec.
    pub fn text(&self) -> &str {
        match self {
            Event::BlewUp => "blew_up",
            Event::Failed => "failed",
            Event::Outcome(outcome) => outcome.name(),
            Event::Bound(bound) => &bound.text,
        }
    }

    /// Whether a trial with this outcome has the event; `None` if only its row says it.
    pub fn of(&self, outcome: Outcome) -> Option<bool> {
        match self {
            Event::BlewUp => Some(outcome.blew_up()),
            Event::Failed => Some(outcome.failed()),
            Event::Outcome(one) => Some(outcome == *one),
            Event::Bound(_) => None,
        }
    }

    /// Whether a trial with this outcome has the event, where `cell` gives the numbers in
    /// [`columns`](Event::columns), and NaN for an empty cell.
    pub fn holds(&self, outcome: Outcome, cell: &dyn Fn(usize) -> f64) -> bool {
        match self {
            Event::BlewUp => outcome.blew_up(),
            Event::Failed => outcome.failed(),
            Event::Outcome(one) => outcome == *one,
            Event::Bound(bound) => bound.holds(cell),
        }
    }

    /// The columns of `runs.csv` that it reads beside the outcome.
    pub fn columns(&self) -> &[&'static str] {
        match self {
            Event::BlewUp | Event::Failed | Event::Outcome(_) => &[],
            Event::Bound(bound) => &bound.columns,
        }
    }

    /// Whether a whole row of `runs.csv` of a trial with this outcome has the event.
    pub fn in_row(&self, outcome: Outcome, row: &[u8]) -> bool {
        let places = match self {
            Event::BlewUp | Event::Failed | Event::Outcome(_) => &[][..],
            Event::Bound(bound) => &bound.cells,
        };
        let fields = record::fields(row.strip_suffix(b"\n").unwrap_or(row));
        self.holds(outcome, &|i| {
            let text = fields.get(places[i]).and_then(|cell| std::str::from_utf8(cell).ok());
            text.and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
        })
    }
}

impl Bound {
    /// Whether the comparison holds. A NaN and an empty cell count as the event, so that nothing
    /// passes as safe that was not measured.
    fn holds(&self, cell: &dyn Fn(usize) -> f64) -> bool {
        let (operator, left, right) = &self.compared;
        let (left, right) = (left.of_row(cell), right.of_row(cell));
        left.is_nan() || right.is_nan() || operator.of(left, right) == 1.0
    }
}

/// Reads the value of `event`. `record` is what the sweep records.
pub fn read(entry: &Entry, known: &AxisSet, record: &Record, problems: &mut Problems) -> Option<Event> {
    let hint = "for example event = \"blew_up\", or \"loss_final > 0.5\"";
    let span = &entry.value.span;
    let Some(text) = entry.value.raw.text() else {
        problems.push(span, Mistake::kind("event", entry.value.raw.kind(), "a string", hint));
        return None;
    };
    let names = ["blew_up", "failed"].into_iter().chain(Outcome::ALL.map(Outcome::name));
    match text.trim().replace('-', "_").as_str() {
        "blew_up" => return Some(Event::BlewUp),
        "failed" => return Some(Event::Failed),
        name => {
            if let Some(outcome) = Outcome::from_name(name) {
                return Some(Event::Outcome(outcome));
            }
            if !text.contains(['<', '>']) {
                let message = format!("`{}` is no event", super::report::excerpt(text));
                let other = "or a comparison, such as \"loss_final > 0.5\"";
                problems.push(span, Mistake::unknown(message, name, &names.collect::<Vec<_>>()).or(other));
                return None;
            }
        }
    }
    let (compared, names) = match formula::comparison(text, known) {
        Ok(found) => found,
        Err((place, mistake)) => {
            // Without escapes the text stands in the spec as it is.
            let plain = span.len() == text.len() + 2;
            let place = if plain { span.start + 1 + place.start..span.start + 1 + place.end } else { span.clone() };
            problems.push(&place, mistake);
            return None;
        }
    };
    if let Some(column) = names.iter().find(|column| record::is_recorded(column)).filter(|_| !record.sharpness) {
        let message = format!("`{column}` has no values here, since it is not recorded");
        problems.add(span, message, "write sharpness = true below [record]");
        return None;
    }
    let columns = record::runs_of(known);
    let place = |name: &&str| columns.iter().position(|column| column == name).expect("a column that was found");
    let cells = names.iter().map(place).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(Event::Bound(Bound { text, compared, columns: names, cells }))
}
