//! The differentiable twin of a transformer.

use super::Leaves;
use crate::norm::{EPS, rms_eps};
use crate::transformer::Places;
use crate::weights::Role;
use blowup_core::trial::{Attention, BlockNorm, Placement, Position, Transformer};
use tch::{Kind, Tensor};

impl Leaves<'_> {
    /// Returns what the output layer reads of inputs `[tokens, batch, inputs]`: every token
    /// `[batch x tokens, width]`, or the last one of each sample `[batch, width]`.
    pub(super) fn tokens(&self, of: &Transformer, inputs: &Tensor) -> Tensor {
        let places = Places::of(of);
        let mut x = inputs.transpose(0, 1).matmul(&self.weight(Role::Weight, Places::EMBEDDING));
        if let Some(position) = self.get(Role::Position, Places::EMBEDDING) {
            x += position;
        }
        for block in 0..of.depth {
            let (first, last) = (places.attention(block), places.projection(block));
            x = self.around(of, x, [first, last], |x| {
                let joint = self.affine(x, first);
                self.affine(&self.attend(of, &joint, first), last)
            });
            if of.has_mlp() {
                let (up, down) = (places.up(block), places.down(block));
                x = self.around(of, x, [up, down], |x| self.affine(&self.activation(self.affine(x, up)), down));
            }
        }
        let read = if self.shape.task.kind.asks_at_every_step() { x.flatten(0, 1) } else { x.select(1, -1) };
        if of.norm.is_before() { self.block_norm(of, read, places.output()) } else { read }
    }

    /// A residual branch with its norms, whose first and last matrix are these.
    fn around(&self, of: &Transformer, x: Tensor, [first, last]: [usize; 2], f: impl Fn(&Tensor) -> Tensor) -> Tensor {
        let placement = of.norm.placement();
        let entered =
            if of.norm.is_before() { self.block_norm(of, x.shallow_clone(), first) } else { x.shallow_clone() };
        let mut branch = f(&entered);
        if placement == Some(Placement::Sandwich) {
            branch = self.block_norm(of, branch, last);
        }
        let input = of.deepnorm().map_or(1.0, |numbers| numbers.input);
        let sum = if of.residual { x * input + self.branch(branch, last) } else { branch };
        if matches!(placement, Some(Placement::Post | Placement::Deepnorm)) {
            self.block_norm(of, sum, last)
        } else {
            sum
        }
    }

    fn block_norm(&self, of: &Transformer, x: Tensor, layer: usize) -> Tensor {
        let standardized = match of.norm {
            BlockNorm::None => return x,
            BlockNorm::Layer(_) => {
                let x = &x - x.mean_dim([-1i64].as_slice(), true, None::<Kind>);
                &x * (x.square().mean_dim([-1i64].as_slice(), true, None::<Kind>) + EPS).rsqrt()
            }
            BlockNorm::Rms(_) => self.root_mean_square(&x),
        };
        self.plus(standardized * self.weight(Role::Scale, layer), Role::Shift, layer)
    }

    /// x divided by its root mean square over the last dimension.
    fn root_mean_square(&self, x: &Tensor) -> Tensor {
        let eps = rms_eps(self.weights.groups[0].kind());
        x * (x.square().mean_dim([-1i64].as_slice(), true, None::<Kind>) + eps).rsqrt()
    }

    /// Attention over queries, keys and values side by side, `[batch, tokens, 3 width]`.
    fn attend(&self, of: &Transformer, joint: &Tensor, layer: usize) -> Tensor {
        let size = joint.size();
        let (heads, head) = (of.heads as i64, of.head_width() as i64);
        let by_head = |part: &Tensor| part.view([size[0], size[1], heads, head]).transpose(1, 2);
        let parts: Vec<Tensor> = joint.chunk(3, -1).iter().map(|part| by_head(&part.contiguous())).collect();
        let prepared = |part: usize, role: Role| {
            let normed = match self.get(role, layer) {
                Some(scale) => self.root_mean_square(&parts[part]) * scale,
                None => parts[part].shallow_clone(),
            };
            if of.position == Position::Rope { rotated(&normed) } else { normed }
        };
        let (q, k) = (prepared(0, Role::QueryScale), prepared(1, Role::KeyScale));
        let mut logits = q.matmul(&k.transpose(-2, -1)) * of.attention_scale.0;
        let cap = of.logit_softcap.0;
        if cap.is_finite() {
            logits = (logits / cap).tanh() * cap;
        }
        if of.attention == Attention::Causal {
            let later = Tensor::ones([size[1], size[1]], (Kind::Bool, joint.device())).triu(1);
            logits = logits.masked_fill(&later, f64::NEG_INFINITY);
        }
        logits.softmax(-1, None::<Kind>).matmul(&parts[2]).transpose(1, 2).flatten(2, 3)
    }
}

/// RoPE in complex numbers: of a head of width d, the pair of the numbers i and i + d/2 is
/// multiplied with exp(sqrt(-1) place 10000^(-2i/d)).
fn rotated(x: &Tensor) -> Tensor {
    let (tokens, head) = (x.size()[2], x.size()[3]);
    let places = Tensor::arange(tokens, (Kind::Double, x.device()));
    let powers = Tensor::arange(head / 2, (Kind::Double, x.device())) * (-2.0 / head as f64 * 1e4f64.ln());
    let angles = places.outer(&powers.exp());
    let turns = Tensor::polar(&angles.ones_like(), &angles);
    let pairs = x.to_kind(Kind::Double).unflatten(-1, [2, head / 2]).transpose(-2, -1).contiguous();
    let turned = pairs.view_as_complex() * turns;
    turned.view_as_real().transpose(-2, -1).flatten(-2, -1).to_kind(x.kind())
}
