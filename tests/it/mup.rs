//! The maximal update parametrization, held against the table of its publication (Yang and Hu 2021,
//! arXiv 2203.03466, table 8).

use crate::training::train;
use crate::trials::{self, with_transformer};
use blowup_core::trial::*;
use blowup_engine::weights::{ParameterGroup, Role, host, layout};
use tch::Kind;

/// The base width of the trials here.
const BASE: u64 = 4;

/// The factor of the learning rate of a parameter. Which of its sizes go with the width is told by
/// making the net wider.
pub fn rate(trial: &Trial, group: &ParameterGroup) -> f64 {
    let Parametrization::Mup { base_width } = trial.parametrization else { panic!("another parametrization") };
    let n = trial.network.width().unwrap() as f64 / base_width as f64;
    match (trial.optimizer, grows(trial, group)) {
        (Optimizer::Sgd { .. }, [false, true] | [true, false]) => n,
        (Optimizer::Sgd { .. }, [true, true]) => 1.0,
        (_, [true, true]) => 1.0 / n,
        (_, [false, _] | [_, false]) => 1.0,
    }
}

/// Whether the rows and the columns of a parameter grow with the width.
fn grows(trial: &Trial, group: &ParameterGroup) -> [bool; 2] {
    let mut wider = trial.clone();
    wider.network.set_width(97);
    let at = layout(&trial.shape()).iter().position(|other| other == group).unwrap();
    let other = &layout(&wider.shape())[at];
    [other.rows != group.rows, other.cols != group.cols]
}

/// Nets of every kind, with all that a layer can have.
fn nets() -> Vec<Trial> {
    let mlp = |depth, norm, residual| {
        let network = Network::Mlp { depth, width: 5, activation: Activation::Tanh, norm, residual };
        Trial { network, ..trials::mlp() }
    };
    let gated = |cell, forget_bias| {
        let network = Network::Gated { cell, depth: 2, width: 4, sequence_length: 3 };
        Trial { network, forget_bias: Some(forget_bias), ..trials::rnn() }
    };
    let transformer = with_transformer(&trials::transformer(), |of| (of.qk_norm, of.depth) = (true, 1));
    vec![
        transformer.clone(),
        Trial { rezero: true, ..with_transformer(&transformer, |of| of.norm = BlockNorm::Rms(Placement::Deepnorm)) },
        mlp(1, Norm::None, false),
        Trial { bias: Bias::None, ..mlp(2, Norm::None, false) },
        Trial { rezero: true, ..mlp(3, Norm::Layer(NormPosition::Before), true) },
        mlp(2, Norm::Batch(NormPosition::After), false),
        trials::rnn(),
        gated(Gated::Lstm, 1.0),
        gated(Gated::Gru, 0.0),
        Trial { network: Network::Linear, ..trials::mlp() },
    ]
}

#[test]
fn at_the_base_width_every_bit_is_that_of_the_standard_parametrization() {
    let optimizers = || trials::OPTIMIZERS.into_iter().filter(|optimizer| optimizer.mup_rates().is_some());
    for net in nets() {
        let base_width = net.network.width().unwrap_or(1) as u64;
        for (i, optimizer) in optimizers().enumerate() {
            let kinds = [InitKind::Pytorch, InitKind::Orthogonal, InitKind::Xavier, InitKind::Normal];
            let init = Init { kind: kinds[i % 4], scale: 0.7, offset: 0.1 };
            let (lr_output, weight_decay) = ([None, Some(0.03)][i % 2], [0.1, 0.0][i / 2 % 2]);
            for dtype in [Dtype::Float64, Dtype::Float32] {
                let standard = Trial {
                    optimizer,
                    init,
                    lr_output,
                    weight_decay,
                    numerics: Numerics::Uniform(dtype),
                    ..net.clone()
                };
                let mup = Trial { parametrization: Parametrization::Mup { base_width }, ..standard.clone() };
                let [a, b] = [&standard, &mup].map(|trial| format!("{:?}", train(std::slice::from_ref(trial))));
                assert_eq!(a, b, "{mup:?}");
            }
        }
    }
}

/// The factor of the first draws of a matrix under mup, over that in the standard parametrization
/// of the same width: where it is a first matrix, a hidden one and the last one. `n` is the width
/// over the base width.
fn expected(kind: InitKind, trial: &Trial, group: &ParameterGroup, n: f64) -> [f64; 3] {
    let (inputs, outputs) = (group.rows as f64, group.cols as f64);
    let width = trial.network.width().unwrap() as f64;
    let is_recurrent = matches!(trial.network, Network::Rnn { .. } | Network::Gated { .. });
    let sum = |other: f64| ((width + other) / (width / n + other)).sqrt();
    let larger = |other: f64| (width.max(other) / (width / n).max(other)).sqrt();
    match kind {
        InitKind::Normal | InitKind::Uniform => [1.0, 1.0 / n.sqrt(), 1.0],
        InitKind::Lecun | InitKind::He | InitKind::HeUniform | InitKind::Scaled => [1.0, 1.0, n.sqrt()],
        // nn.RNN goes by the width in its first matrix, too.
        InitKind::Pytorch => [if is_recurrent { n.sqrt() } else { 1.0 }, 1.0, n.sqrt()],
        InitKind::Xavier | InitKind::XavierUniform => [sum(inputs), 1.0, sum(outputs)],
        InitKind::Orthogonal => [larger(inputs), 1.0, larger(outputs)],
        InitKind::Constant | InitKind::Stored => panic!("mup has no scale for them"),
    }
}

#[test]
fn weights_start_as_the_table_says_whatever_the_initializer() {
    blowup_engine::start();
    let kinds = InitKind::ALL.iter().copied().filter(|kind| !matches!(kind, InitKind::Constant | InitKind::Stored));
    for kind in kinds {
        for net in [trials::mlp(), trials::rnn(), trials::transformer()] {
            let init = Init { kind, scale: 0.7, offset: 0.0 };
            let mut standard = Trial { init, bias: Bias::LearnedPytorch, ..net };
            standard.network.set_width(16);
            let mup = Trial { parametrization: Parametrization::Mup { base_width: BASE }, ..standard.clone() };
            let n = 16.0 / BASE as f64;
            let [a, b] = [&standard, &mup].map(|trial| trials::weights(&[trial], 0, Kind::Double));
            for (at, group) in a.layout.iter().enumerate() {
                let is_matrix = group.rows > 1;
                let [input, hidden, output] = expected(kind, &mup, group, n);
                let wanted = match grows(&mup, group) {
                    _ if matches!(group.role, Role::Scale | Role::Shift) => 1.0,
                    [true, true] => hidden,
                    [true, false] => output,
                    [false, true] if is_matrix => input,
                    // PyTorch's biases go by the inputs of their layer, and those of nn.RNN by the
                    // width. The first bias of an mlp has a layer of its own in the group.
                    [false, _] if group.layers == 1 => n.sqrt(),
                    [false, _] => f64::NAN,
                };
                let both = || host(&a.groups[at]).into_iter().zip(host(&b.groups[at]));
                if wanted.is_nan() {
                    let is_first = |i: usize| net_is_mlp(&mup) && i < 16;
                    let ratio = |i| if is_first(i) { 1.0 } else { n.sqrt() };
                    assert!(both().enumerate().all(|(i, (a, b))| (b - a * ratio(i)).abs() < 1e-12), "{mup:?}");
                } else {
                    assert!(both().all(|(a, b)| (b - a * wanted).abs() < 1e-12), "{group:?} of {mup:?}");
                }
            }
        }
    }
}

fn net_is_mlp(trial: &Trial) -> bool {
    trial.network.sequence_length().is_none()
}

/// The slope of ln(size) in ln(width), by least squares, of points (width, size).
fn slope(points: &[(f64, f64)]) -> f64 {
    let points: Vec<(f64, f64)> = points.iter().map(|(width, size)| (width.ln(), size.ln())).collect();
    let n = points.len() as f64;
    let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let covariance: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    covariance / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

/// How the change of each layer's outputs after an update goes with the width: the exponents of the
/// layers, from 64 to the largest width. The first update is looked at. At the base width 1 the
/// output at the start is small beside the targets at all of these widths, so that the first
/// gradient has one size.
fn exponents(parametrization: Parametrization, optimizer: Optimizer, lr: f64, net: &Trial, largest: usize) -> Vec<f64> {
    let mut sizes: Vec<Vec<(f64, f64)>> = Vec::new();
    for width in [64, 256, largest] {
        for seed in 0..4 {
            let mut trial = Trial { parametrization, optimizer, lr, seed, budget: Budget::Steps(1), ..net.clone() };
            trial.network.set_width(width);
            if let Network::Transformer(of) = &mut trial.network {
                // The scale of attention that keeps the logits at their size.
                of.attention_scale = Exact(1.0 / of.head_width() as f64);
            }
            let rows = train(&[trial]).remove(0).layers;
            // Of a recurrent net, the last time step.
            let last = rows.iter().map(|row| row.time.unwrap_or(0)).max().unwrap();
            let rows = rows.iter().filter(|row| row.epoch == 1 && row.time.is_none_or(|time| time == last));
            for (at, row) in rows.enumerate() {
                sizes.resize(sizes.len().max(at + 1), Vec::new());
                sizes[at].push((width as f64, row.activation_change.unwrap()));
            }
        }
    }
    sizes.iter().map(|points| slope(points)).collect()
}

#[test]
fn in_the_coordinate_check_an_update_changes_every_layer_alike_at_every_width() {
    let adam = Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-12, amsgrad: false };
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    let task = Task { kind: TaskKind::Teacher, inputs: 16, outputs: 1, samples: 32, ..trials::mlp().task };
    let network = Network::Mlp { depth: 3, width: 1, activation: Activation::Tanh, norm: Norm::None, residual: false };
    let init = Init { kind: InitKind::Lecun, scale: 1.0, offset: 0.0 };
    let mlp = Trial { task, network, init, bias: Bias::None, batch: 32, ..trials::mlp() };
    let task = Task { kind: TaskKind::NoiseSequence, ..mlp.task.clone() };
    let of_sequences = |network| Trial { network, task: task.clone(), ..mlp.clone() };
    let recurrent = [
        of_sequences(Network::Rnn {
            depth: 2,
            width: 1,
            activation: Activation::Tanh,
            norm: Norm::None,
            sequence_length: 3,
        }),
        of_sequences(Network::Gated { cell: Gated::Lstm, depth: 2, width: 1, sequence_length: 3 }),
        of_sequences(Network::Gated { cell: Gated::Gru, depth: 2, width: 1, sequence_length: 3 }),
    ];
    let mup = Parametrization::Mup { base_width: 1 };
    for net in [std::slice::from_ref(&mlp), &recurrent[..]].concat() {
        for (optimizer, lr) in [(adam, 1e-3), (sgd, 1e-3)] {
            for (layer, slope) in exponents(mup, optimizer, lr, &net, 1024).into_iter().enumerate() {
                assert!(slope.abs() <= 0.05, "{} {}, layer {layer}: {slope}", net.network.name(), optimizer.name());
            }
        }
    }
    for placement in [Placement::Pre, Placement::Post, Placement::Deepnorm] {
        let Network::Transformer(of) = trials::transformer().network else { unreachable!() };
        let mut net = of_sequences(Network::Transformer(Transformer { norm: BlockNorm::Layer(placement), ..of }));
        net.task.outputs = 16;
        for (optimizer, lr) in [(adam, 1e-3), (sgd, 1e-3)] {
            for (layer, slope) in exponents(mup, optimizer, lr, &net, 512).into_iter().enumerate() {
                // What the random start adds to the change of the output still falls from width 64
                // to 256.
                let most = if layer <= 2 { 0.05 } else { 0.1 };
                assert!(slope.abs() <= most, "{placement:?} {}, layer {layer}: {slope}", optimizer.name());
            }
        }
    }
    // The standard exponents: an element of Adam's update has one size, and the gradients of SGD
    // fall with the root of the width.
    for (optimizer, lr, known) in [(adam, 1e-5, [0.0, 1.0, 1.0, 1.5]), (sgd, 1e-5, [-0.5, 0.5, 0.5, 1.0])] {
        for (slope, known) in exponents(Parametrization::Standard, optimizer, lr, &mlp, 1024).into_iter().zip(known) {
            assert!((slope - known).abs() <= 0.15, "{}: {slope} for {known}", optimizer.name());
        }
    }
}
