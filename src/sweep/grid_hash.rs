//! A short name for a whole grid.

use blowup_core::spec::Spec;
use blowup_core::trial::TrialId;
use sha2::{Digest, Sha256};

/// Hashes the ids of a grid's trials, in the order of the grid, and the edges of the spec.
#[derive(Default)]
pub struct GridHash(Sha256);

impl GridHash {
    /// Adds the next id.
    pub fn add(&mut self, id: TrialId) {
        self.0.update(id.bits().to_be_bytes());
    }

    /// Adds what the edges of a spec look for, behind its grid. Which trials they ask for follows
    /// from this and from rows.
    pub fn add_edges(&mut self, spec: &Spec) {
        let grid = spec.grid();
        for edge in &spec.edges {
            let lattice = [edge.lattice.len(), edge.lattice.first.len(), edge.lines.len()].map(|n| n as u64);
            lattice.iter().chain([&edge.seeds]).for_each(|n| self.0.update(n.to_be_bytes()));
            edge.shares.iter().for_each(|share| self.0.update(share.to_bits().to_be_bytes()));
            self.0.update(edge.event.text());
            for line in &edge.lines {
                let ends = [0, edge.lattice.len() - 1].map(|position| edge.points(*line, position).start);
                ends.iter().for_each(|point| self.add(grid.at(*point).id()));
            }
        }
    }

    /// The first 8 bytes of the SHA-256, as 16 hexadecimal digits.
    pub fn finish(self) -> String {
        self.0.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
