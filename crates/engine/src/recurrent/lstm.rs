//! Long short-term memory, as `torch.nn.LSTM`. The gates i, f, g and o come from x_t W + b +
//! h_{t-1} R + r; c_t = f c_{t-1} + i g and h_t = o tanh(c_t). The backprop signal is dLoss/dh_t;
//! what grows or vanishes through time is dLoss/dc_t.

use super::cell::{Deltas, RecurrentCell, both_biases, gate_inputs};
use crate::matrix::{Matrix, Operand};
use crate::weights::LayerParameters;
use tch::{Kind, Tensor};

/// A layer of long short-term memory with its buffers.
pub struct Lstm {
    steps: Vec<LstmStep>,
    sum: Matrix,
    biases: Option<Matrix>,
    /// dLoss with respect to the inputs of the gates, `[lane, batch, 4 width]`, and views of it for
    /// each gate.
    delta: Matrix,
    deltas: GateViews,
    /// dLoss/dc, `[lane, batch, width]`, of even and of odd time steps. Once the backward pass of
    /// time step t has made dLoss/dc_t in one of them, the other one holds the part of
    /// dLoss/dc_{t-1} that comes directly from c_t.
    cell_signals: [Matrix; 2],
    /// The part of dLoss/dc_t that comes through h_t.
    through_state: Matrix,
}

struct LstmStep {
    /// The gates, `[lane, batch, 4 width]`, first before and then after their activations.
    gates: Matrix,
    views: GateViews,
    cell: Matrix,
    tanh_cell: Matrix,
    state: Matrix,
}

struct GateViews {
    input: Tensor,
    forget: Tensor,
    candidate: Tensor,
    output: Tensor,
}

impl GateViews {
    fn of(gates: &Tensor) -> GateViews {
        let width = gates.size()[2] / 4;
        let [input, forget, candidate, output] = [0, 1, 2, 3].map(|gate| gates.narrow(2, gate * width, width));
        GateViews { input, forget, candidate, output }
    }
}

impl Lstm {
    /// `times` is the number of time steps. `size` is the number of lanes, the batch size and the
    /// width.
    pub fn new(times: usize, size: [i64; 3], kind: Kind) -> Lstm {
        let [lanes, batch, width] = size;
        let zeros = |size| Matrix::zeros(size, kind);
        let gates = || zeros([lanes, batch, 4 * width]);
        let step = |_| {
            let gates = gates();
            LstmStep {
                views: GateViews::of(&gates),
                gates,
                cell: zeros(size),
                tanh_cell: zeros(size),
                state: zeros(size),
            }
        };
        let delta = gates();
        Lstm {
            steps: (0..times).map(step).collect(),
            sum: zeros([lanes, 1, 4 * width]),
            biases: None,
            deltas: GateViews::of(&delta),
            delta,
            cell_signals: [zeros(size), zeros(size)],
            through_state: zeros(size),
        }
    }

    /// After the backward pass of time step `t`, the part of dLoss/dc that reaches the cell before
    /// it directly, `[lane, batch, width]`.
    pub fn handed_back(&self, t: usize) -> &Tensor {
        &self.cell_signals[(t + 1) % 2]
    }
}

impl RecurrentCell for Lstm {
    fn prepare(&mut self, layer: &LayerParameters) {
        self.biases = both_biases(layer, &self.sum);
    }

    fn forward(&mut self, t: usize, x: Operand, layer: &LayerParameters) {
        let (past, now) = self.steps.split_at_mut(t);
        let (before, step) = (past.last(), &mut now[0]);
        gate_inputs(x, before.map(|step| &step.state), layer, self.biases.as_ref(), &step.gates);
        let GateViews { input, forget, candidate, output } = &mut step.views;
        drop(input.sigmoid_());
        drop(forget.sigmoid_());
        drop(candidate.tanh_());
        drop(output.sigmoid_());
        drop(input.mul_out(&step.cell, candidate));
        if let Some(before) = before {
            drop(step.cell.shallow_clone().addcmul_(forget, &before.cell));
        }
        drop(step.cell.tanh_out(&step.tanh_cell));
        drop(output.mul_out(&step.state, &step.tanh_cell));
    }

    fn state(&self, t: usize) -> &Matrix {
        &self.steps[t].state
    }

    fn carried(&self, t: usize) -> Option<&Tensor> {
        Some(&self.cell_signals[t % 2])
    }

    fn backward<'a>(
        &'a self,
        t: usize,
        signal: &'a Matrix,
        _: &LayerParameters,
        _: &LayerParameters,
        add: bool,
    ) -> Deltas<'a> {
        let LstmStep { views, tanh_cell, .. } = &self.steps[t];
        let GateViews { input, forget, candidate, output } = &self.deltas;
        drop(signal.mul_out(&self.through_state, &views.output));
        drop(Tensor::tanh_backward_grad_input(&self.through_state, &self.through_state, tanh_cell));
        let [cell_signal, next] = [t, t + 1].map(|t| &self.cell_signals[t % 2]);
        if add {
            drop(cell_signal.shallow_clone().g_add_(&self.through_state));
        } else {
            cell_signal.shallow_clone().copy_(&self.through_state);
        }
        drop(signal.mul_out(output, tanh_cell));
        drop(Tensor::sigmoid_backward_grad_input(output, output, &views.output));
        drop(cell_signal.mul_out(input, &views.candidate));
        drop(Tensor::sigmoid_backward_grad_input(input, input, &views.input));
        drop(cell_signal.mul_out(candidate, &views.input));
        drop(Tensor::tanh_backward_grad_input(candidate, candidate, &views.candidate));
        match t.checked_sub(1) {
            Some(before) => drop(cell_signal.mul_out(forget, &self.steps[before].cell)),
            None => drop(cell_signal.mul_scalar_out(forget, 0.0)),
        }
        drop(Tensor::sigmoid_backward_grad_input(forget, forget, &views.forget));
        drop(cell_signal.mul_out(next, &views.forget));
        Deltas { input: &self.delta, recurrent: None, bias_is_done: false }
    }
}
