//! Optimizers and clipping are compared with the rules that PyTorch documents, written out for
//! single numbers.

use crate::trials;
use blowup_core::trial::{Budget, Clip, Dtype, Optimizer as Rule, Schedule, Trial};
use blowup_engine::clip;
use blowup_engine::optimizer::{PerLaneOptimizer, UpdateNorm};
use blowup_engine::readout::{GlobalNorm, Readout};
use blowup_engine::weights::host;
use tch::{Device, Kind, Tensor};

/// One parameter under the rule that `torch.optim` documents.
#[derive(Default)]
struct Reference {
    first: f64,
    second: f64,
    steps: i32,
}

impl Reference {
    /// Makes an update. `output` says whether the parameter belongs to the output layer.
    fn step(&mut self, trial: &Trial, output: bool, mut w: f64, mut g: f64) -> f64 {
        let lr = if output { trial.lr_output.unwrap_or(trial.lr) } else { trial.lr };
        let t = f64::from(self.steps);
        let factor = match trial.schedule {
            Schedule::Constant => 1.0,
            Schedule::Warmup { warmup } => ((t + 1.0) / warmup as f64).min(1.0),
            Schedule::Cosine => (1.0 + (std::f64::consts::PI * t / 5.0).cos()) / 2.0,
            Schedule::WarmupCosine { warmup } if t < warmup as f64 => (t + 1.0) / warmup as f64,
            Schedule::WarmupCosine { warmup } => {
                let warmup = warmup as f64;
                (1.0 + (std::f64::consts::PI * (t - warmup) / (5.0 - warmup)).cos()) / 2.0
            }
        };
        self.steps += 1;
        let (lr, decay) = (lr * factor, trial.weight_decay);
        if !matches!(trial.optimizer, Rule::Adamw { .. }) {
            g += decay * w;
        }
        match trial.optimizer {
            Rule::Sgd { momentum, nesterov } => {
                self.first = momentum * self.first + g;
                w - lr * if nesterov { g + momentum * self.first } else { self.first }
            }
            Rule::Adam { beta1, beta2, eps } | Rule::Adamw { beta1, beta2, eps } => {
                if matches!(trial.optimizer, Rule::Adamw { .. }) {
                    w -= lr * decay * w;
                }
                self.first = beta1 * self.first + (1.0 - beta1) * g;
                self.second = beta2 * self.second + (1.0 - beta2) * g * g;
                let first = self.first / (1.0 - beta1.powi(self.steps));
                let second = self.second / (1.0 - beta2.powi(self.steps));
                w - lr * first / (second.sqrt() + eps)
            }
            Rule::Rmsprop { alpha, eps, momentum } => {
                self.second = alpha * self.second + (1.0 - alpha) * g * g;
                let direction = g / (self.second.sqrt() + eps);
                self.first = momentum * self.first + direction;
                w - lr * self.first
            }
        }
    }
}

fn check(optimizers: [Rule; 2], weight_decays: [f64; 2]) {
    check_with(optimizers, weight_decays, [None, None], [Schedule::Constant; 2]);
}

/// Checks five updates of two lanes.
fn check_with(optimizers: [Rule; 2], weight_decays: [f64; 2], lr_output: [Option<f64>; 2], schedules: [Schedule; 2]) {
    blowup_engine::start();
    tch::manual_seed(3);
    let lane = |i: usize| Trial {
        optimizer: optimizers[i],
        weight_decay: weight_decays[i],
        lr: [0.1, 0.003][i],
        lr_output: lr_output[i],
        schedule: schedules[i],
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
                    before[g][i],
                    given[g][i] * coefficient,
                );
                let error = (after - expected).abs();
                assert!(error <= 1e-10 * expected.abs().max(1e-3), "{:?} step {step}: off by {error:e}", trials[lane]);
                moved[lane] += (expected - before[g][i]).powi(2);
            }
        }
        let factors = match norm {
            UpdateNorm::OfGradient => continue,
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

#[test]
fn every_optimizer_follows_its_published_rule_with_and_without_weight_decay() {
    let sgd = |momentum, nesterov| Rule::Sgd { momentum, nesterov };
    let adam = |beta1, beta2| Rule::Adam { beta1, beta2, eps: 1e-3 };
    let adamw = |beta1, beta2| Rule::Adamw { beta1, beta2, eps: 1e-3 };
    let rmsprop = |alpha, momentum| Rule::Rmsprop { alpha, eps: 1e-3, momentum };
    for decays in [[0.0, 0.0], [0.1, 0.02]] {
        check([sgd(0.0, false), sgd(0.0, false)], decays);
        check([sgd(0.9, false), sgd(0.5, false)], decays);
        check([sgd(0.9, true), sgd(0.5, true)], decays);
        check([adam(0.9, 0.999), adam(0.3, 0.9)], decays);
        check([adamw(0.9, 0.999), adamw(0.3, 0.9)], decays);
        check([rmsprop(0.99, 0.0), rmsprop(0.5, 0.0)], decays);
        check([rmsprop(0.99, 0.9), rmsprop(0.5, 0.3)], decays);
    }
}

#[test]
fn schedules_and_the_output_layers_own_rate_hold_under_every_optimizer() {
    let optimizers = [
        Rule::Sgd { momentum: 0.0, nesterov: false },
        Rule::Sgd { momentum: 0.9, nesterov: true },
        Rule::Adam { beta1: 0.9, beta2: 0.99, eps: 1e-3 },
        Rule::Adamw { beta1: 0.9, beta2: 0.99, eps: 1e-3 },
        Rule::Rmsprop { alpha: 0.9, eps: 1e-3, momentum: 0.5 },
    ];
    for optimizer in optimizers {
        for decays in [[0.0, 0.0], [0.1, 0.02]] {
            for lr_output in [[None, None], [Some(0.7), Some(0.0)]] {
                let warmup = Schedule::Warmup { warmup: 3 };
                check_with([optimizer; 2], decays, lr_output, [warmup, Schedule::Cosine]);
                let both = Schedule::WarmupCosine { warmup: 2 };
                check_with([optimizer; 2], decays, lr_output, [both, Schedule::Constant]);
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
