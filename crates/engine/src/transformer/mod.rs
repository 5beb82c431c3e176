//! Transformers: an embedding of each token, blocks of attention and an MLP ([`block`]), and an
//! output layer that reads every token or the last one.
//!
//! Tokens are rows: what a pass leaves is `[lane, batch x tokens, width]`, sample by sample, so
//! that a layer is one product for each lane.

mod attention;
mod block;
mod branch;
mod heads;
mod places;
mod softmax;

pub use places::{Places, layout};
pub use softmax::Attended;

use crate::matrix::{Matrix, Sequence};
use crate::module::{Location, Module, Part, Signal, Watch};
use crate::norm::{NormKind, Statistics};
use crate::product::{add_product, affine, multiply};
use crate::weights::Weights;
use block::{Block, Parameters, Scratch, sum_over_rows};
use blowup_core::trial::{self, Shape};
use blowup_core::verdict::Tensor as SiteTensor;
use heads::HeadSize;
use tch::{Kind, Tensor};

/// A transformer with its buffers.
pub struct Transformer {
    of: trial::Transformer,
    size: HeadSize,
    /// The inputs of all tokens, `[lane, batch x tokens, inputs]`.
    tokens: Matrix,
    /// `[lane, batch x tokens, width]`.
    embedded: Matrix,
    blocks: Vec<Block>,
    scratch: Scratch,
    read: Read,
    output: Matrix,
    /// The backprop signal of the residual stream, `[lane, batch x tokens, width]`.
    signal: Matrix,
    attended: Vec<Vec<Attended>>,
}

/// What the output layer reads.
struct Read {
    /// The last tokens, `[lane, batch, width]`. None where every token is read.
    last: Option<Matrix>,
    /// The norm before the output layer.
    norm: Option<(Statistics, Matrix)>,
    /// The derivative by what the output layer reads. None where that is the signal of the stream.
    delta: Option<Matrix>,
}

/// The numbers of lanes, of samples and of outputs.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub lanes: i64,
    pub batch: i64,
    pub outputs: i64,
}

impl Transformer {
    pub fn new(shape: &Shape, of: &trial::Transformer, size: Size, kind: Kind) -> Transformer {
        let Size { lanes, batch, outputs } = size;
        let (tokens, width) = (of.sequence_length as i64, of.width as i64);
        let rows = batch * tokens;
        let zeros = |rows, cols| Matrix::zeros([lanes, rows, cols], kind);
        let size = HeadSize { lanes, batch, tokens, heads: of.heads as i64, head: of.head_width() as i64 };
        let reads_all = shape.task.kind.asks_at_every_step();
        let read_rows = if reads_all { rows } else { batch };
        let norm = NormKind::of_blocks(of.norm).filter(|_| of.norm.is_before());
        let norm = norm.map(|of| (Statistics::new(of, [lanes, read_rows, width], kind), zeros(read_rows, width)));
        Transformer {
            of: *of,
            size,
            tokens: zeros(rows, shape.task.inputs as i64),
            embedded: zeros(rows, width),
            blocks: (0..of.depth).map(|_| Block::new(shape, of, size, kind)).collect(),
            scratch: Scratch::new(of, size, kind),
            read: Read {
                last: (!reads_all).then(|| zeros(batch, width)),
                norm,
                delta: (!reads_all).then(|| zeros(batch, width)),
            },
            output: zeros(read_rows, outputs),
            signal: zeros(rows, width),
            attended: Vec::new(),
        }
    }

    /// The input of a block, or what the last block hands on.
    fn stream(&self, block: usize) -> &Matrix {
        block.checked_sub(1).map_or(&self.embedded, |below| self.blocks[below].output())
    }

    /// The last tokens of a matrix `[lane, batch x tokens, width]`, as a view `[lane, batch,
    /// width]`.
    fn last_of(&self, stream: &Tensor) -> Tensor {
        let HeadSize { lanes, batch, tokens, .. } = self.size;
        stream.view([lanes, batch, tokens, -1]).select(2, tokens - 1)
    }

    /// What the norm before the output layer reads, and what the output layer reads.
    fn top(&self) -> [&Matrix; 2] {
        let read = self.read.last.as_ref().unwrap_or(self.stream(self.blocks.len()));
        [read, self.read.norm.as_ref().map_or(read, |(_, output)| output)]
    }
}

impl Module for Transformer {
    fn forward(&mut self, weights: &Weights, inputs: &Sequence) {
        let HeadSize { lanes, batch, tokens, .. } = self.size;
        let places = Places::of(&self.of);
        let by_sample = inputs.permute([1, 2, 0, 3]);
        self.tokens.view([lanes, batch, tokens, -1]).copy_(&by_sample);
        let embedding = &weights.layers[Places::EMBEDDING];
        multiply(&self.tokens, &embedding.weight, &self.embedded);
        if let Some(position) = &embedding.position {
            let mut all = self.embedded.view([lanes, batch, tokens, -1]);
            drop(all.g_add_(&position.unsqueeze(1)));
        }
        let run = |block: usize| {
            let parameters = Parameters::of(weights, &self.of, block);
            self.blocks[block].forward(self.stream(block), &parameters, &self.scratch)
        };
        self.attended = (0..self.blocks.len()).map(run).collect();
        if let Some(last) = &self.read.last {
            last.shallow_clone().copy_(&self.last_of(self.stream(self.blocks.len())));
        }
        let (layer, [read, top]) = (&weights.layers[places.output()], self.top());
        if let Some((statistics, output)) = &self.read.norm {
            statistics.forward(layer.norm(), read, output);
        }
        affine(top, &layer.weight, layer.bias.as_ref(), &self.output);
    }

    fn output(&self) -> &Matrix {
        &self.output
    }

    fn backward(
        &mut self,
        weights: &Weights,
        gradients: &Weights,
        _: &Sequence,
        signal: &Matrix,
        mut watch: Option<Watch>,
    ) {
        let HeadSize { lanes, batch, tokens, .. } = self.size;
        let places = Places::of(&self.of);
        let (layer, gradient) = (&weights.layers[places.output()], &gradients.layers[places.output()]);
        let [read, top] = self.top();
        if !self.of.tied {
            multiply(top.transposed(), signal, &gradient.weight);
        }
        sum_over_rows(signal, gradient);
        let delta = self.read.delta.as_ref().unwrap_or(&self.signal);
        multiply(signal, layer.weight.transposed(), delta);
        if let Some((statistics, _)) = &self.read.norm {
            statistics.backward(layer.norm(), gradient.norm(), read, delta, false);
        }
        if self.read.last.is_some() {
            drop(self.signal.shallow_clone().zero_());
            self.last_of(&self.signal).copy_(delta);
        }
        for block in (0..self.blocks.len()).rev() {
            if let Some(watch) = watch.as_mut() {
                let place = Location { layer: block + 1, time: None };
                watch(place, Signal { delta: &self.signal, carried: &self.signal });
            }
            let (weights, gradients) =
                (Parameters::of(weights, &self.of, block), Parameters::of(gradients, &self.of, block));
            self.blocks[block].backward(self.stream(block), &weights, &gradients, &self.signal, &self.scratch);
        }
        if let Some(watch) = watch.as_mut() {
            watch(Location { layer: 0, time: None }, Signal { delta: &self.signal, carried: &self.signal });
        }
        let embedding = &gradients.layers[Places::EMBEDDING];
        multiply(self.tokens.transposed(), &self.signal, &embedding.weight);
        if self.of.tied {
            add_product(signal.transposed(), top, &embedding.weight);
        }
        if let Some(position) = &embedding.position {
            let all = self.signal.view([lanes, batch, tokens, -1]);
            drop(all.sum_intlist_out(position, [1i64].as_slice(), false, None::<Kind>));
        }
    }

    fn activated(&self) -> Vec<(usize, &Tensor)> {
        self.blocks.iter().enumerate().filter_map(|(b, block)| Some((b + 1, block.activated()?))).collect()
    }

    fn activations(&self) -> Vec<(Location, &Tensor)> {
        let stream = |layer: usize| (Location { layer, time: None }, &**self.stream(layer));
        (0..=self.blocks.len()).map(stream).collect()
    }

    fn attended(&self) -> Option<&[Vec<Attended>]> {
        Some(&self.attended)
    }

    fn parts(&self) -> Vec<Part> {
        let (heads, mut parts) = (Some(self.of.heads), Vec::new());
        let mut see = |tensor, layer, heads, values: &Tensor| {
            let place = Location { layer, time: None };
            parts.push(Part { tensor, place, heads, values: values.shallow_clone() });
        };
        see(SiteTensor::Residual, 0, None, &self.embedded);
        for (b, block) in self.blocks.iter().enumerate() {
            for (site, by_head, values) in block.parts() {
                see(site, b + 1, heads.filter(|_| by_head), &values);
            }
        }
        if let Some((_, normed)) = &self.read.norm {
            see(SiteTensor::Norm, self.blocks.len() + 1, None, normed);
        }
        parts
    }
}
