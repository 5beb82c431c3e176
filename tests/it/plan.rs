//! The plan is pure: trials in, chunks out.

use crate::trials;
use blowup::device::Device;
use blowup::plan::{Cost, Plan, Planner, Sizes};
use blowup::trial::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

pub fn trial(depth: usize, width: usize, seed: u64) -> Trial {
    let network = Network::Mlp { depth, width, activation: Activation::Tanh, norm: Norm::None, residual: false };
    let mut trial = Trial { network, budget: Budget::Epochs(100), dtype: Dtype::Float32, seed, ..trials::mlp() };
    trial.label = "a label".to_owned();
    trial.init.kind = InitKind::He;
    (trial.task.samples, trial.batch) = (64, 64);
    trial
}

fn plan(trials: &[Trial], workers: usize, chunk: Option<usize>) -> Plan {
    let mut planner = Planner::default();
    for (number, trial) in (0..).zip(trials) {
        planner.push(number, trial);
    }
    planner.plan(Sizes { workers, device: Device::Cpu, chunk, seconds: None, bytes: f64::INFINITY })
}

fn shapes() -> impl Strategy<Value = Vec<Trial>> {
    proptest::collection::vec((1usize..5, prop::sample::select(vec![4usize, 16, 64]), 0u64..5), 1..200)
        .prop_map(|all| all.into_iter().map(|(depth, width, seed)| trial(depth, width, seed)).collect())
}

proptest! {
    #[test]
    fn every_trial_is_in_exactly_one_chunk(trials in shapes(), workers in 1usize..9, chunk in prop::option::of(1usize..40)) {
        let plan = plan(&trials, workers, chunk);
        let mut seen: Vec<u32> = plan.chunks.iter().flat_map(|c| c.trials.clone()).collect();
        seen.sort_unstable();
        prop_assert_eq!(seen, (0..trials.len() as u32).collect::<Vec<_>>());
        for c in &plan.chunks {
            prop_assert!(!c.trials.is_empty() && c.trials.len() <= chunk.unwrap_or(usize::MAX));
            let shapes: BTreeSet<String> = c.trials.iter().map(|t| format!("{:?}", trials[*t as usize].shape())).collect();
            prop_assert_eq!(shapes.len(), 1);
        }
        prop_assert!(plan.chunks.is_sorted_by(|a, b| a.seconds() >= b.seconds()));
    }
}

#[test]
fn lane_counts_are_near_what_was_measured_to_be_fast() {
    let lanes = |width| Cost::of(&trial(16, width, 0)).lanes(f64::INFINITY);
    assert!((32..=128).contains(&lanes(16)), "{}", lanes(16));
    assert!((4..=8).contains(&lanes(64)), "{}", lanes(64));
    assert!((2..=4).contains(&lanes(128)), "{}", lanes(128));
}

#[test]
fn predicted_seconds_are_near_what_was_measured() {
    let step = |width| {
        let cost = Cost::of(&trial(16, width, 0));
        1e6 * cost.seconds(cost.lanes(f64::INFINITY)) / cost.lanes(f64::INFINITY) as f64 / 101.0
    };
    assert!((14.0..28.0).contains(&step(16)), "{}", step(16));
    assert!((110.0..200.0).contains(&step(64)), "{}", step(64));
}

#[test]
fn a_huge_trial_stands_alone() {
    assert_eq!(Cost::of(&trial(64, 2048, 0)).lanes(f64::INFINITY), 1);
}

#[test]
fn workers_get_several_chunks_each_when_there_is_enough() {
    let trials: Vec<Trial> = (0..400).map(|seed| trial(4, 16, seed)).collect();
    assert!(plan(&trials, 4, None).chunks.len() >= 12);
    assert!(plan(&trials[..8], 4, None).chunks.len() <= 4);
}

#[test]
fn a_few_long_trials_are_spread_over_all_workers() {
    let trials: Vec<Trial> = (0..32).map(|seed| trial(16, 256, seed)).collect();
    let chunks = plan(&trials, 8, None).chunks;
    assert!(chunks.len() >= 8 && chunks.iter().all(|c| c.trials.len() <= 4));
}

#[test]
fn lanes_of_one_seed_stand_together() {
    let trials: Vec<Trial> = (0..60).map(|n| Trial { lr: n as f64, ..trial(2, 64, n % 3) }).collect();
    for chunk in plan(&trials, 1, Some(20)).chunks {
        let seeds: BTreeSet<u64> = chunk.trials.iter().map(|t| trials[*t as usize].seed).collect();
        assert_eq!(seeds.len(), 1);
    }
}
