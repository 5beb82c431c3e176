//! The trials of a sweep, made again from their points when they are asked for. A million `Trial`s
//! would not fit in memory.

use crate::spec::grid::Grid;
use crate::trial::{Trial, TrialId};

/// Trials by number, from 0, in grid order.
#[derive(Clone, Copy)]
pub struct Pending<'a> {
    pub grid: Grid<'a>,
    pub ids: &'a [TrialId],
    /// The point of each in the grid.
    pub points: &'a [u64],
}

impl Pending<'_> {
    pub fn id(&self, number: u32) -> TrialId {
        self.ids[number as usize]
    }

    /// Makes the trial with this number.
    pub fn get(&self, number: u32) -> Trial {
        self.grid.at(self.points[number as usize])
    }

    /// Makes the trials with these numbers, which takes less time than to make each alone.
    pub fn all(&self, numbers: &[u32]) -> Vec<Trial> {
        self.grid.all_at(numbers.iter().map(|number| self.points[*number as usize]))
    }
}
