//! Optimizers and clipping are compared with the rules that PyTorch documents, written out for
//! single numbers.

use crate::mup;
use crate::published::Reference;
use crate::trials;
use blowup_core::trial::{Budget, Clip, DecayMode, Dtype, Optimizer as Rule, Parametrization, Schedule, Trial};
use blowup_engine::clip;
use blowup_engine::optimizer::{PerLaneOptimizer, UpdateNorm};
use blowup_engine::readout::{GlobalNorm, Readout};
use blowup_engine::weights::host;
use tch::{Device, Kind, Tensor};

fn check(optimizers: [Rule; 2], weight_decays: [f64; 2]) {
    check_with(optimizers, weight_decays, [None, None], [Schedule::Constant; 2]);
}

/// Checks five updates of two lanes.
fn check_with(optimizers: [Rule; 2], weight_decays: [f64; 2], lr_output: [Option<f64>; 2], schedules: [Schedule; 2]) {
    check_in(Parametrization::Standard, optimizers, weight_decays, lr_output, schedules);
}

fn check_in(
    parametrization: Parametrization,
    optimizers: [Rule; 2],
    weight_decays: [f64; 2],
    lr_output: [Option<f64>; 2],
    schedules: [Schedule; 2],
) {
    blowup_engine::start();
    tch::manual_seed(3);
    let lane = |i: usize| Trial {
        optimizer: optimizers[i],
        weight_decay: weight_decays[i],
        lr: [0.1, 0.003][i],
        lr_output: lr_output[i],
        schedule: schedules[i],
        parametrization,
        budget: Budget::Steps(5),
        ..trials::mlp()
    };
    let trials = [lane(0), lane(1)];
    let all: Vec<&Trial> = trials.iter().collect();
    let mut weights = trials::weights(&all, 1, Kind::Double);
    let mut gradients = weights.zeros_like();
    let mut optimizer =
        PerLaneOptimizer::new(&trials[0].shape(), &trials.each_ref().map(|trial| trial.parts().1), 1, &weights);
    let mut reference: Vec<Vec<Reference>> = Vec::new();
    for step in 0..5 {
        for group in &mut gradients.groups {
            group.copy_(&Tensor::randn(group.size(), (Kind::Double, Device::Cpu)));
        }
        let clip = [1.0, 0.25, 1.0];
        let before: Vec<Vec<f64>> = weights.groups.iter().map(host).collect();
        let given: Vec<Vec<f64>> = gradients.groups.iter().map(host).collect();
        let mut readout = Readout::new(&weights);
        let norm = optimizer.step(&mut weights, &mut gradients, (step > 1).then_some(&clip), &readout);
        let mut moved = [0.0; 2];
        for (g, group) in weights.layout.clone().iter().enumerate() {
            let after = host(&weights.groups[g]);
            if step == 0 {
                reference.push(after.iter().map(|_| Reference::default()).collect());
            }
            for (i, after) in after.iter().enumerate() {
                let lane = i / (group.rows * group.cols) % 3;
                if lane == 2 {
                    continue;
                }
                let coefficient = if step > 1 { clip[lane] } else { 1.0 };
                let expected = reference[g][i].step(
                    &trials[lane],
                    group.first_layer == 2,
                    if parametrization == Parametrization::Standard { 1.0 } else { mup::rate(&trials[lane], group) },
                    before[g][i],
                    given[g][i] * coefficient,
                );
                let error = (after - expected).abs();
                assert!(error <= 1e-10 * expected.abs().max(1e-3), "{:?} step {step}: off by {error:e}", trials[lane]);
                moved[lane] += (expected - before[g][i]).powi(2);
            }
        }
        let factors = match norm {
            UpdateNorm::OfGradient(_) => continue,
            UpdateNorm::OfDirection(factors) => {
                readout.measure_update(&gradients);
                factors
            }
            UpdateNorm::Measured => {
                readout.settle_update(&gradients);
                vec![1.0; 2]
            }
        };
        readout.read();
        for lane in 0..2 {
            for found in [readout.update_norm(lane), gradients.squared_norm(lane as i64).sqrt()] {
                let error = factors[lane] * found / moved[lane].sqrt() - 1.0;
                assert!(error.abs() < 1e-9, "{:?}: update norm", trials[lane]);
            }
        }
    }
}

fn adam(beta1: f64, beta2: f64, amsgrad: bool) -> Rule {
    Rule::Adam { beta1, beta2, eps: 1e-3, amsgrad }
}

fn adamw(beta1: f64, beta2: f64, amsgrad: bool, weight_decay_mode: DecayMode) -> Rule {
    Rule::Adamw { beta1, beta2, eps: 1e-3, amsgrad, weight_decay_mode }
}

fn lion(beta1: f64, beta2: f64, weight_decay_mode: DecayMode) -> Rule {
    Rule::Lion { beta1, beta2, weight_decay_mode }
}

#[test]
fn every_optimizer_follows_its_published_rule_with_and_without_weight_decay() {
    use DecayMode::{Decoupled, Independent};
    let sgd = |momentum, nesterov| Rule::Sgd { momentum, nesterov };
    let rmsprop = |alpha, momentum| Rule::Rmsprop { alpha, eps: 1e-3, momentum };
    let nadam = |beta1, beta2, momentum_decay| Rule::Nadam { beta1, beta2, eps: 1e-3, momentum_decay };
    let radam = |beta1, beta2| Rule::Radam { beta1, beta2, eps: 1e-3 };
    let adagrad = |lr_decay, start| Rule::Adagrad { eps: 1e-3, lr_decay, initial_accumulator_value: start };
    for decays in [[0.0, 0.0], [0.1, 0.02]] {
        check([sgd(0.0, false), sgd(0.0, false)], decays);
        check([sgd(0.9, false), sgd(0.5, false)], decays);
        check([sgd(0.9, true), sgd(0.5, true)], decays);
        check([adam(0.9, 0.999, false), adam(0.3, 0.9, false)], decays);
        check([adam(0.9, 0.999, true), adam(0.3, 0.1, true)], decays);
        check([adamw(0.9, 0.999, false, Decoupled), adamw(0.3, 0.9, false, Independent)], decays);
        check([adamw(0.9, 0.1, true, Independent), adamw(0.3, 0.9, true, Decoupled)], decays);
        check([rmsprop(0.99, 0.0), rmsprop(0.5, 0.0)], decays);
        check([rmsprop(0.99, 0.9), rmsprop(0.5, 0.3)], decays);
        check([nadam(0.9, 0.999, 4e-3), nadam(0.3, 0.9, 2.0)], decays);
        check([radam(0.9, 0.999), radam(0.3, 0.8)], decays);
        check([radam(0.5, 0.9), radam(0.9, 0.3)], decays);
        check([adagrad(0.0, 0.0), adagrad(0.5, 0.7)], decays);
        check([lion(0.9, 0.99, Decoupled), lion(0.3, 0.5, Independent)], decays);
    }
}

#[test]
fn schedules_and_the_output_layers_own_rate_hold_under_every_optimizer() {
    let optimizers = [
        Rule::Sgd { momentum: 0.0, nesterov: false },
        Rule::Sgd { momentum: 0.9, nesterov: true },
        adam(0.9, 0.99, false),
        adam(0.9, 0.99, true),
        adamw(0.9, 0.99, false, DecayMode::Decoupled),
        adamw(0.9, 0.99, true, DecayMode::Independent),
        Rule::Rmsprop { alpha: 0.9, eps: 1e-3, momentum: 0.5 },
        Rule::Nadam { beta1: 0.9, beta2: 0.99, eps: 1e-3, momentum_decay: 0.1 },
        Rule::Radam { beta1: 0.9, beta2: 0.8, eps: 1e-3 },
        Rule::Adagrad { eps: 1e-3, lr_decay: 0.3, initial_accumulator_value: 0.1 },
        lion(0.9, 0.99, DecayMode::Decoupled),
        lion(0.9, 0.99, DecayMode::Independent),
    ];
    let pairs = [
        [Schedule::Warmup { warmup: 3 }, Schedule::Cosine { lr_min: 0.0 }],
        [Schedule::WarmupCosine { warmup: 2, lr_min: 0.0 }, Schedule::Constant],
        [Schedule::WarmupCosine { warmup: 2, lr_min: 0.1 }, Schedule::Cosine { lr_min: 0.3 }],
        [Schedule::Linear { lr_min: 0.0 }, Schedule::Linear { lr_min: 0.25 }],
        [Schedule::Polynomial { power: 2.0, lr_min: 0.0 }, Schedule::Polynomial { power: 0.5, lr_min: 0.1 }],
        [Schedule::Wsd { warmup: 2, cooldown: 2, lr_min: 0.0 }, Schedule::Wsd { warmup: 3, cooldown: 9, lr_min: 0.2 }],
        [Schedule::OneCycle { lr_min: 4e-6 }, Schedule::OneCycle { lr_min: 0.5 }],
    ];
    for optimizer in optimizers {
        for decays in [[0.0, 0.0], [0.1, 0.02]] {
            for lr_output in [[None, None], [Some(0.7), Some(0.0)]] {
                for schedules in pairs {
                    check_with([optimizer; 2], decays, lr_output, schedules);
                }
            }
        }
    }
}

#[test]
fn the_rates_of_the_maximal_update_parametrization_hold_under_every_optimizer_that_has_them() {
    let optimizers = trials::OPTIMIZERS.into_iter().filter(|optimizer| optimizer.mup_rates().is_some());
    for optimizer in optimizers {
        for decays in [[0.0, 0.0], [0.1, 0.02]] {
            for lr_output in [[None, None], [Some(0.7), Some(0.0)]] {
                let schedules = [Schedule::Constant, Schedule::Warmup { warmup: 3 }];
                let parametrization = Parametrization::Mup { base_width: 2 };
                check_in(parametrization, [optimizer; 2], decays, lr_output, schedules);
            }
        }
    }
}

#[test]
fn the_clip_coefficient_is_that_of_pytorch_also_for_norms_that_are_not_finite() {
    let coefficient = |clip, norm| {
        let norm = GlobalNorm { in_dtype: norm, exact: norm };
        clip::coefficient(clip, &mut clip::Memory::Nothing, norm, Dtype::Float64)
    };
    assert_eq!(coefficient(Clip::Norm(1.0), 0.5), 1.0);
    // PyTorch's tensors cannot divide a number by a tensor: the number is multiplied by the
    // reciprocal.
    assert_eq!(coefficient(Clip::Norm(0.7), 4.0), 1.0 / (4.0 + 1e-6) * 0.7);
    assert_eq!(coefficient(Clip::Norm(1.0), 0.0), 1.0);
    assert_eq!(coefficient(Clip::Norm(1.0), f64::INFINITY), 0.0);
    assert!(coefficient(Clip::Norm(1.0), f64::NAN).is_nan());
    assert_eq!(coefficient(Clip::None, f64::INFINITY), 1.0);
    assert_eq!(coefficient(Clip::None, f64::NAN), 1.0);
}

#[test]
fn value_clipping_clamps_each_lane_at_its_own_threshold() {
    blowup_engine::start();
    let trial = trials::mlp();
    let mut gradients = trials::weights(&[&trial, &trial], 1, Kind::Double);
    for group in &mut gradients.groups {
        group.copy_(&Tensor::randn(group.size(), (Kind::Double, Device::Cpu)));
    }
    let before = host(&gradients.groups[1]);
    let largest = clip::value::largest(&gradients);
    clip::value::clamp(&mut gradients, &[0.25, f64::INFINITY, f64::INFINITY]);
    let after = host(&gradients.groups[1]);
    let size = before.len() / 3;
    for (i, (before, after)) in before.iter().zip(after).enumerate() {
        assert_eq!(after, if (i / size).is_multiple_of(3) { before.clamp(-0.25, 0.25) } else { *before });
    }
    let all = gradients.groups.iter().flat_map(|g| host(&g.select(1, 1)));
    assert_eq!(largest[1], all.fold(0.0, |max: f64, x| max.max(x.abs())));
}

/// It does what `torch.nn.utils.clip_grad_value_` does: a NaN stays NaN, and the others are
/// clamped, infinities too.
#[test]
fn value_clipping_beside_a_nan_clamps_the_others_and_is_told() {
    blowup_engine::start();
    let trial = trials::mlp();
    let mut gradients = trials::weights(&[&trial, &trial, &trial, &trial], 0, Kind::Double);
    let values = [[f64::NAN, 3.0], [f64::NAN, 0.1], [f64::NAN, f64::NEG_INFINITY], [0.3, -0.1]];
    for group in &mut gradients.groups {
        drop(group.zero_());
    }
    for (lane, values) in values.iter().enumerate() {
        let row = gradients.groups[0].select(1, lane as i64).view([-1]);
        row.narrow(0, 0, 2).copy_(&Tensor::from_slice(values));
    }
    let largest = clip::value::largest(&gradients);
    assert_eq!(largest, [3.0, 0.1, f64::INFINITY, 0.3]);
    // In float32, 0.3 is above 0.3, and the threshold is rounded to it.
    let beyond =
        |dtype| largest.iter().map(|l| clip::value::exceeds(f64::from(*l as f32), 0.3, dtype)).collect::<Vec<_>>();
    assert_eq!(beyond(Dtype::Float32), [true, false, true, false]);
    clip::value::clamp(&mut gradients, &[0.3; 4]);
    let clamped = |lane: i64| host(&gradients.groups[0].select(1, lane).view([-1]).narrow(0, 0, 2));
    assert_eq!(format!("{:?}", [clamped(0), clamped(1), clamped(2)]), "[[NaN, 0.3], [NaN, 0.1], [NaN, -0.3]]");
}
