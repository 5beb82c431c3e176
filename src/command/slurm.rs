//! `blowup slurm`: writes the scripts of a job array into OUT/slurm, submits them with sbatch, and
//! tells how far the shards are.

use crate::cli::SlurmArgs;
use crate::json::Document;
use crate::json::shards::ShardsDocument;
use crate::origin::{self, parse};
use crate::progress::to_stderr;
use crate::slurm::{shards, status, submit};
use crate::sweep::folder::out_dir;
use crate::sweep::size::refuse_endless;
use blowup_core::failure::{Exit, Failure};
use blowup_core::input;
use blowup_core::output::print;
use blowup_core::plan::Shard;
use blowup_core::spec::Spec;
use blowup_core::spec::set_key::SetKey;
use blowup_core::store::Manifest;
use std::path::Path;

/// Writes and submits the scripts or, with `--status`, tells how far the shards are.
///
/// # Errors
/// If the spec or an argument is wrong, a file cannot be read or written, or sbatch fails.
pub fn run(args: &SlurmArgs) -> Result<Exit, Failure> {
    if args.status && args.target.is_dir() {
        return tell_status(&args.target, args.json);
    }
    let spec = read(&args.target, &args.set)?;
    let out = out_dir(args.out.as_deref(), &spec)?;
    if args.status {
        return tell_status(&out, args.json);
    }
    let count = args.shards.map_or(1, u32::from);
    if Shard::new(count, count).is_none() {
        return Err(Failure::new(format!("`--shards {count}` is more than {}", Shard::MOST)));
    }
    submit::refuse_own(&args.sbatch)?;
    let pending = shards::pending(&out, &spec, count)?;
    let folder = submit::write(args, &spec, &out, count, &pending)?;
    let (done, all) = (count as usize - pending.len(), if count == 1 { "shard" } else { "shards" });
    to_stderr(&format!("{done} of {count} {all} done; {} to submit, then the merge", pending.len()));
    if !args.submit {
        print(&format!("{}\n", folder.join("submit.sh").display()))?;
        return Ok(Exit::Done);
    }
    submit::refuse_queued(&folder)?;
    let (printed, submitted) = submit::submit(&folder)?;
    print(&printed)?;
    submitted.map(|()| Exit::Done)
}

/// Reads the spec, which must be a file, since every job reads it again.
fn read(file: &Path, sets: &[SetKey]) -> Result<Spec, Failure> {
    if !input::is_file(file).unwrap_or(true) && !file.is_dir() {
        return Err(Failure::new(format!(
            "`{}` is a pipe or a device, and every job reads the spec again",
            file.display()
        ))
        .hint("write the spec into a file"));
    }
    let spec = parse(&origin::read(file, sets)?, file)?;
    refuse_endless(&spec, file).map(|()| spec)
}

/// Prints how far the shards in the folder are.
fn tell_status(out: &Path, json: bool) -> Result<Exit, Failure> {
    let facts = shards::facts(out)?;
    let merged = input::text(&out.join("manifest.toml")).ok().flatten().and_then(|text| Manifest::parse(&text));
    let (dir, merged) = (out.display().to_string(), merged.map(|manifest| manifest.status));
    let document = || Document::Shards(ShardsDocument::new(&dir, &facts, merged)).text();
    print(&if json { document() } else { status::text(&dir, &facts, merged) })?;
    Ok(Exit::Done)
}
