//! Where a sweep came from: its spec, and the data files of its csv tasks. The folder of results
//! keeps the spec byte for byte, and paths in a spec are relative to the folder in which it lay
//! first. The manifest keeps that folder and what the sweep has taken from the data files, so that
//! the results can be read anywhere.

use blowup_core::axis::AxisSet;
use blowup_core::failure::Failure;
use blowup_core::input;
use blowup_core::spec::data::{Sources, Taken};
use blowup_core::spec::set_key::SetKey;
use blowup_core::spec::written::Written;
use blowup_core::spec::{self, Spec};
use blowup_core::store::Manifest;
use blowup_core::trial::{Source, Trial};
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// The axes whose columns the files of a run directory have: those of the spec that lies there.
pub fn axes(dir: &Path) -> AxisSet {
    let text = input::text(&dir.join("spec.toml")).ok().flatten();
    text.map_or_else(AxisSet::default, |text| spec::axes(&text))
}

/// Reads a spec with what it extends, and with what `--set` changes.
///
/// # Errors
/// If a file cannot be read, or what it extends cannot be put together.
pub fn read(file: &Path, sets: &[SetKey]) -> Result<Written, Failure> {
    written(&input::spec(file)?, file, sets)
}

/// The text of a spec with what it extends. `file` names it in messages.
///
/// # Errors
/// Those of `read`.
pub fn written(text: &str, file: &Path, sets: &[SetKey]) -> Result<Written, Failure> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let words = |failure: Failure| failure.told().swap_remove(0).message;
    let base = |path: &str| input::kept_spec(&folder.join(path)).map_err(words);
    Ok(Written::new(text, &file.display().to_string(), sets, &base)?)
}

/// Parses a spec. Its paths are relative to the folder of `beside`.
///
/// # Errors
/// If the spec has mistakes, or a data file cannot be read.
pub fn parse(written: &Written, beside: &Path) -> Result<Spec, Failure> {
    parse_or(written, beside, &[])
}

/// Parses a spec as `parse` does. Where a data file cannot be read, `taken` stands in for it, which
/// is what a sweep has taken from its data files.
///
/// # Errors
/// Those of `parse`.
pub fn parse_or(written: &Written, beside: &Path, taken: &[Taken]) -> Result<Spec, Failure> {
    let folder = beside.parent().unwrap_or(Path::new(""));
    let read = |path: &str| input::data(&folder.join(path));
    Ok(Spec::parse_with(written, Sources { read: &read, taken })?)
}

/// Parses the spec of a folder of results. `text` is its `spec.toml`. The data files need not
/// exist, since the manifest has what the sweep has taken from them.
///
/// # Errors
/// If the spec has mistakes, or a data file can neither be read nor found in the manifest.
pub fn parse_kept(dir: &Path, text: &str, manifest: Option<&Manifest>) -> Result<Spec, Failure> {
    let taken = manifest.map_or(&[][..], |manifest| &manifest.data);
    let read = |path: &str| {
        if taken.iter().any(|taken| taken.path == path) {
            return Err(ErrorKind::NotFound.into());
        }
        // Older versions of blowup kept nothing of the data files.
        let mut folders = folders(dir, manifest).into_iter();
        folders
            .find_map(|folder| input::data(&folder.join(path)).ok())
            .ok_or_else(|| io::Error::from(ErrorKind::NotFound))
    };
    let hinted = |failure: Failure| if text.contains("csv") { failure.hint(HINT) } else { failure };
    let written = written(text, &dir.join("spec.toml"), &[])?;
    Spec::parse_with(&written, Sources { read: &read, taken }).map_err(|found| hinted(found.into()))
}

const HINT: &str = "if a data file is not found: name the spec that lies beside it with `--spec`";

/// The folders that the paths in a kept spec may be relative to: the folder in which the spec lay
/// first, and the folder of results.
fn folders(dir: &Path, manifest: Option<&Manifest>) -> Vec<PathBuf> {
    let spec = manifest.and_then(|manifest| manifest.spec.as_deref()).map(Path::new);
    spec.and_then(Path::parent).map(Path::to_owned).into_iter().chain([dir.to_owned()]).collect()
}

/// The absolute path of a spec, for the manifest. None for a pipe, and for a path that is no UTF-8.
pub fn place(spec: &Path) -> Option<String> {
    input::is_file(spec).ok().filter(|is_file| *is_file)?;
    absolute(spec)?.into_os_string().into_string().ok()
}

/// What the sweep takes from its data files, for the manifest. Their paths are made absolute.
pub fn data(spec: &Spec) -> Vec<Taken> {
    let whole = |file: &str| absolute(Path::new(file)).and_then(|path| path.into_os_string().into_string().ok());
    let placed = |taken: &Taken| {
        let mut taken = taken.clone();
        taken.file = whole(&taken.file).unwrap_or(taken.file);
        if let Some((_, file, _)) = taken.arrays.as_mut().and_then(|arrays| arrays.targets_file.as_mut()) {
            *file = whole(file).unwrap_or(std::mem::take(file));
        }
        taken
    };
    spec.data.iter().map(placed).collect()
}

/// The path from the root, without `.` and `..`. Symbolic links stay as they are.
fn absolute(path: &Path) -> Option<PathBuf> {
    let mut whole = PathBuf::new();
    for part in std::path::absolute(path).ok()?.components() {
        match part {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => whole.push(part),
        }
    }
    Some(whole)
}

/// Finds the data files that a trial was trained on, and puts their paths into its task. `dir` is
/// the folder of results.
///
/// # Errors
/// If it is not found. The message names the places that were searched.
pub fn find(trial: &mut Trial, dir: &Path, manifest: Option<&Manifest>) -> Result<(), Failure> {
    let find = |path: &mut String, sha256: &str| find_file(path, sha256, dir, manifest);
    match &mut trial.task.source {
        Source::BuiltIn => Ok(()),
        Source::Csv(csv) => find(&mut csv.path, &csv.sha256),
        Source::Bundle(bundle) => find(&mut bundle.path, &bundle.sha256),
        Source::Text(text) => find(&mut text.path, &text.sha256),
        Source::Arrays(arrays) => {
            find(&mut arrays.path, &arrays.sha256)?;
            match &mut arrays.targets_file {
                Some((path, sha256)) => find(path, sha256),
                None => Ok(()),
            }
        }
    }
}

fn find_file(known: &mut String, sha256: &str, dir: &Path, manifest: Option<&Manifest>) -> Result<(), Failure> {
    let mut places = vec![PathBuf::from(&*known)];
    let files = manifest.into_iter().flat_map(|manifest| &manifest.data).flat_map(Taken::files);
    if let Some((path, _)) = files.into_iter().find(|(_, file)| **file == *known) {
        places.extend(folders(dir, manifest).into_iter().map(|folder| folder.join(path)));
    }
    places.dedup();
    let mut seen = Vec::new();
    for place in &places {
        match input::data(place) {
            Ok((path, bytes)) if input::sha256(&bytes) == sha256 => {
                *known = path;
                return Ok(());
            }
            Ok(_) => seen.push(format!("`{}` is another file than the sweep's", place.display())),
            Err(_) => seen.push(format!("`{}` is not there", place.display())),
        }
    }
    Err(Failure::new(format!("the data of the trial are not found: {}", seen.join(", ")))
        .hint("name the spec that lies beside them with `--spec`"))
}

/// The path of a spec in its repository, for annotations. `file` is the spec that was named, or the
/// copy in a folder of results; `text` is its text. The manifest is given only for a copy.
pub fn in_repository(file: &Path, text: &str, manifest: Option<&Manifest>) -> String {
    let roots: Vec<PathBuf> = std::env::var_os("GITHUB_WORKSPACE")
        .filter(|root| !root.is_empty())
        .map(PathBuf::from)
        .into_iter()
        .chain(std::env::current_dir())
        .collect();
    let kept = manifest.and_then(|manifest| manifest.spec.as_deref());
    let Some(whole) = kept.map_or_else(|| absolute(file), |kept| Some(PathBuf::from(kept))) else {
        return file.display().to_string();
    };
    let below = roots.iter().find_map(|root| whole.strip_prefix(root).ok().map(Path::to_owned));
    // The sweep ran in another checkout: a file here has the same text at the end of the same path.
    let elsewhere = || {
        let parts: Vec<&OsStr> = whole.iter().skip(1).collect();
        let ends = (0..parts.len()).map(|from| parts[from..].iter().collect::<PathBuf>());
        let same = |end: &PathBuf| {
            roots.iter().any(|root| input::text(&root.join(end)).ok().flatten().as_deref() == Some(text))
        };
        ends.into_iter().find(same)
    };
    below.or_else(|| kept.and_then(|_| elsewhere())).unwrap_or_else(|| file.to_owned()).display().to_string()
}
