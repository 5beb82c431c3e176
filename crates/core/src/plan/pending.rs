//! The trials that are to be trained, made again from their points when they are asked for. A
//! million `Trial`s would not fit in memory.

use crate::spec::grid::Grid;
use crate::trial::{Trial, TrialId};

/// Trials by number, from 0.
pub enum Pending<'a> {
    /// The trials of a sweep, in grid order.
    Listed {
        grid: Grid<'a>,
        ids: &'a [TrialId],
        /// The point of each in the grid.
        points: &'a [u64],
        /// Trials that were not known at the start, with their points. Their numbers go on behind
        /// the others.
        later: Vec<(TrialId, u64)>,
    },
    /// All trials of a grid: the number of a trial is its point.
    Points(Grid<'a>),
}

impl Pending<'_> {
    /// The ids of these trials, whose numbers are `numbers`.
    pub fn ids(&self, numbers: &[u32], trials: &[Trial]) -> Vec<TrialId> {
        match self {
            Pending::Listed { ids, later, .. } => {
                let id = |number: usize| ids.get(number).copied().unwrap_or_else(|| later[number - ids.len()].0);
                numbers.iter().map(|number| id(*number as usize)).collect()
            }
            Pending::Points(_) => trials.iter().map(Trial::id).collect(),
        }
    }

    fn point(&self, number: u32) -> u64 {
        match self {
            Pending::Listed { points, later, .. } => {
                let number = number as usize;
                points.get(number).copied().unwrap_or_else(|| later[number - points.len()].1)
            }
            Pending::Points(_) => u64::from(number),
        }
    }

    fn grid(&self) -> &Grid<'_> {
        match self {
            Pending::Listed { grid, .. } | Pending::Points(grid) => grid,
        }
    }

    /// The number of the next trial that is added.
    pub fn next(&self) -> usize {
        match self {
            Pending::Listed { ids, later, .. } => ids.len() + later.len(),
            Pending::Points(grid) => usize::try_from(grid.points()).unwrap_or(usize::MAX),
        }
    }

    /// Adds trials with their points, whose numbers go on behind the others.
    ///
    /// # Panics
    /// If all trials of the grid are there already.
    pub fn add(&mut self, trials: &mut Vec<(TrialId, u64)>) {
        match self {
            Pending::Listed { later, .. } => later.append(trials),
            Pending::Points(_) => assert!(trials.is_empty(), "every trial of the grid has a number"),
        }
    }

    /// Makes the trial with this number.
    pub fn get(&self, number: u32) -> Trial {
        self.grid().at(self.point(number))
    }

    /// Makes the trials with these numbers, which takes less time than to make each alone.
    pub fn all(&self, numbers: &[u32]) -> Vec<Trial> {
        self.grid().all_at(numbers.iter().map(|number| self.point(*number)))
    }
}
