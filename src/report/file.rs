//! Writes `report.html` into a run directory: its rows, the files beside them, and the result of a
//! check, in one page.

use super::checks::Checks;
use super::curves::{Curves, curves};
use super::data::{self, PageContext, PageData, Reload, Sampled};
use super::edges::EdgeTable;
use super::sample::{self, Sample};
use super::{MOST_TRIALS, page};
use crate::figures::design;
use crate::figures::table::TrialTable;
use crate::origin::parse_kept;
use crate::progress::to_stderr;
use crate::run_files::{self, open};
use blowup_core::check::judge::judge;
use blowup_core::check::measure::{self, SweepRows};
use blowup_core::check::roster::Roster;
use blowup_core::edge::follow::points;
use blowup_core::edge::table;
use blowup_core::failure::Failure;
use blowup_core::input;
use blowup_core::spec::Spec;
use blowup_core::spec::filter::Filter;
use blowup_core::store::{self, Folder, Manifest};
use std::io::{self, BufRead};
use std::path::Path;

/// Replaces the report of a run directory. Without `spec`, the spec of the sweep is read from the
/// directory. `reload` says whether the page follows a sweep that still trains.
///
/// # Errors
/// If `runs.csv` is missing or damaged, or the folder cannot be written to.
pub fn write(folder: &Folder, spec: Option<&Spec>, reload: Reload) -> Result<(), Failure> {
    let dir = folder.path();
    store::refuse_report(dir).map_err(|failure| failure.hint("move it away, or give it another name"))?;
    let path = dir.join("runs.csv");
    let rows = count_rows(&path)?;
    let mask = sample::mask(rows);
    let kept: Vec<&str> = data::measures().into_iter().chain(["epochs_run"]).collect();
    let text = input::text(&dir.join("spec.toml"))?;
    let axes = text.as_deref().map(blowup_core::spec::axes).unwrap_or_default();
    let mut table = TrialTable::read(&path, Sample::new(open(&path)?, mask), &kept, &Filter::default(), &axes)?;
    design::shorten(&mut table);
    let configurations = data::configurations(&table);
    let manifest = input::text(&dir.join("manifest.toml"))?.and_then(|text| Manifest::parse(&text));
    let read = match spec {
        Some(_) => None,
        None => text.as_ref().map(|text| parse_kept(dir, text, manifest.as_ref())),
    };
    let (name, checks) = match spec.map(Ok).or(read.as_ref().map(Result::as_ref)) {
        Some(Ok(spec)) if manifest.as_ref().is_some_and(|manifest| manifest.shard.is_some()) => {
            (spec.name.clone(), None)
        }
        Some(Ok(spec)) => (spec.name.clone(), checks(dir, spec, rows)),
        Some(Err(failure)) => (
            folder_name(dir),
            Some(Checks::Problem(format!("the spec was not read, so nothing was checked. {failure}"))),
        ),
        None => (folder_name(dir), None),
    };
    let beside = PageContext {
        name,
        sampled: (mask > 0)
            .then(|| Sampled { of: manifest.as_ref().map_or(rows, |m| m.counts.trials - m.counts.missing) }),
        manifest,
        edges: input::text(&dir.join(table::FILE))?.and_then(|text| EdgeTable::of(&text)),
        spec: text,
        checks,
        reload,
    };
    let curves = read_curves(&dir.join("epochs.csv"), &table, &configurations)?;
    let data = PageData::new(&table, &configurations, curves, beside);
    folder.replace(store::REPORT, |to| page::write(&data, to))
}

/// Replaces the report as `write` does, with a page that stays as it is. A failure is told and does
/// not fail the sweep, whose results are whole without a report.
pub fn write_or_tell(folder: &Folder, spec: Option<&Spec>) {
    if let Err(failure) = write(folder, spec, Reload::Never) {
        to_stderr(&format!("{} was not written: {failure}", store::REPORT));
    }
}

/// The number of lines after the header.
fn count_rows(path: &Path) -> Result<u64, Failure> {
    let mut reader = open(path)?;
    let mut count = || -> io::Result<u64> {
        let mut lines = 0;
        loop {
            let bytes = reader.fill_buf()?;
            if bytes.is_empty() {
                return Ok(lines);
            }
            lines += bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
            let read = bytes.len();
            reader.consume(read);
        }
    };
    let lines = count().map_err(|error| Failure::io("read", path, &error))?;
    Ok(lines.saturating_sub(1))
}

/// Reads the curves of single trials, if they were recorded.
fn read_curves(path: &Path, table: &TrialTable, configurations: &[u32]) -> Result<Option<Curves>, Failure> {
    if !path.exists() {
        return Ok(None);
    }
    curves(table, configurations, open(path)?).map_err(|error| Failure::io("read", path, &error))
}

/// The name of the folder, which stands in for the name of the sweep.
fn folder_name(dir: &Path) -> String {
    let full = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    full.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The result of a check. None if the spec expects nothing. If the check cannot run, the page says
/// why.
fn checks(dir: &Path, spec: &Spec, rows: u64) -> Option<Checks> {
    if spec.expects.is_empty() {
        return None;
    }
    if rows > MOST_TRIALS {
        let text = format!("expectations of more than {MOST_TRIALS} trials are not checked here: `blowup check` does");
        return Some(Checks::Problem(text));
    }
    let found = || -> Result<Checks, Failure> {
        let lines = run_files::lines(dir, spec, false)?;
        let roster = Roster::new(spec, &points(spec, &lines));
        let run = run_files::runs(dir, &roster, &measure::columns(spec))?;
        let layers = run_files::layers(spec, &roster, &dir.join("layers.csv"))?;
        Ok(Checks::of(&judge(spec, SweepRows { roster: &roster, run: &run, layers: &layers, lines: &lines }, None)))
    };
    Some(found().unwrap_or_else(|failure| Checks::Problem(failure.to_string())))
}
