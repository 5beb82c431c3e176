//! A plot of lines with a frame, axes and a legend, and several such panels of the same size side
//! by side.

use super::font;
use super::heading::Heading;
use super::palette::{Colour, GRID, PALE_INK};
use super::picture::{Anchor, Area, Picture, Stroke, Text};
use super::scale;
use super::style::{PAD, TEXT, TICK};

/// One plot of lines.
pub struct Panel {
    pub title: String,
    pub x: AxisRange,
    pub y: AxisRange,
    pub x_title: String,
    pub y_title: String,
    pub lines: Vec<Line>,
    pub legend: Vec<LegendEntry>,
}

/// The ends of an axis, and the scale between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AxisRange {
    pub low: f64,
    pub high: f64,
    pub scale: Scale,
}

/// How values are spaced along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    Linear,
    Log,
    /// The logarithm of 1 + x, which has a place for 0.
    Log1p,
}

/// A line of a plot.
pub struct Line {
    /// The points in the units of the axes, in the order of x.
    pub points: Vec<(f64, f64)>,
    pub stroke: Stroke,
    pub shape: Form,
}

/// How the points of a line are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Line,
    /// A line that is horizontal up to the next point.
    Steps,
    /// A short upright stroke at each point.
    Ticks,
    /// A cross at each point.
    Crosses,
    /// The inside of the points.
    Area,
}

/// A line of the legend. Without a stroke it is only a text.
pub struct LegendEntry {
    pub text: String,
    pub stroke: Option<(Stroke, Form)>,
}

const PLOT: (f64, f64) = (270.0, 180.0);
const LEFT: f64 = 58.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 44.0;
const LINE: f64 = 16.0;
const KEY: f64 = 26.0;

impl AxisRange {
    /// A linear axis.
    pub fn linear(low: f64, high: f64) -> AxisRange {
        AxisRange { low, high, scale: Scale::Linear }
    }

    /// A logarithmic axis between the powers of ten around the positive finite values. None if
    /// there are no such values.
    pub fn decades(values: impl Iterator<Item = f64>) -> Option<AxisRange> {
        let (low, high) = values
            .filter(|x| x.is_finite() && *x > 0.0)
            .fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), x| (low.min(x), high.max(x)));
        let power = |exponent: f64| 10f64.powf(exponent.clamp(-307.0, 308.0));
        let (low, high) = (low <= high).then(|| (low.log10().floor(), high.log10().ceil()))?;
        Some(AxisRange { low: power(low), high: power(if high > low { high } else { low + 1.0 }), scale: Scale::Log })
    }

    /// An axis of epochs from 0. If there are many, the first ones get as much room as the later
    /// ones.
    pub fn epochs(last: f64) -> AxisRange {
        AxisRange { low: 0.0, high: last, scale: if last > 12.0 { Scale::Log1p } else { Scale::Linear } }
    }

    /// The place of a value between the ends, from 0 to 1.
    fn place(self, value: f64) -> f64 {
        let on = |x: f64| match self.scale {
            Scale::Linear => x,
            Scale::Log => x.log10(),
            Scale::Log1p => x.ln_1p(),
        };
        (on(value) - on(self.low)) / (on(self.high) - on(self.low))
    }

    /// The ticks: their values, and their texts.
    fn ticks(self) -> Vec<(f64, String)> {
        let ticks = match self.scale {
            Scale::Log => scale::decades(self.low, self.high, 6),
            Scale::Log1p => {
                let more = (1..9).flat_map(|power| [1.0, 3.0].map(|n| n * 10f64.powi(power)));
                [0.0, 1.0, 3.0].into_iter().chain(more).take_while(|x| *x <= self.high).collect()
            }
            Scale::Linear if self.high < 1.5 => vec![0.0, 0.25, 0.5, 0.75, 1.0],
            // Epochs, layers and time steps are whole numbers.
            Scale::Linear => scale::steps(self.low, self.high, 6).into_iter().filter(|x| x.fract() == 0.0).collect(),
        };
        let inside = ticks.into_iter().filter(|x| (-1e-9..=1.0 + 1e-9).contains(&self.place(*x)));
        inside.map(|x| (x, if self.scale == Scale::Log { scale::power(x) } else { scale::number(x) })).collect()
    }
}

/// Draws panels into one picture, at most three side by side.
pub fn sheet(title: &str, subtitle: &str, panels: &[Panel]) -> Picture {
    let columns = match panels.len() {
        0 | 1 => 1,
        2 | 4 => 2,
        _ => 3,
    };
    let legend = panels.iter().flat_map(|panel| &panel.legend).map(entry_width).fold(0.0, f64::max);
    let (width, height) = (LEFT + PLOT.0 + legend.min(230.0) + 30.0, TOP + PLOT.1 + BOTTOM + 10.0);
    let whole = (PAD + width * columns as f64).max(520.0);
    let heading = Heading::new(title, subtitle, whole);
    let rows = panels.len().div_ceil(columns);
    let mut picture = Picture::new(title, whole.ceil(), (heading.height + height * rows as f64 + PAD / 2.0).ceil());
    heading.draw(&mut picture);
    for (i, panel) in panels.iter().enumerate() {
        let (column, row) = ((i % columns) as f64, (i / columns) as f64);
        let (x, y) = (PAD + LEFT + column * width, heading.height + TOP + row * height);
        panel.draw(&mut picture, Area::new(x.round(), y.round(), PLOT.0, PLOT.1));
    }
    picture
}

fn entry_width(entry: &LegendEntry) -> f64 {
    font::width(&entry.text, TEXT) + if entry.stroke.is_some() { KEY } else { 0.0 }
}

impl Panel {
    /// Draws the plot into an area. Its titles and its legend lie outside of it.
    fn draw(&self, picture: &mut Picture, area: Area) {
        let title = font::fitted(&self.title, TEXT + 1.0, area.width + 40.0);
        picture.text(Text::new(area.x, area.y - 9.0, title, TEXT + 1.0));
        for (value, text) in self.x.ticks() {
            let x = area.x + self.x.place(value) * area.width;
            picture.line(vec![(x, area.y), (x, area.bottom())], Stroke { colour: GRID, ..TICK });
            picture.text(Text::new(x, area.bottom() + 16.0, text, TEXT).anchor(Anchor::Middle));
        }
        for (value, text) in self.y.ticks() {
            let y = area.bottom() - self.y.place(value) * area.height;
            picture.line(vec![(area.x, y), (area.right(), y)], Stroke { colour: GRID, ..TICK });
            picture.text(Text::new(area.x - 6.0, y + 4.0, text, TEXT).anchor(Anchor::End));
        }
        picture.frame(area, PALE_INK);
        picture.text(
            Text::new(area.x + area.width / 2.0, area.bottom() + 34.0, &*self.x_title, TEXT).anchor(Anchor::Middle),
        );
        let middle = area.y + area.height / 2.0;
        let title = Text::new(area.x - LEFT + 12.0, middle, &*self.y_title, TEXT);
        picture.text(title.anchor(Anchor::Middle).upwards());
        for line in &self.lines {
            self.draw_line(picture, area, line);
        }
        let mut y = area.y + 10.0;
        for entry in &self.legend {
            let mut x = area.right() + 12.0;
            if let Some((stroke, form)) = entry.stroke {
                let points = match form {
                    Form::Line | Form::Steps | Form::Area => vec![(x, y - 4.0), (x + 20.0, y - 4.0)],
                    Form::Ticks | Form::Crosses => vec![(x + 10.0, y - 4.0)],
                };
                put(picture, points, stroke, form);
                x += KEY;
            }
            let room = 230.0 - (x - area.right() - 12.0);
            picture.text(Text::new(x, y, font::fitted(&entry.text, TEXT, room), TEXT));
            y += LINE;
        }
    }

    fn draw_line(&self, picture: &mut Picture, area: Area, line: &Line) {
        let place = |(x, y): (f64, f64)| {
            let (across, up) = (self.x.place(x), self.y.place(y).clamp(0.0, 1.0));
            (area.x + across * area.width, area.bottom() - up * area.height)
        };
        let mut points: Vec<(f64, f64)> = Vec::new();
        for point in line.points.iter().map(|point| place(*point)) {
            if line.shape == Form::Steps
                && let Some(&(_, y)) = points.last()
            {
                points.push((point.0, y));
            }
            points.push(point);
        }
        put(picture, points, line.stroke, line.shape);
    }
}

/// Draws points, which are in pixels, in this form.
fn put(picture: &mut Picture, points: Vec<(f64, f64)>, stroke: Stroke, form: Form) {
    match form {
        Form::Area => picture.polygon(points, stroke.colour),
        Form::Line | Form::Steps if points.len() > 1 => picture.line(points, stroke),
        Form::Line | Form::Steps => {
            for (x, y) in points {
                picture.rect(Area::new(x - 1.5, y - 1.5, 3.0, 3.0), stroke.colour);
            }
        }
        Form::Ticks => {
            for (x, y) in points {
                picture.line(vec![(x, y - 4.0), (x, y + 4.0)], stroke);
            }
        }
        Form::Crosses => {
            for (x, y) in points {
                picture.line(vec![(x - 4.0, y - 4.0), (x + 4.0, y + 4.0)], stroke);
                picture.line(vec![(x - 4.0, y + 4.0), (x + 4.0, y - 4.0)], stroke);
            }
        }
    }
}

/// The stroke of a solid line.
pub fn solid(colour: Colour) -> Stroke {
    Stroke { colour, width: 1.8, dashed: false }
}

/// The stroke of a dashed line.
pub fn dashed(colour: Colour) -> Stroke {
    Stroke { dashed: true, ..solid(colour) }
}

impl LegendEntry {
    /// A text beside a sample of a line.
    pub fn line(text: impl Into<String>, stroke: Stroke) -> LegendEntry {
        LegendEntry { text: text.into(), stroke: Some((stroke, Form::Line)) }
    }
}
