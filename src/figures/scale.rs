//! The places of values along an axis, and the texts beside it.

use super::design::Spacing;
use super::font;
use super::table::{Factor, Level};
use blowup_core::axis::Axis;

/// The bands of the levels of a factor, along an axis that begins at 0.
pub struct BandScale {
    /// The beginning and the end of each band in whole pixels, in the order of the levels.
    pub spans: Vec<(f64, f64)>,
    pub length: f64,
    spacing: Spacing,
    /// The place of each level on the scale, which is its logarithm on a logarithmic scale. None
    /// for a level that stands apart from the scale.
    places: Vec<Option<f64>>,
}

/// The gap between the numbers on a scale and the levels that stand apart, in pixels.
const APART: f64 = 6.0;

impl BandScale {
    /// The bands of these levels of a factor, of about `each` pixels. Zero on a logarithmic scale,
    /// infinity and the empty level stand apart from the scale.
    pub fn new(factor: &Factor, levels: &[u32], each: f64) -> BandScale {
        let number = |code: &u32| factor.levels[*code as usize].number;
        let numbers: Vec<f64> = levels.iter().filter_map(number).collect();
        let spacing = if factor.is_numeric() { Spacing::of(&numbers) } else { Spacing::Ordinal };
        let on_scale = |code: &u32| match (spacing, number(code)) {
            (Spacing::Linear, Some(x)) => x.is_finite().then_some(x),
            (Spacing::Log, Some(x)) => (x.is_finite() && x > 0.0).then(|| x.ln()),
            (Spacing::Ordinal, Some(x)) => x.is_finite().then_some(0.0),
            (Spacing::Ordinal, None) => (!factor.levels[*code as usize].text.is_empty()).then_some(0.0),
            (Spacing::Linear | Spacing::Log, None) => None,
        };
        let places: Vec<Option<f64>> = levels.iter().map(on_scale).collect();
        let scaled: Vec<f64> = places.iter().flatten().copied().collect();
        let mut widths = widths(&scaled, spacing, each).into_iter();
        let (mut spans, mut at, mut before) = (Vec::new(), 0.0, None);
        for place in &places {
            let width = if place.is_some() { widths.next().unwrap_or(each) } else { each };
            if before.is_some_and(|before| before != place.is_some()) {
                at += APART;
            }
            before = Some(place.is_some());
            spans.push((at, at + width));
            at += width;
        }
        let spans: Vec<(f64, f64)> = spans.into_iter().map(|(a, b)| (a.round(), b.round())).collect();
        BandScale { spans, length: at.round(), spacing, places }
    }

    /// The middle of a band, in pixels.
    pub fn middle(&self, at: usize) -> f64 {
        let (from, to) = self.spans[at];
        (from + to) / 2.0
    }

    /// The ticks: their places and texts. They stand at every level or, if there is no room, at
    /// round numbers of the scale. If there is still no room, only every second, third, ... of them
    /// is kept, so that no text touches the next. `texts` are those of the levels, `room` is how
    /// many pixels a text takes, and `gap` is the distance to the next panel, if there is one.
    pub fn ticks(&self, texts: &[String], room: impl Fn(&str) -> f64, gap: Option<f64>) -> Vec<(f64, String)> {
        let all: Vec<(f64, String)> =
            texts.iter().enumerate().map(|(i, text)| (self.middle(i), text.clone())).collect();
        let free = |ticks: &[(f64, String)]| {
            let apart = |a: &(f64, String), b: &(f64, String), between: f64| between >= (room(&a.1) + room(&b.1)) / 2.0;
            let wraps = ticks.first().zip(ticks.last()).zip(gap);
            ticks.windows(2).all(|pair| apart(&pair[0], &pair[1], pair[1].0 - pair[0].0))
                && wraps.is_none_or(|((first, last), gap)| apart(last, first, self.length - last.0 + gap + first.0))
        };
        let ticks = if free(&all) { all } else { self.round_ticks(&all).unwrap_or(all) };
        let every = |step: usize| ticks.iter().step_by(step).cloned().collect::<Vec<_>>();
        (1..=ticks.len().max(1)).map(every).find(|ticks| free(ticks)).unwrap_or_default()
    }

    /// The ticks at round numbers and at levels that stand apart. None if there are fewer than two.
    fn round_ticks(&self, all: &[(f64, String)]) -> Option<Vec<(f64, String)>> {
        const MOST: usize = 8;
        let on_scale: Vec<(f64, f64)> =
            self.places.iter().zip(all).filter_map(|(place, (x, _))| place.map(|place| (place, *x))).collect();
        let (&(low, from), &(high, to)) = (on_scale.first()?, on_scale.last()?);
        let round: Vec<(f64, String)> = match self.spacing {
            Spacing::Ordinal => return None,
            Spacing::Log => decades(low.exp(), high.exp(), MOST).into_iter().map(|x| (x.ln(), power(x))).collect(),
            Spacing::Linear => steps(low, high, MOST).into_iter().map(|x| (x, number(x))).collect(),
        };
        // The ends were computed with `exp`, which is not exact.
        let slack = 1e-9 * (high - low);
        let inside = round.into_iter().filter(|(place, _)| (low - slack..=high + slack).contains(place));
        let placed = inside.map(|(place, text)| (from + (place - low) / (high - low) * (to - from), text));
        let apart = self.places.iter().zip(all).filter(|(place, _)| place.is_none()).map(|(_, tick)| tick.clone());
        let mut ticks: Vec<(f64, String)> = placed.chain(apart).collect();
        ticks.sort_by(|a, b| a.0.total_cmp(&b.0));
        (ticks.len() > 1).then_some(ticks)
    }
}

/// The widths of bands that meet in the middles between neighbours. The outer ones are symmetric.
fn widths(scaled: &[f64], spacing: Spacing, each: f64) -> Vec<f64> {
    if spacing == Spacing::Ordinal || scaled.len() < 2 {
        return vec![each; scaled.len()];
    }
    let gaps: Vec<f64> = scaled.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let unit = each * scaled.len() as f64 / (gaps.iter().sum::<f64>() + (gaps[0] + gaps[gaps.len() - 1]) / 2.0);
    let gap = |at: Option<usize>| at.and_then(|at| gaps.get(at));
    (0..scaled.len())
        .map(|i| {
            let (left, right) = (gap(i.checked_sub(1)), gap(Some(i)));
            (left.or(right).unwrap_or(&1.0) + right.or(left).unwrap_or(&1.0)) / 2.0 * unit
        })
        .collect()
}

/// The text of a level beside an axis, above a panel or in a legend.
pub fn label(level: &Level) -> String {
    match (level.number, &*level.text) {
        (Some(x), _) => number(x),
        (None, "") => "none".to_owned(),
        (None, text) => text.to_owned(),
    }
}

/// A number with at most three significant digits: `0.00316`, `64`, `1e-5`, `∞`.
pub fn number(x: f64) -> String {
    if x == 0.0 {
        return "0".to_owned();
    }
    if !x.is_finite() {
        return if x.is_nan() {
            "NaN"
        } else if x > 0.0 {
            "∞"
        } else {
            "−∞"
        }
        .to_owned();
    }
    if x.fract() == 0.0 && x.abs() < 1e5 {
        return format!("{x}");
    }
    let rounded: f64 = format!("{x:.2e}").parse().expect("a number");
    if (1e-3..1e5).contains(&rounded.abs()) { format!("{rounded}") } else { format!("{rounded:e}") }
}

/// The width of a label in pixels, with the space between it and the next one.
pub fn room(text: &str, size: f64) -> f64 {
    font::width(text, size) + 8.0
}

/// The title of an axis, with its unit.
pub fn title(name: &str) -> String {
    let words = match name {
        "epochs" => "budget (epochs)",
        "samples" => "training samples",
        "inputs" => "inputs (features)",
        name => return Axis::find(name).map_or_else(|| name.replace('_', " "), |axis| axis.title.to_owned()),
    };
    words.to_owned()
}

/// The ticks of a logarithmic axis: powers of ten between these positive ends, about `most` at
/// most.
pub fn decades(low: f64, high: f64, most: usize) -> Vec<f64> {
    let (from, to) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let step = (1..).find(|step| (to - from) / step < most as i32).expect("a step that is large enough");
    (from..=to).filter(|power| power.rem_euclid(step) == 0).map(|power| 10f64.powi(power)).collect()
}

/// Round numbers between `low` and `high`, about `most` at most.
pub fn steps(low: f64, high: f64, most: usize) -> Vec<f64> {
    let rough = (high - low).max(f64::MIN_POSITIVE) / most as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].map(|n| n * power).into_iter().find(|step| *step >= rough).unwrap_or(rough).max(1.0);
    let first = (low / step).ceil() as i64;
    (first..).map(|i| i as f64 * step).take_while(|x| *x <= high).collect()
}

/// The text of a power of ten beside an axis.
pub fn power(x: f64) -> String {
    let exponent = x.log10().round() as i32;
    if (-3..=3).contains(&exponent) { number(x) } else { format!("1e{exponent}") }
}
