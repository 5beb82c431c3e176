//! `blowup check`: judges the rows of a sweep by the expectations of its spec, and prints the
//! result in the forms that were asked for.

use crate::cli::CheckArgs;
use crate::json::Document;
use crate::json::check::{CheckDocument, Compared};
use crate::origin::{self, in_repository, parse_kept, parse_or};
use crate::progress::to_stderr;
use crate::run_files::{self, RUNS, open};
use crate::sweep::size::{MANY_POINTS, refuse_endless};
use blowup_core::check::apart::apart;
use blowup_core::check::baseline;
use blowup_core::check::github::github;
use blowup_core::check::judge::judge;
use blowup_core::check::junit::{is_junit, junit};
use blowup_core::check::measure::{self, SweepRows};
use blowup_core::check::roster::Roster;
use blowup_core::check::run::Run;
use blowup_core::check::text::{self, ComparisonContext};
use blowup_core::edge::follow::points;
use blowup_core::failure::{Exit, Failure};
use blowup_core::input;
use blowup_core::output::{self, print};
use blowup_core::spec::Spec;
use blowup_core::spec::written::{Written, is_put_together};
use blowup_core::store::Manifest;
use blowup_core::store::sums::{self, Known};
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Runs the check.
///
/// # Errors
/// If there is nothing to check, or a file is missing, damaged or of another sweep.
pub fn run(args: &CheckArgs) -> Result<Exit, Failure> {
    if !args.dir.is_dir() {
        let hint = "it is the folder that `blowup sweep` wrote, for example results/grid";
        return Err(Failure::new(format!("there is no folder `{}`", args.dir.display())).hint(hint));
    }
    args.junit.as_deref().map_or(Ok(()), |path| refuse_other(path, args.json))?;
    let file = args.spec.clone().unwrap_or_else(|| args.dir.join("spec.toml"));
    let manifest = input::text(&args.dir.join("manifest.toml"))?.and_then(|text| Manifest::parse(&text));
    let written = match &args.spec {
        Some(file) => origin::read(file, &[])?,
        None => {
            let hint = "RUN_DIR is the folder of a sweep; `--spec` names another spec";
            origin::written(&input::kept_spec(&file).map_err(|failure| failure.or_hint(hint))?, &file, &[])?
        }
    };
    let spec = read_spec(args, &written, &file, manifest.as_ref())?;
    let path = args.dir.join(RUNS);
    refuse_longer(&spec, &file, &path)?;
    let is_whole = manifest.as_ref().is_none_or(|manifest| manifest.shard.is_none());
    let lines = run_files::lines(&args.dir, &spec, is_whole && args.spec.is_none())?;
    let beside = points(&spec, &lines);
    let roster = Roster::new(&spec, &beside);
    roster.check_filters(&spec, &written)?;
    let mut columns = measure::columns(&spec);
    columns.push(baseline::COLUMN);
    let run = run_files::runs(&args.dir, &roster, &columns)?;
    let layers = run_files::layers(&spec, &roster, &args.dir.join("layers.csv"))?;
    let earlier = args.baseline.as_deref().map(|given| Earlier::read(given, &path, &roster)).transpose()?;
    let rows = SweepRows { roster: &roster, run: &run, layers: &layers, lines: &lines };
    let gate = judge(&spec, rows, earlier.as_ref().map(|earlier| &earlier.run));

    let place = |byte: usize| {
        let (file, line) = written.line(byte);
        format!("{file}:{line}")
    };
    // A report that goes to stdout is alone there, so that a program can read it.
    let aside = args.junit.as_deref().is_some_and(output::is_stdout);
    if let Some(path) = &args.junit {
        let report = junit(&gate, &place);
        if aside { print(&report) } else { output::write_anywhere(path, report.as_bytes()) }?;
    }
    let tell = |text: &str| {
        if !aside {
            return print(text);
        }
        to_stderr(text.trim_end());
        Ok(())
    };
    let compared = gate.baseline.as_ref().zip(earlier.as_ref());
    let shown = if args.json { usize::MAX } else { text::LISTED };
    let changes = compared.iter().flat_map(|(found, _)| &found.changes).take(shown);
    let changed = apart(&spec, &beside, &changes.map(|change| change.place).collect());
    let (settings, roster, apart) = (&spec.baseline, &roster, &changed);
    if args.json {
        let compared = compared.map(|(comparison, earlier)| Compared {
            comparison,
            roster,
            apart,
            file: earlier.path.display().to_string(),
            same_bytes: earlier.unchanged,
        });
        let document = CheckDocument::new(&gate, compared, &|byte| written.line(byte));
        tell(&Document::Check(document).text())?;
    } else {
        let between = compared.map(|(found, earlier)| {
            let (file, unchanged) = (&earlier.path.display().to_string(), earlier.unchanged);
            text::comparison(found, &ComparisonContext { settings, roster, apart, file, unchanged })
        });
        tell(&text::text(&gate, &between.unwrap_or_default(), &place))?;
    }
    if args.github {
        // A text that was put together has other lines than the spec that was swept.
        let is_copy = args.spec.is_none() && !is_put_together(written.text());
        let kept = manifest.as_ref().filter(|_| is_copy);
        let spec = in_repository(&file, written.text(), kept);
        let place = |byte: usize| match written.line(byte) {
            (place, line) if Path::new(&place) == file => (spec.clone(), line),
            (base, line) => (in_repository(Path::new(&base), "", None), line),
        };
        tell(&github(&gate, &spec, &place))?;
    }
    Ok(if gate.passed() { Exit::Done } else { Exit::Failed })
}

/// Refuses a grid that is far too large for the rows. To go through it would take long, and the
/// sizes alone show that the spec is another one.
fn refuse_longer(spec: &Spec, file: &Path, runs: &Path) -> Result<(), Failure> {
    refuse_endless(spec, file)?;
    let (points, bytes) = (spec.grid().points(), fs::metadata(runs).map_or(0, |data| data.len()));
    if points <= MANY_POINTS || u128::from(bytes) >= MANY_POINTS * LEAST_ROW {
        return Ok(());
    }
    let text = format!("the grid of `{}` has {points} points, `{}` only {bytes} bytes", file.display(), runs.display());
    Err(Failure::new(text).hint("is this the spec that was swept?"))
}

/// The number of bytes of the shortest row: its id, its commas and an outcome.
const LEAST_ROW: u128 = 64;

/// Parses the spec, and makes sure that there is something to check.
fn read_spec(args: &CheckArgs, written: &Written, file: &Path, manifest: Option<&Manifest>) -> Result<Spec, Failure> {
    let spec = match &args.spec {
        Some(_) => parse_or(written, file, manifest.map_or(&[][..], |manifest| &manifest.data))?,
        None => parse_kept(&args.dir, written.text(), manifest)?,
    };
    if spec.expects.is_empty() && args.baseline.is_none() {
        let text = format!("there is nothing to check: `{}` has no [[expect]]", file.display());
        return Err(Failure::new(text)
            .hint("add expectations to it, name another spec with `--spec`, or an earlier sweep with `--baseline`"));
    }
    Ok(spec)
}

/// The earlier sweep that `--baseline` names.
struct Earlier {
    path: PathBuf,
    run: Run,
    /// Whether its `runs.csv` has the same bytes as that of the sweep.
    unchanged: bool,
}

impl Earlier {
    /// Reads the earlier sweep. `given` is its folder or its `runs.csv`, `now` is the `runs.csv` of
    /// the sweep that is checked.
    fn read(given: &Path, now: &Path, roster: &Roster) -> Result<Earlier, Failure> {
        let path = if given.is_dir() { given.join("runs.csv") } else { given.to_owned() };
        let inode = |path: &Path| fs::metadata(path).map(|data| (data.dev(), data.ino())).ok();
        if inode(&path).is_some() && inode(&path) == inode(now) {
            return Err(Failure::new(format!("the baseline `{}` is the sweep itself", path.display()))
                .hint("name the results of an earlier sweep of the same grid"));
        }
        let (rows, known) = (open(&path)?, Known::open(sums::path(&path))?);
        let run = Run::read(&path, rows, roster, &[baseline::COLUMN], known, None)?;
        let unchanged = same_bytes(&path, now).map_err(|error| Failure::io("read", &path, &error))?;
        Ok(Earlier { path, run, unchanged })
    }
}

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    if fs::metadata(a)?.len() != fs::metadata(b)?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (input::buffered(a)?.bytes(), input::buffered(b)?.bytes());
    loop {
        match (a.next().transpose()?, b.next().transpose()?) {
            (None, None) => return Ok(true),
            (x, y) if x == y => {}
            _ => return Ok(false),
        }
    }
}

/// Refuses to replace a file that is no JUnit report. `--junit` may replace a report of any
/// program. With `json` standard output is for the document.
fn refuse_other(path: &Path, json: bool) -> Result<(), Failure> {
    if output::is_stdout(path) {
        let both = Failure::new("`--json` and `--junit` both write to standard output");
        return if json { Err(both.hint("name a file with `--junit`")) } else { Ok(()) };
    }
    output::refuse_other(path, "JUnit report", is_junit)
        .map_err(|failure| failure.hint("name another file with `--junit`"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match folder.is_dir() {
        _ if path.is_dir() => {
            Err(Failure::new(format!("`{}` is a folder", path.display())).hint("name a file in it with `--junit`"))
        }
        true => Ok(()),
        false => Err(Failure::new(format!("there is no folder `{}`", folder.display()))),
    }
}
