//! A figure as a list of shapes, and its two forms: SVG text here, pixels in `raster`. Coordinates
//! are CSS pixels from the top left corner. Knows nothing of what is drawn; a shape that would
//! leave the picture is the mistake of the one who adds it.

use super::font;
use super::palette::{Colour, INK, PAPER};
use blowup_core::failure::xml;
use std::fmt::Write as _;

/// How the first line of every picture ends: by it its file is known.
const MARK: &str = "role=\"img\" font-family=\"'DejaVu Sans', Verdana, sans-serif\"";

/// Whether a file that begins so is the SVG of a picture.
pub fn is_svg(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.starts_with(b"<svg ") && String::from_utf8_lossy(line).ends_with(&format!("{MARK}>"))
}

#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// What a reader who does not see it is told.
    pub title: String,
    pub width: f64,
    pub height: f64,
    pub shapes: Vec<Primitive>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Primitive {
    Rect { area: Area, fill: Option<Colour>, stroke: Option<Colour>, note: Option<String> },
    Line { points: Vec<(f64, f64)>, stroke: Stroke },
    Polygon { points: Vec<(f64, f64)>, fill: Colour },
    Text(Text),
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    pub colour: Colour,
    pub width: f64,
    pub dashed: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// Where the baseline begins, has its middle or ends.
    pub x: f64,
    pub y: f64,
    pub text: String,
    pub size: f64,
    pub colour: Colour,
    pub anchor: Anchor,
    /// Read from below, turned a quarter around (x, y).
    pub upwards: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

impl Area {
    pub fn new(x: f64, y: f64, width: f64, height: f64) -> Area {
        Area { x, y, width, height }
    }

    pub fn right(self) -> f64 {
        self.x + self.width
    }

    pub fn bottom(self) -> f64 {
        self.y + self.height
    }
}

impl Text {
    pub fn new(x: f64, y: f64, text: impl Into<String>, size: f64) -> Text {
        Text { x, y, text: text.into(), size, colour: INK, anchor: Anchor::Start, upwards: false }
    }

    pub fn anchor(self, anchor: Anchor) -> Text {
        Text { anchor, ..self }
    }

    pub fn colour(self, colour: Colour) -> Text {
        Text { colour, ..self }
    }

    pub fn upwards(self) -> Text {
        Text { upwards: true, ..self }
    }

    /// How far before (x, y), along the direction of reading, the text begins.
    pub fn lead(&self) -> f64 {
        let width = font::width(&self.text, self.size);
        match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        }
    }
}

impl Picture {
    pub fn new(title: impl Into<String>, width: f64, height: f64) -> Picture {
        Picture { title: title.into(), width, height, shapes: Vec::new() }
    }

    pub fn rect(&mut self, area: Area, fill: Colour) {
        self.shapes.push(Primitive::Rect { area, fill: Some(fill), stroke: None, note: None });
    }

    /// With words that a browser shows under the pointer.
    pub fn noted(&mut self, area: Area, fill: Colour, note: String) {
        self.shapes.push(Primitive::Rect { area, fill: Some(fill), stroke: None, note: Some(note) });
    }

    pub fn frame(&mut self, area: Area, stroke: Colour) {
        self.shapes.push(Primitive::Rect { area, fill: None, stroke: Some(stroke), note: None });
    }

    pub fn line(&mut self, points: Vec<(f64, f64)>, stroke: Stroke) {
        self.shapes.push(Primitive::Line { points, stroke });
    }

    pub fn polygon(&mut self, points: Vec<(f64, f64)>, fill: Colour) {
        self.shapes.push(Primitive::Polygon { points, fill });
    }

    pub fn text(&mut self, text: Text) {
        self.shapes.push(Primitive::Text(text));
    }

    /// The picture as a file of its own.
    pub fn svg(&self) -> String {
        let (width, height) = (self.width, self.height);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             {MARK}>\n<title>{}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"{PAPER}\"/>\n",
            escaped(&self.title)
        );
        for shape in &self.shapes {
            shape.put(&mut svg);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

impl Primitive {
    fn put(&self, svg: &mut String) {
        // Writing to a string cannot fail.
        let _ = match self {
            Primitive::Rect { area, fill, stroke, note } => {
                let fill = fill.map_or_else(|| "none".to_owned(), |colour| colour.to_string());
                let stroke = stroke.map_or_else(String::new, |colour| format!(" stroke=\"{colour}\""));
                let [x, y, width, height] = [area.x, area.y, area.width, area.height].map(short);
                let open =
                    format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\"{stroke}");
                match note {
                    Some(note) => writeln!(svg, "{open}><title>{}</title></rect>", escaped(note)),
                    None => writeln!(svg, "{open}/>"),
                }
            }
            Primitive::Line { points, stroke } => {
                let dash = if stroke.dashed { " stroke-dasharray=\"5 3\"" } else { "" };
                let (points, colour, width) = (joined(points), stroke.colour, short(stroke.width));
                writeln!(
                    svg,
                    "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\"{dash}/>"
                )
            }
            Primitive::Polygon { points, fill } => {
                writeln!(svg, "<polygon points=\"{}\" fill=\"{fill}\"/>", joined(points))
            }
            Primitive::Text(text) => {
                let anchor = match text.anchor {
                    Anchor::Start => "",
                    Anchor::Middle => " text-anchor=\"middle\"",
                    Anchor::End => " text-anchor=\"end\"",
                };
                let (x, y, size) = (short(text.x), short(text.y), short(text.size));
                let turn = if text.upwards { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
                let (colour, words) = (text.colour, escaped(&text.text));
                writeln!(
                    svg,
                    "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\" fill=\"{colour}\"{anchor}{turn}>{words}</text>"
                )
            }
        };
    }
}

fn joined(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{},{}", short(*x), short(*y))).collect::<Vec<_>>().join(" ")
}

/// To a tenth of a pixel.
fn short(x: f64) -> f64 {
    (x * 10.0).round() / 10.0 + 0.0
}

fn escaped(text: &str) -> String {
    xml(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
