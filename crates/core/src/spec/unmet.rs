//! Values of filters that no trial has: mistyped, or of a grid that has changed. Nobody would notice, since a filter holds of what its other
//! values let through. A range is no such value: it may reach beyond what there is.

use super::filter::{Attribute, Filter, Filterable};
use super::report::{Mistake, Problems, Report, excerpt};
use super::source::Span;

/// A value that no trial has.
#[derive(Debug, Clone)]
pub struct Unmet {
    pub column: Attribute,
    /// Of the conditions of its filter, from 0.
    pub condition: usize,
    /// Where it stands: in the spec, or in the argument.
    pub span: Span,
}

/// Which values of a filter some trial has.
#[derive(Debug)]
pub struct Coverage<'a> {
    filter: &'a Filter,
    /// The values that none had until now: condition and position in it.
    open: Vec<(usize, usize)>,
    /// Comparisons that are still made: long lists and large grids are not worth the wait.
    patience: u64,
}

const PATIENCE: u64 = 200_000_000;

impl<'a> Coverage<'a> {
    pub fn new(filter: &'a Filter) -> Coverage<'a> {
        Coverage { filter, open: filter.listed(), patience: PATIENCE }
    }

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

    pub fn unmet(&self) -> Vec<Unmet> {
        let unmet = |&(condition, value): &(usize, usize)| {
            let (column, span) = self.filter.place(condition, value);
            Unmet { column, condition, span }
        };
        self.open.iter().map(unmet).collect()
    }
}

/// Refuses a spec of whose filters these values are met by nothing.
pub fn refuse(
    unmet: &[Unmet],
    known: &dyn Fn(&Attribute) -> Vec<String>,
    text: &str,
    file: &str,
) -> Result<(), Report> {
    let mut problems = Problems::default();
    for Unmet { column, span, condition: _ } in unmet {
        let written = text.get(span.clone()).unwrap_or_default().trim_matches(['"', '\'']);
        problems.push(span, none_has(column, written, &known(column)));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.report(text, file)) }
}

/// Refuses arguments of `--where` of which these values are met by nothing.
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

/// Values that a message names.
const NAMED: usize = 12;

fn none_has(column: &Attribute, written: &str, known: &[String]) -> Mistake {
    let name = column.name();
    let message = format!("no trial has the `{name}` `{}`", excerpt(written));
    let distance = |value: &&String| strsim::damerau_levenshtein(written, value);
    // Another number is not what was meant.
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
