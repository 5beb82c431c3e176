//! Every edge of a spec, followed as far as the rows that are there say: which trials it has asked
//! for, and whether its search is over. The same rows give the same trials, in whatever order they
//! came. A value counts as tried when every one of its trials has a verdict; a line waits for a
//! trial that is missing or lost, and never goes on without it.

use super::answer::Answer;
use super::search::{self, Tried};
use crate::failure::Failure;
use crate::plan::Shard;
use crate::spec::Spec;
use crate::trial::{Trial, TrialId};
use std::collections::{BTreeMap, HashMap};

/// Says of a trial of the edge with this number whether it has the event; `None` if the trial has
/// no verdict.
pub type Asked<'a> = dyn FnMut(usize, TrialId) -> Result<Option<bool>, Failure> + 'a;

/// A line of an edge and how far its search came.
#[derive(Debug, Clone)]
pub struct Line {
    /// The number of its edge in the spec.
    pub edge: usize,
    /// Its number among the combinations of the edge.
    pub number: u64,
    /// The positions that were asked for, each with the trials of its seeds.
    pub asked: BTreeMap<usize, Vec<TrialId>>,
    /// The positions of which every trial has a verdict.
    pub tried: Tried,
    /// How many of the trials that were asked for have a verdict.
    pub answered: u64,
    /// The round in which the search is, from 1; the last one if it is over.
    pub round: u32,
    pub is_over: bool,
}

impl Line {
    /// Follows the line `number` of the edge with the number `edge`.
    ///
    /// # Errors
    /// What `asked` fails on.
    pub fn follow(spec: &Spec, edge: usize, number: u64, asked: &mut Asked<'_>) -> Result<Line, Failure> {
        let (grid, of) = (spec.grid(), &spec.edges[edge]);
        let (all, tried) = (BTreeMap::new(), Tried::new());
        let mut line = Line { edge, number, asked: all, tried, answered: 0, round: 0, is_over: false };
        let mut next = of.lattice.first.clone();
        while !next.is_empty() {
            line.round += 1;
            for position in next {
                let trials = grid.all_at(of.points(number, position));
                let ids: Vec<TrialId> = trials.iter().map(|trial| trial.id()).collect();
                let events: Vec<Option<bool>> = ids.iter().map(|id| asked(edge, *id)).collect::<Result<_, _>>()?;
                line.answered += events.iter().flatten().count() as u64;
                if let Some(events) = events.into_iter().collect::<Option<Vec<bool>>>() {
                    line.tried.insert(position, events);
                }
                line.asked.insert(position, ids);
            }
            if line.tried.len() < line.asked.len() {
                return Ok(line);
            }
            next = search::next(&line.tried, &of.shares);
        }
        line.is_over = true;
        Ok(line)
    }

    /// The points of the trials that were asked for, by value and then by seed.
    pub fn points(&self, spec: &Spec) -> impl Iterator<Item = u64> {
        let edge = &spec.edges[self.edge];
        self.asked.keys().flat_map(|position| edge.points(self.number, *position))
    }

    /// How many of the trials that were asked for have no verdict: they are missing or lost.
    pub fn waiting(&self) -> u64 {
        self.asked.values().map(|trials| trials.len() as u64).sum::<u64>() - self.answered
    }

    /// A trial of the line: that of the smallest value and the first seed.
    pub fn trial(&self, spec: &Spec) -> Trial {
        spec.grid().at(spec.edges[self.edge].points(self.number, 0).start)
    }

    /// The answer; `None` while the search is not over.
    pub fn answer(&self, spec: &Spec) -> Option<Answer> {
        let edge = &spec.edges[self.edge];
        let values: Vec<_> = self.tried.iter().map(|(at, seeds)| (edge.lattice.at(*at), seeds)).collect();
        self.is_over.then(|| Answer::of(&values, &edge.shares))
    }
}

/// The lines of a spec that are in a shard, each as its edge and its number, in their order.
/// Without a shard these are all. A line is in one shard as a whole, since what it tries next
/// follows from its own rows: lines go to the shards in turn, those of several edges that begin
/// with the same trial to the same shard. A spec and the number of shards decide it, and no row
/// does.
pub fn lines(spec: &Spec, shard: Option<Shard>) -> Vec<(usize, u64)> {
    let each = || spec.edges.iter().enumerate().flat_map(|(at, edge)| edge.lines.iter().map(move |line| (at, *line)));
    let Some(shard) = shard else { return each().collect() };
    let (mut turns, grid) = (HashMap::new(), spec.grid());
    let inside = |(edge, line): &(usize, u64)| {
        let first = grid.at(spec.edges[*edge].points(*line, 0).start).id();
        let next = turns.len() as u32;
        *turns.entry(first).or_insert(next) % shard.count() + 1 == shard.index()
    };
    each().filter(inside).collect()
}

/// Follows the lines of a shard, or all lines.
///
/// # Errors
/// What `asked` fails on.
pub fn follow(spec: &Spec, shard: Option<Shard>, asked: &mut Asked<'_>) -> Result<Vec<Line>, Failure> {
    lines(spec, shard).into_iter().map(|(edge, line)| Line::follow(spec, edge, line, asked)).collect()
}

/// The trials of every value of the lines whose search is not over. Some of them may have rows from
/// rounds that come after a round with a row that is missing now.
pub fn later(spec: &Spec, lines: &[Line]) -> impl Iterator<Item = TrialId> {
    let open = lines.iter().filter(|line| !line.is_over);
    open.flat_map(|line| {
        let edge = &spec.edges[line.edge];
        let points = edge.points(line.number, 0).start..edge.points(line.number, edge.lattice.len() - 1).end;
        spec.grid().all_at(points).into_iter().map(|trial| trial.id())
    })
}

/// The points of all trials that lines have asked for, in their order.
pub fn points(spec: &Spec, lines: &[Line]) -> Vec<u64> {
    lines.iter().flat_map(|line| line.points(spec)).collect()
}
