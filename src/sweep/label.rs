//! The label of a trial, which may change between two sweeps of one folder.

use blowup_core::record;
use blowup_core::trial::TrialId;

/// The row with `label` in place of its own label. None if it has this label already.
pub fn relabelled(row: &[u8], label: &str) -> Option<Vec<u8>> {
    let after = &row[TrialId::LENGTH + 1..];
    let same = after.strip_prefix(label.as_bytes()).is_some_and(|rest| rest.starts_with(b","));
    if same && !label.contains([',', '"']) {
        return None;
    }
    let mut fields = record::fields(&row[..row.len() - 1]);
    (fields[record::LABEL] != label.as_bytes()).then(|| {
        fields[record::LABEL] = label.as_bytes().into();
        record::line(&fields)
    })
}
