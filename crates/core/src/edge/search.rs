//! Which values of a lattice are tried next. A search begins with a coarse part of the lattice and
//! then halves every gap between two tried values of which one reaches a share and the other does
//! not, until no such gap is left that could be halved. It does so wherever the answer changes, in
//! either direction, so a curve that falls again is followed there, too.
//!
//! What is tried next follows from what was tried and from nothing else: no clock, no order in
//! which trials end.

use std::collections::BTreeMap;

/// Which seeds of a value had the event, in the order of the seeds.
pub type Seeds = Vec<bool>;

/// The tried values by their positions in the lattice. All of them have the same seeds.
pub type Tried = BTreeMap<usize, Seeds>;

/// How many of the seeds had the event.
pub fn events(seeds: &[bool]) -> usize {
    seeds.iter().filter(|event| **event).count()
}

/// The fewest events among this many seeds that reach a share: at least one.
pub fn fewest(share: f64, seeds: usize) -> usize {
    // 0.1 of 30 is a little above 3 in f64.
    ((share * seeds as f64 - 1e-9).ceil() as usize).clamp(1, seeds.max(1))
}

/// The positions of the next round, in their order. They are none when the search is over.
///
/// A gap between two neighbours is halved where
///
/// - one of them reaches a share of `shares` and the other does not; or one has no event and the
///   other has some; or one has the event in every seed and the other has not;
/// - a seed has the event at the smaller one and not at the larger one: there the curve falls, or
///   chance decides.
pub fn next(tried: &Tried, shares: &[f64]) -> Vec<usize> {
    let differ = |a: &Seeds, b: &Seeds| {
        let (x, y, all) = (events(a), events(b), a.len());
        let limits = shares.iter().map(|share| fewest(*share, all)).chain([1, all]);
        limits.into_iter().any(|limit| (x >= limit) != (y >= limit))
    };
    let falls = |a: &Seeds, b: &Seeds| a.iter().zip(b).any(|(a, b)| *a && !*b);
    let gaps = tried.iter().zip(tried.iter().skip(1));
    let open = gaps.filter(|((a, x), (b, y))| **b > **a + 1 && (differ(x, y) || falls(x, y)));
    open.map(|((a, _), (b, _))| a + (b - a) / 2).collect()
}
