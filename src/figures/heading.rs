//! The title of a picture and the line below it.

use super::font;
use super::palette::PALE_INK;
use super::picture::{Picture, Text};
use super::style::{PAD, TEXT};

/// The title and the subtitle at the top of a picture, each broken into lines.
pub struct Heading {
    title: Vec<String>,
    subtitle: Vec<String>,
    /// The height that it takes, in pixels.
    pub height: f64,
}

impl Heading {
    /// The heading of a picture that is `width` pixels wide.
    pub fn new(title: &str, subtitle: &str, width: f64) -> Heading {
        let lines = |text: &str, size: f64| match text {
            "" => Vec::new(),
            text => font::wrapped(text, size, width - 2.0 * PAD),
        };
        let (title, subtitle) = (lines(title, 16.0), lines(subtitle, TEXT));
        let height = PAD + 22.0 * title.len() as f64 + 16.0 * subtitle.len() as f64 + 14.0;
        Heading { title, subtitle, height }
    }

    /// Draws it at the top of the picture.
    pub fn draw(&self, picture: &mut Picture) {
        let mut y = PAD + 14.0;
        for line in &self.title {
            picture.text(Text::new(PAD, y, &**line, 16.0));
            y += 22.0;
        }
        for line in &self.subtitle {
            picture.text(Text::new(PAD, y - 2.0, &**line, TEXT).colour(PALE_INK));
            y += 16.0;
        }
    }
}
