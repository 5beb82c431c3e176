//! How surely a rate is known. Trials of one seed share their data and the draws of their weights,
//! so a group that pools configurations has as many independent draws as it has seeds, or a few
//! more: the interval goes by seeds.

use crate::spec::metric::Rate;
use crate::verdict::Outcome;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::HashMap;

/// The 97.5% quantile of the normal distribution.
const Z: f64 = 1.959963984540054;

/// The seeds that are told apart. Further ones share these clusters, which leaves an interval as
/// right: several clusters together are one, too.
const MOST: usize = 1024;

/// A rate with its 95% interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    pub rate: f64,
    pub low: f64,
    pub high: f64,
}

/// Seeds as they came, each with the number of its cluster.
#[derive(Debug, Clone, Default)]
pub struct Clusters {
    of: HashMap<u64, u32>,
}

impl Clusters {
    /// The cluster of a seed.
    pub fn of(&mut self, seed: u64) -> usize {
        let next = self.of.len();
        if next >= MOST && !self.of.contains_key(&seed) {
            return (seed % MOST as u64) as usize;
        }
        *self.of.entry(seed).or_insert(next as u32) as usize
    }
}

/// The trials of a group that a rate counts, and all with a verdict, by clusters of seeds.
#[derive(Debug, Clone, Default)]
pub struct BySeed {
    counts: Vec<(u64, u64)>,
}

impl BySeed {
    /// Counts a trial with a verdict.
    pub fn add(&mut self, cluster: usize, rate: Rate, outcome: Outcome) {
        if cluster >= self.counts.len() {
            self.counts.resize(cluster + 1, (0, 0));
        }
        let (hits, all) = &mut self.counts[cluster];
        *hits += u64::from(rate.counts(outcome));
        *all += 1;
    }

    /// Adds the counts of another group.
    pub fn merge(&mut self, other: &BySeed) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), (0, 0));
        }
        for (to, (hits, all)) in self.counts.iter_mut().zip(&other.counts) {
            to.0 += hits;
            to.1 += all;
        }
    }

    /// The number of seeds.
    pub fn seeds(&self) -> u64 {
        self.counts.iter().filter(|(_, all)| *all > 0).count() as u64
    }

    /// The rate of the group and its interval: that of Wilson for the number of independent draws,
    /// see [`draws`]. `None` if no trial has a verdict.
    pub fn interval(&self) -> Option<Interval> {
        let (hits, all) = self.counts.iter().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
        (all > 0).then(|| {
            let rate = hits as f64 / all as f64;
            let (low, high) = score(rate, draws(&self.counts));
            Interval { rate, low, high }
        })
    }
}

/// The number of independent draws to which the trials of a group are worth: [`draws_of_share`] of
/// the rate of hits. `clusters` has the hits and the trials of each seed.
pub fn draws(clusters: &[(u64, u64)]) -> f64 {
    let some = || clusters.iter().filter(|(_, all)| *all > 0);
    let (hits, all) = some().fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1));
    let (rate, n) = (hits as f64 / all as f64, all as f64);
    let influences: Vec<f64> = some().map(|(hits, all)| (*hits as f64 - rate * *all as f64) / n).collect();
    draws_of_share(rate, &influences, all)
}

/// The number of independent draws to which so many trials are worth for a share of them, as a
/// survey with clusters counts them (Korn and Graubard 1998, "Confidence intervals for proportions
/// with small expected number of positive counts estimated from survey data"): the variance of a
/// share p in n draws, p (1 - p) / n, solved for n, where the variance is that between the seeds.
/// It is lessened for so few seeds by the square of the quantiles of the normal and of Student's
/// distribution, and it is never below the number of seeds nor above that of the trials. Where the
/// share is 0 or 1, the seeds say nothing about the variance, and it is the number of seeds.
///
/// `influences` has for each seed by how much its trials raise the share: the derivative of the
/// share by their weight. They add up to 0.
fn draws_of_share(share: f64, influences: &[f64], trials: u64) -> f64 {
    let k = influences.len() as f64;
    if influences.len() < 2 || share == 0.0 || share == 1.0 {
        return k;
    }
    let variance = k / (k - 1.0) * influences.iter().map(|influence| influence * influence).sum::<f64>();
    let t = student(influences.len() as u64 - 1);
    // Without any variance between the seeds the quotient is infinite: the trials bound it.
    (share * (1.0 - share) / variance * (Z / t).powi(2)).clamp(k, (trials as f64).max(k))
}

/// The 95% interval of a share that is estimated from trials of several seeds, as a survival curve
/// is: that of Wilson for the number of independent draws. `influences` has for each seed the
/// derivative of the share by the weight of its trials. There is at least one seed.
pub fn of_share(share: f64, influences: &[f64], trials: u64) -> (f64, f64) {
    score(share, draws_of_share(share, influences, trials))
}

/// The 97.5% quantile of Student's distribution.
fn student(freedom: u64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom as f64).map_or(f64::INFINITY, |t| t.inverse_cdf(0.975))
}

/// The 97.5% quantiles of Student's distribution with 1, 2, ... degrees of freedom, as many as
/// [`draws`] can need for this many seeds.
pub fn student_quantiles(seeds: usize) -> Vec<f64> {
    (1..seeds.min(MOST) as u64).map(student).collect()
}

/// The 95% score interval of Wilson (1927) for a share of `hits` in `all`, which is above 0.
pub fn wilson(hits: u64, all: u64) -> (f64, f64) {
    score(hits as f64 / all as f64, all as f64)
}

/// The same for a share `p` in `n` draws, which need be no whole number.
fn score(p: f64, n: f64) -> (f64, f64) {
    let centre = (p + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z / (1.0 + Z * Z / n) * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    // The ends 0 and 1 are exact, where rounding could leave 1e-17.
    (if p == 0.0 { 0.0 } else { centre - half }, if p == 1.0 { 1.0 } else { centre + half })
}
