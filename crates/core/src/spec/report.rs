//! Everything that is wrong with a spec, in one report: each mistake has its file, line, column,
//! text and a hint.

use super::source::Span;
use super::written::Written;
use crate::axis::TABLE;
pub use crate::failure::excerpt;
use crate::failure::{Failure, Told, printable};
use std::fmt;

/// What is wrong, and what to do about it, without a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    message: String,
    hint: Hint,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hint {
    Text(String),
    /// Suggests a name of `known` that is near, when it is shown: of a hundred thousand mistakes
    /// few are.
    Nearest {
        found: String,
        known: Vec<&'static str>,
        /// What else may have been meant; mostly empty.
        or: &'static str,
    },
}

impl Mistake {
    /// A mistake with this message and hint.
    pub fn new(message: impl Into<String>, hint: impl Into<String>) -> Mistake {
        Mistake { message: message.into(), hint: Hint::Text(hint.into()) }
    }

    /// A name that is not among `known`, which `message` says. The hint suggests a near one, or
    /// lists them all.
    pub fn unknown(message: impl Into<String>, found: &str, known: &[&'static str]) -> Mistake {
        // A longer name cannot be a mistyped one.
        let found = found.chars().take(MEANT + 1).collect();
        Mistake { message: message.into(), hint: Hint::Nearest { found, known: known.to_vec(), or: "" } }
    }

    /// The same mistake, whose hint says what else an unknown name may have been meant for.
    pub fn or(mut self, other: &'static str) -> Mistake {
        if let Hint::Nearest { or, .. } = &mut self.hint {
            *or = other;
        }
        self
    }

    /// A value of the wrong type.
    pub fn kind(key: &str, found: &str, wanted: &str, hint: impl Into<String>) -> Mistake {
        Mistake::new(format!("`{key}` is {found}, not {wanted}"), hint)
    }

    fn hint(&self) -> String {
        match &self.hint {
            Hint::Text(text) => text.clone(),
            Hint::Nearest { found, known, or } => {
                let or = if or.is_empty() { String::new() } else { format!("; {or}") };
                match nearest(found, known) {
                    Some(near) => format!("did you mean `{near}`?{or}"),
                    None => format!("known here: {}{or}", known.join(", ")),
                }
            }
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.message, self.hint())
    }
}

/// The most characters of a name that may be a mistyped known one.
const MEANT: usize = 64;

/// The known name that `found` was probably meant to be: few letters differ, or only the order of
/// its words does.
fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    if found.chars().count() > MEANT {
        return None;
    }
    let meant = TABLE.iter().find(|axis| axis.also.contains(&found)).map_or(found, |axis| axis.name);
    let distance = |name: &str| {
        let reordered = strsim::damerau_levenshtein(&in_order(meant), &in_order(name));
        strsim::damerau_levenshtein(meant, name).min(reordered)
    };
    let scored = known.iter().map(|&name| (distance(name), name));
    // A third of the letters may differ: `sep` is not `eps`, and a name of two letters is not
    // another one.
    let near =
        |&(distance, name): &(usize, &str)| 3 * distance <= name.chars().count().min(meant.chars().count()).max(3);
    scored.min().filter(near).map(|(_, name)| name)
}

/// The words of a name in alphabetical order, so that `final_loss` and `loss_final` are alike.
fn in_order(name: &str) -> String {
    let mut words: Vec<&str> = name.split('_').collect();
    words.sort_unstable();
    words.join("_")
}

/// The most mistakes that a report lists. The others are counted.
const LISTED: usize = 100;

/// Mistakes with their places, as they are found.
#[derive(Debug, Default)]
pub struct Problems {
    listed: Vec<(Span, Mistake)>,
    more: usize,
    warnings: Vec<(Span, Mistake)>,
}

impl Problems {
    /// Adds a mistake, once for each place.
    pub fn push(&mut self, span: &Span, mistake: Mistake) {
        // Every block that uses `[base]` or `[task]` finds its mistakes again.
        if self.listed.iter().any(|(s, m)| s == span && *m == mistake) {
            return;
        }
        if self.listed.len() < LISTED {
            self.listed.push((span.clone(), mistake));
        } else {
            self.more += 1;
        }
    }

    /// Adds a mistake with this message and hint.
    pub fn add(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(span, Mistake::new(message, hint));
    }

    /// Adds a warning about something that a spec may say, though it is hardly meant.
    pub fn warn(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        let warning = (span.clone(), Mistake::new(message, hint));
        if self.warnings.len() < LISTED && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Keeps the value, or the mistake.
    pub fn keep<T>(&mut self, span: &Span, result: Result<T, Mistake>) -> Option<T> {
        result.map_err(|mistake| self.push(span, mistake)).ok()
    }

    /// Whether there is no mistake; warnings do not count.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// The number of mistakes.
    pub fn len(&self) -> usize {
        self.listed.len() + self.more
    }

    /// The report, in the order of the text.
    pub fn report(mut self, written: &Written) -> Diagnostics {
        self.listed.sort_by_key(|(span, _)| span.start);
        let error = |(span, mistake)| Problem::new(Severity::Error, written, span, mistake);
        Diagnostics { problems: self.listed.into_iter().map(error).collect(), more: self.more }
    }

    /// The warnings alone, in the order of the text.
    pub fn into_warnings(mut self, written: &Written) -> Vec<Problem> {
        self.warnings.sort_by_key(|(span, _)| span.start);
        let warning = |(span, mistake)| Problem::new(Severity::Warning, written, span, mistake);
        self.warnings.into_iter().map(warning).collect()
    }
}

/// Every mistake in a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    pub problems: Vec<Problem>,
    /// The number of mistakes beyond those listed.
    pub more: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// A mistake or a warning with its place. Lines and columns count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    severity: Severity,
    pub file: String,
    pub line: usize,
    pub column: usize,
    pub message: String,
    pub hint: String,
    source: String,
    carets: String,
}

/// The most characters of a source line that a report shows.
const SHOWN: usize = 120;

impl Problem {
    fn new(severity: Severity, written: &Written, span: Span, mistake: Mistake) -> Problem {
        let (file, text, span) = written.place(&span);
        let start = boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[line_start..].lines().next().unwrap_or("");
        let before = text[line_start..start].chars().count();
        let marked = text[start..boundary(text, span.end).max(start)].lines().next().unwrap_or("").chars().count();
        // A long line is shown from a little before the mistake on.
        let skip = if before + marked.min(20) > SHOWN { before.saturating_sub(20) } else { 0 };
        // A character that a terminal would obey is replaced by one that is as wide.
        let shown = line.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c });
        let shown: Vec<char> = shown.skip(skip).take(SHOWN).collect();
        let pad = shown.iter().take(before - skip).map(|&c| if c == '\t' { '\t' } else { ' ' });
        let carets = marked.min(SHOWN.saturating_sub(before - skip)).max(1);
        Problem {
            severity,
            file: file.to_owned(),
            line: text[..start].matches('\n').count() + 1,
            column: before + 1,
            hint: printable(&mistake.hint()),
            message: printable(&mistake.message),
            source: shown.iter().collect(),
            carets: pad.chain(std::iter::repeat_n('^', carets)).collect(),
        }
    }
}

impl Problem {
    /// The problem without its layout for people.
    pub fn told(&self) -> Told {
        let Problem { file, line, column, message, hint, severity: _, source: _, carets: _ } = self;
        let place = Some((file.clone(), *line, *column));
        Told { message: message.clone(), hint: Some(hint.clone()), place }
    }
}

/// The nearest character boundary at or below `at`.
fn boundary(text: &str, at: usize) -> usize {
    let at = at.min(text.len());
    (0..=at).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        writeln!(f, "{severity}: {}", self.message)?;
        writeln!(f, "  --> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "   | {}", self.source)?;
        writeln!(f, "   | {}", self.carets)?;
        write!(f, "hint: {}", self.hint)
    }
}

impl Diagnostics {
    /// The mistakes without their layout for people, and how many more there are.
    pub fn told(&self) -> Vec<Told> {
        let more =
            (self.more > 0).then(|| Told { message: format!("and {} more", self.more), hint: None, place: None });
        self.problems.iter().map(Problem::told).chain(more).collect()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            f.write_str(if i > 0 { "\n\n" } else { "" })?;
            problem.fmt(f)?;
        }
        if self.more > 0 {
            write!(f, "\n\nand {} more", self.more)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

impl From<Diagnostics> for Failure {
    fn from(found: Diagnostics) -> Failure {
        Failure::mistakes(found.to_string(), found.told())
    }
}
