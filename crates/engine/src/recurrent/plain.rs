//! The plain recurrent cell, as `torch.nn.RNN`: h_t = x_t W + b + s_{t-1} R + r and s_t =
//! stage(h_t), where s_t is the state. The backprop signal is dLoss/dh_t, before the activation.

use super::cell::{Deltas, RecurrentCell, both_biases, gate_inputs};
use crate::matrix::{Matrix, Operand};
use crate::stage::{Slot, Stage};
use crate::weights::LayerParameters;
use tch::{Kind, Tensor};

/// A layer of plain recurrent cells with its buffers.
pub struct Plain {
    stage: Stage,
    /// The buffers of each time step.
    slots: Vec<Slot>,
    /// Memory for the sum of the two biases, `[lane, 1, width]`. `biases` is this sum during a
    /// pass, or None if the layer has no biases.
    sum: Matrix,
    biases: Option<Matrix>,
}

impl Plain {
    /// `times` is the number of time steps. `size` is the number of lanes, the batch size and the
    /// width.
    pub fn new(stage: Stage, times: usize, size: [i64; 3], kind: Kind) -> Plain {
        let sum = Matrix::zeros([size[0], 1, size[2]], kind);
        Plain { stage, slots: (0..times).map(|_| stage.slot(size, kind)).collect(), sum, biases: None }
    }
}

impl RecurrentCell for Plain {
    fn prepare(&mut self, layer: &LayerParameters) {
        self.biases = both_biases(layer, &self.sum);
    }

    fn forward(&mut self, t: usize, x: Operand, layer: &LayerParameters) {
        let before = t.checked_sub(1).map(|before| &self.slots[before].output);
        let linear = |bias: Option<&Matrix>, pre: &Matrix| gate_inputs(x, before, layer, bias, pre);
        self.stage.forward(&self.slots[t], layer, self.biases.as_ref(), linear);
    }

    fn state(&self, t: usize) -> &Matrix {
        &self.slots[t].output
    }

    fn activated(&self, t: usize) -> Option<&Tensor> {
        Some(self.slots[t].activated())
    }

    fn backward<'a>(
        &'a self,
        t: usize,
        signal: &'a Matrix,
        layer: &LayerParameters,
        gradient: &LayerParameters,
        add: bool,
    ) -> Deltas<'a> {
        self.stage.backward(&self.slots[t], layer, gradient, signal, add);
        Deltas { input: signal, recurrent: None, bias_is_done: true }
    }
}
