//! Whole training runs are compared with closed forms, and the bits of a trial with different
//! neighbours.

use crate::trials::{self, ACTIVATIONS, ADAMW, MUON, NORMS, OPTIMIZERS};
use blowup_core::trial::*;
use blowup_core::verdict::{Finished, Layers, Outcome, Record};
use blowup_engine as engine;

/// Trains the trials together. The results come in the order of `trials`.
pub fn train(trials: &[Trial]) -> Vec<Finished> {
    engine::start();
    let mut results = vec![None; trials.len()];
    let record = Record { epochs: true, layers: Layers::Always, steps: 3, sharpness: false };
    engine::train(trials, &record, &mut |i, finished| results[i] = Some(finished)).unwrap();
    results.into_iter().map(Option::unwrap).collect()
}

/// One weight with the loss w^2, from w = 1, in f32.
pub fn scalar(lr: f64) -> Trial {
    Trial {
        task: Task { kind: TaskKind::Scalar, inputs: 1, outputs: 1, samples: 1, input_std: 1.0, ..Task::none() },
        budget: Budget::Steps(1000),
        network: Network::Linear,
        init: Init { kind: InitKind::Constant, scale: 1.0, offset: 0.0 },
        bias: Bias::None,
        lr,
        batch: 1,
        numerics: Numerics::Uniform(Dtype::Float32),
        ..trials::mlp()
    }
}

#[test]
fn on_a_quadratic_the_loss_overflows_after_the_number_of_updates_that_arithmetic_says() {
    // The loss w^2 has the curvature 2, so every update multiplies w by 1 - 2 lr, in f32.
    for (lr_curvature, infinite, nan) in [(2.5, 110, 220), (3.0, 64, 129)] {
        let [run] = &train(&[scalar(lr_curvature / 2.0)])[..] else { unreachable!() };
        assert_eq!(run.measured.outcome, Outcome::Nonfinite);
        assert_eq!(run.measured.nonfinite.unwrap().step, infinite);
        assert_eq!(run.measured.nan.unwrap().step, nan);
        assert_eq!(run.measured.steps_run, nan);
    }
}

#[test]
fn on_a_quadratic_heavy_ball_and_nesterov_are_stable_up_to_their_thresholds() {
    for (nesterov, threshold) in [(false, 3.8), (true, 1.357)] {
        let run = |lr_curvature: f64| {
            let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov };
            let trial = Trial { optimizer, numerics: Numerics::Uniform(Dtype::Float64), ..scalar(lr_curvature / 2.0) };
            train(&[trial])[0].measured.outcome
        };
        assert_eq!(run(threshold * 0.99), Outcome::Converged, "{nesterov}");
        assert!(run(threshold * 1.01).blew_up(), "{nesterov}");
    }
}

#[test]
fn norm_clipping_bounds_a_step_that_is_too_large_in_a_two_cycle() {
    let trial = Trial { clip: Clip::Norm(0.1), numerics: Numerics::Uniform(Dtype::Float64), ..scalar(1.5) };
    let run = &train(&[trial])[0].measured;
    // The cycle spans lr x c = 0.15 around the minimum, so the loss w^2 stays within its square.
    assert_eq!(run.nonfinite, None);
    assert!((run.update_norm_max.unwrap() - 0.15).abs() < 1e-5, "{run:?}");
    assert!(run.loss_final.unwrap() < 0.15f64.powi(2) && run.loss_final.unwrap() > 1e-6, "{run:?}");
}

#[test]
fn adaptive_optimizers_take_a_first_step_of_the_size_that_their_rules_say() {
    for (optimizer, factor) in [
        (Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false }, 1.0),
        (ADAMW, 1.0),
        // The square of the gradient is all of the sum.
        (Optimizer::Adagrad { eps: 1e-10, lr_decay: 0.0, initial_accumulator_value: 0.0 }, 1.0),
        (Optimizer::Lion { beta1: 0.9, beta2: 0.99, weight_decay_mode: DecayMode::Decoupled }, 1.0),
        (Optimizer::Rmsprop { alpha: 0.99, eps: 1e-8, momentum: 0.0 }, 10.0),
    ] {
        let trial = Trial { optimizer, numerics: Numerics::Uniform(Dtype::Float64), ..scalar(0.01) };
        let step = train(&[trial])[0].steps[0].update_norm.unwrap();
        assert!((step - 0.01 * factor).abs() < 1e-8, "{optimizer:?}: {step}");
    }
}

#[test]
fn the_ntk_parametrization_is_the_standard_one_at_a_learning_rate_divided_by_the_width() {
    let network = Network::Mlp { depth: 3, width: 6, activation: Activation::Tanh, norm: Norm::None, residual: false };
    let mut standard = Trial { network, bias: Bias::None, lr: 0.05, ..trials::mlp() };
    (standard.task.inputs, standard.init.kind) = (6, InitKind::Scaled);
    let mut ntk = Trial { parametrization: Parametrization::Ntk, lr: 0.05 * 6.0, ..standard.clone() };
    ntk.init.kind = InitKind::Normal;
    let [standard, ntk] = [standard, ntk].map(|trial| train(&[trial]).remove(0).measured);
    for (a, b) in [
        (standard.loss_initial.unwrap(), ntk.loss_initial.unwrap()),
        (standard.loss_final.unwrap(), ntk.loss_final.unwrap()),
    ] {
        assert!((a - b).abs() < 1e-12 * b, "{a} {b}");
    }
    assert!(standard.loss_final.unwrap() < 0.99 * standard.loss_initial.unwrap());
}

/// Trials of one shape that differ in everything that may differ within a cohort. Some of them blow
/// up.
fn neighbours(trial: &Trial) -> Vec<Trial> {
    let lrs = [1e-3, 0.1, 3.0, 1e3, 1e6, 1e12];
    let inits = [InitKind::He, InitKind::Orthogonal, InitKind::Pytorch];
    let clips = [Clip::None, Clip::Norm(0.5)];
    (0..13)
        .map(|i| Trial {
            lr: lrs[i % lrs.len()],
            init: Init { kind: inits[i % 3], scale: 1.0, offset: 0.0 },
            clip: clips[i / 3 % 2],
            seed: (i / 4) as u64,
            ..trial.clone()
        })
        .collect()
}

/// Checks that lanes of this trial's shape have the same bits whatever they train beside.
pub fn check_bits(trial: &Trial) {
    have_their_own_bits(&neighbours(trial));
}

/// Checks that trials of one shape have the same bits whatever they train beside.
pub fn have_their_own_bits(all: &[Trial]) {
    let together = train(all);
    for size in [1, 5] {
        for (trials, expected) in all.chunks(size).zip(together.chunks(size)) {
            for ((trial, apart), together) in trials.iter().zip(train(trials)).zip(expected) {
                // A NaN does not equal itself, so what would be written is compared.
                assert_eq!(format!("{apart:?}"), format!("{together:?}"), "{size} lanes: {trial:?}");
            }
        }
    }
}

#[test]
fn a_trial_has_the_same_bits_whatever_its_neighbours() {
    for dtype in Dtype::ALL.iter().copied() {
        let sizes = [(7, 21, 7), (33, 70, 9), (8, 64, 16)];
        for (batch, samples, width) in sizes.into_iter().take(if dtype.is_16_bit() { 1 } else { 3 }) {
            for (i, activation) in ACTIVATIONS.into_iter().enumerate() {
                for loss in [Loss::Mse, Loss::CrossEntropy] {
                    let norm = NORMS[(i + samples) % NORMS.len()];
                    let network = Network::Mlp { depth: 3, width, activation, norm, residual: false };
                    let mut trial = Trial { network, batch, loss, numerics: Numerics::Uniform(dtype), ..trials::mlp() };
                    trial.task.samples = samples;
                    trial.task.outputs = if loss == Loss::Mse { 1 } else { 3 };
                    check_bits(&trial);
                }
            }
        }
    }
}

#[test]
fn a_recurrent_trial_has_the_same_bits_whatever_its_neighbours() {
    for dtype in Dtype::ALL.iter().copied() {
        for activation in ACTIVATIONS {
            let norms = [Norm::Layer(NormPosition::Before), Norm::None, Norm::Rms(NormPosition::After)];
            for norm in norms.into_iter().take(if dtype.is_16_bit() { 1 } else { 3 }) {
                let network = Network::Rnn { depth: 2, width: 7, activation, norm, sequence_length: 9 };
                let mut trial = Trial { network, batch: 7, numerics: Numerics::Uniform(dtype), ..trials::rnn() };
                trial.task.samples = 17;
                check_bits(&trial);
            }
        }
    }
}

#[test]
fn a_gated_trial_has_the_same_bits_whatever_its_neighbours() {
    for dtype in Dtype::ALL.iter().copied() {
        for (cell, width) in [(Gated::Lstm, 7), (Gated::Gru, 9), (Gated::Lstm, 16)] {
            for depth in [1, 2] {
                let network = Network::Gated { cell, depth, width, sequence_length: 5 };
                let mut trial = Trial {
                    network,
                    forget_bias: Some(1.0),
                    batch: 7,
                    numerics: Numerics::Uniform(dtype),
                    ..trials::rnn()
                };
                trial.task.samples = 19;
                check_bits(&trial);
            }
        }
    }
}

#[test]
fn a_residual_trial_has_the_same_bits_whatever_its_neighbours() {
    for norm in NORMS {
        let network = Network::Mlp { depth: 4, width: 9, activation: Activation::Relu, norm, residual: true };
        check_bits(&Trial { network, batch: 3, numerics: Numerics::Uniform(Dtype::Float32), ..trials::mlp() });
        for dtype in Dtype::ALL.iter().copied() {
            let branches =
                Trial { residual_scale: 0.5, rezero: true, numerics: Numerics::Uniform(dtype), ..trials::mlp() };
            check_bits(&Trial { network, batch: 3, ..branches });
        }
    }
}

#[test]
fn trials_that_differ_in_their_clip_threshold_alone_have_the_bits_of_trials_apart() {
    let clips = [Clip::None, Clip::Norm(1e-4), Clip::Norm(0.3), Clip::Norm(0.8), Clip::Norm(1e9)];
    for optimizer in [
        Optimizer::Sgd { momentum: 0.0, nesterov: false },
        Optimizer::Sgd { momentum: 0.9, nesterov: false },
        Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false },
        Optimizer::Rmsprop { alpha: 0.99, eps: 1e-8, momentum: 0.9 },
        Optimizer::Lion { beta1: 0.9, beta2: 0.99, weight_decay_mode: DecayMode::Decoupled },
        MUON,
    ] {
        for (batch, dtype) in [(7, Dtype::Float32), (3, Dtype::Float64), (7, Dtype::Bfloat16)] {
            let base = Trial {
                optimizer,
                batch,
                numerics: Numerics::Uniform(dtype),
                budget: Budget::Epochs(12),
                ..trials::mlp()
            };
            let lrs = [0.01, 0.3, 30.0, 1e12];
            let all: Vec<Trial> = clips
                .iter()
                .flat_map(|&clip| lrs.map(|lr| Trial { clip, lr, label: format!("{clip:?}"), ..base.clone() }))
                .collect();
            let together = train(&all);
            for (trial, together) in all.iter().zip(together) {
                let apart = train(std::slice::from_ref(trial)).remove(0);
                assert_eq!(format!("{apart:?}"), format!("{together:?}"), "{trial:?}");
            }
            // Some trials never reach the threshold, and some reach it on their way.
            let norms = train(&all[..1])[0].steps.iter().map(|step| step.grad_norm.unwrap()).collect::<Vec<_>>();
            assert!(norms.iter().all(|norm| *norm < 1e9 && *norm > 1e-4), "{norms:?}");
        }
    }
}

#[test]
fn every_optimizer_has_the_same_bits_whatever_the_neighbours() {
    for optimizer in OPTIMIZERS {
        for (weight_decay, lr_output, dtype) in [
            (0.0, None, Dtype::Float32),
            (0.01, None, Dtype::Float32),
            (0.01, Some(0.5), Dtype::Float32),
            (0.01, Some(0.5), Dtype::Bfloat16),
            (0.0, None, Dtype::Float16),
        ] {
            let schedule = Schedule::WarmupCosine { warmup: 2, lr_min: 0.1 };
            let mut trial = Trial {
                optimizer,
                weight_decay,
                lr_output,
                schedule,
                numerics: Numerics::Uniform(dtype),
                batch: 3,
                ..trials::mlp()
            };
            if !dtype.is_16_bit() {
                trial.task.kind = TaskKind::FreshNoise;
            }
            trial.budget = Budget::Steps(5);
            check_bits(&trial);
        }
    }
}

#[test]
fn muon_has_the_same_bits_whatever_the_neighbours_for_matrices_of_any_form() {
    let mlp = |depth, width| Network::Mlp {
        depth,
        width,
        activation: Activation::Relu,
        norm: Norm::Layer(NormPosition::Before),
        residual: false,
    };
    let gated = |cell| Network::Gated { cell, depth: 2, width: 9, sequence_length: 4 };
    for dtype in [Dtype::Float32, Dtype::Float64, Dtype::Float16] {
        for network in [mlp(4, 9), mlp(3, 64), gated(Gated::Lstm), gated(Gated::Gru)] {
            let base = if network.sequence_length().is_some() { trials::rnn() } else { trials::mlp() };
            let trial = Trial {
                network,
                optimizer: MUON,
                weight_decay: 0.01,
                numerics: Numerics::Uniform(dtype),
                batch: 3,
                ..base
            };
            check_bits(&Trial { budget: Budget::Steps(6), ..trial });
        }
    }
}

#[test]
fn trials_of_one_seed_share_their_data_and_draws() {
    let slow = Trial { lr: 0.0, ..trials::mlp() };
    let scaled = Trial {
        init: Init { kind: InitKind::Xavier, scale: 2.0, offset: 0.0 },
        bias: Bias::Learned { std: 0.6 },
        ..slow.clone()
    };
    let other = Trial { seed: 1, ..slow.clone() };
    let runs = train(&[slow, scaled, other]);
    let norm = |i: usize| runs[i].measured.weight_norm_initial.unwrap();
    assert!((norm(1) / norm(0) - 2.0).abs() < 1e-12);
    assert_ne!(norm(2), norm(0));
    assert_eq!(runs[0].measured.outcome, Outcome::Untrained);
}
