//! The matrices of a transformer, each of which is a layer of its [`Weights`](crate::weights): the
//! embedding, then block by block the queries, keys and values side by side, the projection of what
//! the heads give, and the two matrices of the MLP, and then the output.
//!
//! A norm before attention or MLP belongs to the matrix behind it, and one behind them to the
//! matrix before it. So does the learned scalar of a residual branch.

use crate::weights::{ParameterGroup, Role};
use blowup_core::trial::{BlockNorm, Position, Shape, Transformer};

/// The places of a transformer's matrices, counted from 0. Blocks count from 0, too.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    depth: usize,
    /// The matrices of a block: four, or two without an MLP.
    each: usize,
}

impl Places {
    pub fn of(transformer: &Transformer) -> Places {
        Places { depth: transformer.depth, each: if transformer.has_mlp() { 4 } else { 2 } }
    }

    pub const EMBEDDING: usize = 0;

    /// The queries, keys and values of a block, `[width, 3 width]`.
    pub fn attention(self, block: usize) -> usize {
        1 + block * self.each
    }

    /// The projection behind the heads, `[width, width]`.
    pub fn projection(self, block: usize) -> usize {
        2 + block * self.each
    }

    /// The first matrix of a block's MLP, `[width, hidden]`.
    pub fn up(self, block: usize) -> usize {
        3 + block * self.each
    }

    /// The second matrix of a block's MLP, `[hidden, width]`.
    pub fn down(self, block: usize) -> usize {
        4 + block * self.each
    }

    /// The output layer, `[width, outputs]`.
    pub fn output(self) -> usize {
        1 + self.depth * self.each
    }

    /// Whether a matrix is the last one of a residual branch: the projection behind the heads, or
    /// the second matrix of an MLP. Every branch has two matrices, and the first one begins at 1.
    pub fn ends_branch(self, matrix: usize) -> bool {
        matrix != Places::EMBEDDING && matrix < self.output() && matrix.is_multiple_of(2)
    }

    /// The number that the layer of a matrix has in files: its block from 1, 0 for the embedding
    /// and depth + 1 for the output.
    pub fn number(self, matrix: usize) -> usize {
        if matrix == Places::EMBEDDING { 0 } else { 1 + (matrix - 1) / self.each }
    }

    /// The name of a matrix in a trace.
    pub fn name(self, matrix: usize) -> String {
        if matrix == Places::EMBEDDING {
            return "embedding".to_owned();
        }
        if matrix == self.output() {
            return "output".to_owned();
        }
        let part = ["attention", "projection", "up", "down"][(matrix - 1) % self.each];
        format!("blocks.{}.{part}", self.number(matrix))
    }

    /// The factors of the initial matrices that stand side by side in the layer of a matrix. They
    /// are 1 but for DeepNorm, which leaves queries and keys, embedding and output as they are.
    pub fn start_factors(self, transformer: &Transformer, matrix: usize) -> Vec<f64> {
        let start = transformer.deepnorm().map_or(1.0, |numbers| numbers.start);
        if matrix == Places::EMBEDDING || matrix == self.output() {
            vec![1.0]
        } else if (matrix - 1).is_multiple_of(self.each) {
            vec![1.0, 1.0, start]
        } else {
            vec![start]
        }
    }

    /// The inputs of a matrix.
    pub fn fan_in(self, transformer: &Transformer, inputs: usize, matrix: usize) -> usize {
        let in_block = matrix != Places::EMBEDDING && matrix != self.output();
        match (matrix, in_block && (matrix - 1) % self.each == 3) {
            (Places::EMBEDDING, _) => inputs,
            (_, true) => transformer.hidden(),
            (_, false) => transformer.width,
        }
    }
}

/// Returns the groups of a transformer's parameters, in a fixed order.
pub fn layout(shape: &Shape, transformer: &Transformer) -> Vec<ParameterGroup> {
    let places = Places::of(transformer);
    let Places { depth, each } = places;
    let (width, hidden, head) = (transformer.width, transformer.hidden(), transformer.head_width());
    let (inputs, outputs) = (shape.task.inputs, shape.task.outputs);
    let mut groups = Vec::new();
    // One in every block, from the matrix at `first` on.
    let mut each_block = |role, first, rows, cols| {
        groups.push(ParameterGroup { stride: each, ..ParameterGroup::new(role, first, depth, rows, cols) });
    };
    let (attention, projection, up, down) = (places.attention(0), places.projection(0), places.up(0), places.down(0));
    each_block(Role::Weight, attention, width, 3 * width);
    each_block(Role::Weight, projection, width, width);
    if transformer.has_mlp() {
        each_block(Role::Weight, up, width, hidden);
        each_block(Role::Weight, down, hidden, width);
    }
    if shape.bias {
        each_block(Role::Bias, attention, 1, 3 * width);
        if transformer.has_mlp() {
            each_block(Role::Bias, up, 1, hidden);
        }
    }
    if transformer.qk_norm {
        each_block(Role::QueryScale, attention, 1, head);
        each_block(Role::KeyScale, attention, 1, head);
    }
    groups[0].abreast = 3;
    // One for attention and one for the MLP, from the matrix at `first` on.
    let each_branch = |role, first, cols| ParameterGroup {
        stride: 2,
        ..ParameterGroup::new(role, first, transformer.branches(), 1, cols)
    };
    if shape.bias {
        groups.push(each_branch(Role::Bias, projection, width));
    }
    let norms = [(transformer.norm.is_before(), attention), (transformer.norm.is_behind(), projection)];
    let last = transformer.norm.is_before().then_some(places.output());
    let shifts = matches!(transformer.norm, BlockNorm::Layer(_));
    for role in [Some(Role::Scale), shifts.then_some(Role::Shift)].into_iter().flatten() {
        groups.extend(norms.iter().filter(|(stands, _)| *stands).map(|(_, first)| each_branch(role, *first, width)));
        groups.extend(last.map(|output| ParameterGroup::new(role, output, 1, 1, width)));
    }
    if transformer.residual && shape.rezero {
        groups.push(each_branch(Role::ResidualWeight, projection, 1));
    }
    let also = transformer.tied.then_some(places.output());
    groups.push(ParameterGroup { also, ..ParameterGroup::new(Role::Weight, Places::EMBEDDING, 1, inputs, width) });
    if transformer.position == Position::Learned {
        let tokens = transformer.sequence_length;
        groups.push(ParameterGroup::new(Role::Position, Places::EMBEDDING, 1, tokens, width));
    }
    let output = |role, rows| ParameterGroup::new(role, places.output(), 1, rows, outputs);
    groups.extend((!transformer.tied).then(|| output(Role::Weight, width)));
    groups.extend(shape.bias.then(|| output(Role::Bias, 1)));
    groups.iter_mut().for_each(|group| group.is_output = group.first_layer == places.output());
    groups
}
