//! The box-counting dimension of the edge of a map, as the publication of the measure estimates it
//! (arXiv 2402.06184; its program counts boxes with `boxcount` of PoreSpy).
//!
//! An edge is a block of 2 x 2 pixels with both verdicts in it. A box counts if it has both edges
//! and other places in it. The sizes of boxes are ten, from 10 to the shorter side, in equal ratios
//! and cut to integers. The slope at a size is minus the derivative of the logarithm of the count
//! by that of the size, of second order within and of first order at both ends. The dimension is
//! the median of the slopes.

use super::raster::Raster;

/// The least size of a box, and the number of sizes.
const LEAST: f64 = 10.0;
const SIZES: usize = 10;
/// The least side that has a dimension. In a smaller one most sizes of boxes have a handful of
/// boxes.
const SMALLEST: f64 = 64.0;

/// Places of which some are marked, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    pub width: usize,
    pub height: usize,
    pub marked: Vec<bool>,
}

impl Marks {
    /// The edges of a map, a place for each block of 2 x 2 pixels. A block with a lost pixel has
    /// the edge that the others show.
    pub fn edges(raster: &Raster) -> Marks {
        let (width, height) = (raster.width.saturating_sub(1), raster.height.saturating_sub(1));
        let mut marked = Vec::with_capacity(width * height);
        for j in 0..height {
            for i in 0..width {
                let block = [(i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1)];
                let failed =
                    block.map(|(i, j)| raster.verdict(raster.number(i, j)).map(|verdict| verdict.has_failed()));
                marked.push(failed.contains(&Some(true)) && failed.contains(&Some(false)));
            }
        }
        Marks { width, height, marked }
    }

    /// The number of boxes of this size that have both marked and other places in them. The boxes
    /// at the far ends may be smaller.
    fn boxes(&self, size: usize) -> u64 {
        let across = self.width.div_ceil(size);
        let mut boxes = 0;
        for top in (0..self.height).step_by(size) {
            let (mut some, mut every) = (vec![false; across], vec![true; across]);
            for row in self.marked.chunks(self.width).skip(top).take(size) {
                for (i, marked) in row.iter().enumerate() {
                    some[i / size] |= marked;
                    every[i / size] &= marked;
                }
            }
            boxes += some.iter().zip(&every).filter(|(some, every)| **some && !**every).count() as u64;
        }
        boxes
    }

    /// The slopes at the sizes at which there is one. There are none where the shorter side is
    /// below 64 blocks.
    pub fn slopes(&self) -> Vec<f64> {
        let side = self.width.min(self.height) as f64;
        if side < SMALLEST {
            return Vec::new();
        }
        let size = |i: usize| LEAST * (side / LEAST).powf(i as f64 / (SIZES - 1) as f64);
        // The power of the last one may fall short of the side by its rounding.
        let mut sizes: Vec<usize> = (0..SIZES).map(|i| (size(i) + 1e-9) as usize).collect();
        sizes.dedup();
        let counts = sizes.iter().map(|&size| (self.boxes(size) as f64).ln()).collect::<Vec<_>>();
        let sizes: Vec<f64> = sizes.iter().map(|&size| (size as f64).ln()).collect();
        // Where there are no boxes at a size there is no slope beside it.
        derivative(&counts, &sizes).iter().map(|slope| -slope + 0.0).filter(|slope| slope.is_finite()).collect()
    }
}

/// The derivative of `y` by `x` at each x.
fn derivative(y: &[f64], x: &[f64]) -> Vec<f64> {
    let last = x.len() - 1;
    let between = |a: usize, b: usize| (y[b] - y[a]) / (x[b] - x[a]);
    (0..=last)
        .map(|i| match i {
            _ if last == 0 => f64::NAN,
            0 => between(0, 1),
            _ if i == last => between(last - 1, last),
            _ => {
                let (before, after) = (x[i] - x[i - 1], x[i + 1] - x[i]);
                (after * between(i - 1, i) + before * between(i, i + 1)) / (before + after)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Reading;
    use super::super::raster::Source;
    use super::*;
    use crate::median::median;

    fn dimension(side: usize, converged: &dyn Fn(f64, f64) -> bool) -> f64 {
        let mut raster = Raster::new(side, side);
        for pixel in 0..raster.pixels() {
            let converged = converged((pixel % side) as f64, (pixel / side) as f64);
            raster.put(pixel, Reading::Trainability { converged, value: 0.0 }, Source::Trained);
        }
        median(&mut Marks::edges(&raster).slopes()).unwrap()
    }

    /// Whether a place belongs to the Sierpinski carpet: at no scale is it in the middle ninth.
    fn is_carpet(mut i: usize, mut j: usize) -> bool {
        while i > 0 || j > 0 {
            if i % 3 == 1 && j % 3 == 1 {
                return false;
            }
            (i, j) = (i / 3, j / 3);
        }
        true
    }

    /// The published estimator gives .977 for a line, 1.085 for a circle and 1.884 for a carpet.
    /// How the line and the circle were drawn is not known, which is what the tolerances are for.
    #[test]
    fn known_shapes_have_the_dimensions_that_the_published_estimator_gives_them() {
        let line = dimension(729, &|_, y| y > 364.5);
        assert!((line - 0.977).abs() < 0.005, "line: {line}");
        let circle = dimension(729, &|x, y| (x - 364.5).hypot(y - 364.5) < 0.4 * 729.0);
        assert!((circle - 1.085).abs() < 0.02, "circle: {circle}");
        let marked = (0..729 * 729).map(|place| is_carpet(place % 729, place / 729)).collect();
        let carpet = median(&mut Marks { width: 729, height: 729, marked }.slopes()).unwrap();
        // The median that NumPy's `gradient` and a count of boxes in Python give.
        assert!((carpet - 1.884013736972714).abs() < 1e-12, "carpet: {carpet}");
        let carpet = dimension(729, &|x, y| is_carpet(x as usize, y as usize));
        assert!((carpet - 1.884013736972714).abs() < 1e-12, "the edges of a carpet: {carpet}");
    }

    #[test]
    fn a_map_without_an_edge_has_no_dimension() {
        let mut raster = Raster::new(64, 64);
        for pixel in 0..raster.pixels() {
            raster.put(pixel, Reading::Trainability { converged: true, value: -1.0 }, Source::Trained);
        }
        assert_eq!(median(&mut Marks::edges(&raster).slopes()), None);
        assert_eq!(median(&mut Marks::edges(&Raster::new(2, 2)).slopes()), None);
        // A lost pixel makes no edge, and hides none.
        let mut lossy = Raster::new(2, 2);
        lossy.put(0, Reading::Trainability { converged: true, value: -1.0 }, Source::Trained);
        assert_eq!(Marks::edges(&lossy).marked, [false]);
        lossy.put(1, Reading::Trainability { converged: false, value: 1.0 }, Source::Trained);
        assert_eq!(Marks::edges(&lossy).marked, [true]);
    }

    #[test]
    fn a_derivative_of_second_order_is_exact_for_parabolas() {
        let x = [0.0, 1.0, 3.0, 4.5];
        let y = x.map(|x| 2.0 * x * x - x);
        assert_eq!(derivative(&y, &x), [1.0, 3.0, 11.0, 14.0]);
    }
}
