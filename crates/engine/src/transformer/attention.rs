//! Attention with several heads, forward and backward. With q, k and v the queries, keys and values
//! of a head, the logits are `scale` q k^T, the weights their softmax over the tokens that a token
//! may attend to, and the output is the weights times v. Between them may lie a norm of q and k, a
//! rotation of both by their places, and a cap of the logits.

use super::heads::{HeadSize, Rope};
use super::softmax::{self, Attended};
use crate::matrix::Matrix;
use crate::norm::{Learned, NormKind, Statistics};
use crate::product::multiply;
use crate::weights::LayerParameters;
use blowup_core::trial::{self, Position, Transformer};
use tch::{Kind, Tensor};

/// The attention of one block, with what its backward pass needs of the forward pass.
pub struct Attention {
    size: HeadSize,
    scale: f64,
    is_causal: bool,
    /// The queries, keys and values as the product gives them, `[lane, batch x tokens, 3 width]`.
    pub joint: Matrix,
    /// The norms of queries and keys, with their inputs. The shape of all that is by head is
    /// `[lane x batch x head, tokens, width of a head]`.
    qk_norm: Option<[(Statistics, Matrix); 2]>,
    rope: Option<Rope>,
    /// The queries times the scale.
    q: Matrix,
    k: Matrix,
    v: Matrix,
    /// The cap, and the logits under it, `[lane x batch x head, tokens, tokens]`.
    capped: Option<(f64, Matrix)>,
    /// `[lane x batch x head, tokens, tokens]`.
    weights: Matrix,
    mixed: Matrix,
    /// `[lane, batch x tokens, width]`.
    pub output: Matrix,
}

/// Memory that all blocks use one after the other.
pub struct Scratch {
    /// The logits in a forward pass, and derivatives by weights and logits in a backward pass.
    square: Matrix,
    /// Derivatives by queries, keys, values and the outputs of heads.
    by_head: [Matrix; 4],
    /// The derivative by the queries, keys and values side by side.
    pub joint: Matrix,
}

impl Scratch {
    pub fn new(size: HeadSize, kind: Kind) -> Scratch {
        let width = size.heads * size.head;
        Scratch {
            square: Matrix::zeros(size.of(size.tokens), kind),
            by_head: [(); 4].map(|()| Matrix::zeros(size.of(size.head), kind)),
            joint: Matrix::zeros([size.lanes, size.batch * size.tokens, 3 * width], kind),
        }
    }
}

impl Attention {
    pub fn new(transformer: &Transformer, size: HeadSize, kind: Kind) -> Attention {
        let width = size.heads * size.head;
        let rows = size.batch * size.tokens;
        let by_head = || Matrix::zeros(size.of(size.head), kind);
        let normed = [size.lanes, size.batch * size.heads * size.tokens, size.head];
        let statistics = || (Statistics::new(NormKind::Rms, normed, kind), Matrix::zeros(normed, kind));
        let cap = Some(transformer.logit_softcap.0).filter(|cap| cap.is_finite());
        Attention {
            size,
            scale: transformer.attention_scale.0,
            is_causal: transformer.attention == trial::Attention::Causal,
            joint: Matrix::zeros([size.lanes, rows, 3 * width], kind),
            qk_norm: transformer.qk_norm.then(|| [(); 2].map(|()| statistics())),
            rope: (transformer.position == Position::Rope).then(|| Rope::new(size.tokens, size.head, kind)),
            q: by_head(),
            k: by_head(),
            v: by_head(),
            capped: cap.map(|cap| (cap, Matrix::zeros(size.of(size.tokens), kind))),
            weights: Matrix::zeros(size.of(size.tokens), kind),
            mixed: by_head(),
            output: Matrix::zeros([size.lanes, rows, width], kind),
        }
    }

    /// A matrix by head as `[lane, batch x head x tokens, width of a head]`, in the same memory.
    fn by_lane(&self, by_head: &Matrix) -> Matrix {
        let HeadSize { lanes, head, .. } = self.size;
        Matrix::of(by_head.view([lanes, -1, head]))
    }

    /// The product of queries and keys, times the scale, before any cap.
    fn product(&self, target: &Matrix) {
        multiply(&self.q, self.k.transposed(), target);
    }

    /// Computes `output` from `joint`, and returns what is measured of each lane.
    pub fn forward(&self, layer: &LayerParameters, scratch: &Scratch) -> Vec<Attended> {
        let Attention { size, q, k, v, .. } = self;
        match &self.qk_norm {
            None => {
                let factor = if self.rope.is_none() { self.scale } else { 1.0 };
                size.split(&self.joint, 0, factor, q);
                size.split(&self.joint, 1, 1.0, k);
            }
            Some(norms) => {
                let learned = qk_scales(layer);
                for (part, ((statistics, raw), to)) in norms.iter().zip([q, k]).enumerate() {
                    let by_head = Matrix::of(raw.view(size.of(size.head)));
                    size.split(&self.joint, part as i64, 1.0, &by_head);
                    statistics.forward(learned[part], raw, &self.by_lane(to));
                }
            }
        }
        size.split(&self.joint, 2, 1.0, v);
        if let Some(rope) = &self.rope {
            rope.turn(q);
            rope.turn(k);
        }
        if self.qk_norm.is_some() || self.rope.is_some() {
            drop(q.shallow_clone().g_mul_scalar_(self.scale));
        }
        let logits = self.capped.as_ref().map_or(&scratch.square, |(_, logits)| logits);
        self.product(logits);
        if let Some((cap, logits)) = &self.capped {
            let mut logits = logits.shallow_clone();
            drop(logits.g_div_scalar_(*cap));
            drop(logits.tanh_());
            drop(logits.g_mul_scalar_(*cap));
        }
        let attended = softmax::forward(logits, self.is_causal, &self.weights, size);
        multiply(&self.weights, v, &self.mixed);
        size.merge(&self.mixed, 1.0, &self.output, 0);
        attended
    }

    /// Writes dLoss/djoint to the scratch, given dLoss/doutput in `signal`, and the gradients of
    /// the scales of queries and keys.
    pub fn backward(&self, layer: &LayerParameters, gradient: &LayerParameters, signal: &Matrix, scratch: &Scratch) {
        let Attention { size, q, k, v, weights, .. } = self;
        let Scratch { square, by_head: [d_q, d_k, d_v, d_mixed], joint } = scratch;
        size.split(signal, 0, 1.0, d_mixed);
        multiply(weights.transposed(), d_mixed, d_v);
        multiply(d_mixed, v.transposed(), square);
        softmax::backward(weights, self.is_causal, square);
        if let Some((cap, logits)) = &self.capped {
            // d tanh(z) = 1 - tanh(z)^2, and the logit under the cap is cap tanh(z).
            let slope = logits.square().g_mul_scalar_(-1.0 / (cap * cap)) + 1.0;
            drop(square.shallow_clone().g_mul_(&slope));
        }
        multiply(square, k, d_q);
        multiply(square.transposed(), q, d_k);
        if let Some(rope) = &self.rope {
            rope.turn_back(d_q);
            rope.turn_back(d_k);
        }
        let factor = match &self.qk_norm {
            None => self.scale,
            Some(norms) => {
                drop(d_q.shallow_clone().g_mul_scalar_(self.scale));
                let (learned, gradients) = (qk_scales(layer), qk_scales(gradient));
                for (part, ((statistics, raw), delta)) in norms.iter().zip([d_q, d_k]).enumerate() {
                    statistics.backward(learned[part], gradients[part], raw, &self.by_lane(delta), false);
                }
                1.0
            }
        };
        size.merge(d_q, factor, joint, 0);
        size.merge(d_k, 1.0, joint, 1);
        size.merge(d_v, 1.0, joint, 2);
    }

    /// The tensors of the last forward pass, in their order, each `[lane x batch x head, ..]`:
    /// queries, keys, values, logits before any cap, weights, and the outputs of the heads. The
    /// logits are computed anew.
    pub fn parts(&self) -> [Tensor; 6] {
        let logits = Matrix::of(self.weights.empty_like());
        self.product(&logits);
        let [q, k, v, weights, mixed] =
            [&self.q, &self.k, &self.v, &self.weights, &self.mixed].map(|matrix| matrix.shallow_clone());
        [q, k, v, logits.shallow_clone(), weights, mixed]
    }
}

/// The learned scales of queries and keys, or their gradients.
fn qk_scales(layer: &LayerParameters) -> [Learned<'_>; 2] {
    [&layer.query_scale, &layer.key_scale]
        .map(|scale| Learned { scale: scale.as_ref().expect("normalized queries have a scale"), shift: None })
}
