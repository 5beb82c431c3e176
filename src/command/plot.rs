//! `blowup plot`: rows -> figures -> files and the report, or text on the terminal.

use crate::cli::Plot;
use crate::figures::cells::Metric;
use crate::figures::design::shorten;
use crate::figures::gallery::{Figure, Gallery, Source};
use crate::figures::picture::is_svg;
use crate::figures::plan::Asked;
use crate::figures::raster::is_png;
use crate::figures::table::{Table, measures};
use crate::figures::words;
use blowup_core::failure::{Exit, Failure, excerpt};
use blowup_core::input;
use blowup_core::output::{self, print};
use blowup_core::spec::filter::{Attribute, Filter};
use blowup_core::spec::metric::Rate;
use blowup_core::spec::unmet;
use blowup_core::spec::{self, Mistake};
use blowup_core::store::{self, REPORT};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

pub fn run(args: &Plot) -> Result<Exit, Failure> {
    let asked = Asked { x: args.x.clone(), y: args.y.clone(), facets: args.facet.clone() };
    let metric = metric(&args.metric)?;
    let table = read(&args.dir, &args.filters, metric)?;
    let gallery = Gallery::new(&table, source(&args.dir, &args.filters), metric, &asked)?;
    if args.terminal {
        let coloured = coloured();
        let texts: Vec<String> = gallery.pages().map(|page| gallery.text(&page, coloured)).collect();
        print(&texts.join("\n"))?;
        return Ok(Exit::Done);
    }
    let run = store::Folder::open(&args.dir).map_err(|error| Failure::io("open the folder", &args.dir, &error))?;
    let mut folder = Folder::make(&run)?;
    folder.add(gallery.pages().map(|page| gallery.diagram(&page)))?;
    folder.add(gallery.survival().into_iter())?;
    let (layers, epochs) = (args.dir.join("layers.csv"), args.dir.join("epochs.csv"));
    if let Some(reader) = open_if_there(&layers)? {
        folder.add(gallery.layers(&layers, reader)?.into_iter())?;
    }
    if let Some(reader) = open_if_there(&epochs)? {
        folder.add(gallery.trials(&epochs, reader)?.into_iter())?;
    }
    super::report::write(&run, None)?;
    print(&format!("{}{}\n", folder.listed(), args.dir.join(REPORT).display()))?;
    Ok(Exit::Done)
}

/// For the end of a sweep on a terminal: the first diagrams, if they are ready at once.
pub(super) fn glance(dir: &Path, trials: u64) -> Option<String> {
    const MOST_TRIALS: u64 = 100_000;
    const FIGURES: usize = 2;
    if !output::is_terminal() || trials > MOST_TRIALS {
        return None;
    }
    // A sweep that is done does not fail because of a picture.
    let (metric, asked) = (Metric::Rate(Rate::Divergence), Asked::default());
    let table = read(dir, &[], metric).ok()?;
    let gallery = Gallery::new(&table, source(dir, &[]), metric, &asked).ok()?;
    let first =
        gallery.families.iter().take(FIGURES).filter_map(|family| asked.pages(&table, family).into_iter().next());
    Some(first.map(|page| gallery.text(&page, coloured())).collect::<Vec<_>>().join("\n"))
}

/// Colours are for terminals, and not for those who do not want them (no-color.org).
fn coloured() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    output::is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// The rows of a run directory that the filters let through.
fn read(dir: &Path, filters: &[String], metric: Metric) -> Result<Table, Failure> {
    let filter = Filter::parse(filters).map_err(Failure::new)?;
    if !dir.is_dir() {
        let hint = "it is the folder that `blowup sweep` wrote, for example results/grid";
        return Err(Failure::new(format!("there is no folder `{}`", dir.display())).hint(hint));
    }
    let path = dir.join("runs.csv");
    let file = input::buffered(&path).map_err(|error| {
        Failure::io("open", &path, &error)
            .hint("RUN_DIR is the folder of a sweep: `blowup sweep` writes runs.csv into it")
    })?;
    let columns = match metric {
        Metric::Rate(_) => Vec::new(),
        Metric::Median(column) => vec![column],
    };
    let mut table = Table::read(&path, file, &columns, &filter)?;
    if table.read == 0 {
        return Err(Failure::new(format!("`{}` has no rows", path.display()))
            .hint("the sweep has not finished a trial yet; the same `blowup sweep` goes on with it"));
    }
    shorten(&mut table);
    if table.is_empty() {
        return Err(matches_none(&path, filters, table.read));
    }
    let known = |column: &Attribute| {
        let all = input::buffered(&path).ok().and_then(|file| Table::read(&path, file, &[], &Filter::default()).ok());
        let levels = all.as_ref().and_then(|all| all.factor(column.name())).map(|factor| &factor.levels);
        levels.into_iter().flatten().map(|level| level.text.clone()).filter(|text| !text.is_empty()).collect()
    };
    unmet::refuse_arguments(&table.unmet, &known, filters).map_err(Failure::new)?;
    Ok(table)
}

/// Names what there is of the first axis whose condition holds of no trial; else the conditions hold of none together.
fn matches_none(path: &Path, filters: &[String], trials: u64) -> Failure {
    let failure = Failure::new(format!("`--where {}` matches none of the {trials} trials", filters.join(" --where ")));
    let read = |filters: &[String]| {
        let filter = Filter::parse(filters).ok()?;
        Table::read(path, input::buffered(path).ok()?, &[], &filter).ok()
    };
    let alone = filters.iter().find(|filter| read(&[(*filter).clone()]).is_none_or(|table| table.is_empty()));
    let Some((name, all)) = alone.and_then(|filter| filter.split('=').next()).zip(read(&[])) else {
        return failure.hint("each holds of some trials, but they hold of none together; leave one out");
    };
    match all.factor(&name.trim().replace('-', "_")) {
        Some(factor) => failure.hint(format!("`{}` here: {}", factor.name, words::values(factor))),
        None => failure,
    }
}

/// A rate, or a column of `runs.csv`.
fn metric(name: &str) -> Result<Metric, Failure> {
    let (rates, columns) = (Rate::ALL.map(Rate::name), measures());
    if let Some(rate) = Rate::ALL.into_iter().find(|rate| rate.name() == name) {
        return Ok(Metric::Rate(rate));
    }
    if let Some(column) = columns.iter().find(|column| **column == name) {
        return Ok(Metric::Median(column));
    }
    let known: Vec<&'static str> = rates.into_iter().chain(columns).collect();
    Err(Failure::new(Mistake::unknown(format!("`{}` is not a metric", excerpt(name)), name, &known).to_string()))
}

/// The name in the spec; without a spec, that of the folder.
fn source(dir: &Path, filters: &[String]) -> Source {
    let folder = || {
        let full = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        full.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned())
    };
    let named = input::kept_spec(&dir.join("spec.toml")).ok().and_then(|text| spec::name(&text));
    Source { name: named.unwrap_or_else(folder), filters: filters.to_vec() }
}

/// A file that a sweep may not have recorded.
fn open_if_there(path: &Path) -> Result<Option<BufReader<File>>, Failure> {
    match input::buffered(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io("open", path, &error)),
    }
}

/// A file in the place of a figure that is none is the user's. PNG files of older versions do not say who wrote them: the SVG beside them does.
fn refuse_other(path: &Path) -> Result<(), Failure> {
    let beside = || input::buffered(&path.with_extension("svg")).and_then(|mut svg| Ok(is_svg(svg.fill_buf()?)));
    let ours = |start: &[u8]| is_svg(start) || is_png(start) || beside().unwrap_or(false);
    output::refuse_other(path, "figure of blowup's", ours)
        .map_err(|failure| failure.hint("move it away, or give it another name"))
}

/// `RUN_DIR/figures`, and what was written there.
struct Folder {
    held: store::Folder,
    written: Vec<String>,
}

impl Folder {
    fn make(run: &store::Folder) -> Result<Folder, Failure> {
        let held = run.below("figures");
        let held = held.map_err(|error| Failure::io("make the folder", &run.name("figures"), &error))?;
        Ok(Folder { held, written: Vec::new() })
    }

    /// As SVG and as PNG. Two figures never share a name.
    fn add(&mut self, figures: impl Iterator<Item = Figure>) -> Result<(), Failure> {
        for Figure { name, picture } in figures {
            let mut names = std::iter::once(name.clone()).chain((2..).map(|n| format!("{name}-{n}")));
            let name = names.find(|name| !self.written.contains(name)).expect("numbers do not end");
            let png = picture.png().map_err(|error| Failure::new(format!("cannot draw `{name}.png`: {error}")))?;
            let file = |extension: &str| format!("{name}.{extension}");
            let files = [(file("svg"), picture.svg().into_bytes()), (file("png"), png)];
            files.iter().try_for_each(|(file, _)| refuse_other(&self.held.name(file)))?;
            files.iter().try_for_each(|(file, bytes)| self.held.replace(file, |to| to.write_all(bytes)))?;
            self.written.push(name);
        }
        Ok(())
    }

    fn listed(&self) -> String {
        let line = |name: &String| format!("{0}.svg\n{0}.png\n", self.held.name(name).display());
        self.written.iter().map(line).collect()
    }
}
