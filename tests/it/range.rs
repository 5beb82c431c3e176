//! Numbers at the ends of their dtype's range: what PyTorch 2.11 does there, and what stays finite
//! where the way to it does not.

use crate::sweep::Place;
use crate::trials;
use blowup_core::trial::*;
use blowup_core::verdict::{Finished, Outcome, Record};
use blowup_engine::readout::{lane_norms, lane_rms};
use blowup_engine::task::{self, Draw, SampleTargets, Samples};
use sha2::{Digest, Sha256};
use tch::Tensor;

fn train(trial: &Trial, steps: u64) -> Finished {
    blowup_engine::start();
    let mut result = None;
    let trial = Trial { budget: Budget::Steps(steps), ..trial.clone() };
    let record = Record { steps, ..Record::default() };
    blowup_engine::train(std::slice::from_ref(&trial), &record, &mut |_, finished| result = Some(finished)).unwrap();
    result.unwrap()
}

/// One weight w, with the loss w^2.
fn scalar(weight: f64, dtype: Dtype, optimizer: Optimizer, lr: f64) -> Trial {
    Trial {
        task: Task { kind: TaskKind::Scalar, inputs: 1, outputs: 1, samples: 1, input_std: 1.0, ..Task::none() },
        network: Network::Linear,
        init: Init { kind: InitKind::Constant, scale: weight, offset: 0.0 },
        bias: Bias::None,
        batch: 1,
        numerics: Numerics::Uniform(dtype),
        optimizer,
        lr,
        ..trials::mlp()
    }
}

const SGD: Optimizer = Optimizer::Sgd { momentum: 0.0, nesterov: false };
const MOMENTUM: Optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false };
const NESTEROV: Optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: true };
const ADAM: Optimizer = Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false };
const ADAMW: Optimizer =
    Optimizer::Adamw { beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false, weight_decay_mode: DecayMode::Decoupled };
const RMSPROP: Optimizer = Optimizer::Rmsprop { alpha: 0.99, eps: 1e-8, momentum: 0.0 };

/// Checks that the losses after each step are PyTorch's. In f32, those of Adam may differ in their
/// last digits, since MKL's square root, which PyTorch takes, is not always the nearest number.
fn check(trial: &Trial, expected: &[f64]) {
    let run = train(trial, expected.len() as u64 - 1);
    let losses: Vec<f64> = run.steps.iter().map(|step| step.loss).chain([run.measured.loss_final.unwrap()]).collect();
    let roots = trial.numerics.dtype() == Dtype::Float32 && !matches!(trial.optimizer, Optimizer::Sgd { .. });
    let bound = if roots { 1e-5 } else { 0.0 };
    for (found, expected) in losses.iter().zip(expected) {
        let same = found.to_bits() == expected.to_bits() || (found - expected).abs() <= bound * expected;
        assert!(same, "{losses:?} of {trial:?}, in PyTorch {expected:e}");
    }
}

// The numbers below are of torch.optim on a parameter of one element (of 64 equal ones in 16 bits,
// where PyTorch rounds the last few elements of a tensor once more), with the gradient 2w and
// torch.set_flush_denormal(True), by PyTorch 2.11 on a CPU.

#[test]
fn a_gradient_whose_square_overflows_trains_as_in_pytorch() {
    let final_loss = |dtype, optimizer| train(&scalar(1.5e19, dtype, optimizer, 3e17), 100).measured;
    for (optimizer, single, double) in [
        (ADAM, 1.3691727011159802e34, 1.3691830462180496e34),
        (ADAMW, 1.3691727011159802e34, 1.3691830462180496e34),
        (RMSPROP, 3.0730862145035465e25, 3.073052692296531e25),
    ] {
        for (dtype, expected) in [(Dtype::Float32, single), (Dtype::Float64, double)] {
            let run = final_loss(dtype, optimizer);
            assert_eq!(run.outcome, Outcome::Converged, "{optimizer:?} {dtype:?}");
            assert!(
                (run.loss_final.unwrap() / expected - 1.0).abs() < 1e-5,
                "{optimizer:?} {dtype:?}: {}",
                run.loss_final.unwrap()
            );
        }
    }
    let expected = [2.246395312876508e38, 2.166641633129413e38, 2.0735956734244688e38, 1.9938419936773738e38];
    check(&scalar(1.5e19, Dtype::Bfloat16, ADAM, 3e17), &expected);
    let momentum = Optimizer::Rmsprop { alpha: 0.99, eps: 1e-8, momentum: 0.9 };
    let expected = [2.250000105535365e38, 1.4400001730111634e38, 5.505899926404809e37, 4.8828563749408156e36];
    check(&scalar(1.5e19, Dtype::Float32, momentum, 3e17), &expected);
}

#[test]
fn a_clipped_gradient_is_rounded_before_the_learning_rate_comes() {
    // The clipped gradient, 1e-30, is formed as 1e-24 x 2e-15, which f32 can hold. It cannot hold
    // the coefficient of a threshold of 1e-40.
    let clipped = |threshold, lr| Trial { clip: Clip::Norm(threshold), ..scalar(1e-15, Dtype::Float32, SGD, lr) };
    check(&clipped(1e-30, 1e10), &[1.0000000031710769e-30; 4]);
    let clipped = Trial { clip: Clip::Norm(1e-3), ..scalar(3.0, Dtype::Float32, SGD, 0.7) };
    check(&clipped, &[9.0, 8.995800971984863, 8.991601943969727, 8.987404823303223, 8.983207702636719]);
    let clipped = Trial { clip: Clip::Norm(10.0), weight_decay: 0.1, ..scalar(300.0, Dtype::Float32, NESTEROV, 0.1) };
    check(&clipped, &[90000.0, 85497.7578125, 79357.375, 72015.7890625, 63898.73046875]);
}

#[test]
fn weight_decay_stands_where_pytorch_has_it() {
    let adam = Trial { weight_decay: 0.1, ..scalar(1e-15, Dtype::Float32, ADAM, 0.1) };
    let expected = [1.0000000031710769e-30, 4.4099976305407096e-16, 0.0031751226633787155, 5.674764543073252e-05];
    check(&adam, &expected);
    let adamw = Optimizer::Adamw {
        beta1: 0.3,
        beta2: 0.999,
        eps: 1e-8,
        amsgrad: false,
        weight_decay_mode: DecayMode::Decoupled,
    };
    let adamw = Trial { weight_decay: 0.1, ..scalar(300.0, Dtype::Float32, adamw, 0.1) };
    check(&adamw, &[90000.0, 88149.609375, 86336.8125, 84560.9375, 82821.28125]);
}

#[test]
fn sixteen_bits_are_rounded_where_pytorch_rounds_them() {
    use Dtype::{Bfloat16, Float16};
    check(&scalar(3.0, Bfloat16, SGD, 0.7), &[9.0, 1.4296875, 0.2275390625, 0.035888671875, 0.0057373046875]);
    let momentum = Trial { weight_decay: 0.1, ..scalar(300.0, Bfloat16, MOMENTUM, 0.1) };
    check(&momentum, &[90112.0, 56064.0, 16896.0, 44.75, 11264.0]);
    let rmsprop = Optimizer::Rmsprop { alpha: 0.99, eps: 1e-8, momentum: 0.9 };
    check(&scalar(3.0, Float16, rmsprop, 0.1), &[9.0, 4.0, 0.2958984375, 0.841796875, 3.9453125]);
    let adamw = Trial { weight_decay: 0.1, ..scalar(1e10, Bfloat16, ADAMW, 0.7) };
    check(&adamw, &[9.972771014849226e19, 8.704557359781695e19, 7.493989779944505e19, 6.485183463413514e19]);
}

/// Adam with beta1 = beta2 = 0 is sign descent, whatever the gradient was before. torch.lerp has
/// another form for weights of 1/2 and more.
#[test]
fn adam_without_memory_forgets_a_gradient_that_was_larger_by_far() {
    use blowup_engine::fused::{AdamRates, AdamSlice, adam};
    blowup_engine::start();
    let one = |x: f32| Tensor::from_slice(&[x]).view([1, 1]);
    let slice = (one(1.0), one(2e-4), one(2e8), one(4e16));
    let (weights, gradient, mean, square) = (&slice.0, &slice.1, &slice.2, &slice.3);
    let rates =
        AdamRates { weight: 1.0, beta2: 0.0, one_minus_beta2: 1.0, root: 1.0, eps: 1e-8, rate: -0.01, decay: None };
    let norms = [one(0.0).view([1]), one(0.0).view([1])];
    adam(&AdamSlice { weights, gradient, mean, square }, &[rates], &norms[0], &norms[1]);
    let value = |tensor: &Tensor| f64::try_from(tensor).unwrap();
    assert_eq!((value(mean), value(square)), (f64::from(2e-4f32), f64::from(2e-4f32 * 2e-4f32)));
    assert!((value(&norms[1]) / 0.01 - 1.0).abs() < 1e-4);
}

#[test]
fn an_update_norm_is_right_where_its_squares_leave_the_range_of_the_dtype() {
    let moved = |trial: &Trial| train(trial, 1).measured.update_norm_max.unwrap();
    let check = |trial: Trial, expected: f64, bound: f64| {
        let found = moved(&trial);
        assert!((found / expected - 1.0).abs() < bound, "{found:e} for {expected:e}: {trial:?}");
    };
    use Dtype::{Bfloat16, Float16, Float32, Float64};
    for optimizer in [SGD, MOMENTUM, NESTEROV] {
        let nesterov = if optimizer == NESTEROV { 1.9 } else { 1.0 };
        for (dtype, weight, bound) in [
            (Float32, 1e33, 1e-6),
            (Float32, 1e-30, 1e-6),
            (Float64, 1e170, 1e-12),
            (Float64, 1e-170, 1e-12),
            (Bfloat16, 1e30, 2e-2),
        ] {
            check(scalar(weight, dtype, optimizer, 0.125), 0.25 * weight * nesterov, bound);
        }
    }
    // Here value clipping clips nothing; then there is weight decay.
    let clipped = Trial { clip: Clip::Value(1e37), ..scalar(1e33, Float32, SGD, 1e-3) };
    check(clipped, 2e30, 1e-6);
    check(Trial { weight_decay: 0.5, ..scalar(1e33, Float32, SGD, 1e-3) }, 2.5e30, 1e-6);
    check(Trial { lr_output: Some(1e-3), ..scalar(1e33, Float32, SGD, 0.5) }, 2e30, 1e-6);
    // The first step of Adam is as long as its learning rate.
    for optimizer in [ADAM, ADAMW] {
        check(scalar(1.0, Float64, optimizer, 1e200), 1e200, 1e-7);
        check(scalar(1.0, Float32, optimizer, 1e30), 1e30, 1e-6);
        check(scalar(1.0, Float32, optimizer, 1e-30), 1e-30, 1e-6);
        check(scalar(1.0, Bfloat16, optimizer, 1e30), 1e30, 1e-2);
        // This learning rate is below what float16 itself can hold.
        check(scalar(1.0, Float16, optimizer, 1e-9), 1e-9, 1e-2);
    }
    check(scalar(1.0, Float32, RMSPROP, 1e25), 1e26, 1e-5);
}

#[test]
fn a_measurement_of_layers_is_right_at_the_ends_of_f64() {
    for scale in [1e308, 1e200, 1.0, 1e-200] {
        let values = Tensor::from_slice(&[scale; 8]).view([2, 2, 2]);
        assert!(lane_rms(&values).iter().all(|rms| (rms / scale - 1.0).abs() < 1e-12), "{scale:e}");
        let norm = if scale < 1e308 { 2.0 * scale } else { f64::INFINITY };
        assert!(lane_norms(&values).iter().all(|found| *found == norm || (found / norm - 1.0).abs() < 1e-12));
    }
}

#[test]
fn a_trial_that_stands_still_at_the_end_of_f64_keeps_its_loss() {
    let run = train(&scalar(1e154, Dtype::Float64, SGD, 0.0), 100).measured;
    assert_eq!((run.outcome, run.loss_final.unwrap(), run.loss_max), (Outcome::Untrained, 1e308, Some(1e308)));
}

/// What a csv task makes of a file with these columns.
fn samples(columns: [&[f64]; 2], standardize: bool) -> Samples {
    let rows = columns[0].iter().zip(columns[1]).map(|(a, y)| format!("{a:e},{y:e}\n"));
    let text = format!("a,y\n{}", rows.collect::<String>());
    let place = Place::new("");
    place.write("data.csv", &text);
    let csv = CsvFile {
        path: place.path("data.csv").to_str().unwrap().to_owned(),
        sha256: Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect(),
        target: "y".to_owned(),
        features: vec!["a".to_owned()],
        standardize,
        separator: ',',
    };
    let task = Task {
        kind: TaskKind::Csv,
        inputs: 1,
        outputs: 1,
        samples: columns[0].len(),
        input_std: 1.0,
        source: Source::Csv(Box::new(csv)),
    };
    task::samples(&task, Loss::Mse, 1, 0, Draw::Training(0)).unwrap()
}

#[test]
fn every_finite_column_is_standardized() {
    let steps: Vec<f64> = (0..8).map(f64::from).collect();
    // It is the root of the mean square of -3.5, -2.5, ... 3.5.
    let deviation = 5.25f64.sqrt();
    for (start, step) in
        [(0.0, 1.0), (1e200, 1e200), (1e308, 1e307), (-1.75e308, 5e307), (1e-200, 1e-200), (3e-155, 1e-155)]
    {
        let column: Vec<f64> = steps.iter().map(|i| 2.0 * (start / 2.0 + step / 2.0 * i)).collect();
        let Samples { inputs, targets, .. } = samples([&column, &column], true);
        let SampleTargets::Values(targets) = targets else { panic!("a mean squared error has values") };
        for (found, i) in inputs.iter().zip(&steps).chain(targets.iter().zip(&steps)) {
            assert!((found - (i - 3.5) / deviation).abs() < 1e-9, "{start:e} + {step:e} i: {inputs:?}");
        }
    }
    // In f64, a third of the sum of three times 0.1 is not 0.1.
    assert_eq!(samples([&[0.1; 3], &[1e200; 3]], true).inputs, [0.0; 3]);
}

#[test]
fn a_trivial_loss_of_nothing_is_0_and_that_of_large_targets_is_finite() {
    let one_class = Samples { samples: 2, inputs: vec![0.0; 2], targets: SampleTargets::Classes(vec![1, 1]) };
    assert_eq!(one_class.trivial_loss(3).to_bits(), 0.0f64.to_bits());
    let targets = vec![1.2e154, -1.2e154, 1.2e154, -1.2e154];
    let large = Samples { samples: 4, inputs: vec![0.0; 4], targets: SampleTargets::Values(targets) };
    assert!((large.trivial_loss(1) / 1.44e308 - 1.0).abs() < 1e-12);
}
