//! `blowup schema`: the JSON Schema of a spec, to standard output.

use crate::failure::{Exit, Failure};
use crate::output;
use crate::schema::schema;

/// Prints the schema.
///
/// # Errors
/// If standard output cannot be written.
pub fn run() -> Result<Exit, Failure> {
    output::print(&format!("{:#}\n", schema())).map(|()| Exit::Done)
}
