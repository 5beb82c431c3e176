//! Which pixels of a map are trained where `refine` is set: a coarse lattice first, and then, level
//! by level, only the pixels whose neighbours disagree. The others are inferred.
//!
//! The lattice of spacing s has the pixels whose numbers along both axes are multiples of s, or the
//! last ones. Which pixels of the next lattice are trained follows from the verdicts on the lattice
//! before it and from the margin, so never from the order in which trials end.
//!
//! A part of a map, which is some rows of it, is refined alone: beyond its rows it knows as much of
//! each lattice as its own pixels depend on ([`reach`]). So each part trains pixels that the whole
//! map trains too, and all parts together train all of those.

use super::raster::{Raster, Source};
use super::{PixelVerdict, Reading};
use std::ops::Range;

/// The spacing of the first lattice.
pub const COARSE: usize = 8;

/// The pixel numbers of the first lattice in these rows of a map, row by row.
pub fn coarse(width: usize, height: usize, rows: &Range<usize>) -> Vec<u32> {
    let columns = lattice(width, COARSE);
    let lattice = lattice(height, COARSE);
    let reached = lattice.iter().filter(|j| rows.contains(j));
    reached.flat_map(|j| columns.iter().map(move |i| (j * width + i) as u32)).collect()
}

/// The rows of a map of `height` rows in which the lattice of `spacing` must be known so that every
/// pixel of `rows` can be. A pixel depends on those of the next coarser lattice within `margin` of
/// its spacings, and these on others in turn.
pub fn reach(rows: &Range<usize>, spacing: usize, margin: usize, height: usize) -> Range<usize> {
    // The sum of the spacings down to 2, each `margin` times.
    let far = margin * 2 * (spacing - 1);
    rows.start.saturating_sub(far)..(rows.end + far).min(height)
}

/// The spacings of the lattices behind which a finer one comes.
pub fn levels() -> impl Iterator<Item = usize> {
    std::iter::successors(Some(COARSE), |spacing| Some(spacing / 2)).take_while(|spacing| *spacing > 1)
}

/// The numbers of a lattice along an axis of `length` pixels.
fn lattice(length: usize, spacing: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..length).step_by(spacing).collect();
    if let Some(last) = length.checked_sub(1).filter(|last| !last.is_multiple_of(spacing)) {
        all.push(last);
    }
    all
}

/// Goes from the lattice of `spacing`, which is known as far as `rows` reach, to that of half the
/// spacing. Returns the pixels that are to be trained, row by row, and infers the others.
///
/// A pixel is trained if the known pixels within `margin` spacings of it, along both axes, have
/// different verdicts, or if one of them was lost.
pub fn next(raster: &mut Raster, spacing: usize, margin: usize, rows: &Range<usize>) -> Vec<u32> {
    let reached = reach(rows, spacing / 2, margin, raster.height);
    let (columns, rows) = (Along::new(raster.width, spacing), Along::new(raster.height, spacing));
    let mut open = Vec::new();
    for &j in lattice(raster.height, spacing / 2).iter().filter(|j| reached.contains(j)) {
        for &i in &lattice(raster.width, spacing / 2) {
            if columns.has(i) && rows.has(j) {
                continue;
            }
            let pixel = raster.number(i, j);
            match agreed(raster, columns.within(i, margin), rows.within(j, margin)) {
                Some(verdict) => {
                    let reading = match verdict {
                        PixelVerdict::Converged | PixelVerdict::Diverged => {
                            let value = interpolated(raster, columns.around(i), rows.around(j));
                            Reading::Trainability { converged: verdict == PixelVerdict::Converged, value }
                        }
                        PixelVerdict::Outcome(outcome) => Reading::Outcome(outcome),
                    };
                    raster.put(pixel, reading, Source::Inferred);
                }
                None => open.push(pixel as u32),
            }
        }
    }
    open
}

/// The verdict that all of these pixels have.
fn agreed(raster: &Raster, columns: &[usize], rows: &[usize]) -> Option<PixelVerdict> {
    let mut all = rows.iter().flat_map(|&j| columns.iter().map(move |&i| (i, j)));
    let verdict = |(i, j)| raster.verdict(raster.number(i, j));
    let first = verdict(all.next()?)?;
    all.all(|place| verdict(place) == Some(first)).then_some(first)
}

/// The value between those of the lattice around a pixel, weighed by its distances along each axis.
fn interpolated(raster: &Raster, columns: [(usize, f64); 2], rows: [(usize, f64); 2]) -> f64 {
    let mut sum = 0.0;
    for (j, down) in rows {
        for (i, across) in columns {
            // An infinite value of no weight would make a NaN.
            if down * across > 0.0 {
                let known = raster.get(raster.number(i, j)).map(|known| known.reading);
                sum += down * across * if let Some(Reading::Trainability { value, .. }) = known { value } else { 0.0 };
            }
        }
    }
    sum
}

/// A lattice along one axis.
struct Along {
    spacing: usize,
    all: Vec<usize>,
}

impl Along {
    fn new(length: usize, spacing: usize) -> Along {
        Along { spacing, all: lattice(length, spacing) }
    }

    fn has(&self, at: usize) -> bool {
        self.all.binary_search(&at).is_ok()
    }

    /// Those within `margin` spacings of a place.
    fn within(&self, at: usize, margin: usize) -> &[usize] {
        let far = margin * self.spacing;
        let from = self.all.partition_point(|&i| i + far < at);
        let until = self.all.partition_point(|&i| i <= at + far);
        &self.all[from..until]
    }

    /// The neighbours of a place, each with the weight of its value.
    fn around(&self, at: usize) -> [(usize, f64); 2] {
        let after = self.all.partition_point(|&i| i < at);
        let high = self.all[after];
        let low = if high == at { high } else { self.all[after - 1] };
        let share = if high == low { 0.0 } else { (at - low) as f64 / (high - low) as f64 };
        [(low, 1.0 - share), (high, share)]
    }
}

#[cfg(test)]
mod tests {
    use super::super::raster::Known;
    use super::*;

    /// Refines a map whose verdicts and values are known everywhere. Returns it with the pixels
    /// that were trained, in their order.
    fn refined(width: usize, height: usize, margin: usize, at: &dyn Fn(usize, usize) -> Reading) -> (Raster, Vec<u32>) {
        part(width, height, margin, &(0..height), at)
    }

    /// Refines these rows of it.
    fn part(
        width: usize,
        height: usize,
        margin: usize,
        rows: &Range<usize>,
        at: &dyn Fn(usize, usize) -> Reading,
    ) -> (Raster, Vec<u32>) {
        let (mut raster, mut all) = (Raster::new(width, height), Vec::new());
        let train = |raster: &mut Raster, pixels: &[u32]| {
            for &pixel in pixels {
                let pixel = pixel as usize;
                assert!(raster.get(pixel).is_none(), "pixel {pixel} is trained twice");
                raster.put(pixel, at(pixel % width, pixel / width), Source::Trained);
            }
        };
        let first = coarse(width, height, &reach(rows, COARSE, margin, height));
        train(&mut raster, &first);
        all.extend(first);
        for spacing in levels() {
            let open = next(&mut raster, spacing, margin, rows);
            train(&mut raster, &open);
            all.extend(open);
        }
        (raster, all)
    }

    fn reading(converged: bool, value: f64) -> Reading {
        Reading::Trainability { converged, value }
    }

    #[test]
    fn every_pixel_is_known_at_the_end_whatever_the_size() {
        for (width, height) in [(2, 2), (9, 9), (10, 17), (64, 3), (33, 40)] {
            let (raster, _) = refined(width, height, 1, &|i, j| reading((i * 7 + j * 3) % 5 < 2, 1.0));
            assert!((0..raster.pixels()).all(|pixel| raster.get(pixel).is_some()), "{width} x {height}");
        }
    }

    #[test]
    fn a_straight_edge_is_found_without_a_mistake_and_little_is_trained() {
        let at = |i: usize, j: usize| reading(2 * i + j < 200, 0.0);
        let (raster, trained) = refined(128, 128, 1, &at);
        let wrong = (0..raster.pixels()).filter(|&p| raster.verdict(p) != Some(at(p % 128, p / 128).verdict()));
        assert_eq!(wrong.count(), 0);
        assert!(trained.len() < 128 * 128 / 5, "{} trained", trained.len());
    }

    #[test]
    fn without_an_edge_only_the_coarse_lattice_is_trained() {
        let plane = |i: usize, j: usize| reading(true, 3.0 + 2.0 * i as f64 - j as f64);
        let (raster, trained) = refined(20, 12, 1, &plane);
        // 0, 8, 16 and 19 across, 0, 8 and 11 down.
        assert_eq!(trained.len(), 4 * 3);
        for pixel in 0..raster.pixels() {
            let expected = 3.0 + 2.0 * (pixel % 20) as f64 - (pixel / 20) as f64;
            let Some(Known { reading: Reading::Trainability { value, .. }, .. }) = raster.get(pixel) else { panic!() };
            // A plane is what an interpolation along both axes keeps.
            assert!((value - expected).abs() < 1e-12, "{pixel}: {value} and {expected}");
        }
        assert_eq!(raster.count(&(0..raster.pixels()), Source::Trained), 12);
    }

    #[test]
    fn a_wider_margin_trains_more() {
        let at = |i: usize, j: usize| reading((i as f64 - 60.0).hypot(j as f64 - 60.0) < 40.0, 0.0);
        let trained = |margin| refined(128, 128, margin, &at).1.len();
        assert!(trained(1) < trained(2) && trained(2) < trained(3));
    }

    #[test]
    fn parts_know_their_rows_as_the_whole_does_and_train_what_it_trains() {
        let at = |i: usize, j: usize| {
            let far = (i as f64 - 20.0).hypot(j as f64 - 60.0);
            reading((far + 6.0 * (i as f64 / 5.0).sin()) as usize % 50 < 27, far)
        };
        for (width, height, margin, parts) in [(40, 131, 1, 4), (40, 131, 2, 5), (33, 64, 3, 3), (9, 12, 1, 12)] {
            let (whole, trained) = refined(width, height, margin, &at);
            let mut of_parts = std::collections::BTreeSet::new();
            for number in 0..parts {
                let rows = height * number / parts..height * (number + 1) / parts;
                let (raster, trained) = part(width, height, margin, &rows, &at);
                of_parts.extend(trained);
                for pixel in rows.start * width..rows.end * width {
                    assert_eq!(raster.get(pixel), whole.get(pixel), "{width} x {height}, {rows:?}: {pixel}");
                    assert!(whole.get(pixel).is_some());
                }
            }
            assert!(of_parts.len() < width * height || height < 20, "nothing was inferred");
            assert_eq!(of_parts, trained.into_iter().collect());
        }
    }

    #[test]
    fn around_a_lost_pixel_everything_is_trained() {
        let without = |lost: Option<u32>| {
            let mut raster = Raster::new(17, 17);
            for pixel in coarse(17, 17, &(0..17)).into_iter().filter(|pixel| Some(*pixel) != lost) {
                raster.put(pixel as usize, reading(true, 0.0), Source::Trained);
            }
            raster
        };
        let (mut raster, mut lossy) = (without(None), without(Some(8 * 17 + 8)));
        assert!(next(&mut raster, 8, 1, &(0..17)).is_empty());
        assert_eq!(next(&mut lossy, 8, 1, &(0..17)).len(), 5 * 5 - 9);
    }
}
