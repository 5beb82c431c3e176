//! Exact tests of paired results, and their correction for many groups. They are closed forms and
//! counts; the binomial and the normal distribution are statrs's.

use crate::spec::expect::Direction;
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};

/// The p-value of the exact test of McNemar (1947) for paired outcomes. Of the pairs that changed
/// sides, `worse` went one way and `better` the other, each with probability 1/2 if nothing has
/// changed. The test is one-sided for `Worse`.
pub fn mcnemar(worse: u64, better: u64, direction: Direction) -> f64 {
    let at_least = |k: u64| if k == 0 { 1.0 } else { halves(worse + better).sf(k - 1) };
    match direction {
        Direction::Worse => at_least(worse),
        Direction::Any => (2.0 * at_least(worse.max(better))).min(1.0),
    }
}

fn halves(n: u64) -> Binomial {
    Binomial::new(0.5, n).expect("1/2 is a probability")
}

/// The fewest changes, all of them for the worse, that `mcnemar` finds at this level.
pub fn detectable(level: f64, direction: Direction) -> u64 {
    // 2^-1074 is the smallest f64 above 0, so the search ends.
    (1..1100).find(|k| mcnemar(*k, 0, direction) <= level).unwrap_or(1100)
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

/// The most differences for which the distribution of the signed-rank statistic is counted exactly.
const COUNTED: usize = 200;

/// The p-value of the signed-rank test of Wilcoxon (1945) that differences are symmetric around 0,
/// where a difference above 0 is `Worse`. Differences of 0 are dropped, and equal ones share their
/// mean rank. Up to 200 differences the distribution given the ranks is exact, also with ties.
/// Above, it is the normal distribution with the variance of these ranks and a continuity
/// correction.
pub fn signed_rank(differences: &[f64], direction: Direction) -> f64 {
    let mut sorted: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    sorted.sort_unstable_by(|a, b| a.abs().total_cmp(&b.abs()));
    let (mut ranks, mut positive) = (Vec::with_capacity(sorted.len()), 0);
    for ties in sorted.chunk_by(|a, b| a.abs() == b.abs()) {
        // Twice the mean of the ranks that the ties share is an integer.
        let twice = 2 * ranks.len() + ties.len() + 1;
        positive += twice * ties.iter().filter(|d| **d > 0.0).count();
        ranks.extend(ties.iter().map(|_| twice));
    }
    let (at_most, at_least) = match ranks.len() {
        0..=COUNTED => counted(&ranks, positive),
        _ => approximated(&ranks, positive),
    };
    match direction {
        Direction::Worse => at_least,
        Direction::Any => (2.0 * at_most.min(at_least)).min(1.0),
    }
}

/// P(sum <= `sum`) and P(sum >= `sum`), where each rank counts with probability 1/2.
fn counted(ranks: &[usize], sum: usize) -> (f64, f64) {
    let mut chance = vec![0.0; ranks.iter().sum::<usize>() + 1];
    chance[0] = 1.0;
    for rank in ranks {
        for at in (0..chance.len()).rev() {
            let with = if at >= *rank { chance[at - rank] } else { 0.0 };
            chance[at] = (chance[at] + with) / 2.0;
        }
    }
    (chance[..=sum].iter().sum(), chance[sum..].iter().sum())
}

fn approximated(ranks: &[usize], sum: usize) -> (f64, f64) {
    let mean = ranks.iter().sum::<usize>() as f64 / 2.0;
    let deviation = ranks.iter().map(|rank| (*rank as f64).powi(2)).sum::<f64>().sqrt() / 2.0;
    let normal = Normal::new(mean, deviation).expect("ranks are above 0");
    // The sums are twice those of the ranks, so half a rank is 1.
    (normal.cdf(sum as f64 + 1.0), normal.sf(sum as f64 - 1.0))
}
