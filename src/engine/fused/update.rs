//! Norms of parameters and gradients, and the passes of the optimizers: each operation in PyTorch's order, since where numbers leave the range of f32 it decides
//! what overflows.

use super::{PARTS, elements, vectorized};
use std::ops::Range;
use tch::Tensor;

/// The L2 norm of each row of `rows` `[row, element]` into `target` `[row]`, of squares in f32, as PyTorch's clipping takes it.
pub fn norms(rows: &Tensor, target: &Tensor) {
    let target = elements(target);
    let length = rows.numel() / target.len();
    row_norms(elements(rows), length, false, target);
}

/// As `norms`, and right wherever f32 holds the norm, also where it does not hold the squares.
pub fn exact_norms(rows: &Tensor, target: &Tensor) {
    let target = elements(target);
    let length = rows.numel() / target.len();
    row_norms(elements(rows), length, true, target);
}

/// w += rate x (clip x d), the product by `clip` rounded, the rest rounded once, as in PyTorch's `mul_` and `add_` (where rate x d overflows the sum
/// may not), and, of what it leaves, the norm of each row; `rates` and `clips` are per lane, rows `[layer x lane]`.
pub fn add(weights: &Tensor, direction: &Tensor, rates: &[f32], clips: Option<&[f32]>, target: &Tensor) {
    let target = elements(target);
    let length = weights.numel() / target.len();
    add_and_norm(elements(weights), elements(direction), rates, clips, length, target);
}

/// What one lane's step of Adam takes, each rounded to f32 once, as PyTorch's operations take it.
#[derive(Debug, Clone, Copy)]
pub struct AdamRates {
    /// 1 - beta1, the weight of `lerp_`.
    pub weight: f32,
    pub beta2: f32,
    pub one_minus_beta2: f32,
    /// Of the correction of the second moment.
    pub root: f32,
    pub eps: f32,
    /// Minus the learning rate with the correction of the first moment.
    pub rate: f32,
    /// Under decoupled weight decay: what the weights are multiplied with first, and the share that they lose by it.
    pub decay: Option<(f32, f32)>,
}

/// The parameters of one slice and Adam's state of them, `[layers x lane, element]`.
pub struct AdamSlice<'a> {
    pub weights: &'a Tensor,
    pub gradient: &'a Tensor,
    pub mean: &'a Tensor,
    pub square: &'a Tensor,
}

/// A step of Adam in PyTorch's order: m = lerp(m, g, 1 - beta1), v = beta2 v + ((1 - beta2) g) g, w = keep w + (rate m) / (sqrt(v) / root + eps). What
/// the weights are changed by takes the place of the gradient. The norms of each row of both go to `weight_norms` and `update_norms`.
pub fn adam(slice: &AdamSlice, rates: &[AdamRates], weight_norms: &Tensor, update_norms: &Tensor) {
    let targets = [elements(weight_norms), elements(update_norms)];
    let AdamSlice { weights, gradient, mean, square } = slice;
    let length = weights.numel() / targets[0].len();
    adam_rows(elements(weights), elements(gradient), elements(mean), elements(square), rates, length, targets);
}

/// Of f32 squares; outside, they may have left the range of f32.
const SAFE: Range<f32> = 1e-15..1e18;

#[inline(always)]
fn norm(parts: [f32; PARTS]) -> f32 {
    parts.iter().sum::<f32>().sqrt()
}

/// The norm of a row whose squares were added up to `parts`: again in f64 where that says little.
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

/// parts += x x, one element after the other over the parts.
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

/// w += rate x d of one row; returns the norm of what it leaves.
#[inline(always)]
fn add_row(weights: &mut [f32], direction: &[f32], rate: f32, clipped: impl Fn(f32) -> f32) -> f32 {
    let mut parts = [0.0; PARTS];
    let (w, w_rest) = weights.as_chunks_mut::<PARTS>();
    let (d, d_rest) = direction.as_chunks::<PARTS>();
    for (w, d) in w.iter_mut().zip(d) {
        for ((w, d), part) in w.iter_mut().zip(d).zip(&mut parts) {
            *w = rate.mul_add(clipped(*d), *w);
            *part = w.mul_add(*w, *part);
        }
    }
    for ((w, d), part) in w_rest.iter_mut().zip(d_rest).zip(&mut parts) {
        *w = rate.mul_add(clipped(*d), *w);
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
        *target = match clips.map(|clips| clips[lane]) {
            None => add_row(weights, direction, rates[lane], |d| d),
            Some(clip) => add_row(weights, direction, rates[lane], |d| clip * d),
        };
    }
}}

/// One row of `adam`; returns the norms of the weights and of their change. `decayed`: a weight after decoupled decay, and the change by it added to
/// the other.
#[inline(always)]
fn adam_row(
    [w, g, m, v]: [&mut [f32]; 4],
    rates: &AdamRates,
    decayed: impl Fn(f32) -> f32,
    changed: impl Fn(f32, f32) -> f32,
) -> [f32; 2] {
    let AdamRates { weight, beta2, one_minus_beta2, root, eps, rate, .. } = *rates;
    // The two forms of `torch.lerp`.
    let from_mean = weight.abs() < 0.5;
    let share = if from_mean { weight } else { weight - 1.0 };
    let step = |w: &mut f32, g: &mut f32, m: &mut f32, v: &mut f32| {
        *m = share.mul_add(*g - *m, if from_mean { *m } else { *g });
        *v = (one_minus_beta2 * *g).mul_add(*g, *v * beta2);
        let step = rate * *m / (v.sqrt() / root + eps);
        *g = changed(step, *w);
        *w = decayed(*w) + step;
    };
    let (mut weight_parts, mut change_parts) = ([0.0f32; PARTS], [0.0f32; PARTS]);
    let mut note = |w: &[f32], g: &[f32]| {
        let parts = weight_parts.iter_mut().zip(&mut change_parts);
        for ((w, g), (weight_part, change_part)) in w.iter().zip(g).zip(parts) {
            *weight_part = w.mul_add(*w, *weight_part);
            *change_part = g.mul_add(*g, *change_part);
        }
    };
    let ((ws, w_rest), (gs, g_rest)) = (w.as_chunks_mut::<PARTS>(), g.as_chunks_mut::<PARTS>());
    let ((ms, m_rest), (vs, v_rest)) = (m.as_chunks_mut::<PARTS>(), v.as_chunks_mut::<PARTS>());
    for (((w, g), m), v) in ws.iter_mut().zip(gs).zip(ms).zip(vs) {
        w.iter_mut().zip(&mut *g).zip(m).zip(v).for_each(|(((w, g), m), v)| step(w, g, m, v));
        note(w, g);
    }
    w_rest.iter_mut().zip(&mut *g_rest).zip(m_rest).zip(v_rest).for_each(|(((w, g), m), v)| step(w, g, m, v));
    note(w_rest, g_rest);
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
        [*weight_norm, *update_norm] = match rates.decay {
            None => adam_row(row, rates, |w| w, |step, _| step),
            Some((keep, lost)) => adam_row(row, rates, |w| w * keep, |step, w| (-lost).mul_add(w, step)),
        };
    }
}}
