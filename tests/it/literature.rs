//! Published and exact results that no sweep can express, measured on the engine's own draws and
//! passes. The specs of `experiments/literature/` have the others. If `BLOWUP_LITERATURE` names a
//! file, each measurement is appended to it, and `scripts/literature.py` makes rows of
//! `docs/literature.md` of them.

use crate::sweep::Place;
use crate::trials;
use blowup_core::spec::Spec;
use blowup_core::trial::*;
use blowup_core::verdict::{Layers, Record};
use blowup_engine::data::{Dataset, LaneSeeds};
use blowup_engine::effective::Effective;
use blowup_engine::loss;
use blowup_engine::matrix::Matrix;
use blowup_engine::module::Module;
use blowup_engine::network;
use blowup_engine::task::Draw;
use blowup_engine::weights::{Weights, host};
use std::io::Write;
use tch::{Device, Kind, Tensor};

/// Checks `|measured - expected| <= tolerance` and keeps the row.
pub fn row(result: &str, source: &str, expected: f64, tolerance: f64, measured: f64) {
    if let Some(path) = std::env::var_os("BLOWUP_LITERATURE") {
        let line = format!("{result}\t{source}\t{expected:?}\t{tolerance:?}\t{measured:?}\n");
        let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
        file.and_then(|mut file| file.write_all(line.as_bytes())).unwrap();
    }
    assert!((measured - expected).abs() <= tolerance, "{result}: {measured} for {expected} +- {tolerance}");
}

/// A net in f64 without biases, as wide as its input, on `samples` samples of noise.
fn net(depth: usize, width: usize, activation: Activation, norm: Norm, init: InitKind, samples: usize) -> Trial {
    let network = Network::Mlp { depth, width, activation, norm, residual: false };
    let init = Init { kind: init, scale: 1.0, offset: 0.0 };
    let mut trial = Trial { network, init, bias: Bias::None, batch: samples, ..trials::mlp() };
    (trial.task.inputs, trial.task.samples) = (width, samples);
    trial
}

/// The network after one forward and backward pass of one lane, and the gradients.
pub fn pass(trial: &Trial, weights: &Weights) -> (Box<dyn Module>, Weights) {
    let samples = trial.task.samples;
    let data = Dataset::new(&trial.shape(), &[trial.data_seed()], Draw::Training(0), Kind::Double).unwrap();
    let lane = LaneSeeds { data: trial.data_seed(), order: trial.seed };
    let batch = data.batch(&[lane], 0, 0..samples, None);
    let mut net = network::new(&trial.shape(), 1, samples as i64, Kind::Double);
    let mut gradients = weights.zeros_like();
    let mut effective = Effective::new(&trial.shape(), weights);
    let matrices = effective.of(weights);
    net.forward(matrices, &batch.inputs);
    let losses = Tensor::zeros([1], (Kind::Double, Device::Cpu));
    let signal = Matrix::of(net.output().zeros_like());
    loss::loss(loss::Objective::of(&trial.shape()), net.output(), &batch.targets, &losses, Some(&signal));
    net.backward(matrices, &gradients, &batch.inputs, &signal, None);
    effective.pull_back(&mut gradients);
    (net, gradients)
}

pub fn drawn(trial: &Trial) -> Weights {
    blowup_engine::start();
    trials::weights(&[trial], 0, Kind::Double)
}

#[test]
fn weights_times_their_gradients_are_the_same_number_in_every_layer_of_a_relu_net() {
    let source = "Euler's theorem on homogeneous functions";
    for (activation, depth, width) in
        [(Activation::Relu, 30, 64), (Activation::Linear, 30, 64), (Activation::Relu, 7, 20)]
    {
        let trial = net(depth, width, activation, Norm::None, InitKind::He, 16);
        let weights = drawn(&trial);
        let (_, gradients) = pass(&trial, &weights);
        let products: Vec<f64> = (weights.layers.iter().zip(&gradients.layers))
            .map(|(w, g)| (&*w.weight * &*g.weight).sum(None::<Kind>).double_value(&[]))
            .collect();
        let (low, high) = products.iter().fold((f64::MAX, f64::MIN), |(l, h), &p| (l.min(p), h.max(p)));
        let name = activation.name();
        row(
            &format!("A10: {name}, {depth} layers of {width}: spread of <W_l, dLoss/dW_l>, relative"),
            source,
            0.0,
            1e-10,
            (high - low) / high.abs(),
        );
    }
}

/// The variance over the squared mean of the eigenvalues of J J^T, where J is the product of the
/// Jacobians of all hidden layers at one input.
fn spread_of_jacobian(trial: &Trial) -> f64 {
    let weights = drawn(trial);
    let (net, _) = pass(trial, &weights);
    let width = trial.network.width().unwrap() as i64;
    let mut jacobian = Tensor::eye(width, (Kind::Double, Device::Cpu));
    for ((_, output), layer) in net.activations().iter().zip(&weights.layers) {
        jacobian = jacobian.matmul(&layer.weight.select(0, 0));
        if trial.network.activation() == Some(Activation::Relu) {
            jacobian *= output.select(0, 0).gt(0.0).to_kind(Kind::Double);
        }
    }
    let gram = jacobian.matmul(&jacobian.transpose(0, 1));
    let n = width as f64;
    let mean = gram.trace().double_value(&[]) / n;
    gram.square().sum(None::<Kind>).double_value(&[]) / n / (mean * mean) - 1.0
}

#[test]
fn the_jacobian_spectrum_widens_with_depth_unless_orthogonal_and_linear() {
    let source = "Pennington, Schoenholz and Ganguli 2017, arXiv 1711.04735";
    let check = |kind: InitKind, activation: Activation, depth: usize, law: f64, tolerance: f64| {
        let of_seed = |seed| spread_of_jacobian(&Trial { seed, ..net(depth, 200, activation, Norm::None, kind, 1) });
        let mean = (0..6).map(of_seed).sum::<f64>() / 6.0;
        let result = format!(
            "A12: {} {}, {depth} layers of 200: variance of the Jacobian's squared singular values over squared mean",
            kind.name(),
            activation.name()
        );
        row(&result, source, law, tolerance, mean);
    };
    check(InitKind::Lecun, Activation::Linear, 10, 10.0, 2.0);
    check(InitKind::He, Activation::Relu, 10, 20.0, 6.0);
    check(InitKind::Orthogonal, Activation::Relu, 10, 10.0, 2.0);
    check(InitKind::Orthogonal, Activation::Linear, 10, 0.0, 1e-10);
    // The laws L, 2 L and L at another depth, with the same relative tolerances.
    check(InitKind::Lecun, Activation::Linear, 4, 4.0, 0.8);
    check(InitKind::He, Activation::Relu, 4, 8.0, 2.4);
    check(InitKind::Orthogonal, Activation::Relu, 4, 4.0, 0.8);
}

#[test]
fn under_layer_norm_the_gradient_of_a_layer_falls_as_its_weights_grow() {
    for activation in [Activation::Relu, Activation::Tanh] {
        for c in [0.3, 10.0] {
            let trial = net(6, 64, activation, Norm::Layer(NormPosition::Before), InitKind::He, 16);
            let weights = drawn(&trial);
            let (_, before) = pass(&trial, &weights);
            drop(weights.layers[2].weight.shallow_clone().g_mul_scalar_(c));
            let (_, after) = pass(&trial, &weights);
            let [before, after] = [&before, &after].map(|gradients| host(&gradients.layers[2].weight));
            let largest = before.iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            let off = before.iter().zip(&after).fold(0.0, |m: f64, (b, a)| m.max((a * c - b).abs()));
            let result = format!("A14: layer norm, {}, W_3 -> {c} W_3: error of dW_3 -> dW_3/c", activation.name());
            // The eps of 1e-5 stands beside a variance of the order of c^2.
            row(&result, "Ba, Kiros and Hinton 2016, arXiv 1607.06450", 0.0, 1e-3, off / largest);
        }
    }
}

/// One weight that starts at 1, on one sample with y = 0. The loss is (w x)^2.
fn one_weight(x: f64, optimizer: Optimizer, folder: &std::path::Path) -> Trial {
    use sha2::{Digest, Sha256};
    let path = folder.join(format!("{x}.csv"));
    let bytes = format!("x,y\n{x},0\n");
    std::fs::write(&path, &bytes).unwrap();
    let csv = CsvFile {
        separator: ',',
        path: path.to_str().unwrap().to_owned(),
        sha256: Sha256::digest(bytes.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect(),
        target: "y".to_owned(),
        features: vec!["x".to_owned()],
        standardize: false,
    };
    Trial {
        task: Task {
            kind: TaskKind::Csv,
            inputs: 1,
            outputs: 1,
            samples: 1,
            input_std: 1.0,
            source: Source::Csv(Box::new(csv)),
        },
        budget: Budget::Steps(150),
        network: Network::Linear,
        init: Init { kind: InitKind::Constant, scale: 1.0, offset: 0.0 },
        bias: Bias::None,
        optimizer,
        lr: 0.01,
        batch: 1,
        ..trials::mlp()
    }
}

#[test]
fn adam_and_rmsprop_do_not_see_the_scale_of_the_loss() {
    let folder = tempfile::tempdir().unwrap();
    for (optimizer, source, first) in [
        (
            Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false },
            "Kingma and Ba 2015, arXiv 1412.6980",
            1.0,
        ),
        (Optimizer::Rmsprop { alpha: 0.99, eps: 1e-8, momentum: 0.0 }, "Tieleman and Hinton 2012", 10.0),
        (Optimizer::Rmsprop { alpha: 0.96, eps: 1e-8, momentum: 0.0 }, "Tieleman and Hinton 2012", 5.0),
    ] {
        let record = Record { epochs: false, layers: Layers::Never, steps: 150, sharpness: false };
        let weights = |x: f64| {
            blowup_engine::start();
            let mut steps = Vec::new();
            let trial = one_weight(x, optimizer, folder.path());
            blowup_engine::train(&[trial], &record, &mut |_, run| steps = run.steps).unwrap();
            let step = steps[0].update_norm.unwrap();
            (steps.iter().map(|s| s.loss.sqrt() / x).collect::<Vec<f64>>(), step)
        };
        let ((plain, step), (scaled, _)) = (weights(1.0), weights(100.0));
        let name = match optimizer {
            Optimizer::Rmsprop { alpha, .. } => format!("RMSprop, alpha {alpha}"),
            _ => "Adam".to_owned(),
        };
        row(&format!("A20: {name}: first step / lr"), source, first, 1e-5 * first, step / 0.01);
        let off = plain.iter().zip(&scaled).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs()));
        let result =
            format!("A20: {name}, loss x 10,000: largest change of the weight, which starts at 1, in 150 steps");
        row(&result, source, 0.0, 1e-4, off);
    }
}

#[test]
fn pytorchs_recurrent_matrices_have_a_spectral_radius_below_one() {
    let rnn =
        |width| Network::Rnn { depth: 1, width, activation: Activation::Tanh, norm: Norm::None, sequence_length: 2 };
    let gated = |cell| Network::Gated { cell, depth: 1, width: 256, sequence_length: 2 };
    // At width 256 a single draw scatters by .013 around .598, so this is the mean of ten matrices.
    for (name, network) in [
        ("rnn, width 256", rnn(256)),
        ("rnn, width 512", rnn(512)),
        ("lstm, width 256, each gate", gated(Gated::Lstm)),
        ("gru, width 256, each gate", gated(Gated::Gru)),
    ] {
        let init = Init { kind: InitKind::Pytorch, scale: 1.0, offset: 0.0 };
        let mut radii = Vec::new();
        for seed in 0.. {
            let trial = Trial { network, init, bias: Bias::LearnedPytorch, seed, ..trials::rnn() };
            let all = drawn(&trial).layers[0].recurrent.as_ref().unwrap().select(0, 0);
            for matrix in all.chunk(all.size()[1] / all.size()[0], 1) {
                radii.push(matrix.linalg_eigvals().abs().max().double_value(&[]));
            }
            if radii.len() >= 10 {
                break;
            }
        }
        // U(-1/sqrt n, 1/sqrt n) has the variance 1/(3 n), so the circular law gives 1/sqrt 3.
        let result = format!("A24: spectral radius of the recurrent matrix, init pytorch, {name}");
        let mean = radii.iter().sum::<f64>() / radii.len() as f64;
        row(&result, "torch.nn.RNN, reset_parameters; circular law", 0.577, 0.04, mean);
    }
}

/// The learning rate at which the output layer alone becomes unstable while the other layer is
/// frozen, lr1* = D n^2 / lambda_max(H^T H). For a linear net and the input layer alone it is lr0*
/// = D n^3 / (|W1|^2 lambda_max(X^T X)). H are the hidden outputs, `[D, n]`.
fn threshold(trial: &Trial, of_output: bool) -> f64 {
    let weights = drawn(trial);
    let (net, _) = pass(trial, &weights);
    let largest = |m: &Tensor| m.transpose(0, 1).matmul(m).linalg_eigvalsh("L").max().double_value(&[]);
    let (samples, n) = (trial.task.samples as f64, trial.network.width().unwrap() as f64);
    if of_output {
        return samples * n * n / largest(&net.activations()[0].1.select(0, 0));
    }
    let data = Dataset::new(&trial.shape(), &[trial.data_seed()], Draw::Training(0), Kind::Double).unwrap();
    let lane = LaneSeeds { data: trial.data_seed(), order: trial.seed };
    let x = data.batch(&[lane], 0, 0..trial.task.samples, None).inputs.select(0, 0).select(0, 0);
    let output = weights.layers[1].weight.square().sum(None::<Kind>).double_value(&[]);
    samples * n * n * n / (output * largest(&x))
}

#[test]
fn the_rates_of_the_trainability_spec_are_one_percent_from_the_thresholds_of_its_draws() {
    let path = "experiments/literature/sohl-dickstein.toml";
    let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let text = std::fs::read_to_string(path).unwrap();
    let spec = Spec::parse(&text, path, &none).unwrap_or_else(|report| panic!("{report}"));
    let a27 = spec.grid().trials().filter(|trial| trial.label.starts_with("A27"));
    let (mut seen, mut wrong) = (0, String::new());
    for trial in a27 {
        let of_output = trial.lr == 0.0;
        let rate = if of_output { trial.lr_output.unwrap() } else { trial.lr };
        let factor = if trial.label.ends_with("below") { 0.99 } else { 1.01 };
        let right = factor * threshold(&trial, of_output);
        if (rate / right - 1.0).abs() > 1e-9 {
            let activation = trial.network.activation().unwrap().name();
            wrong += &format!("\n{}, {activation}, seed {}: {right:?}", trial.label, trial.seed);
        }
        seen += 1;
    }
    assert!(seen >= 12 && wrong.is_empty(), "{seen} trials; the rates should be{wrong}");
}

#[test]
fn the_quick_part_of_the_literature_holds_in_the_real_program() {
    for name in
        ["saxe", "quadratic", "momentum", "two-cycle", "pascanu", "glorot", "tanh-gain", "adding", "lewkowycz", "dong"]
    {
        let place = Place::new(&std::fs::read_to_string(format!("experiments/literature/{name}.toml")).unwrap());
        place.ok("sweep t.toml --out r --quiet");
        place.ok("check r");
    }
}
