//! Batched products are compared with f64 sums that are written out, and the bits of a lane with
//! those for other numbers of lanes and other starts.

use blowup_engine::matrix::Matrix;
use blowup_engine::product::{add_product, multiply};
use blowup_engine::weights::host;
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

/// How an operand lies in memory.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Plain,
    Transposed,
    /// It is columns of a wider matrix.
    Columns,
}

const FORMS: [Form; 3] = [Form::Plain, Form::Transposed, Form::Columns];

/// The matrix `values`, `[lane, rows, cols]`, in this form. Before it stand as many other elements
/// as `shift` says.
fn lay(values: &Tensor, form: Form, shift: i64) -> Tensor {
    let padded = |tensor: &Tensor| {
        let flat = Tensor::cat(&[Tensor::zeros([shift], (tensor.kind(), Device::Cpu)), tensor.flatten(0, 2)], 0);
        flat.narrow(0, shift, tensor.numel() as i64).view(tensor.size().as_slice())
    };
    match form {
        Form::Plain => padded(values),
        Form::Transposed => padded(&values.transpose(1, 2).contiguous()).transpose(1, 2),
        Form::Columns => {
            let cols = values.size()[2];
            padded(&Tensor::cat(&[&values.ones_like(), values, values], 2)).narrow(2, cols, cols)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]
    #[test]
    fn a_product_is_its_sums_and_a_lane_has_the_same_bits_among_any_others(
        [m, k, n] in [1i64..70, 1i64..70, 1i64..70],
        lanes in 2i64..40,
        forms in [prop::sample::select(&FORMS[..]), prop::sample::select(&FORMS[..])],
        add in any::<bool>(),
        double in any::<bool>(),
        shift in 0i64..17,
        // MKL has kernels of their own for these sizes.
        round in any::<bool>(),
    ) {
        blowup_engine::start();
        tch::manual_seed(m * 10_000 + k * 100 + n);
        let [m, k, n] = if round { [m, k, n].map(|size| (size + 7) / 8 * 8) } else { [m, k, n] };
        let kind = if double { Kind::Double } else { Kind::Float };
        let random = |size: [i64; 3]| Tensor::randn(size, (kind, Device::Cpu));
        let [a, b, before] = [random([lanes, m, k]), random([lanes, k, n]), random([lanes, m, n])];
        let product = |range: std::ops::Range<i64>, shift: i64| {
            let part = |t: &Tensor| t.narrow(0, range.start, range.end - range.start);
            let [a, b] = [Matrix::of(lay(&part(&a), forms[0], shift)), Matrix::of(lay(&part(&b), forms[1], shift))];
            let target = Matrix::of(lay(&part(&before), Form::Plain, shift));
            if add { add_product(&a, &b, &target) } else { multiply(&a, &b, &target) }
            let (a, b) = (Matrix::of(a.transpose(1, 2)), Matrix::of(b.transpose(1, 2)));
            let again = Matrix::of(lay(&part(&before), Form::Plain, shift));
            if add { add_product(a.transposed(), b.transposed(), &again) } else { multiply(a.transposed(), b.transposed(), &again) }
            // A matrix of one row or one column lies in memory both ways, and MKL has a kernel for
            // each.
            if m > 1 && k > 1 && n > 1 {
                assert_eq!(host(&target), host(&again), "an operand transposed twice");
            }
            host(&target)
        };
        let all = product(0..lanes, shift);
        let sums = a.to_kind(Kind::Double).matmul(&b.to_kind(Kind::Double));
        let expected = if add { sums + before.to_kind(Kind::Double) } else { sums };
        let tolerance = if double { 1e-13 } else { 1e-5 } * (k as f64 + 1.0).sqrt();
        for (found, expected) in all.iter().zip(host(&expected)) {
            prop_assert!((found - expected).abs() <= tolerance * (1.0 + expected.abs()), "{found} for {expected}");
        }
        let each = (m * n) as usize;
        // The first lane, the first two and the last two.
        prop_assert_eq!(&product(0..1, 0)[..], &all[..each]);
        prop_assert_eq!(&product(0..2, 0)[..], &all[..2 * each]);
        prop_assert_eq!(&product(lanes - 2..lanes, 0)[..], &all[all.len() - 2 * each..]);
    }
}
