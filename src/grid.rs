//! Spec -> trials in a fixed order, lazily: counting ten million points costs no memory.

use crate::spec::Spec;
use crate::spec::block::Block;
use crate::spec::resolve;
use crate::trial::{Trial, TrialId};
use std::collections::HashSet;

/// The points of a spec, in order: block by block, the last dial of a block fastest, the seed faster still.
#[derive(Debug, Clone, Copy)]
pub struct Grid<'a> {
    spec: &'a Spec,
}

impl<'a> Grid<'a> {
    pub fn new(spec: &'a Spec) -> Grid<'a> {
        Grid { spec }
    }

    /// Points before excluded ones are dropped and equal ones merged: a product, nothing is enumerated.
    pub fn points(&self) -> u128 {
        let product = |block: &Block| {
            let dials = block.dials.iter().map(|d| d.len() as u128);
            dials.fold(block.seeds.len() as u128, u128::saturating_mul)
        };
        self.spec.blocks.iter().map(product).fold(0, u128::saturating_add)
    }

    /// The trials: excluded points dropped, equal ones merged into the first. Ids of trials seen are kept only where two points could be
    /// the same trial.
    pub fn trials(&self) -> impl Iterator<Item = Trial> + use<'a> {
        let spec = self.spec;
        let distinct = spec.blocks.len() == 1 && spec.blocks[0].distinct;
        let mut seen: HashSet<TrialId> = HashSet::new();
        let points = spec.blocks.iter().flat_map(Points::new);
        points.filter(move |trial| {
            !spec.excludes.iter().any(|filter| filter.matches(trial)) && (distinct || seen.insert(trial.id()))
        })
    }
}

/// An odometer over one block.
struct Points<'a> {
    block: &'a Block,
    /// None when the last point was given.
    at: Option<Vec<usize>>,
    seed: usize,
}

impl<'a> Points<'a> {
    fn new(block: &'a Block) -> Points<'a> {
        let empty = block.seeds.is_empty() || block.dials.iter().any(Vec::is_empty);
        Points { block, at: (!empty).then(|| vec![0; block.dials.len()]), seed: 0 }
    }
}

impl Iterator for Points<'_> {
    type Item = Trial;

    fn next(&mut self) -> Option<Trial> {
        let at = self.at.as_mut()?;
        let settings: Vec<_> = self.block.dials.iter().zip(at.iter()).map(|(dial, &i)| &dial[i]).collect();
        let trial = resolve::trial(self.block, &settings, self.block.seeds[self.seed]);
        self.seed += 1;
        if self.seed == self.block.seeds.len() {
            self.seed = 0;
            let turned = (0..at.len()).rev().find(|&d| {
                at[d] = (at[d] + 1) % self.block.dials[d].len();
                at[d] != 0
            });
            if turned.is_none() {
                self.at = None;
            }
        }
        Some(trial)
    }
}
