//! A gate as JUnit XML. There is one test case per expectation and group, and one for each thing
//! that was checked beside them. Every case has its numbers as properties, so that a script can
//! make a table of them. There are no times in it, so the same results give the same bytes.

use super::{Case, Gate};
use crate::failure::xml;
use crate::record;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

/// The XML of a gate. `place` gives the file and the line of a byte of the spec.
pub fn junit(gate: &Gate, place: &dyn Fn(usize) -> String) -> String {
    let mut report = Report::new("blowup check");
    let mut suite = |name: &str, cases: &[Case]| {
        let mut suite = TestSuite::new(name);
        suite.add_test_cases(cases.iter().map(|case| test_case(name, case, place)));
        report.add_test_suite(suite);
    };
    suite("results", &gate.whole);
    suite("expectations", &gate.expectations);
    if let Some(comparison) = &gate.baseline {
        suite("baseline", &comparison.cases);
    }
    report.to_string().expect("text in memory")
}

/// Whether a file with this beginning is a JUnit report: its root is `testsuites` or `testsuite`.
pub fn is_junit(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    // A declaration and comments may stand before the root.
    for (opens, closes) in [("<?", "?>"), ("<!--", "-->"), ("<!--", "-->")] {
        if rest.starts_with(opens) {
            rest = rest.split_once(closes).map_or("", |(_, rest)| rest).trim_start();
        }
    }
    let name = rest.strip_prefix('<').and_then(|rest| rest.split([' ', '\t', '\r', '\n', '>', '/']).next());
    matches!(name, Some("testsuites" | "testsuite"))
}

fn test_case(suite: &str, case: &Case, place: &dyn Fn(usize) -> String) -> TestCase {
    let status = match &case.finding {
        None => TestCaseStatus::success(),
        Some(finding) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            let message = xml(&format!("{}: {}", finding.code.name(), finding.message));
            status.set_type(finding.code.name()).set_message(message.as_str());
            let at = case.place.map(|byte| format!("{}: ", place(byte))).unwrap_or_default();
            status.set_description(xml(&format!("{at}{message}")));
            status
        }
    };
    let group = if case.group.is_empty() { String::new() } else { format!(" [{}]", case.group) };
    let mut test = TestCase::new(xml(&format!("{}{group}", case.name)), status);
    test.set_classname(format!("blowup.{suite}"));
    let number = |x: Option<f64>| x.map(record::float).unwrap_or_default();
    let mut property = |name: &str, value: &str| {
        test.add_property(Property::new(format!("expect.{name}"), xml(value).as_str()));
    };
    property("name", &case.name);
    property("group", &case.group);
    property("metric", &case.metric);
    property("expected", &case.expected);
    property("measured", &number(case.measured));
    property("n", &case.n.to_string());
    if let Some(seeds) = case.seeds {
        property("seeds", &seeds.to_string());
    }
    property("empty", &case.empty.to_string());
    if let Some((low, high)) = case.interval {
        property("low", &record::float(low));
        property("high", &record::float(high));
    }
    test
}
