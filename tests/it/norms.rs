//! Norms are compared with libtorch's own, also where a variance leaves the range of the dtype.

use crate::training::train;
use crate::trials;
use blowup_core::trial::*;
use blowup_core::verdict::{Finished, Outcome, Site, Tensor as Where};
use blowup_engine::matrix::Matrix;
use blowup_engine::norm::{Learned, NormKind, Statistics};
use blowup_engine::weights::host;
use tch::{Device, Kind, Tensor};

const LANES: i64 = 3;

/// One pass of a norm over its lanes: the output, dLoss/dinput, and the gradients of scale and
/// shift.
fn written_out(norm: Norm, x: &Tensor, scale: &Tensor, shift: &Tensor, signal: &Tensor) -> Vec<Tensor> {
    let size = <[i64; 3]>::try_from(x.size()).unwrap();
    let statistics = Statistics::new(NormKind::of(norm).unwrap(), size, x.kind());
    let shift_of = |shift: Tensor| (!matches!(norm, Norm::Rms(_))).then(|| Matrix::of(shift));
    let (scales, shifts) = (Matrix::of(scale.copy()), shift_of(shift.copy()));
    let (scale_gradient, shift_gradient) = (Matrix::of(scale.zeros_like()), shift_of(shift.zeros_like()));
    let (input, output, signal) = (Matrix::of(x.copy()), Matrix::of(x.zeros_like()), Matrix::of(signal.copy()));
    let weights = Learned { scale: &scales, shift: shifts.as_ref() };
    let gradients = Learned { scale: &scale_gradient, shift: shift_gradient.as_ref() };
    statistics.forward(weights, &input, &output);
    statistics.backward(weights, gradients, &input, &signal, false);
    let parts = [Some(output), Some(signal), Some(scale_gradient), shift_gradient];
    parts.into_iter().flatten().map(|matrix| matrix.shallow_clone()).collect()
}

/// The same by libtorch's modules and autograd, lane by lane.
fn by_autograd(norm: Norm, x: &Tensor, scale: &Tensor, shift: &Tensor, signal: &Tensor) -> Vec<Tensor> {
    let lane = |lane: i64| {
        let leaf = |t: &Tensor| t.select(0, lane).contiguous().set_requires_grad(true);
        let (x, scale, shift) = (leaf(x), leaf(&scale.squeeze_dim(1)), leaf(&shift.squeeze_dim(1)));
        let width = [x.size()[1]];
        let none = None::<&Tensor>;
        let (y, leaves) = match norm {
            Norm::Batch(_) => {
                (x.batch_norm(Some(&scale), Some(&shift), none, none, true, 0.1, 1e-5, false), vec![&x, &scale, &shift])
            }
            Norm::Layer(_) => (x.layer_norm(width, Some(&scale), Some(&shift), 1e-5, false), vec![&x, &scale, &shift]),
            Norm::Rms(_) => (x.rms_norm(width, Some(&scale), None), vec![&x, &scale]),
            Norm::None => unreachable!(),
        };
        let loss = (&y * signal.select(0, lane)).sum(x.kind());
        let gradients = Tensor::run_backward(&[loss], &leaves, false, false);
        std::iter::once(y.detach()).chain(gradients).collect::<Vec<_>>()
    };
    let lanes: Vec<Vec<Tensor>> = (0..LANES).map(lane).collect();
    (0..lanes[0].len()).map(|i| Tensor::stack(&lanes.iter().map(|l| &l[i]).collect::<Vec<_>>(), 0)).collect()
}

fn word(x: f64) -> &'static str {
    match x {
        x if x.is_nan() => "NaN",
        x if x.is_infinite() => "infinite",
        _ => "finite",
    }
}

const ALL: [Norm; 3] =
    [Norm::Batch(NormPosition::Before), Norm::Layer(NormPosition::Before), Norm::Rms(NormPosition::Before)];

#[test]
fn a_norm_is_libtorchs_own_forward_and_back_also_where_it_overflows() {
    blowup_engine::start();
    // No product of two of them is near the end of the range, where the order of a sum would
    // matter.
    let sizes = [1e-3, 1.0, 1e6, 1e12, 1e17, 4e19, 1e21, 1e30];
    let signals = [1e-3, 1.0, 1e6, 1e12, 1e35];
    for (kind, tolerance, power) in [(Kind::Float, 1e-4, 1.0), (Kind::Double, 1e-10, 8.0)] {
        let mut overflows = 0;
        for norm in ALL {
            for (batch, width) in [(6, 5), (9, 8), (4, 21), (5, 64)] {
                for (x_size, signal_size) in sizes.iter().flat_map(|x| signals.map(|signal| (x, signal))) {
                    tch::manual_seed(width);
                    let random = |rows: i64| Tensor::randn([LANES, rows, width], (Kind::Double, Device::Cpu));
                    let large = |t: Tensor, size: f64| (t * size.powf(power)).to_kind(kind);
                    let (x, signal) = (large(random(batch), *x_size), large(random(batch), signal_size));
                    let (scale, shift) = ((random(1) * 0.3 + 1.0).to_kind(kind), random(1).to_kind(kind));
                    let found = written_out(norm, &x, &scale, &shift, &signal);
                    let expected = by_autograd(norm, &x, &scale, &shift, &signal);
                    assert_eq!(found.len(), expected.len());
                    for (what, (found, expected)) in
                        ["y", "dx", "dscale", "dshift"].iter().zip(found.iter().zip(&expected))
                    {
                        let (found, expected) = (host(found), host(expected));
                        let largest = expected.iter().filter(|x| x.is_finite()).fold(0.0, |a: f64, x| a.max(x.abs()));
                        for (a, b) in found.iter().zip(&expected) {
                            let place = format!("{norm:?} {kind:?} {x_size:e} {signal_size:e} {width}: {what} {a} {b}");
                            assert_eq!(word(*a), word(*b), "{place}");
                            let near = a == b || !b.is_finite() || (a - b).abs() <= tolerance * largest;
                            assert!(near, "{place}, largest {largest:e}");
                            overflows += usize::from(!b.is_finite());
                        }
                    }
                }
            }
        }
        assert!(overflows > 1000, "{overflows}");
    }
}

/// A single layer of the teacher's size with finite values beyond the square root of the largest
/// f32.
fn large(norm: Norm, dtype: Dtype) -> Trial {
    let network = Network::Mlp { depth: 1, width: 8, activation: Activation::Tanh, norm, residual: false };
    let init = Init { kind: InitKind::Normal, scale: 1e20, offset: 0.0 };
    let mut trial = Trial {
        network,
        init,
        bias: Bias::None,
        lr: 0.0,
        batch: 16,
        numerics: Numerics::Uniform(dtype),
        ..trials::mlp()
    };
    (trial.task.inputs, trial.task.samples) = (4, 16);
    trial.budget = Budget::Steps(1);
    trial
}

fn first_bad(run: &Finished) -> (u64, Option<Site>) {
    let nonfinite = run.measured.nonfinite.expect("not finite somewhere");
    // PyTorch's figures say nothing of samples.
    (nonfinite.step, run.measured.site.map(|site| Site { sample: None, ..site }))
}

#[test]
fn a_norm_whose_variance_overflows_is_not_finite_in_the_first_step() {
    // In PyTorch 2.11, layer norm is NaN in the forward pass. Batch and rms norm are 0 there, and
    // their gradients are NaN.
    for norm in ALL {
        let at = match norm {
            Norm::Layer(_) => Site { tensor: Where::Activation, layer: Some(1), time: None, head: None, sample: None },
            _ => Site { tensor: Where::BackpropSignal, layer: Some(1), time: None, head: None, sample: None },
        };
        let run = &train(&[large(norm, Dtype::Float32)])[0];
        assert_eq!(run.measured.outcome, Outcome::Nonfinite, "{norm:?}");
        assert_eq!(first_bad(run), (0, Some(at)), "{norm:?}");
        // The exact results are finite.
        assert_eq!(train(&[large(norm, Dtype::Float64)])[0].measured.nonfinite, None, "{norm:?}");
    }
}

/// A trial like those of tests/pytorch/blowups.toml: relu, width 16, f32, and 32 samples of a
/// teacher with 10 inputs and 2 outputs.
fn blowup(depth: usize, norm: Norm, kind: InitKind, scale: f64, lr: f64) -> Trial {
    let network = Network::Mlp { depth, width: 16, activation: Activation::Relu, norm, residual: false };
    let task = Task { kind: TaskKind::Teacher, inputs: 10, outputs: 2, samples: 32, input_std: 1.0, ..Task::none() };
    let (init, bias) = (Init { kind, scale, offset: 0.0 }, Bias::Learned { std: 0.0 });
    let budget = Budget::Steps(24);
    Trial {
        task,
        budget,
        network,
        init,
        bias,
        lr,
        batch: 32,
        numerics: Numerics::Uniform(Dtype::Float32),
        ..trials::mlp()
    }
}

#[test]
fn nets_with_norms_blow_up_when_and_where_pytorchs_do() {
    let (before, after) = (NormPosition::Before, NormPosition::After);
    let (he, normal) = ((InitKind::He, 1.0), (InitKind::Normal, 0.5));
    // Measured with PyTorch 2.11 on a CPU: the first non-finite step, where it began, and the step
    // of the NaN.
    for (norm, (kind, scale), lr, step, tensor, layer, nan) in [
        (Norm::Layer(before), (InitKind::Normal, 1e19), 0.01, 0, Where::Activation, 1, 0),
        (Norm::Layer(before), he, 300.0, 2, Where::Activation, 4, 2),
        (Norm::Layer(before), he, 30.0, 2, Where::BackpropSignal, 4, 3),
        (Norm::Layer(before), normal, 300.0, 2, Where::Activation, 4, 2),
        (Norm::Layer(after), normal, 30.0, 2, Where::BackpropSignal, 4, 3),
        (Norm::Rms(before), normal, 30.0, 2, Where::BackpropSignal, 4, 3),
        (Norm::Rms(after), he, 30.0, 2, Where::BackpropSignal, 4, 3),
        (Norm::Rms(after), normal, 300.0, 2, Where::BackpropSignal, 4, 3),
    ] {
        let run = &train(&[blowup(4, norm, kind, scale, lr)])[0];
        let name = format!("{norm:?} {kind:?} {lr}");
        assert_eq!(run.measured.outcome, Outcome::Nonfinite, "{name}");
        assert_eq!(
            first_bad(run),
            (step, Some(Site { tensor, layer: Some(layer), time: None, head: None, sample: None })),
            "{name}"
        );
        assert_eq!(run.measured.nan.unwrap().step, nan, "{name}");
    }
}
