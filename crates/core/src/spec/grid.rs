//! The trials of a spec in a fixed order, made one at a time. The blocks come as they are written.
//! In each block the trials are the product of its dials, of which the first is outermost, with the
//! seed innermost. Equal trials come once, where they come first, and excluded trials do not come.

use super::block::Block;
use super::dial::{Dial, NOTHING_SET};
use super::edge::Edge;
use super::filter::{Attribute, Filter};
use super::resolve;
use super::unmet::{Coverage, Unmet};
use crate::axis::{Id, UnseededHash};
use crate::trial::{Trial, TrialId};
use std::cell::OnceCell;
use std::collections::HashMap;

/// The grid of a spec.
#[derive(Debug, Clone, Copy)]
pub struct Grid<'a> {
    blocks: &'a [Block],
    /// How many of the blocks, the first ones, are trained as a whole. The others are of edges.
    whole: usize,
    pub(super) excludes: &'a [Filter],
    /// The points of edges that come behind those of the whole blocks.
    beside: &'a [u64],
}

impl<'a> Grid<'a> {
    /// The grid of these blocks, of which the last `edges` are those of edges.
    pub(super) fn new(blocks: &'a [Block], edges: usize, excludes: &'a [Filter]) -> Grid<'a> {
        Grid { blocks, whole: blocks.len() - edges, excludes, beside: &[] }
    }

    /// The grid with these points of its edges behind its own.
    pub fn beside(self, points: &'a [u64]) -> Grid<'a> {
        Grid { beside: points, ..self }
    }

    /// The size of the product, before equal trials are merged and excluded ones dropped. It takes
    /// no memory and no time. Edges do not count.
    pub fn points(&self) -> u128 {
        let size = |block: &Block| {
            let dials = block.dials.iter().map(|dial| u128::from(dial.len()));
            dials.fold(u128::from(block.seeds.len()), u128::saturating_mul)
        };
        self.blocks[..self.whole].iter().map(size).fold(0, u128::saturating_add)
    }

    /// The trial at a point, which is below `points`.
    ///
    /// # Panics
    /// If the grid has no such point.
    pub fn at(&self, point: u64) -> Trial {
        let (block, configuration, seed) = self.place(point);
        Cursor::nth(block, configuration).trial(block.seeds.at(seed))
    }

    /// The trials at these points, in their order. Each configuration is resolved once for all its
    /// seeds, since this takes longer than all else.
    ///
    /// # Panics
    /// If the grid has no such point.
    pub fn all_at(&self, points: impl Iterator<Item = u64>) -> Vec<Trial> {
        let mut cursors = HashMap::new();
        let trials = points.map(|point| {
            let (block, configuration, seed) = self.place(point);
            let cursor = cursors.entry(point - seed).or_insert_with(|| Cursor::nth(block, configuration));
            cursor.trial(block.seeds.at(seed))
        });
        trials.collect()
    }

    /// The block of a point, and the numbers of its configuration and its seed in that.
    fn place(&self, point: u64) -> (&'a Block, u64, u64) {
        let mut rest = point;
        for block in self.blocks {
            // The seed is inside of all dials, and each dial is inside of those before it.
            let seeds = block.seeds.len();
            let size = block.dials.iter().map(Dial::len).fold(seeds, u64::saturating_mul);
            if rest >= size {
                rest -= size;
                continue;
            }
            return (block, rest / seeds, rest % seeds);
        }
        panic!("the grid has no point {point}");
    }

    /// Whether the trials of a configuration (which is all but the seed) surely follow each other.
    pub fn keeps_configurations_together(&self) -> bool {
        let mut labels: Vec<&str> = self.blocks.iter().map(|block| block.label.as_str()).collect();
        labels.sort_unstable();
        // Where the data has a seed of its own, "the same as the seed" is a configuration, too.
        let axes = || self.blocks.iter().flat_map(|block| &block.dials).flat_map(|dial| dial.axes());
        labels.is_sorted_by(|a, b| a < b) && !axes().any(|id| *id == Id::DataSeed)
    }

    /// Every trial in order, those of edges last. The ids are remembered only where two points
    /// could be the same trial.
    pub fn trials(&self) -> Trials<'a> {
        let distinct = self.beside.is_empty() && self.blocks[..self.whole].iter().all(|block| block.distinct);
        Trials {
            walk: Walk { grid: *self, block: 0, cursor: None, points: 0 },
            beside: self.beside.iter(),
            seen: (!distinct).then(HashMap::new),
            collision: None,
            excludes: self.excludes.iter().map(Coverage::new).collect(),
        }
    }

    /// The trial at every point, also excluded ones and repeats, and whether it is excluded.
    pub(super) fn all_points(&self) -> impl Iterator<Item = (Trial, bool)> {
        let mut trials = self.trials();
        std::iter::from_fn(move || trials.walk.trial()).map(|trial| {
            let excluded = self.is_excluded(&trial);
            (trial, excluded)
        })
    }

    /// Whether the excludes leave none of the first `points` trials.
    pub(super) fn is_empty_within(&self, points: u64) -> bool {
        let mut trials = self.trials();
        let mut looked_at = std::iter::from_fn(|| trials.walk.trial()).take(points as usize);
        let mut all = 0;
        let excluded = looked_at.by_ref().inspect(|_| all += 1).all(|trial| self.is_excluded(&trial));
        excluded && all < points
    }

    /// The values that an attribute has in the grid, each once: as many of them as a message needs.
    pub fn values(&self, column: &Attribute) -> Vec<String> {
        const MOST: usize = 1000;
        let mut values: Vec<String> = Vec::new();
        for text in self.trials().map(|trial| column.text(&trial)).filter(|text| !text.is_empty()) {
            if values.len() < MOST && !values.contains(&text) {
                values.push(text);
            }
        }
        values
    }

    pub(super) fn is_excluded(&self, trial: &Trial) -> bool {
        self.excludes.iter().any(|exclude| exclude.matches(trial))
    }
}

/// See [`Grid::trials`].
#[derive(Debug)]
pub struct Trials<'a> {
    walk: Walk<'a>,
    /// The points of edges that did not come yet.
    beside: std::slice::Iter<'a, u64>,
    /// The ids that came, each with further bits of its hash. It is `None` if no two points can be
    /// the same trial.
    seen: Option<HashMap<TrialId, u64>>,
    /// The first point that has the id of an earlier one and is another trial.
    collision: Option<u64>,
    /// The values of the excludes that `advance` has met.
    excludes: Vec<Coverage<'a>>,
}

/// A way through all points of a grid.
#[derive(Debug)]
struct Walk<'a> {
    grid: Grid<'a>,
    block: usize,
    /// It is boxed, since it is large and moves at every point.
    cursor: Option<Box<Cursor>>,
    /// How many points were passed.
    points: u64,
}

/// A position in a block.
#[derive(Debug)]
struct Cursor {
    /// The position of each dial.
    positions: Vec<u64>,
    /// The number of the next seed.
    seed: u64,
    /// The configuration at `positions`, which is to be given its seeds.
    trial: Trial,
    /// The `shared_hash` of that configuration, once it was asked for.
    hash: OnceCell<Option<UnseededHash>>,
}

impl Cursor {
    /// The cursor at the configuration with this number.
    fn nth(block: &Block, configuration: u64) -> Cursor {
        let (mut rest, mut positions) = (configuration, vec![0; block.dials.len()]);
        for (position, dial) in positions.iter_mut().zip(&block.dials).rev() {
            *position = rest % dial.len();
            rest /= dial.len();
        }
        Cursor::at(block, positions)
    }

    fn at(block: &Block, positions: Vec<u64>) -> Cursor {
        let mut point = NOTHING_SET;
        block.dials.iter().zip(&positions).for_each(|(dial, &position)| dial.set(position, &mut point));
        Cursor { trial: resolve::trial(block, &point), positions, seed: 0, hash: OnceCell::new() }
    }

    fn trial(&self, seed: u64) -> Trial {
        let mut trial = self.trial.clone();
        // The default of the data's seed is the seed.
        trial.data_seed = trial.data_seed.filter(|data_seed| *data_seed != seed);
        trial.seed = seed;
        trial
    }

    /// The digest of a trial of the configuration.
    fn digest(&self, trial: &Trial) -> (TrialId, u64) {
        match self.hash.get_or_init(|| self.trial.shared_hash()) {
            Some(hash) => hash.digest(trial.seed),
            None => trial.digest(),
        }
    }

    /// The cursor at the next configuration; `None` behind the last.
    fn next(mut self, block: &Block) -> Option<Cursor> {
        for (position, dial) in self.positions.iter_mut().zip(&block.dials).rev() {
            *position += 1;
            if *position < dial.len() {
                return Some(Cursor::at(block, self.positions));
            }
            *position = 0;
        }
        None
    }
}

impl Walk<'_> {
    /// The trial at the next point, whether or not it is excluded or came before, and the cursor
    /// that stands at its configuration.
    fn next(&mut self) -> Option<(Trial, &Cursor)> {
        loop {
            let block = self.grid.blocks[..self.grid.whole].get(self.block)?;
            let mut cursor = self.cursor.take().unwrap_or_else(|| Box::new(Cursor::nth(block, 0)));
            if cursor.seed < block.seeds.len() {
                let trial = cursor.trial(block.seeds.at(cursor.seed));
                cursor.seed += 1;
                self.points += 1;
                return Some((trial, self.cursor.insert(cursor)));
            }
            self.cursor = cursor.next(block).map(Box::new);
            if self.cursor.is_none() {
                self.block += 1;
            }
        }
    }

    /// The trial at the next point alone.
    fn trial(&mut self) -> Option<Trial> {
        self.next().map(|(trial, _)| trial)
    }
}

impl Trials<'_> {
    /// A point that was left out although it is a trial of its own, because another trial has its
    /// id, which is a hash of 48 bits.
    pub fn collision(&self) -> Option<u64> {
        self.collision
    }

    /// The values of the excludes that no trial has of those that `advance` has passed, nor any
    /// line of these edges.
    pub fn unmet(&mut self, edges: &[Edge]) -> Vec<Unmet> {
        if !self.excludes.is_empty() {
            let grid = self.walk.grid;
            let firsts = edges.iter().flat_map(|edge| (0..edge.combinations).map(|line| edge.points(line, 0).start));
            for trial in firsts.map(|point| grid.at(point)) {
                self.excludes.iter_mut().for_each(|exclude| exclude.see(&trial));
            }
        }
        self.excludes.iter().flat_map(Coverage::unmet).collect()
    }

    /// The next trial, with its point and its id.
    pub fn advance(&mut self) -> Option<(u64, TrialId, Trial)> {
        loop {
            let grid = self.walk.grid;
            let Some((trial, cursor)) = self.walk.next() else { return self.next_beside() };
            self.excludes.iter_mut().for_each(|exclude| exclude.see(&trial));
            if grid.is_excluded(&trial) {
                continue;
            }
            let (id, more) = cursor.digest(&trial);
            let point = self.walk.points - 1;
            match self.seen.as_mut().and_then(|seen| seen.insert(id, more)) {
                None => return Some((point, id, trial)),
                Some(earlier) if earlier == more => {}
                Some(_) => self.collision = self.collision.or(Some(point)),
            }
        }
    }
}

impl Trials<'_> {
    /// The next trial of an edge that did not come before.
    fn next_beside(&mut self) -> Option<(u64, TrialId, Trial)> {
        loop {
            let point = *self.beside.next()?;
            let trial = self.walk.grid.at(point);
            let (id, more) = trial.digest();
            match self.seen.as_mut().and_then(|seen| seen.insert(id, more)) {
                None => return Some((point, id, trial)),
                Some(earlier) if earlier == more => {}
                Some(_) => self.collision = self.collision.or(Some(point)),
            }
        }
    }
}

impl Iterator for Trials<'_> {
    type Item = Trial;

    fn next(&mut self) -> Option<Trial> {
        if self.seen.is_some() {
            return self.advance().map(|(_, _, trial)| trial);
        }
        // The id is not needed, and would take as long as the trial itself.
        let grid = self.walk.grid;
        std::iter::from_fn(|| self.walk.trial()).find(|trial| !grid.is_excluded(trial))
    }
}
