//! Mixed precision: what its passes, its loss scale and its rounding are held against are numbers
//! that are worked out here, and PyTorch's rules written once more. `tests/pytorch/` trains the
//! same trials in PyTorch itself.

use crate::mistakes::check;
use crate::spec::{TOP, parse};
use crate::training::{have_their_own_bits, train};
use crate::trials::{self, ADAMW, MUON, NORMS};
use blowup_core::device::Device;
use blowup_core::trial::*;
use blowup_core::verdict::{Finished, Layers, Outcome, Record, Site, Tensor as Where};
use blowup_engine::rounding::rounded;
use blowup_engine::scaling::Scaler;
use tch::Tensor;

const DYNAMIC: LossScale = LossScale::Dynamic { growth_interval: 3 };

fn mixed(mixed: Mixed, loss_scale: LossScale, base: Trial) -> Trial {
    Trial { numerics: Numerics::Mixed(mixed, loss_scale), ..base }
}

fn float32(base: Trial) -> Trial {
    Trial { numerics: Numerics::Uniform(Dtype::Float32), ..base }
}

/// Trains a trial alone, with a row for each of its first 50 steps and for the layers at its start.
fn run(trial: &Trial) -> Finished {
    let record = Record { steps: 50, layers: Layers::At(vec![0]), ..Record::default() };
    let mut found = None;
    blowup_engine::train(std::slice::from_ref(trial), &record, &mut |_, finished| found = Some(finished)).unwrap();
    found.unwrap()
}

/// A linear model of one weight `w` with the input 1 and the target 0, so that the loss is w^2 and
/// its gradient 2 w.
fn scalar(weight: f64) -> Trial {
    Trial { init: Init { kind: InitKind::Constant, scale: weight, offset: 0.0 }, ..crate::training::scalar(0.1) }
}

/// Trials of one shape that differ in their loss scale, learning rate, clipping and seed. Some of
/// them overflow at some scales, and some blow up.
fn neighbours(precision: Mixed, base: &Trial) -> Vec<Trial> {
    let scales = [LossScale::Fixed(1.0), DYNAMIC, LossScale::Fixed(1e6), LossScale::Dynamic { growth_interval: 1 }];
    let lrs = [0.01, 0.3, 30.0, 1e3, 1e9];
    let numbers = |i: usize| Trial {
        lr: lrs[i % lrs.len()],
        clip: [Clip::None, Clip::Norm(0.5)][i / 3 % 2],
        seed: (i / 4) as u64,
        ..base.clone()
    };
    (0..13).map(|i| mixed(precision, scales[i % scales.len()], numbers(i))).collect()
}

#[test]
fn a_mixed_trial_has_the_same_bits_whatever_its_neighbours() {
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false };
    for (p, &precision) in Mixed::ALL.iter().enumerate() {
        for (n, norm) in NORMS.into_iter().enumerate().filter(|(n, _)| (n + p) % 2 == 0) {
            let optimizer = [sgd, ADAMW, MUON][(n + p) % 3];
            let network = Network::Mlp { depth: 3, width: 9, activation: Activation::Gelu, norm, residual: n % 2 == 0 };
            let loss = [Loss::Mse, Loss::CrossEntropy][n % 2];
            let parametrization = [Parametrization::Standard, Parametrization::Ntk][p % 2];
            let mut trial = Trial { network, loss, optimizer, parametrization, batch: 3, ..trials::mlp() };
            trial.task.outputs = 3;
            trial.accumulate = 1 + n % 2;
            trial.budget = Budget::Epochs(4);
            have_their_own_bits(&neighbours(precision, &trial));
        }
        let rnn = Network::Rnn {
            depth: 2,
            width: 7,
            activation: Activation::Tanh,
            norm: Norm::Layer(NormPosition::Before),
            sequence_length: 5,
        };
        for network in [rnn, Network::Gated { cell: Gated::Lstm, depth: 2, width: 7, sequence_length: 5 }] {
            let forget_bias = matches!(network, Network::Gated { .. }).then_some(1.0);
            have_their_own_bits(&neighbours(precision, &Trial { network, forget_bias, batch: 7, ..trials::rnn() }));
        }
        if matches!(precision, Mixed::Bfloat16Master | Mixed::Bfloat16Stochastic) {
            let of_all_kinds = |of: &mut Transformer| (of.qk_norm, of.position) = (true, Position::Rope);
            for base in [trials::transformer(), trials::with_transformer(&trials::text(), of_all_kinds)] {
                have_their_own_bits(&neighbours(precision, &Trial { batch: 3, ..base }));
            }
        }
    }
}

/// A pass with weights of float32 and 16-bit products is near the pass in f64, and no nearer than
/// 16 bits allow; its weights and updates have float32's precision.
#[test]
fn the_passes_have_16_bits_and_the_weights_do_not() {
    let exact = Trial { budget: Budget::Steps(1), lr: 1e-3, ..trials::mlp() };
    let reference = run(&exact).measured;
    let rows = [
        (Mixed::AmpFloat16, 2f64.powi(-11), 2f64.powi(-24)),
        (Mixed::AmpBfloat16, 2f64.powi(-8), 2f64.powi(-24)),
        (Mixed::Bfloat16Master, 2f64.powi(-8), 2f64.powi(-24)),
        (Mixed::Bfloat16Stochastic, 2f64.powi(-8), 2f64.powi(-8)),
    ];
    for (precision, of_passes, of_weights) in rows {
        let found = run(&mixed(precision, LossScale::ONE, exact.clone())).measured;
        let near = |a: Option<f64>, b: Option<f64>, roundoff: f64| {
            let error = (a.unwrap() - b.unwrap()).abs() / b.unwrap();
            assert!(error < 8.0 * roundoff && error > roundoff / 1e3, "{precision:?}: {a:?} for {b:?}");
        };
        near(found.loss_initial, reference.loss_initial, of_passes);
        near(found.grad_norm_initial, reference.grad_norm_initial, of_passes);
        near(found.weight_norm_initial, reference.weight_norm_initial, of_weights);
    }
}

/// `torch.amp.GradScaler` of PyTorch 2.11 with growth_interval 3: its scale before each of these
/// steps, where a step's gradient is finite or not.
#[test]
fn the_scale_is_that_of_pytorchs_grad_scaler() {
    let finite = [false, true, true, false, true, true, true, true, true, true, true, false, false, true];
    let scales = [
        65536.0, 32768.0, 32768.0, 32768.0, 16384.0, 16384.0, 16384.0, 32768.0, 32768.0, 32768.0, 65536.0, 65536.0,
        32768.0, 16384.0,
    ];
    let mut scaler = Scaler::new(DYNAMIC);
    for (finite, scale) in finite.into_iter().zip(scales) {
        assert_eq!(scaler.scale(), scale);
        scaler.update(finite);
    }
    // It grows no further than float32 does.
    let mut scaler = Scaler::new(LossScale::Dynamic { growth_interval: 1 });
    (0..200).for_each(|_| scaler.update(true));
    assert_eq!(scaler.scale(), 2f64.powi(127));
    let mut fixed = Scaler::new(LossScale::Fixed(8.0));
    fixed.update(false);
    assert_eq!((fixed.scale(), fixed.is_dynamic()), (8.0, false));
}

/// The gradient 2 w of w = 3 is 6, and 6 x 2^16 is beyond float16 (65504), 6 x 2^13 is not.
#[test]
fn a_gradient_that_overflows_is_skipped_and_is_no_blow_up() {
    let trial = Trial { budget: Budget::Steps(8), ..scalar(3.0) };
    let Finished { measured, steps, .. } = run(&mixed(Mixed::AmpFloat16, DYNAMIC, trial.clone()));
    let scales: Vec<f64> = steps.iter().map(|step| step.loss_scale.unwrap()).collect();
    // Skipped at 65536, 32768 and 16384; three good steps at 8192, where 6 x 0.8^3 x 16384 fits.
    assert_eq!(scales, [65536.0, 32768.0, 16384.0, 8192.0, 8192.0, 8192.0, 16384.0, 16384.0]);
    assert!(steps[..3].iter().all(|step| step.update_norm == Some(0.0) && step.grad_norm.is_none()), "{steps:?}");
    assert!(steps[3..].iter().all(|step| step.update_norm > Some(0.0) && step.grad_norm.is_some()), "{steps:?}");
    assert_eq!((measured.steps_skipped, measured.loss_scale_final), (Some(3), Some(16384.0)));
    assert_eq!((measured.nonfinite, measured.grad_norm_initial, measured.skipped_fraction), (None, None, None));
    assert_eq!(measured.outcome, Outcome::Converged);
    // A fixed scale skips nothing: the same overflow reaches the weights.
    let fixed = run(&mixed(Mixed::AmpFloat16, LossScale::Fixed(65536.0), trial)).measured;
    assert_eq!((fixed.steps_skipped, fixed.outcome), (None, Outcome::Nonfinite));
    let site = Site { tensor: Where::BackpropSignal, layer: Some(1), time: None, head: None, sample: None };
    assert_eq!((fixed.nonfinite.unwrap().step, fixed.site), (0, Some(site)));
}

/// Weights beyond float16 make infinite copies. The scale is halved for ever, and the loss tells.
#[test]
fn a_loss_that_is_not_finite_is_a_blow_up_at_any_scale() {
    let trial = Trial { budget: Budget::Steps(6), ..scalar(1e5) };
    let measured = run(&mixed(Mixed::AmpFloat16, DYNAMIC, trial)).measured;
    assert_eq!((measured.steps_skipped, measured.loss_scale_final), (Some(6), Some(1024.0)));
    assert_eq!((measured.outcome, measured.nonfinite.unwrap().step), (Outcome::Nonfinite, 0));
}

/// The gradient 2 w of w = 4e4 is 8e4, beyond float16 at a scale of 1 too: so it is not the scaling
/// that overflows. At a scale of 1/2 it fits, and training goes on.
#[test]
fn a_gradient_beyond_16_bits_is_not_finite_at_a_scale_of_one() {
    let trial = Trial { budget: Budget::Steps(20), ..scalar(4e4) };
    let Finished { measured, steps, .. } = run(&mixed(Mixed::AmpFloat16, DYNAMIC, trial));
    assert_eq!(measured.nonfinite.unwrap().step, 16);
    assert_eq!((steps[15].loss_scale, steps[15].grad_norm), (Some(2.0), None));
    assert_eq!((steps[16].loss_scale, steps[16].grad_norm), (Some(1.0), Some(f64::INFINITY)));
    assert_eq!((steps[17].loss_scale, steps[17].grad_norm), (Some(0.5), Some(8e4)));
    assert_eq!(measured.steps_skipped, Some(17));
}

/// What is clipped is the gradient after it is divided by the scale.
#[test]
fn the_unscaled_gradient_is_clipped() {
    let at = |loss_scale| {
        let trial = Trial { clip: Clip::Norm(1.0), budget: Budget::Steps(2), ..scalar(2.0) };
        let step = run(&mixed(Mixed::AmpBfloat16, loss_scale, trial)).steps[0].clone();
        (step.grad_norm, step.clipped, step.update_norm)
    };
    let (norm, clipped, update) = at(LossScale::ONE);
    assert_eq!((norm, clipped), (Some(4.0), Some(true)));
    assert!((update.unwrap() / 0.1 - 1.0).abs() < 1e-6);
    assert_eq!(at(LossScale::Fixed(1024.0)), (norm, clipped, update));
}

/// Micikevicius et al. 2018: a gradient below 2^-25 is 0 in float16, whose smallest number is
/// 2^-24, and a loss scale moves it up. Here the gradient of each weight is one of 100,000 inputs
/// times the same signal, which is p - 1 = -1/2, so it is N(0, s^2) with s half of `input_std`.
#[test]
fn gradients_underflow_in_float16_as_the_error_function_says() {
    let share = |input_std: f64, loss_scale: f64| {
        let task = Task { kind: TaskKind::Noise, inputs: 100_000, outputs: 2, samples: 1, input_std, ..Task::none() };
        let init = Init { kind: InitKind::Constant, scale: 0.0, offset: 0.0 };
        let trial = Trial {
            task,
            init,
            network: Network::Linear,
            bias: Bias::None,
            loss: Loss::CrossEntropy,
            batch: 1,
            budget: Budget::Steps(1),
            ..trials::mlp()
        };
        let measured = run(&mixed(Mixed::AmpFloat16, LossScale::Fixed(loss_scale), trial)).measured;
        (measured.underflow_fraction.unwrap(), measured.silent_layers)
    };
    // The signal -1/2 x 2^-15 and the inputs are numbers of float16.
    let scale = 2f64.powi(-15);
    for (s, expected) in [(1e-8, 0.9971), (3e-8, 0.6795), (1e-7, 0.2343), (1e-6, 0.0238)] {
        let (found, _) = share(s / 0.5 / scale, scale);
        assert!((found - expected).abs() < 0.004, "{s}: {found} for {expected}");
    }
    let (found, _) = share(1e-8 / 0.5 / scale, scale * 1024.0);
    assert!((found - 0.00232).abs() < 0.001, "{found}");
    // The signal itself is below 2^-25: all is 0, and that is an underflow too.
    assert_eq!(share(1.0, 2f64.powi(-25)), (1.0, Some(1)));
    assert_eq!(share(1.0, 1.0).1, Some(0));
}

/// A chain of orthogonal matrices with gain 1/2 halves the activations in each layer. float16 keeps
/// numbers below its smallest normal one, 2^-14, down to 2^-24, so all of them are 0 only where the
/// largest of 1,024 draws from N(0, 2^-2l), about 3.2 x 2^-l, is below 2^-25.
#[test]
fn float16_keeps_its_subnormals() {
    let network =
        Network::Mlp { depth: 32, width: 64, activation: Activation::Linear, norm: Norm::None, residual: false };
    let init = Init { kind: InitKind::Orthogonal, scale: 0.5, offset: 0.0 };
    let task = Task { inputs: 64, outputs: 64, samples: 16, ..trials::mlp().task };
    let base = Trial { network, init, task, batch: 16, bias: Bias::None, budget: Budget::Steps(1), ..trials::mlp() };
    let rows = run(&mixed(Mixed::AmpFloat16, LossScale::ONE, base)).layers;
    let first = rows.iter().find(|row| row.activation_rms == 0.0).unwrap().layer;
    assert!((27..=29).contains(&first), "{first}");
    assert!((rows[14].activation_rms / 2f64.powi(-15) - 1.0).abs() < 0.2, "{}", rows[14].activation_rms);
}

/// A number between two of bfloat16 becomes the upper one as often as it is near to it.
#[test]
fn rounding_at_random_has_no_bias() {
    let halves: Vec<i32> = blowup_engine::draw::Stream::named(7, "a test", 0).halves(200_000);
    let halves = Tensor::from_slice(&halves);
    for (x, low, high) in
        [(1.002f32, 1.0, 1.0078125), (-3.01, -3.0, -3.015625), (1e-3, 0.000_999_450_7, 0.001_007_080_1)]
    {
        let all = rounded(&Tensor::full([200_000], f64::from(x), (tch::Kind::Float, tch::Device::Cpu)), &halves);
        let (least, most) = (all.abs().min().double_value(&[]), all.abs().max().double_value(&[]));
        assert!((least - f64::abs(low)).abs() < 1e-9 && (most - f64::abs(high)).abs() < 1e-9, "{x}: {least} {most}");
        let mean = all.to_kind(tch::Kind::Double).mean(tch::Kind::Double).double_value(&[]);
        // Five standard errors of a mean of two values.
        let error = 5.0 * 0.5 * (most - least) / 200_000f64.sqrt();
        assert!((mean - f64::from(x)).abs() < error, "{x}: {mean}");
    }
    // Numbers of bfloat16 stay, and so does what is not finite.
    let kept = Tensor::from_slice(&[0.0f32, -0.0, 1.5, f32::INFINITY, f32::NEG_INFINITY, 2f32.powi(-120)]);
    let most = Tensor::full([6], 65535, (tch::Kind::Int, tch::Device::Cpu));
    assert!(rounded(&kept, &most).equal(&kept));
    assert!(rounded(&Tensor::from_slice(&[f32::NAN]), &most.narrow(0, 0, 1)).isnan().all().int64_value(&[]) == 1);
}

/// SGD at 1e-5 in bfloat16 rounds most of its updates away. Weights of float32 take them all, and
/// weights that are rounded at random take them in the mean.
#[test]
fn small_updates_arrive_with_master_weights_and_in_the_mean_with_random_rounding() {
    let network = Network::Mlp { depth: 2, width: 64, activation: Activation::Tanh, norm: Norm::None, residual: false };
    let task = Task { inputs: 16, samples: 64, ..trials::mlp().task };
    let base = Trial { network, task, batch: 64, lr: 1e-5, budget: Budget::Steps(1), ..trials::mlp() };
    let share = |numerics| run(&Trial { numerics, ..base.clone() }).measured.moved_share.unwrap();
    assert!(share(Numerics::Uniform(Dtype::Bfloat16)) < 0.7);
    assert!((share(Numerics::Mixed(Mixed::Bfloat16Master, LossScale::ONE)) - 1.0).abs() < 0.01);
    assert!((share(Numerics::Mixed(Mixed::AmpBfloat16, LossScale::ONE)) - 1.0).abs() < 0.01);
    // The rounded updates are larger, and their mean is the update: over 2,000 steps the weight
    // w = 1, whose loss is w^2, falls as in float32, where bfloat16 stands still.
    let slow = Trial { lr: 1e-4, budget: Budget::Steps(2000), loss: Loss::Mse, ..scalar(1.0) };
    let last = |trial: &Trial| run(trial).measured.loss_final.unwrap();
    let exact = last(&float32(slow.clone()));
    assert!((exact - (1.0f64 - 2e-4).powi(4000)).abs() < 1e-5, "{exact}");
    assert_eq!(last(&Trial { numerics: Numerics::Uniform(Dtype::Bfloat16), ..slow.clone() }), 1.0);
    let lanes: Vec<Trial> =
        (0..40).map(|seed| mixed(Mixed::Bfloat16Stochastic, LossScale::ONE, Trial { seed, ..slow.clone() })).collect();
    let roots: Vec<f64> = train(&lanes).iter().map(|run| run.measured.loss_final.unwrap().sqrt()).collect();
    let mean = roots.iter().sum::<f64>() / 40.0;
    // A weight takes 2,000 draws, each of which moves it by 2^-8 at most and by 2e-4 in the mean.
    let deviation = (2000.0 * 2e-4 * 2f64.powi(-8) / 40.0).sqrt();
    assert!((mean - exact.sqrt()).abs() < 4.0 * deviation, "{mean} {} {deviation}", exact.sqrt());
    // Two seeds are rounded apart.
    assert_ne!(roots[0], roots[1]);
}

#[test]
fn mixed_precision_is_refused_where_it_is_not_built() {
    let of_gru = "network = \"gru\"\nsequence_length = 3\ntask = { kind = \"adding\" }";
    let (hint, rest) = ("take bfloat16_master, or a block of its own", "in float32 on a CPU");
    check(
        &format!("lr = 1\n{of_gru}\nprecision = [\"float32\", \"amp_float16\"]"),
        &format!(
            "10:13 precision = \"amp_float16\" is not built for network = \"gru\" / PyTorch's autocast keeps the state of a gru {rest}; {hint}"
        ),
    );
    check(
        "lr = 1\ndepth = 3\nresidual = true\nrezero = [true, false]\nprecision = \"amp_bfloat16\"",
        &format!(
            "10:13 precision = \"amp_bfloat16\" is not built for rezero = true / PyTorch's autocast keeps the sums of residual layers with a learned scalar {rest}; {hint}"
        ),
    );
    let of_transformer = of_gru.replace("gru", "transformer");
    check(
        &format!("lr = 1\n{of_transformer}\nprecision = [\"bfloat16_master\", \"amp_bfloat16\"]"),
        &format!(
            "10:13 precision = \"amp_bfloat16\" is not built for network = \"transformer\" / PyTorch's autocast keeps the residual stream of a transformer {rest}; {hint}"
        ),
    );
    for block in [of_gru, &of_transformer] {
        let precision = "precision = [\"bfloat16_master\", \"bfloat16_stochastic\"]";
        parse(&format!("{TOP}[[grid]]\nlr = 1\n{block}\n{precision}\n")).unwrap_or_else(|report| panic!("{report}"));
    }
    check(
        "lr = 1\nprecision = \"amp_float16\"\nloss_scale = \"static\"",
        "8:14 `static` is not a value of `loss_scale` / it takes a number above 0 and at most 1e38, or \"dynamic\"",
    );
    check(
        "lr = 1\nprecision = \"amp_float16\"\nloss_scale = 0",
        "8:14 `loss_scale` cannot be 0.0 / it takes a number above 0 and at most 1e38, or \"dynamic\"",
    );
}

/// A dynamic scale and a fixed one of the number at which it starts are two trials.
#[test]
fn a_dynamic_scale_is_not_the_fixed_one_at_which_it_starts() {
    let ids = |block: &str| -> Vec<TrialId> {
        let spec = parse(&format!("{TOP}[[grid]]\nlr = 1\nprecision = \"amp_float16\"\n{block}\n"))
            .unwrap_or_else(|report| panic!("{report}"));
        spec.grid().trials().map(|trial| trial.id()).collect()
    };
    let all = ids("loss_scale = [65536.0, \"dynamic\", 1.0]\ngrowth_interval = [2000, 10]");
    let distinct: std::collections::HashSet<TrialId> = all.iter().copied().collect();
    assert_eq!((all.len(), distinct.len()), (4, 4));
    assert_eq!(ids("loss_scale = \"dynamic\""), ids("loss_scale = \"dynamic\"\ngrowth_interval = 2000"));
    assert_eq!(ids(""), ids("loss_scale = 1.0"));
}

/// The operations that a GPU takes, run on the CPU: what they measure of a pass is what the passes
/// of a CPU measure, but for the order of sums, which decides a last place of 16 bits.
#[test]
fn the_operations_of_a_gpu_compute_in_the_same_precision() {
    let network = Network::Mlp {
        depth: 3,
        width: 16,
        activation: Activation::Tanh,
        norm: Norm::Layer(NormPosition::Before),
        residual: true,
    };
    let base = Trial { network, batch: 7, optimizer: ADAMW, budget: Budget::Steps(2), lr: 0.01, ..trials::mlp() };
    let all: Vec<Trial> =
        Mixed::ALL.iter().map(|&precision| mixed(precision, LossScale::Fixed(64.0), base.clone())).collect();
    let on = |device: Device| {
        let all = all.clone();
        let each = move || {
            blowup_engine::start_on(device).unwrap();
            all.iter().map(|trial| run(trial).measured).collect::<Vec<_>>()
        };
        std::thread::spawn(each).join().unwrap()
    };
    for (host, device) in on(Device::Cpu).into_iter().zip(on(Device::CpuPlain)) {
        for (a, b) in [
            (host.loss_initial, device.loss_initial),
            (host.grad_norm_initial, device.grad_norm_initial),
            (host.weight_norm_initial, device.weight_norm_initial),
            (host.update_norm_max, device.update_norm_max),
            (host.loss_final, device.loss_final),
        ] {
            let (a, b) = (a.unwrap(), b.unwrap());
            assert!((a - b).abs() < 0.02 * a, "{a} {b}");
        }
        assert_eq!(host.outcome, device.outcome);
    }
}
