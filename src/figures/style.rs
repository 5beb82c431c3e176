//! Sizes and strokes that all pictures share.

use super::palette::PALE_INK;
use super::picture::Stroke;

/// The size of text, in pixels.
pub const TEXT: f64 = 12.0;

/// The margin of a picture, in pixels.
pub const PAD: f64 = 16.0;

/// The stroke of a tick beside an axis.
pub const TICK: Stroke = Stroke { colour: PALE_INK, width: 1.0, dashed: false };
