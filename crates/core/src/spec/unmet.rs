//! The values of filters that no trial has, because they are mistyped or the grid has changed.
//! Nobody would notice them, since a filter holds of what its other values let through. A range is
//! no such value, since it may reach beyond what there is.

use super::filter::{Attribute, Filter, Filterable};
use super::report::{Diagnostics, Mistake, Problems, excerpt};
use super::source::Span;
use super::written::Written;

/// A value that no trial has.
#[derive(Debug, Clone)]
pub struct Unmet {
    pub column: Attribute,
    /// The number of its condition in the filter, from 0.
    pub condition: usize,
    /// Its place in the spec, or in the argument.
    pub span: Span,
}

/// The values of a filter that no trial has had yet.
#[derive(Debug)]
pub struct Coverage<'a> {
    filter: &'a Filter,
    /// These values, each as its condition and its position in that.
    open: Vec<(usize, usize)>,
    /// The number of comparisons that are still made. Long lists and large grids are not worth the
    /// wait.
    patience: u64,
}

const PATIENCE: u64 = 200_000_000;

impl<'a> Coverage<'a> {
    /// The values of a filter, of which no trial was seen yet.
    pub fn new(filter: &'a Filter) -> Coverage<'a> {
        Coverage { filter, open: filter.listed(), patience: PATIENCE }
    }

    /// Takes note of the values of a trial.
    pub fn see(&mut self, trial: &impl Filterable) {
        if self.open.is_empty() {
            return;
        }
        self.patience = self.patience.saturating_sub(self.open.len() as u64);
        let filter = self.filter;
        match self.patience {
            0 => self.open.clear(),
            _ => self.open.retain(|(condition, value)| !filter.has(*condition, *value, trial)),
        }
    }

    /// The values that no trial has had.
    pub fn unmet(&self) -> Vec<Unmet> {
        let unmet = |&(condition, value): &(usize, usize)| {
            let (column, span) = self.filter.place(condition, value);
            Unmet { column, condition, span }
        };
        self.open.iter().map(unmet).collect()
    }
}

/// Refuses a spec whose filters have values that no trial has. `known` gives the values that an
/// attribute has.
///
/// # Errors
/// One mistake for each of `unmet`.
pub fn refuse(unmet: &[Unmet], known: &dyn Fn(&Attribute) -> Vec<String>, spec: &Written) -> Result<(), Diagnostics> {
    let mut problems = Problems::default();
    for Unmet { column, span, condition: _ } in unmet {
        let written = spec.text().get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
        problems.push(span, none_has(column, written, &known(column)));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.report(spec)) }
}

/// Refuses arguments of `--where` with values that no trial has.
///
/// # Errors
/// The first of `unmet`, with a hint.
pub fn refuse_arguments(
    unmet: &[Unmet],
    known: &dyn Fn(&Attribute) -> Vec<String>,
    args: &[String],
) -> Result<(), String> {
    match unmet.first() {
        None => Ok(()),
        Some(first) => Err(format!("`--where {}`: {}", excerpt(&args[first.condition]), argument(first, known, args))),
    }
}

/// What is wrong with a value of an argument of `--where`.
pub fn argument(unmet: &Unmet, known: &dyn Fn(&Attribute) -> Vec<String>, args: &[String]) -> Mistake {
    let written = args[unmet.condition].get(unmet.span.clone()).unwrap_or_default();
    none_has(&unmet.column, written, &known(&unmet.column))
}

/// The most values that a message lists.
const NAMED: usize = 12;

fn none_has(column: &Attribute, written: &str, known: &[String]) -> Mistake {
    let name = column.name();
    let message = format!("no trial has the `{name}` `{}`", excerpt(written));
    let distance = |value: &&String| strsim::damerau_levenshtein(written, value);
    // A number that is not there was not mistyped for another number.
    let is_word = written.parse::<f64>().is_err();
    let near =
        known.iter().min_by_key(distance).filter(|value| is_word && distance(value) <= value.chars().count() / 3);
    let mut listed: Vec<String> = known.iter().take(NAMED).map(|value| format!("`{}`", excerpt(value))).collect();
    if known.len() > NAMED {
        listed.push("...".to_owned());
    }
    let mut hint = match near {
        Some(near) => format!("did you mean `{}`? ", excerpt(near)),
        None => String::new(),
    };
    hint.push_str(&format!("`{name}` here: {}", listed.join(", ")));
    if let Some(whole) = known.iter().find(|value| value.contains(',') && value.contains(written)) {
        hint.push_str(&format!("; a value with a comma stands in quotes: --where '{name}=\"{}\"'", excerpt(whole)));
    }
    Mistake::new(message, hint)
}
