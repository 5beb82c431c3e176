//! The trials that are to be trained, made again from their points when they are asked for. A
//! million `Trial`s would not fit in memory.

use crate::spec::grid::Grid;
use crate::trial::{Trial, TrialId};

/// Trials by number, from 0.
#[derive(Clone, Copy)]
pub enum Pending<'a> {
    /// The trials of a sweep, in grid order: their ids and their points in the grid.
    Listed { grid: Grid<'a>, ids: &'a [TrialId], points: &'a [u64] },
    /// All trials of a grid: the number of a trial is its point.
    Points(Grid<'a>),
}

impl Pending<'_> {
    /// The ids of these trials, whose numbers are `numbers`.
    pub fn ids(&self, numbers: &[u32], trials: &[Trial]) -> Vec<TrialId> {
        match self {
            Pending::Listed { ids, .. } => numbers.iter().map(|number| ids[*number as usize]).collect(),
            Pending::Points(_) => trials.iter().map(Trial::id).collect(),
        }
    }

    /// Makes the trial with this number.
    pub fn get(&self, number: u32) -> Trial {
        match self {
            Pending::Listed { grid, points, .. } => grid.at(points[number as usize]),
            Pending::Points(grid) => grid.at(u64::from(number)),
        }
    }

    /// Makes the trials with these numbers, which takes less time than to make each alone.
    pub fn all(&self, numbers: &[u32]) -> Vec<Trial> {
        match self {
            Pending::Listed { grid, points, .. } => grid.all_at(numbers.iter().map(|number| points[*number as usize])),
            Pending::Points(grid) => grid.all_at(numbers.iter().map(|number| u64::from(*number))),
        }
    }
}
