//! The second, differentiable form of the networks is compared with the one that trains, and the
//! largest eigenvalue of the Hessian with finite differences of the written-out gradients.

use crate::gradients::{Model, close, model, written_out};
use crate::training::scalar;
use crate::trials::{self, ACTIVATIONS, NORMS};
use blowup_core::trial::*;
use blowup_engine::data::{Batch, Dataset, LaneSeeds};
use blowup_engine::effective::Effective;
use blowup_engine::matrix::Matrix;
use blowup_engine::plain_loss::Leaves;
use blowup_engine::sharpness::sharpness;
use blowup_engine::task::Draw;
use blowup_engine::weights::Weights;
use blowup_engine::weights::host;
use blowup_engine::{loss, network};
use tch::{Kind, Tensor};

/// The lane that is looked at, which has weights and data of its own.
const LANE: usize = 1;

fn batch(model: &Model) -> Batch {
    let data = Dataset::new(&model.trial.shape(), &[LANE as u64], Draw::Training(0), Kind::Double).unwrap();
    let seeds = LaneSeeds { data: LANE as u64, order: LANE as u64 };
    data.batch(&[seeds], 0, 0..model.trial.task.samples, None)
}

fn gated(cell: Gated) -> Trial {
    let network = Network::Gated { cell, depth: 2, width: 3, sequence_length: 4 };
    Trial { network, forget_bias: Some(0.5), ..trials::rnn() }
}

/// One trial for everything that changes the function.
fn kinds() -> Vec<Trial> {
    let mut all = vec![Trial { network: Network::Linear, ..trials::mlp() }, gated(Gated::Lstm), gated(Gated::Gru)];
    for activation in ACTIVATIONS {
        for norm in NORMS {
            all.push(trials::with(&trials::mlp(), activation, norm));
            let network = Network::Mlp { depth: 3, width: 4, activation, norm, residual: true };
            all.push(Trial { network, bias: Bias::None, ..trials::mlp() });
            all.push(Trial { network, residual_scale: 0.6, rezero: true, ..trials::mlp() });
            if !matches!(norm, Norm::Batch(_)) {
                all.push(trials::with(&trials::rnn(), activation, norm));
            }
        }
    }
    let others = trials::PARAMETRIZATIONS.into_iter();
    all.extend(others.map(|parametrization| Trial { parametrization, ..trials::mlp() }));
    let classes = all.iter().map(|trial| Trial { loss: Loss::CrossEntropy, ..trial.clone() }).collect::<Vec<_>>();
    [all, classes, trials::transformers()].concat()
}

#[test]
fn the_differentiable_loss_is_that_of_the_networks_that_train() {
    blowup_engine::start();
    for trial in kinds() {
        let model = model(&trial);
        let (losses, gradients) = written_out(&model);
        let shape = trial.shape();
        let leaves = Leaves::new(&shape, &model.weights, LANE, Kind::Double);
        let loss = leaves.loss(&batch(&model));
        let name = format!("{:?} {:?}", trial.network, trial.loss);
        close(&loss.detach(), &losses.get(LANE as i64), &name);
        let found = Tensor::run_backward(&[loss], &leaves.tensors, false, false);
        for (found, expected) in found.iter().zip(&gradients.groups) {
            close(found, &expected.select(1, LANE as i64), &name);
        }
    }
}

/// The loss and the gradients of one lane by autograd, as f64.
fn by_autograd(trial: &Trial, weights: &Weights, batch: &Batch, kind: Kind) -> Vec<Tensor> {
    let shape = trial.shape();
    let leaves = Leaves::new(&shape, weights, 0, kind);
    let loss = leaves.loss(batch);
    let gradients = Tensor::run_backward(&[&loss], &leaves.tensors, false, false);
    std::iter::once(loss.detach()).chain(gradients).map(|t| t.to_kind(Kind::Double)).collect()
}

/// In 16 bits two correct programs differ at once, and where a gradient is sensitive either may be
/// nearer to the exact one. But both are near to the f64 result for the same rounded weights and
/// data. Over many networks the engine, which rounds less often, is no farther from it than
/// libtorch's autograd. Activations with a kink are left out: an input that rounds to the other
/// side changes the gradient by as much as the kink, in either program.
#[test]
fn a_pass_in_16_bits_is_as_near_to_f64_as_autograd_in_16_bits() {
    blowup_engine::start();
    for (dtype, kind) in [(Dtype::Bfloat16, Kind::BFloat16), (Dtype::Float16, Kind::Half)] {
        let smooth = |trial: &Trial| {
            !matches!(
                trial.network.activation(),
                Some(Activation::Relu | Activation::LeakyRelu { .. } | Activation::Selu)
            )
        };
        let mut logs = Vec::new();
        for trial in
            kinds().into_iter().filter(smooth).map(|trial| Trial { numerics: Numerics::Uniform(dtype), ..trial })
        {
            let data = Dataset::new(&trial.shape(), &[0], Draw::Training(0), kind).unwrap();
            let batch = data.batch(&[LaneSeeds { data: 0, order: 0 }], 1, 0..trial.task.samples, None);
            let weights = trials::weights(&[&trial], 1, kind);
            let mut gradients = weights.zeros_like();
            let mut effective = Effective::new(&trial.shape(), &weights);
            let mut network = network::new(&trial.shape(), 2, trial.task.samples as i64, kind);
            network.forward(effective.of(&weights), &batch.inputs);
            let losses = Tensor::zeros([2], (kind, tch::Device::Cpu));
            let signal = Matrix::of(network.output().zeros_like());
            loss::loss(loss::Objective::of(&trial.shape()), network.output(), &batch.targets, &losses, Some(&signal));
            network.backward(effective.of(&weights), &gradients, &batch.inputs, &signal, None);
            effective.pull_back(&mut gradients);

            let lane = gradients.groups.iter().map(|g| g.select(1, 0).to_kind(Kind::Double));
            let found: Vec<Tensor> = std::iter::once(losses.get(0).to_kind(Kind::Double)).chain(lane).collect();
            let exact = by_autograd(&trial, &weights, &batch, Kind::Double);
            let theirs = by_autograd(&trial, &weights, &batch, kind);
            let far = |a: &[Tensor]| {
                let one = |(a, b): (&Tensor, &Tensor)| (a - b).abs().max().double_value(&[]);
                a.iter().zip(&exact).map(one).fold(0.0, f64::max)
            };
            let (ours, theirs) = (far(&found), far(&theirs));
            assert!(ours > 0.0 && theirs > 0.0, "{dtype:?} {:?} {:?}: exact?", trial.network, trial.loss);
            logs.push((ours / theirs).ln());
        }
        let ratio = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
        assert!(ratio < 1.0, "{dtype:?}: {ratio} times as far as autograd, over {} networks", logs.len());
    }
}

/// The largest eigenvalue of the Hessian whose columns are central differences of written-out
/// gradients.
fn by_differences(model: &Model) -> f64 {
    const STEP: f64 = 1e-5;
    let gradient = |group: usize, at: i64, step: f64| -> Vec<f64> {
        let lane = model.weights.groups[group].select(1, LANE as i64);
        let (rows, cols) = (lane.size()[1], lane.size()[2]);
        let mut element = lane.get(at / (rows * cols)).get(at / cols % rows).get(at % cols);
        let before = element.double_value(&[]);
        let _ = element.fill_(before + step);
        let (_, gradients) = written_out(model);
        let _ = element.fill_(before);
        gradients.groups.iter().flat_map(|g| host(&g.select(1, LANE as i64))).collect()
    };
    let mut columns = Vec::new();
    for (group, tensor) in model.weights.groups.iter().enumerate() {
        for at in 0..tensor.select(1, LANE as i64).numel() as i64 {
            let (up, down) = (gradient(group, at, STEP), gradient(group, at, -STEP));
            columns.extend(up.iter().zip(down).map(|(up, down)| (up - down) / (2.0 * STEP)));
        }
    }
    let size = (columns.len() as f64).sqrt() as i64;
    let hessian = Tensor::from_slice(&columns).view([size, size]);
    let symmetric = (&hessian + hessian.transpose(0, 1)) / 2.0;
    symmetric.linalg_eigh("L").0.double_value(&[-1])
}

#[test]
fn sharpness_is_the_top_eigenvalue_of_the_hessian() {
    blowup_engine::start();
    let smooth = |norm| trials::with(&trials::mlp(), Activation::Tanh, norm);
    let before = NormPosition::Before;
    let mut all = vec![
        Trial { network: Network::Linear, ..trials::mlp() },
        smooth(Norm::None),
        smooth(Norm::Batch(before)),
        smooth(Norm::Layer(before)),
        smooth(Norm::Rms(NormPosition::After)),
        trials::with(&trials::mlp(), Activation::Gelu, Norm::None),
        trials::with(&trials::mlp(), Activation::Silu, Norm::None),
        Trial { parametrization: Parametrization::MeanField, ..trials::mlp() },
        trials::rnn(),
        gated(Gated::Lstm),
        gated(Gated::Gru),
    ];
    all.push(Trial { loss: Loss::CrossEntropy, ..smooth(Norm::None) });
    for trial in all {
        let model = model(&trial);
        let found = sharpness(&trial.shape(), &model.weights, LANE, &batch(&model));
        let expected = by_differences(&model);
        assert!((found - expected).abs() < 1e-6 * expected.abs(), "{:?}: {found} for {expected}", trial.network);
    }
}

#[test]
fn the_curvature_of_a_quadratic_is_recorded_before_and_after_training() {
    let trial = |lr| Trial { budget: Budget::Steps(300), ..scalar(lr) };
    let record = blowup_core::verdict::Record { sharpness: true, ..Default::default() };
    let mut found = Vec::new();
    let trials = [trial(0.1), trial(1.5)];
    blowup_engine::train(&trials, &record, &mut |i, run| found.push((i, run.measured))).unwrap();
    found.sort_by_key(|(i, _)| *i);
    let [(_, converged), (_, nonfinite)] = &found[..] else { unreachable!() };
    assert_eq!((converged.sharpness_initial, converged.sharpness_final), (Some(2.0), Some(2.0)));
    assert_eq!(nonfinite.sharpness_initial, Some(2.0));
    assert!(nonfinite.sharpness_final.unwrap().is_nan());
}
