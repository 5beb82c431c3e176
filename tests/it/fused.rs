//! The fused f32 passes against libtorch's own operations.

use blowup_engine::fused::{self, AdamRates, AdamSlice, Fused, SideBySide};
use blowup_engine::matrix::Matrix;
use blowup_engine::weights::host;
use tch::{Device, Kind, Tensor};

const CPU: (Kind, Device) = (Kind::Float, Device::Cpu);
const ALL: [Fused; 3] = [Fused::Linear, Fused::Relu, Fused::Tanh];
/// Lanes, batch and width: sizes that no vector length divides, and one that it does.
const SIZES: [[i64; 3]; 4] = [[2, 7, 5], [3, 33, 9], [2, 1, 1], [2, 64, 64]];

/// Checks that two tensors agree within `tolerance` times the largest element.
fn close(found: &Tensor, expected: &Tensor, tolerance: f64, what: &str) {
    let scale = expected.abs().max().double_value(&[]).max(1e-2);
    for (found, expected) in host(found).into_iter().zip(host(expected)) {
        let error = (found - expected).abs();
        assert!(error <= tolerance * scale, "{what}: {found} for {expected}");
    }
}

fn phi(activation: Fused, h: &Tensor) -> Tensor {
    match activation {
        Fused::Linear => h.copy(),
        Fused::Relu => h.relu(),
        Fused::Tanh => h.tanh(),
    }
}

#[test]
fn a_pass_forward_and_back_is_bias_activation_and_their_gradients() {
    tch::manual_seed(3);
    for activation in ALL {
        for size in SIZES {
            let h = Tensor::randn(size, CPU) * 3.0;
            let bias = Tensor::randn([size[0], 1, size[2]], CPU);
            let leaves = [&h, &bias].map(|t| t.to_kind(Kind::Double).set_requires_grad(true));
            let expected = phi(activation, &(&leaves[0] + &leaves[1]));
            let output = Matrix::of(h.copy());
            fused::forward(activation, &output, Some(&Matrix::of(bias)));
            close(&output, &expected.detach(), 1e-6, "forward");

            let signal = Tensor::randn(size, CPU);
            let loss = (&expected * signal.to_kind(Kind::Double)).sum(Kind::Double);
            let gradients = Tensor::run_backward(&[loss], &leaves, false, false);
            let [pulled, again, pulled_without] = [(); 3].map(|()| Matrix::of(signal.copy()));
            let bias_gradient = Matrix::of(Tensor::full([size[0], 1, size[2]], 7.0, CPU));
            fused::backward(activation, &output, &pulled, Some(&bias_gradient), false);
            close(&pulled, &gradients[0], 2e-6, "backward");
            close(&bias_gradient, &gradients[1], 2e-6, "bias");
            fused::backward(activation, &output, &again, Some(&bias_gradient), true);
            close(&bias_gradient, &(&gradients[1] * 2.0), 2e-6, "added bias");

            let plain = Matrix::of(h.copy());
            fused::forward(activation, &plain, None);
            close(&plain, &phi(activation, &h), 1e-6, "without bias");
            fused::backward(activation, &output, &pulled_without, None, false);
            assert_eq!(host(&pulled_without), host(&pulled));
        }
    }
}

#[test]
fn the_copies_of_heads_are_those_of_views() {
    tch::manual_seed(4);
    let numbers = |size: &[i64]| Tensor::randn(size, CPU);
    // Widths of a head that fill no vector, one, and one and a part.
    for (sequences, tokens, parts, heads, head) in
        [(2, 5, 3, 2, 4), (3, 7, 3, 4, 16), (1, 1, 1, 3, 1), (2, 3, 1, 2, 24)]
    {
        let [t, p, h, d] = [tokens, parts, heads, head].map(|n| n as usize);
        let size = SideBySide { tokens: t, parts: p, heads: h, head: d };
        for factor in [1.0f32, -0.3] {
            for part in 0..parts {
                let view = |joint: &Tensor| {
                    joint.view([sequences, tokens, parts, heads, head]).select(2, part).transpose(1, 2)
                };
                let joint = numbers(&[sequences, tokens, parts * heads * head]);
                let by_head = numbers(&[sequences, heads, tokens, head]);
                fused::split_heads(size, &joint, part as usize, factor, &by_head);
                let expected = view(&joint).contiguous() * f64::from(factor);
                assert_eq!(host(&by_head), host(&expected), "split {size:?}");

                let (by_head, theirs) = (numbers(&by_head.size()), joint.copy());
                fused::merge_heads(size, &by_head, factor, &joint, part as usize);
                view(&theirs).copy_(&(by_head * f64::from(factor)));
                assert_eq!(host(&joint), host(&theirs), "merge {size:?}");
            }
        }
    }
}

#[test]
fn what_is_not_finite_goes_through_as_in_libtorch() {
    let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e38, -1e38, -0.0];
    let h = Tensor::from_slice(&x).view([1, 1, 6]);
    for activation in ALL {
        let (found, expected) = (Matrix::of(h.copy()), phi(activation, &h));
        fused::forward(activation, &found, None);
        let signals = [f32::INFINITY, 1.0, f32::NAN, 2.0, 3.0, 4.0];
        let signal = Matrix::of(Tensor::from_slice(&signals).view([1, 1, 6]));
        let theirs = match activation {
            Fused::Linear => signal.copy(),
            Fused::Relu => expected.threshold_backward(&signal, 0.0),
            Fused::Tanh => Tensor::tanh_backward(&signal, &expected),
        };
        fused::backward(activation, &found, &signal, None, false);
        for (found, expected) in [(&*found, &expected), (&*signal, &theirs)] {
            assert_eq!(format!("{:?}", host(found)), format!("{:?}", host(expected)), "{activation:?}");
        }
    }
}

#[test]
fn norms_and_updates_are_those_of_plain_operations() {
    tch::manual_seed(4);
    for length in [1, 5, 16, 39, 4096] {
        // The tensors have two layers of three lanes.
        let [w, d, m, v] = [0.5, 1.0, 0.3, 0.2].map(|scale| Tensor::randn([6, length], CPU) * scale);
        let v = v.square();
        let norms = Tensor::zeros([6], CPU);
        fused::norms(&w, &norms);
        let over = [1i64];
        let exact = |t: &Tensor| t.to_kind(Kind::Double).norm_scalaropt_dim(2.0, over.as_slice(), false);
        close(&norms, &exact(&w), 2e-6, "norm");

        let rates = [0.1f32, -0.2, 0.0];
        let column = |values: &[f32]| Tensor::from_slice(values).repeat([2]).view([6, 1]);
        let expected = w.to_kind(Kind::Double) + d.to_kind(Kind::Double) * column(&rates);
        let moved = w.copy();
        fused::add(&moved, &d, &rates, None, &norms);
        close(&moved, &expected, 1e-6, "update");
        close(&norms, &exact(&moved), 2e-6, "norm after");
        let clips = [0.3f32, 1.0, 0.7];
        let expected = w.shallow_clone().addcmul(&(&d * column(&clips)), &column(&rates));
        let moved = w.copy();
        fused::add(&moved, &d, &rates, Some(&clips), &norms);
        assert_eq!(host(&moved), host(&expected), "the clipped direction is rounded, the rest once");

        // The lanes differ in everything: both forms of lerp, with and without decoupled decay.
        let lane = |weight, beta2: f32, root, decay: Option<(f32, f32)>| AdamRates {
            weight,
            beta2,
            one_minus_beta2: 1.0 - beta2,
            root,
            eps: 1e-3,
            rate: -0.01,
            decay,
        };
        let adam = [lane(0.1, 0.99, 0.5, None), lane(0.7, 0.9, 0.9, Some((0.99, 0.01))), lane(1.0, 0.0, 1.0, None)];
        let rate = |of: &dyn Fn(&AdamRates) -> f32| column(&adam.map(|lane| of(&lane))).to_kind(Kind::Double);
        let [w64, g64, m64, v64] = [&w, &d, &m, &v].map(|t| t.to_kind(Kind::Double));
        let mean = &m64 + (&g64 - &m64) * rate(&|r| r.weight);
        let square = &v64 * rate(&|r| r.beta2) + g64.square() * rate(&|r| r.one_minus_beta2);
        let step = &mean * rate(&|r| r.rate) / (square.sqrt() / rate(&|r| r.root) + rate(&|r| r.eps));
        let change = step - &w64 * rate(&|r| r.decay.map_or(0.0, |decay| decay.1));
        let (moved, g, m, v, changes) = (w.copy(), d.copy(), m.copy(), v.copy(), Tensor::zeros([6], CPU));
        let slice = AdamSlice { weights: &moved, gradient: &g, mean: &m, square: &v };
        fused::adam(&slice, &adam, &norms, &changes);
        close(&m, &mean, 2e-6, "mean");
        close(&v, &square, 2e-6, "square");
        close(&g, &change, 1e-5, "change");
        close(&moved, &(&w64 + &change), 2e-6, "weights");
        close(&norms, &exact(&moved), 2e-6, "norm of the weights");
        close(&changes, &exact(&g), 2e-6, "norm of the change");
    }
}

#[test]
fn an_exact_norm_is_right_where_squares_leave_the_range_of_f32() {
    for (scale, length) in [(1e30, 5), (1e-30, 39), (1.0, 39), (0.0, 5), (f64::INFINITY, 5)] {
        let rows = (Tensor::ones([3, length], CPU) * scale).to_kind(Kind::Float);
        let norms = Tensor::zeros([3], CPU);
        fused::exact_norms(&rows, &norms);
        let expected = f64::from(scale as f32) * (length as f64).sqrt();
        for found in host(&norms) {
            assert!(found == expected || (found / expected - 1.0).abs() < 1e-6, "{found} for {expected}");
        }
    }
}

#[test]
fn an_element_has_the_same_bits_wherever_it_stands() {
    tch::manual_seed(5);
    let [lanes, batch, width] = [5, 7, 9];
    let h = Tensor::randn([lanes, batch, width], CPU);
    let bias = Tensor::randn([lanes, 1, width], CPU);
    for activation in ALL {
        let together = Matrix::of(h.copy());
        fused::forward(activation, &together, Some(&Matrix::of(bias.copy())));
        for lane in 0..lanes {
            let apart = Matrix::of(h.narrow(0, lane, 1).copy());
            fused::forward(activation, &apart, Some(&Matrix::of(bias.narrow(0, lane, 1))));
            assert_eq!(host(&apart), host(&together.narrow(0, lane, 1)));
        }
    }
}
