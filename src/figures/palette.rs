//! Colours that people with any colour vision tell apart, on white.
//!
//! - `shade`: from little to much, YlOrRd of ColorBrewer (Harrower & Brewer 2003), which it marks
//!   as safe for the colour-blind; lightness falls all the way, so it survives a black and white
//!   printer.
//! - `step`: ordered lines, viridis (Smith & van der Walt 2015) without its yellow end, which white
//!   swallows.
//! - `NAMED`: lines without an order, Okabe & Ito (2008), with a grey for their yellow.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour(pub u8, pub u8, pub u8);

pub const PAPER: Colour = Colour(255, 255, 255);
pub const INK: Colour = Colour(34, 34, 34);
/// Second in importance: 4.5:1 against white at least.
pub const PALE_INK: Colour = Colour(100, 100, 100);
pub const GRID: Colour = Colour(225, 225, 225);
/// Where there is nothing to show.
pub const EMPTY: Colour = Colour(240, 240, 240);

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

const YL_OR_RD: [Colour; 9] = [
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

const VIRIDIS: [Colour; 8] = [
    Colour(68, 1, 84),
    Colour(71, 45, 123),
    Colour(59, 82, 139),
    Colour(44, 114, 142),
    Colour(33, 145, 140),
    Colour(40, 174, 128),
    Colour(94, 201, 98),
    Colour(173, 220, 48),
];

/// Of a share from 0 to 1.
pub fn shade(share: f64) -> Colour {
    between(&YL_OR_RD, share)
}

/// The line of number `at` among `of` ordered ones.
pub fn step(at: usize, of: usize) -> Colour {
    between(&VIRIDIS, if of > 1 { at as f64 / (of - 1) as f64 * 0.92 } else { 0.4 })
}

/// Ink that is legible on it.
pub fn ink_on(colour: Colour) -> Colour {
    let Colour(r, g, b) = colour;
    let light = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if light > 140.0 { INK } else { PAPER }
}

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
