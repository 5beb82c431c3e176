//! Clipping that adapts, skipped updates and accumulated gradients, on recorded gradients and in
//! whole trainings. `make pytorch` holds every step of them against PyTorch.

use crate::training::{have_their_own_bits, scalar, train};
use crate::trials;
use blowup_core::trial::*;
use blowup_core::verdict::Finished;
use blowup_engine::clip::update::UpdateLimit;
use blowup_engine::clip::{self, Memory};
use blowup_engine::data::per_lane;
use blowup_engine::readout::GlobalNorm;
use blowup_engine::skip::Guard;
use blowup_engine::weights::{Role, host};
use tch::{Kind, Tensor};

const ADAM: Optimizer = Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false };

fn near(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (x, y) in found.iter().zip(expected) {
        assert!((x - y).abs() <= 1e-14 * y.abs().max(1e-300), "{found:?} for {expected:?}");
    }
}

/// `[layers, lane, rows, cols]` of one layer and one lane.
fn matrix(values: &[f64], rows: i64) -> Tensor {
    Tensor::from_slice(values).view([1, 1, rows, -1])
}

/// What a rule multiplies gradients of these norms with, step by step.
fn coefficients(clip: Clip, norms: &[f64]) -> Vec<f64> {
    let mut memory = Memory::new(clip);
    let step = |norm: &f64| GlobalNorm { in_dtype: *norm, exact: *norm };
    norms.iter().map(|norm| clip::coefficient(clip, &mut memory, step(norm), Dtype::Float64)).collect()
}

/// The numbers are those of `timm.utils.agc.adaptive_clip_grad` (timm 1.0.31) with `clip_factor`
/// 0.02 and `eps` 1e-3. PyTorch's rows are columns here.
#[test]
fn adaptive_clipping_gives_the_gradients_of_timm() {
    let weights = matrix(&[0.3, 0.0, -0.4, 0.0, 1.2, 0.0], 3);
    let gradient = matrix(&[3.0, 0.6, 4.0, 0.0, 0.0, 0.8], 3);
    let threshold = per_lane(&[0.02], Kind::Double);
    let clipped = &gradient * clip::agc::factors(Role::Weight, &weights, &gradient, &threshold);
    near(&host(&clipped), &[0.015600000000000003, 1.2e-05, 0.020800000000000003, 0.0, 0.0, 1.6000000000000003e-05]);
    let (bias, gradient) = (matrix(&[0.5, -0.5], 1), matrix(&[0.003, 0.004], 1));
    assert_eq!(host(&clip::agc::factors(Role::Bias, &bias, &gradient, &threshold)), [1.0]);
    // The rows of a parameter of a bundle are the first dimension of PyTorch's.
    let (weights, gradient) = (matrix(&[3.0, 4.0, 0.0, 0.0], 2), matrix(&[0.6, 0.8, 3e-6, 4e-6], 2));
    near(&host(&clip::agc::factors(Role::Own, &weights, &gradient, &threshold)), &[0.1, 1.0]);
    let nan = matrix(&[f64::NAN, 0.8, 3e-6, 4e-6], 2);
    let factors = host(&clip::agc::factors(Role::Own, &weights, &nan, &threshold));
    assert!(factors[0].is_nan() && factors[1] == 1.0, "{factors:?}");
}

/// The thresholds are those of `numpy.percentile` at 30, and the coefficients those of
/// `clip_grad_norm_` with them.
#[test]
fn autoclip_clips_to_numpys_percentile_of_all_norms_so_far() {
    let mut norms = clip::autoclip::Norms::default();
    let recorded = [4.0, 1.0, 3.0, 2.0, 10.0, 0.5];
    let thresholds: Vec<f64> = recorded.iter().map(|norm| norms.threshold(30.0, *norm)).collect();
    near(&thresholds, &[4.0, 1.9, 2.2, 1.9, 2.2, 1.5]);
    let expected = [0.9999997500000625, 1.0, 0.7333330888889704, 0.9499995250002374, 0.21999997800000223, 1.0];
    near(&coefficients(Clip::Autoclip(30.0), &recorded), &expected);
    let found = coefficients(Clip::Autoclip(50.0), &[1.0, f64::INFINITY, 1.0, f64::NAN, 1.0]);
    assert_eq!(format!("{:?}", &found[1..]), format!("[NaN, {}, NaN, NaN]", found[0]));
}

/// The numbers are those of the published `ZClip(z_thresh=2.5, max_grad_norm=None)`.
#[test]
fn zclip_gives_the_coefficients_of_the_published_code() {
    let warmup = (0..25).map(|i| 1.0 + 0.1 * f64::from((7 * i) % 5));
    let norms: Vec<f64> = warmup.chain([1.3, 2.0, 30.0, 1.1, 5.0, 1.2]).collect();
    let found = coefficients(Clip::Zclip(2.5), &norms);
    assert!(found[..25].iter().all(|coefficient| *coefficient == 1.0));
    let expected = [1.0, 0.6786734776861348, 0.040397355818756274, 1.0, 0.24713784651822973, 1.0];
    for (x, y) in found[25..].iter().zip(expected) {
        assert!((x - y).abs() < 1e-13, "{found:?}");
    }
    // An infinite norm is clipped to the mean, and the next step is judged as before.
    let spike: Vec<f64> = norms[..25].iter().copied().chain([f64::INFINITY, 1.2]).collect();
    assert_eq!(coefficients(Clip::Zclip(2.5), &spike)[25..], [0.0, 1.0]);
}

/// The steps are those that `SkipStepOptimizer` of OLMo-core skips at `sigma_factor` 3.
#[test]
fn steps_that_stand_out_are_those_of_olmo() {
    let step = |i: u32| {
        let loss = if [10, 62, 63, 100, 101, 250].contains(&i) { 3.0 } else { 1.0 + 0.1 * f64::from((7 * i) % 5) };
        let norm = if [64, 150, 200].contains(&i) { 9.0 } else { 2.0 + 0.1 * f64::from((3 * i) % 7) };
        (loss, norm)
    };
    let mut guard = Guard::default();
    let skips = |(loss, norm)| guard.skips(Skip::Zscore(3.0), loss, norm) == Some(true);
    let skipped: Vec<u32> =
        (0..300).zip((0..300).map(step).map(skips)).filter(|(_, skip)| *skip).map(|of| of.0).collect();
    assert_eq!(skipped, [63, 64, 100, 101, 150, 200, 250]);
}

/// A NaN among the last steps would make every mean NaN; here it costs its own step.
#[test]
fn a_norm_that_is_not_finite_costs_one_step() {
    let mut guard = Guard::default();
    let mut skips = |i: u32, norm| guard.skips(Skip::Zscore(f64::INFINITY), f64::from(i % 3), norm).unwrap();
    assert!((0..63).all(|i| !skips(i, if i == 5 { f64::NAN } else { 1.0 })));
    assert!(skips(63, f64::NAN) && !skips(64, 1e30) && skips(65, f64::INFINITY) && !skips(66, 1.0));
    let mut guard = Guard::default();
    let mut skips = |norm| guard.skips(Skip::Norm(2.0), 1.0, norm).unwrap();
    assert!(!skips(2.0) && skips(2.1) && skips(f64::INFINITY) && skips(f64::NAN) && !skips(1.0));
    assert_eq!(Guard::default().skips(Skip::None, f64::NAN, f64::NAN), None);
}

/// Algorithm 2 of the paper: the learning rate is divided by max(1, RMS / threshold), where RMS is
/// the root of the mean of g^2 / max(v, eps^2).
#[test]
fn the_factor_of_an_update_is_that_of_stable_adamw() {
    let (gradient, root) = (matrix(&[3.0, -4.0, 0.0, 1e-3], 2), matrix(&[1.0, 0.5, 2.0, 1e-5], 2));
    let mut limit = UpdateLimit::new(&[0.5], Kind::Double);
    let found = host(&limit.factors(&gradient, &root, &per_lane(&[1e-2], Kind::Double)));
    let rms = ((9.0f64 + 64.0 + 0.0 + 1e-2) / 4.0).sqrt();
    near(&found, &[1.0 / (rms / 0.5)]);
    near(&limit.smallest, &found);
    limit.begin();
    assert_eq!(host(&limit.factors(&(gradient * 1e-3), &root, &per_lane(&[1e-2], Kind::Double))), [1.0]);
    assert_eq!(limit.smallest, [1.0]);
}

/// One weight under Adam, whose second gradient is ten times its first: the second step is divided
/// by g / sqrt(v), and so are later ones.
#[test]
fn a_clipped_update_of_adam_is_as_long_as_the_paper_says() {
    let trial = Trial {
        optimizer: Optimizer::Adam { beta1: 0.0, beta2: 0.9, eps: 0.0, amsgrad: false },
        clip: Clip::Update(0.5),
        budget: Budget::Steps(3),
        numerics: Numerics::Uniform(Dtype::Float64),
        ..scalar(1e-3)
    };
    let run = &train(std::slice::from_ref(&trial))[0];
    // With beta1 = 0 and one weight the quotient of the update is the one that is measured, so
    // every update is 0.5 lr long.
    for step in &run.steps {
        assert!((step.update_norm.unwrap() - 0.5e-3).abs() < 1e-15 && step.clipped == Some(true), "{step:?}");
    }
    assert_eq!(run.measured.clipped_fraction, Some(1.0));
    assert!((run.measured.clip_silenced.unwrap() - 0.5).abs() < 0.01, "{run:?}");
    let free = &train(&[Trial { clip: Clip::Update(1e3), ..trial }])[0];
    assert_eq!((free.measured.clipped_fraction, free.measured.clip_silenced), (Some(0.0), None));
}

/// A step that is skipped changes nothing: neither the weights nor the moments nor their count.
#[test]
fn a_skipped_step_leaves_weights_and_moments_as_they_were() {
    for optimizer in [
        Optimizer::Sgd { momentum: 0.0, nesterov: false },
        Optimizer::Sgd { momentum: 0.9, nesterov: true },
        ADAM,
        Optimizer::Rmsprop { alpha: 0.9, eps: 1e-8, momentum: 0.5 },
    ] {
        for dtype in [Dtype::Float32, Dtype::Float64, Dtype::Bfloat16] {
            let base = Trial {
                optimizer,
                numerics: Numerics::Uniform(dtype),
                batch: 1,
                budget: Budget::Epochs(1),
                lr: 0.05,
                ..trials::mlp()
            };
            let all = Trial { skip: Skip::Norm(1e-9), ..base.clone() };
            let run = &train(std::slice::from_ref(&all))[0].measured;
            assert_eq!((run.skipped_fraction, run.first_skip), (Some(1.0), Some(0)), "{optimizer:?} {dtype:?}");
            assert_eq!(run.loss_final, run.loss_initial);
            assert_eq!((run.update_norm_max, run.weight_norm_max), (Some(0.0), run.weight_norm_initial));
            let never = &train(std::slice::from_ref(&base))[0].measured;
            assert_eq!((never.skipped_fraction, never.first_skip), (None, None));
            let none = &train(&[Trial { skip: Skip::Norm(f64::INFINITY), ..base }])[0].measured;
            assert_eq!((none.skipped_fraction, none.first_skip), (Some(0.0), None));
            assert_eq!((none.loss_final, none.weight_norm_max), (never.loss_final, never.weight_norm_max));
        }
    }
}

/// What `runs.csv` would say, but for what only a rule fills.
fn course(run: &Finished) -> String {
    let mut measured = run.measured.clone();
    (measured.clipped_fraction, measured.clip_silenced, measured.skipped_fraction) = (None, None, None);
    format!("{measured:?}")
}

#[test]
fn rules_that_never_act_change_no_bit() {
    for dtype in [Dtype::Float32, Dtype::Float64, Dtype::Float16] {
        let base = Trial {
            numerics: Numerics::Uniform(dtype),
            batch: 3,
            optimizer: Optimizer::Sgd { momentum: 0.5, nesterov: false },
            ..trials::mlp()
        };
        let plain = course(&train(std::slice::from_ref(&base))[0]);
        for clip in [Clip::PerLayer(1e4), Clip::Agc(1e4), Clip::Zclip(1e4)] {
            assert_eq!(course(&train(&[Trial { clip, ..base.clone() }])[0]), plain, "{clip:?}");
        }
        assert_eq!(course(&train(&[Trial { skip: Skip::Zscore(1.0), ..base.clone() }])[0]), plain);
    }
}

/// Without biases every tensor is a matrix, and a net of one hidden layer has two.
#[test]
fn per_layer_clipping_bounds_each_tensor_and_adaptive_clipping_spares_the_output() {
    let network = Network::Mlp { depth: 1, width: 5, activation: Activation::Tanh, norm: Norm::None, residual: false };
    let base = Trial { network, bias: Bias::None, budget: Budget::Steps(1), lr: 1.0, ..trials::mlp() };
    let norms = |clip| {
        let run = &train(&[Trial { clip, ..base.clone() }])[0];
        (run.steps[0].update_norm.unwrap(), run.measured.clip_silenced)
    };
    let (update, silenced) = norms(Clip::PerLayer(1e-3));
    assert!((update - 1e-3 * 2f64.sqrt()).abs() < 1e-6 && silenced.is_some_and(|c| c < 0.1), "{update} {silenced:?}");
    // At a threshold of almost 0 only the output layer moves.
    let layers = &train(&[Trial { clip: Clip::Agc(1e-12), ..base.clone() }])[0].layers;
    let weights =
        |epoch: u64, layer| layers.iter().find(|row| (row.epoch, row.layer) == (epoch, layer)).unwrap().weight_norm;
    assert!((weights(0, 1) - weights(1, 1)).abs() < 1e-11 && (weights(0, 2) - weights(1, 2)).abs() > 1e-4);
}

/// Trials of one shape that differ in what may differ within a cohort.
fn neighbours(trial: &Trial) -> Vec<Trial> {
    let lrs = [1e-3, 0.1, 3.0, 1e6, 1e12];
    let numbers = [0.3, 1.0, 20.0];
    (0..12)
        .map(|i| Trial {
            lr: lrs[i % lrs.len()],
            clip: trial.clip.with(numbers[i % 3]),
            skip: trial.skip.with(numbers[i / 2 % 3]),
            seed: (i / 4) as u64,
            ..trial.clone()
        })
        .collect()
}

fn check_bits(trial: &Trial) {
    have_their_own_bits(&neighbours(trial));
}

const CLIPS: [Clip; 7] = [
    Clip::None,
    Clip::PerLayer(1.0),
    Clip::Agc(1.0),
    Clip::Autoclip(1.0),
    Clip::Zclip(1.0),
    Clip::Update(1.0),
    Clip::Value(1.0),
];

#[test]
fn clipping_and_skipping_have_the_same_bits_whatever_the_neighbours() {
    for clip in CLIPS {
        for dtype in [Dtype::Float32, Dtype::Float64, Dtype::Bfloat16] {
            for (i, skip) in [Skip::None, Skip::Norm(1.0), Skip::Zscore(1.0)].into_iter().enumerate() {
                let momentum = Optimizer::Sgd { momentum: 0.9, nesterov: false };
                let optimizer = if clip == Clip::Update(1.0) || i == 1 { ADAM } else { momentum };
                // Enough steps for the warm-up of zclip and the first step that zscore judges.
                let budget = Budget::Epochs(if skip == Skip::Zscore(1.0) { 24 } else { 10 });
                check_bits(&Trial {
                    clip,
                    skip,
                    optimizer,
                    numerics: Numerics::Uniform(dtype),
                    budget,
                    batch: 3,
                    ..trials::mlp()
                });
            }
        }
    }
    let network = Network::Gated { cell: Gated::Lstm, depth: 2, width: 7, sequence_length: 4 };
    for clip in [Clip::PerLayer(1.0), Clip::Agc(1.0)] {
        check_bits(&Trial { clip, network, batch: 3, numerics: Numerics::Uniform(Dtype::Float32), ..trials::rnn() });
    }
}

/// Trials that differ in their rule alone share a lane until one of them is clipped, and what each
/// remembers is its own.
#[test]
fn trials_that_share_a_lane_remember_their_own() {
    let clips =
        [Clip::None, Clip::Norm(0.4), Clip::Autoclip(30.0), Clip::Autoclip(90.0), Clip::Zclip(1.0), Clip::Zclip(2.0)];
    for dtype in [Dtype::Float32, Dtype::Float64] {
        let base = Trial {
            numerics: Numerics::Uniform(dtype),
            batch: 3,
            budget: Budget::Epochs(14),
            lr: 0.3,
            ..trials::mlp()
        };
        let all: Vec<Trial> = clips.map(|clip| Trial { clip, ..base.clone() }).into();
        for (trial, together) in all.iter().zip(train(&all)) {
            let apart = train(std::slice::from_ref(trial)).remove(0);
            assert_eq!(format!("{apart:?}"), format!("{together:?}"), "{trial:?}");
        }
    }
}

#[test]
fn accumulated_gradients_have_the_same_bits_whatever_the_neighbours() {
    for accumulate in [2, 3] {
        for (dtype, skip) in
            [(Dtype::Float32, Skip::None), (Dtype::Float64, Skip::Norm(1.0)), (Dtype::Float16, Skip::None)]
        {
            check_bits(&Trial {
                accumulate,
                skip,
                numerics: Numerics::Uniform(dtype),
                batch: 2,
                budget: Budget::Epochs(6),
                ..trials::mlp()
            });
        }
    }
}

/// Batches of equal size that are accumulated over an epoch are one batch of all samples.
#[test]
fn batches_of_one_update_train_as_one_batch_of_their_samples() {
    let mut base = Trial { lr: 0.3, budget: Budget::Epochs(5), ..trials::mlp() };
    base.task.samples = 12;
    let whole = Trial { batch: 12, ..base.clone() };
    let parts = Trial { batch: 3, accumulate: 4, ..base };
    assert_eq!((parts.steps_per_epoch(), parts.steps()), (1, 5));
    let [whole, parts] = [whole, parts].map(|trial| train(&[trial]).remove(0));
    assert_eq!(parts.measured.steps_run, 5);
    for (a, b) in whole.steps.iter().zip(&parts.steps) {
        for (x, y) in [(a.loss, b.loss), (a.grad_norm.unwrap(), b.grad_norm.unwrap())] {
            assert!((x - y).abs() < 1e-13 * x, "{a:?} {b:?}");
        }
    }
    let (a, b) = (whole.measured.loss_final.unwrap(), parts.measured.loss_final.unwrap());
    assert!((a - b).abs() < 1e-12 * a && a < 0.999 * whole.measured.loss_initial.unwrap(), "{a} {b}");
}

/// Seven samples in batches of 2 are four batches, the last of them of one sample: at three an
/// update there are two updates an epoch, and the second has one batch.
#[test]
fn the_last_update_of_an_epoch_has_the_batches_that_are_left() {
    let trial = Trial { batch: 2, accumulate: 3, ..trials::mlp() };
    let shape = trial.shape();
    let batches: Vec<_> = (0..4).map(|step| shape.batches(step)).collect();
    assert_eq!(batches, [0..3, 3..4, 4..7, 7..8]);
    assert_eq!((trial.steps_per_epoch(), trial.steps(), trial.epochs()), (2, 6, 3));
}
