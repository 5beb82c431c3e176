//! Decides which trial of a grid belongs to which shard. The shards have equal predicted cost. The
//! decision follows from the whole grid and nothing else, so every process that asks comes to the
//! same answer, whatever rows exist. It is pure.
//!
//! The cohorts are dealt one after the other, the most expensive one first. A cohort is dealt in
//! hands of a few trials each, and each hand goes to the shard that has the least work so far. So
//! every shard gets some trials of every cohort, and the cheap cohorts at the end even out the
//! differences that the expensive ones leave between the shards.
//!
//! The order in which the trials of a cohort are dealt spreads those of each shard over the whole
//! cohort. That matters because a trial that blows up early is cheap, nobody knows before which
//! trials will, and neighbours in the grid often do so together. Only trials that differ in
//! clipping alone stay together, if they are next to each other in the grid, since they share a
//! lane at first.
//!
//! A split takes no memory per trial. Of each cohort it keeps how many trials lie at each of
//! `PLACES` places.

use super::ByShape;
use super::cost::Cost;
use crate::trial::{Clip, Trial};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

/// The number of places at which a cohort can be cut.
const PLACES: u32 = 1 << 20;

/// A split of a grid, which gives the shard of each trial in grid order.
pub struct Split {
    walk: Walk,
    /// For each cohort, the places at which its hands end, and the shard of each hand, from 0.
    cuts: Vec<Vec<(u32, u32)>>,
    seconds: Vec<f64>,
}

impl Split {
    /// Splits the whole grid, whose trials come in their order, into `count` shards. There must be
    /// at least one shard.
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
        let (cuts, nanoseconds) = deal(&cohorts, count);
        let seconds = nanoseconds.into_iter().map(|nanoseconds| nanoseconds as f64 / 1e9).collect();
        Split { walk: Walk::default(), cuts, seconds }
    }

    /// The shard of the next trial of the grid, from 1.
    ///
    /// # Panics
    /// If the trial is none of those of which the split was made.
    pub fn shard_of(&mut self, trial: &Trial) -> u32 {
        let (cohort, place) = self.walk.step(trial);
        let cuts = &self.cuts[cohort];
        cuts[cuts.partition_point(|(end, _)| *end <= place)].1 + 1
    }

    /// The predicted seconds of each shard on one core.
    pub fn seconds(&self) -> &[f64] {
        &self.seconds
    }
}

/// A walk over the grid in its order, which finds the cohort of each trial and the trial's place in
/// it.
#[derive(Default)]
struct Walk {
    by_shape: ByShape,
    families: Vec<Family>,
}

/// Trials of a cohort that follow each other and differ in seed and clipping alone, with at most
/// `CLIPS` ways to clip.
struct Family {
    likeness: u64,
    number: u64,
    clip: Clip,
    clips: u32,
}

/// The most ways to clip that share a lane at first, and so stand in one shard. With more, other
/// shards could get none of them where a grid varies little else.
const CLIPS: u32 = 4;

impl Walk {
    fn step(&mut self, trial: &Trial) -> (usize, u32) {
        // Fractions of 2^64 whose multiples are spread evenly over the unit cube: powers of the
        // inverse of the root of x^4 = x + 1. So any stretch of places has its share of every
        // neighbourhood of the grid, and cohorts that are built alike do not all give a shard the
        // same part.
        const FAMILY: u64 = 0xD1B5_4A32_D192_ED03;
        const SEED: u64 = 0xABC9_8388_FB8F_AC03;
        const COHORT: u64 = 0x8CB9_2BA7_2F3D_8DD7;
        let (cohort, likeness) = (self.by_shape.number(trial), trial.likeness());
        match self.families.get_mut(cohort) {
            None => self.families.push(Family { likeness, number: 0, clip: trial.clip, clips: 1 }),
            Some(family) if family.likeness == likeness && family.clip == trial.clip => {}
            Some(family) if family.likeness == likeness && family.clips < CLIPS => {
                (family.clip, family.clips) = (trial.clip, family.clips + 1);
            }
            Some(family) => {
                *family = Family { likeness, number: family.number + 1, clip: trial.clip, clips: 1 };
            }
        }
        let steps = [(self.families[cohort].number, FAMILY), (trial.seed, SEED), (cohort as u64, COHORT)];
        let at = steps.iter().fold(0u64, |at, (number, step)| at.wrapping_add(number.wrapping_mul(*step)));
        (cohort, (at >> (64 - PLACES.ilog2())) as u32)
    }
}

/// The costs of a cohort in whole nanoseconds, so that sums and comparisons are exact, and the
/// places of its trials.
struct Cohort {
    lanes: u64,
    /// The number of trials that should be in one shard, since fewer would take a chunk for
    /// themselves.
    fewest: u64,
    per_chunk: u64,
    per_lane: u64,
    trials: u64,
    /// The number of trials at each place.
    at: BTreeMap<u32, u64>,
}

impl Cohort {
    fn new(cost: Cost) -> Cohort {
        let whole = |seconds: f64| (seconds * 1e9) as u64 + 1;
        Cohort {
            lanes: cost.lanes(f64::INFINITY) as u64,
            fewest: cost.fewest_lanes() as u64,
            per_chunk: whole(cost.seconds_per_chunk + cost.seconds_per_seed),
            per_lane: whole(cost.seconds_per_lane),
            trials: 0,
            at: BTreeMap::new(),
        }
    }

    /// The cost of a shard's part that has `trials` trials.
    fn cost(&self, trials: u64) -> u64 {
        trials.div_ceil(self.lanes) * self.per_chunk + trials * self.per_lane
    }

    /// The fewest trials of a hand, where `share` is the work of a shard in all.
    fn least(&self, share: u64) -> u64 {
        self.fewest.min(share.saturating_sub(self.per_chunk) / self.per_lane).max(1)
    }

    /// The hands: for each, the place where it ends and the number of its trials. All of them have
    /// nearly the same number. Each of `count` shards gets equally many hands, if that leaves at
    /// least `least` trials to each hand.
    fn hands(&self, least: u64, count: u64) -> Vec<(u32, u64)> {
        let most = (self.trials / least).max(1);
        let hands = if most > count { most - most % count } else { most };
        let mut places = self.at.iter().peekable();
        let (mut sum, mut before) = (0, 0);
        let mut cuts = Vec::new();
        for hand in 1..=hands {
            let wanted = (u128::from(self.trials) * u128::from(hand) / u128::from(hands)) as u64;
            // A place belongs to the hand in which more than half of its trials lie.
            while let Some((_, trials)) = places.next_if(|(_, trials)| sum + trials.div_ceil(2) <= wanted) {
                sum += trials;
            }
            if sum > before {
                cuts.push((places.peek().map_or(PLACES, |(place, _)| **place), sum - before));
                before = sum;
            }
        }
        cuts
    }
}

/// Deals all cohorts. Returns, for each cohort, the places at which its hands end and the shard of
/// each hand, from 0; and the work of each shard.
fn deal(cohorts: &[Cohort], count: u32) -> (Vec<Vec<(u32, u32)>>, Vec<u64>) {
    let share = cohorts.iter().map(|cohort| cohort.cost(cohort.trials)).sum::<u64>() / u64::from(count);
    let least: Vec<u64> = cohorts.iter().map(|cohort| cohort.least(share)).collect();
    let mut order: Vec<usize> = (0..cohorts.len()).collect();
    order.sort_by_key(|number| Reverse(cohorts[*number].cost(least[*number])));
    // The shard with the least work comes first; of several, the one with the lowest number.
    let mut loads: BinaryHeap<Reverse<(u64, u32)>> = (0..count).map(|shard| Reverse((0, shard))).collect();
    let mut cuts = vec![Vec::new(); cohorts.len()];
    for number in order {
        let cohort = &cohorts[number];
        let mut held: HashMap<u32, u64> = HashMap::new();
        for (end, trials) in cohort.hands(least[number], u64::from(count)) {
            let Reverse((load, shard)) = loads.pop().expect("there is a shard");
            let held = held.entry(shard).or_default();
            let more = cohort.cost(*held + trials) - cohort.cost(*held);
            *held += trials;
            cuts[number].push((end, shard));
            loads.push(Reverse((load + more, shard)));
        }
    }
    let mut nanoseconds = vec![0; count as usize];
    loads.into_iter().for_each(|Reverse((load, shard))| nanoseconds[shard as usize] = load);
    (cuts, nanoseconds)
}
