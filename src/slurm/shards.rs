//! The shards of a sweep, as their folders have them: into how many the sweep is split, which of
//! them are not done, and how far each is.

use super::status::{Facts, ShardState};
use crate::sweep::grid_hash::GridHash;
use blowup_core::failure::Failure;
use blowup_core::input;
use blowup_core::plan::Shard;
use blowup_core::spec::Spec;
use blowup_core::store::{Manifest, Store};
use std::fs;
use std::path::Path;

/// The numbers of the shards that are not done, when the sweep of `spec` is split into `count`.
///
/// # Errors
/// If the folder has shards of another grid, or of a sweep that is split into another number.
pub fn pending(out: &Path, spec: &Spec, count: u32) -> Result<Vec<u32>, Failure> {
    if let Some(other) = counts(out)?.into_iter().find(|other| *other != count) {
        return Err(Failure::new(format!("`{}` has shards of a sweep in {other}, not in {count}", out.display()))
            .hint(format!("`--shards {other}` goes on with it; or name another folder with `--out`")));
    }
    let (mut hash, mut trials) = (GridHash::default(), spec.grid().trials());
    while let Some((_, id, _)) = trials.advance() {
        hash.add(id);
    }
    hash.add_edges(spec);
    let grid = hash.finish();
    let mut pending = Vec::new();
    for index in 1..=count {
        let Some((manifest, shard)) = manifest(out, index, count) else {
            pending.push(index);
            continue;
        };
        if manifest.grid != grid {
            return Err(Failure::new(format!("`{}` is a shard of another grid", out.join(shard.folder()).display()))
                .hint("the spec or a data file has changed; name another folder with `--out`"));
        }
        let facts = Facts { status: Some(manifest.status), ..Facts::default() };
        if facts.state() != ShardState::Done || manifest.counts.lost > 0 {
            pending.push(index);
        }
    }
    Ok(pending)
}

/// What the files say of each shard in the folder.
///
/// # Errors
/// If the folder has no shards, or shards of two sweeps.
pub fn facts(out: &Path) -> Result<Vec<Facts>, Failure> {
    let count = match counts(out)?[..] {
        [count] => count,
        [] => {
            return Err(Failure::new(format!("`{}` has no shards", out.display()))
                .hint("they are folders `shard-I-of-N` below that of the sweep, by default results/<name>"));
        }
        [a, b, ..] => {
            return Err(Failure::new(format!("`{}` has shards of two sweeps, in {a} and in {b}", out.display()))
                .hint("keep them in different folders, with `--out`"));
        }
    };
    Ok((1..=count).filter_map(|index| facts_of(out, index, count)).collect())
}

/// The shard of this number and its manifest, if it has one.
fn manifest(out: &Path, index: u32, count: u32) -> Option<(Manifest, Shard)> {
    let shard = Shard::new(index, count)?;
    let text = input::text(&out.join(shard.folder()).join("manifest.toml")).ok()??;
    Some((Manifest::parse(&text)?, shard))
}

/// Into how many shards the sweeps in a folder are split. One number comes from what `blowup slurm`
/// wrote there, the others from the folders of shards.
fn counts(out: &Path) -> Result<Vec<u32>, Failure> {
    let mut counts: Vec<u32> =
        input::text(&out.join("slurm").join("count"))?.and_then(|text| text.trim().parse().ok()).into_iter().collect();
    match fs::read_dir(out) {
        Ok(entries) => {
            let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
            counts.extend(names.filter_map(|name| Shard::from_folder(&name)).map(Shard::count));
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::io("read", out, &error)),
    }
    counts.sort_unstable();
    counts.dedup();
    Ok(counts)
}

/// What the files say of one shard.
fn facts_of(out: &Path, index: u32, count: u32) -> Option<Facts> {
    let dir = out.join(Shard::new(index, count)?.folder());
    let exit = input::text(&out.join("slurm").join("exit").join(format!("shard-{index}"))).ok().flatten();
    let mut facts = Facts { index, exit: exit.and_then(|text| text.trim().parse().ok()), ..Facts::default() };
    let Some((manifest, _)) = manifest(out, index, count) else {
        facts.locked = Store::is_running(&dir);
        return Some(facts);
    };
    (facts.status, facts.trials, facts.lost) = (Some(manifest.status), manifest.counts.trials, manifest.counts.lost);
    if facts.state() == ShardState::Done {
        facts.rows = manifest.counts.trials - manifest.counts.missing;
        return Some(facts);
    }
    facts.locked = Store::is_running(&dir);
    let runs = dir.join("runs.csv");
    let lines = input::count(&runs, b'\n').unwrap_or(0);
    facts.rows = lines.saturating_sub(1);
    facts.quiet = fs::metadata(&runs).and_then(|data| data.modified()).ok().and_then(|time| time.elapsed().ok());
    Some(facts)
}
