//! The shards that are merged, and the proof that their rows are those of one grid.

use crate::sweep::grid_hash::GridHash;
use blowup_core::failure::Failure;
use blowup_core::merge::Owners;
use blowup_core::record::Verdict;
use blowup_core::spec::Spec;
use blowup_core::store::Store;
use blowup_core::trial::TrialId;
use std::path::Path;

/// The shards that are merged.
pub struct MergeSources<'a> {
    pub shards: &'a [Store],
    /// Which shard has the row of which trial.
    pub owners: Owners,
}

impl<'a> MergeSources<'a> {
    /// Notes which shard has which row.
    ///
    /// # Errors
    /// If two shards have a row of one trial.
    pub fn new(shards: &'a [Store]) -> Result<MergeSources<'a>, Failure> {
        Ok(MergeSources { shards, owners: owners(shards)? })
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
            let mut trials = spec.grid().trials();
            std::iter::from_fn(move || trials.advance()).map(|(_, id, _)| id)
        };
        let (mut hash, mut trials, mut found, mut gap) = (GridHash::default(), 0, 0, None);
        for id in ids() {
            hash.add(id);
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
            && let Some((trial, at)) = self.owners.foreign(ids())
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

/// Which shard has the row of which trial.
fn owners(shards: &[Store]) -> Result<Owners, Failure> {
    let rows = (0..).zip(shards).flat_map(|(at, shard)| shard.runs.places().map(move |trial| (trial, at)));
    Owners::new(rows).map_err(|(trial, [a, b], count)| {
        let dir = |at: u32| shards[at as usize].dir().display();
        Failure::new(format!("`{}` and `{}` overlap: both have {trial}, {count} trials in all", dir(a), dir(b)))
            .hint("the shards were split by different versions of blowup, or rows were copied between them")
    })
}
