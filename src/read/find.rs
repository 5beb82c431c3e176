//! The logs below the paths that the user names.

use super::Format;
use blowup_core::failure::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A log, and its name among the others: its path behind the folder that all of them share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub name: String,
    pub path: PathBuf,
    /// Whether the user named the file itself, and not a folder above it.
    pub is_named: bool,
}

/// The depth below a named folder at which logs are still looked for.
const DEEPEST: usize = 12;
/// The most logs, each of which becomes a trial.
const MOST: usize = 100_000;

/// The logs, in the order of their names. A folder stands for all logs below it.
///
/// # Errors
/// If a path is not there, a folder has no log, or there are too many.
pub fn logs(paths: &[PathBuf]) -> Result<Vec<Found>, Failure> {
    let (mut all, mut named) = (Vec::new(), BTreeSet::new());
    for path in paths {
        let before = all.len();
        let whole = path.canonicalize().map_err(|error| Failure::io("read", path, &error))?;
        if whole.is_dir() {
            below(&whole, DEEPEST, &mut all)?;
            if all.len() == before {
                return Err(Failure::new(format!("there is no log below `{}`", path.display()))
                    .hint("there are trainer_state.json, .jsonl, .csv, .tsv and event files of TensorBoard"));
            }
        } else {
            named.insert(whole.clone());
            all.push(whole);
        }
        if all.len() > MOST {
            return Err(Failure::new(format!("there are more than {MOST} logs")).hint("name fewer folders"));
        }
    }
    all.sort();
    all.dedup();
    let shared = shared(&all);
    let name = |path: &PathBuf| path.strip_prefix(&shared).unwrap_or(path).display().to_string();
    let mut found: Vec<Found> =
        all.iter().map(|path| Found { name: name(path), path: path.clone(), is_named: named.contains(path) }).collect();
    // Where each folder has one log, the folder is name enough.
    let folders: Option<Vec<String>> = found.iter().map(|log| Some(log.name.rsplit_once('/')?.0.to_owned())).collect();
    if let Some(folders) = folders {
        let distinct: BTreeSet<&String> = folders.iter().collect();
        if distinct.len() == folders.len() {
            found.iter_mut().zip(folders).for_each(|(log, folder)| log.name = folder);
        }
    }
    Ok(found)
}

/// Adds the logs of a folder. Of the states of a trainer, which writes one with every checkpoint,
/// that of the last checkpoint of a folder has all the log.
fn below(folder: &Path, depth: usize, all: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::io("read the folder", folder, &error);
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        entries.push(entry.map_err(wrong)?.path());
    }
    entries.sort();
    let mut checkpoints = BTreeMap::new();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && depth > 0 && !path.is_symlink() && !name.starts_with('.') {
            let step = name.strip_prefix("checkpoint-").and_then(|step| step.parse::<u64>().ok());
            let state = path.join(STATE);
            match step {
                Some(step) if state.exists() => drop(checkpoints.insert(step, state)),
                _ => below(&path, depth - 1, all)?,
            }
        } else if is_log(&name) && path.is_file() {
            all.push(path);
        }
    }
    // The state beside the checkpoints is that of the end.
    if !folder.join(STATE).exists() {
        all.extend(checkpoints.into_values().next_back());
    }
    Ok(())
}

/// The file of Hugging Face's trainer.
const STATE: &str = "trainer_state.json";

/// Whether a file that nobody named is taken for a log. Other JSON files are none.
fn is_log(name: &str) -> bool {
    match Format::of(name) {
        Some(Format::TrainerState) => name == STATE,
        Some(Format::JsonLines | Format::Separated | Format::TensorBoard) => true,
        None => false,
    }
}

/// The folder that all these paths share.
fn shared(paths: &[PathBuf]) -> PathBuf {
    let mut shared = paths.first().and_then(|path| path.parent()).unwrap_or(Path::new("")).to_owned();
    while !paths.iter().all(|path| path.starts_with(&shared)) {
        if !shared.pop() {
            break;
        }
    }
    shared
}
