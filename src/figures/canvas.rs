//! The size that figures are drawn for: that of a screen, which each picture chooses itself, or
//! that of a column of a paper.

use std::str::FromStr;

/// Points of a screen for each pixel of a picture: a CSS pixel is 1/96 of an inch, a point 1/72.
const SCREEN: f64 = 72.0 / 96.0;

/// Points on paper for each pixel of a picture. The smallest letters have 10 pixels, which are 7
/// points then.
const PAPER: f64 = 0.7;

/// What a picture is drawn for. Lengths are in pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Canvas {
    /// A screen. A picture is as large as it needs.
    #[default]
    Screen,
    /// Paper. A picture is as wide as this, and as high if a height is given.
    Paper { width: f64, height: Option<f64> },
}

impl Canvas {
    /// How many points each pixel of a picture has.
    pub fn points(self) -> f64 {
        match self {
            Canvas::Screen => SCREEN,
            Canvas::Paper { .. } => PAPER,
        }
    }

    /// The width that is given.
    pub fn width(self) -> Option<f64> {
        match self {
            Canvas::Screen => None,
            Canvas::Paper { width, .. } => Some(width),
        }
    }

    /// The height that is given.
    pub fn height(self) -> Option<f64> {
        match self {
            Canvas::Screen => None,
            Canvas::Paper { height, .. } => height,
        }
    }
}

/// The units in which a length may be written, with their points.
const UNITS: [(&str, f64); 4] = [("mm", 72.0 / 25.4), ("cm", 720.0 / 25.4), ("in", 72.0), ("pt", 1.0)];

/// The narrowest and the widest figure, in points: 30 mm, and 2 m.
const WIDTHS: (f64, f64) = (85.0, 5670.0);

/// Millimetres, of pixels of a picture that is drawn for paper.
pub fn millimetres(pixels: f64) -> f64 {
    pixels * PAPER * 25.4 / 72.0
}

/// Parses a width such as `85mm`, or a width and a height such as `85x60mm` or `3.5inx2in`.
impl FromStr for Canvas {
    type Err = String;

    fn from_str(text: &str) -> Result<Canvas, String> {
        let wrong = || "expected a width, 85mm, or a width and a height, 85x60mm, in mm, cm, in or pt".to_owned();
        let (width, height) = match text.split_once('x') {
            Some((width, height)) => (width, Some(height)),
            None => (text, None),
        };
        let unit_of = |text: &str| UNITS.into_iter().find(|(name, _)| text.ends_with(name));
        // A width without a unit has that of the height.
        let (unit, points) = unit_of(width).or_else(|| unit_of(height.unwrap_or(""))).ok_or_else(wrong)?;
        let length = |text: &str, (unit, points): (&str, f64)| {
            let number: f64 = text.strip_suffix(unit).unwrap_or(text).trim().parse().map_err(|_| wrong())?;
            let length = number * points;
            let (least, most) = WIDTHS;
            let inside = (least..=most).contains(&length);
            inside.then_some(length / PAPER).ok_or_else(|| "expected a length from 30mm to 2000mm".to_owned())
        };
        let height = match height {
            Some(height) => Some(length(height, unit_of(height).ok_or_else(wrong)?)?),
            None => None,
        };
        Ok(Canvas::Paper { width: length(width, (unit, points))?, height })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_a_width_or_a_width_and_a_height() {
        let size = |text: &str| match text.parse::<Canvas>()? {
            Canvas::Paper { width, height } => {
                Ok::<_, String>([Some(width), height].map(|side| side.map(|side| (side * PAPER * 10.0).round() / 10.0)))
            }
            Canvas::Screen => unreachable!("a size is for paper"),
        };
        assert_eq!(size("85mm").unwrap(), [Some(240.9), None]);
        assert_eq!(size("8.5cm").unwrap(), [Some(240.9), None]);
        assert_eq!(size("3.5in").unwrap(), [Some(252.0), None]);
        assert_eq!(size("90x85mm").unwrap(), [Some(255.1), Some(240.9)]);
        assert_eq!(size("3.5inx240pt").unwrap(), [Some(252.0), Some(240.0)]);
        for wrong in ["85", "85x60", "x60mm", "85mmx", "85 km", "0mm", "-85mm", "NaNmm", "infmm", "3000mm", "1mm"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
