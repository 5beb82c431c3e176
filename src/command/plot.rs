//! `blowup plot`: draws the figures of a sweep into files and writes the report, or prints the
//! diagrams on the terminal.

use super::watch;
use crate::cli::{FigureFormat, PlotArgs};
use crate::figures::canvas::{Canvas, millimetres};
use crate::figures::cells::PlotMetric;
use crate::figures::edges;
use crate::figures::files::{read, source};
use crate::figures::gallery::{Figure, Gallery, Source};
use crate::figures::pdf::{is_pdf, starts_as_pdf};
use crate::figures::picture::{Picture, is_svg};
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
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Draws the figures.
///
/// # Errors
/// If an argument is wrong, a file is missing or damaged, or a figure cannot be written.
pub fn run(args: &PlotArgs) -> Result<Exit, Failure> {
    let asked = AxisSelection { x: args.x.clone(), y: args.y.clone(), facets: args.facet.clone() };
    let metric = metric(&args.metric)?;
    if args.watch {
        watch::follow(&store::Folder::if_there(&args.dir)?);
    }
    let table = read(&args.dir, &args.filters, metric)?;
    let canvas = args.size.unwrap_or_default();
    let shaped = |source: Source| Source { title: args.title.clone(), canvas, ..source };
    let gallery = Gallery::new(&table, shaped(source(&args.dir, &args.filters)), metric, &asked)?;
    if args.terminal {
        let coloured = wants_colour(output::is_terminal());
        let texts: Vec<String> = gallery.pages().map(|page| gallery.text(&page, coloured)).collect();
        print(&texts.join("\n"))?;
        return Ok(Exit::Done);
    }
    let run = store::Folder::open(&args.dir).map_err(|error| Failure::io("open the folder", &args.dir, &error))?;
    let mut folder = FigureFolder::make(&run, args)?;
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
        folder.add(edges::draw(&shaped(source(&args.dir, &[])), &text).into_iter())?;
    }
    folder.refuse_crowded()?;
    let mut listed = folder.listed();
    if args.out.is_none() {
        report::file::write(&run, None, Reload::Never)?;
        listed += &format!("{}\n", args.dir.join(REPORT).display());
    }
    print(&listed)?;
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
    const MOST: u64 = 1 << 24;
    let beside = || input::buffered(&path.with_extension("svg")).and_then(|mut svg| Ok(is_svg(svg.fill_buf()?)));
    let whole = || {
        let mut bytes = Vec::new();
        input::open(path).and_then(|file| file.take(MOST).read_to_end(&mut bytes)).map(|_| bytes)
    };
    let is_own_pdf = |start: &[u8]| starts_as_pdf(start) && whole().is_ok_and(|all| is_pdf(&all));
    let ours = |start: &[u8]| is_svg(start) || is_png(start) || is_own_pdf(start) || beside().unwrap_or(false);
    output::refuse_other(path, "figure of blowup's", ours)
        .map_err(|failure| failure.hint("move it away, or give it another name"))
}

/// The folder that the figures go to: `RUN_DIR/figures`, or the one that was asked for.
struct FigureFolder {
    held: store::Folder,
    formats: Vec<FigureFormat>,
    canvas: Canvas,
    /// The names of the figures that were written, without extension.
    written: Vec<String>,
    /// What is told of the figures that have no room on the paper.
    crowded: Vec<String>,
}

impl FigureFolder {
    fn make(run: &store::Folder, args: &PlotArgs) -> Result<FigureFolder, Failure> {
        let (place, held) = match &args.out {
            None => (run.name("figures"), run.below("figures")),
            Some(out) => (out.clone(), std::fs::create_dir_all(out).and_then(|()| store::Folder::open(out))),
        };
        let held = held.map_err(|error| Failure::io("make the folder", &place, &error))?;
        let canvas = args.size.unwrap_or_default();
        Ok(FigureFolder { held, formats: args.format.clone(), canvas, written: Vec::new(), crowded: Vec::new() })
    }

    /// Writes each figure in each format. A figure whose name is taken gets a number behind its
    /// name.
    ///
    /// # Errors
    /// If a file cannot be written.
    fn add(&mut self, figures: impl Iterator<Item = Figure>) -> Result<(), Failure> {
        for Figure { name, picture } in figures {
            let mut names = std::iter::once(name.clone()).chain((2..).map(|n| format!("{name}-{n}")));
            let name = names.find(|name| !self.written.contains(name)).expect("numbers do not end");
            if let Some(needed) = self.too_large(&picture) {
                self.crowded.push(format!("`{name}` is {needed}"));
                continue;
            }
            let mut files = Vec::new();
            for format in &self.formats {
                let (extension, bytes) = match format {
                    FigureFormat::Svg => ("svg", Ok(picture.svg().into_bytes())),
                    FigureFormat::Png => ("png", picture.png()),
                    FigureFormat::Pdf => ("pdf", picture.pdf()),
                };
                let file = format!("{name}.{extension}");
                let bytes = bytes.map_err(|error| Failure::new(format!("cannot draw `{file}`: {error}")))?;
                files.push((file, bytes));
            }
            files.iter().try_for_each(|(file, _)| refuse_other(&self.held.name(file)))?;
            files.iter().try_for_each(|(file, bytes)| self.held.replace(file, |to| to.write_all(bytes)))?;
            self.written.push(name);
        }
        Ok(())
    }

    /// How wide or how high a figure is that is larger than the paper.
    fn too_large(&self, picture: &Picture) -> Option<String> {
        let larger = |needed: f64, given: Option<f64>| given.is_some_and(|given| needed > given.ceil());
        let told = |pixels: f64, what: &str| Some(format!("{} mm {what}", millimetres(pixels).ceil()));
        if larger(picture.width, self.canvas.width()) {
            told(picture.width, "wide")
        } else if larger(picture.height, self.canvas.height()) {
            told(picture.height, "high")
        } else {
            None
        }
    }

    /// Refuses to be done while figures are left out that are larger than the paper.
    fn refuse_crowded(&self) -> Result<(), Failure> {
        match &*self.crowded {
            [] => Ok(()),
            crowded => Err(Failure::new(format!("with letters of 7 points, {}", crowded.join(", ")))
                .hint("give them more room with --size, or fewer panels and values with --facet and --where")),
        }
    }

    /// The paths of the files, one per line.
    fn listed(&self) -> String {
        let of = |name: &String| {
            let line = |format: &FigureFormat| {
                let extension = match format {
                    FigureFormat::Svg => "svg",
                    FigureFormat::Png => "png",
                    FigureFormat::Pdf => "pdf",
                };
                format!("{}.{extension}\n", self.held.name(name).display())
            };
            self.formats.iter().map(line).collect::<String>()
        };
        self.written.iter().map(of).collect()
    }
}
