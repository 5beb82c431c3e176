//! This module writes events to stderr. Warnings, which are for whoever ran the program, have the
//! form of errors: `warning: ...`, and then `hint: ...` where the event has a field `hint`.
//! Whatever else `RUST_LOG` asks for becomes log lines with a time. Programs get events of another
//! form, which the caller gives.

use crate::failure::printable;
use crate::output::wants_colour;
use std::fmt;
use std::io::IsTerminal;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter, format};
use tracing_subscriber::registry::LookupSpan;

/// An event, for a program that reads stderr.
pub struct Logged {
    pub level: Level,
    pub message: String,
    pub hint: Option<String>,
}

/// Begins to write events, once per process and library. `writer` leads to stderr. `form` makes the
/// line of an event for a program; without it the lines are for people.
pub fn start<W: for<'a> MakeWriter<'a> + Send + Sync + 'static>(writer: W, form: Option<fn(Logged) -> String>) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let logged = format().with_target(false).with_ansi(wants_colour(std::io::stderr().is_terminal()));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .log_internal_errors(false)
        .event_format(StderrFormat { logged, form })
        .init();
}

struct StderrFormat {
    logged: Format,
    form: Option<fn(Logged) -> String>,
}

impl<S, N> FormatEvent<S, N> for StderrFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let level = *event.metadata().level();
        if level != Level::WARN && self.form.is_none() {
            return self.logged.format_event(context, to, event);
        }
        let mut said = WarningText::default();
        event.record(&mut said);
        if let Some(form) = self.form {
            return writeln!(to, "{}", form(Logged { level, message: said.message, hint: said.hint }));
        }
        writeln!(to, "warning: {}", printable(&said.message))?;
        match said.hint {
            Some(hint) => writeln!(to, "hint: {}", printable(&hint)),
            None => Ok(()),
        }
    }
}

#[derive(Default)]
struct WarningText {
    message: String,
    hint: Option<String>,
}

impl Visit for WarningText {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "hint" => self.hint = Some(format!("{value:?}")),
            _ => {}
        }
    }
}
