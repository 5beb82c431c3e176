//! Lanes at rest are closed early. They have the same rows, epochs and steps as if they were
//! trained to their end.

use crate::training::scalar;
use crate::trials;
use blowup_core::training::Step;
use blowup_core::trial::*;
use blowup_core::verdict::{Finished, Layers, Record};
use blowup_engine as engine;
use blowup_engine::cohort;

const STEPS: u64 = 400;

fn record(layers: Layers) -> Record {
    Record { epochs: true, layers, steps: 3, sharpness: false }
}

/// Trains all trials together, and counts the passes.
fn train(trials: &[Trial], record: &Record) -> (Vec<Finished>, u64) {
    engine::start();
    let mut results = vec![None; trials.len()];
    let passes =
        tch::no_grad(|| cohort::train(trials, record, None, &mut |i, finished| results[i] = Some(finished))).unwrap();
    (results.into_iter().map(Option::unwrap).collect(), passes)
}

/// Trains a trial to its end, since a trial that is watched is never closed.
fn watched(trial: &Trial) -> Finished {
    engine::start();
    let mut steps = 0;
    let finished = engine::replay(trial, &record(Layers::Never), &mut |_: Step| steps += 1).unwrap();
    assert_eq!(steps, finished.measured.steps_run + 1);
    finished
}

fn same(a: &Finished, b: &Finished, name: &str) {
    // The texts are compared, since a NaN does not equal itself.
    assert_eq!(format!("{a:?}"), format!("{b:?}"), "{name}");
}

/// Trials that come to rest, and how they do.
fn resting() -> Vec<(&'static str, Trial)> {
    let base = Trial { budget: Budget::Steps(STEPS), ..trials::mlp() };
    let one = |lr| Trial { budget: Budget::Steps(STEPS), ..scalar(lr) };
    let relu = Network::Mlp { depth: 2, width: 5, activation: Activation::Relu, norm: Norm::None, residual: false };
    let init = |kind, scale| Init { kind, scale, offset: 0.0 };
    vec![
        ("a learning rate of 0", Trial { lr: 0.0, ..base.clone() }),
        ("in 16 bits", Trial { lr: 0.0, numerics: Numerics::Uniform(Dtype::Bfloat16), ..base.clone() }),
        ("without any gradient", Trial { init: init(InitKind::Constant, 0.0), bias: Bias::None, ..base.clone() }),
        (
            "dead units below biases",
            Trial {
                network: relu,
                init: init(InitKind::Constant, -1.0),
                bias: Bias::Learned { std: 0.0 },
                task: Task { input_std: 0.0, ..base.task.clone() },
                numerics: Numerics::Uniform(Dtype::Float32),
                lr: 0.25,
                ..base.clone()
            },
        ),
        ("at the minimum", one(0.4)),
        ("at the minimum, clipped by value", Trial { clip: Clip::Value(0.1), ..one(0.4) }),
        ("at the minimum, with decay", Trial { weight_decay: 0.1, ..one(0.4) }),
        (
            "an infinite norm, clipped away",
            Trial {
                clip: Clip::Norm(1.0),
                init: init(InitKind::Constant, 1e25),
                loss_ratio: 1e30,
                numerics: Numerics::Uniform(Dtype::Float32),
                ..one(0.1)
            },
        ),
        (
            "too small a step for the last place",
            Trial { lr: 1e-12, numerics: Numerics::Uniform(Dtype::Float32), ..base.clone() },
        ),
        ("recurrent", Trial { lr: 1e-20, budget: Budget::Steps(STEPS), ..trials::rnn() }),
        ("epochs", Trial { lr: 0.0, budget: Budget::Epochs(STEPS), ..base }),
    ]
}

#[test]
fn a_lane_at_rest_is_closed_with_the_row_of_a_whole_run() {
    for (name, trial) in resting() {
        let (closed, passes) = train(std::slice::from_ref(&trial), &record(Layers::Never));
        assert!(passes < STEPS / 2, "{name}: {passes} passes");
        same(&closed[0], &watched(&trial), name);
    }
}

#[test]
fn lanes_that_go_on_do_not_notice_and_neither_does_one_that_looks_at_rest() {
    let base = Trial { budget: Budget::Steps(STEPS), numerics: Numerics::Uniform(Dtype::Float32), ..trials::mlp() };
    let lr = [0.1, 0.0, 1e-12, 3.0, 1e-7, 0.0];
    let trials: Vec<Trial> = lr.map(|lr| Trial { lr, ..base.clone() }).into();
    let (found, passes) = train(&trials, &record(Layers::Never));
    assert_eq!(passes, STEPS + 1);
    trials.iter().zip(&found).for_each(|(trial, found)| same(found, &watched(trial), &trial.lr.to_string()));
}

#[test]
fn what_can_still_move_is_trained_to_its_end() {
    let base = Trial { lr: 0.0, budget: Budget::Steps(STEPS), ..trials::mlp() };
    let cosine = Trial { schedule: Schedule::Cosine { lr_min: 0.0 }, ..base.clone() };
    let momentum = Trial { optimizer: Optimizer::Sgd { momentum: 0.9, nesterov: false }, ..base.clone() };
    let batches = Trial { batch: 3, ..base.clone() };
    let fresh = Trial { task: Task { kind: TaskKind::FreshNoise, ..base.task.clone() }, ..base.clone() };
    for trial in [cosine, momentum, batches, fresh] {
        assert_eq!(train(&[trial], &record(Layers::Never)).1, STEPS + 1);
    }
    assert_eq!(train(&[base], &record(Layers::At(vec![STEPS]))).1, STEPS + 1);
}
