//! The shards that are merged, and the proof that their rows are those of one grid.

use crate::sweep::grid_hash::GridHash;
use crate::sweep::rounds::event_in;
use blowup_core::edge::follow::{Line, follow, later, points};
use blowup_core::failure::Failure;
use blowup_core::merge::Owners;
use blowup_core::record::{self, Verdict};
use blowup_core::spec::Spec;
use blowup_core::store::Store;
use blowup_core::trial::TrialId;
use blowup_core::verdict::Outcome;
use std::path::Path;

/// The shards that are merged.
pub struct MergeSources<'a> {
    pub shards: &'a [Store],
    /// Which shard has the row of which trial.
    pub owners: Owners,
    /// The lines of the edges, followed by the rows of all shards.
    pub lines: Vec<Line>,
    /// The points of the trials that they have asked for.
    pub beside: Vec<u64>,
}

impl<'a> MergeSources<'a> {
    /// Notes which shard has which row, and follows the edges of `spec`.
    ///
    /// # Errors
    /// If two shards have a row of one trial. A trial of an edge may be in two shards, that of its
    /// line and that of the grid or of another edge, if both came to the same.
    pub fn new(spec: &Spec, shards: &'a [Store]) -> Result<MergeSources<'a>, Failure> {
        let owners = owners(shards, !spec.edges.is_empty())?;
        let lines = follow(spec, None, &mut |edge, trial| match owners.of(trial) {
            Some(at) => event_in(spec, edge, &shards[at as usize], trial),
            None => Ok(None),
        })?;
        let beside = points(spec, &lines);
        Ok(MergeSources { shards, owners, lines, beside })
    }

    fn verdict(&self, trial: TrialId) -> Option<Verdict> {
        self.shards[self.owners.of(trial)? as usize].runs.verdict(trial)
    }

    /// Proves that the rows are those of the grid, each once, or with `partial` a part of those.
    /// Returns how many trials the grid has. `file` is the path of the spec.
    ///
    /// # Errors
    /// If the grid is not that of the shards, if a row is of no trial of the grid, and without
    /// `partial` if a trial has no row.
    pub fn prove(&self, spec: &Spec, file: &Path, partial: bool) -> Result<u64, Failure> {
        let ids = || {
            let mut trials = spec.grid().beside(&self.beside).trials();
            std::iter::from_fn(move || trials.advance()).map(|(_, id, _)| id)
        };
        let (mut hash, mut trials, mut found, mut gap) = (GridHash::default(), 0, 0, None);
        let mut grid = spec.grid().trials();
        while let Some((_, id, _)) = grid.advance() {
            hash.add(id);
        }
        hash.add_edges(spec);
        for id in ids() {
            trials += 1;
            match self.owners.of(id) {
                Some(_) => found += 1,
                None => gap = gap.or(Some(id)),
            }
        }
        let first = &self.shards[0];
        if first.manifest.as_ref().is_some_and(|manifest| manifest.grid != hash.finish()) {
            return Err(Failure::new(format!("the grid of `{}` is not that of the shards", file.display()))
                .hint("a data file of its task has changed, or it is another spec"));
        }
        if found < self.owners.len() as u64
            && let Some((trial, at)) = self.owners.foreign(ids().chain(later(spec, &self.lines)))
        {
            let dir = self.shards[at as usize].dir().display();
            return Err(Failure::new(format!("`{dir}` has a row of {trial}, which is not in the grid"))
                .hint("the file was changed or damaged; run the shard again from nothing"));
        }
        match gap {
            Some(trial) if !partial => {
                let text =
                    format!("no shard has {trial}: {} of the grid's {trials} trials are missing", trials - found);
                Err(Failure::new(text).hint("the shards were split by different versions of blowup"))
            }
            _ => Ok(trials),
        }
    }

    /// Refuses to write into a folder whose results the merge would lose.
    ///
    /// # Errors
    /// If the folder `out` holds a shard, a sweep of another grid, or results that no shard has.
    pub fn check_out(&self, out: &Store) -> Result<(), Failure> {
        let refuse = |text: String| Err(Failure::new(text).hint("name another folder to merge into"));
        let dir = out.dir().display();
        if let Some(shard) = out.manifest.as_ref().and_then(|manifest| manifest.shard) {
            return refuse(format!("`{dir}` holds shard {shard} of a sweep"));
        }
        let first = self.shards[0].manifest.as_ref().expect("a shard was read");
        if out.manifest.as_ref().is_some_and(|manifest| manifest.grid != first.grid) {
            return refuse(format!("`{dir}` holds another sweep, of another grid"));
        }
        match out.beyond(|trial| self.verdict(trial).is_some_and(|verdict| verdict.outcome().is_some())) {
            Some((count, trial)) => {
                refuse(format!("`{dir}` has the results of {count} trials, {trial} for one, that no shard has"))
            }
            None => Ok(()),
        }
    }
}

/// Which shard has the row of which trial. With `edges` two shards may have the same row.
fn owners(shards: &[Store], edges: bool) -> Result<Owners, Failure> {
    let rows = (0..).zip(shards).flat_map(|(at, shard)| shard.runs.places().map(move |trial| (trial, at)));
    let mut rows: Vec<(TrialId, u32)> = rows.collect();
    if edges {
        rows.sort_unstable();
        let mut once: Vec<(TrialId, u32)> = Vec::with_capacity(rows.len());
        for row in rows {
            match once
                .last_mut()
                .filter(|last| last.0 == row.0 && is_same(row.0, &shards[last.1 as usize], &shards[row.1 as usize]))
            {
                // Of a trial that is lost in one shard, the other one has the row.
                Some(last) if outcome(row.0, &shards[last.1 as usize]).is_none() => *last = row,
                Some(_) => {}
                None => once.push(row),
            }
        }
        rows = once;
    }
    Owners::new(rows.into_iter()).map_err(|(trial, [a, b], count)| {
        let dir = |at: u32| shards[at as usize].dir().display();
        Failure::new(format!("`{}` and `{}` overlap: both have {trial}, {count} trials in all", dir(a), dir(b)))
            .hint("the shards were split by different versions of blowup, or rows were copied between them")
    })
}

fn outcome(trial: TrialId, shard: &Store) -> Option<Outcome> {
    shard.runs.verdict(trial).and_then(Verdict::outcome)
}

/// Whether what two shards have of a trial is the same, apart from its label: its row, and its rows
/// in the other files. A lost trial has nothing that could differ.
fn is_same(trial: TrialId, a: &Store, b: &Store) -> bool {
    if outcome(trial, a).is_none() || outcome(trial, b).is_none() {
        return true;
    }
    let row = |shard: &Store| shard.runs.row(trial).ok().flatten().unwrap_or_default();
    let sides = |shard: &Store| shard.sides.each_ref().map(|side| side.block(trial));
    record::differing(&row(a), &row(b)).is_none() && sides(a) == sides(b)
}
