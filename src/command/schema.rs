//! `blowup schema`: prints the JSON Schema of a spec to standard output.

use crate::schema::schema;
use blowup_core::failure::{Exit, Failure};
use blowup_core::output;

/// Prints the schema.
///
/// # Errors
/// If standard output cannot be written.
pub fn run() -> Result<Exit, Failure> {
    output::print(&format!("{:#}\n", schema())).map(|()| Exit::Done)
}
