//! Compares the row of a replay with the row in `runs.csv`.

use blowup_core::record::{self, LABEL, OUTCOME, Verdict};

/// A column whose cells differ between the two rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub column: &'static str,
    pub recorded: String,
    pub replayed: String,
    /// Whether it is one of the columns that say what happened, when and where.
    pub of_verdict: bool,
}

/// The result of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// There is no recorded row.
    Missing,
    /// The recorded row says that the trial was lost, for this reason.
    Lost(&'static str),
    /// The columns that differ. The list is empty if the rows have the same bytes.
    Differs(Vec<Difference>),
}

/// Compares the rows, which have their line ends. The label is not compared, since it may change
/// freely.
pub fn compare(recorded: Option<&[u8]>, replayed: &[u8]) -> Comparison {
    let Some(recorded) = recorded else {
        return Comparison::Missing;
    };
    let (old, new) = (cells(recorded), cells(replayed));
    if let Some(Verdict::Lost(reason)) = Verdict::parse(old[OUTCOME].as_bytes(), old[OUTCOME + 1].as_bytes()) {
        return Comparison::Lost(reason.name());
    }
    let verdict = OUTCOME..=record::column("step_nan");
    let rows = record::runs().into_iter().zip(old.into_iter().zip(new)).enumerate();
    Comparison::Differs(
        rows.filter(|(at, (_, (recorded, replayed)))| *at != LABEL && recorded != replayed)
            .map(|(at, (column, (recorded, replayed)))| {
                let of_verdict = verdict.contains(&at);
                Difference { column, recorded, replayed, of_verdict }
            })
            .collect(),
    )
}

/// Whether the row has a sharpness.
pub fn has_sharpness(row: &[u8]) -> bool {
    let cells = cells(row);
    ["sharpness_initial", "sharpness_final"].iter().any(|column| !cells[record::column(column)].is_empty())
}

/// The cells of a row as text.
pub fn cells(row: &[u8]) -> Vec<String> {
    let row = row.strip_suffix(b"\n").unwrap_or(row);
    record::fields(row).into_iter().map(|cell| String::from_utf8_lossy(&cell).into_owned()).collect()
}
