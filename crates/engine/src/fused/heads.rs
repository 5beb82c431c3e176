//! The copies between the queries, keys or values of all heads side by side and a matrix of tokens
//! for each head, in f32. Rows are as short as a head is wide, which libtorch's copy is slow at.

use super::simd::{PARTS, vectorized};
use crate::elements::{elements, slices};
use tch::Tensor;

/// How the heads of a sequence lie side by side: `[tokens, parts x heads x head]`.
#[derive(Debug, Clone, Copy)]
pub struct SideBySide {
    pub tokens: usize,
    /// The number of parts, which are queries, keys and values, or one part alone.
    pub parts: usize,
    pub heads: usize,
    /// The width of a head.
    pub head: usize,
}

impl SideBySide {
    /// The places of the rows of one part, sequence by sequence, head by head, token by token.
    #[inline(always)]
    fn rows(self, part: usize, sequences: usize) -> impl Iterator<Item = usize> {
        let SideBySide { tokens, parts, heads, head } = self;
        let row = parts * heads * head;
        (0..sequences * heads).flat_map(move |at| {
            let (sequence, of_heads) = (at / heads, at % heads);
            let first = sequence * tokens * row + (part * heads + of_heads) * head;
            (0..tokens).map(move |token| first + token * row)
        })
    }

    fn sequences(self, elements: usize) -> usize {
        elements / (self.tokens * self.parts * self.heads * self.head)
    }
}

/// Copies a part of `joint` `[.., tokens, parts x heads x head]`, times `factor`, to `by_head`
/// `[.., heads, tokens, head]`.
///
/// # Panics
/// If the tensors are not contiguous f32 on the CPU, or if their sizes are others.
pub fn split_heads(size: SideBySide, joint: &Tensor, part: usize, factor: f32, by_head: &Tensor) {
    // SAFETY: the tensors are borrowed until the pass ends. The pass runs on this thread and calls
    // nothing of libtorch.
    let ([by_head], [joint]) = unsafe { slices([elements::<f32>(by_head)], [elements(joint)]) };
    assert_eq!(by_head.len() * size.parts, joint.len());
    split(size, joint, part, factor, by_head);
}

/// Copies `by_head`, times `factor`, to a part of `joint`, with the shapes of `split_heads`.
///
/// # Panics
/// As `split_heads`.
pub fn merge_heads(size: SideBySide, by_head: &Tensor, factor: f32, joint: &Tensor, part: usize) {
    // SAFETY: as in `split_heads`.
    let ([joint], [by_head]) = unsafe { slices([elements::<f32>(joint)], [elements(by_head)]) };
    assert_eq!(by_head.len() * size.parts, joint.len());
    merge(size, by_head, factor, joint, part);
}

/// Copies one row, times `factor`.
#[inline(always)]
fn copy(from: &[f32], factor: f32, to: &mut [f32]) {
    let ((from, from_rest), (to, to_rest)) = (from.as_chunks::<PARTS>(), to.as_chunks_mut::<PARTS>());
    for (from, to) in from.iter().zip(to) {
        to.iter_mut().zip(from).for_each(|(to, x)| *to = *x * factor);
    }
    to_rest.iter_mut().zip(from_rest).for_each(|(to, x)| *to = *x * factor);
}

vectorized! { fn split(size: SideBySide, joint: &[f32], part: usize, factor: f32, by_head: &mut [f32]) {
    let rows = size.rows(part, size.sequences(joint.len()));
    for (to, at) in by_head.chunks_exact_mut(size.head).zip(rows) {
        copy(&joint[at..at + size.head], factor, to);
    }
}}

vectorized! { fn merge(size: SideBySide, by_head: &[f32], factor: f32, joint: &mut [f32], part: usize) {
    let rows = size.rows(part, size.sequences(joint.len()));
    for (from, at) in by_head.chunks_exact(size.head).zip(rows) {
        copy(from, factor, &mut joint[at..at + size.head]);
    }
}}
