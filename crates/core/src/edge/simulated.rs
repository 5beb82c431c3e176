//! The search against every value of the lattice, on response curves that are drawn and not
//! trained: 200 configurations whose rate rises, or falls again, with seeds that have a threshold
//! of their own or are drawn anew at each value.

use super::answer::Answer;
use super::search::{self, Tried};

const STEPS: usize = 256;
const STRIDE: usize = 16;
const CONFIGURATIONS: u64 = 200;
/// Shares, and the quantiles of a normal distribution at them.
const SHARES: [f64; 3] = [0.1, 0.5, 0.9];
const QUANTILES: [f64; 3] = [-1.2816, 0.0, 1.2816];

/// Numbers in [0, 1), as SplitMix64 draws them (Steele, Lea and Flood 2014).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, a: f64, b: f64) -> f64 {
        a + (b - a) * self.next()
    }

    /// A number that is nearly normal, with mean 0 and variance 1: a sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// How a configuration answers.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Each seed has a threshold, from which on it has the event.
    Thresholds,
    /// The same, but in a window above all thresholds no seed has the event.
    Returns,
    /// Each seed is drawn anew at each value, with a rate that rises.
    Drawn,
}

/// A configuration: which seeds have the event at each position of the lattice.
struct Curve {
    kind: Kind,
    seeds: Vec<Vec<bool>>,
    /// The positions, as real numbers, at which the rate over all seeds that there could be crosses
    /// `SHARES`.
    crossings: [f64; 3],
    /// Whether the window in which it returns lies in the lattice and is wider than a step of the
    /// first round, with all seeds having the event for longer than a step before it.
    returns_in_sight: bool,
}

fn draw(draws: &mut Draws, number: u64) -> Curve {
    let kind = [Kind::Thresholds, Kind::Thresholds, Kind::Returns, Kind::Drawn][number as usize % 4];
    let seeds = 5 + (draws.next() * 16.0) as usize;
    // Some edges lie outside of the lattice.
    let (centre, width) = (draws.between(-0.1, 1.1) * STEPS as f64, draws.between(0.0, 12.0));
    let thresholds: Vec<f64> = (0..seeds).map(|_| centre + width * draws.normal()).collect();
    let highest = thresholds.iter().fold(0.0, |highest: f64, x| highest.max(*x));
    let from = highest + draws.between(1.1, 3.0) * STRIDE as f64;
    let window = from..from + draws.between(1.1, 4.0) * STRIDE as f64;
    let slope = 0.3 * width + 0.1;
    let event = |draws: &mut Draws, x: f64, threshold: f64| match kind {
        Kind::Thresholds => x >= threshold,
        Kind::Returns => x >= threshold && !window.contains(&x),
        Kind::Drawn => draws.next() < 1.0 / (1.0 + ((centre - x) / slope).exp()),
    };
    let at = |draws: &mut Draws, x: f64| thresholds.iter().map(|threshold| event(draws, x, *threshold)).collect();
    let seeds = (0..=STEPS).map(|position| at(draws, position as f64)).collect();
    let crossing = |i: usize| match kind {
        Kind::Thresholds | Kind::Returns => centre + width * QUANTILES[i],
        Kind::Drawn => centre + slope * (SHARES[i] / (1.0 - SHARES[i])).ln(),
    };
    let returns_in_sight = kind == Kind::Returns && window.end <= STEPS as f64;
    Curve { kind, seeds, crossings: [0, 1, 2].map(crossing), returns_in_sight }
}

fn searched(curve: &Curve) -> Tried {
    let value = |at: usize| (at, curve.seeds[at].clone());
    let mut tried: Tried = (0..=STEPS).step_by(STRIDE).map(value).collect();
    loop {
        let next = search::next(&tried, &SHARES);
        if next.is_empty() {
            return tried;
        }
        tried.extend(next.into_iter().map(value));
    }
}

fn answer(tried: &Tried) -> Answer {
    let values: Vec<_> = tried.iter().map(|(at, seeds)| (*at as f64, seeds)).collect();
    Answer::of(&values, &SHARES)
}

#[test]
fn brackets_cover_those_of_every_value_in_95_percent_with_a_quarter_of_the_trials() {
    let mut draws = Draws(1);
    let (mut covered, mut trials, mut dense, mut returning) = ([0u64; 3], 0, 0, 0);
    for number in 0..CONFIGURATIONS {
        let curve = draw(&mut draws, number);
        let all: Tried = curve.seeds.iter().cloned().enumerate().collect();
        let some = searched(&curve);
        let (told, truth) = (answer(&some), answer(&all));
        for (count, (told, truth)) in covered.iter_mut().zip(told.brackets.iter().zip(&truth.brackets)) {
            *count += u64::from(told.low <= truth.low && truth.high <= told.high);
        }
        trials += some.len() * curve.seeds[0].len();
        dense += all.len() * curve.seeds[0].len();
        if curve.kind == Kind::Thresholds {
            // Without chance and without a return the search is exact.
            assert_eq!(told, Answer { brackets: told.brackets.clone(), ..truth.clone() }, "{number}");
            let ends = |answer: &Answer| answer.brackets.iter().map(|b| (b.low, b.high)).collect::<Vec<_>>();
            assert_eq!(ends(&told), ends(&truth), "{number}");
        }
        returning += u64::from(curve.returns_in_sight);
        assert!(!curve.returns_in_sight || told.reentrant, "{number}: {told:?}");
        assert!(told.reentrant <= (curve.kind == Kind::Returns), "{number}: {told:?}");
    }
    assert!(returning > 20, "{returning} configurations return");
    assert!(covered.iter().all(|count| 100 * count >= 95 * CONFIGURATIONS), "{covered:?}");
    assert!(4 * trials <= dense, "{trials} of {dense} trials");
}

#[test]
fn intervals_hold_the_crossing_of_the_whole_population_in_95_percent() {
    let mut draws = Draws(2);
    let (mut held, mut all) = ([0u64; 3], 0);
    for number in 0..10 * CONFIGURATIONS {
        let curve = draw(&mut draws, number);
        let told = answer(&searched(&curve));
        if curve.kind == Kind::Returns {
            continue;
        }
        all += 1;
        for ((held, bracket), crossing) in held.iter_mut().zip(&told.brackets).zip(curve.crossings) {
            *held += u64::from(bracket.interval.is_some_and(|(low, high)| low <= crossing && crossing <= high));
        }
    }
    assert!(held.iter().all(|count| 100 * count >= 95 * all), "{held:?} of {all}");
}
