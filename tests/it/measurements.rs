//! Initial draws, data and probes are compared with the laws that they follow.

use crate::training::train;
use crate::trials;
use blowup_core::trial::*;
use blowup_core::verdict::{Site, Tensor as Where};
use blowup_engine::task::{self, Draw, SampleTargets};
use blowup_engine::weights::host;
use tch::Kind;

fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
}

#[test]
fn every_initializer_has_the_spread_that_pytorch_documents() {
    blowup_engine::start();
    // A hidden layer 300 -> 300 and a first layer 100 -> 300.
    let cases = [
        (InitKind::Normal, 0.2, 0.2, 0.2),
        (InitKind::Uniform, 0.3, 0.3 / 3f64.sqrt(), 0.3 / 3f64.sqrt()),
        (InitKind::Xavier, 1.0, (2.0 / 400.0f64).sqrt(), (2.0 / 600.0f64).sqrt()),
        (InitKind::XavierUniform, 2.0, 2.0 * (2.0 / 400.0f64).sqrt(), 2.0 * (2.0 / 600.0f64).sqrt()),
        (InitKind::He, 1.0, (2.0 / 100.0f64).sqrt(), (2.0 / 300.0f64).sqrt()),
        (InitKind::HeUniform, 1.0, (2.0 / 100.0f64).sqrt(), (2.0 / 300.0f64).sqrt()),
        (InitKind::Lecun, 3.0, 3.0 / 10.0, 3.0 / 300f64.sqrt()),
        (InitKind::Scaled, 1.7, (1.7f64 / 100.0).sqrt(), (1.7f64 / 300.0).sqrt()),
        (InitKind::Pytorch, 1.0, 1.0 / (3.0 * 100.0f64).sqrt(), 1.0 / (3.0 * 300.0f64).sqrt()),
        (InitKind::Orthogonal, 1.5, 1.5 / 300f64.sqrt(), 1.5 / 300f64.sqrt()),
    ];
    for (kind, scale, first, hidden) in cases {
        let network =
            Network::Mlp { depth: 2, width: 300, activation: Activation::Tanh, norm: Norm::None, residual: false };
        let mut trial = Trial { network, init: Init { kind, scale, offset: 0.0 }, ..trials::mlp() };
        trial.task.inputs = 100;
        let weights = trials::weights(&[&trial], 1, Kind::Double);
        for (layer, expected) in [first, hidden].into_iter().enumerate() {
            let values = host(&weights.layers[layer].weight.select(0, 0));
            let (mean, std) = moments(&values);
            // Of 30,000 draws, four standard errors of the standard deviation are 1.6%.
            assert!((std - expected).abs() <= 0.017 * expected + 1e-12, "{kind:?} layer {layer}: {std} for {expected}");
            assert!(mean.abs() <= 0.025 * expected + 1e-12, "{kind:?} layer {layer}: mean {mean}");
            let bound = 3f64.sqrt() * expected * 1.000_001;
            let bounded = values.iter().all(|x| x.abs() <= bound);
            let uniform =
                matches!(kind, InitKind::Uniform | InitKind::XavierUniform | InitKind::HeUniform | InitKind::Pytorch);
            assert_eq!(bounded, uniform, "{kind:?}");
        }
        assert_eq!(host(&weights.groups[0].select(1, 1)).iter().map(|x| x.abs()).sum::<f64>(), 0.0, "pads are zero");
    }
    let offset = Trial { init: Init { kind: InitKind::He, scale: 1.0, offset: 0.25 }, ..trials::mlp() };
    let plain = Trial { init: Init { kind: InitKind::He, scale: 1.0, offset: 0.0 }, ..trials::mlp() };
    let [offset, plain] = [offset, plain].map(|trial| trials::weights(&[&trial], 1, Kind::Double));
    for layer in 0..3 {
        let [a, b] = [&offset, &plain].map(|w| host(&w.layers[layer].weight.select(0, 0)));
        assert!(a.iter().zip(b).all(|(a, b)| (a - b - if layer == 0 { 0.25 } else { 0.0 }).abs() < 1e-15));
    }
    let constant = Trial { init: Init { kind: InitKind::Constant, scale: 0.7, offset: 0.0 }, ..trials::mlp() };
    let weights = trials::weights(&[&constant], 1, Kind::Double);
    assert!(host(&weights.layers[1].weight.select(0, 0)).iter().all(|&x| x == 0.7));
}

#[test]
fn orthogonal_matrices_are_orthogonal_whatever_their_shape() {
    blowup_engine::start();
    for inputs in [3, 5, 9] {
        let mut trial = Trial { init: Init { kind: InitKind::Orthogonal, scale: 2.0, offset: 0.0 }, ..trials::mlp() };
        trial.task.inputs = inputs;
        let w = trials::weights(&[&trial], 1, Kind::Double).layers[0].weight.select(0, 0);
        let gram = if inputs >= 5 { w.transpose(0, 1).matmul(&w) } else { w.matmul(&w.transpose(0, 1)) };
        let n = gram.size()[0];
        let error = gram - tch::Tensor::eye(n, (Kind::Double, tch::Device::Cpu)) * 4.0;
        assert!(error.abs().max().double_value(&[]) < 1e-12, "{inputs}");
    }
}

#[test]
fn the_adding_task_adds_two_marked_values_and_one_is_the_best_constant() {
    let task = Task { kind: TaskKind::Adding, inputs: 2, outputs: 1, samples: 20_000, input_std: 1.0, ..Task::none() };
    let samples = task::samples(&task, Loss::Mse, 10, 3, Draw::Training(0)).unwrap();
    let SampleTargets::Values(targets) = &samples.targets else { panic!("adding is a regression") };
    for (i, target) in targets.iter().enumerate() {
        let step = |t: usize| &samples.inputs[(t * task.samples + i) * 2..][..2];
        assert_eq!((0..10).map(|t| step(t)[1]).sum::<f64>(), 2.0);
        let sum: f64 = (0..10).map(|t| step(t)[0] * step(t)[1]).sum();
        assert!((sum - target).abs() < 1e-12);
    }
    let (mean, _) = moments(targets);
    assert!((mean - 1.0).abs() < 0.012, "{mean}");
    assert!((samples.trivial_loss(1) - 1.0 / 6.0).abs() < 0.006, "{}", samples.trivial_loss(1));
}

/// The one-hot column that is set at each step of a sequence.
fn symbols(samples: &task::Samples, times: usize, columns: usize) -> Vec<Vec<usize>> {
    let step = |t: usize, i: usize| {
        let row = &samples.inputs[(t * samples.samples + i) * columns..][..columns];
        assert_eq!((row.iter().sum::<f64>(), row.iter().filter(|x| **x == 1.0).count()), (1.0, 1));
        row.iter().position(|x| *x == 1.0).unwrap()
    };
    (0..samples.samples).map(|i| (0..times).map(|t| step(t, i)).collect()).collect()
}

/// Checks that every class has its share, within four standard errors, and that the trivial loss is
/// the entropy of equal shares.
fn is_balanced(samples: &task::Samples, classes: usize) {
    let SampleTargets::Classes(found) = &samples.targets else { panic!("a classification") };
    let (n, p) = (found.len() as f64, 1.0 / classes as f64);
    for class in 0..classes as i64 {
        let share = found.iter().filter(|c| **c == class).count() as f64 / n;
        assert!((share - p).abs() < 4.0 * (p * (1.0 - p) / n).sqrt(), "{class}: {share}");
    }
    let trivial = samples.trivial_loss(classes);
    assert!((trivial - (classes as f64).ln()).abs() < 1e-2, "{trivial}");
}

#[test]
fn the_digits_are_what_their_source_documents() {
    let task = Task { kind: TaskKind::Digits, inputs: 64, outputs: 10, samples: 1797, input_std: 1.0, ..Task::none() };
    let samples = task::samples(&task, Loss::CrossEntropy, 1, 0, Draw::Training(0)).unwrap();
    assert_eq!(samples.inputs.len(), 1797 * 64);
    assert!(samples.inputs.iter().all(|x| (x * 16.0).fract() == 0.0 && (0.0..=1.0).contains(x)));
    let SampleTargets::Classes(classes) = &samples.targets else { panic!("digits are classes") };
    let counts: Vec<usize> = (0..10).map(|d| classes.iter().filter(|c| **c == d).count()).collect();
    assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!(&classes[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let few = Task { samples: 20, ..task.clone() };
    let few = task::samples(&few, Loss::Mse, 1, 7, Draw::Training(0)).unwrap();
    assert_eq!(few.inputs, samples.inputs[..20 * 64]);
    let SampleTargets::Values(rows) = &few.targets else { panic!("the squared error takes numbers") };
    for (row, class) in rows.chunks(10).zip(classes) {
        assert!((0..10).all(|c| row[c as usize] == f64::from(u8::from(c == *class))));
    }
}

#[test]
fn the_copy_task_asks_at_the_end_for_the_symbol_of_the_start() {
    let task = Task { kind: TaskKind::Copy, inputs: 7, outputs: 5, samples: 20_000, input_std: 1.0, ..Task::none() };
    for times in [2, 6] {
        let samples = task::samples(&task, Loss::CrossEntropy, times, 3, Draw::Training(0)).unwrap();
        let SampleTargets::Classes(classes) = &samples.targets else { panic!("copy is a classification") };
        for (sequence, class) in symbols(&samples, times, 7).iter().zip(classes) {
            assert_eq!(sequence[0] as i64, *class);
            assert!(sequence[1..times - 1].iter().all(|s| *s == 5), "blanks between");
            assert_eq!(sequence[times - 1], 6, "the question");
        }
        is_balanced(&samples, 5);
    }
}

#[test]
fn the_temporal_order_task_asks_for_the_order_of_two_symbols_among_distractors() {
    let task =
        Task { kind: TaskKind::TemporalOrder, inputs: 6, outputs: 4, samples: 20_000, input_std: 1.0, ..Task::none() };
    for (times, first, second) in [(2, 0..1, 1..2), (7, 0..1, 3..4), (40, 4..8, 20..24)] {
        let samples = task::samples(&task, Loss::CrossEntropy, times, 3, Draw::Training(0)).unwrap();
        let SampleTargets::Classes(classes) = &samples.targets else { panic!("temporal-order is a classification") };
        let mut starts = vec![false; times];
        for (sequence, class) in symbols(&samples, times, 6).iter().zip(classes) {
            let places: Vec<usize> = (0..times).filter(|&t| sequence[t] >= 4).collect();
            let [a, b] = places[..] else { panic!("two relevant symbols: {sequence:?}") };
            assert!(first.contains(&a) && second.contains(&b), "{a} {b} of {times}");
            assert_eq!(2 * (sequence[a] - 4) + sequence[b] - 4, *class as usize);
            starts[a] = true;
        }
        assert!(first.clone().all(|t| starts[t]), "every step of the tenth is used");
        is_balanced(&samples, 4);
    }
}

#[test]
fn the_teacher_is_standardized_and_the_same_for_one_seed() {
    let task = Task { kind: TaskKind::Teacher, inputs: 4, outputs: 2, samples: 500, input_std: 0.5, ..Task::none() };
    let draw = |seed| task::samples(&task, Loss::Mse, 1, seed, Draw::Training(0)).unwrap();
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert!((draw(1).trivial_loss(2) - 1.0).abs() < 1e-12);
    let (_, std) = moments(&draw(1).inputs);
    assert!((std - 0.5).abs() < 0.03, "{std}");
}

#[test]
fn fresh_noise_is_new_every_epoch_and_its_evaluation_draw_is_fixed() {
    let mut task = trials::mlp().task;
    task.kind = TaskKind::FreshNoise;
    let draw = |draw| task::samples(&task, Loss::Mse, 1, 0, draw).unwrap();
    assert_ne!(draw(Draw::Training(0)), draw(Draw::Training(1)));
    assert_eq!(draw(Draw::Evaluation), draw(Draw::Evaluation));
    assert_eq!(draw(Draw::Evaluation).samples, 4096);
}

#[test]
fn trials_of_one_data_seed_share_their_data_and_not_their_weights() {
    let other = |seed| Trial { seed, data_seed: Some(5), ..trials::mlp() };
    let own = Trial { seed: 5, ..trials::mlp() };
    let [a, b, own] = [0, 1, 2].map(|i| train(&[other(1), other(2), own.clone()])[i].measured.clone());
    assert_eq!(a.loss_trivial.unwrap(), b.loss_trivial.unwrap());
    assert_eq!(a.loss_trivial.unwrap(), own.loss_trivial.unwrap());
    assert!(
        a.weight_norm_initial.unwrap() != b.weight_norm_initial.unwrap()
            && a.weight_norm_initial.unwrap() != own.weight_norm_initial.unwrap()
    );
}

#[test]
fn an_epoch_visits_every_sample_once_shuffled_and_draws_freely_with_replacement() {
    use blowup_engine::data::{Dataset, LaneSeeds, SampleOrder};
    let trial = trials::mlp();
    let data = Dataset::new(&trial.shape(), &[0], Draw::Training(0), Kind::Double).unwrap();
    let lane = LaneSeeds { data: 0, order: 3 };
    let visited = |sampling, epoch| {
        let order = SampleOrder::new(&[3], sampling, epoch, 7);
        let batch = data.batch(&[lane], 0, 0..7, Some(&order));
        let all = host(&data.batch(&[lane], 0, 0..7, None).inputs.select(3, 0));
        let seen = host(&batch.inputs.select(3, 0));
        let place = |x: &f64| all.iter().position(|y| y == x).unwrap();
        seen.iter().map(place).collect::<Vec<usize>>()
    };
    let sorted = |mut order: Vec<usize>| {
        order.sort_unstable();
        order
    };
    assert_eq!(sorted(visited(Sampling::Shuffle, 0)), [0, 1, 2, 3, 4, 5, 6]);
    assert_ne!(visited(Sampling::Shuffle, 0), visited(Sampling::Shuffle, 1));
    let epochs: Vec<Vec<usize>> = (0..20).map(|epoch| sorted(visited(Sampling::Replacement, epoch))).collect();
    // The chance that one epoch of seven free draws hits every sample once is 7!/7^7 = 0.6%.
    assert!(epochs.iter().filter(|e| **e == [0, 1, 2, 3, 4, 5, 6]).count() < 3);
}

#[test]
fn recurrent_matrices_take_their_own_initializer() {
    let recurrent = Some(Init { kind: InitKind::Orthogonal, scale: 1.5, offset: 0.0 });
    let trial = Trial { recurrent_init: recurrent, ..trials::rnn() };
    let weights = trials::weights(&[&trial], 1, Kind::Double);
    let plain = trials::weights(&[&trials::rnn()], 1, Kind::Double);
    for layer in 0..2 {
        let r = weights.layers[layer].recurrent.as_ref().unwrap().select(0, 0);
        let error = r.transpose(0, 1).matmul(&r) - tch::Tensor::eye(5, (Kind::Double, tch::Device::Cpu)) * 2.25;
        assert!(error.abs().max().double_value(&[]) < 1e-12);
        assert_eq!(host(&weights.layers[layer].weight), host(&plain.layers[layer].weight));
    }
}

/// A wide net that is measured at its initialization only.
fn at_start(activation: Activation, init: Init, depth: usize, width: usize) -> Trial {
    let network = Network::Mlp { depth, width, activation, norm: Norm::None, residual: false };
    let mut trial = Trial { network, init, bias: Bias::None, budget: Budget::Epochs(0), ..trials::mlp() };
    trial.task.inputs = width;
    trial.task.samples = 16;
    trial.batch = 16;
    trial
}

#[test]
fn the_backprop_signal_of_a_relu_net_grows_by_half_the_weight_variance_per_layer() {
    // He 2015: the variance s2/fan_in gives a ratio of s2/2 per layer.
    for s2 in [1.0, 2.0] {
        let trial = at_start(Activation::Relu, Init { kind: InitKind::Scaled, scale: s2, offset: 0.0 }, 20, 256);
        let seeds: Vec<Trial> = (0..20).map(|seed| Trial { seed, ..trial.clone() }).collect();
        let ratios: Vec<f64> = train(&seeds).iter().map(|run| run.measured.backprop_ratio.unwrap()).collect();
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        assert!((mean / (s2 / 2.0) - 1.0).abs() < 0.06, "{s2}: {mean}");
    }
}

#[test]
fn orthogonal_linear_nets_keep_or_scale_the_signal_exactly() {
    // Saxe 2013: ||delta_1|| / ||delta_L|| = gain^(L-1).
    for gain in [0.9, 1.0, 1.1] {
        let trial = at_start(Activation::Linear, Init { kind: InitKind::Orthogonal, scale: gain, offset: 0.0 }, 50, 32);
        let run = &train(&[trial])[0].measured;
        assert!((run.backprop_ratio.unwrap() / (gain * gain) - 1.0).abs() < 1e-10);
        assert!((run.activation_ratio.unwrap() / (gain * gain) - 1.0).abs() < 1e-10);
    }
}

#[test]
fn an_orthogonal_linear_recurrent_net_scales_the_signal_by_its_gain_per_time_step() {
    // Pascanu 2013, over 50 time steps.
    for gain in [0.9, 1.0, 1.1] {
        let network =
            Network::Rnn { depth: 1, width: 20, activation: Activation::Linear, norm: Norm::None, sequence_length: 50 };
        let init = Init { kind: InitKind::Orthogonal, scale: gain, offset: 0.0 };
        let trial = Trial { network, init, budget: Budget::Epochs(0), ..trials::rnn() };
        let ratio = train(&[trial])[0].measured.backprop_ratio.unwrap();
        assert!((ratio / (gain * gain) - 1.0).abs() < 1e-10, "{gain}: {ratio}");
    }
}

#[test]
fn activations_of_a_normal_net_overflow_in_f32_at_the_layer_that_arithmetic_says() {
    // With N(0, 1) weights, width 256 and relu the norm grows by sqrt(128) per layer, and a square
    // or a value leaves f32 at layer 36 or 37.
    let init = Init { kind: InitKind::Normal, scale: 1.0, offset: 0.0 };
    let trial = Trial { numerics: Numerics::Uniform(Dtype::Float32), ..at_start(Activation::Relu, init, 50, 256) };
    let run = &train(&[trial])[0].measured;
    let site = run.site.unwrap();
    assert_eq!(site.tensor, Where::Activation);
    assert!([36, 37].contains(&site.layer.unwrap()), "{site:?}");
    assert_eq!(run.nonfinite.unwrap().step, 0);
}

#[test]
fn a_loss_that_overflows_alone_is_located_at_the_loss() {
    // With one weight of 1e30 the output is finite, and its square is not.
    let task = Task { kind: TaskKind::Scalar, inputs: 1, outputs: 1, samples: 1, input_std: 1.0, ..Task::none() };
    let trial = Trial {
        task,
        network: Network::Linear,
        init: Init { kind: InitKind::Constant, scale: 1e30, offset: 0.0 },
        bias: Bias::None,
        batch: 1,
        numerics: Numerics::Uniform(Dtype::Float32),
        ..trials::mlp()
    };
    let run = &train(&[trial])[0].measured;
    assert_eq!(run.site, Some(Site { tensor: Where::Loss, layer: None, time: None, head: None, sample: None }));
    // The gradient 2e30 is beyond the square root of the f32 range, and is still measured.
    assert!((run.grad_norm_initial.unwrap() / 2e30 - 1.0).abs() < 1e-6, "{}", run.grad_norm_initial.unwrap());
    assert!((run.weight_norm_initial.unwrap() / 1e30 - 1.0).abs() < 1e-6);
}

#[test]
fn gated_cells_of_zero_weights_keep_what_their_gates_let_through() {
    use blowup_engine::matrix::{Matrix, Sequence};
    use blowup_engine::recurrent::{Gru, Lstm, RecurrentCell};
    use blowup_engine::weights::Weights;
    const TIMES: usize = 12;
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for (cell, forget_bias) in [(Gated::Lstm, 0.0), (Gated::Lstm, 1.0), (Gated::Gru, 0.0), (Gated::Gru, 1.0)] {
        let network = Network::Gated { cell, depth: 1, width: 5, sequence_length: TIMES };
        let init = Init { kind: InitKind::Constant, scale: 0.0, offset: 0.0 };
        let bias = Bias::Learned { std: 0.0 };
        let trial = Trial { network, init, bias, forget_bias: Some(forget_bias), ..trials::rnn() };
        let weights = trials::weights(&[&trial, &trial], 0, Kind::Double);
        let gradients: Weights = weights.zeros_like();
        let (layer, gradient) = (&weights.layers[0], &gradients.layers[0]);
        let x = Sequence::of(tch::Tensor::randn([1, 2, 7, 3], (Kind::Double, tch::Device::Cpu)));
        let signal = tch::Tensor::ones([2, 7, 5], (Kind::Double, tch::Device::Cpu));
        let size = [2, 7, 5];
        let (mut lstm, mut gru) = (Lstm::new(TIMES, size, Kind::Double), Gru::new(TIMES, size, Kind::Double));
        let net: &mut dyn RecurrentCell = if cell == Gated::Lstm { &mut lstm } else { &mut gru };
        net.prepare(layer);
        (0..TIMES).for_each(|t| net.forward(t, x.at(0), layer));
        for t in (0..TIMES).rev() {
            let own = Matrix::of(if t + 1 == TIMES { signal.copy() } else { signal.zeros_like() });
            net.backward(t, &own, layer, gradient, t + 1 < TIMES);
        }
        // The output gate halves what enters the cell. Then every step keeps the share of the
        // forget (update) gate.
        let (found, entered) = match cell {
            Gated::Lstm => (lstm.handed_back(0), 0.5),
            Gated::Gru => (gru.carried_signal(), 1.0),
        };
        let kept = found.get(0).get(0).double_value(&[0]) / entered;
        let law = sigmoid(forget_bias).powi(TIMES as i32);
        let result =
            format!("A23: {}, zero weights, forget bias {forget_bias}: signal kept over {TIMES} steps", cell.name());
        crate::literature::row(&result, "Hochreiter and Schmidhuber 1997; Cho 2014", law, 1e-12 * law, kept);
    }
}

/// At weights near 0 the cell keeps the share of the forget gate at each step, and what it carries
/// is the cell state: the hidden state leaves the gate of the output behind.
#[test]
fn the_ratio_of_an_lstm_is_that_of_its_cell_state() {
    for (bias, times) in [(2.0, 2), (-1.0, 13), (5.0, 40), (5.0, 50)] {
        let network = Network::Gated { cell: Gated::Lstm, depth: 1, width: 5, sequence_length: times };
        let init = Init { kind: InitKind::Normal, scale: 1e-9, offset: 0.0 };
        let zero = Bias::Learned { std: 0.0 };
        let trial = Trial { network, init, bias: zero, forget_bias: Some(bias), ..trials::rnn() };
        let ratio = train(&[trial]).remove(0).measured.backprop_ratio.unwrap();
        let kept = ratio.powf((times as f64 - 1.0) / 2.0);
        let law = (1.0 / (1.0 + (-bias).exp())).powi(times as i32 - 1);
        assert!((kept / law - 1.0).abs() < 1e-6, "{bias} {times}: {kept} {law}");
    }
}

/// A pass in 16 bits is near the pass in f64, and no nearer than 16 bits allow.
#[test]
fn sixteen_bits_are_what_their_names_say() {
    let mut exact = trials::mlp();
    exact.budget = Budget::Steps(1);
    let reference = train(&[exact.clone()]).remove(0).measured;
    for (dtype, roundoff) in [(Dtype::Bfloat16, 2f64.powi(-8)), (Dtype::Float16, 2f64.powi(-11))] {
        let found = train(&[Trial { numerics: Numerics::Uniform(dtype), ..exact.clone() }]).remove(0).measured;
        for (a, b) in [
            (found.loss_initial.unwrap(), reference.loss_initial.unwrap()),
            (found.grad_norm_initial.unwrap(), reference.grad_norm_initial.unwrap()),
            (found.weight_norm_initial.unwrap(), reference.weight_norm_initial.unwrap()),
            (found.update_norm_max.unwrap(), reference.update_norm_max.unwrap()),
        ] {
            let error = (a - b).abs() / b;
            assert!(error < 8.0 * roundoff && error > roundoff / 1e3, "{dtype:?}: {a} for {b}");
        }
    }
    // The largest float16 is 65504, so its losses overflow where the others do not.
    let large = Trial { lr: 30.0, ..exact };
    let outcome = |dtype| {
        train(&[Trial { numerics: Numerics::Uniform(dtype), budget: Budget::Steps(4), ..large.clone() }])[0]
            .measured
            .nonfinite
    };
    assert!(outcome(Dtype::Float16).is_some());
    assert_eq!((outcome(Dtype::Bfloat16), outcome(Dtype::Float32)), (None, None));
}

/// PyTorch's rule in the training dtype is min(1, threshold / (norm + 1e-6)), with each operation
/// rounded.
#[test]
fn clipping_in_16_bits_sees_the_norm_in_16_bits() {
    use blowup_engine::clip::{Memory, coefficient};
    use blowup_engine::readout::GlobalNorm;
    let at = |in_dtype: f64, dtype| {
        coefficient(Clip::Norm(1.0), &mut Memory::Nothing, GlobalNorm { in_dtype, exact: 70_000.0 }, dtype)
    };
    assert_eq!(at(f64::INFINITY, Dtype::Float16), 0.0);
    assert!(at(f64::NAN, Dtype::Float16).is_nan());
    assert_eq!(at(3.0, Dtype::Bfloat16), f64::from(half::bf16::from_f64(1.0 / 3.0)));
    assert_eq!(at(3.0, Dtype::Float16), f64::from(half::f16::from_f64(1.0 / 3.0)));
}

#[test]
fn a_gradient_whose_square_underflows_still_has_its_norm() {
    for (dtype, weight) in [(Dtype::Float64, 1e-160), (Dtype::Float32, 1e-25)] {
        let task = Task { kind: TaskKind::Scalar, inputs: 1, outputs: 1, samples: 1, input_std: 1.0, ..Task::none() };
        let init = Init { kind: InitKind::Constant, scale: weight, offset: 0.0 };
        let trial = Trial {
            task,
            network: Network::Linear,
            init,
            bias: Bias::None,
            batch: 1,
            numerics: Numerics::Uniform(dtype),
            ..trials::mlp()
        };
        let run = &train(&[trial])[0].measured;
        assert!(
            (run.grad_norm_initial.unwrap() / (2.0 * weight) - 1.0).abs() < 1e-6,
            "{}",
            run.grad_norm_initial.unwrap()
        );
        assert!((run.weight_norm_initial.unwrap() / weight - 1.0).abs() < 1e-6, "{}", run.weight_norm_initial.unwrap());
        assert!((run.update_norm_max.unwrap() / (0.2 * weight) - 1.0).abs() < 1e-6);
    }
}
