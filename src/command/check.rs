//! `blowup check`: spec -> roster -> rows -> gate -> the table, and the gate's other forms.

use super::sweep::{MANY_POINTS, parse, print, refuse_endless};
use crate::check::baseline;
use crate::check::github::github;
use crate::check::judge::judge;
use crate::check::junit::junit;
use crate::check::layers::LayerCells;
use crate::check::measure::Rows;
use crate::check::roster::Roster;
use crate::check::run::Run;
use crate::check::text;
use crate::cli::Check;
use crate::failure::{Exit, Failure};
use crate::input;
use crate::spec::Spec;
use crate::store::sums::{self, Known};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub fn run(args: &Check) -> Result<Exit, Failure> {
    if !args.dir.is_dir() {
        let hint = "it is the folder that `blowup sweep` wrote, for example results/grid";
        return Err(Failure::new(format!("there is no folder `{}`", args.dir.display())).hint(hint));
    }
    args.junit.as_deref().map_or(Ok(()), refuse_other)?;
    let file = args.spec.clone().unwrap_or_else(|| args.dir.join("spec.toml"));
    let name = file.display().to_string();
    let written = input::spec(&file)
        .map_err(|failure| failure.or_hint("RUN_DIR is the folder of a sweep; `--spec` names another spec"))?;
    let spec = read_spec(args, &written, &file)?;
    let path = args.dir.join("runs.csv");
    refuse_longer(&spec, &file, &path)?;
    let roster = Roster::new(&spec);
    roster.check_filters(&spec, &written, &name).map_err(|report| Failure::new(report.to_string()))?;
    let mut columns: Vec<_> = spec.expects.iter().flat_map(|expect| expect.metric.columns()).copied().collect();
    columns.push(baseline::COLUMN);
    let rows = open(&path)?;
    let known = Known::open(sums::path(&path))?;
    if known.is_none() {
        tracing::warn!(
            hint = "`runs.crc32` lies beside the file that a sweep writes; copy both",
            "`{}` has no checksums beside it (`runs.crc32`): its rows are taken as they are",
            path.display()
        );
    }
    let run = Run::read(&path, rows, &roster, &columns, known)?;
    let layers = layers(&spec, &roster, &args.dir.join("layers.csv"))?;
    let earlier = args.baseline.as_deref().map(|given| Earlier::read(given, &path, &roster)).transpose()?;
    let rows = Rows { roster: &roster, run: &run, layers: &layers };
    let gate = judge(&spec, rows, earlier.as_ref().map(|earlier| &earlier.run));

    let line = |byte: usize| written[..byte].matches('\n').count() + 1;
    let place = |byte: usize| format!("{name}:{}", line(byte));
    if let Some(path) = &args.junit {
        fs::write(path, junit(&gate, &place)).map_err(|error| Failure::io("write", path, &error))?;
    }
    let between = match (&gate.baseline, &earlier) {
        (Some(found), Some(earlier)) => {
            let file = earlier.path.display().to_string();
            text::comparison(found, &spec.baseline, &roster, &file, earlier.unchanged)
        }
        (None, _) | (_, None) => String::new(),
    };
    print(&text::text(&gate, &between, &place));
    if args.github {
        print(&github(&gate, &name, &line));
    }
    Ok(if gate.passed() { Exit::Done } else { Exit::Failed })
}

/// Going through more trials than there can be rows takes long and says what the sizes say.
fn refuse_longer(spec: &Spec, file: &Path, runs: &Path) -> Result<(), Failure> {
    refuse_endless(spec, file)?;
    let (points, bytes) = (spec.grid().points(), fs::metadata(runs).map_or(0, |data| data.len()));
    if points <= MANY_POINTS || u128::from(bytes) >= MANY_POINTS * LEAST_ROW {
        return Ok(());
    }
    let text = format!("the grid of `{}` has {points} points, `{}` only {bytes} bytes", file.display(), runs.display());
    Err(Failure::new(text).hint("is this the spec that was swept?"))
}

/// Bytes of the shortest row: its id, its commas and an outcome.
const LEAST_ROW: u128 = 64;

fn read_spec(args: &Check, written: &str, file: &Path) -> Result<Spec, Failure> {
    let spec = parse(written, file, file);
    let spec = match &args.spec {
        Some(_) => spec?,
        // A path in the copy is relative to where the spec was.
        None => spec.map_err(|failure| {
            failure.hint("if a data file is not found: name the spec that lies beside it with `--spec`")
        })?,
    };
    if spec.expects.is_empty() && args.baseline.is_none() {
        let text = format!("there is nothing to check: `{}` has no [[expect]]", file.display());
        return Err(Failure::new(text)
            .hint("add expectations to it, name another spec with `--spec`, or an earlier sweep with `--baseline`"));
    }
    Ok(spec)
}

/// The sweep to compare with.
struct Earlier {
    path: PathBuf,
    run: Run,
    /// The two files have the same bytes.
    unchanged: bool,
}

impl Earlier {
    /// `given`: a folder with a `runs.csv`, or such a file; `now`: that of the sweep.
    fn read(given: &Path, now: &Path, roster: &Roster) -> Result<Earlier, Failure> {
        let path = if given.is_dir() { given.join("runs.csv") } else { given.to_owned() };
        let inode = |path: &Path| fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
        if inode(&path).is_some() && inode(&path) == inode(now) {
            return Err(Failure::new(format!("the baseline `{}` is the sweep itself", path.display()))
                .hint("name the results of an earlier sweep of the same grid"));
        }
        let (rows, known) = (open(&path)?, Known::open(sums::path(&path))?);
        let run = Run::read(&path, rows, roster, &[baseline::COLUMN], known)?;
        let unchanged = same_bytes(&path, now).map_err(|error| Failure::io("read", &path, &error))?;
        Ok(Earlier { path, run, unchanged })
    }
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    if fs::metadata(a)?.len() != fs::metadata(b)?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (BufReader::new(File::open(a)?).bytes(), BufReader::new(File::open(b)?).bytes());
    loop {
        match (a.next().transpose()?, b.next().transpose()?) {
            (None, None) => return Ok(true),
            (x, y) if x == y => {}
            _ => return Ok(false),
        }
    }
}

/// Reads the file only if a metric does.
pub(super) fn layers(spec: &Spec, roster: &Roster, path: &Path) -> Result<LayerCells, Failure> {
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

/// `--junit` replaces an earlier report, but no file of results or anything else.
fn refuse_other(path: &Path) -> Result<(), Failure> {
    let mut start = [0; 5];
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::io("read", path, &error)),
        Ok(mut file) => match file.read(&mut start) {
            Ok(0) => {}
            Ok(_) if start == *b"<?xml" => {}
            Ok(_) => {
                let text = format!("`{}` is there and is no XML; it would be overwritten", path.display());
                return Err(Failure::new(text).hint("name another file with `--junit`"));
            }
            Err(error) => return Err(Failure::io("read", path, &error)),
        },
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() { Ok(()) } else { Err(Failure::new(format!("there is no folder `{}`", folder.display()))) }
}

pub(super) fn open(path: &Path) -> Result<impl BufRead + use<>, Failure> {
    sums::open_file(path).map_err(|error| Failure::io("read", path, &error))
}
