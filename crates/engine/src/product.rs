//! Batched matrix products, `[lane, a, b]` x `[lane, b, c]`. All products of the networks go through here: f32 and f64 on the CPU to MKL
//! (`blas`), everything else through libtorch's `bmm`.
//!
//! 16-bit matrices are widened, multiplied in f32 and rounded once, which is what libtorch's own 16-bit kernels do. Those kernels are not used:
//! which of two runs depends on lanes x a x b x c, and they round differently.

use super::blas;
use super::dtype::inner;
use super::matrix::{Matrix, Operand};
use tch::Tensor;

fn is_narrow(tensor: &Tensor) -> bool {
    tensor.kind() != inner(tensor.kind())
}

/// target = a b
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

/// target += a b
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

/// target = x W, plus b where there is one: `[lane, batch, in]` x `[lane, in, out]` + `[lane, 1, out]`.
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

/// target = start + a b, computed in f32 and rounded once.
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
