//! Writes a picture as PDF, with text that can be searched and copied. The font is in the file.

use super::font;
use super::palette::{Colour, PAPER};
use super::picture::{Area, Picture, Primitive, Stroke, Text};
use krilla::Document;
use krilla::color::rgb;
use krilla::geom::{Path, PathBuilder, Point, Rect, Transform};
use krilla::metadata::Metadata;
use krilla::num::NormalizedF32;
use krilla::page::PageSettings;
use krilla::paint::{Fill, Stroke as PdfStroke, StrokeDash};
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};

impl Picture {
    /// The bytes of a PDF file of one page, which has the size of the picture.
    ///
    /// # Errors
    /// If the picture has no size.
    pub fn pdf(&self) -> Result<Vec<u8>, String> {
        let points = self.canvas.points();
        let [width, height] = [self.width, self.height].map(|side| (side * points) as f32);
        let page =
            PageSettings::from_wh(width, height).ok_or_else(|| format!("a page of {width} x {height} points"))?;
        let font = Font::new(dejavu::sans::regular().into(), 0).ok_or("the font cannot be read")?;
        let mut document = Document::new();
        document.set_metadata(Metadata::new().title(self.title.clone()).creator(CREATOR.to_owned()));
        {
            let mut page = document.start_page_with(page);
            let mut surface = page.surface();
            surface.push_transform(&Transform::from_scale(points as f32, points as f32));
            filled(&mut surface, rectangle(Area::new(0.0, 0.0, self.width, self.height)), PAPER, 1.0);
            for shape in &self.shapes {
                draw(shape, &mut surface, &font);
            }
            surface.pop();
            surface.finish();
            page.finish();
        }
        document.finish().map_err(|error| format!("{error:?}"))
    }
}

/// Who made a PDF file, as its metadata say.
const CREATOR: &str = "blowup";

/// Whether a file is a PDF of anybody's. `start` is its beginning.
pub fn starts_as_pdf(start: &[u8]) -> bool {
    start.starts_with(b"%PDF-")
}

/// Whether a whole file is the PDF of a picture. It says so near its end.
pub fn is_pdf(bytes: &[u8]) -> bool {
    let mark = format!("/Creator({CREATOR})");
    starts_as_pdf(bytes) && bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
}

fn draw(shape: &Primitive, to: &mut Surface<'_>, font: &Font) {
    match shape {
        Primitive::Rect { area, fill, stroke, note: _ } => {
            if let Some(fill) = fill {
                filled(to, rectangle(*area), *fill, 1.0);
            }
            if let Some(colour) = stroke {
                stroked(to, rectangle(*area), Stroke { colour: *colour, width: 1.0, dashed: false });
            }
        }
        Primitive::Line { points, stroke } => stroked(to, path(points, false), *stroke),
        Primitive::Polygon { points, fill, opacity } => filled(to, path(points, true), *fill, *opacity),
        Primitive::Image { area, pixels } => {
            let (across, down) = (area.width / pixels.width as f64, area.height / pixels.height as f64);
            let rows = pixels.rgb.chunks_exact(3 * pixels.width.max(1));
            for (row, line) in rows.enumerate() {
                // Neighbours of the same colour are one rectangle.
                let mut x = 0;
                for same in line.chunks_exact(3).collect::<Vec<_>>().chunk_by(|a, b| a == b) {
                    let (left, top) = (area.x + x as f64 * across, area.y + row as f64 * down);
                    let run = Area::new(left, top, same.len() as f64 * across, down);
                    filled(to, rectangle(run), Colour(same[0][0], same[0][1], same[0][2]), 1.0);
                    x += same.len();
                }
            }
        }
        Primitive::Text(text) => write(text, to, font),
    }
}

fn write(text: &Text, to: &mut Surface<'_>, font: &Font) {
    let mut glyphs = Vec::new();
    for (at, c) in text.text.char_indices() {
        glyphs.push(KrillaGlyph::new(
            GlyphId::new(u32::from(font::glyph(c).0)),
            font::width(c.encode_utf8(&mut [0; 4]), 1.0) as f32,
            0.0,
            0.0,
            0.0,
            at..at + c.len_utf8(),
            None,
        ));
    }
    let (x, y) = (text.x as f32, text.y as f32);
    if text.upwards {
        to.push_transform(&Transform::from_rotate_at(-90.0, x, y));
    }
    to.set_fill(Some(fill(text.colour, 1.0)));
    to.set_stroke(None);
    let start = Point::from_xy(x - text.lead() as f32, y);
    to.draw_glyphs(start, &glyphs, font.clone(), &text.text, text.size as f32, false);
    if text.upwards {
        to.pop();
    }
}

fn filled(to: &mut Surface<'_>, path: Option<Path>, colour: Colour, opacity: f64) {
    if let Some(path) = path {
        to.set_stroke(None);
        to.set_fill(Some(fill(colour, opacity)));
        to.draw_path(&path);
    }
}

fn stroked(to: &mut Surface<'_>, path: Option<Path>, stroke: Stroke) {
    if let Some(path) = path {
        let dash = stroke.dashed.then(|| StrokeDash { array: vec![5.0, 3.0], offset: 0.0 });
        to.set_fill(None);
        to.set_stroke(Some(PdfStroke {
            paint: rgb_of(stroke.colour).into(),
            width: stroke.width as f32,
            dash,
            // As in SVG and PNG, where a corner sharper than this is cut off.
            miter_limit: 4.0,
            ..PdfStroke::default()
        }));
        to.draw_path(&path);
    }
}

fn fill(colour: Colour, opacity: f64) -> Fill {
    let opacity = NormalizedF32::new(opacity as f32).unwrap_or(NormalizedF32::ONE);
    Fill { paint: rgb_of(colour).into(), opacity, ..Fill::default() }
}

fn rgb_of(Colour(r, g, b): Colour) -> rgb::Color {
    rgb::Color::new(r, g, b)
}

/// The outline of an area. `None` if it has no size.
fn rectangle(area: Area) -> Option<Path> {
    let [x, y, width, height] = [area.x, area.y, area.width, area.height].map(|x| x as f32);
    let mut path = PathBuilder::new();
    path.push_rect(Rect::from_xywh(x, y, width, height)?);
    path.finish()
}

fn path(points: &[(f64, f64)], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (i, (x, y)) in points.iter().enumerate() {
        if i == 0 { path.move_to(*x as f32, *y as f32) } else { path.line_to(*x as f32, *y as f32) }
    }
    if closed {
        path.close();
    }
    path.finish()
}
