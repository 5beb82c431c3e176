//! `blowup plot`: draws the figures of a sweep into files and writes the report, or prints the
//! diagrams on the terminal.

use crate::cli::PlotArgs;
use crate::figures::cells::PlotMetric;
use crate::figures::edges;
use crate::figures::files::{read, source};
use crate::figures::gallery::{Figure, Gallery};
use crate::figures::picture::is_svg;
use crate::figures::plan::AxisSelection;
use crate::figures::raster::is_png;
use crate::figures::table::measures;
use crate::report;
use crate::report::data::Reload;
use blowup_core::edge::table;
use blowup_core::failure::{Exit, Failure, excerpt};
use blowup_core::input;
use blowup_core::output::{self, print, wants_colour};
use blowup_core::spec::Mistake;
use blowup_core::spec::metric::{LR_SENSITIVITY, Rate};
use blowup_core::store::{self, REPORT};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Draws the figures.
///
/// # Errors
/// If an argument is wrong, a file is missing or damaged, or a figure cannot be written.
pub fn run(args: &PlotArgs) -> Result<Exit, Failure> {
    let asked = AxisSelection { x: args.x.clone(), y: args.y.clone(), facets: args.facet.clone() };
    let metric = metric(&args.metric)?;
    let table = read(&args.dir, &args.filters, metric)?;
    let gallery = Gallery::new(&table, source(&args.dir, &args.filters), metric, &asked)?;
    if args.terminal {
        let coloured = wants_colour(output::is_terminal());
        let texts: Vec<String> = gallery.pages().map(|page| gallery.text(&page, coloured)).collect();
        print(&texts.join("\n"))?;
        return Ok(Exit::Done);
    }
    let run = store::Folder::open(&args.dir).map_err(|error| Failure::io("open the folder", &args.dir, &error))?;
    let mut folder = FigureFolder::make(&run)?;
    folder.add(gallery.pages().map(|page| gallery.diagram(&page)))?;
    folder.add(gallery.boundaries().into_iter())?;
    folder.add(gallery.survival().into_iter())?;
    let (layers, epochs) = (args.dir.join("layers.csv"), args.dir.join("epochs.csv"));
    if let Some(reader) = open_if_there(&layers)? {
        folder.add(gallery.layers(&layers, reader)?.into_iter())?;
    }
    if let Some(reader) = open_if_there(&layers)? {
        folder.add(gallery.coordinates(&layers, reader)?.into_iter())?;
    }
    if let Some(reader) = open_if_there(&epochs)? {
        folder.add(gallery.trials(&epochs, reader)?.into_iter())?;
    }
    if let Some(text) = input::text(&args.dir.join(table::FILE))? {
        folder.add(edges::draw(&source(&args.dir, &[]).name, &text).into_iter())?;
    }
    report::file::write(&run, None, Reload::Never)?;
    print(&format!("{}{}\n", folder.listed(), args.dir.join(REPORT).display()))?;
    Ok(Exit::Done)
}

/// The metric of this name: a rate, the sensitivity to the learning rate, or the median of a column
/// of `runs.csv`.
fn metric(name: &str) -> Result<PlotMetric, Failure> {
    let (rates, columns) = (Rate::ALL.map(Rate::name), measures());
    if let Some(rate) = Rate::ALL.into_iter().find(|rate| rate.name() == name) {
        return Ok(PlotMetric::Rate(rate));
    }
    if name == LR_SENSITIVITY {
        return Ok(PlotMetric::LrSensitivity);
    }
    if let Some(column) = columns.iter().find(|column| **column == name) {
        return Ok(PlotMetric::Median(column));
    }
    let known: Vec<&'static str> = rates.into_iter().chain([LR_SENSITIVITY]).chain(columns).collect();
    Err(Failure::new(Mistake::unknown(format!("`{}` is not a metric", excerpt(name)), name, &known).to_string()))
}

/// Opens a file that a sweep may not have recorded. None if it is not there.
fn open_if_there(path: &Path) -> Result<Option<BufReader<File>>, Failure> {
    match input::buffered(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io("open", path, &error)),
    }
}

/// Refuses to replace a file that blowup did not write. A PNG of an older version of blowup does
/// not say who wrote it, so the SVG beside it is looked at.
fn refuse_other(path: &Path) -> Result<(), Failure> {
    let beside = || input::buffered(&path.with_extension("svg")).and_then(|mut svg| Ok(is_svg(svg.fill_buf()?)));
    let ours = |start: &[u8]| is_svg(start) || is_png(start) || beside().unwrap_or(false);
    output::refuse_other(path, "figure of blowup's", ours)
        .map_err(|failure| failure.hint("move it away, or give it another name"))
}

/// The folder `RUN_DIR/figures`.
struct FigureFolder {
    held: store::Folder,
    /// The names of the figures that were written, without extension.
    written: Vec<String>,
}

impl FigureFolder {
    fn make(run: &store::Folder) -> Result<FigureFolder, Failure> {
        let held = run.below("figures");
        let held = held.map_err(|error| Failure::io("make the folder", &run.name("figures"), &error))?;
        Ok(FigureFolder { held, written: Vec::new() })
    }

    /// Writes each figure as SVG and as PNG. A figure whose name is taken gets a number behind its
    /// name.
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

    /// The paths of the files, one per line.
    fn listed(&self) -> String {
        let line = |name: &String| format!("{0}.svg\n{0}.png\n", self.held.name(name).display());
        self.written.iter().map(line).collect()
    }
}
