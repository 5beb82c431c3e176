//! The trials of a sweep, made again from their points when they are asked for. A million `Trial`s
//! would not fit in memory.

use crate::spec::grid::Grid;
use crate::trial::{Trial, TrialId};

/// Trials by number, from 0, in grid order.
pub struct Pending<'a> {
    pub grid: Grid<'a>,
    pub ids: &'a [TrialId],
    /// The point of each in the grid.
    pub points: &'a [u64],
    /// Trials that were not known at the start, with their points. Their numbers go on behind the
    /// others.
    pub later: Vec<(TrialId, u64)>,
}

impl Pending<'_> {
    pub fn id(&self, number: u32) -> TrialId {
        let number = number as usize;
        self.ids.get(number).copied().unwrap_or_else(|| self.later[number - self.ids.len()].0)
    }

    fn point(&self, number: u32) -> u64 {
        let number = number as usize;
        self.points.get(number).copied().unwrap_or_else(|| self.later[number - self.points.len()].1)
    }

    /// The number of trials, which is the number of the next one.
    pub fn len(&self) -> usize {
        self.ids.len() + self.later.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes the trial with this number.
    pub fn get(&self, number: u32) -> Trial {
        self.grid.at(self.point(number))
    }

    /// Makes the trials with these numbers, which takes less time than to make each alone.
    pub fn all(&self, numbers: &[u32]) -> Vec<Trial> {
        self.grid.all_at(numbers.iter().map(|number| self.point(*number)))
    }
}
