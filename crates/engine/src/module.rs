//! What all networks have in common: a forward and a backward pass over a batch, on buffers that
//! are made once.

use super::matrix::{Matrix, Sequence};
use super::transformer::Attended;
use super::weights::Weights;
use blowup_core::verdict::Tensor as SiteTensor;
use tch::Tensor;

/// A network with its buffers, for one number of lanes and one batch size.
pub trait Module {
    /// Computes the outputs `[lane, batch, outputs]`, which `output` then returns, from `inputs`
    /// `[time, lane, batch, inputs]`. The time dimension is 1 for an mlp.
    fn forward(&mut self, weights: &Weights, inputs: &Sequence);

    /// The outputs of the last forward pass, `[lane, batch, outputs]`.
    fn output(&self) -> &Matrix;

    /// Writes the gradients of all weights, given `signal`, which is dLoss/doutput
    /// `[lane, batch, outputs]`.
    ///
    /// `watch` is called with the backprop signal dLoss/dh of every hidden layer as soon as it is
    /// computed: from the output towards the input, and from the last time step to the first.
    fn backward(
        &mut self,
        weights: &Weights,
        gradients: &Weights,
        inputs: &Sequence,
        signal: &Matrix,
        watch: Option<Watch>,
    );

    /// The hidden layers' outputs `[lane, batch, width]` of the last forward pass, by layer, then
    /// by time step. Of a transformer they are the embedding and what each block hands on,
    /// `[lane, batch x tokens, width]`.
    fn activations(&self) -> Vec<(Location, &Tensor)>;

    /// What the activation functions returned in the last forward pass `[lane, batch, width]`, with
    /// the layer, counted from 1: by layer, then by time step. Gated cells have no single function.
    fn activated(&self) -> Vec<(usize, &Tensor)>;

    /// What was measured of the attention in the last forward pass, by block and lane. None of a
    /// network without attention.
    fn attended(&self) -> Option<&[Vec<Attended>]> {
        None
    }

    /// The tensors of the last forward pass before the output, in the order in which they were
    /// computed.
    fn parts(&self) -> Vec<Part> {
        let part = |(place, values): (Location, &Tensor)| Part {
            tensor: SiteTensor::Activation,
            place,
            heads: None,
            values: values.shallow_clone(),
        };
        self.activations().into_iter().map(part).collect()
    }
}

/// A tensor of a forward pass.
pub struct Part {
    pub tensor: SiteTensor,
    pub place: Location,
    /// The number of heads, where the tensor is `[lane x batch x head, ..]`; else it is
    /// `[lane, batch, ..]`, or `[lane, batch x tokens, ..]`.
    pub heads: Option<usize>,
    pub values: Tensor,
}

/// A function that is called with the signals of each hidden layer.
pub type Watch<'a> = &'a mut dyn FnMut(Location, Signal);

/// What goes back through a layer, `[lane, batch, width]`.
#[derive(Clone, Copy)]
pub struct Signal<'a> {
    /// The backprop signal dLoss/dh.
    pub delta: &'a Tensor,
    /// What the layer carries from step to step: dLoss/dc of an lstm, else the backprop signal.
    pub carried: &'a Tensor,
}

/// A place in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Location {
    /// The layer, counted from 1. It is 0 for the embedding of a transformer.
    pub layer: usize,
    /// The time step, counted from 1, in recurrent networks; else None.
    pub time: Option<usize>,
}
