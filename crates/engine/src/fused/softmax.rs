//! The softmax of attention logits in f32, row by row, with what is measured of each row.
//!
//! A row sees its first tokens only where attention is causal, so that half of the exponentials
//! are never taken, and the weights of the others are 0.

use super::simd::{PARTS, vectorized};
use crate::elements::{elements, slices};
use crate::matrix::Matrix;

/// Below this number exp is taken as 0. It is the least one for which 2^n below is a normal number.
const LEAST: f32 = -87.0;
/// 1.5 x 2^23. Adding it to a number and subtracting it again rounds the number to an integer.
const ROUNDER: f32 = 12_582_912.0;
const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 as the sum of two parts. The first one is so short that its multiples are exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// Computes exp(x) = 2^n exp(r) for x at most 0, where |r| is at most ln 2 / 2. The result is
/// within 2 units in the last place of the exact value. A NaN stays a NaN.
#[inline(always)]
fn exp(x: f32) -> f32 {
    let shifted = x.mul_add(LOG2_E, ROUNDER);
    let n = shifted - ROUNDER;
    let r = (-n).mul_add(LN2_LOW, (-n).mul_add(LN2_HIGH, x));
    // Taylor's series up to the last term that changes the result.
    let mut e = 1.0 / 5040.0f32;
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        e = e.mul_add(r, coefficient);
    }
    // The low bits of `shifted` hold n.
    let power = f32::from_bits((shifted.to_bits().wrapping_shl(23)).wrapping_add(0x3f80_0000));
    if x < LEAST { 0.0 } else { power * e }
}

/// Computes `weights`, the softmax of each row of `logits`, both `[matrix, tokens, tokens]`. It
/// writes the largest logit and the entropy of each row to `measured`, one after the other. A NaN
/// is never the largest.
///
/// # Panics
/// If the matrices are not contiguous f32 on the CPU, or if `measured` has not two numbers for each
/// row.
pub fn softmax(logits: &Matrix, is_causal: bool, weights: &Matrix, measured: &mut [f32]) {
    let tokens = logits.size()[2] as usize;
    // SAFETY: the matrices are borrowed until the pass ends. The pass runs on this thread and calls
    // nothing of libtorch.
    let ([weights], [logits]) = unsafe { slices([elements::<f32>(weights)], [elements(logits)]) };
    assert_eq!(measured.len(), 2 * logits.len() / tokens);
    rows(logits, weights, measured, tokens, is_causal);
}

/// Turns `signal` from dLoss/dweights into dLoss/dlogits, in place: w (s - sum of s w) in each row.
///
/// # Panics
/// If the matrices are not contiguous f32 on the CPU.
pub fn softmax_backward(weights: &Matrix, is_causal: bool, signal: &Matrix) {
    let tokens = weights.size()[2] as usize;
    // SAFETY: as in `softmax`.
    let ([signal], [weights]) = unsafe { slices([elements::<f32>(signal)], [elements(weights)]) };
    backward_rows(weights, signal, tokens, is_causal);
}

/// The tokens that the row of token `at` of a sequence sees, and how many a pass takes: with those
/// behind them that fill the last block of `PARTS`. What comes of these becomes 0 before it enters
/// a sum.
#[inline(always)]
fn seen(at: usize, tokens: usize, is_causal: bool) -> (usize, usize) {
    let seen = if is_causal { at % tokens + 1 } else { tokens };
    (seen, seen.next_multiple_of(PARTS).min(tokens))
}

/// Adds up a number for each element of a row in `PARTS` parts, and then the parts.
#[inline(always)]
fn sum(count: usize, of: impl Fn(usize) -> f32) -> f32 {
    let mut parts = [0.0f32; PARTS];
    let whole = count / PARTS * PARTS;
    for start in (0..whole).step_by(PARTS) {
        for (part, offset) in parts.iter_mut().zip(0..PARTS) {
            *part += of(start + offset);
        }
    }
    for at in whole..count {
        parts[at - whole] += of(at);
    }
    parts.iter().sum()
}

vectorized! { fn rows(logits: &[f32], weights: &mut [f32], measured: &mut [f32], tokens: usize, is_causal: bool) {
    let all = logits.chunks_exact(tokens).zip(weights.chunks_exact_mut(tokens)).zip(measured.chunks_exact_mut(2));
    for (at, ((logits, weights), measured)) in all.enumerate() {
        let (seen, taken) = seen(at, tokens, is_causal);
        let mut largest = [f32::NEG_INFINITY; PARTS];
        let (blocks, rest) = logits[..seen].as_chunks::<PARTS>();
        for block in blocks {
            largest.iter_mut().zip(block).for_each(|(m, x)| *m = if *x > *m { *x } else { *m });
        }
        largest.iter_mut().zip(rest).for_each(|(m, x)| *m = if *x > *m { *x } else { *m });
        let largest = largest.into_iter().fold(f32::NEG_INFINITY, |m, x| if x > m { x } else { m });
        let logits = &logits[..taken];
        weights.iter_mut().zip(logits).for_each(|(w, x)| *w = exp(*x - largest));
        weights[seen..].fill(0.0);
        let weights = &mut weights[..taken];
        let total = sum(taken, |j| weights[j]);
        // The entropy is ln Z - sum of w x over the row, where x are the logits less the largest.
        let spread = sum(taken, |j| if weights[j] == 0.0 { 0.0 } else { weights[j] * (largest - logits[j]) });
        let share = 1.0 / total;
        weights[..seen].iter_mut().for_each(|w| *w *= share);
        measured[0] = largest;
        measured[1] = total.ln() + spread * share;
    }
}}

vectorized! { fn backward_rows(weights: &[f32], signal: &mut [f32], tokens: usize, is_causal: bool) {
    for (at, (weights, signal)) in weights.chunks_exact(tokens).zip(signal.chunks_exact_mut(tokens)).enumerate() {
        let (seen, taken) = seen(at, tokens, is_causal);
        signal[seen..].fill(0.0);
        let (weights, signal) = (&weights[..taken], &mut signal[..taken]);
        let along = sum(taken, |j| weights[j] * signal[j]);
        signal.iter_mut().zip(weights).for_each(|(s, w)| *s = *w * (*s - along));
        signal[seen..].fill(0.0);
    }
}}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        let mut worst = 0.0f64;
        for step in 0..1_000_000u32 {
            let x = -87.0 * step as f32 / 1e6;
            let exact = f64::from(x).exp();
            let unit = f64::from(f32::from_bits((exact as f32).to_bits() + 1)) - f64::from(exact as f32);
            worst = worst.max((f64::from(exp(x)) - exact).abs() / unit);
        }
        assert!(worst < 2.0, "{worst}");
        assert_eq!((exp(0.0), exp(-88.0), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
        assert!(exp(f32::NAN).is_nan());
    }
}
