//! The second, differentiable form of the networks against the one that trains, and the top Hessian eigenvalue against finite differences of
//! the written-out gradients.

use crate::gradients::{Model, close, model, written_out};
use crate::training::scalar;
use crate::trials::{self, ACTIVATIONS, NORMS};
use blowup::engine::data::{Batch, Data, LaneSeeds};
use blowup::engine::plain_loss::Leaves;
use blowup::engine::sharpness::sharpness;
use blowup::engine::task::Draw;
use blowup::engine::weights::host;
use blowup::trial::*;
use tch::{Kind, Tensor};

/// The lane that is looked at, with weights and data of its own.
const LANE: usize = 1;

fn batch(model: &Model) -> Batch {
    let data = Data::new(&model.trial, &[LANE as u64], Draw::Training(0), Kind::Double).unwrap();
    let seeds = LaneSeeds { data: LANE as u64, order: LANE as u64 };
    data.batch(&[seeds], 0, 0..model.trial.task.samples, None)
}

fn gated(cell: Gated) -> Trial {
    let network = Network::Gated { cell, depth: 2, width: 3, forget_bias: 0.5, sequence_length: 4 };
    Trial { network, ..trials::rnn() }
}

/// One of everything that changes the function.
fn kinds() -> Vec<Trial> {
    let mut all = vec![Trial { network: Network::Linear, ..trials::mlp() }, gated(Gated::Lstm), gated(Gated::Gru)];
    for activation in ACTIVATIONS {
        for norm in NORMS {
            all.push(trials::with(&trials::mlp(), activation, norm));
            let network = Network::Mlp { depth: 3, width: 4, activation, norm, residual: true };
            all.push(Trial { network, bias: Bias::None, ..trials::mlp() });
            if !matches!(norm, Norm::Batch(_)) {
                all.push(trials::with(&trials::rnn(), activation, norm));
            }
        }
    }
    let others = Parametrization::ALL[1..].iter().copied();
    all.extend(others.map(|parametrization| Trial { parametrization, ..trials::mlp() }));
    let classes = all.iter().map(|trial| Trial { loss: Loss::CrossEntropy, ..trial.clone() }).collect::<Vec<_>>();
    [all, classes].concat()
}

#[test]
fn the_differentiable_loss_is_that_of_the_networks_that_train() {
    blowup::engine::start();
    for trial in kinds() {
        let model = model(&trial);
        let (losses, gradients) = written_out(&model);
        let leaves = Leaves::new(&trial, &model.weights, LANE);
        let loss = leaves.loss(&batch(&model));
        let name = format!("{:?} {:?}", trial.network, trial.loss);
        close(&loss.detach(), &losses.get(LANE as i64), &name);
        let found = Tensor::run_backward(&[loss], &leaves.tensors, false, false);
        for (found, expected) in found.iter().zip(&gradients.groups) {
            close(found, &expected.select(1, LANE as i64), &name);
        }
    }
}

/// The top eigenvalue of the Hessian whose columns are central differences of written-out gradients.
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
    blowup::engine::start();
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
        let found = sharpness(&trial, &model.weights, LANE, &batch(&model));
        let expected = by_differences(&model);
        assert!((found - expected).abs() < 1e-6 * expected.abs(), "{:?}: {found} for {expected}", trial.network);
    }
}

#[test]
fn the_curvature_of_a_quadratic_is_recorded_before_and_after_training() {
    let trial = |lr| Trial { budget: Budget::Steps(300), ..scalar(lr) };
    let record = blowup::verdict::Record { sharpness: true, ..Default::default() };
    let mut found = Vec::new();
    let trials = [trial(0.1), trial(1.5)];
    blowup::engine::train(&trials, &record, &mut |i, run| found.push((i, run.measured))).unwrap();
    found.sort_by_key(|(i, _)| *i);
    let [(_, converged), (_, nonfinite)] = &found[..] else { unreachable!() };
    assert_eq!((converged.sharpness_initial, converged.sharpness_final), (Some(2.0), Some(2.0)));
    assert_eq!(nonfinite.sharpness_initial, Some(2.0));
    assert!(nonfinite.sharpness_final.unwrap().is_nan());
}
