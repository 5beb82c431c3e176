//! The files of a run directory that a check judges. `blowup check` and the report read them here.

use blowup_core::check::edges;
use blowup_core::check::layers::LayerCells;
use blowup_core::check::roster::Roster;
use blowup_core::check::run::Run;
use blowup_core::check::sides::SideFiles;
use blowup_core::edge::follow::Line;
use blowup_core::edge::table;
use blowup_core::failure::Failure;
use blowup_core::input;
use blowup_core::spec::Spec;
use blowup_core::store::sums::{self, Known};
use std::io::BufRead;
use std::path::Path;

/// The name of the file of rows.
pub const RUNS: &str = "runs.csv";

/// Opens a data file of the directory.
///
/// # Errors
/// If it is not there or cannot be opened.
pub fn open(path: &Path) -> Result<impl BufRead + use<>, Failure> {
    sums::open_file(path).map_err(|error| Failure::io("read", path, &error))
}

/// Reads the rows of the directory `dir`, and checks them against every other file that was written
/// with them. `columns` are the columns that are kept.
///
/// # Errors
/// If a file cannot be read, or a row is damaged or does not agree with the other files.
pub fn runs(dir: &Path, roster: &Roster, columns: &[&'static str]) -> Result<Run, Failure> {
    let path = dir.join(RUNS);
    // A row is written after what the other files say of its trial. So the rows are opened first:
    // even while a sweep is writing, each row that is read finds what was written before it.
    let rows = open(&path)?;
    let mut beside = SideFiles::new(dir);
    beside.read(roster, &|path| if path.exists() { open(path).map(Some) } else { Ok(None) })?;
    let known = Known::open(sums::path(&path))?;
    if known.is_none() {
        tracing::warn!(
            hint = "`runs.crc32` lies beside the file that a sweep writes; copy both",
            "`{}` has no checksums beside it (`runs.crc32`): its rows are taken as they are",
            path.display()
        );
    }
    Run::read(&path, rows, roster, columns, known, Some(&beside))
}

/// Follows the edges of the spec by the rows of the directory `dir`, and checks that its
/// `edges.csv` says the same, if `is_own` holds: the spec is the one that was swept.
///
/// # Errors
/// If a file cannot be read, a row is damaged, or `edges.csv` does not follow from the rows.
pub fn lines(dir: &Path, spec: &Spec, is_own: bool) -> Result<Vec<Line>, Failure> {
    if spec.edges.is_empty() {
        return Ok(Vec::new());
    }
    let path = dir.join(RUNS);
    let lines = edges::read(spec, &path, open(&path)?)?;
    let beside = dir.join(table::FILE);
    if is_own && input::text(&beside)?.is_none_or(|text| text.as_bytes() != table::csv(spec, &lines)) {
        let text = format!("`{}` is not what the rows of `{}` say", beside.display(), path.display());
        return Err(Failure::new(text).hint(
            "one of them was changed, or the sweep has not ended: the same `blowup sweep` again writes the file anew",
        ));
    }
    Ok(lines)
}

/// Reads the cells of `layers.csv` that the expectations of the spec are about. A spec without such
/// expectations reads nothing. `path` is the path of the file.
///
/// # Errors
/// If the file is not there or is damaged.
pub fn layers(spec: &Spec, roster: &Roster, path: &Path) -> Result<LayerCells, Failure> {
    let mut cells = LayerCells::wanted(spec, roster)?;
    if cells.is_empty() {
        return Ok(cells);
    }
    if !path.exists() {
        let text = format!("an expectation reads layers, but there is no `{}`", path.display());
        return Err(Failure::new(text).hint("`[record]` with `layers = [0]` in the spec records them"));
    }
    cells.read(path, open(path)?, roster)?;
    Ok(cells)
}
