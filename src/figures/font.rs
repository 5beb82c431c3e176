//! The font of the figures, DejaVu Sans, which the program contains. It says how wide a text is,
//! and gives its outlines. There is no kerning.

use std::sync::OnceLock;
use ttf_parser::{Face, GlyphId, OutlineBuilder};

fn face() -> &'static Face<'static> {
    static FACE: OnceLock<Face<'static>> = OnceLock::new();
    FACE.get_or_init(|| Face::parse(dejavu::sans::regular(), 0).expect("the font is sound"))
}

/// The width of a text in pixels. `size` is the size of the font in pixels.
pub fn width(text: &str, size: f64) -> f64 {
    let units: u32 = text.chars().map(|c| u32::from(face().glyph_hor_advance(glyph(c)).unwrap_or(0))).sum();
    f64::from(units) * scale(size)
}

/// Is called with the place where a character begins, in pixels, and a function that draws its
/// outline.
type Each<'a> = dyn FnMut(f64, &dyn Fn(&mut dyn OutlineBuilder)) + 'a;

/// Calls `each` for every character of a text. The outline is in units of the font, with y upwards.
/// The place is the distance in pixels from the first character.
pub fn outlines(text: &str, size: f64, each: &mut Each<'_>) {
    let mut x = 0.0;
    for c in text.chars() {
        each(x, &|builder| {
            face().outline_glyph(glyph(c), builder);
        });
        x += f64::from(face().glyph_hor_advance(glyph(c)).unwrap_or(0)) * scale(size);
    }
}

/// How many pixels one unit of an outline has.
pub fn scale(size: f64) -> f64 {
    size / f64::from(face().units_per_em())
}

/// The number of the glyph of a character. It is 0, an empty box, if the font does not have it.
pub fn glyph(c: char) -> GlyphId {
    face().glyph_index(c).unwrap_or_default()
}

/// The text if it is no wider than `room` pixels, otherwise as much of its beginning as fits, with
/// an ellipsis.
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

/// Breaks a text between its words into lines no wider than `room` pixels.
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
