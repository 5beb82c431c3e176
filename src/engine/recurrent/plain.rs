//! As `torch.nn.RNN`: h_t = x_t W + b + s_{t-1} R + r, s_t = stage(h_t). Its backprop signal is dLoss/dh_t, before the activation.

use super::{Cell, Deltas, both_biases, gate_inputs};
use crate::engine::device;
use crate::engine::stage::{Slot, Stage};
use crate::engine::weights::Layer;
use tch::{Kind, Tensor};

pub struct Plain {
    stage: Stage,
    /// One per time step.
    slots: Vec<Slot>,
    /// The two biases added up, `[lane, 1, width]`; where they are written, and they.
    sum: Tensor,
    biases: Option<Tensor>,
}

impl Plain {
    /// `size`: lanes, batch, width.
    pub fn new(stage: Stage, times: usize, size: [i64; 3], kind: Kind) -> Plain {
        let sum = Tensor::zeros([size[0], 1, size[2]], (kind, device::current()));
        Plain { stage, slots: (0..times).map(|_| stage.slot(size, kind)).collect(), sum, biases: None }
    }
}

impl Cell for Plain {
    fn prepare(&mut self, layer: &Layer) {
        self.biases = both_biases(layer, &self.sum);
    }

    fn forward(&mut self, t: usize, x: &Tensor, layer: &Layer) {
        let (past, now) = self.slots.split_at_mut(t);
        let slot = &mut now[0];
        let before = past.last().map(|before| &before.output);
        let linear = |bias: Option<&Tensor>, pre: &Tensor| gate_inputs(x, before, layer, bias, pre);
        self.stage.forward(slot, layer, self.biases.as_ref(), linear);
    }

    fn state(&self, t: usize) -> &Tensor {
        &self.slots[t].output
    }

    fn backward(&mut self, t: usize, signal: &Tensor, layer: &Layer, gradient: &Layer, add: bool) -> Deltas {
        self.stage.backward(&self.slots[t], layer, gradient, signal, add);
        Deltas { input: signal.shallow_clone(), recurrent: None, bias_is_done: true }
    }
}
