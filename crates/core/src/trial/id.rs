//! The id of a trial.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The id of a trial: 48 bits of a hash of everything that changes its meaning. Its text is `t` and
/// 12 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TrialId(u64);

impl fmt::Display for TrialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{:012x}", self.0)
    }
}

impl TrialId {
    /// The number of characters of its text.
    pub const LENGTH: usize = 13;

    /// The id with the lowest 48 bits of `bits`.
    pub(crate) fn of(bits: u64) -> TrialId {
        TrialId(bits & ((1 << 48) - 1))
    }

    /// The 48 bits, which are as good as random.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Reads the text of an id.
    pub fn parse(text: &str) -> Option<TrialId> {
        let digits = text.strip_prefix('t')?;
        let hexadecimal = digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if digits.len() != 12 || !hexadecimal {
            return None;
        }
        u64::from_str_radix(digits, 16).ok().map(TrialId)
    }
}
