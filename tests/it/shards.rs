//! The split of a grid into shards: pure, so held against a naive count.

use crate::contract::parse;
use crate::plan::trial;
use blowup::plan::{Cost, Plan, Planner, Shard, Sizes, Split};
use blowup::trial::{Clip, Shape, Trial};
use proptest::prelude::*;
use std::collections::HashMap;

fn main_grid() -> Vec<Trial> {
    parse(include_str!("../../experiments/grid.toml")).grid().trials().collect()
}

/// The shard of every trial, from 1, and what the split says of their costs.
fn deal(trials: &[Trial], count: u32) -> (Vec<u32>, Vec<f64>) {
    let mut split = Split::new(trials.iter().cloned(), count);
    let shards = trials.iter().map(|trial| split.shard_of(trial)).collect();
    (shards, split.seconds().to_vec())
}

/// Predicted seconds of each shard, counted naively: each shape of each shard in chunks as large as run well.
fn counted(trials: &[Trial], shards: &[u32], count: u32) -> Vec<f64> {
    let mut seconds = vec![0.0; count as usize];
    let mut members: HashMap<(u32, Shape), Vec<&Trial>> = HashMap::new();
    for (trial, shard) in trials.iter().zip(shards) {
        members.entry((*shard, trial.shape())).or_default().push(trial);
    }
    for ((shard, _), trials) in members {
        let cost = Cost::of(trials[0]);
        seconds[shard as usize - 1] +=
            trials.chunks(cost.lanes(f64::INFINITY)).map(|chunk| cost.seconds(chunk.len())).sum::<f64>()
                + (trials.len().div_ceil(cost.lanes(f64::INFINITY)) - trials.chunks(cost.lanes(f64::INFINITY)).len())
                    as f64;
    }
    seconds
}

fn worst_over_mean(seconds: &[f64]) -> f64 {
    seconds.iter().copied().fold(0.0, f64::max) * seconds.len() as f64 / seconds.iter().sum::<f64>()
}

/// As the shard's own sweep would plan it, on one worker.
fn planned(trials: &[Trial], shards: &[u32], count: u32) -> Vec<f64> {
    let mut planners: Vec<Planner> = (0..count).map(|_| Planner::default()).collect();
    for ((number, trial), shard) in (0..).zip(trials).zip(shards) {
        planners[*shard as usize - 1].push(number, trial);
    }
    let plans = planners
        .into_iter()
        .map(|planner| planner.plan(Sizes { workers: 1, chunk: None, seconds: None, bytes: f64::INFINITY }));
    plans.map(|plan: Plan| plan.seconds()).collect()
}

#[test]
fn the_main_grid_is_split_evenly_by_predicted_cost() {
    let trials = main_grid();
    for count in [2, 7, 64] {
        let (shards, seconds) = deal(&trials, count);
        let (split, plan) = (worst_over_mean(&seconds), worst_over_mean(&planned(&trials, &shards, count)));
        println!(
            "{count}: {split} {plan} {} {}",
            seconds.iter().sum::<f64>(),
            planned(&trials, &shards, count).iter().sum::<f64>()
        );
        assert!(split <= 1.1 && plan <= 1.1, "{count} shards: {split} by the split, {plan} by the plan");
    }
}
