//! The heads of an attention: queries, keys and values side by side, as a product gives them,
//! become a matrix of tokens for each head of each sample, and back.

use crate::fused::{self, SideBySide};
use crate::matrix::Matrix;
use crate::{device, dtype};
use tch::{Kind, Tensor};

/// The sizes of an attention.
#[derive(Debug, Clone, Copy)]
pub struct HeadSize {
    pub lanes: i64,
    pub batch: i64,
    pub tokens: i64,
    pub heads: i64,
    /// The width of a head.
    pub head: i64,
}

impl HeadSize {
    /// The size of a matrix of tokens for each head of each sample: `[lane x batch x head, tokens,
    /// cols]`.
    pub fn of(self, cols: i64) -> [i64; 3] {
        [self.lanes * self.batch * self.heads, self.tokens, cols]
    }

    /// How the heads of a matrix `[lane, batch x tokens, parts x width]` lie.
    fn side_by_side(self, matrix: &Tensor) -> SideBySide {
        let HeadSize { tokens, heads, head, .. } = self;
        let parts = matrix.size()[2] / (heads * head);
        let [tokens, parts, heads, head] = [tokens, parts, heads, head].map(|size| size as usize);
        SideBySide { tokens, parts, heads, head }
    }

    /// The heads of a matrix `[lane, batch x tokens, parts x width]`, as a view
    /// `[lane x batch, head, tokens, width of a head]` of one of its parts.
    fn view(self, side_by_side: &Tensor, part: i64) -> Tensor {
        let HeadSize { lanes, batch, tokens, heads, head } = self;
        let parts = side_by_side.size()[2] / (heads * head);
        let all = side_by_side.view([lanes * batch, tokens, parts, heads, head]);
        all.select(2, part).transpose(1, 2)
    }

    /// The same view of a matrix of tokens for each head.
    fn view_of_heads(self, by_head: &Tensor) -> Tensor {
        by_head.view([self.lanes * self.batch, self.heads, self.tokens, self.head])
    }

    /// Copies a part of `side_by_side` to `by_head`, times `factor`.
    pub fn split(self, side_by_side: &Tensor, part: i64, factor: f64, by_head: &Matrix) {
        if device::fuses(by_head.kind()) {
            let size = self.side_by_side(side_by_side);
            return fused::split_heads(size, side_by_side, part as usize, factor as f32, by_head);
        }
        copy(&self.view(side_by_side, part), factor, &self.view_of_heads(by_head));
    }

    /// Copies `by_head`, times `factor`, to a part of `side_by_side`.
    pub fn merge(self, by_head: &Tensor, factor: f64, side_by_side: &Tensor, part: i64) {
        if device::fuses(by_head.kind()) {
            let size = self.side_by_side(side_by_side);
            return fused::merge_heads(size, by_head, factor as f32, side_by_side, part as usize);
        }
        copy(&self.view_of_heads(by_head), factor, &self.view(side_by_side, part));
    }
}

fn copy(from: &Tensor, factor: f64, to: &Tensor) {
    match factor {
        1.0 => to.shallow_clone().copy_(from),
        factor => drop(from.mul_scalar_out(to, factor)),
    }
}

/// The rotation of queries and keys by their places in the sequence (RoPE, Su 2021). The numbers i
/// and i + d/2 of a head of width d are turned by place x 10000^(-2i/d), with places from 0.
pub struct Rope {
    /// `[tokens, d/2]`.
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    pub fn new(tokens: i64, head: i64, kind: Kind) -> Rope {
        let half = head / 2;
        let angle = |at: i64| (at / half) as f64 * 1e4f64.powf(-2.0 * (at % half) as f64 / head as f64);
        let table = |of: fn(f64) -> f64| {
            let values: Vec<f64> = (0..tokens * half).map(|at| of(angle(at))).collect();
            device::upload(Tensor::from_slice(&values).view([tokens, half]).to_kind(dtype::inner(kind)))
        };
        Rope { cos: table(f64::cos), sin: table(f64::sin) }
    }

    /// Turns `[.., tokens, d]` in place.
    pub fn turn(&self, by_head: &Matrix) {
        self.rotate(by_head, &self.sin);
    }

    /// Turns a derivative back, in place.
    pub fn turn_back(&self, by_head: &Matrix) {
        self.rotate(by_head, &-&self.sin);
    }

    fn rotate(&self, by_head: &Matrix, sin: &Tensor) {
        let halves = by_head.chunk(2, 2);
        let wide = [&halves[0], &halves[1]].map(|half| half.to_kind(sin.kind()));
        let [a, b] = [&wide[0] * &self.cos - &wide[1] * sin, &wide[1] * &self.cos + &wide[0] * sin];
        halves[0].shallow_clone().copy_(&a);
        halves[1].shallow_clone().copy_(&b);
    }
}
