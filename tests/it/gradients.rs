//! The written-out forward and backward passes are compared with libtorch's autograd, in f64.

use crate::trials::{self, ACTIVATIONS, NORMS};
use blowup_core::trial::*;
use blowup_engine::data::{Batch, Dataset, LaneSeeds};
use blowup_engine::effective::Effective;
use blowup_engine::loss::{self, Objective};
use blowup_engine::matrix::Matrix;
use blowup_engine::network;
use blowup_engine::task::Draw;
use blowup_engine::weights::{LayerParameters, Weights};
use tch::{Device, Kind, Tensor};

const LANES: i64 = 3;

/// A model with random values everywhere, also in what starts at 0 or 1.
pub struct Model {
    pub trial: Trial,
    pub weights: Weights,
    pub batch: Batch,
}

pub fn model(trial: &Trial) -> Model {
    tch::manual_seed(1);
    let lanes = [trial, &Trial { seed: 1, ..trial.clone() }];
    let mut weights = trials::weights(&lanes, 1, Kind::Double);
    for group in &mut weights.groups {
        let noise = Tensor::randn(group.size(), (Kind::Double, Device::Cpu)) * 0.3;
        let _ = group.g_add_(&noise);
    }
    let data = Dataset::new(&trial.shape(), &[0, 1], Draw::Training(0), Kind::Double).unwrap();
    let batch = data.batch(&[0, 1].map(|seed| LaneSeeds { data: seed, order: seed }), 1, 0..trial.task.samples, None);
    Model { trial: trial.clone(), weights, batch }
}

/// The losses `[lane]` and the gradients as the engine computes them.
pub fn written_out(model: &Model) -> (Tensor, Weights) {
    let samples = model.batch.samples as i64;
    let mut network = network::new(&model.trial.shape(), LANES, samples, Kind::Double);
    let mut gradients = model.weights.zeros_like();
    // Whatever an earlier step left behind must not matter.
    gradients.groups.iter().for_each(|g| drop(g.shallow_clone().fill_(7.0)));
    let mut effective = Effective::new(&model.trial.shape(), &model.weights);
    let matrices = effective.of(&model.weights);
    network.forward(matrices, &model.batch.inputs);
    let losses = Tensor::zeros([LANES], (Kind::Double, Device::Cpu));
    let signal = Matrix::of(network.output().zeros_like());
    loss::loss(Objective::of(&model.trial.shape()), network.output(), &model.batch.targets, &losses, Some(&signal));
    network.backward(matrices, &gradients, &model.batch.inputs, &signal, None);
    effective.pull_back(&mut gradients);
    (losses, gradients)
}

/// The same by autograd on plain, unbatched operations, lane by lane.
fn by_autograd(model: &Model) -> (Tensor, Vec<Tensor>) {
    let leaves: Vec<Tensor> = model.weights.groups.iter().map(|g| g.copy().set_requires_grad(true)).collect();
    let layout = &model.weights.layout;
    let depth = model.trial.network.depth();
    let get = |role, layer: usize, lane: i64| {
        let of_role = layout.iter().enumerate().filter(|(_, group)| group.role == role);
        let (at, place) = of_role.into_iter().find_map(|(at, group)| Some((at, group.place(layer)?)))?;
        let leaf = leaves[at].select(0, place as i64).select(0, lane);
        let (is_matrix, fan_in) = (matches!(role, Role::Weight | Role::Recurrent), leaf.size()[0] as f64);
        Some(match model.trial.parametrization {
            Parametrization::MeanField if is_matrix && layer == depth => leaf / fan_in,
            Parametrization::Ntk | Parametrization::MeanField if is_matrix => leaf / fan_in.sqrt(),
            Parametrization::Mup { base_width } if is_matrix && layer == depth && depth > 0 => {
                leaf * base_width as f64 / fan_in
            }
            Parametrization::Standard
            | Parametrization::Ntk
            | Parametrization::MeanField
            | Parametrization::Mup { .. } => leaf,
        })
    };
    use blowup_engine::weights::Role;
    let losses: Vec<Tensor> = (0..LANES)
        .map(|lane| {
            let inputs = model.batch.inputs.select(1, lane);
            let linear = |x: &Tensor, layer: usize| {
                let h = x.matmul(&get(Role::Weight, layer, lane).unwrap());
                get(Role::Bias, layer, lane).map_or(h.shallow_clone(), |b| h + b)
            };
            let stage = |h: Tensor, layer: usize| {
                let learned = get(Role::Scale, layer, lane).map(|scale| (scale, get(Role::Shift, layer, lane)));
                reference_stage(&model.trial, h, learned)
            };
            let top = match model.trial.network {
                Network::Rnn { sequence_length, .. } => {
                    let mut sequence: Vec<Tensor> = (0..sequence_length).map(|t| inputs.select(0, t as i64)).collect();
                    for layer in 0..depth {
                        let mut state: Option<Tensor> = None;
                        for x in &mut sequence {
                            let mut h = linear(x, layer);
                            if let Some(before) = state {
                                h += before.matmul(&get(Role::Recurrent, layer, lane).unwrap());
                            }
                            if let Some(bias) = get(Role::RecurrentBias, layer, lane) {
                                h += bias;
                            }
                            let now = stage(h, layer);
                            *x = now.shallow_clone();
                            state = Some(now);
                        }
                    }
                    sequence.pop().unwrap()
                }
                // These are libtorch's own recurrent nets, with the weights as PyTorch stores them.
                Network::Gated { cell, width, .. } => {
                    let layers = 0..depth;
                    let roles = [Role::Weight, Role::Recurrent, Role::Bias, Role::RecurrentBias];
                    let of_layer = |layer: usize| roles.map(|role| get(role, layer, lane));
                    let params: Vec<Tensor> = layers.flat_map(of_layer).flatten().map(stored).collect();
                    let biases = model.trial.bias != Bias::None;
                    let start =
                        Tensor::zeros([depth as i64, inputs.size()[1], width as i64], (Kind::Double, Device::Cpu));
                    let states = match cell {
                        Gated::Lstm => {
                            let hx = [start.shallow_clone(), start];
                            inputs.lstm(&hx, &params, biases, depth as i64, 0.0, true, false, false).0
                        }
                        Gated::Gru => inputs.gru(&start, &params, biases, depth as i64, 0.0, true, false, false).0,
                    };
                    states.select(0, -1)
                }
                Network::Linear | Network::Mlp { .. } | Network::Transformer(_) | Network::Bundle => {
                    (0..depth).fold(inputs.select(0, 0), |x, layer| {
                        let f = stage(linear(&x, layer), layer);
                        let factor = get(Role::ResidualWeight, layer, lane).unwrap_or(Tensor::from(1.0));
                        if model.trial.network.residual() && layer > 0 {
                            x + f * model.trial.residual_scale * factor
                        } else {
                            f
                        }
                    })
                }
            };
            let output = linear(&top, depth);
            match model.trial.loss {
                Loss::Mse => output.mse_loss(&model.batch.targets.values.select(0, lane), tch::Reduction::Mean),
                Loss::CrossEntropy => {
                    let classes = model.batch.targets.classes.as_ref().unwrap().select(0, lane).squeeze_dim(1);
                    output.log_softmax(1, Kind::Double).nll_loss(&classes)
                }
            }
        })
        .collect();
    let losses = Tensor::stack(&losses, 0);
    let gradients = Tensor::run_backward(&[losses.sum(Kind::Double)], &leaves, false, false);
    (losses.detach(), gradients)
}

/// A tensor `[in, out]` or `[1, out]` as PyTorch stores it.
fn stored(tensor: Tensor) -> Tensor {
    if tensor.size()[0] == 1 { tensor.squeeze_dim(0) } else { tensor.transpose(0, 1).contiguous() }
}

fn reference_stage(trial: &Trial, h: Tensor, learned: Option<(Tensor, Option<Tensor>)>) -> Tensor {
    let phi = |x: Tensor| match trial.network.activation().unwrap() {
        Activation::Linear => x,
        Activation::Relu => x.relu(),
        Activation::LeakyRelu { negative_slope } => x.relu() - (-x).relu() * negative_slope,
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => x.sigmoid(),
        Activation::Gelu => x.gelu("none"),
        Activation::Selu => x.selu(),
        Activation::Silu => x.silu(),
    };
    let normalize = |x: Tensor| {
        let (scale, shift) = learned.as_ref().unwrap();
        let (scale, shift) = (scale.view([-1]), shift.as_ref().map(|s| s.view([-1])));
        match trial.network.norm().unwrap() {
            Norm::Batch(_) => {
                x.batch_norm(Some(&scale), shift.as_ref(), None::<&Tensor>, None::<&Tensor>, true, 0.1, 1e-5, false)
            }
            Norm::Layer(_) => x.layer_norm([x.size()[1]], Some(&scale), shift.as_ref(), 1e-5, false),
            Norm::Rms(_) => {
                let square = x.square().mean_dim([1i64].as_slice(), true, None::<Kind>);
                &x * (square + f64::EPSILON).rsqrt() * scale
            }
            Norm::None => unreachable!(),
        }
    };
    match trial.network.norm().unwrap() {
        Norm::None => phi(h),
        Norm::Batch(NormPosition::Before) | Norm::Layer(NormPosition::Before) | Norm::Rms(NormPosition::Before) => {
            phi(normalize(h))
        }
        Norm::Batch(NormPosition::After) | Norm::Layer(NormPosition::After) | Norm::Rms(NormPosition::After) => {
            normalize(phi(h))
        }
    }
}

fn check(trial: &Trial) {
    blowup_engine::start();
    let model = model(trial);
    let (losses, gradients) = written_out(&model);
    let (expected_losses, expected) = by_autograd(&model);
    let name = format!("{:?} {:?}", trial.network, trial.loss);
    close(&losses, &expected_losses, &format!("{name}: loss"));
    for ((group, found), expected) in gradients.layout.iter().zip(&gradients.groups).zip(&expected) {
        // A parameter on which nothing depends (a recurrent matrix with one time step) has no
        // gradient there, and a gradient of zero here.
        let expected = if expected.defined() { expected.shallow_clone() } else { found.zeros_like() };
        close(found, &expected, &format!("{name}: {group:?}"));
    }
}

/// Checks that two tensors agree within 1e-10 times the largest element.
pub fn close(found: &Tensor, expected: &Tensor, what: &str) {
    let scale = expected.abs().max().double_value(&[]).max(1e-3);
    let error = (found - expected).abs().max().double_value(&[]);
    assert!(error <= 1e-10 * scale, "{what}: off by {error:e} at scale {scale:e}");
}

#[test]
fn an_mlp_agrees_with_autograd_for_every_activation_norm_and_loss() {
    for activation in ACTIVATIONS {
        for norm in NORMS {
            for loss in [Loss::Mse, Loss::CrossEntropy] {
                let trial = Trial { loss, ..trials::with(&trials::mlp(), activation, norm) };
                check(&trial);
                check(&Trial { bias: Bias::None, ..trial });
            }
        }
    }
}

#[test]
fn a_recurrent_net_agrees_with_autograd_for_every_activation_norm_and_loss() {
    for activation in ACTIVATIONS {
        for norm in NORMS.into_iter().filter(|n| !matches!(n, Norm::Batch(_))) {
            for loss in [Loss::Mse, Loss::CrossEntropy] {
                let trial = Trial { loss, ..trials::with(&trials::rnn(), activation, norm) };
                check(&trial);
                check(&Trial { bias: Bias::None, ..trial });
            }
        }
    }
}

#[test]
fn every_parametrization_agrees_with_autograd() {
    let gated = Network::Gated { cell: Gated::Gru, depth: 2, width: 4, sequence_length: 3 };
    let linear = Trial { network: Network::Linear, ..trials::mlp() };
    for trial in [trials::mlp(), trials::rnn(), Trial { network: gated, ..trials::rnn() }, linear] {
        for parametrization in trials::PARAMETRIZATIONS {
            check(&Trial { parametrization, ..trial.clone() });
        }
    }
}

#[test]
fn lstm_and_gru_agree_with_libtorchs_own() {
    for cell in Gated::ALL.iter().copied() {
        for depth in 1..=3 {
            for sequence_length in [1, 2, 6] {
                for loss in [Loss::Mse, Loss::CrossEntropy] {
                    let network = Network::Gated { cell, depth, width: 4, sequence_length };
                    let trial = Trial { network, loss, forget_bias: Some(1.0), ..trials::rnn() };
                    check(&trial);
                    check(&Trial { forget_bias: None, bias: Bias::None, ..trial });
                }
            }
        }
    }
}

#[test]
fn depths_from_zero_to_four_agree_with_autograd() {
    check(&Trial { network: Network::Linear, ..trials::mlp() });
    for depth in 1..=4 {
        for sequence_length in [1, 2, 6] {
            let (width, activation) = (4, Activation::Tanh);
            let norm = Norm::Layer(NormPosition::Before);
            check(&Trial {
                network: Network::Mlp { depth, width, activation, norm, residual: false },
                ..trials::mlp()
            });
            let network = Network::Rnn { depth, width, activation, norm, sequence_length };
            check(&Trial { network, ..trials::rnn() });
        }
    }
}

#[test]
fn residual_nets_agree_with_autograd_for_every_activation_and_norm() {
    for depth in 1..=4 {
        for activation in ACTIVATIONS {
            for norm in NORMS {
                let network = Network::Mlp { depth, width: 4, activation, norm, residual: true };
                check(&Trial { network, ..trials::mlp() });
            }
        }
    }
}

#[test]
fn scaled_residual_branches_agree_with_autograd() {
    for (residual_scale, rezero) in [(0.3, false), (1.0, true), (-0.7, true)] {
        for depth in 1..=4 {
            for activation in [Activation::Relu, Activation::Gelu] {
                for norm in [Norm::None, Norm::Layer(NormPosition::After)] {
                    let network = Network::Mlp { depth, width: 4, activation, norm, residual: true };
                    check(&Trial { network, residual_scale, rezero, ..trials::mlp() });
                }
            }
        }
    }
}

#[test]
fn the_backprop_signal_of_a_layer_is_the_gradient_of_its_linear_output() {
    // dLoss/db_l summed over the batch is the sum of the signal, which is an independent view of
    // the same tensor.
    blowup_engine::start();
    let model = model(&trials::mlp());
    let samples = model.batch.samples as i64;
    let mut network = network::new(&model.trial.shape(), LANES, samples, Kind::Double);
    let gradients = model.weights.zeros_like();
    network.forward(&model.weights, &model.batch.inputs);
    let losses = Tensor::zeros([LANES], (Kind::Double, Device::Cpu));
    let signal = Matrix::of(network.output().zeros_like());
    loss::loss(Objective::of(&model.trial.shape()), network.output(), &model.batch.targets, &losses, Some(&signal));
    let mut seen = Vec::new();
    let mut watch = |place: blowup_engine::module::Location, signal: blowup_engine::module::Signal| {
        seen.push((place.layer, signal.delta.sum_dim_intlist([1i64].as_slice(), true, None::<Kind>)));
    };
    network.backward(&model.weights, &gradients, &model.batch.inputs, &signal, Some(&mut watch));
    assert_eq!(seen.iter().map(|s| s.0).collect::<Vec<_>>(), [2, 1]);
    for (layer, sum) in seen {
        let LayerParameters { bias, .. } = &gradients.layers[layer - 1];
        close(&sum, bias.as_ref().unwrap(), "signal");
    }
}
