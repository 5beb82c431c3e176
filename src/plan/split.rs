//! Which trial of a grid belongs to which shard: parts of equal predicted cost, worked out from the whole grid and nothing else, so that every
//! process that asks comes to the same answer, whatever rows exist. Pure.
//!
//! A cohort goes to as many shards as leave each at least a whole chunk, since a chunk of a few lanes costs nearly as much as one of many; it is
//! cut finer only where the shards would come out uneven. Its share of a cohort is spread evenly over it: where training blows up early is known
//! to nobody before, and neighbours of the grid do so together. Only trials that differ in clipping alone stay together, where they stand next to
//! each other in the grid: they share a lane at first.
//!
//! Takes no memory per trial: of a cohort it keeps how many trials lie at each of `PLACES` places.

use super::cost::Cost;
use super::{ByShape, siblings};
use crate::trial::Trial;
use std::collections::{BTreeMap, BinaryHeap};

/// Where a cohort can be cut.
const PLACES: u32 = 1 << 20;

/// Deals the trials of a grid, in grid order.
pub struct Split {
    walk: Walk,
    /// Of each cohort: the place where a share ends, and its shard from 0.
    cuts: Vec<Vec<(u32, u32)>>,
    seconds: Vec<f64>,
}

impl Split {
    /// `trials`: the whole grid in its order. `count`: of shards, at least 1.
    pub fn new(trials: impl Iterator<Item = Trial>, count: u32) -> Split {
        let (mut walk, mut cohorts) = (Walk::default(), Vec::<Cohort>::new());
        for trial in trials {
            let (cohort, place) = walk.step(&trial);
            if cohort == cohorts.len() {
                cohorts.push(Cohort::new(Cost::of(&trial)));
            }
            cohorts[cohort].trials += 1;
            *cohorts[cohort].at.entry(place).or_default() += 1;
        }
        let (mut cuts, mut nanoseconds) = (Vec::new(), vec![0; count as usize]);
        for (cohort, shares) in cohorts.iter().zip(shares(&cohorts, count)) {
            let mut ends = Vec::new();
            for ((shard, _), (end, trials)) in shares.iter().zip(cohort.cut(&shares)) {
                nanoseconds[*shard as usize] += cohort.cost(trials);
                ends.push((end, *shard));
            }
            cuts.push(ends);
        }
        let seconds = nanoseconds.into_iter().map(|nanoseconds| nanoseconds as f64 / 1e9).collect();
        Split { walk: Walk::default(), cuts, seconds }
    }

    /// The shard of the next trial of the grid, from 1.
    ///
    /// # Panics
    /// If it is not one of those that the split was made of.
    pub fn shard_of(&mut self, trial: &Trial) -> u32 {
        let (cohort, place) = self.walk.step(trial);
        let cuts = &self.cuts[cohort];
        cuts[cuts.partition_point(|(end, _)| *end <= place)].1 + 1
    }

    /// What each shard takes, predicted, on one core.
    pub fn seconds(&self) -> &[f64] {
        &self.seconds
    }
}

/// The grid in its order: of each trial its cohort and where in that it stands.
#[derive(Default)]
struct Walk {
    by_shape: ByShape,
    families: Vec<Family>,
}

/// Trials of a cohort that follow each other and differ in seed and clipping alone.
struct Family {
    likeness: u64,
    number: u64,
}

impl Walk {
    fn step(&mut self, trial: &Trial) -> (usize, u32) {
        // Fractions of 2^64 whose multiples are spread evenly over the unit cube (powers of the inverse of the root of x^4 = x + 1), so any stretch
        // of places has its share of every neighbourhood of the grid, and shares of cohorts that are built alike do not have the same.
        const FAMILY: u64 = 0xD1B5_4A32_D192_ED03;
        const SEED: u64 = 0xABC9_8388_FB8F_AC03;
        const COHORT: u64 = 0x8CB9_2BA7_2F3D_8DD7;
        let (cohort, likeness) = (self.by_shape.number(trial), siblings(trial));
        match self.families.get_mut(cohort) {
            None => self.families.push(Family { likeness, number: 0 }),
            Some(family) if family.likeness == likeness => {}
            Some(family) => *family = Family { likeness, number: family.number + 1 },
        }
        let steps = [(self.families[cohort].number, FAMILY), (trial.seed, SEED), (cohort as u64, COHORT)];
        let at = steps.iter().fold(0u64, |at, (number, step)| at.wrapping_add(number.wrapping_mul(*step)));
        (cohort, (at >> (64 - PLACES.ilog2())) as u32)
    }
}

/// Costs in whole nanoseconds, so that sums and comparisons are exact.
struct Cohort {
    lanes: u64,
    per_chunk: u64,
    per_lane: u64,
    trials: u64,
    /// How many stand at a place.
    at: BTreeMap<u32, u64>,
}

impl Cohort {
    fn new(cost: Cost) -> Cohort {
        let whole = |seconds: f64| (seconds * 1e9) as u64 + 1;
        let (per_chunk, per_lane) = (whole(cost.seconds_per_chunk), whole(cost.seconds_per_lane));
        Cohort { lanes: cost.lanes(f64::INFINITY) as u64, per_chunk, per_lane, trials: 0, at: BTreeMap::new() }
    }

    /// Of a shard that has so many of its trials.
    fn cost(&self, trials: u64) -> u64 {
        trials.div_ceil(self.lanes) * self.per_chunk + trials * self.per_lane
    }

    /// How many more fit into so much time where `held` are there already.
    fn fits(&self, held: u64, gap: u64) -> u64 {
        let begun = held.next_multiple_of(self.lanes) - held;
        if gap <= begun * self.per_lane {
            return gap / self.per_lane;
        }
        let gap = gap - begun * self.per_lane;
        let (chunks, rest) = (gap / self.cost(self.lanes), gap % self.cost(self.lanes));
        begun + chunks * self.lanes + rest.saturating_sub(self.per_chunk) / self.per_lane
    }

    /// Trials that mostly stand at one place.
    fn together(&self) -> u64 {
        self.trials.div_ceil(self.at.len() as u64)
    }

    /// The ends of these shares, and how many trials each has: near to what it should have.
    fn cut(&self, shares: &[(u32, u64)]) -> Vec<(u32, u64)> {
        let mut places = self.at.iter().peekable();
        let (mut wanted, mut before, mut sum) = (0, 0, 0);
        let mut ends = Vec::new();
        for (_, share) in shares {
            wanted += share;
            // A place belongs to the share in which more than half of it lies.
            while let Some((_, trials)) = places.next_if(|(_, trials)| sum + trials.div_ceil(2) <= wanted) {
                sum += trials;
            }
            ends.push((places.peek().map_or(PLACES, |(place, _)| **place), sum - before));
            before = sum;
        }
        ends
    }
}

/// Of each cohort: shards and how many of its trials they get, by shard.
fn shares(cohorts: &[Cohort], count: u32) -> Vec<Vec<(u32, u64)>> {
    let all: u64 = cohorts.iter().map(|cohort| cohort.cost(cohort.trials)).sum();
    let dearest = cohorts.iter().map(|cohort| cohort.cost(cohort.together())).max();
    // The least that every shard must be allowed to take; a percent more at a time until everything has a shard.
    let mut most = (all / u64::from(count)).max(dearest.unwrap_or(0)).max(100);
    loop {
        match pour(cohorts, count, most) {
            Some(shares) => return shares,
            None => most += most / 100,
        }
    }
}

/// Gives every shard at most so much; none if something is left over.
fn pour(cohorts: &[Cohort], count: u32, most: u64) -> Option<Vec<Vec<(u32, u64)>>> {
    // Those that are hard to cut first, when there is room everywhere; the others level out what they leave.
    let mut order: Vec<usize> = (0..cohorts.len()).collect();
    order.sort_by_key(|number| std::cmp::Reverse(cohorts[*number].cost(1)));
    // Shards by the time they have left, the lower number first where that is equal.
    let mut gaps: BinaryHeap<(u64, std::cmp::Reverse<u32>)> =
        (0..count).map(|shard| (most, std::cmp::Reverse(shard))).collect();
    let mut shares: Vec<BTreeMap<u32, u64>> = vec![BTreeMap::new(); cohorts.len()];
    for number in order {
        let (cohort, shares) = (&cohorts[number], &mut shares[number]);
        // An equal share for everyone, in whole chunks.
        let fair = cohort.trials.div_ceil(u64::from(count)).next_multiple_of(cohort.lanes);
        let mut left = cohort.trials;
        while left > 0 {
            let (gap, shard) = gaps.pop()?;
            let held = shares.entry(shard.0).or_default();
            let fits = cohort.fits(*held, gap).min(fair).min(left);
            let fits = if fits < left { fits - fits % cohort.together() } else { fits };
            if fits == 0 {
                return None;
            }
            let took = cohort.cost(*held + fits) - cohort.cost(*held);
            *held += fits;
            left -= fits;
            gaps.push((gap - took, shard));
        }
    }
    Some(shares.into_iter().map(|shares| shares.into_iter().collect()).collect())
}
