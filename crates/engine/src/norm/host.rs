//! What libtorch computes inside of its norms on the CPU, for lanes that each have their own scale
//! and shift.
//!
//! The order of operations is PyTorch's, and so is where a product and a sum are fused. So an
//! overflow gives inf or NaN exactly where PyTorch's does. Each lane is computed by itself, and its
//! bits depend on nothing else.

use crate::elements::Scalar;
use crate::fused::vectorized;
use num_traits::Float;

/// The number of parts in which a sum along a row is taken: the length of AVX2's vectors, whatever
/// the CPU has.
const PARTS_F32: usize = 8;
const PARTS_F64: usize = 4;

/// The operands of a forward pass: elements `[lane, batch, width]`, statistics `[lane, batch]`
/// (batch norm: `[lane, width]`), scale and shift `[lane, width]`.
pub struct Forward<'a, F> {
    pub input: &'a [F],
    pub output: &'a mut [F],
    pub mean: &'a mut [F],
    /// 1 / sqrt(variance + eps).
    pub inverse: &'a mut [F],
    pub scale: &'a [F],
    pub shift: &'a [F],
    /// Rounds to the dtype in which statistics are kept.
    pub keep: fn(F) -> F,
    pub batch: usize,
    pub width: usize,
}

/// The operands of a backward pass, with the shapes of `Forward`. The pass turns `signal` from
/// dLoss/doutput into dLoss/dinput. For rms norm, `mean` and `shift_gradient` are empty.
pub struct Backward<'a, F> {
    pub input: &'a [F],
    pub signal: &'a mut [F],
    pub mean: &'a [F],
    /// 1 / sqrt(variance + eps), or of the mean square for rms norm.
    pub inverse: &'a [F],
    pub scale: &'a [F],
    pub scale_gradient: &'a mut [F],
    pub shift_gradient: &'a mut [F],
    pub batch: usize,
    pub width: usize,
}

/// The types for which the passes are compiled.
pub trait Element: Float + Scalar {
    fn batch_forward(pass: Forward<'_, Self>, eps: f64);
    fn batch_backward(pass: Backward<'_, Self>);
    fn layer_backward(pass: Backward<'_, Self>);
    fn rms_backward(pass: Backward<'_, Self>);
}

macro_rules! element {
    ($type:ty, $parts:expr) => {
        impl Element for $type {
            fn batch_forward(pass: Forward<'_, Self>, eps: f64) {
                vectorized! { fn run(pass: Forward<'_, $type>, eps: f64) { batch_forward(pass, eps) } }
                run(pass, eps);
            }

            fn batch_backward(pass: Backward<'_, Self>) {
                vectorized! { fn run(pass: Backward<'_, $type>) { batch_backward(pass) } }
                run(pass);
            }

            fn layer_backward(pass: Backward<'_, Self>) {
                vectorized! { fn run(pass: Backward<'_, $type>) { layer_backward::<_, $parts>(pass) } }
                run(pass);
            }

            fn rms_backward(pass: Backward<'_, Self>) {
                vectorized! { fn run(pass: Backward<'_, $type>) { rms_backward::<_, $parts>(pass) } }
                run(pass);
            }
        }
    };
}
element!(f32, PARTS_F32);
element!(f64, PARTS_F64);

/// Converts a size to `F`. It is exact up to 2^24.
#[inline(always)]
fn count<F: Float>(n: usize) -> F {
    F::from(n).expect("a size is a number of every type")
}

#[inline(always)]
fn narrowed<F: Float>(x: f64) -> F {
    F::from(x).expect("rounded")
}

#[inline(always)]
fn batch_forward<F: Float>(pass: Forward<'_, F>, eps: f64) {
    let Forward { input, output, mean, inverse, scale, shift, keep, batch, width } = pass;
    let n = count::<F>(batch);
    let (mut slope, mut offset) = (vec![F::zero(); width], vec![F::zero(); width]);
    let columns = mean.chunks_exact_mut(width).zip(inverse.chunks_exact_mut(width));
    let learned = scale.chunks_exact(width).zip(shift.chunks_exact(width));
    let elements = input.chunks_exact(batch * width).zip(output.chunks_exact_mut(batch * width));
    for (((input, output), (mean, inverse)), (scale, shift)) in elements.zip(columns).zip(learned) {
        mean.fill(F::zero());
        for row in input.chunks_exact(width) {
            mean.iter_mut().zip(row).for_each(|(m, &x)| *m = *m + x);
        }
        mean.iter_mut().for_each(|m| *m = keep(*m / n));
        inverse.fill(F::zero());
        for row in input.chunks_exact(width) {
            for ((square, &m), &x) in inverse.iter_mut().zip(&*mean).zip(row) {
                *square = (x - m).mul_add(x - m, *square);
            }
        }
        for i in 0..width {
            let variance = (inverse[i] / n).to_f64().unwrap_or(f64::NAN);
            inverse[i] = keep(narrowed(1.0 / (variance + eps).sqrt()));
            slope[i] = inverse[i] * scale[i];
            offset[i] = (-mean[i]).mul_add(slope[i], shift[i]);
        }
        for (row, output) in input.chunks_exact(width).zip(output.chunks_exact_mut(width)) {
            for (((y, &x), &slope), &offset) in output.iter_mut().zip(row).zip(&slope).zip(&offset) {
                *y = x.mul_add(slope, offset);
            }
        }
    }
}

#[inline(always)]
fn batch_backward<F: Float>(pass: Backward<'_, F>) {
    let Backward { input, signal, mean, inverse, scale, scale_gradient, shift_gradient, batch, width } = pass;
    let n = count::<F>(batch);
    let (mut along, mut constant) = (vec![F::zero(); width], vec![F::zero(); width]);
    let elements = input.chunks_exact(batch * width).zip(signal.chunks_exact_mut(batch * width));
    let columns = mean.chunks_exact(width).zip(inverse.chunks_exact(width)).zip(scale.chunks_exact(width));
    let gradients = scale_gradient.chunks_exact_mut(width).zip(shift_gradient.chunks_exact_mut(width));
    for (((input, signal), ((mean, inverse), scale)), (product, sum)) in elements.zip(columns).zip(gradients) {
        product.fill(F::zero());
        sum.fill(F::zero());
        for (row, signal) in input.chunks_exact(width).zip(signal.chunks_exact(width)) {
            for ((((p, s), &x), &d), &m) in product.iter_mut().zip(&mut *sum).zip(row).zip(signal).zip(mean) {
                *p = (x - m).mul_add(d, *p);
                *s = *s + d;
            }
        }
        for i in 0..width {
            along[i] = product[i] * inverse[i] * inverse[i] / n;
            constant[i] = sum[i] / n;
            product[i] = product[i] * inverse[i];
        }
        for (row, signal) in input.chunks_exact(width).zip(signal.chunks_exact_mut(width)) {
            for (i, (d, &x)) in signal.iter_mut().zip(row).enumerate() {
                let centred = (x - mean[i]).mul_add(-along[i], *d - constant[i]);
                *d = centred * inverse[i] * scale[i];
            }
        }
    }
}

#[inline(always)]
fn layer_backward<F: Float, const PARTS: usize>(pass: Backward<'_, F>) {
    let Backward { input, signal, mean, inverse, scale, scale_gradient, shift_gradient, batch, width } = pass;
    let share = F::one() / count(width);
    let elements = input.chunks_exact(batch * width).zip(signal.chunks_exact_mut(batch * width));
    let rows = mean.chunks_exact(batch).zip(inverse.chunks_exact(batch)).zip(scale.chunks_exact(width));
    let gradients = scale_gradient.chunks_exact_mut(width).zip(shift_gradient.chunks_exact_mut(width));
    for (((input, signal), ((mean, inverse), scale)), (product, sum)) in elements.zip(rows).zip(gradients) {
        product.fill(F::zero());
        sum.fill(F::zero());
        let rows = input.chunks_exact(width).zip(signal.chunks_exact_mut(width));
        for ((x, d), (&mean, &inverse)) in rows.zip(mean.iter().zip(inverse)) {
            let offset = -inverse * mean;
            for (((p, s), &x), &d) in product.iter_mut().zip(&mut *sum).zip(x).zip(&*d) {
                *p = d.mul_add(inverse.mul_add(x, offset), *p);
                *s = *s + d;
            }
            let along = total::<F, PARTS>(x, d, scale, |x, d, scale| d * x * scale);
            let all = total::<F, PARTS>(x, d, scale, |_, d, scale| d * scale);
            let slope = all.mul_add(mean, -along) * inverse * inverse * inverse * share;
            let offset = (-slope).mul_add(mean, -(all * inverse * share));
            for ((d, &x), &scale) in d.iter_mut().zip(x).zip(scale) {
                *d = (inverse * *d).mul_add(scale, slope * x) + offset;
            }
        }
    }
}

/// The operations are those into which autograd takes PyTorch's composition apart, so nothing is
/// fused.
#[inline(always)]
fn rms_backward<F: Float, const PARTS: usize>(pass: Backward<'_, F>) {
    let Backward { input, signal, inverse, scale, scale_gradient, batch, width, .. } = pass;
    let (n, two, half) = (count::<F>(width), narrowed::<F>(2.0), narrowed::<F>(-0.5));
    let elements = input.chunks_exact(batch * width).zip(signal.chunks_exact_mut(batch * width));
    let rows = inverse.chunks_exact(batch).zip(scale.chunks_exact(width)).zip(scale_gradient.chunks_exact_mut(width));
    for ((input, signal), ((inverse, scale), product)) in elements.zip(rows) {
        product.fill(F::zero());
        let rows = input.chunks_exact(width).zip(signal.chunks_exact_mut(width));
        for ((x, d), &inverse) in rows.zip(inverse) {
            for ((p, &x), &d) in product.iter_mut().zip(x).zip(&*d) {
                *p = *p + d * (x * inverse);
            }
            let along = total::<F, PARTS>(x, d, scale, |x, d, scale| d * scale * x);
            let slope = half * along * (inverse * inverse * inverse) / n;
            for ((d, &x), &scale) in d.iter_mut().zip(x).zip(scale) {
                *d = *d * scale * inverse + slope * (two * x);
            }
        }
    }
}

/// Returns the sum of `term` along a row. It is taken in `PARTS` parts, which are then added by
/// halves.
#[inline(always)]
fn total<F: Float, const PARTS: usize>(x: &[F], d: &[F], scale: &[F], term: impl Fn(F, F, F) -> F) -> F {
    let ((xs, x), (ds, d), (scales, scale)) =
        (x.as_chunks::<PARTS>(), d.as_chunks::<PARTS>(), scale.as_chunks::<PARTS>());
    let mut parts = [F::zero(); PARTS];
    for ((x, d), scale) in xs.iter().zip(ds).zip(scales) {
        for i in 0..PARTS {
            parts[i] = parts[i] + term(x[i], d[i], scale[i]);
        }
    }
    for (((part, &x), &d), &scale) in parts.iter_mut().zip(x).zip(d).zip(scale) {
        *part = *part + term(x, d, scale);
    }
    if xs.is_empty() {
        return parts.into_iter().fold(F::zero(), |sum, part| sum + part);
    }
    let mut length = PARTS;
    while length > 1 {
        length /= 2;
        for i in 0..length {
            parts[i] = parts[i] + parts[i + length];
        }
    }
    parts[0]
}
