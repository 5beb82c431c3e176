//! Writes a picture as PNG: for a screen with two pixels for each pixel of the picture, so that it
//! is sharp where the resolution is high, and for paper with 600 pixels to the inch. The file says
//! its resolution. The font is in the program, so no font of the machine is needed.

use super::canvas::Canvas;
use super::font;
use super::palette::{Colour, PAPER};
use super::picture::{Picture, Pixels, Primitive, Text};
use tiny_skia::{
    FillRule, FilterQuality, Paint, Path, PathBuilder, Pixmap, PixmapPaint, Rect, Stroke, StrokeDash, Transform,
};
use ttf_parser::OutlineBuilder;

impl Canvas {
    /// How many pixels of a PNG each pixel of the picture has, in each direction.
    fn dots(self) -> f64 {
        /// What journals ask of drawings, in pixels to the inch.
        const PRINT: f64 = 600.0;
        match self {
            Canvas::Screen => 2.0,
            Canvas::Paper { .. } => PRINT * self.points() / 72.0,
        }
    }
}

impl Picture {
    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// If the picture is too large for memory.
    pub fn png(&self) -> Result<Vec<u8>, String> {
        let dots = self.canvas.dots();
        let (width, height) = ((self.width * dots).ceil(), (self.height * dots).ceil());
        let mut pixels = Pixmap::new(width as u32, height as u32)
            .ok_or_else(|| format!("a picture of {width} x {height} pixels is too large"))?;
        let Colour(r, g, b) = PAPER;
        pixels.fill(tiny_skia::Color::from_rgba8(r, g, b, 255));
        for shape in &self.shapes {
            draw(shape, dots as f32, &mut pixels);
        }
        let mut png = pixels.encode_png().map_err(|error| error.to_string())?;
        // Pixels to the metre, in both directions; the 1 says that the unit is the metre.
        let metre = ((dots / self.canvas.points() * 72.0 / 0.0254).round() as u32).to_be_bytes();
        let resolution = chunk(b"pHYs", &[&metre[..], &metre, &[1]].concat());
        png.splice(HEAD..HEAD, [chunk(b"tEXt", MARK), resolution].concat());
        Ok(png)
    }
}

impl Pixels {
    /// The bytes of a PNG file.
    ///
    /// # Errors
    /// If there are no pixels.
    pub fn png(&self) -> Result<Vec<u8>, String> {
        self.pixmap()?.encode_png().map_err(|error| error.to_string())
    }

    fn pixmap(&self) -> Result<Pixmap, String> {
        let (width, height) = (self.width as u32, self.height as u32);
        let mut pixels = Pixmap::new(width, height).ok_or_else(|| format!("an image of {width} x {height} pixels"))?;
        for (to, from) in pixels.data_mut().chunks_exact_mut(4).zip(self.rgb.chunks_exact(3)) {
            to[..3].copy_from_slice(from);
            to[3] = 255;
        }
        Ok(pixels)
    }
}

/// The text by which a PNG file names its origin: a keyword, a NUL and the text, as the PNG
/// specification asks.
const MARK: &[u8] = b"Software\0blowup";

/// The number of bytes of the signature of a PNG file and of its first chunk, which has the size of
/// the picture.
const HEAD: usize = 8 + 12 + 13;

/// Whether a file is the PNG of a picture. `start` is its beginning.
pub fn is_png(start: &[u8]) -> bool {
    start.starts_with(b"\x89PNG") && start.get(HEAD..).is_some_and(|rest| rest.starts_with(&chunk(b"tEXt", MARK)))
}

/// A chunk of a PNG file: its length, its kind, its bytes, and the checksum of its kind and bytes.
fn chunk(kind: &[u8; 4], bytes: &[u8]) -> Vec<u8> {
    let body = [kind, bytes].concat();
    [&(bytes.len() as u32).to_be_bytes()[..], &body, &crc32fast::hash(&body).to_be_bytes()].concat()
}

fn draw(shape: &Primitive, dots: f32, to: &mut Pixmap) {
    let scaled = Transform::from_scale(dots, dots);
    match shape {
        Primitive::Rect { area, fill, stroke, note: _ } => {
            let [x, y, width, height] = [area.x, area.y, area.width, area.height].map(|x| x as f32);
            let Some(rect) = Rect::from_xywh(x, y, width, height) else { return };
            if let Some(fill) = fill {
                // Without soft edges neighbours leave no gap.
                let fill = Paint { anti_alias: false, ..paint(*fill) };
                to.fill_rect(rect, &fill, scaled, None);
            }
            if let Some(colour) = stroke {
                to.stroke_path(&PathBuilder::from_rect(rect), &paint(*colour), &Stroke::default(), scaled, None);
            }
        }
        Primitive::Line { points, stroke } => {
            let Some(path) = path(points, false) else { return };
            let dash = if stroke.dashed { StrokeDash::new(vec![5.0, 3.0], 0.0) } else { None };
            let line = Stroke { width: stroke.width as f32, dash, ..Stroke::default() };
            to.stroke_path(&path, &paint(stroke.colour), &line, scaled, None);
        }
        Primitive::Polygon { points, fill, opacity } => {
            if let Some(path) = path(points, true) {
                let mut paint = paint(*fill);
                paint.set_color_rgba8(fill.0, fill.1, fill.2, (opacity * 255.0).round() as u8);
                to.fill_path(&path, &paint, FillRule::Winding, scaled, None);
            }
        }
        Primitive::Image { area, pixels } => {
            let Ok(image) = pixels.pixmap() else { return };
            let (across, down) = (area.width / pixels.width as f64, area.height / pixels.height as f64);
            let placed = Transform::from_scale(across as f32, down as f32)
                .post_translate(area.x as f32, area.y as f32)
                .post_scale(dots, dots);
            let paint = PixmapPaint { quality: FilterQuality::Nearest, ..PixmapPaint::default() };
            to.draw_pixmap(0, 0, image.as_ref(), &paint, placed, None);
        }
        Primitive::Text(text) => write(text, dots, to),
    }
}

fn write(text: &Text, dots: f32, to: &mut Pixmap) {
    let size = font::scale(text.size) as f32;
    let mut outlines = Outlines { path: PathBuilder::new(), x: 0.0, scale: size };
    font::outlines(&text.text, text.size, &mut |x, outline| {
        outlines.x = (x - text.lead()) as f32;
        outline(&mut outlines);
    });
    let turned = if text.upwards { Transform::from_rotate(-90.0) } else { Transform::identity() };
    let placed = turned.post_translate(text.x as f32, text.y as f32).post_scale(dots, dots);
    if let Some(path) = outlines.path.finish() {
        to.fill_path(&path, &paint(text.colour), FillRule::Winding, placed, None);
    }
}

/// Collects the outline of a character. It turns units of the font, with y upwards, into pixels,
/// with y downwards.
struct Outlines {
    path: PathBuilder,
    x: f32,
    scale: f32,
}

impl Outlines {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + x * self.scale, -y * self.scale)
    }
}

impl OutlineBuilder for Outlines {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
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

fn paint(colour: Colour) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(colour.0, colour.1, colour.2, 255);
    paint.anti_alias = true;
    paint
}
