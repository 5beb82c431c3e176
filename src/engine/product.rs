//! Batched matrix products, `[lane, a, b]` x `[lane, b, c]`. All products of the networks go through here.
//!
//! 16-bit matrices are widened, multiplied in f32 and rounded once, which is what libtorch's own 16-bit kernels do. Those kernels are not used:
//! which of two runs depends on lanes x a x b x c, and they round differently.

use super::inner;
use tch::Tensor;

fn wide(tensor: &Tensor) -> Tensor {
    tensor.to_kind(inner(tensor.kind()))
}

fn is_narrow(tensor: &Tensor) -> bool {
    tensor.kind() != inner(tensor.kind())
}

/// target = a b
pub fn multiply(a: &Tensor, b: &Tensor, target: &Tensor) {
    if is_narrow(target) {
        target.shallow_clone().copy_(&wide(a).bmm(&wide(b)));
    } else {
        drop(a.bmm_out(target, b));
    }
}

/// target += a b
pub fn add_product(a: &Tensor, b: &Tensor, target: &Tensor) {
    let mut target = target.shallow_clone();
    if is_narrow(&target) {
        let sum = wide(&target).baddbmm(&wide(a), &wide(b), 1.0, 1.0);
        target.copy_(&sum);
    } else {
        drop(target.baddbmm_(a, b));
    }
}

/// target = x W, plus b where there is one: `[lane, batch, in]` x `[lane, in, out]` + `[lane, 1, out]`.
pub fn affine(input: &Tensor, weight: &Tensor, bias: Option<&Tensor>, target: &Tensor) {
    match bias {
        None => multiply(input, weight, target),
        Some(bias) if is_narrow(target) => {
            let sum = wide(bias).baddbmm(&wide(input), &wide(weight), 1.0, 1.0);
            target.shallow_clone().copy_(&sum);
        }
        Some(bias) => drop(bias.baddbmm_out(target, input, weight)),
    }
}
