//! The findings of a check in a page.

use blowup_core::check::Gate;
use blowup_core::check::text::short;
use serde::Serialize;

/// What `blowup check` says of the expectations of the spec.
#[derive(Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Checks {
    Cases(Vec<CaseData>),
    /// Why there are no results of a check.
    Problem(String),
}

/// The result of one expectation for one group of trials.
#[derive(Debug, Serialize)]
pub struct CaseData {
    name: String,
    group: String,
    metric: String,
    expected: String,
    measured: String,
    interval: String,
    n: String,
    code: Option<&'static str>,
    finding: Option<String>,
}

impl Checks {
    /// The results of a check.
    pub fn of(gate: &Gate) -> Checks {
        let case = |case: &blowup_core::check::Case| CaseData {
            name: case.name.clone(),
            group: case.group.clone(),
            metric: case.metric.clone(),
            expected: case.expected.clone(),
            measured: case.measured.map_or_else(|| "none".to_owned(), short),
            interval: case.interval.map(|(low, high)| format!("{low:.3} to {high:.3}")).unwrap_or_default(),
            n: match (case.empty, case.seeds) {
                (0, None) => case.n.to_string(),
                (0, Some(seeds)) => format!("{} ({})", case.n, blowup_core::failure::counted(seeds, "seed")),
                (empty, _) => format!("{} ({empty} empty)", case.n),
            },
            code: case.finding.as_ref().map(|finding| finding.code.name()),
            finding: case.finding.as_ref().map(|finding| finding.message.clone()),
        };
        Checks::Cases(gate.cases().map(case).collect())
    }
}
