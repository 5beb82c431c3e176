//! Batched matrix products, `[lane, a, b]` x `[lane, b, c]`. All products of the networks go
//! through here. On the CPU, those of f32 and f64 go to MKL (`blas`); all others go to libtorch's
//! `bmm`.
//!
//! 16-bit matrices are widened to f32, multiplied and rounded once, as libtorch's own 16-bit
//! kernels do it. Those kernels are not used, because there are two of them which round
//! differently, and lanes x a x b x c decides which of them runs.

use super::blas;
use super::dtype::inner;
use super::matrix::{Matrix, Operand};
use tch::Tensor;

fn is_narrow(tensor: &Tensor) -> bool {
    tensor.kind() != inner(tensor.kind())
}

/// Computes target = a b.
pub fn multiply<'a>(a: impl Into<Operand<'a>>, b: impl Into<Operand<'a>>, target: &Matrix) {
    let (a, b) = (a.into(), b.into());
    if !on_host(a, b, target, false) {
        if is_narrow(target) {
            widened(a, b, &target.zeros_like(), target);
        } else {
            drop(a.tensor().bmm_out(target, &b.tensor()));
        }
    }
}

/// Computes target += a b.
pub fn add_product<'a>(a: impl Into<Operand<'a>>, b: impl Into<Operand<'a>>, target: &Matrix) {
    let (a, b) = (a.into(), b.into());
    if !on_host(a, b, target, true) {
        if is_narrow(target) {
            widened(a, b, target, target);
        } else {
            drop(target.shallow_clone().baddbmm_(&a.tensor(), &b.tensor()));
        }
    }
}

/// Computes target = x W, plus b where there is a bias: `[lane, batch, in]` x `[lane, in, out]` +
/// `[lane, 1, out]`.
pub fn affine<'a>(input: impl Into<Operand<'a>>, weight: &'a Matrix, bias: Option<&'a Matrix>, target: &Matrix) {
    match bias {
        None => multiply(input, weight, target),
        Some(bias) if is_narrow(target) => {
            widened(input.into(), weight.into(), &bias.expand_as(target), target);
        }
        Some(bias) => {
            target.shallow_clone().copy_(bias);
            add_product(input, weight, target);
        }
    }
}

/// Computes target = start + a b in f32 and rounds it once.
fn widened(a: Operand, b: Operand, start: &Tensor, target: &Tensor) {
    let wide = |tensor: &Tensor| Matrix::of(tensor.to_kind(inner(tensor.kind())).contiguous());
    let sum = wide(start);
    add_product(&wide(&a.tensor()), &wide(&b.tensor()), &sum);
    target.shallow_clone().copy_(&sum);
}

fn on_host(a: Operand, b: Operand, target: &Matrix, add: bool) -> bool {
    let (Some(a), Some(b), Some(target)) = (a.strided(), b.strided(), target.strided()) else { return false };
    blas::multiply(a, b, target, add)
}
