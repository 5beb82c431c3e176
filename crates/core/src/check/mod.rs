//! Whether a finished sweep is what it was expected to be: rows in, findings out. This room reads
//! no clock and opens no file; commands hand it readers. Unlike a sweep that resumes it tolerates
//! nothing. A damaged row is an error, and a trial without a verdict fails the gate.
//!
//! [`roster`] finds in the grid which trial belongs to which expectation and group. [`sheet`],
//! [`run`], [`layers`] and [`sides`] read the rows, by the place of their trial in the grid.
//! [`edges`] follows the edges by the rows. [`measure`] takes a metric of a group. [`judge`] and
//! [`baseline`] make cases, which passed or have a finding, and [`text`], [`junit`] and [`github`]
//! show them.

pub mod aggregate;
pub mod apart;
pub mod baseline;
pub mod edges;
pub mod github;
pub mod judge;
pub mod junit;
pub mod layers;
pub mod measure;
pub mod roster;
pub mod run;
pub mod sheet;
pub mod sides;
pub mod statistics;
pub mod text;

use baseline::BaselineComparison;

/// Something that fails the gate. The codes are stable, so scripts may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    MissingTrials,
    LostTrials,
    DuplicateTrials,
    ForeignTrials,
    ExpectationFailed,
    NoValues,
    BaselineOtherGrid,
    BaselineLostTrials,
    BaselineDuplicateTrials,
    BaselineRegressed,
    BaselineEpoch,
    BaselineFewSeeds,
    BaselineChanged,
}

impl Code {
    pub fn name(self) -> &'static str {
        match self {
            Code::MissingTrials => "missing-trials",
            Code::LostTrials => "lost-trials",
            Code::DuplicateTrials => "duplicate-trials",
            Code::ForeignTrials => "foreign-trials",
            Code::ExpectationFailed => "expectation-failed",
            Code::NoValues => "no-values",
            Code::BaselineOtherGrid => "baseline-other-grid",
            Code::BaselineLostTrials => "baseline-lost-trials",
            Code::BaselineDuplicateTrials => "baseline-duplicate-trials",
            Code::BaselineRegressed => "baseline-regressed",
            Code::BaselineEpoch => "baseline-epoch",
            Code::BaselineFewSeeds => "baseline-few-seeds",
            Code::BaselineChanged => "baseline-changed",
        }
    }
}

/// Why a case did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    /// What is wrong, with its numbers, on one line.
    pub message: String,
}

/// One thing that was checked. It passed if it has no finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    pub name: String,
    /// The group, as `depth=4 init=he`. It is empty if all trials are one group.
    pub group: String,
    pub metric: String,
    pub expected: String,
    /// It is `None` if nothing could be measured.
    pub measured: Option<f64>,
    /// The 95% interval of a rate, which goes by seeds.
    pub interval: Option<(f64, f64)>,
    /// The number of seeds among the trials of a rate.
    pub seeds: Option<u64>,
    /// The number of values that went into it.
    pub n: u64,
    /// The number of trials (or layers) whose cells are empty.
    pub empty: u64,
    pub finding: Option<Finding>,
    /// The byte of the spec that asks for it.
    pub place: Option<usize>,
}

impl Case {
    /// The case of something that should be there 0 times.
    fn counted(code: Code, count: u64, n: u64, finding: Option<Finding>) -> Case {
        let name = code.name().replace('-', " ");
        Case {
            metric: name.clone(),
            name,
            group: String::new(),
            expected: "0".to_owned(),
            measured: Some(count as f64),
            interval: None,
            seeds: None,
            n,
            empty: 0,
            finding,
            place: None,
        }
    }

    fn has(&self, code: Code) -> bool {
        self.finding.as_ref().is_some_and(|finding| finding.code == code)
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The number of trials of the grid.
    pub trials: u64,
    /// Whether the rows are those of the grid, each once and with a verdict.
    pub whole: Vec<Case>,
    pub expectations: Vec<Case>,
    pub baseline: Option<BaselineComparison>,
}

impl Gate {
    /// Every case, those about the rows first.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        let baseline = self.baseline.iter().flat_map(|comparison| &comparison.cases);
        self.whole.iter().chain(&self.expectations).chain(baseline)
    }

    /// Every finding with its case.
    pub fn findings(&self) -> impl Iterator<Item = (&Case, &Finding)> {
        self.cases().filter_map(|case| case.finding.as_ref().map(|finding| (case, finding)))
    }

    /// Whether there is no finding.
    pub fn passed(&self) -> bool {
        self.findings().next().is_none()
    }
}
