//! A short name for a whole grid.

use blowup_core::trial::TrialId;
use sha2::{Digest, Sha256};

/// Hashes the ids of a grid's trials, in the order of the grid.
#[derive(Default)]
pub struct GridHash(Sha256);

impl GridHash {
    /// Adds the next id.
    pub fn add(&mut self, id: TrialId) {
        self.0.update(id.bits().to_be_bytes());
    }

    /// The first 8 bytes of the SHA-256, as 16 hexadecimal digits.
    pub fn finish(self) -> String {
        self.0.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
