//! Why a command could not run, in words for the person who ran it, and the exit statuses. This is
//! not for what training runs do, since a divergence is a result.

use std::fmt;
use std::path::Path;

/// How a command ended that could run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Done,
    /// The sweep ended, and some trials have no verdict.
    Lost,
    /// A replay did not give what was recorded.
    Differs,
    /// `check` found something.
    Failed,
    /// A signal stopped it. The same command resumes.
    Interrupted,
}

impl Exit {
    /// The exit status of the process.
    pub fn status(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Lost | Exit::Differs | Exit::Failed => 1,
            Exit::Interrupted => 130,
        }
    }
}

/// Why a command could not run: exit status 2.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    what: What,
    hint: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    /// A fragment in lowercase that names the thing in backticks.
    Text(String),
    /// The mistakes in a file, laid out for people, and each by itself.
    Mistakes { text: String, told: Vec<Told> },
}

/// A thing that a failure says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub message: String,
    pub hint: Option<String>,
    /// The file, and the line and column in it, which count from 1.
    pub place: Option<(String, usize, usize)>,
}

impl Failure {
    /// The exit status.
    pub const STATUS: u8 = 2;

    pub fn new(text: impl Into<String>) -> Failure {
        Failure { what: What::Text(text.into()), hint: None }
    }

    /// The mistakes in a file, laid out for people in `text`, and each by itself in `told`.
    pub fn mistakes(text: String, told: Vec<Told>) -> Failure {
        Failure { what: What::Mistakes { text, told }, hint: None }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }

    /// Adds this hint if there is none yet.
    pub fn or_hint(self, hint: impl Into<String>) -> Failure {
        if self.hint.is_some() { self } else { self.hint(hint) }
    }

    /// What it says, without the layout for people: one thing, or one for each mistake in a spec.
    pub fn told(&self) -> Vec<Told> {
        match &self.what {
            What::Text(text) => {
                vec![Told { message: text.trim_end().to_owned(), hint: self.hint.clone(), place: None }]
            }
            What::Mistakes { told, text: _ } => {
                let mut told = told.clone();
                if let (Some(last), Some(more)) = (told.last_mut(), &self.hint) {
                    last.hint = Some(last.hint.take().map_or(more.clone(), |hint| format!("{hint}; {more}")));
                }
                told
            }
        }
    }

    /// `cannot <action> <path>: <reason>`
    pub fn io(action: &str, path: &Path, error: &std::io::Error) -> Failure {
        Failure::new(format!("cannot {action} `{}`: {}", path.display(), reason(error)))
    }
}

/// Other people's text as it can stand in a message: at most 60 characters, on one line, with
/// control characters escaped.
pub fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a character makes a terminal show the text behind it in another direction, so that it
/// reads as another text, or makes it begin a line.
pub fn turns(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text without the characters that XML cannot hold, not even as escapes.
pub fn xml(text: &str) -> String {
    text.chars().filter(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)).collect()
}

/// `1 trial`, `2 trials`.
pub fn counted(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// The text with the characters escaped that a terminal would obey. Only line breaks and tabs stay.
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

/// The system's words for an error, without Rust's `(os error N)`.
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
        match &self.what {
            What::Text(text) => write!(f, "error: {}", printable(text.trim_end()))?,
            What::Mistakes { text, told: _ } => f.write_str(printable(text).as_str())?,
        }
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {}", printable(hint)),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
