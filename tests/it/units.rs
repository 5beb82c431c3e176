//! Units that are dead, layers that are silent, signals that vanish, and updates that move nothing:
//! what a row says of them.

use crate::training::train;
use crate::trials;
use blowup_core::trial::*;
use blowup_core::verdict::Measured;

fn measured(trial: Trial) -> Measured {
    train(&[trial]).remove(0).measured
}

fn net(depth: usize, width: usize, activation: Activation, norm: Norm, residual: bool) -> Network {
    Network::Mlp { depth, width, activation, norm, residual }
}

/// A net whose hidden layers see the same number at every sample and unit: `weight` times the sum
/// of three inputs that are 1.
fn alike(activation: Activation, weight: f64) -> Trial {
    let mut trial = Trial {
        network: net(2, 5, activation, Norm::None, false),
        init: Init { kind: InitKind::Constant, scale: weight, offset: 0.0 },
        bias: Bias::None,
        lr: 0.0,
        ..trials::mlp()
    };
    trial.task.input_std = 0.0;
    trial
}

#[test]
fn units_are_dead_where_their_derivative_is_0_for_every_sample() {
    // The inputs are 0, so every relu is at 0, where PyTorch's derivative is 0, and no tanh is near
    // 1.
    assert_eq!(measured(alike(Activation::Relu, 1.0)).dead_share, Some(1.0));
    assert_eq!(measured(alike(Activation::Tanh, 1.0)).dead_share, Some(0.0));
    assert_eq!(measured(alike(Activation::Gelu, 1.0)).dead_share, None);
    // The biases of the first layer alone decide about it. Half of them are below 0.
    let biases = |std: f64, activation| {
        let mut trial = Trial { bias: Bias::Learned { std }, ..alike(activation, 0.0) };
        trial.network = net(1, 4000, activation, Norm::None, false);
        measured(trial).dead_share.unwrap()
    };
    assert!((biases(1.0, Activation::Relu) - 0.5).abs() < 0.03);
    // P(|N(0, s)| > atanh(0.99)) of tanh, and of sigmoid beyond twice that.
    for (std, expected) in [(2.646652, 0.3173), (1.323326, 0.0455)] {
        assert!((biases(std, Activation::Tanh) - expected).abs() < 0.03, "{std}");
        assert!((biases(2.0 * std, Activation::Sigmoid) - expected).abs() < 0.03, "{std}");
    }
}

#[test]
fn a_unit_that_one_sample_wakes_is_alive_in_any_batches() {
    for norm in [Norm::None, Norm::Layer(NormPosition::After)] {
        for residual in [false, true] {
            let whole = Trial {
                network: net(3, 40, Activation::Relu, norm, residual),
                init: Init { kind: InitKind::He, scale: 1.0, offset: 0.0 },
                bias: Bias::Learned { std: 1.5 },
                lr: 0.0,
                ..trials::mlp()
            };
            let parts = [1, 2, 3, 6].map(|batch| Trial { batch, ..whole.clone() });
            let share = measured(whole).dead_share;
            assert!(share.is_some_and(|share| 0.0 < share && share < 0.5), "{share:?}");
            for part in parts {
                assert_eq!(measured(part.clone()).dead_share, share, "{}", part.batch);
            }
        }
    }
    let rnn = Trial { lr: 0.0, ..trials::rnn() };
    let parts = Trial { batch: 2, ..rnn.clone() };
    assert_eq!(measured(rnn).dead_share, measured(parts).dead_share);
}

/// PyTorch's own initialization of ReLU layers passes a third of the squared signal on (with its
/// biases a little less), so a signal of 140 layers leaves float32 after some 90 and stays in
/// float64.
///
/// The numbers of silent layers are those of PyTorch 2.11.0. The initial weights and the data of
/// the trials (`blowup replay --trace`) went into 141 `torch.nn.Linear` with `torch.relu` between
/// them, and after one backward pass of `mse_loss` under `torch.set_flush_denormal(True)` those
/// layers were counted whose gradient has no element but 0. Twenty orders of the samples gave the
/// same numbers, also with `MKL_CBWR=COMPATIBLE`. Seeds 0 and 1 are left out: there the number
/// depends on the order of additions (48 or 49, 51 or 52). With denormals kept the numbers are 32,
/// 32 and 33.
#[test]
fn a_signal_that_underflows_leaves_layers_silent() {
    let deep = |dtype| {
        [2, 3, 4].map(|seed| {
            measured(Trial {
                task: Task { kind: TaskKind::Teacher, inputs: 10, outputs: 1, samples: 64, ..trials::mlp().task },
                network: net(140, 64, Activation::Relu, Norm::None, false),
                init: Init { kind: InitKind::Pytorch, scale: 1.0, offset: 0.0 },
                bias: Bias::LearnedPytorch,
                budget: Budget::Steps(1),
                batch: 64,
                numerics: Numerics::Uniform(dtype),
                seed,
                ..trials::mlp()
            })
        })
    };
    let (single, double) = (deep(Dtype::Float32), deep(Dtype::Float64));
    assert_eq!(single.each_ref().map(|measured| measured.silent_layers), [50, 50, 51].map(Some));
    assert_eq!(double.each_ref().map(|measured| measured.silent_layers), [Some(0); 3]);
    assert!(single.iter().chain(&double).all(|measured| measured.vanished == Some(true)));
    let shallow = measured(trials::mlp());
    assert_eq!((shallow.silent_layers, shallow.vanished), (Some(0), Some(false)));
}

#[test]
fn an_update_moves_what_the_dtype_lets_it() {
    let small = |dtype, lr| {
        let moved = measured(Trial { numerics: Numerics::Uniform(dtype), lr, ..trials::mlp() });
        (moved.moved_share.unwrap(), moved.update_ratio_max.unwrap())
    };
    assert!((small(Dtype::Float64, 1e-5).0 - 1.0).abs() < 1e-9);
    assert!((small(Dtype::Float32, 0.1).0 - 1.0).abs() < 1e-3);
    assert!(small(Dtype::Bfloat16, 1e-5).0 < 0.2);
    assert_eq!(small(Dtype::Bfloat16, 1e-12), (0.0, 0.0));
    // What the weights of 16 bits really did is less than what was asked for.
    assert!(small(Dtype::Bfloat16, 1e-5).1 < 0.2 * small(Dtype::Float32, 1e-5).1);
    assert_eq!(measured(Trial { lr: 0.0, ..trials::mlp() }).moved_share, None);
}

/// Gradient descent on w^2 multiplies w by 1 - 2 lr: the gradient in the end is 2 w, and each
/// update is 2 lr times the weight before it.
#[test]
fn the_last_gradient_and_the_largest_update_of_a_quadratic() {
    let lr = 0.1;
    let of = |steps| {
        let task = Task { kind: TaskKind::Scalar, inputs: 1, outputs: 1, samples: 1, input_std: 1.0, ..Task::none() };
        measured(Trial {
            task,
            network: net(0, 1, Activation::Linear, Norm::None, false),
            budget: Budget::Steps(steps),
            batch: 1,
            bias: Bias::None,
            lr,
            numerics: Numerics::Uniform(Dtype::Float64),
            ..trials::mlp()
        })
    };
    for steps in [1, 7, 30] {
        let found = of(steps);
        let (first, last) = (found.grad_norm_initial.unwrap(), found.grad_norm_final.unwrap());
        let expected = first * (1.0 - 2.0 * lr).powi(steps as i32);
        assert!((last / expected - 1.0).abs() < 1e-12, "{steps}: {last} and {expected}");
        assert!((found.update_ratio_max.unwrap() - 2.0 * lr).abs() < 1e-12, "{steps}: {:?}", found.update_ratio_max);
    }
}
