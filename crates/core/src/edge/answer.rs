//! What the tried values say of an edge. There is no critical value in it: only tried values, and
//! what holds of all tried values on one side of them.

use super::search::{Seeds, events, fewest};
use crate::check::statistics::random_signs;
use crate::spec::expect::Direction;
use crate::summary::wilson;

/// The answer of a search that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The largest tried value such that no seed of it or of any smaller tried value had the event;
    /// -inf if the smallest tried value had it already.
    pub safe_up_to: f64,
    /// The smallest tried value such that every seed of it and of every larger tried value had the
    /// event; inf if the largest tried value has a seed without it.
    pub dead_from: f64,
    /// One bracket for each share that was asked for, in their order.
    pub brackets: Vec<Bracket>,
    pub reentrant: bool,
}

/// Where the rate of the event crosses a share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bracket {
    /// The largest tried value such that neither it nor any smaller one reaches the share, or -inf.
    pub low: f64,
    /// The smallest tried value such that it and all larger ones reach the share, or inf.
    pub high: f64,
    /// The 95% confidence interval of the value at which the rate over all seeds that there could
    /// be crosses the share, if that rate does not fall. Its ends are tried values, -inf or inf. It
    /// is `None` of a re-entrant edge, which has no such value.
    pub interval: Option<(f64, f64)>,
}

impl Answer {
    /// The answer of these tried values, which ascend. Values with as many seeds as each other have
    /// the same ones.
    pub fn of(tried: &[(f64, &Seeds)], shares: &[f64]) -> Answer {
        let reentrant = is_reentrant(tried);
        let last_without = |reaches: &dyn Fn(&Seeds) -> bool| {
            let below = tried.iter().take_while(|(_, seeds)| !reaches(seeds));
            below.last().map_or(f64::NEG_INFINITY, |(value, _)| *value)
        };
        let first_with = |reaches: &dyn Fn(&Seeds) -> bool| {
            let above = tried.iter().rev().take_while(|(_, seeds)| reaches(seeds));
            above.last().map_or(f64::INFINITY, |(value, _)| *value)
        };
        let bracket = |share: f64| {
            let reaches = |seeds: &Seeds| events(seeds) >= fewest(share, seeds.len());
            let interval = |seeds: &Seeds| wilson(events(seeds) as u64, seeds.len() as u64);
            let surely = |seeds: &Seeds| interval(seeds).0 >= share;
            let perhaps = |seeds: &Seeds| interval(seeds).1 >= share;
            Bracket {
                low: last_without(&reaches),
                high: first_with(&reaches),
                interval: (!reentrant).then(|| (last_without(&perhaps), first_with(&surely))),
            }
        };
        Answer {
            safe_up_to: last_without(&|seeds| events(seeds) > 0),
            dead_from: first_with(&|seeds| events(seeds) == seeds.len()),
            brackets: shares.iter().map(|share| bracket(*share)).collect(),
            reentrant,
        }
    }
}

/// The chance of calling an edge re-entrant by the second rule of [`is_reentrant`] though its rate
/// never falls.
const ALPHA: f64 = 0.05;

/// Whether the rate of the event falls again from a tried value to a larger one:
///
/// 1. it returns: at least nine tenths of the seeds have the event at the smaller value and at most
///    one tenth at the larger one, which of fewer than ten seeds means all of them and none; or
/// 2. it falls by more than chance: of the seeds in which the two values differ, so many have the
///    event at the smaller one that an exact sign test finds it, corrected for the number of pairs
///    of tried values (Bonferroni) at the level 0.05. Values with other seeds are not compared so.
fn is_reentrant(tried: &[(f64, &Seeds)]) -> bool {
    let pairs = (tried.len() * tried.len().saturating_sub(1) / 2) as f64;
    let pair = |a: &Seeds, b: &Seeds| {
        let (before, after) = (events(a), events(b));
        // Whole numbers, in which nine tenths are exact.
        if 10 * before >= 9 * a.len() && 10 * after <= b.len() {
            return !a.is_empty() && !b.is_empty();
        }
        if a.len() != b.len() {
            return false;
        }
        let signs: Vec<i64> = a.iter().zip(b).map(|(a, b)| i64::from(*a) - i64::from(*b)).collect();
        before > after && pairs * random_signs(&signs, Direction::Worse) <= ALPHA
    };
    tried.iter().enumerate().any(|(at, (_, a))| tried[at + 1..].iter().any(|(_, b)| pair(a, b)))
}
