//! Whether shards make up one sweep: manifests and ids in, the first thing that does not fit out.
//! This module is pure; `command::merge` reads and writes.

use crate::failure::Failure;
use crate::plan::Shard;
use crate::record::FORMAT;
use crate::store::{Manifest, Status};
use crate::trial::TrialId;
use std::collections::BTreeMap;
use std::path::Path;

/// A shard, as its folder describes it.
pub struct ShardFolder<'a> {
    pub dir: &'a Path,
    pub manifest: &'a Manifest,
    /// The rows of its `runs.csv`.
    pub rows: u64,
    /// The bytes of its files by name, as they are now; see
    /// [`Manifest::lengths`](crate::store::Manifest::lengths).
    pub lengths: BTreeMap<String, u64>,
    /// Whether its files are as the end of a sweep leaves them.
    pub is_final: bool,
}

/// What `merge` tolerates: missing shards and trials, and shards of different builds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowed {
    pub partial: bool,
    pub mixed: bool,
}

impl ShardFolder<'_> {
    /// ``shard 2/8 in `results/grid/shard-2-of-8` ``
    fn name(&self, shard: Shard) -> String {
        format!("shard {shard} in `{}`", self.dir.display())
    }
}

/// Refuses shards that are not of one sweep, or not all shards of one.
///
/// # Errors
/// The first thing that does not fit.
pub fn fit(parts: &[ShardFolder<'_>], allowed: Allowed) -> Result<(), Failure> {
    let mut by_index: BTreeMap<u32, &ShardFolder> = BTreeMap::new();
    let Some((first, first_shard)) = parts.first().and_then(|part| Some((part, part.manifest.shard?))) else {
        return parts.first().map_or(Ok(()), |part| Err(whole(part)));
    };
    for part in parts {
        let shard = part.manifest.shard.ok_or_else(|| whole(part))?;
        if shard.count() != first_shard.count() {
            let text = format!("{} and {} are of different splits", first.name(first_shard), part.name(shard));
            return Err(Failure::new(text).hint("the shards of one sweep have the same N"));
        }
        if let Some(twin) = by_index.insert(shard.index(), part) {
            let text = format!("shard {shard} is named twice: `{}` and `{}`", twin.dir.display(), part.dir.display());
            return Err(Failure::new(text).hint("name every shard once"));
        }
        same_sweep(first, first_shard, part, shard)?;
        if !allowed.mixed {
            same_build(first, first_shard, part, shard)?;
        }
        if !allowed.partial {
            finished(part, shard)?;
        }
    }
    let missing: Vec<u32> = (1..=first_shard.count()).filter(|index| !by_index.contains_key(index)).collect();
    if !missing.is_empty() && !allowed.partial {
        let (what, are) = if missing.len() == 1 { ("shard", "is") } else { ("shards", "are") };
        let text = format!("{what} {} of {} {are} missing", ranges(&missing), first_shard.count());
        return Err(Failure::new(text).hint("name all shards; `--partial` merges those that are there"));
    }
    Ok(())
}

fn whole(part: &ShardFolder) -> Failure {
    Failure::new(format!("`{}` is a whole sweep, not a shard", part.dir.display()))
        .hint("the shards of a sweep are in folders of their own, shard-I-of-N")
}

fn same_sweep(first: &ShardFolder, first_shard: Shard, part: &ShardFolder, shard: Shard) -> Result<(), Failure> {
    let (a, b) = (first.name(first_shard), part.name(shard));
    if part.manifest.format != FORMAT || part.manifest.grid.is_empty() {
        return Err(Failure::new(format!("{b} was written by another version of blowup, with other columns")));
    }
    if part.manifest.grid != first.manifest.grid {
        return Err(Failure::new(format!("{a} and {b} are of different grids"))
            .hint("compare their spec.toml, and the data files of their tasks"));
    }
    if part.manifest.record != first.manifest.record {
        return Err(Failure::new(format!("{a} and {b} recorded different things"))
            .hint("compare `[record]` in their spec.toml"));
    }
    Ok(())
}

fn same_build(first: &ShardFolder, first_shard: Shard, part: &ShardFolder, shard: Shard) -> Result<(), Failure> {
    let hint = "their bits may differ; run one of them again with the other's program on the other's kind of machine, or mix them with `--allow-mixed`";
    let texts = |part: &ShardFolder| part.manifest.fingerprints.join("` and `");
    if let [_, _, ..] = part.manifest.fingerprints[..] {
        let text = format!("{} was computed by `{}`", part.name(shard), texts(part));
        return Err(Failure::new(text).hint(hint));
    }
    // A shard without trials has met no worker, so it has no fingerprint.
    let either_empty = part.manifest.fingerprints.is_empty() || first.manifest.fingerprints.is_empty();
    if either_empty || part.manifest.fingerprints == first.manifest.fingerprints {
        return Ok(());
    }
    let (a, b) = (first.name(first_shard), part.name(shard));
    Err(Failure::new(format!("{a} was computed by `{}`, {b} by `{}`", texts(first), texts(part))).hint(hint))
}

fn finished(part: &ShardFolder, shard: Shard) -> Result<(), Failure> {
    let (manifest, name) = (part.manifest, part.name(shard));
    let hint = format!("the same `blowup sweep --shard {shard}` again finishes it; `--partial` takes what is there");
    let trials = manifest.counts.trials;
    if manifest.status != Status::Complete {
        let text = format!("{name} is not finished: {} of its {trials} trials have a row", part.rows);
        return Err(Failure::new(text).hint(hint));
    }
    let changed = |(file, length): (&String, &u64)| {
        let now = part.lengths.get(file).copied().unwrap_or(0);
        let text = format!("`{file}` of {name} has {now} bytes, and had {length} when the shard was finished");
        (now != *length).then(|| Failure::new(text).hint(&hint))
    };
    if let Some(failure) = manifest.lengths.iter().filter(|(file, _)| *file != "runs.csv").find_map(changed) {
        return Err(failure);
    }
    if part.rows < trials {
        let text = format!("{name} was finished with {trials} rows and has {} now", part.rows);
        return Err(Failure::new(text).hint(hint));
    }
    if let Some(failure) = manifest.lengths.iter().find_map(changed) {
        return Err(failure);
    }
    if !part.is_final {
        return Err(Failure::new(format!("{name} has damaged rows")).hint(hint));
    }
    Ok(())
}

/// Numbers in ascending order, as `2, 5-7`.
pub fn ranges(sorted: &[u32]) -> String {
    let runs = sorted.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [one] => one.to_string(),
        run => format!("{}-{}", run[0], run[run.len() - 1]),
    });
    runs.collect::<Vec<_>>().join(", ")
}

/// Which shard has the row of a trial, in 16 bytes a row.
pub struct Owners(Vec<(TrialId, u32)>);

impl Owners {
    /// `rows` are trials with the number of their shard, in the order of the parts.
    ///
    /// # Errors
    /// The first trial that two shards have, the two shards, and the number of such trials.
    pub fn new(rows: impl Iterator<Item = (TrialId, u32)>) -> Result<Owners, (TrialId, [u32; 2], usize)> {
        let mut rows: Vec<(TrialId, u32)> = rows.collect();
        rows.sort_unstable();
        let mut doubles = rows.windows(2).filter(|pair| pair[0].0 == pair[1].0);
        match doubles.next() {
            Some(pair) => Err((pair[0].0, [pair[0].1, pair[1].1], 1 + doubles.count())),
            None => Ok(Owners(rows)),
        }
    }

    /// The number of the shard that has the row of a trial.
    pub fn of(&self, trial: TrialId) -> Option<u32> {
        self.0.binary_search_by_key(&trial, |row| row.0).ok().map(|at| self.0[at].1)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first trial that is not in `grid`, with its shard.
    pub fn foreign(&self, grid: impl Iterator<Item = TrialId>) -> Option<(TrialId, u32)> {
        let mut grid: Vec<TrialId> = grid.collect();
        grid.sort_unstable();
        self.0.iter().find(|(trial, _)| grid.binary_search(trial).is_err()).copied()
    }
}
