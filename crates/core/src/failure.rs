//! Why a command could not run, in words for the person who ran it, and the exit statuses. Not for what training runs do: a divergence is
//! a result.

use std::fmt;
use std::path::Path;

/// How a command ended when it could run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// The sweep ended, with trials that have no verdict.
    Lost,
    /// A replay did not give what was recorded.
    Differs,
    /// `check` found something.
    Failed,
    /// Stopped by a signal; the same command resumes.
    Interrupted,
}

impl Exit {
    pub fn status(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Lost | Exit::Differs | Exit::Failed => 1,
            Exit::Interrupted => 130,
        }
    }
}

/// Could not run: exit status 2.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// A lowercase fragment that names the thing in backticks, or a rendered report that already starts with `error:`.
    text: String,
    hint: Option<String>,
}

impl Failure {
    pub const STATUS: u8 = 2;

    pub fn new(text: impl Into<String>) -> Failure {
        Failure { text: text.into(), hint: None }
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// The hint where there is no better one.
    pub fn or_hint(self, hint: impl Into<String>) -> Failure {
        if self.hint.is_some() { self } else { self.hint(hint) }
    }

    /// `cannot <action> <path>: <reason>`
    pub fn io(action: &str, path: &Path, error: &std::io::Error) -> Failure {
        Failure::new(format!("cannot {action} `{}`: {}", path.display(), reason(error)))
    }
}

/// A text of others as it can stand in a message: short and on one line.
pub fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a terminal shows what follows in another direction, so that a text reads as another one; or begins a line.
pub fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text without the characters that XML does not have, not even as escapes.
pub fn xml(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)).collect()
}

/// `1 trial`, `2 trials`.
pub fn counted(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// A text without what a terminal would obey; only its lines are kept apart.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() && c != '\n' && c != '\t' => shown.extend(c.escape_debug()),
            c if turns(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// The system's words without Rust's `(os error N)`.
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    let mut text = text[..end].to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    text
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.text.starts_with("error:") {
            f.write_str("error: ")?;
        }
        f.write_str(printable(self.text.trim_end()).as_str())?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {}", printable(hint)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
