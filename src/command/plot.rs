//! `blowup plot`: rows -> figures -> files.

use super::sweep::print;
use crate::cli::Plot;
use crate::failure::{Exit, Failure};
use crate::figures::cells::Metric;
use crate::figures::courses::{self, Courses};
use crate::figures::design::{shorten, varying};
use crate::figures::panel::{Panel, sheet};
use crate::figures::phase::Phase;
use crate::figures::picture::Picture;
use crate::figures::plan::{Asked, Family, Frame, Page};
use crate::figures::profile::{self, Profiles};
use crate::figures::table::{Factor, Table, measures};
use crate::figures::{cells, curves, rates, words};
use crate::spec::Mistake;
use crate::spec::filter::Filter;
use crate::spec::metric::Rate;
use crate::trial::TrialId;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

pub fn run(args: &Plot) -> Result<Exit, Failure> {
    let asked = Asked { x: args.x.clone(), y: args.y.clone(), facets: args.facet.clone() };
    let metric = metric(&args.metric)?;
    let table = read(&args.dir, &args.filters, metric)?;
    let families = asked.families(&table)?;
    let sweep = Sweep { table: &table, source: source(&args.dir), metric, asked: &asked };
    let mut folder = Folder::make(&args.dir)?;
    for family in &families {
        for page in asked.pages(&table, family) {
            folder.add(&sweep.name(&page), &sweep.diagram(&page))?;
        }
    }
    sweep.survival(&families, &mut folder)?;
    sweep.layers(&families, &args.dir.join("layers.csv"), &mut folder)?;
    sweep.trials(&families, &args.dir.join("epochs.csv"), &mut folder)?;
    print(&folder.listed());
    Ok(Exit::Done)
}

/// The rows of a run directory that the filters let through.
fn read(dir: &Path, filters: &[String], metric: Metric) -> Result<Table, Failure> {
    let filter = Filter::parse(filters).map_err(Failure::new)?;
    if !dir.is_dir() {
        let hint = "it is the folder that `blowup sweep` wrote, for example results/grid";
        return Err(Failure::new(format!("there is no folder `{}`", dir.display())).hint(hint));
    }
    let path = dir.join("runs.csv");
    let file = File::open(&path).map_err(|error| {
        Failure::io("open", &path, &error).hint("RUN_DIR is the folder of a sweep: `blowup sweep` writes runs.csv into it")
    })?;
    let columns = match metric {
        Metric::Rate(_) => Vec::new(),
        Metric::Median(column) => vec![column],
    };
    let mut table = Table::read(&path, BufReader::with_capacity(1 << 16, file), &columns, &filter)?;
    if table.read == 0 {
        return Err(Failure::new(format!("`{}` has no rows", path.display()))
            .hint("the sweep has not finished a trial yet; the same `blowup sweep` goes on with it"));
    }
    if table.is_empty() {
        return Err(Failure::new(format!(
            "`--where {}` matches none of the {} trials",
            filters.join(" --where "),
            table.read
        )));
    }
    shorten(&mut table);
    Ok(table)
}

/// A rate, or a column of `runs.csv`.
fn metric(name: &str) -> Result<Metric, Failure> {
    let rates = Rate::ALL.map(Rate::name);
    if let Some(rate) = Rate::ALL.into_iter().find(|rate| rate.name() == name) {
        return Ok(Metric::Rate(rate));
    }
    let columns = measures();
    if let Some(column) = columns.iter().find(|column| **column == name) {
        return Ok(Metric::Median(column));
    }
    let known: Vec<&str> = rates.into_iter().chain(columns).collect();
    Err(Failure::new(Mistake::unknown(format!("`{name}` is no metric"), name, &known).to_string()))
}

/// The name of the folder, which is that of the sweep by default.
fn source(dir: &Path) -> String {
    let full = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    full.file_name().map_or_else(|| dir.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// What all figures have in common.
struct Sweep<'a> {
    table: &'a Table,
    source: String,
    metric: Metric,
    asked: &'a Asked,
}

impl Sweep<'_> {
    fn diagram(&self, page: &Page<'_>) -> Picture {
        let title = words::title(&self.metric.title(), &self.source, page);
        match page.frame {
            Frame::Phase { x, y, columns, rows } => {
                let phase = Phase { table: self.table, x, y, columns, rows, metric: self.metric };
                let cells = phase.cells(&page.rows);
                let subtitle = words::subtitle(self.metric, page, &cells);
                phase.draw(&title, &subtitle, &cells, &page.family.rows)
            }
            Frame::Rates { by } => {
                let cells = cells::cells(self.table, &page.rows, &[by]);
                let subtitle = words::subtitle(self.metric, page, &cells);
                rates::draw(self.table, by, &page.rows, self.metric, &title, &subtitle)
            }
        }
    }

    /// The axes of a family: those that are asked for, or all that vary.
    fn axes(&self, family: &Family) -> Vec<&Factor> {
        if self.asked.is_default() {
            return varying(self.table, &family.rows);
        }
        let names = self.asked.x.iter().chain(&self.asked.y).chain(&self.asked.facets);
        names.filter_map(|name| self.table.factor(name)).collect()
    }

    fn titled(&self, what: &str, family: &Family) -> String {
        let name = if family.name.is_empty() { String::new() } else { format!(", {}", family.name) };
        format!("{what}: {}{name}", self.source)
    }

    fn survival(&self, families: &[Family], folder: &mut Folder) -> Result<(), Failure> {
        for family in families {
            let title = self.titled("Survival", family);
            if let Some(picture) = curves::draw(self.table, &self.axes(family), &family.rows, &title) {
                folder.add(&slug(&["survival".to_owned(), family.name.clone()]), &picture)?;
            }
        }
        Ok(())
    }

    fn layers(&self, families: &[Family], path: &Path, folder: &mut Folder) -> Result<(), Failure> {
        let Some(reader) = open_if_there(path)? else { return Ok(()) };
        let profiles = Profiles::read(path, reader, self.table)?;
        for family in families {
            let panels = profile::panels(self.table, &profiles, &varying(self.table, &family.rows), &family.rows);
            let when = if profiles.epoch == 0 { "before any update".to_owned() } else { format!("at epoch {}", profiles.epoch) };
            let subtitle = format!(
                "Norm of the gradient of the loss by each layer's input to its activation, {when}; medians over trials. Mean field: its \
                 square grows by the factor χ₁ per layer towards the input (Schoenholz et al. 2017)."
            );
            for panels in panels.chunks(9) {
                let picture = sheet(&self.titled("Backprop signal", family), &subtitle, panels);
                folder.add(&slug(&["layers".to_owned(), family.name.clone()]), &picture)?;
            }
        }
        Ok(())
    }

    fn trials(&self, families: &[Family], path: &Path, folder: &mut Folder) -> Result<(), Failure> {
        let Some(reader) = open_if_there(path)? else { return Ok(()) };
        let chosen: Vec<(Vec<&Factor>, Vec<u32>)> = families
            .iter()
            .map(|family| {
                let varying = varying(self.table, &family.rows);
                let rows = courses::chosen(self.table, &varying, &family.rows);
                (varying, rows)
            })
            .collect();
        let trials: Vec<TrialId> =
            chosen.iter().flat_map(|(_, rows)| rows).map(|row| self.table.trials[*row as usize]).collect();
        let courses = Courses::read(path, reader, &trials)?;
        for (family, (varying, rows)) in families.iter().zip(&chosen) {
            let panels: Vec<Panel> = rows.iter().filter_map(|row| courses.panel(self.table, varying, *row)).collect();
            if !panels.is_empty() {
                let subtitle = "Mean loss and largest gradient norm (before clipping) of each epoch; one trial a panel.";
                let picture = sheet(&self.titled("Single trials", family), subtitle, &panels);
                folder.add(&slug(&["trials".to_owned(), family.name.clone()]), &picture)?;
            }
        }
        Ok(())
    }

    /// Of a file, without its extension.
    fn name(&self, page: &Page<'_>) -> String {
        let kind = match self.metric {
            Metric::Rate(Rate::Divergence) => "phase",
            Metric::Rate(rate) => rate.name(),
            Metric::Median(column) => column,
        };
        let asked = self.asked.x.iter().chain(&self.asked.y).chain(&self.asked.facets).cloned();
        let fixed = page.fixed.iter().map(|(factor, code)| format!("{} {}", factor.name, words::at(factor, *code)));
        slug(&[kind.to_owned(), page.family.name.clone()].into_iter().chain(asked).chain(fixed).collect::<Vec<_>>())
    }
}

/// A file that a sweep may not have recorded.
fn open_if_there(path: &Path) -> Result<Option<BufReader<File>>, Failure> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::with_capacity(1 << 16, file))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io("open", path, &error)),
    }
}

/// Lowercase letters and digits, and one dash between them.
fn slug(parts: &[String]) -> String {
    let letters = parts.join(" ").to_lowercase();
    let words = letters.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}

/// `RUN_DIR/figures`, and what was written there.
struct Folder {
    dir: PathBuf,
    written: Vec<String>,
}

impl Folder {
    fn make(run: &Path) -> Result<Folder, Failure> {
        let dir = run.join("figures");
        fs::create_dir_all(&dir).map_err(|error| Failure::io("make the folder", &dir, &error))?;
        Ok(Folder { dir, written: Vec::new() })
    }

    /// As SVG and as PNG. Two figures never share a name.
    fn add(&mut self, name: &str, picture: &Picture) -> Result<(), Failure> {
        let mut names = std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{name}-{n}")));
        let name = names.find(|name| !self.written.contains(name)).expect("numbers do not end");
        let png = picture.png().map_err(|message| Failure::new(format!("cannot draw `{name}.png`: {message}")))?;
        for (extension, bytes) in [("svg", picture.svg().into_bytes()), ("png", png)] {
            let path = self.dir.join(format!("{name}.{extension}"));
            fs::write(&path, bytes).map_err(|error| Failure::io("write", &path, &error))?;
        }
        self.written.push(name);
        Ok(())
    }

    fn listed(&self) -> String {
        let line = |name: &String| format!("{}\n", self.dir.join(format!("{name}.{{svg,png}}")).display());
        self.written.iter().map(line).collect()
    }
}
