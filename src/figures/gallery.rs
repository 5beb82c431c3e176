//! All figures of a sweep, with the names of their files. Each family of trials has phase diagrams
//! or diagrams of rates, survival curves, and figures of what was recorded of layers and epochs.

use super::boundary;
use super::canvas::Canvas;
use super::cells::{DiagramCell, PlotMetric, cells};
use super::coordinate::{Check, Coordinates};
use super::courses::{self, Courses};
use super::curves;
use super::design::varying;
use super::panel::{Form, Panel, sheet};
use super::phase::Phase;
use super::picture::Picture;
use super::plan::{AxisSelection, Frame, Page, TrialFamily};
use super::profile::{self, Profiles};
use super::rates;
use super::table::{Factor, TrialTable};
use super::terminal;
use super::words;
use blowup_core::failure::Failure;
use blowup_core::spec::metric::{LR_SENSITIVITY, Rate};
use blowup_core::trial::TrialId;
use sha2::{Digest, Sha256};
use std::io::BufRead;
use std::path::Path;

/// A picture, and the name of its file without extension.
pub struct Figure {
    pub name: String,
    pub picture: Picture,
}

/// The sweep whose trials are drawn, and the filters that choose among them.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// The name of the sweep.
    pub name: String,
    /// The values of `--where`. They stand in every title and in the name of every file, so that
    /// nobody takes a figure of some trials for one of all.
    pub filters: Vec<String>,
    /// The builds that trained it, as far as its manifest is there.
    pub builds: Vec<String>,
    /// The title that all figures have in place of their own. The filters stand in the subtitle
    /// then.
    pub title: Option<String>,
    /// What the figures are drawn for.
    pub canvas: Canvas,
}

impl Source {
    /// The title of a figure, with the filters behind it, or the one that all have.
    pub fn titled(&self, title: String) -> String {
        if let Some(title) = &self.title {
            return title.clone();
        }
        if self.filters.is_empty() { title } else { format!("{title} (only {})", self.filters.join(", ")) }
    }

    /// The subtitle of a figure, with what no title says: the filters, where the title is not its
    /// own, and the builds.
    pub fn subtitled(&self, mut text: String) -> String {
        if self.title.is_some() {
            let only =
                if self.filters.is_empty() { String::new() } else { format!(", only {}", self.filters.join(", ")) };
            text = format!("{}{only}. {text}", self.name);
        }
        if self.builds.is_empty() { text } else { format!("{text} Build {}.", self.builds.join(", ")) }
    }

    /// The end of the names of files, which names the filters. None without filters.
    fn suffix(&self) -> Option<String> {
        const LONGEST: usize = 80;
        if self.filters.is_empty() {
            return None;
        }
        let text = slug(&self.filters.iter().map(|filter| filter.replace("..", " to ")).collect::<Vec<_>>());
        let told = text.len() <= LONGEST && self.filters.iter().all(|filter| survives(filter));
        let start: String = text.chars().take(LONGEST).collect();
        let hash = || -> String {
            let digest = Sha256::digest(self.filters.join("\n"));
            digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
        };
        Some(format!("where {start}{}", if told { String::new() } else { format!(" {}", hash()) }))
    }
}

/// Whether a filter can be told from all others in the name of a file, where only letters, digits
/// and dots are left.
fn survives(filter: &str) -> bool {
    let (name, values) = filter.split_once('=').unwrap_or(("", filter));
    if name.trim() == "label" {
        return values.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    }
    let bytes = values.as_bytes();
    // A minus sign would be lost, except that of an exponent.
    let sign = |at: usize| bytes[at] == b'-' && bytes.get(at + 1).is_some_and(|c| c.is_ascii_digit() || *c == b'.');
    !(0..bytes.len()).any(|at| sign(at) && !(at > 0 && bytes[at - 1].eq_ignore_ascii_case(&b'e')))
}

/// The figures of a sweep.
pub struct Gallery<'a> {
    pub table: &'a TrialTable,
    pub source: Source,
    pub metric: PlotMetric,
    pub asked: &'a AxisSelection,
    pub families: Vec<TrialFamily>,
}

impl<'a> Gallery<'a> {
    /// # Errors
    /// If an axis that was asked for is unknown, is named twice or has a single value, and if the
    /// metric compares its values.
    pub fn new(
        table: &'a TrialTable,
        source: Source,
        metric: PlotMetric,
        asked: &'a AxisSelection,
    ) -> Result<Gallery<'a>, Failure> {
        if let Some(axis) = asked.names().find(|name| metric.pooled().contains(&name.as_str())) {
            let message = format!("`{axis}` is no axis of a figure of {}", metric.title());
            let hint = format!("each value of the metric compares all values of `{axis}`; choose other axes");
            return Err(Failure::new(message).hint(hint));
        }
        Ok(Gallery { table, source, metric, asked, families: asked.families(table)? })
    }

    /// The diagrams of all families.
    pub fn pages(&self) -> impl Iterator<Item = Page<'_>> {
        self.families.iter().flat_map(|family| self.asked.pages(self.table, family, self.metric.pooled()))
    }

    fn cells(&self, page: &Page<'_>) -> Vec<DiagramCell> {
        let mut cells = cells(self.table, &page.rows, &page.frame.by());
        if let PlotMetric::Rate(rate) = self.metric {
            cells.iter_mut().for_each(|cell| cell.find_mixed(self.table, &page.pooled, rate));
        }
        cells
    }

    /// Draws the diagram of a page.
    pub fn diagram(&self, page: &Page<'_>) -> Figure {
        let title = self.source.titled(words::title(&self.metric.title(), &self.source.name, page));
        let cells = self.cells(page);
        let subtitle = self.source.subtitled(words::subtitle(self.table, self.metric, page, &cells));
        let picture = match page.frame {
            Frame::Phase(axes) => Phase { table: self.table, axes, metric: self.metric, canvas: self.source.canvas }
                .draw(&title, &subtitle, &cells, &page.family.rows),
            Frame::Rates { by } => {
                rates::draw(self.table, by, &cells, self.metric, (&title, &subtitle), self.source.canvas)
            }
        };
        Figure { name: self.name(page), picture }
    }

    /// The diagram of a page as text, at most 80 columns wide.
    pub fn text(&self, page: &Page<'_>, coloured: bool) -> String {
        let title = self.source.titled(words::title(&self.metric.title(), &self.source.name, page));
        terminal::draw(self.table, page, &self.cells(page), self.metric, &title, coloured)
    }

    /// The name of the file of a diagram, without extension.
    fn name(&self, page: &Page<'_>) -> String {
        let kind = match self.metric {
            PlotMetric::Rate(Rate::Failure) => "phase",
            PlotMetric::Rate(rate) => rate.name(),
            PlotMetric::Median(column) => column,
            PlotMetric::LrSensitivity => LR_SENSITIVITY,
        };
        let fixed = page.fixed.iter().map(|(factor, code)| format!("{} {}", factor.name, words::at(factor, *code)));
        let parts = [kind.to_owned(), page.family.name.clone()].into_iter();
        slug(&parts.chain(self.asked.words()).chain(fixed).chain(self.source.suffix()).collect::<Vec<_>>())
    }

    /// A figure of panels of a family: a sentence on what they show stands below its title.
    fn sheet(&self, kind: &str, what: &str, subtitle: &str, family: &TrialFamily, panels: &[Panel]) -> Figure {
        let (title, subtitle) = (self.titled(what, family), self.source.subtitled(subtitle.to_owned()));
        self.figure(kind, family, sheet(&title, &subtitle, panels, self.source.canvas))
    }

    /// A figure that is no phase diagram.
    fn figure(&self, kind: &str, family: &TrialFamily, picture: Picture) -> Figure {
        // Only these show the axes that were asked for, and only the boundary a metric.
        let asked = self.asked.words().filter(|_| matches!(kind, "survival" | "boundary"));
        let metric = match self.metric {
            PlotMetric::Rate(rate) if kind == "boundary" && rate != Rate::Failure => format!(" {}", rate.name()),
            PlotMetric::Rate(_) | PlotMetric::Median(_) | PlotMetric::LrSensitivity => String::new(),
        };
        let parts =
            [format!("{kind}{metric}"), family.name.clone()].into_iter().chain(asked).chain(self.source.suffix());
        Figure { name: slug(&parts.collect::<Vec<_>>()), picture }
    }

    fn titled(&self, what: &str, family: &TrialFamily) -> String {
        let name = if family.name.is_empty() { String::new() } else { format!(", {}", family.name) };
        self.source.titled(format!("{what}: {}{name}", self.source.name))
    }

    /// The axes of a family: those that were asked for, or else all that vary.
    fn axes(&self, family: &TrialFamily) -> Vec<&Factor> {
        if self.asked.is_default() {
            return varying(self.table, &family.rows);
        }
        self.asked.names().filter_map(|name| self.table.factor(name)).collect()
    }

    /// The boundary of each family: where half of the trials fail. There is none of a metric that
    /// does not grow towards unsafe values.
    pub fn boundaries(&self) -> Vec<Figure> {
        const PANELS: usize = 9;
        let PlotMetric::Rate(rate) = self.metric else { return Vec::new() };
        let Some(told) = boundary::subtitle(rate) else { return Vec::new() };
        let mut figures = Vec::new();
        for family in &self.families {
            let pages = self.asked.of_numbers(self.table, family).pages(self.table, family, self.metric.pooled());
            let pooled = pages.first().map_or_else(String::new, |page| words::pooled(&page.pooled, &page.rows));
            let subtitle = format!("{told}{pooled}.");
            let panels: Vec<Panel> =
                pages.iter().flat_map(|page| boundary::panels(self.table, page, &self.cells(page), rate)).collect();
            for panels in panels.chunks(PANELS) {
                let title = format!("Boundary of the {}", self.metric.title());
                figures.push(self.sheet("boundary", &title, &subtitle, family, panels));
            }
        }
        figures
    }

    /// The survival curves of each family.
    pub fn survival(&self) -> Vec<Figure> {
        let draw = |family: &TrialFamily| {
            let (panels, subtitle) = curves::panels(self.table, &self.axes(family), &family.rows)?;
            Some(self.sheet("survival", "Survival", &subtitle, family, &panels))
        };
        self.families.iter().filter_map(draw).collect()
    }

    /// The figures of layers. `reader` reads `layers.csv`, and `path` names it in messages.
    ///
    /// # Errors
    /// If a row is damaged. The message names its line.
    pub fn layers(&self, path: &Path, reader: impl BufRead) -> Result<Vec<Figure>, Failure> {
        const PANELS: usize = 9;
        let profiles = Profiles::read(path, reader, self.table)?;
        let when = match profiles.epoch {
            0 => "before any update".to_owned(),
            epoch => format!("at epoch {epoch}"),
        };
        let theory =
            "Mean field: its square grows by the factor χ₁ per layer towards the input (Schoenholz et al. 2017).";
        let mut figures = Vec::new();
        for family in &self.families {
            let tensors = profile::tensors(self.table, &family.rows);
            let measured = format!("Norm of the gradient of the loss by {tensors}, {when}; medians over trials.");
            let panels = profile::panels(self.table, &profiles, &varying(self.table, &family.rows), &family.rows);
            for panels in panels.chunks(PANELS) {
                let has_theory = panels.iter().flat_map(|panel| &panel.lines).any(|line| line.stroke.dashed);
                let subtitle = if has_theory { format!("{measured} {theory}") } else { measured.clone() };
                figures.push(self.sheet("layers", "Backprop signal", &subtitle, family, panels));
            }
        }
        Ok(figures)
    }

    /// The coordinate check of each family that has two widths. `reader` reads `layers.csv`, and
    /// `path` names it in messages.
    ///
    /// # Errors
    /// If a row is damaged. The message names its line.
    pub fn coordinates(&self, path: &Path, reader: impl BufRead) -> Result<Vec<Figure>, Failure> {
        let has_widths = |factor: &&Factor| factor.name == "width";
        let families = self.families.iter().map(|family| (family, varying(self.table, &family.rows)));
        let families: Vec<_> = families.filter(|(_, varying)| varying.iter().any(has_widths)).collect();
        if families.is_empty() {
            return Ok(Vec::new());
        }
        let coordinates = Coordinates::read(path, reader, self.table)?;
        let measured = match coordinates.epoch {
            0 => "Size of what each layer hands on before any update".to_owned(),
            epoch => {
                format!("Size of what each layer hands on at epoch {epoch}, and how much it has changed since epoch 0")
            }
        };
        let mut figures = Vec::new();
        for (family, varying) in families {
            let Check { panels, pooled } = coordinates.check(self.table, &varying, &family.rows);
            if panels.is_empty() {
                continue;
            }
            let over = words::pooled(&pooled, &family.rows);
            let subtitle = format!("{measured}, by width; medians over trials{over}.");
            figures.push(self.sheet("coordinates", "Coordinate check", &subtitle, family, &panels));
        }
        Ok(figures)
    }

    /// The figures of single trials. `reader` reads `epochs.csv`, and `path` names it in messages.
    ///
    /// # Errors
    /// If a row is damaged. The message names its line.
    pub fn trials(&self, path: &Path, reader: impl BufRead) -> Result<Vec<Figure>, Failure> {
        let choose = |family: &TrialFamily| {
            let varying = varying(self.table, &family.rows);
            let rows = courses::chosen(self.table, &varying, &family.rows);
            (varying, rows)
        };
        let chosen: Vec<(Vec<&Factor>, Vec<u32>)> = self.families.iter().map(choose).collect();
        let id = |row: &u32| self.table.trials[*row as usize];
        let trials: Vec<TrialId> = chosen.iter().flat_map(|(_, rows)| rows).map(id).collect();
        let courses = Courses::read(path, reader, &trials)?;
        let mut figures = Vec::new();
        for (family, (varying, rows)) in self.families.iter().zip(&chosen) {
            let panels: Vec<Panel> = rows.iter().filter_map(|row| courses.panel(self.table, varying, *row)).collect();
            if panels.is_empty() {
                continue;
            }
            let clipped = panels.iter().flat_map(|panel| &panel.lines).any(|line| line.shape == Form::Ticks);
            let marks = if clipped { " Upright strokes: epochs with clipped updates." } else { "" };
            let subtitle =
                format!("Mean loss and largest gradient norm, before clipping, of each epoch; a trial a panel.{marks}");
            figures.push(self.sheet("trials", "Single trials", &subtitle, family, &panels));
        }
        Ok(figures)
    }
}

/// The parts as the name of a file: lowercase letters, digits and dots, with single dashes between
/// the words.
pub fn slug(parts: &[String]) -> String {
    let letters = parts.join(" ").to_lowercase();
    let words = letters.split(|c: char| !c.is_ascii_alphanumeric() && c != '.').filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-")
}
