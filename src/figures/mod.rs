//! From the CSV files of a run directory to figures. They read no spec. `files` alone opens files;
//! everything else is handed a reader. A trial without a verdict is counted as lost and takes part in
//! nothing else.
//!
//! The way from a file to a figure:
//!
//! 1. `table` is `runs.csv` in memory, by columns. `design` says which axes vary, which follow from
//!    others, and how the values of each are spaced.
//! 2. `plan` chooses the diagrams. `cells` and `survival` count the numbers of one.
//! 3. `phase`, `rates`, `curves`, `profile` and `courses` draw pictures; `terminal` writes text.
//! 4. `picture` writes SVG, and `raster` writes PNG.
//!
//! `gallery` draws all figures of a sweep.

pub mod design;
pub mod table;

pub mod cells;
pub mod files;
pub mod gallery;
pub mod glance;
pub mod plan;
pub mod survival;

pub mod courses;
pub mod curves;
pub mod meanfield;
pub mod phase;
pub mod profile;
pub mod rates;
pub mod terminal;

pub mod legend;
pub mod panel;
pub mod scale;
pub mod words;

pub mod font;
pub mod palette;
pub mod picture;
pub mod raster;

use picture::{Picture, Text};

/// The size of text, and the margin of a picture.
pub const TEXT: f64 = 12.0;
pub const PAD: f64 = 16.0;

/// Title and subtitle at the top of a picture.
pub struct Heading {
    title: Vec<String>,
    subtitle: Vec<String>,
    pub height: f64,
}

impl Heading {
    /// For a picture of this width.
    pub fn new(title: &str, subtitle: &str, width: f64) -> Heading {
        let title = font::wrapped(title, 16.0, width - 2.0 * PAD);
        let subtitle = font::wrapped(subtitle, TEXT, width - 2.0 * PAD);
        let height = PAD + 22.0 * title.len() as f64 + 16.0 * subtitle.len() as f64 + 14.0;
        Heading { title, subtitle, height }
    }

    pub fn draw(&self, picture: &mut Picture) {
        let mut y = PAD + 14.0;
        for line in &self.title {
            picture.text(Text::new(PAD, y, &**line, 16.0));
            y += 22.0;
        }
        for line in &self.subtitle {
            picture.text(Text::new(PAD, y - 2.0, &**line, TEXT).colour(palette::PALE_INK));
            y += 16.0;
        }
    }
}
