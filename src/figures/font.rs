//! The font of figures, DejaVu Sans, which the program carries: how wide a text is, and its
//! outlines. No kerning.

use std::sync::OnceLock;
use ttf_parser::{Face, GlyphId, OutlineBuilder};

fn face() -> &'static Face<'static> {
    static FACE: OnceLock<Face<'static>> = OnceLock::new();
    FACE.get_or_init(|| Face::parse(dejavu::sans::regular(), 0).expect("the font is sound"))
}

/// In pixels, at a size in pixels.
pub fn width(text: &str, size: f64) -> f64 {
    let units: u32 = text.chars().map(|c| u32::from(face().glyph_hor_advance(glyph(c)).unwrap_or(0))).sum();
    f64::from(units) * scale(size)
}

/// Given where a character begins and what draws it.
type Each<'a> = dyn FnMut(f64, &dyn Fn(&mut dyn OutlineBuilder)) + 'a;

/// Every character's outline, in units of the font with y upwards, and how many pixels after the
/// first one it begins.
pub fn outlines(text: &str, size: f64, each: &mut Each<'_>) {
    let mut x = 0.0;
    for c in text.chars() {
        each(x, &|builder| {
            face().outline_glyph(glyph(c), builder);
        });
        x += f64::from(face().glyph_hor_advance(glyph(c)).unwrap_or(0)) * scale(size);
    }
}

/// Pixels per unit of an outline.
pub fn scale(size: f64) -> f64 {
    size / f64::from(face().units_per_em())
}

fn glyph(c: char) -> GlyphId {
    face().glyph_index(c).unwrap_or_default()
}

/// The text, or as much of its beginning as fits, with an ellipsis.
pub fn fitted(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut short: String = text.to_owned();
    while !short.is_empty() && width(&short, size) + width("…", size) > room {
        short.pop();
    }
    short.truncate(short.trim_end().len());
    short + "…"
}

/// The words of a text in lines no wider than `room`.
pub fn wrapped(text: &str, size: f64, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(word, size) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}
