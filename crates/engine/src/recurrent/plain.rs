//! As `torch.nn.RNN`: h_t = x_t W + b + s_{t-1} R + r, s_t = stage(h_t). Its backprop signal is dLoss/dh_t, before the activation.

use super::cell::{Deltas, RecurrentCell, both_biases, gate_inputs};
use crate::matrix::{Matrix, Operand};
use crate::stage::{Slot, Stage};
use crate::weights::LayerParameters;
use tch::Kind;

pub struct Plain {
    stage: Stage,
    /// One per time step.
    slots: Vec<Slot>,
    /// The two biases added up, `[lane, 1, width]`; where they are written, and they.
    sum: Matrix,
    biases: Option<Matrix>,
}

impl Plain {
    /// `size`: lanes, batch, width.
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
