//! What is known of every pixel of a map. Row 0 is that of the smallest y, and pixel number
//! `j * width + i` stands at x number `i` and y number `j`.

use super::{PixelVerdict, Reading};
use std::ops::Range;

/// Where the verdict on a pixel comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Its trial was trained.
    Trained,
    /// It was taken from its neighbours, which agree.
    Inferred,
}

impl Source {
    /// The name in `map.csv`.
    pub fn name(self) -> &'static str {
        match self {
            Source::Trained => "trained",
            Source::Inferred => "inferred",
        }
    }
}

/// What is known of one pixel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    pub reading: Reading,
    pub source: Source,
}

/// The pixels of a map. It holds 12 bytes for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Raster {
    pub width: usize,
    pub height: usize,
    /// The verdict and its source. None while nothing is known, and at the end where the trial was
    /// lost.
    known: Vec<Option<(PixelVerdict, Source)>>,
    /// The values of the published measure. Those of outcomes are NaN and mean nothing.
    values: Vec<f64>,
}

impl Raster {
    /// A map of which nothing is known.
    pub fn new(width: usize, height: usize) -> Raster {
        let pixels = width * height;
        Raster { width, height, known: vec![None; pixels], values: vec![f64::NAN; pixels] }
    }

    /// The number of pixels.
    pub fn pixels(&self) -> usize {
        self.known.len()
    }

    /// The number of the pixel at x number `i` and y number `j`.
    pub fn number(&self, i: usize, j: usize) -> usize {
        j * self.width + i
    }

    pub fn put(&mut self, pixel: usize, reading: Reading, source: Source) {
        self.known[pixel] = Some((reading.verdict(), source));
        self.values[pixel] = match reading {
            Reading::Trainability { value, .. } => value,
            Reading::Outcome(_) => f64::NAN,
        };
    }

    pub fn get(&self, pixel: usize) -> Option<Known> {
        let (verdict, source) = self.known[pixel]?;
        let value = self.values[pixel];
        let reading = match verdict {
            PixelVerdict::Converged => Reading::Trainability { converged: true, value },
            PixelVerdict::Diverged => Reading::Trainability { converged: false, value },
            PixelVerdict::Outcome(outcome) => Reading::Outcome(outcome),
        };
        Some(Known { reading, source })
    }

    pub fn verdict(&self, pixel: usize) -> Option<PixelVerdict> {
        self.known[pixel].map(|(verdict, _)| verdict)
    }

    /// How many of these pixels are known from this source.
    pub fn count(&self, pixels: &Range<usize>, source: Source) -> u64 {
        self.known[pixels.clone()].iter().flatten().filter(|(_, from)| *from == source).count() as u64
    }
}
