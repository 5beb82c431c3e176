//! A picture as a list of shapes. It is written as SVG here, as PNG in `raster` and as PDF in
//! `pdf`. Coordinates are pixels from the upper left corner; the canvas says how large a pixel is.
//! Nothing checks whether a shape lies inside the picture.

use super::canvas::Canvas;
use super::font;
use super::palette::{Colour, INK, PAPER};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blowup_core::failure::xml;
use std::fmt::Write as _;

/// The end of the first line of every SVG file. It tells that blowup wrote the file.
const MARK: &str = "role=\"img\" font-family=\"'DejaVu Sans', Verdana, sans-serif\"";

/// Whether a file is the SVG of a picture. `start` is its beginning.
pub fn is_svg(start: &[u8]) -> bool {
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    line.starts_with(b"<svg ") && String::from_utf8_lossy(line).ends_with(&format!("{MARK}>"))
}

/// A picture: its size and its shapes.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The title that is read to a person who does not see the picture.
    pub title: String,
    /// What it is drawn for.
    pub canvas: Canvas,
    pub width: f64,
    pub height: f64,
    pub shapes: Vec<Primitive>,
}

/// A shape of a picture.
#[derive(Debug, Clone, PartialEq)]
pub enum Primitive {
    Rect { area: Area, fill: Option<Colour>, stroke: Option<Colour>, note: Option<String> },
    Line { points: Vec<(f64, f64)>, stroke: Stroke },
    Polygon { points: Vec<(f64, f64)>, fill: Colour, opacity: f64 },
    Image { area: Area, pixels: Pixels },
    Text(Text),
}

/// An image: three bytes for each pixel, red, green and blue, row by row from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    pub width: usize,
    pub height: usize,
    pub rgb: Vec<u8>,
}

/// A rectangle: its upper left corner, its width and its height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Area {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

/// How a line is drawn. Its width is in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    pub colour: Colour,
    pub width: f64,
    pub dashed: bool,
}

/// A line of text. Its size is in pixels.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    /// The anchor on the baseline: its beginning, its middle or its end.
    pub x: f64,
    pub y: f64,
    pub text: String,
    pub size: f64,
    pub colour: Colour,
    pub anchor: Anchor,
    /// Whether the text is turned around (x, y), so that it is read from the bottom to the top.
    pub upwards: bool,
}

/// Which point of a text stands at its coordinates.
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
    /// A text in the usual ink that begins at (`x`, `y`).
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

    /// How many pixels before (x, y) the text begins, in the direction of reading.
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
    /// A picture without shapes.
    pub fn new(title: impl Into<String>, canvas: Canvas, width: f64, height: f64) -> Picture {
        Picture { title: title.into(), canvas, width, height, shapes: Vec::new() }
    }

    pub fn rect(&mut self, area: Area, fill: Colour) {
        self.shapes.push(Primitive::Rect { area, fill: Some(fill), stroke: None, note: None });
    }

    /// Adds a rectangle with a note that a browser shows under the pointer.
    pub fn noted(&mut self, area: Area, fill: Colour, note: String) {
        self.shapes.push(Primitive::Rect { area, fill: Some(fill), stroke: None, note: Some(note) });
    }

    /// Adds the outline of a rectangle.
    pub fn frame(&mut self, area: Area, stroke: Colour) {
        self.shapes.push(Primitive::Rect { area, fill: None, stroke: Some(stroke), note: None });
    }

    pub fn line(&mut self, points: Vec<(f64, f64)>, stroke: Stroke) {
        self.shapes.push(Primitive::Line { points, stroke });
    }

    pub fn polygon(&mut self, points: Vec<(f64, f64)>, fill: Colour) {
        self.shapes.push(Primitive::Polygon { points, fill, opacity: 1.0 });
    }

    /// Adds a polygon through which what lies below it is seen.
    pub fn veil(&mut self, points: Vec<(f64, f64)>, fill: Colour, opacity: f64) {
        self.shapes.push(Primitive::Polygon { points, fill, opacity });
    }

    /// Adds an image, which is stretched over the area.
    pub fn image(&mut self, area: Area, pixels: Pixels) {
        self.shapes.push(Primitive::Image { area, pixels });
    }

    pub fn text(&mut self, text: Text) {
        self.shapes.push(Primitive::Text(text));
    }

    /// The text of an SVG file.
    pub fn svg(&self) -> String {
        let (width, height) = (self.width, self.height);
        let size = match self.canvas {
            Canvas::Screen => [width, height].map(|side| format!("{side:.0}")),
            Canvas::Paper { .. } => [width, height].map(|side| format!("{:.2}pt", side * self.canvas.points())),
        };
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             {MARK}>\n<title>{}</title>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"{PAPER}\"/>\n",
            size[0],
            size[1],
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
    /// Appends the shape to the text of an SVG file.
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
            Primitive::Polygon { points, fill, opacity } => {
                let veil = if *opacity < 1.0 { format!(" fill-opacity=\"{opacity}\"") } else { String::new() };
                writeln!(svg, "<polygon points=\"{}\" fill=\"{fill}\"{veil}/>", joined(points))
            }
            Primitive::Image { area, pixels } => {
                let [x, y, width, height] = [area.x, area.y, area.width, area.height].map(short);
                // An image that cannot be encoded has no pixels.
                let data = STANDARD.encode(pixels.png().unwrap_or_default());
                writeln!(
                    svg,
                    "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" preserveAspectRatio=\"none\" \
                     image-rendering=\"pixelated\" href=\"data:image/png;base64,{data}\"/>"
                )
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

/// Rounds to a tenth of a pixel.
fn short(x: f64) -> f64 {
    (x * 10.0).round() / 10.0 + 0.0
}

fn escaped(text: &str) -> String {
    xml(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
