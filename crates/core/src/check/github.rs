//! Findings as workflow commands of GitHub Actions, which shows them at their line of the spec.

use super::Gate;
use crate::failure::printable;
use std::fmt::Write;

/// The workflow commands of a gate. `spec` is the path of the spec in the repository, and `place`
/// gives the path and the line of a byte of the spec.
pub fn github(gate: &Gate, spec: &str, place: &dyn Fn(usize) -> (String, usize)) -> String {
    let mut text = String::new();
    for (case, finding) in gate.findings() {
        let (file, line) = case.place.map_or((spec.to_owned(), 1), place);
        let code = finding.code.name();
        let title = format!("{code}: {}", printable(&case.name));
        let _ = writeln!(
            text,
            "::error file={},line={line},title={}::{}",
            property(&printable(&file)),
            property(&title),
            message(&printable(&finding.message))
        );
    }
    text
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
