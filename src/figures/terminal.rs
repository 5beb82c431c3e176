//! A diagram as text, at most 80 columns wide. A cell is up to four characters wide. Without
//! colours, five characters stand for its shades.

use super::cells::{DiagramCell, PlotMetric};
use super::legend::Range;
use super::marks::MIXED;
use super::palette::{Colour, shade};
use super::plan::{Frame, Page, PhaseAxes, levels};
use super::scale;
use super::table::{Factor, TrialTable};
use super::words;
use std::collections::HashMap;
use std::fmt::Write as _;

const WIDTH: usize = 80;
/// The longest name of a row, in characters. Longer ones are cut.
const NAME: usize = 16;
const GAP: usize = 2;

/// The diagram of a page, with a title above and the meaning of the shades below.
pub fn draw(
    table: &TrialTable,
    page: &Page<'_>,
    cells: &[DiagramCell],
    metric: PlotMetric,
    title: &str,
    coloured: bool,
) -> String {
    let values: Vec<Option<f64>> = cells.iter().map(|cell| cell.value(table, metric)).collect();
    let range = Range::of(metric, &values);
    let mut text = folded(title);
    match page.frame {
        Frame::Phase(axes) => {
            let shades = Shades { range, coloured };
            panels(&mut text, axes, page, cells, &values, shades);
            let _ = writeln!(text, "{}", shades.key());
            if cells.iter().any(|cell| cell.mixed) {
                let _ = writeln!(text, "×× {MIXED}");
            }
        }
        Frame::Rates { by } => bars(&mut text, by, cells, &values, metric),
    }
    for (what, factors) in [("held at one value each", &page.held), ("pooled over", &page.pooled)] {
        if !factors.is_empty() {
            let names: Vec<&str> = factors.iter().map(|factor| factor.name).collect();
            let _ = writeln!(text, "{}", cut(&format!("{what}: {}", names.join(", ")), WIDTH));
        }
    }
    text
}

/// Writes the panels of a phase diagram.
fn panels(
    text: &mut String,
    axes: PhaseAxes<'_>,
    page: &Page<'_>,
    cells: &[DiagramCell],
    values: &[Option<f64>],
    shades: Shades,
) {
    let values = cells.iter().zip(values).map(|(cell, value)| value.map(|value| Shown { value, mixed: cell.mixed }));
    let at: HashMap<&[u32], Option<Shown>> = cells.iter().map(|cell| &*cell.levels).zip(values).collect();
    let facet = |factor: Option<&Factor>| factor.map_or_else(|| vec![0], |factor| levels(factor, &page.rows));
    let (columns, rows) = (facet(axes.columns), facet(axes.rows));
    let (xs, mut ys) = (levels(axes.x, &page.family.rows), levels(axes.y, &page.family.rows));
    if axes.y.is_numeric() {
        ys.reverse();
    }
    let name = |factor: &Factor, code: u32| cut(&words::at(factor, code), NAME);
    let left = ys.iter().map(|y| name(axes.y, *y).chars().count()).max().unwrap_or(0) + 1;
    let room = WIDTH - left;
    // If there are more values than columns, only every second, third, ... is shown.
    let every = xs.len().div_ceil(room);
    let xs: Vec<u32> = xs.into_iter().step_by(every).collect();
    let fits = |cell: usize| columns.len() * (xs.len() * cell + GAP) <= room + GAP;
    let cell = (1..=4).rev().find(|cell| fits(*cell)).unwrap_or(if xs.len() * 2 <= room { 2 } else { 1 });
    let panel = xs.len() * cell;
    let abreast = ((room + GAP) / (panel + GAP)).max(1);
    for row in &rows {
        if let Some(factor) = axes.rows {
            let _ = writeln!(
                text,
                "{}",
                cut(&format!("{}: {}", scale::title(factor.name), words::at(factor, *row)), WIDTH)
            );
        }
        for columns in columns.chunks(abreast) {
            if let Some(factor) = axes.columns {
                line(text, left, columns.iter().map(|code| padded(&words::at(factor, *code), panel)));
            }
            for y in &ys {
                let _ = write!(text, "{:>1$} ", name(axes.y, *y), left - 1);
                for (i, column) in columns.iter().enumerate() {
                    let gap = if i > 0 { GAP } else { 0 };
                    let _ = write!(text, "{:gap$}", "");
                    for x in &xs {
                        let facets = [axes.columns.map(|_| *column), axes.rows.map(|_| *row)];
                        let key: Vec<u32> = [*x, *y].into_iter().chain(facets.into_iter().flatten()).collect();
                        text.push_str(&shades.cell(at.get(&*key).copied(), cell));
                    }
                }
                text.truncate(text.trim_end_matches(' ').len());
                text.push('\n');
            }
        }
    }
    let ends = ends(&words::at(axes.x, xs[0]), &words::at(axes.x, xs[xs.len() - 1]), panel);
    line(text, left, std::iter::repeat_n(ends, columns.len().min(abreast)));
    let facet = axes.columns.map_or_else(String::new, |factor| format!(", panels: {}", scale::title(factor.name)));
    let names = format!("across: {}, up: {}{facet}", scale::title(axes.x.name), scale::title(axes.y.name));
    let names = if axes.y.is_numeric() { names } else { names.replace(", up: ", ", down: ") };
    let _ = writeln!(text, "{}", cut(&names, WIDTH));
}

/// Writes a line for each level, with a bar for a rate.
fn bars(text: &mut String, by: &Factor, cells: &[DiagramCell], values: &[Option<f64>], metric: PlotMetric) {
    const BAR: usize = 30;
    let width = cells.iter().map(|cell| words::at(by, cell.levels[0]).chars().count()).max().unwrap_or(0).min(30);
    for (cell, value) in cells.iter().zip(values) {
        let name = cut(&words::at(by, cell.levels[0]), 30);
        let lost = if cell.counts.lost > 0 { format!(", {} lost", cell.counts.lost) } else { String::new() };
        let _ = match (metric, value) {
            (PlotMetric::Rate(rate), Some(value)) => {
                let full = (value * BAR as f64).round() as usize;
                let bar = "█".repeat(full) + &"·".repeat(BAR - full.min(BAR));
                let (hits, n) = (cell.counts.hits(rate), cell.counts.verdicts());
                writeln!(text, "{name:<width$} {bar} {hits} of {n}{lost}")
            }
            (PlotMetric::Median(_) | PlotMetric::LrSensitivity, Some(value)) => {
                writeln!(text, "{name:<width$} {}{lost}", scale::number(*value))
            }
            (_, None) => writeln!(text, "{name:<width$} no value{lost}"),
        };
    }
}

/// How values are shown as characters.
#[derive(Clone, Copy)]
struct Shades {
    range: Range,
    coloured: bool,
}

/// The value of a cell, and whether the cell is mixed.
#[derive(Clone, Copy)]
struct Shown {
    value: f64,
    mixed: bool,
}

/// The characters of five shades: none, three steps, all.
const GREYS: [&str; 5] = ["·", "░", "▒", "▓", "█"];

impl Shades {
    /// The characters of a cell. `None` means that it has no trials, `Some(None)` that it has no
    /// value.
    fn cell(self, shown: Option<Option<Shown>>, width: usize) -> String {
        match shown {
            None => " ".repeat(width),
            Some(None) => "?".repeat(width),
            Some(Some(Shown { mixed: true, .. })) => "×".repeat(width),
            Some(Some(Shown { value, .. })) if self.coloured => background(self.range.colour(value), width),
            Some(Some(Shown { value, .. })) => grey(self.range.place(value)).repeat(width),
        }
    }

    /// The meaning of the shades.
    fn key(self) -> String {
        let share = self.range == Range::Share;
        let swatch = |place: f64| if self.coloured { background(shade(place), 2) } else { grey(place).repeat(2) };
        if share {
            let parts = [(0.0, "0"), (0.2, "to .4"), (0.5, "to .6"), (0.8, "below 1"), (1.0, "1")];
            return parts.map(|(place, text)| format!("{} {text}", swatch(place))).join("  ") + "  ?? no verdict";
        }
        let (low, high) = self.range.ends();
        let scale: Vec<String> = [0.0, 0.2, 0.5, 0.8, 1.0].map(swatch).to_vec();
        format!("{} {} {}  ?? no value", scale::number(low), scale.concat(), scale::number(high))
    }
}

fn grey(place: f64) -> &'static str {
    match place {
        x if x <= 0.0 => GREYS[0],
        x if x <= 0.4 => GREYS[1],
        x if x <= 0.6 => GREYS[2],
        x if x < 1.0 => GREYS[3],
        _ => GREYS[4],
    }
}

/// Blanks on a background, which is the nearest of the 216 colours that terminals have in common.
fn background(colour: Colour, width: usize) -> String {
    let sixth = |x: u8| {
        if x < 48 {
            0
        } else if x < 115 {
            1
        } else {
            (u32::from(x) - 35) / 40
        }
    };
    let number = 16 + 36 * sixth(colour.0) + 6 * sixth(colour.1) + sixth(colour.2);
    format!("\x1b[48;5;{number}m{:width$}\x1b[0m", "")
}

/// Writes a line: a margin of `left` columns, then the parts with a gap between them.
fn line(text: &mut String, left: usize, parts: impl Iterator<Item = String>) {
    let parts: Vec<String> = parts.collect();
    let whole = format!("{:left$}{}", "", parts.join(&" ".repeat(GAP)));
    let _ = writeln!(text, "{}", whole.trim_end());
}

/// The first and the last text, at both ends of a width. If there is no room, only the first.
fn ends(first: &str, last: &str, width: usize) -> String {
    let (a, b) = (first.chars().count(), last.chars().count());
    if a + b < width { format!("{first}{:1$}{last}", "", width - a - b) } else { padded(first, width) }
}

fn padded(text: &str, width: usize) -> String {
    format!("{:<width$}", cut(text, width))
}

/// The title, broken between its words.
fn folded(title: &str) -> String {
    let (mut text, mut used) = (String::new(), 0);
    for word in title.split(' ').map(|word| cut(word, WIDTH)) {
        let length = word.chars().count();
        let fits = used > 0 && used + 1 + length <= WIDTH;
        text.push_str(if fits {
            " "
        } else if used > 0 {
            "\n"
        } else {
            ""
        });
        text.push_str(&word);
        used = if fits { used + 1 + length } else { length };
    }
    text + "\n"
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}
