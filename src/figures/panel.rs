//! A plot of lines with a frame, axes and a legend, and several such panels of the same size side
//! by side.

use super::canvas::Canvas;
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
    /// The inside of the points, through which other lines are seen.
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
/// The widest legend beside a plot, and the narrowest and the lowest plot on paper.
const MOST_LEGEND: f64 = 230.0;
const LEAST_PLOT: f64 = 150.0;
const LEAST_HEIGHT: f64 = 60.0;
/// How much of an area is seen.
const VEIL: f64 = 0.18;

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

/// How panels of the same size stand in a picture.
struct Arrangement {
    columns: usize,
    /// The size of a plot.
    plot: (f64, f64),
    /// The distance from one panel to the next: across, and down.
    step: (f64, f64),
    /// The pixels of an entry of the legend, if it lies below the plot and not beside it.
    below: Option<f64>,
}

impl Arrangement {
    /// At most three panels side by side. `legend` are the pixels of the widest entry.
    fn of(panels: &[Panel], canvas: Canvas, legend: f64) -> Arrangement {
        let most = match panels.len() {
            0 | 1 => 1,
            2 | 4 => 2,
            _ => 3,
        };
        let beside = legend.min(MOST_LEGEND) + 30.0;
        let Some(width) = canvas.width() else {
            let step = (LEFT + PLOT.0 + beside, TOP + PLOT.1 + BOTTOM + 10.0);
            return Arrangement { columns: most, plot: PLOT, step, below: None };
        };
        let step = |columns: usize| (width - PAD) / columns as f64;
        let height = PLOT.1 * (width / 600.0).clamp(0.75, 1.0);
        let fits = |columns: &usize| step(*columns) - LEFT - beside >= LEAST_PLOT;
        if let Some(columns) = (1..=most).rev().find(fits) {
            let plot = ((step(columns) - LEFT - beside).min(PLOT.0), height);
            return Arrangement { columns, plot, step: (step(columns), TOP + height + BOTTOM + 10.0), below: None };
        }
        let fits = |columns: &usize| step(*columns) - LEFT - PAD >= LEAST_PLOT;
        let columns = (1..=most).rev().find(fits).unwrap_or(1);
        let plot = (step(columns) - LEFT - PAD, height);
        let entry = (legend + 12.0).min(plot.0 + LEFT - 20.0);
        let across = ((plot.0 + LEFT - 20.0) / entry).floor().max(1.0);
        let rows = |panel: &Panel| places(&panel.legend, across as usize).last().map_or(0, |(_, row)| row + 1);
        let rows = panels.iter().map(rows).max().unwrap_or(0) as f64;
        let step = (step(columns), TOP + height + BOTTOM + 10.0 + rows * LINE);
        Arrangement { columns, plot, step, below: Some(entry) }
    }

    /// Makes the plots as high as a picture of this height allows.
    fn stretch(&mut self, rows: usize, room: f64) {
        let more = (room / rows.max(1) as f64 - self.step.1).floor().max(LEAST_HEIGHT - self.plot.1);
        self.plot.1 += more;
        self.step.1 += more;
    }
}

/// Draws panels into one picture.
pub fn sheet(title: &str, subtitle: &str, panels: &[Panel], canvas: Canvas) -> Picture {
    let legend = panels.iter().flat_map(|panel| &panel.legend).map(entry_width).fold(0.0, f64::max);
    let mut arranged = Arrangement::of(panels, canvas, legend);
    let whole = canvas.width().unwrap_or_else(|| (PAD + arranged.step.0 * arranged.columns as f64).max(520.0));
    let heading = Heading::new(title, subtitle, whole);
    let rows = panels.len().div_ceil(arranged.columns);
    if let Some(height) = canvas.height() {
        arranged.stretch(rows, height - heading.height - PAD / 2.0);
    }
    let (width, height) = arranged.step;
    let total = (heading.height + height * rows as f64 + PAD / 2.0).ceil().max(canvas.height().unwrap_or(0.0));
    let mut picture = Picture::new(title, canvas, whole.ceil(), total.ceil());
    heading.draw(&mut picture);
    for (i, panel) in panels.iter().enumerate() {
        let (column, row) = ((i % arranged.columns) as f64, (i / arranged.columns) as f64);
        let (x, y) = (PAD + LEFT + column * width, heading.height + TOP + row * height);
        let (across, up) = arranged.plot;
        panel.draw(&mut picture, Area::new(x.round(), y.round(), across.floor(), up.floor()), arranged.below);
    }
    picture
}

/// The column and the row of each entry of a legend with so many columns. A text without a line
/// names the entries after it, and has a row of its own.
fn places(legend: &[LegendEntry], columns: usize) -> Vec<(usize, usize)> {
    let (mut column, mut row) = (0, 0);
    let mut places = Vec::new();
    for entry in legend {
        if column == columns || entry.stroke.is_none() && column > 0 {
            (column, row) = (0, row + 1);
        }
        places.push((column, row));
        (column, row) = if entry.stroke.is_none() { (0, row + 1) } else { (column + 1, row) };
    }
    places
}

fn entry_width(entry: &LegendEntry) -> f64 {
    font::width(&entry.text, TEXT) + if entry.stroke.is_some() { KEY } else { 0.0 }
}

impl Panel {
    /// Draws the plot into an area. Its titles and its legend lie outside of it; the legend lies
    /// below it if an entry has a width.
    fn draw(&self, picture: &mut Picture, area: Area, below: Option<f64>) {
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
        let across = below.map_or(1, |width| ((area.width + LEFT - 20.0) / width).floor().max(1.0) as usize);
        for (entry, (column, row)) in self.legend.iter().zip(places(&self.legend, across)) {
            let (column, row) = (column as f64, row as f64);
            let (left, y, room) = match below {
                None => (area.right() + 12.0, area.y + 10.0 + row * LINE, MOST_LEGEND),
                Some(width) => (area.x - LEFT + 20.0 + column * width, area.bottom() + 54.0 + row * LINE, width - 12.0),
            };
            let mut x = left;
            if let Some((stroke, form)) = entry.stroke {
                let points = match form {
                    Form::Line | Form::Steps => vec![(x, y - 4.0), (x + 20.0, y - 4.0)],
                    Form::Area => vec![(x, y - 9.0), (x + 20.0, y - 9.0), (x + 20.0, y), (x, y)],
                    Form::Ticks | Form::Crosses => vec![(x + 10.0, y - 4.0)],
                };
                put(picture, points, stroke, form);
                x += KEY;
            }
            let room = room - (x - left);
            picture.text(Text::new(x, y, font::fitted(&entry.text, TEXT, room), TEXT));
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
        // An area without a width or a height has no inside.
        Form::Area => {
            let differ = |of: fn(&(f64, f64)) -> f64| points.iter().any(|point| of(point) != of(&points[0]));
            if differ(|point| point.0) && differ(|point| point.1) {
                picture.veil(points, stroke.colour, VEIL);
            }
        }
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
