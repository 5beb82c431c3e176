//! The colours of a map, as places in a palette of at most 256.
//!
//! Of the published measure, each verdict has a ramp, in which pixels stand by the rank of their
//! value among those of the same verdict, as published (arXiv 2402.06184). So every shade of a ramp
//! covers about the same area. Blue and orange differ for people with any colour vision, and both
//! ramps get darker the longer training takes to converge or to diverge, as next to the edge. Their
//! steps are even in lightness, since they are mixed in Oklab (Ottosson 2020, "A perceptual color
//! space for image processing").

use crate::figures::palette::Colour;
use blowup_core::map::raster::Raster;
use blowup_core::map::{Measure, PixelVerdict, Reading};
use blowup_core::verdict::Outcome;

/// The shades of a ramp.
const SHADES: usize = 127;
/// The place of a pixel whose trial was lost.
const LOST: u8 = 0;

const GREY: Colour = Colour(128, 128, 128);

/// Lightness, and the places between green and red and between blue and yellow.
type Oklab = [f64; 3];

/// The ramps from far from the edge to the edge: light, a middle of full colour, dark.
const CONVERGED: [Oklab; 3] = [[0.97, -0.03, -0.02], [0.62, -0.04, -0.13], [0.28, -0.01, -0.12]];
const DIVERGED: [Oklab; 3] = [[0.97, 0.01, 0.07], [0.62, 0.13, 0.11], [0.28, 0.09, 0.045]];

/// The palette of a map. The first colour is that of lost trials.
pub fn palette(measure: Measure) -> Vec<Colour> {
    let ramp = |of: &'static [Oklab; 3]| (0..SHADES).map(|i| mixed(of, i as f64 / (SHADES - 1) as f64));
    match measure {
        Measure::Published => std::iter::once(GREY).chain(ramp(&CONVERGED)).chain(ramp(&DIVERGED)).collect(),
        Measure::Outcome => {
            std::iter::once(GREY).chain(Outcome::ALL.iter().map(|outcome| of_outcome(*outcome))).collect()
        }
    }
}

/// The colour of an outcome: those of the sound ones are blue and green, those of failures yellow
/// to black.
fn of_outcome(outcome: Outcome) -> Colour {
    match outcome {
        Outcome::Untrained => Colour(210, 210, 210),
        Outcome::Nonfinite => Colour(40, 20, 30),
        Outcome::Diverged => Colour(213, 94, 0),
        Outcome::Relapsed => Colour(204, 121, 167),
        Outcome::Ruined => Colour(240, 228, 66),
        Outcome::Stalled => Colour(200, 225, 240),
        Outcome::Converged => Colour(0, 114, 178),
        Outcome::Unsettled => Colour(86, 180, 233),
    }
}

/// The place in the palette of every pixel.
pub fn places(raster: &Raster) -> Vec<u8> {
    let mut places = vec![LOST; raster.pixels()];
    for (verdict, from) in [(PixelVerdict::Converged, 1), (PixelVerdict::Diverged, 1 + SHADES)] {
        let mut ranked: Vec<u32> =
            (0..raster.pixels() as u32).filter(|pixel| raster.verdict(*pixel as usize) == Some(verdict)).collect();
        // The values of trials that converged are below 0, and lowest next to the edge.
        let far = |pixel: &u32| value(raster, *pixel).abs();
        ranked.sort_unstable_by(|a, b| far(a).total_cmp(&far(b)));
        let count = ranked.len();
        let mut at = 0;
        // Pixels of one value have one shade: that of the middle of them.
        for same in ranked.chunk_by(|a, b| far(a).total_cmp(&far(b)).is_eq()) {
            let middle = at + same.len() / 2;
            let shade = middle * SHADES / count;
            same.iter().for_each(|pixel| places[*pixel as usize] = (from + shade) as u8);
            at += same.len();
        }
    }
    for (pixel, place) in places.iter_mut().enumerate() {
        if let Some(PixelVerdict::Outcome(outcome)) = raster.verdict(pixel) {
            *place = 1 + Outcome::ALL.iter().position(|other| *other == outcome).unwrap_or(0) as u8;
        }
    }
    places
}

fn value(raster: &Raster, pixel: u32) -> f64 {
    match raster.get(pixel as usize).map(|known| known.reading) {
        Some(Reading::Trainability { value, .. }) => value,
        Some(Reading::Outcome(_)) | None => f64::NAN,
    }
}

/// The ramps in the palette: their places and lengths, first that of pixels that converge.
pub fn ramps() -> [(usize, usize); 2] {
    [(1, SHADES), (1 + SHADES, SHADES)]
}

/// The colour at a share of the way through a ramp.
fn mixed(ramp: &[Oklab; 3], share: f64) -> Colour {
    let [light, middle, dark] = ramp;
    // The middle stands where its lightness is, so that steps of lightness are even.
    let lightness = light[0] + (dark[0] - light[0]) * share;
    let (a, b) = if lightness > middle[0] { (light, middle) } else { (middle, dark) };
    let part = (lightness - a[0]) / (b[0] - a[0]);
    let [green_red, blue_yellow] = [1, 2].map(|i| a[i] + (b[i] - a[i]) * part);
    srgb([lightness, green_red, blue_yellow])
}

/// The matrices are those of the publication of Oklab.
fn srgb([lightness, a, b]: Oklab) -> Colour {
    let cube = |x: f64| x * x * x;
    let l = cube(lightness + 0.3963377774 * a + 0.2158037573 * b);
    let m = cube(lightness - 0.1055613458 * a - 0.0638541728 * b);
    let s = cube(lightness - 0.0894841775 * a - 1.2914855480 * b);
    let channel = |linear: f64| {
        let linear = linear.clamp(0.0, 1.0);
        let coded = if linear <= 0.0031308 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
        (coded * 255.0).round() as u8
    };
    Colour(
        channel(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
        channel(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
        channel(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use blowup_core::map::raster::Source;

    #[test]
    fn the_ramps_get_darker_towards_the_edge_in_even_steps() {
        let light = |Colour(r, g, b): Colour| 0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b);
        let palette = palette(Measure::Published);
        assert_eq!(palette.len(), 1 + 2 * SHADES);
        for (from, length) in ramps() {
            let lightness: Vec<f64> = palette[from..from + length].iter().map(|colour| light(*colour)).collect();
            assert!(lightness.windows(2).all(|pair| pair[0] >= pair[1]), "{lightness:?}");
            assert!(lightness[0] > 220.0 && lightness[length - 1] < 45.0, "{lightness:?}");
        }
    }

    #[test]
    fn white_grey_and_black_have_no_tint() {
        assert_eq!(srgb([1.0, 0.0, 0.0]), Colour(255, 255, 255));
        assert_eq!(srgb([0.0, 0.0, 0.0]), Colour(0, 0, 0));
        // Red of full strength, by the table of the publication.
        let Colour(r, g, b) = srgb([0.6280, 0.2249, 0.1258]);
        assert!(r >= 254 && g <= 2 && b <= 2, "{r} {g} {b}");
    }

    #[test]
    fn pixels_stand_by_the_rank_of_their_value_and_equal_ones_have_one_shade() {
        let mut raster = Raster::new(5, 1);
        for (pixel, value) in [(0, -500.0), (1, -2.0), (2, 1.5), (3, 1.5)] {
            let reading = Reading::Trainability { converged: value < 0.0, value };
            raster.put(pixel, reading, Source::Trained);
        }
        let places = places(&raster);
        assert!(places[1] < places[0] && places[0] as usize <= SHADES);
        assert!(places[2] == places[3] && places[2] as usize > SHADES);
        assert_eq!(places[4], LOST);
    }
}
