//! What all networks have in common: one forward and one backward pass over a batch, on buffers made once.

use super::matrix::{Matrix, Sequence};
use super::mlp::Mlp;
use super::recurrent::{Cell, Gru, Lstm, Plain, Recurrent};
use super::weights::Weights;
use blowup_core::trial::{Gated, Network as NetworkKind, Shape};
use tch::{Kind, Tensor};

/// The buffers of a network for one lane count and batch size.
pub trait Network {
    /// From inputs `[time, lane, batch, inputs]` (time = 1 for an mlp) to outputs `[lane, batch, outputs]`, which `output` gives.
    fn forward(&mut self, weights: &Weights, inputs: &Sequence);

    fn output(&self) -> &Matrix;

    /// From dLoss/doutput to the gradients of all weights. `watch` sees the backprop signal dLoss/dh of every hidden layer, from the output
    /// towards the input (and from the last time step to the first), as it is computed.
    fn backward(
        &mut self,
        weights: &Weights,
        gradients: &Weights,
        inputs: &Sequence,
        signal: &Matrix,
        watch: Option<Watch>,
    );

    /// The hidden layers' outputs `[lane, batch, width]` of the last forward pass, layer by layer, time by time.
    fn activations(&self) -> Vec<(Place, &Tensor)>;
}

/// Sees each hidden layer's backprop signal as it is computed.
pub type Watch<'a> = &'a mut dyn FnMut(Place, &Tensor);

/// Where in a network: layer from 1, time step from 1 in recurrent nets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    pub layer: usize,
    pub time: Option<usize>,
}

/// The network of a shape for `lanes` lanes and `batch` samples.
pub fn new(shape: &Shape, lanes: i64, batch: i64, kind: Kind) -> Box<dyn Network> {
    let outputs = shape.task.outputs as i64;
    match shape.network {
        NetworkKind::Linear => Box::new(Mlp::new(None, 0, false, [lanes, batch, 0], outputs, kind)),
        NetworkKind::Mlp { depth, width, activation, norm, residual } => {
            let stage = super::stage::Stage { activation, norm };
            Box::new(Mlp::new(Some(stage), depth, residual, [lanes, batch, width as i64], outputs, kind))
        }
        NetworkKind::Rnn { depth, width, activation, norm, sequence_length } => {
            let stage = super::stage::Stage { activation, norm };
            let size = [lanes, batch, width as i64];
            let cell = |_| Box::new(Plain::new(stage, sequence_length, size, kind)) as Box<dyn Cell>;
            Box::new(Recurrent::new((0..depth).map(cell).collect(), sequence_length, size, outputs, kind))
        }
        NetworkKind::Gated { cell, depth, width, sequence_length, .. } => {
            let size = [lanes, batch, width as i64];
            let cell = |_| match cell {
                Gated::Lstm => Box::new(Lstm::new(sequence_length, size, kind)) as Box<dyn Cell>,
                Gated::Gru => Box::new(Gru::new(sequence_length, size, kind)),
            };
            Box::new(Recurrent::new((0..depth).map(cell).collect(), sequence_length, size, outputs, kind))
        }
    }
}
