//! Norms of parameters and gradients, and the passes of the optimizers. The order of operations is
//! PyTorch's, because it decides what overflows where numbers leave the range of f32.

use super::simd::{PARTS, vectorized};
use crate::elements::{elements, slices};
use std::array::from_fn;
use std::ops::Range;
use tch::Tensor;

/// Writes the L2 norm of each row of `rows` `[row, element]` to `target` `[row]`. The squares are
/// taken in f32, as PyTorch's clipping does.
pub fn norms(rows: &Tensor, target: &Tensor) {
    // SAFETY: the tensors are borrowed until the pass ends. The pass runs on this thread and calls
    // nothing of libtorch.
    let ([target], [rows]) = unsafe { slices([elements(target)], [elements(rows)]) };
    row_norms(rows, rows.len() / target.len(), false, target);
}

/// Writes the same norms as `norms`, which are right wherever f32 holds the norm, even where it
/// does not hold the squares.
pub fn exact_norms(rows: &Tensor, target: &Tensor) {
    // SAFETY: as in `norms`.
    let ([target], [rows]) = unsafe { slices([elements(target)], [elements(rows)]) };
    row_norms(rows, rows.len() / target.len(), true, target);
}

/// Computes w += rate x (clip x d) and writes the norm of each row of the new weights to `target`.
///
/// `weights` and `direction` are `[layers x lane, element]`, `target` is `[layers x lane]`, and
/// `rates` and `clips` have one number per lane. The product with `clip` is rounded first and the
/// rest is rounded once, as in PyTorch's `mul_` and `add_`: where rate x d overflows, the sum may
/// not.
pub fn add(weights: &Tensor, direction: &Tensor, rates: &[f32], clips: Option<&[f32]>, target: &Tensor) {
    // SAFETY: as in `norms`.
    let ([weights, target], [direction]) =
        unsafe { slices([elements(weights), elements(target)], [elements(direction)]) };
    let length = weights.len() / target.len();
    add_and_norm(weights, direction, rates, clips, length, target);
}

/// The numbers of one lane's step of Adam. Each is rounded to f32 once, as PyTorch's operations
/// round it.
#[derive(Debug, Clone, Copy)]
pub struct AdamRates {
    /// 1 - beta1, which is the weight of PyTorch's `lerp_`.
    pub weight: f32,
    /// The decay of the mean of squares.
    pub beta2: f32,
    /// 1 - beta2, taken in f64 and then rounded.
    pub one_minus_beta2: f32,
    /// The root of 1 - beta2^t, which corrects the second moment for its start at 0.
    pub root: f32,
    /// The number that is added to the root.
    pub eps: f32,
    /// Minus the learning rate, divided by 1 - beta1^t, which corrects the first moment.
    pub rate: f32,
    /// With decoupled weight decay, the factor that the weights are multiplied with first, and the
    /// share that they lose by it.
    pub decay: Option<(f32, f32)>,
}

/// The parameters of one slice with Adam's state, each `[layers x lane, element]`.
pub struct AdamSlice<'a> {
    pub weights: &'a Tensor,
    pub gradient: &'a Tensor,
    /// The first moment, the mean of the gradients.
    pub mean: &'a Tensor,
    /// The second moment, the mean of the squared gradients.
    pub square: &'a Tensor,
}

/// Makes a step of Adam in PyTorch's order: m = lerp(m, g, 1 - beta1), v = beta2 v + ((1 - beta2)
/// g) g and w = keep w + (rate m) / (sqrt(v) / root + eps).
///
/// The change of the weights is written to the gradient. The norms of each row of the new weights
/// and of the change are written to `weight_norms` and `update_norms`, both `[layers x lane]`.
/// `rates` has one entry per lane.
pub fn adam(slice: &AdamSlice, rates: &[AdamRates], weight_norms: &Tensor, update_norms: &Tensor) {
    let AdamSlice { weights, gradient, mean, square } = slice;
    let places = [weights, gradient, mean, square, weight_norms, update_norms].map(elements);
    // SAFETY: as in `norms`.
    let ([weights, gradient, mean, square, weight_norms, update_norms], []) = unsafe { slices(places, []) };
    let length = weights.len() / weight_norms.len();
    adam_rows(weights, gradient, mean, square, rates, length, [weight_norms, update_norms]);
}

/// Norms in this range are exact enough in f32. Outside of it, squares may have left the range of
/// f32.
const SAFE: Range<f32> = 1e-15..1e18;

#[inline(always)]
fn norm(parts: [f32; PARTS]) -> f32 {
    parts.iter().sum::<f32>().sqrt()
}

/// Returns the norm of a row, where `parts` are the sums of its squares. It is taken again in f64
/// where those sums say little.
#[inline(always)]
fn exact_norm(parts: [f32; PARTS], row: &[f32]) -> f32 {
    let plain = norm(parts);
    if SAFE.contains(&plain) {
        return plain;
    }
    let mut parts = [0.0f64; PARTS];
    for chunk in row.chunks(PARTS) {
        for (part, x) in parts.iter_mut().zip(chunk) {
            *part = f64::from(*x).mul_add(f64::from(*x), *part);
        }
    }
    parts.iter().sum::<f64>().sqrt() as f32
}

/// Adds the squares of a row to `parts`, one element after the other to one part after the other.
#[inline(always)]
fn add_squares(parts: &mut [f32; PARTS], row: &[f32]) {
    let (chunks, rest) = row.as_chunks::<PARTS>();
    for chunk in chunks {
        for (part, x) in parts.iter_mut().zip(chunk) {
            *part = x.mul_add(*x, *part);
        }
    }
    for (part, x) in parts.iter_mut().zip(rest) {
        *part = x.mul_add(*x, *part);
    }
}

vectorized! { fn row_norms(rows: &[f32], length: usize, exact: bool, target: &mut [f32]) {
    for (row, target) in rows.chunks_exact(length).zip(target) {
        let mut parts = [0.0; PARTS];
        add_squares(&mut parts, row);
        *target = if exact { exact_norm(parts, row) } else { norm(parts) };
    }
}}

/// Computes w += rate x (clip x d) for one row and returns the norm of the result.
#[inline(always)]
fn add_row(weights: &mut [f32], direction: &[f32], rate: f32, clip: f32) -> f32 {
    let mut parts = [0.0; PARTS];
    let (w, w_rest) = weights.as_chunks_mut::<PARTS>();
    let (d, d_rest) = direction.as_chunks::<PARTS>();
    for (w, d) in w.iter_mut().zip(d) {
        // The compiler turns operations on whole arrays into vectors, which it does not do with the
        // same operations in one loop.
        let new: [f32; PARTS] = from_fn(|i| rate.mul_add(clip * d[i], w[i]));
        parts = from_fn(|i| new[i].mul_add(new[i], parts[i]));
        *w = new;
    }
    for ((w, d), part) in w_rest.iter_mut().zip(d_rest).zip(&mut parts) {
        *w = rate.mul_add(clip * *d, *w);
        *part = w.mul_add(*w, *part);
    }
    norm(parts)
}

vectorized! { fn add_and_norm(
    weights: &mut [f32], direction: &[f32], rates: &[f32], clips: Option<&[f32]>, length: usize, target: &mut [f32],
) {
    let rows = weights.chunks_exact_mut(length).zip(direction.chunks_exact(length)).zip(target);
    for (row, ((weights, direction), target)) in rows.enumerate() {
        let lane = row % rates.len();
        // A product with 1 changes no bit.
        *target = add_row(weights, direction, rates[lane], clips.map_or(1.0, |clips| clips[lane]));
    }
}}

/// Makes the step of `adam` for `N` elements of a row: weights, gradients, means and means of
/// squares. `DECAYS` says whether `rates.decay` is there.
#[inline(always)]
fn adam_step<const N: usize, const DECAYS: bool>(
    [w, g, m, v]: [&mut [f32; N]; 4],
    rates: &AdamRates,
    [weight_parts, change_parts]: [&mut [f32; N]; 2],
) {
    let AdamRates { weight, beta2, one_minus_beta2, root, eps, rate, decay } = *rates;
    let (keep, lost) = decay.unwrap_or((1.0, 0.0));
    // These are the two forms of `torch.lerp`.
    let from_mean = weight.abs() < 0.5;
    let share = if from_mean { weight } else { weight - 1.0 };
    let new_m: [f32; N] = from_fn(|i| share.mul_add(g[i] - m[i], if from_mean { m[i] } else { g[i] }));
    let new_v: [f32; N] = from_fn(|i| (one_minus_beta2 * g[i]).mul_add(g[i], v[i] * beta2));
    let step: [f32; N] = from_fn(|i| rate * new_m[i] / (new_v[i].sqrt() / root + eps));
    let change: [f32; N] = from_fn(|i| if DECAYS { (-lost).mul_add(w[i], step[i]) } else { step[i] });
    let new_w: [f32; N] = from_fn(|i| if DECAYS { w[i] * keep + step[i] } else { w[i] + step[i] });
    *weight_parts = from_fn(|i| new_w[i].mul_add(new_w[i], weight_parts[i]));
    *change_parts = from_fn(|i| change[i].mul_add(change[i], change_parts[i]));
    (*w, *g, *m, *v) = (new_w, change, new_m, new_v);
}

/// Makes the step of `adam` for one row, and returns the norms of the weights and of their change.
#[inline(always)]
fn adam_row<const DECAYS: bool>([w, g, m, v]: [&mut [f32]; 4], rates: &AdamRates) -> [f32; 2] {
    let (mut weight_parts, mut change_parts) = ([0.0f32; PARTS], [0.0f32; PARTS]);
    {
        let ((ws, w_rest), (gs, g_rest)) = (w.as_chunks_mut::<PARTS>(), g.as_chunks_mut::<PARTS>());
        let ((ms, m_rest), (vs, v_rest)) = (m.as_chunks_mut::<PARTS>(), v.as_chunks_mut::<PARTS>());
        for (((w, g), m), v) in ws.iter_mut().zip(gs).zip(ms).zip(vs) {
            adam_step::<PARTS, DECAYS>([w, g, m, v], rates, [&mut weight_parts, &mut change_parts]);
        }
        let one = std::array::from_mut;
        let parts = weight_parts.iter_mut().zip(&mut change_parts);
        for ((((w, g), m), v), (weight_part, change_part)) in
            w_rest.iter_mut().zip(g_rest).zip(m_rest).zip(v_rest).zip(parts)
        {
            adam_step::<1, DECAYS>([one(w), one(g), one(m), one(v)], rates, [one(weight_part), one(change_part)]);
        }
    }
    [norm(weight_parts), exact_norm(change_parts, g)]
}

vectorized! { fn adam_rows(
    weights: &mut [f32], gradient: &mut [f32], mean: &mut [f32], square: &mut [f32],
    rates: &[AdamRates], length: usize, norms: [&mut [f32]; 2],
) {
    let rows = weights.chunks_exact_mut(length).zip(gradient.chunks_exact_mut(length));
    let rows = rows.zip(mean.chunks_exact_mut(length).zip(square.chunks_exact_mut(length)));
    let [weight_norms, update_norms] = norms;
    let norms = weight_norms.iter_mut().zip(update_norms);
    for (row, (((w, g), (m, v)), (weight_norm, update_norm))) in rows.zip(norms).enumerate() {
        let rates = &rates[row % rates.len()];
        let row = [w, g, m, v];
        [*weight_norm, *update_norm] =
            if rates.decay.is_some() { adam_row::<true>(row, rates) } else { adam_row::<false>(row, rates) };
    }
}}
