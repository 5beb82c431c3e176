//! `blowup merge`: proves that folders of shards are one sweep, and writes the files of that sweep.

use crate::cli::MergeArgs;
use crate::merge::merged::Merged;
use crate::merge::sources::MergeSources;
use crate::origin::{self, parse_kept, parse_or};
use crate::sweep::size::refuse_endless;
use blowup_core::failure::{Exit, Failure};
use blowup_core::merge::{Allowed, ShardFolder, fit};
use blowup_core::store::Store;
use std::path::{Path, PathBuf};

/// Runs the merge.
///
/// # Errors
/// If the shards do not fit together, or a file cannot be read or written.
pub fn run(args: &MergeArgs) -> Result<Exit, Failure> {
    let shards: Vec<Store> = args.shards.iter().map(|dir| read(dir)).collect::<Result<_, _>>()?;
    let parts: Vec<ShardFolder> = shards.iter().map(part).collect();
    fit(&parts, Allowed { partial: args.partial, mixed: args.allow_mixed })?;
    let out = open(&args.out, &args.shards)?;
    let file = args.spec.clone().unwrap_or_else(|| args.shards[0].join("spec.toml"));
    let written = match &args.spec {
        Some(file) => origin::read(file, &[])?,
        None => origin::written(shards[0].spec.as_deref().unwrap_or_default(), &file, &[])?,
    };
    let (text, file) = (written.text().to_owned(), &file);
    out.refuse_others(&text).map_err(|failure| failure.hint("name another folder to merge into"))?;
    let first = shards[0].manifest.as_ref();
    let spec = match &args.spec {
        Some(file) => parse_or(&written, file, first.map_or(&[][..], |manifest| &manifest.data))?,
        None => parse_kept(&args.shards[0], &text, first)?,
    };
    refuse_endless(&spec, file)?;
    if args.spec.is_none() && shards.iter().any(|shard| shard.spec.as_ref() != Some(&text)) {
        tracing::warn!(
            hint = "`--spec` names another",
            "the specs of the shards differ in more than their grid: `{}` is kept",
            file.display()
        );
    }
    let sources = MergeSources::new(&spec, &shards)?;
    let trials = sources.prove(&spec, file, args.partial)?;
    sources.check_out(&out)?;
    Merged::new(&spec, sources, trials).write(out, text.as_bytes(), args.json)
}

/// Reads the folder of a shard.
fn read(dir: &Path) -> Result<Store, Failure> {
    if !dir.is_dir() {
        return Err(Failure::new(format!("there is no folder `{}`", dir.display()))
            .hint("the shards of `results/x` are `results/x/shard-I-of-N`"));
    }
    let store = Store::read(dir)?;
    if store.spec.is_none() || store.manifest.is_none() {
        return Err(Failure::new(format!("`{}` is no shard: it has no spec.toml and manifest.toml", dir.display()))
            .hint("`blowup sweep --shard I/N` makes one"));
    }
    Ok(store)
}

fn part(store: &Store) -> ShardFolder<'_> {
    let manifest = store.manifest.as_ref().expect("a shard was read");
    ShardFolder {
        dir: store.dir(),
        manifest,
        rows: store.runs.len() as u64,
        lengths: store.lengths(),
        is_final: store.is_final(&manifest.record, false),
    }
}

/// Opens and locks the folder to write into, which must not be one of the shards.
fn open(out: &Path, shards: &[PathBuf]) -> Result<Store, Failure> {
    let same =
        |shard: &PathBuf| shard.canonicalize().is_ok_and(|shard| out.canonicalize().is_ok_and(|out| out == shard));
    if shards.iter().any(same) {
        return Err(Failure::new(format!("`{}` is a shard and the folder to write", out.display()))
            .hint("the first argument is the folder to write: blowup merge OUT SHARD_DIR..."));
    }
    Store::open(out)
}
