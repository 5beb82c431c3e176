//! `blowup slurm`: writes the scripts of a job array into OUT/slurm, submits them with sbatch, and
//! tells how far the shards are.

use crate::cli::SlurmArgs;
use crate::origin::parse;
use crate::progress::to_stderr;
use crate::slurm::script::{Job, WRITTEN_BY};
use crate::slurm::status::{Facts, ShardState, text};
use crate::sweep::folder::out_dir;
use crate::sweep::grid_hash::GridHash;
use crate::sweep::size::refuse_endless;
use blowup_core::failure::{Exit, Failure};
use blowup_core::input;
use blowup_core::output::{self, print};
use blowup_core::plan::Shard;
use blowup_core::spec::Spec;
use blowup_core::store::{Manifest, Store};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The default of MaxArraySize in Slurm. It counts where there is no Slurm to ask.
const MAX_ARRAY_SIZE: u32 = 1001;

/// Writes and submits the scripts or, with `--status`, tells how far the shards are.
///
/// # Errors
/// If the spec or an argument is wrong, a file cannot be read or written, or sbatch fails.
pub fn run(args: &SlurmArgs) -> Result<Exit, Failure> {
    if args.status && args.target.is_dir() {
        return status(&args.target);
    }
    let spec = read(&args.target)?;
    let out = out_dir(args.out.as_deref(), &spec)?;
    if args.status {
        return status(&out);
    }
    let count = args.shards.map_or(1, u32::from);
    if Shard::new(count, count).is_none() {
        return Err(Failure::new(format!("`--shards {count}` is more than {}", Shard::MOST)));
    }
    refuse_own(&args.sbatch)?;
    let shards = pending(&out, &spec, count)?;
    let folder = write(args, &spec, &out, count, &shards)?;
    let (done, all) = (count as usize - shards.len(), if count == 1 { "shard" } else { "shards" });
    to_stderr(&format!("{done} of {count} {all} done; {} to submit, then the merge", shards.len()));
    if !args.submit {
        print(&format!("{}\n", folder.join("submit.sh").display()))?;
        return Ok(Exit::Done);
    }
    refuse_queued(&folder)?;
    let submitted = Command::new("sh").arg(folder.join("submit.sh")).output();
    let submitted = submitted.map_err(|error| Failure::new(format!("cannot run `sh`: {error}")))?;
    print(&String::from_utf8_lossy(&submitted.stdout))?;
    if submitted.status.success() {
        return Ok(Exit::Done);
    }
    let text = String::from_utf8_lossy(&submitted.stderr).trim().to_owned();
    Err(Failure::new(format!("`{}` failed: {text}", folder.join("submit.sh").display()))
        .hint("sbatch submits jobs where Slurm is; what it took before it failed is in the queue: squeue"))
}

/// Reads the spec, which must be a file, since every job reads it again.
fn read(file: &Path) -> Result<Spec, Failure> {
    if !input::is_file(file).unwrap_or(true) && !file.is_dir() {
        return Err(Failure::new(format!(
            "`{}` is a pipe or a device, and every job reads the spec again",
            file.display()
        ))
        .hint("write the spec into a file"));
    }
    let spec = parse(&input::spec(file)?, file, file)?;
    refuse_endless(&spec, file).map(|()| spec)
}

/// Refuses options of sbatch that `blowup slurm` sets itself.
fn refuse_own(options: &[String]) -> Result<(), Failure> {
    let own = ["--array", "-a", "--dependency", "-d", "--wrap", "--parsable", "--output", "-o"];
    let is_own = |option: &&String| {
        let name = option.split_once('=').map_or(option.as_str(), |(name, _)| name);
        own.contains(&name)
            || (!option.starts_with("--") && own.iter().any(|own| own.len() == 2 && option.starts_with(own)))
    };
    match options.iter().find(is_own) {
        Some(option) => Err(Failure::new(format!("`{option}` is for `blowup slurm` to set"))
            .hint("account, partition, time, memory, CPUs and the like may stand behind `--`")),
        None => Ok(()),
    }
}

/// The numbers of the shards that are not done.
fn pending(out: &Path, spec: &Spec, count: u32) -> Result<Vec<u32>, Failure> {
    if let Some(other) = counts(out)?.into_iter().find(|other| *other != count) {
        return Err(Failure::new(format!("`{}` has shards of a sweep in {other}, not in {count}", out.display()))
            .hint(format!("`--shards {other}` goes on with it; or name another folder with `--out`")));
    }
    let (mut hash, mut trials) = (GridHash::default(), spec.grid().trials());
    while let Some((_, id, _)) = trials.advance() {
        hash.add(id);
    }
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

/// OUT/slurm with its scripts.
fn write(args: &SlurmArgs, spec: &Spec, out: &Path, count: u32, shards: &[u32]) -> Result<PathBuf, Failure> {
    let folder = out.join("slurm");
    for name in ["log", "exit"] {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).map_err(|error| Failure::io("make the folder", &folder, &error))?;
    }
    let absolute = |path: &Path| -> Result<String, Failure> {
        let path = fs::canonicalize(path).map_err(|error| Failure::io("find", path, &error))?;
        path.into_os_string().into_string().map_err(|path| {
            Failure::new(format!("`{}` is not UTF-8", path.to_string_lossy())).hint("sbatch would not find it")
        })
    };
    let program =
        std::env::current_exe().map_err(|error| Failure::new(format!("this program is not found: {error}")))?;
    let (program, file, out) = (absolute(&program)?, absolute(&args.target)?, absolute(out)?);
    let job = Job { name: &spec.name, program: &program, spec: &file, out: &out, shards: count, options: &args.sbatch };
    // Tasks are numbered from 1 to below MaxArraySize.
    let most = args.max_array_size.or_else(site_limit).unwrap_or(MAX_ARRAY_SIZE) - 1;
    let files = [
        ("count", format!("{count}\n")),
        ("shards.sh", job.task()),
        ("merge.sh", job.merge()),
        ("submit.sh", job.submit(shards, most)),
    ];
    for (name, text) in files {
        let path = folder.join(name);
        output::refuse_other(&path, "file of `blowup slurm`'s", |start| is_ours(name, start))
            .map_err(|failure| failure.hint("move it away, or name another folder with `--out`"))?;
        output::write(&path, text.as_bytes())?;
    }
    Ok(folder)
}

/// Whether a file in OUT/slurm was written by `write`. `start` is its beginning.
fn is_ours(name: &str, start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    match name {
        "count" => text.trim().parse::<u32>().is_ok(),
        _ => text.contains(WRITTEN_BY),
    }
}

/// The MaxArraySize of the Slurm on this machine, if there is one.
fn site_limit() -> Option<u32> {
    let output = Command::new("scontrol").args(["show", "config"]).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.trim_start().starts_with("MaxArraySize"))?;
    line.split('=').nth(1)?.trim().parse().ok().filter(|size| *size >= 2)
}

/// Refuses to submit while jobs that were submitted for this folder before have not ended.
fn refuse_queued(folder: &Path) -> Result<(), Failure> {
    let jobs = input::text(&folder.join("jobs"))?.unwrap_or_default();
    let jobs: Vec<&str> = jobs.split_whitespace().collect();
    if jobs.is_empty() {
        return Ok(());
    }
    // They are asked for one by one, since squeue fails as a whole if it does not know one of them
    // any more.
    let is_queued = |job: &&&str| {
        let output = Command::new("squeue").args(["--noheader", "--format=%A", "--jobs", job]).output();
        output.is_ok_and(|output| output.status.success() && !output.stdout.trim_ascii().is_empty())
    };
    let queued: Vec<&str> = jobs.iter().filter(is_queued).copied().collect();
    if queued.is_empty() {
        // The list of jobs that have ended is of no use any more.
        let _ = fs::remove_file(folder.join("jobs"));
        return Ok(());
    }
    Err(Failure::new(format!("jobs of an earlier submission are still in the queue: {}", queued.join(", ")))
        .hint(format!("wait for them, or end them: scancel {}", queued.join(" "))))
}

/// Prints how far the shards in the folder are.
fn status(out: &Path) -> Result<Exit, Failure> {
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
    let facts: Vec<Facts> = (1..=count).filter_map(|index| facts(out, index, count)).collect();
    let merged = input::text(&out.join("manifest.toml")).ok().flatten().and_then(|text| Manifest::parse(&text));
    print(&text(&out.display().to_string(), &facts, merged.map(|manifest| manifest.status)))?;
    Ok(Exit::Done)
}

/// What the files say of one shard.
fn facts(out: &Path, index: u32, count: u32) -> Option<Facts> {
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
