//! Exact tests of paired results, and their correction for many groups. They are closed forms and
//! counts; the binomial and the normal distribution are statrs's.

use crate::spec::expect::Direction;
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};

/// The p-value of the test that each of these numbers had either sign with probability 1/2, whose
/// statistic is the sum of those above 0, which are `Worse`. Numbers of 0 are dropped. With a 1 for
/// each pair that changed sides for the worse and a -1 for each that did so for the better, it is
/// the exact test of McNemar (1947); with signed ranks it is that of Wilcoxon (1945). With the sums
/// of either over independent clusters of pairs it is the same test for pairs that depend on each
/// other within a cluster (Fisher 1935, "The design of experiments", section 21).
///
/// The distribution is the binomial one where all numbers are equally large, and otherwise counted
/// exactly, up to ten million steps. Above, it is the normal distribution with the variance of
/// these numbers and a continuity correction.
pub fn random_signs(numbers: &[i64], direction: Direction) -> f64 {
    let unit = numbers.iter().fold(0, |unit, number| divisor(unit, number.unsigned_abs())).max(1);
    let sizes: Vec<u64> = numbers.iter().filter(|x| **x != 0).map(|x| x.unsigned_abs() / unit).collect();
    let worse: u64 = numbers.iter().filter(|x| **x > 0).map(|x| x.unsigned_abs() / unit).sum();
    let all: u64 = sizes.iter().sum();
    let (at_most, at_least) = if sizes.iter().all(|size| *size == 1) {
        (tail(all, all - worse), tail(all, worse))
    } else if sizes.len() as u64 * all <= COUNTED {
        counted(&sizes, worse)
    } else {
        approximated(&sizes, worse)
    };
    match direction {
        Direction::Worse => at_least,
        Direction::Any => (2.0 * at_most.min(at_least)).min(1.0),
    }
}

/// The most additions for which a distribution is counted exactly, a tenth of a second.
const COUNTED: u64 = 10_000_000;

/// The greatest common divisor.
fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// The chance of at least `k` heads in `n` throws of a coin.
fn tail(n: u64, k: u64) -> f64 {
    match k {
        0 => 1.0,
        _ => Binomial::new(0.5, n).expect("1/2 is a probability").sf(k - 1),
    }
}

/// P(sum <= `sum`) and P(sum >= `sum`), where each size counts with probability 1/2.
fn counted(sizes: &[u64], sum: u64) -> (f64, f64) {
    let mut chance = vec![0.0; sizes.iter().sum::<u64>() as usize + 1];
    chance[0] = 1.0;
    for size in sizes.iter().map(|size| *size as usize) {
        for at in (0..chance.len()).rev() {
            let with = if at >= size { chance[at - size] } else { 0.0 };
            chance[at] = (chance[at] + with) / 2.0;
        }
    }
    (chance[..=sum as usize].iter().sum(), chance[sum as usize..].iter().sum())
}

fn approximated(sizes: &[u64], sum: u64) -> (f64, f64) {
    let mean = sizes.iter().sum::<u64>() as f64 / 2.0;
    let deviation = sizes.iter().map(|size| (*size as f64).powi(2)).sum::<f64>().sqrt() / 2.0;
    let normal = Normal::new(mean, deviation).expect("sizes are above 0");
    (normal.cdf(sum as f64 + 0.5), normal.sf(sum as f64 - 0.5))
}

/// The fewest seeds, all of them with changes for the worse, that `random_signs` finds at this
/// level.
pub fn detectable(level: f64, direction: Direction) -> u64 {
    // 2^-1074 is the smallest f64 above 0, so the search ends.
    (1..1100).find(|k| random_signs(&vec![1; *k as usize], direction) <= level).unwrap_or(1100)
}

/// The signed ranks of Wilcoxon (1945), doubled so that they are whole: the place of each
/// difference in the order of their sizes, with its sign. Differences of 0 have rank 0 and are not
/// counted, and equal ones share their mean rank.
pub fn signed_ranks(differences: &[f64]) -> Vec<i64> {
    let mut order: Vec<usize> = (0..differences.len()).filter(|at| differences[*at] != 0.0).collect();
    let size = |at: usize| differences[at].abs();
    order.sort_by(|a, b| size(*a).total_cmp(&size(*b)));
    let mut ranks = vec![0; differences.len()];
    let mut below = 0;
    for ties in order.chunk_by(|a, b| size(*a) == size(*b)) {
        let twice = (2 * below + ties.len() + 1) as i64;
        below += ties.len();
        for at in ties {
            ranks[*at] = if differences[*at] > 0.0 { twice } else { -twice };
        }
    }
    ranks
}

/// The adjusted p-values of Holm (1979). A hypothesis is rejected at the family-wise level alpha
/// where its adjusted p-value is at most alpha.
pub fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut adjusted = vec![1.0; values.len()];
    let mut least: f64 = 0.0;
    for (rank, at) in order.into_iter().enumerate() {
        least = least.max(((values.len() - rank) as f64 * values[at]).min(1.0));
        adjusted[at] = least;
    }
    adjusted
}
