//! The softmax of attention logits, forward and backward, and what is measured of it.

use super::heads::HeadSize;
use crate::matrix::Matrix;
use crate::weights::host;
use crate::{device, fused};
use tch::{Kind, Tensor};

/// What is measured of the attention of one block of a lane. A NaN is never a largest or smallest.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Attended {
    /// The largest logit that a softmax saw.
    pub logit_max: Option<f64>,
    /// The entropy of the weights, as a mean over batch and tokens, of the head in which it is
    /// smallest, in nats.
    pub entropy_min: Option<f64>,
}

impl Attended {
    /// The same of both.
    pub fn and(self, other: Attended) -> Attended {
        let both = |pick: fn(f64, f64) -> f64, a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => Some(pick(a, b)),
            (one, None) | (None, one) => one,
        };
        Attended {
            logit_max: both(f64::max, self.logit_max, other.logit_max),
            entropy_min: both(f64::min, self.entropy_min, other.entropy_min),
        }
    }
}

/// Computes `weights`, the softmax of `logits` over the last dimension, both
/// `[lane x batch x head, tokens, tokens]`. A causal one gives no weight to later tokens.
///
/// It returns what is measured of each lane.
pub fn forward(logits: &Matrix, is_causal: bool, weights: &Matrix, size: &HeadSize) -> Vec<Attended> {
    let kind = logits.kind();
    if device::fuses(kind) {
        let mut measured = vec![0.0f32; 2 * (size.lanes * size.batch * size.heads * size.tokens) as usize];
        fused::softmax(logits, is_causal, weights, &mut measured);
        let rows = measured.as_chunks::<2>().0.iter();
        return attended(rows.map(|[largest, entropy]| (f64::from(*largest), f64::from(*entropy))), size);
    }
    let seen = if is_causal { logits.g_add(&mask(size.tokens, kind)) } else { logits.shallow_clone() };
    drop(seen.internal_softmax_out(weights, -1, false));
    let (logits, weights, tokens) = (host(logits), host(weights), size.tokens as usize);
    let rows = logits.chunks_exact(tokens).zip(weights.chunks_exact(tokens)).enumerate();
    attended(
        rows.map(|(at, (logits, weights))| {
            let seen = if is_causal { at % tokens + 1 } else { tokens };
            row(&logits[..seen], &weights[..seen])
        }),
        size,
    )
}

/// The largest logit and the entropy of a row. With m the largest logit and p its weight, the
/// entropy is -ln p plus the sum of w (m - x) over the weights w and the logits x.
fn row(logits: &[f64], weights: &[f64]) -> (f64, f64) {
    let largest = logits.iter().copied().filter(|x| !x.is_nan()).reduce(f64::max).unwrap_or(f64::NAN);
    let peak = weights.iter().fold(0.0, |peak: f64, w| if *w > peak || w.is_nan() { *w } else { peak });
    let spread: f64 = weights.iter().zip(logits).filter(|(w, _)| **w != 0.0).map(|(w, x)| w * (largest - x)).sum();
    (largest, spread - peak.ln())
}

/// Turns `signal` from dLoss/dweights into dLoss/dlogits, in place.
pub fn backward(weights: &Matrix, is_causal: bool, signal: &Matrix) {
    if device::fuses(signal.kind()) {
        return fused::softmax_backward(weights, is_causal, signal);
    }
    let input = signal.copy();
    drop(Tensor::internal_softmax_backward_data_out(signal, &input, weights, -1, signal.kind()));
}

/// What is measured of each lane, given the largest logit and the entropy of each row, by lane,
/// sample, head and token.
fn attended(mut rows: impl Iterator<Item = (f64, f64)>, size: &HeadSize) -> Vec<Attended> {
    let HeadSize { lanes, batch, tokens, heads, .. } = *size;
    let count = (batch * tokens) as f64;
    let measure = |_| {
        let (mut logit_max, mut sums) = (None, vec![0.0; heads as usize]);
        for at in 0..(batch * heads) as usize {
            for (largest, entropy) in rows.by_ref().take(tokens as usize) {
                if !largest.is_nan() {
                    logit_max = Some(logit_max.map_or(largest, |known: f64| known.max(largest)));
                }
                sums[at % heads as usize] += entropy;
            }
        }
        let entropies = sums.into_iter().map(|sum| sum / count).filter(|x| !x.is_nan());
        Attended { logit_max, entropy_min: entropies.reduce(f64::min) }
    };
    (0..lanes).map(measure).collect()
}

/// 0 where a token may attend to another one, and else minus infinity, `[tokens, tokens]`.
fn mask(tokens: i64, kind: Kind) -> Tensor {
    Tensor::full([tokens, tokens], f64::NEG_INFINITY, (kind, device::current())).triu(1)
}
