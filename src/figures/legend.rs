//! The legend beside a diagram: its scale of colours, and what the marks of its cells mean.

use super::cells::PlotMetric;
use super::font;
use super::marks::Marks;
use super::palette::{Colour, INK, PALE_INK, shade};
use super::picture::{Anchor, Area, Picture, Text};
use super::scale;
use super::style::{TEXT, TICK};
use super::words;

/// The values that a scale of colours covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// A share from 0 to 1.
    Share,
    Linear(f64, f64),
    Log(f64, f64),
}

/// The colour of a median that is not finite.
const NOT_FINITE: Colour = Colour(20, 20, 20);

impl Range {
    /// The range of the finite values. It is logarithmic where they are not negative and span a
    /// factor of more than 50.
    pub fn of(metric: PlotMetric, values: &[Option<f64>]) -> Range {
        if let PlotMetric::Rate(_) = metric {
            return Range::Share;
        }
        let finite = || values.iter().flatten().copied().filter(|x| x.is_finite());
        let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
        let least = finite().filter(|x| *x > 0.0).fold(f64::INFINITY, f64::min);
        if low > high {
            Range::Linear(0.0, 1.0)
        } else if low >= 0.0 && high / least > 50.0 {
            Range::Log(least, high)
        } else {
            Range::Linear(low, if high > low { high } else { low + 1.0 })
        }
    }

    /// The colour of a value.
    pub fn colour(self, value: f64) -> Colour {
        if value.is_finite() { shade(self.place(value)) } else { NOT_FINITE }
    }

    /// The smallest and the largest value.
    pub fn ends(self) -> (f64, f64) {
        match self {
            Range::Share => (0.0, 1.0),
            Range::Linear(low, high) | Range::Log(low, high) => (low, high),
        }
    }

    /// The place of a value on the scale, from 0 to 1. Zero stands at the foot of a logarithmic
    /// scale.
    pub fn place(self, value: f64) -> f64 {
        match self {
            Range::Share => value,
            Range::Linear(low, high) => (value - low) / (high - low),
            Range::Log(low, high) => ((value.max(low) / low).ln() / (high / low).ln()).clamp(0.0, 1.0),
        }
    }

    /// The value as it is written inside a cell.
    pub fn text(self, value: f64) -> String {
        match self {
            Range::Share if value == 0.0 || value == 1.0 => format!("{value}"),
            // A share that is close to 0 or 1 is not rounded to 0 or 1.
            Range::Share => format!("{:.2}", value.clamp(0.01, 0.99)).trim_start_matches('0').to_owned(),
            Range::Linear(..) | Range::Log(..) => scale::number(value),
        }
    }

    /// The ticks of the scale: their places from 0 to 1, and their texts.
    fn ticks(self) -> Vec<(f64, String)> {
        match self {
            Range::Share => [0.0, 0.25, 0.5, 0.75, 1.0].map(|x| (x, format!("{x}"))).to_vec(),
            Range::Linear(low, high) => {
                [0.0, 0.5, 1.0].map(|part| (part, scale::number(low + part * (high - low)))).to_vec()
            }
            Range::Log(low, high) => {
                let ticks = scale::decades(low, high, 6).into_iter().filter(|x| (low..=high).contains(x));
                let ticks: Vec<_> = ticks.map(|x| (self.place(x), scale::power(x))).collect();
                if ticks.len() > 1 {
                    return ticks;
                }
                vec![(0.0, scale::number(low)), (1.0, scale::number(high))]
            }
        }
    }
}

/// A legend and its size in pixels.
pub struct Legend<'a> {
    title: Vec<String>,
    range: Range,
    not_finite: bool,
    marks: &'a Marks,
    pub width: f64,
    pub height: f64,
}

const WIDTH: f64 = 132.0;
const BAR: f64 = 130.0;
const LINE: f64 = 15.0;
/// The height of a scale that lies below a diagram, with its texts and the gap below them.
const FLAT_BAR: f64 = 44.0;

impl<'a> Legend<'a> {
    /// The legend of a diagram. `not_finite` says whether the diagram has values that are not
    /// finite.
    pub fn new(metric: PlotMetric, range: Range, not_finite: bool, marks: &'a Marks) -> Legend<'a> {
        let title = font::wrapped(&words::capital(&metric.title()), TEXT, WIDTH);
        let width = title.iter().map(|line| font::width(line, TEXT)).fold(WIDTH, f64::max);
        let entries = marks.listed().iter().map(|(_, text)| lines(text).len() as f64 * LINE + 5.0).sum::<f64>();
        let swatch = if not_finite { 22.0 } else { 0.0 };
        let height = title.len() as f64 * LINE + 6.0 + BAR + 18.0 + swatch + entries;
        Legend { title, range, not_finite, marks, width, height }
    }

    /// Draws it with its upper left corner at (`x`, `top`).
    pub fn draw(&self, picture: &mut Picture, x: f64, top: f64) {
        let mut y = top + 10.0;
        for line in &self.title {
            picture.text(Text::new(x, y, &**line, TEXT));
            y += LINE;
        }
        y -= 4.0;
        const PARTS: usize = 65;
        for part in 0..PARTS {
            let share = 1.0 - part as f64 / (PARTS - 1) as f64;
            // Each colour reaches to the end, below the next ones, so that there is no gap.
            let done = BAR * part as f64 / PARTS as f64;
            picture.rect(Area::new(x, y + done, 14.0, BAR - done), shade(share));
        }
        for (place, text) in self.range.ticks() {
            let at = y + BAR * (1.0 - place);
            picture.line(vec![(x + 14.0, at), (x + 18.0, at)], TICK);
            picture.text(Text::new(x + 22.0, at + 4.0, text, TEXT));
        }
        y += BAR + 18.0;
        if self.not_finite {
            picture.rect(Area::new(x, y - 4.0, 14.0, 14.0), NOT_FINITE);
            picture.text(Text::new(x + 22.0, y + 7.0, "not finite", TEXT).colour(INK));
            y += 22.0;
        }
        for (cell, text) in self.marks.listed() {
            let area = Area::new(x, y - 4.0, 14.0, 14.0);
            picture.frame(area, PALE_INK);
            self.marks.draw(picture, area, &cell);
            for line in lines(&text) {
                picture.text(Text::new(x + 22.0, y + 7.0, line, TEXT));
                y += LINE;
            }
            y += 5.0;
        }
    }

    /// Its height where it lies below a diagram that is `width` pixels wide.
    pub fn flat_height(&self, width: f64) -> f64 {
        self.flat_rows(width).last().map_or(0.0, |(_, y, _)| y + LINE)
            + LINE * font::wrapped(&self.title.join(" "), TEXT, width).len() as f64
            + FLAT_BAR
    }

    /// The marks and the texts below the scale, each with its place: x, and y below the scale.
    fn flat_rows(&self, width: f64) -> Vec<(f64, f64, String)> {
        let marks = self.marks.listed().into_iter().map(|(_, text)| text);
        let (mut x, mut y) = (0.0, 0.0);
        let mut places = Vec::new();
        for text in self.not_finite.then(|| "not finite".to_owned()).into_iter().chain(marks) {
            let room = 22.0 + font::width(&text, TEXT) + 14.0;
            if x > 0.0 && x + room > width {
                (x, y) = (0.0, y + LINE + 3.0);
            }
            places.push((x, y, text));
            x += room;
        }
        places
    }

    /// Draws it with its upper left corner at (`x`, `top`), its scale from the left to the right.
    pub fn draw_flat(&self, picture: &mut Picture, x: f64, top: f64, width: f64) {
        let mut y = top + 10.0;
        for line in font::wrapped(&self.title.join(" "), TEXT, width) {
            picture.text(Text::new(x, y, line, TEXT));
            y += LINE;
        }
        y -= 8.0;
        const PARTS: usize = 65;
        for part in 0..PARTS {
            let share = part as f64 / (PARTS - 1) as f64;
            let done = BAR * part as f64 / PARTS as f64;
            picture.rect(Area::new(x + done, y, BAR - done, 10.0), shade(share));
        }
        for (place, text) in self.range.ticks() {
            let at = x + BAR * place;
            picture.line(vec![(at, y + 10.0), (at, y + 13.0)], TICK);
            let anchor = if place == 0.0 { Anchor::Start } else { Anchor::Middle };
            picture.text(Text::new(at, y + 25.0, text, TEXT).anchor(anchor));
        }
        y += FLAT_BAR;
        let cells = self.not_finite.then_some(None).into_iter();
        let cells = cells.chain(self.marks.listed().into_iter().map(|(cell, _)| Some(cell)));
        for (cell, (across, down, text)) in cells.zip(self.flat_rows(width)) {
            let area = Area::new(x + across, y + down - 11.0, 14.0, 14.0);
            match cell {
                None => picture.rect(area, NOT_FINITE),
                Some(cell) => {
                    picture.frame(area, PALE_INK);
                    self.marks.draw(picture, area, &cell);
                }
            }
            picture.text(Text::new(area.x + 22.0, y + down, text, TEXT));
        }
    }
}

fn lines(text: &str) -> Vec<String> {
    font::wrapped(text, TEXT, WIDTH - 22.0)
}
