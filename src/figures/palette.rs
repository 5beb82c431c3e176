//! Colours that people with any colour vision can tell apart on white.
//!
//! - `shade` goes from little to much. It is YlOrRd of ColorBrewer (Harrower & Brewer 2003), which
//!   ColorBrewer marks as safe for the colour-blind. It gets darker all the way, so it survives a
//!   black-and-white printer.
//! - `step` is for lines with an order. It is viridis (Smith & van der Walt 2015) without its
//!   yellow end, which is hard to see on white.
//! - `NAMED` is for lines without an order. These are the colours of Okabe & Ito (2008), with a
//!   grey in place of their yellow.

use std::fmt;

/// Red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

/// The background.
pub const PAPER: Colour = Colour(255, 255, 255);
/// The ink of text.
pub const INK: Colour = Colour(34, 34, 34);
/// The ink of less important text. Its contrast with white is at least 4.5:1.
pub const PALE_INK: Colour = Colour(100, 100, 100);
/// The lines of a grid.
pub const GRID: Colour = Colour(225, 225, 225);
/// The fill where there is nothing to show.
pub const EMPTY: Colour = Colour(240, 240, 240);

/// The colours of lines without an order.
pub const NAMED: [Colour; 8] = [
    Colour(0, 114, 178),
    Colour(213, 94, 0),
    Colour(0, 158, 115),
    Colour(204, 121, 167),
    Colour(230, 159, 0),
    Colour(86, 180, 233),
    Colour(0, 0, 0),
    Colour(140, 140, 140),
];

/// The colours of cells, from little to much.
pub const YL_OR_RD: [Colour; 9] = [
    Colour(255, 255, 204),
    Colour(255, 237, 160),
    Colour(254, 217, 118),
    Colour(254, 178, 76),
    Colour(253, 141, 60),
    Colour(252, 78, 42),
    Colour(227, 26, 28),
    Colour(189, 0, 38),
    Colour(128, 0, 38),
];

/// The colours of lines with an order.
pub const VIRIDIS: [Colour; 8] = [
    Colour(68, 1, 84),
    Colour(71, 45, 123),
    Colour(59, 82, 139),
    Colour(44, 114, 142),
    Colour(33, 145, 140),
    Colour(40, 174, 128),
    Colour(94, 201, 98),
    Colour(173, 220, 48),
];

/// The colour of a share from 0 to 1.
pub fn shade(share: f64) -> Colour {
    between(&YL_OR_RD, share)
}

/// The colour of line number `at`, counted from 0, among `of` lines with an order.
pub fn step(at: usize, of: usize) -> Colour {
    between(&VIRIDIS, if of > 1 { at as f64 / (of - 1) as f64 * 0.92 } else { 0.4 })
}

/// An ink that is legible on this colour.
pub fn ink_on(colour: Colour) -> Colour {
    let Colour(r, g, b) = colour;
    let light = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if light > 140.0 { INK } else { PAPER }
}

/// The colour at a place, from 0 to 1, on the way through these colours.
fn between(colours: &[Colour], share: f64) -> Colour {
    let place = share.clamp(0.0, 1.0) * (colours.len() - 1) as f64;
    let at = (place as usize).min(colours.len() - 2);
    let (a, b, part) = (colours[at], colours[at + 1], place - at as f64);
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
    Colour(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}
