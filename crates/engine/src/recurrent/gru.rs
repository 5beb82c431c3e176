//! The gated recurrent unit, as `torch.nn.GRU`. With p = x_t W + b and q = h_{t-1} R + b', the
//! gates are r = sigmoid(p_r + q_r) and z = sigmoid(p_z + q_z), the candidate is n = tanh(p_n + r
//! q_n), and h_t = (1 - z) n + z h_{t-1}. The backprop signal is dLoss/dh_t.

use super::cell::{Deltas, RecurrentCell};
use crate::matrix::{Matrix, Operand};
use crate::product::affine;
use crate::weights::LayerParameters;
use tch::{Kind, Tensor};

/// A layer of gated recurrent units with its buffers.
pub struct Gru {
    steps: Vec<GruStep>,
    width: i64,
    input_delta: Matrix,
    recurrent_delta: Matrix,
    /// The part of dLoss/dh_t that reaches h_{t-1} directly, through z h_{t-1}.
    carried: Matrix,
}

struct GruStep {
    /// First p, then the gates and the candidate, `[lane, batch, 3 width]`.
    gates: Matrix,
    /// q, `[lane, batch, 3 width]`.
    recurrent: Matrix,
    /// h_{t-1} - n, `[lane, batch, width]`.
    difference: Matrix,
    state: Matrix,
}

impl Gru {
    /// `times` is the number of time steps. `size` is the number of lanes, the batch size and the
    /// width.
    pub fn new(times: usize, size: [i64; 3], kind: Kind) -> Gru {
        let [lanes, batch, width] = size;
        let zeros = |size| Matrix::zeros(size, kind);
        let gates = || zeros([lanes, batch, 3 * width]);
        let step = |_| GruStep { gates: gates(), recurrent: gates(), difference: zeros(size), state: zeros(size) };
        Gru {
            steps: (0..times).map(step).collect(),
            width,
            input_delta: gates(),
            recurrent_delta: gates(),
            carried: zeros(size),
        }
    }

    /// After the backward pass of a time step, the part of dLoss/dh that reaches the state before
    /// it directly, `[lane, batch, width]`.
    pub fn carried_signal(&self) -> &Tensor {
        &self.carried
    }

    /// Returns views of the reset gate, the update gate and the candidate, each
    /// `[lane, batch, width]`.
    fn views(&self, gates: &Tensor) -> [Tensor; 3] {
        [0, 1, 2].map(|gate| gates.narrow(2, gate * self.width, self.width))
    }
}

impl RecurrentCell for Gru {
    fn prepare(&mut self, _: &LayerParameters) {}

    fn forward(&mut self, t: usize, x: Operand, layer: &LayerParameters) {
        let GruStep { gates, recurrent, difference, state } = &self.steps[t];
        affine(x, &layer.weight, layer.bias.as_ref(), gates);
        let before = t.checked_sub(1).map(|before| &self.steps[before].state);
        let matrix = layer.recurrent.as_ref().expect("a recurrent layer has a recurrent matrix");
        match (before, &layer.recurrent_bias) {
            (Some(before), bias) => affine(before, matrix, bias.as_ref(), recurrent),
            (None, Some(bias)) => recurrent.shallow_clone().copy_(&bias.expand_as(recurrent)),
            (None, None) => drop(recurrent.shallow_clone().zero_()),
        }
        let ([mut reset, mut update, mut candidate], [q_reset, q_update, q_candidate]) =
            (self.views(gates), self.views(recurrent));
        drop(reset.g_add_(&q_reset));
        drop(reset.sigmoid_());
        drop(update.g_add_(&q_update));
        drop(update.sigmoid_());
        drop(candidate.addcmul_(&reset, &q_candidate));
        drop(candidate.tanh_());
        match before {
            Some(before) => drop(before.sub_out(difference, &candidate)),
            None => drop(candidate.neg_out(difference)),
        }
        drop(candidate.addcmul_out(state, &update, difference));
    }

    fn state(&self, t: usize) -> &Matrix {
        &self.steps[t].state
    }

    fn backward<'a>(
        &'a self,
        t: usize,
        signal: &'a Matrix,
        _: &LayerParameters,
        _: &LayerParameters,
        add: bool,
    ) -> Deltas<'a> {
        let GruStep { gates, recurrent, difference, .. } = &self.steps[t];
        if add {
            drop(signal.shallow_clone().g_add_(&self.carried));
        }
        let ([reset, update, candidate], [_, _, q_candidate]) = (self.views(gates), self.views(recurrent));
        let [d_reset, d_update, d_candidate] = self.views(&self.input_delta);
        drop(signal.mul_out(&self.carried, &update));
        drop(signal.sub_out(&d_candidate, &self.carried));
        drop(Tensor::tanh_backward_grad_input(&d_candidate, &d_candidate, &candidate));
        drop(signal.mul_out(&d_update, difference));
        drop(Tensor::sigmoid_backward_grad_input(&d_update, &d_update, &update));
        drop(d_candidate.mul_out(&d_reset, &q_candidate));
        drop(Tensor::sigmoid_backward_grad_input(&d_reset, &d_reset, &reset));
        self.recurrent_delta.shallow_clone().copy_(&self.input_delta);
        let [_, _, through_reset] = self.views(&self.recurrent_delta);
        drop(d_candidate.mul_out(&through_reset, &reset));
        Deltas { input: &self.input_delta, recurrent: Some(&self.recurrent_delta), bias_is_done: false }
    }
}
