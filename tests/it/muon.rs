//! Muon: its iteration against the polynomial that it is, and its updates against the published
//! rule; what Adam does after a silence, and when RAdam begins to divide.

use crate::literature::row;
use crate::trials;
use blowup_core::trial::*;
use blowup_engine::optimizer::PerLaneOptimizer;
use blowup_engine::optimizer::muon::orthogonalized;
use blowup_engine::readout::Readout;
use blowup_engine::weights::{ParameterGroup, Role, host};
use tch::{Device, Kind, Tensor};

const JORDAN: &str = "Jordan 2024, \"Muon: An optimizer for hidden layers in neural networks\"";

/// What the iteration makes of a singular value, once the matrix has the Frobenius norm 1.
fn polynomial(x: f64) -> f64 {
    (0..5).fold(x, |x, _| 3.4445 * x - 4.7750 * x.powi(3) + 2.0315 * x.powi(5))
}

fn singular_values(matrices: &Tensor) -> Vec<f64> {
    host(&matrices.svd(true, true).1.flatten(0, -1))
}

#[test]
fn the_iteration_is_its_polynomial_of_every_singular_value() {
    blowup_engine::start();
    tch::manual_seed(1);
    for (rows, cols) in [(1, 1), (5, 5), (4, 9), (9, 4), (1, 7), (33, 16)] {
        let matrices = Tensor::randn([2, 3, rows, cols], (Kind::Double, Device::Cpu)) * 1e3;
        let (u, s, v) = matrices.svd(true, true);
        let norm = s.square().sum_dim_intlist([-1i64].as_slice(), true, None::<Kind>).sqrt();
        let mapped: Vec<f64> = host(&(s / norm)).into_iter().map(polynomial).collect();
        let mapped = Tensor::from_slice(&mapped).view([2, 3, rows.min(cols)]);
        let expected = u.matmul(&mapped.diag_embed(0, -2, -1)).matmul(&v.transpose(-2, -1));
        let error = (orthogonalized(&matrices) - expected).abs().max().double_value(&[]);
        assert!(error < 1e-12, "{rows} x {cols}: {error:e}");
    }
    // A matrix of zeros stays one, and so does one that is 0 within the least divisor.
    let zeros = Tensor::zeros([1, 2, 3, 3], (Kind::Double, Device::Cpu));
    assert!(host(&orthogonalized(&zeros)).iter().all(|x| *x == 0.0));
    let tiny = Tensor::eye(2, (Kind::Double, Device::Cpu)).view([1, 1, 2, 2]) * 1e-12;
    assert!((host(&orthogonalized(&tiny))[0] / polynomial(1e-5) - 1.0).abs() < 1e-12);
}

#[test]
fn the_singular_values_of_an_update_are_near_one() {
    blowup_engine::start();
    // Of the norm 1, with a first singular value from 0.01 to 1.
    let first: Vec<f64> = (0..=10_000).map(|i| 0.01 + 0.99 * f64::from(i) / 1e4).collect();
    let pair = |x: f64| [x, 0.0, 0.0, (1.0 - x * x).sqrt()];
    let flat: Vec<f64> = first.iter().flat_map(|x| pair(*x)).collect();
    let mapped = host(&orthogonalized(&Tensor::from_slice(&flat).view([-1, 2, 2])));
    let mapped: Vec<f64> = mapped.into_iter().step_by(4).collect();
    for (x, found) in first.iter().zip(&mapped) {
        assert!((found - polynomial(*x)).abs() < 1e-12, "{x}: {found}");
    }
    let least = mapped.iter().copied().fold(f64::INFINITY, f64::min);
    let most = mapped.iter().copied().fold(0.0, f64::max);
    row("A29: Muon, least singular value of those that came from 0.01 to 1", JORDAN, 0.6818, 1e-4, least);
    row("A29: Muon, largest singular value of those that came from 0.01 to 1", JORDAN, 1.1344, 1e-4, most);
    tch::manual_seed(0);
    for (rows, cols) in [(64, 256), (256, 64), (128, 512)] {
        let matrix = Tensor::randn([1, 1, rows, cols], (Kind::Double, Device::Cpu));
        let values = singular_values(&orthogonalized(&matrix));
        let (least, most) = (values.iter().copied().fold(f64::INFINITY, f64::min), values[0]);
        let name = |end: &str| format!("A29: Muon, {end} singular value, {rows} x {cols} Gaussian");
        row(&name("least"), JORDAN, 0.68, 0.08, least);
        row(&name("largest"), JORDAN, 1.13, 0.07, most);
    }
}

/// The update of `torch.optim.Muon` for a matrix `[outputs, inputs]`, in f64. It returns the new
/// mean of the gradients and the new weights.
fn published(trial: &Trial, lr: f64, factor: f64, [w, g, m]: [&Tensor; 3]) -> [Tensor; 2] {
    let Optimizer::Muon { momentum, nesterov, weight_decay_mode, adjust_lr_fn, .. } = trial.optimizer else {
        panic!("the optimizer is Muon")
    };
    let m = m * momentum + g * (1.0 - momentum);
    let mut x = if nesterov { g * (1.0 - momentum) + &m * momentum } else { m.copy() };
    let norm = x.norm().double_value(&[]);
    x /= norm;
    for _ in 0..5 {
        let gram = x.matmul(&x.tr());
        x = &x * 3.4445 + (&gram * -4.7750 + gram.matmul(&gram) * 2.0315).matmul(&x);
    }
    let (outputs, inputs) = (w.size()[0] as f64, w.size()[1] as f64);
    let ratio = match adjust_lr_fn {
        AdjustLr::Original => (outputs / inputs).max(1.0).sqrt(),
        AdjustLr::MatchRmsAdamw => 0.2 * outputs.max(inputs).sqrt(),
    };
    let lost = match weight_decay_mode {
        DecayMode::Decoupled => lr * trial.weight_decay,
        DecayMode::Independent => factor * trial.weight_decay,
    };
    let new = w * (1.0 - lost) - x * (lr * ratio);
    [m, new]
}

#[test]
fn muon_follows_its_published_rule_on_the_matrices_of_hidden_layers() {
    blowup_engine::start();
    tch::manual_seed(4);
    let muon = |momentum, nesterov, weight_decay_mode, adjust_lr_fn| Optimizer::Muon {
        momentum,
        nesterov,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-3,
        weight_decay_mode,
        adjust_lr_fn,
    };
    let mlp = Network::Mlp { depth: 3, width: 5, activation: Activation::Tanh, norm: Norm::None, residual: false };
    let lstm = Network::Gated { cell: Gated::Lstm, depth: 2, width: 5, sequence_length: 3 };
    // The hidden matrices of an mlp are those of layers 1 and 2 of 0 to 3, here in one group.
    for (network, base, hidden) in [(mlp, trials::mlp(), 1), (lstm, trials::rnn(), 2)] {
        for nesterov in [true, false] {
            let lane = |i: usize| Trial {
                network,
                optimizer: muon(
                    [0.95, 0.4][i],
                    nesterov,
                    [DecayMode::Decoupled, DecayMode::Independent][i],
                    [AdjustLr::Original, AdjustLr::MatchRmsAdamw][i],
                ),
                weight_decay: [0.1, 0.02][i],
                lr: [0.1, 0.003][i],
                schedule: Schedule::Linear { lr_min: 0.5 },
                budget: Budget::Steps(4),
                ..base.clone()
            };
            let trials = [lane(0), lane(1)];
            let all: Vec<&Trial> = trials.iter().collect();
            let mut weights = trials::weights(&all, 1, Kind::Double);
            let mut gradients = weights.zeros_like();
            let lanes = trials.each_ref().map(|trial| trial.parts().1);
            let mut optimizer = PerLaneOptimizer::new(&trials[0].shape(), &lanes, 1, &weights);
            // The others are those of AdamW with the same numbers.
            let adamw = trials.each_ref().map(|trial| {
                let Optimizer::Muon { beta1, beta2, eps, weight_decay_mode, .. } = trial.optimizer else { panic!() };
                let optimizer = Optimizer::Adamw { beta1, beta2, eps, amsgrad: false, weight_decay_mode };
                Trial { optimizer, ..trial.clone() }
            });
            let mut other_weights = trials::weights(&all, 1, Kind::Double);
            let adamw_lanes = adamw.each_ref().map(|trial| trial.parts().1);
            let mut other = PerLaneOptimizer::new(&adamw[0].shape(), &adamw_lanes, 1, &other_weights);
            let means = weights.zeros_like();
            let is_hidden = |group: &ParameterGroup| {
                let layered = group.role == Role::Weight && (1..weights.layers.len() - 1).contains(&group.first_layer);
                layered || group.role == Role::Recurrent
            };
            let hidden_groups: Vec<bool> = weights.layout.iter().map(is_hidden).collect();
            assert_eq!(hidden_groups.iter().filter(|hidden| **hidden).count(), hidden);
            for step in 0..4 {
                for group in &mut gradients.groups {
                    group.copy_(&Tensor::randn(group.size(), (Kind::Double, Device::Cpu)));
                }
                let all_lanes = Tensor::from_slice(&[0i64, 1, 2]);
                let (given, before) = (gradients.gather(&all_lanes), weights.gather(&all_lanes));
                let mut same = gradients.gather(&all_lanes);
                let readout = Readout::new(&weights);
                optimizer.step(&mut weights, &mut gradients, None, &readout);
                let other_readout = Readout::new(&other_weights);
                other.step(&mut other_weights, &mut same, None, &other_readout);
                let factor = 1.0 - 0.5 * f64::from(step) / 4.0;
                for (at, group) in weights.layout.iter().enumerate() {
                    if !hidden_groups[at] {
                        let error = (&weights.groups[at] - &other_weights.groups[at]).narrow(1, 0, 2).abs().max();
                        assert!(error.double_value(&[]) < 1e-14, "{group:?}");
                        continue;
                    }
                    for (layer, lane) in (0..group.layers as i64).flat_map(|layer| [(layer, 0i64), (layer, 1)]) {
                        let of = |groups: &[Tensor]| groups[at].get(layer).get(lane).tr();
                        let (w, g, m) = (of(&before.groups), of(&given.groups), of(&means.groups));
                        let trial = &trials[lane as usize];
                        let [m, new] = published(trial, trial.lr * factor, factor, [&w, &g, &m]);
                        means.groups[at].get(layer).get(lane).copy_(&m.tr());
                        let error = (of(&weights.groups) - &new).abs().max().double_value(&[]);
                        assert!(error < 1e-11, "{group:?}, lane {lane}, step {step}: {error:e}");
                        let moved = (of(&gradients.groups) - (new - w)).abs().max().double_value(&[]);
                        assert!(moved < 1e-11, "{group:?}, lane {lane}, step {step}: {moved:e}");
                    }
                }
            }
        }
    }
}

/// Adam divides the first gradient after a silence by the root of a mean that has almost none of
/// it.
#[test]
fn adam_jumps_after_a_silence_as_far_as_its_betas_say() {
    blowup_engine::start();
    let source =
        "Molybog 2023, \"A Theory on Adam Instability in Large-Scale Machine Learning\", arXiv 2304.09871; exact";
    let silence = 20_000;
    for (beta1, beta2, steps) in [(0.9f64, 0.999f64, 40), (0.5, 0.99, 20), (0.9, 0.95, 20)] {
        let trial = Trial {
            network: Network::Linear,
            bias: Bias::None,
            task: Task { inputs: 1, outputs: 1, ..trials::mlp().task },
            optimizer: Optimizer::Adam { beta1, beta2, eps: 1e-16, amsgrad: false },
            lr: 1.0,
            budget: Budget::Steps(silence + steps),
            ..trials::mlp()
        };
        let mut weights = trials::weights(&[&trial], 0, Kind::Double);
        let mut gradients = weights.zeros_like();
        let mut optimizer = PerLaneOptimizer::new(&trial.shape(), &[trial.parts().1], 0, &weights);
        let readout = Readout::new(&weights);
        let mut updates = Vec::new();
        for step in 0..silence + steps {
            let gradient = if step < silence { 0.0 } else { 1.0 };
            drop(gradients.groups[0].fill_(gradient));
            optimizer.step(&mut weights, &mut gradients, None, &readout);
            // The gradients now hold the update.
            updates.push(-gradients.groups[0].double_value(&[0, 0, 0, 0]));
        }
        let updates = &updates[silence as usize..];
        let at = |k: i32| (1.0 - beta1.powi(k)) / (1.0 - beta2.powi(k)).sqrt();
        let name =
            |what: &str| format!("A30: Adam after 20,000 steps without a gradient, betas {beta1} {beta2}: {what}");
        row(&name("first update / lr"), source, at(1), 1e-5, updates[0]);
        let most = (1..=steps as i32).map(at).fold(0.0, f64::max);
        row(&name("largest update / lr"), source, most, 1e-5, updates.iter().copied().fold(0.0, f64::max));
        if beta2 == 0.999 {
            assert!((most - 6.5685).abs() < 1e-4 && updates[11] == updates.iter().copied().fold(0.0, f64::max));
        }
    }
}

/// The mean of squares counts from the update on at which it is long enough.
#[test]
fn radam_divides_from_the_sixth_update_on() {
    blowup_engine::start();
    let trial = Trial {
        network: Network::Linear,
        bias: Bias::None,
        optimizer: Optimizer::Radam { beta1: 0.9, beta2: 0.999, eps: 1e-16 },
        lr: 1.0,
        budget: Budget::Steps(10),
        ..trials::mlp()
    };
    let mut weights = trials::weights(&[&trial], 0, Kind::Double);
    let mut gradients = weights.zeros_like();
    let mut optimizer = PerLaneOptimizer::new(&trial.shape(), &[trial.parts().1], 0, &weights);
    let readout = Readout::new(&weights);
    let mut update = || {
        drop(gradients.groups[0].fill_(1.0));
        optimizer.step(&mut weights, &mut gradients, None, &readout);
        -gradients.groups[0].double_value(&[0, 0, 0, 0])
    };
    // A constant gradient has the mean 1, and a quotient of 1 is multiplied by less than 1.
    let first = (1..=10).find(|_| update() < 0.999).map_or(f64::NAN, f64::from);
    let source =
        "Liu 2020, \"On the Variance of the Adaptive Learning Rate and Beyond\", arXiv 1908.03265; torch.optim.RAdam";
    row("A31: RAdam, beta2 0.999: the first update that is divided by the root", source, 6.0, 0.0, first);
}
