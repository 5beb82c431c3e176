//! Findings as workflow commands of GitHub Actions, which shows them at their line of the spec.

use super::Gate;
use crate::failure::printable;
use std::fmt::Write;

/// The workflow commands of a gate. `spec` is the path of the spec in the repository, and `line`
/// gives the line of a byte of the spec.
pub fn github(gate: &Gate, spec: &str, line: &dyn Fn(usize) -> usize) -> String {
    let mut text = String::new();
    for (case, finding) in gate.findings() {
        let at = case.place.map_or(1, line);
        let code = finding.code.name();
        let title = format!("{code}: {}", printable(&case.name));
        let _ = writeln!(
            text,
            "::error file={},line={at},title={}::{}",
            property(&printable(spec)),
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
