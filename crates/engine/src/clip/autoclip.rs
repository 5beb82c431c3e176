//! AutoClip (Seetharaman, Wichern, Pardo and Le Roux 2020, "AutoClip: Adaptive Gradient Clipping
//! for Source Separation Networks", arXiv 2007.14469): the norm is clipped to a percentile of all
//! norms so far, the present one included.

/// The norms of all steps so far, in ascending order. NaNs are last.
#[derive(Debug, Clone, Default)]
pub struct Norms(Vec<f64>);

impl Norms {
    /// Takes note of a norm and returns the percentile, from 0 to 100, of all of them: that of
    /// `numpy.percentile`, which is linear between two neighbours. As there, a NaN among the norms
    /// makes it NaN. Beside an infinite norm the lower neighbour is taken where it is hit exactly.
    pub fn threshold(&mut self, percentile: f64, norm: f64) -> f64 {
        // The sign of a NaN would decide where it stands.
        let norm = if norm.is_nan() { f64::NAN } else { norm };
        let at = self.0.partition_point(|known| known.total_cmp(&norm).is_le());
        self.0.insert(at, norm);
        let last = self.0.len() - 1;
        if self.0[last].is_nan() {
            return f64::NAN;
        }
        let place = percentile / 100.0 * last as f64;
        let (below, share) = (place.floor() as usize, place.fract());
        let (low, high) = (self.0[below], self.0[(below + 1).min(last)]);
        // numpy measures from the nearer neighbour.
        match share {
            0.0 => low,
            _ if share < 0.5 => low + (high - low) * share,
            _ => high - (high - low) * (1.0 - share),
        }
    }
}
