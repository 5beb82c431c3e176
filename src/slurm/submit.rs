//! Writes the scripts of a job array into OUT/slurm, and submits them.

use super::script::{Job, WRITTEN_BY};
use crate::cli::SlurmArgs;
use blowup_core::failure::Failure;
use blowup_core::input;
use blowup_core::output;
use blowup_core::spec::Spec;
use blowup_core::spec::set_key::SetKey;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The default of MaxArraySize in Slurm. It counts where there is no Slurm to ask.
const MAX_ARRAY_SIZE: u32 = 1001;

/// Refuses options of sbatch that `blowup slurm` sets itself.
///
/// # Errors
/// If there is such an option.
pub fn refuse_own(options: &[String]) -> Result<(), Failure> {
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

/// Writes the scripts, which submit these of the `count` shards. Returns the folder of the scripts.
///
/// # Errors
/// If a path is no UTF-8, or a file cannot be written or is none of `blowup slurm`.
pub fn write(args: &SlurmArgs, spec: &Spec, out: &Path, count: u32, shards: &[u32]) -> Result<PathBuf, Failure> {
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
    let (sets, options): (Vec<String>, _) = (args.set.iter().map(SetKey::argument).collect(), &args.sbatch);
    let (name, program, spec, out) = (&spec.name, &program, &file, &out);
    let job = Job { name, program, spec, sets: &sets, out, shards: count, options };
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
///
/// # Errors
/// If there are such jobs.
pub fn refuse_queued(folder: &Path) -> Result<(), Failure> {
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

/// Submits the scripts in a folder. Returns what was printed meanwhile, and the failure if there
/// was one: jobs that were submitted before it stay submitted.
///
/// # Errors
/// If no shell can be started.
pub fn submit(folder: &Path) -> Result<(String, Result<(), Failure>), Failure> {
    let script = folder.join("submit.sh");
    let submitted = Command::new("sh").arg(&script).output();
    let submitted = submitted.map_err(|error| Failure::new(format!("cannot run `sh`: {error}")))?;
    let printed = String::from_utf8_lossy(&submitted.stdout).into_owned();
    if submitted.status.success() {
        return Ok((printed, Ok(())));
    }
    let text = String::from_utf8_lossy(&submitted.stderr).trim().to_owned();
    let failure = Failure::new(format!("`{}` failed: {text}", script.display()))
        .hint("sbatch submits jobs where Slurm is; what it took before it failed is in the queue: squeue");
    Ok((printed, Err(failure)))
}
