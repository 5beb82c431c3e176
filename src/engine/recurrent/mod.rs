//! Stacked recurrent networks, trained by backpropagation through time, without truncation: what the cells have in common. The output
//! layer reads the top layer's last state; every state starts at 0.

mod gru;
mod lstm;
mod plain;

pub use gru::Gru;
pub use lstm::Lstm;
pub use plain::Plain;

use super::device;
use super::network::{Network, Place, Watch};
use super::product::{add_product, affine, multiply};
use super::weights::{Layer, Weights};
use tch::{Kind, Tensor};

/// One recurrent layer over all time steps (from 0). Its gates are stacked in the columns of its matrices, in PyTorch's order.
pub trait Cell {
    /// Once before the time steps of a forward pass.
    fn prepare(&mut self, layer: &Layer);

    /// From the input `[lane, batch, in]` at time `t` and the state before it to the state at `t`.
    fn forward(&mut self, t: usize, x: &Tensor, layer: &Layer);

    /// h_t, `[lane, batch, width]`.
    fn state(&self, t: usize) -> &Tensor;

    /// Called from the last time step to the first. `signal` is dLoss/dh_t but for what the cell itself carries back from the step after;
    /// it becomes the backprop signal that this network reports. `add`: not the last time step, so gradients are added to.
    fn backward(&mut self, t: usize, signal: &Tensor, layer: &Layer, gradient: &Layer, add: bool) -> Deltas;
}

/// dLoss by what enters the gates, `[lane, batch, gates x width]`.
pub struct Deltas {
    /// From the input: x W + b.
    pub input: Tensor,
    /// From the state before: h R + r. None if it is the same.
    pub recurrent: Option<Tensor>,
    /// Whether the gradient of the bias was written (or added to) on the way.
    pub bias_is_done: bool,
}

pub struct Recurrent {
    /// One per layer.
    cells: Vec<Box<dyn Cell>>,
    times: usize,
    output: Tensor,
    /// The backprop signals of odd and even layers, one tensor per time step.
    signals: [Vec<Tensor>; 2],
    /// Ones `[lane, 1, batch]`: a product with them adds a signal to a bias gradient over the batch in one pass.
    ones: Tensor,
}

impl Recurrent {
    /// `size`: lanes, batch, width.
    pub fn new(cells: Vec<Box<dyn Cell>>, times: usize, size: [i64; 3], outputs: i64, kind: Kind) -> Recurrent {
        let zeros = |size: [i64; 3]| Tensor::zeros(size, (kind, device::current()));
        let per_time = || (0..times).map(|_| zeros(size)).collect::<Vec<_>>();
        Recurrent {
            times,
            output: zeros([size[0], size[1], outputs]),
            signals: [per_time(), if cells.len() > 1 { per_time() } else { Vec::new() }],
            ones: Tensor::ones([size[0], 1, size[1]], (kind, device::current())),
            cells,
        }
    }

    /// What layer `l` reads at time `t`: `[lane, batch, in]`.
    fn input(&self, inputs: &Tensor, l: usize, t: usize) -> Tensor {
        if l == 0 { inputs.select(0, t as i64) } else { self.cells[l - 1].state(t).shallow_clone() }
    }
}

impl Network for Recurrent {
    fn forward(&mut self, weights: &Weights, inputs: &Tensor) {
        let depth = self.cells.len();
        for l in 0..depth {
            self.cells[l].prepare(&weights.layers[l]);
            for t in 0..self.times {
                let x = self.input(inputs, l, t);
                self.cells[l].forward(t, &x, &weights.layers[l]);
            }
        }
        let last = &weights.layers[depth];
        affine(self.cells[depth - 1].state(self.times - 1), &last.weight, last.bias.as_ref(), &self.output);
    }

    fn output(&self) -> &Tensor {
        &self.output
    }

    fn backward(
        &mut self,
        weights: &Weights,
        gradients: &Weights,
        inputs: &Tensor,
        signal: &Tensor,
        mut watch: Option<Watch>,
    ) {
        let depth = self.cells.len();
        let top = self.cells[depth - 1].state(self.times - 1);
        let last = &gradients.layers[depth];
        multiply(&top.transpose(1, 2), signal, &last.weight);
        if let Some(bias) = &last.bias {
            drop(signal.sum_intlist_out(bias, [1i64].as_slice(), true, None::<Kind>));
        }
        let read_out = weights.layers[depth].weight.transpose(1, 2);
        multiply(signal, &read_out, &self.signals[(depth - 1) % 2][self.times - 1]);
        for l in (0..depth).rev() {
            self.layer_backward(l, &weights.layers[l], &gradients.layers[l], inputs, &mut watch);
        }
    }

    fn activations(&self) -> Vec<(Place, &Tensor)> {
        let place = |l: usize, t: usize| Place { layer: l + 1, time: Some(t + 1) };
        let layers = self.cells.iter().enumerate();
        layers.flat_map(|(l, cell)| (0..self.times).map(move |t| (place(l, t), cell.state(t)))).collect()
    }
}

impl Recurrent {
    fn layer_backward(
        &mut self,
        l: usize,
        layer: &Layer,
        gradient: &Layer,
        inputs: &Tensor,
        watch: &mut Option<Watch>,
    ) {
        let back = layer.recurrent.as_ref().expect("a recurrent layer has a recurrent matrix").transpose(1, 2);
        let down = layer.weight.transpose(1, 2);
        let recurrent_gradient = gradient.recurrent.as_ref().expect("and its gradient");
        if self.times == 1 {
            drop(recurrent_gradient.shallow_clone().zero_());
        }
        let mut later: Option<Tensor> = None;
        for t in (0..self.times).rev() {
            let signal = self.signals[l % 2][t].shallow_clone();
            match &later {
                // Only the last state of the top layer is read by the output.
                Some(later) if l + 1 == self.cells.len() => multiply(later, &back, &signal),
                Some(later) => add_product(later, &back, &signal),
                None => {}
            }
            let add = later.is_some();
            let Deltas { input, recurrent, bias_is_done } = self.cells[l].backward(t, &signal, layer, gradient, add);
            if let Some(watch) = watch.as_mut() {
                watch(Place { layer: l + 1, time: Some(t + 1) }, &signal);
            }
            let x = self.input(inputs, l, t);
            product(&x.transpose(1, 2), &input, &gradient.weight, add);
            if let (false, Some(bias)) = (bias_is_done, &gradient.bias) {
                product(&self.ones, &input, bias, add);
            }
            if let (Some(recurrent), Some(bias)) = (&recurrent, &gradient.recurrent_bias) {
                product(&self.ones, recurrent, bias, add);
            }
            if l > 0 {
                multiply(&input, &down, &self.signals[(l - 1) % 2][t]);
            }
            if let (Some(bias), Some(other), None, 0) = (&gradient.bias, &gradient.recurrent_bias, &recurrent, t) {
                other.shallow_clone().copy_(bias);
            }
            let recurrent = recurrent.unwrap_or(input);
            if t > 0 {
                let before = self.cells[l].state(t - 1);
                product(&before.transpose(1, 2), &recurrent, recurrent_gradient, add);
            }
            later = Some(recurrent);
        }
    }
}

/// target = a b, or target += a b.
fn product(a: &Tensor, b: &Tensor, target: &Tensor, add: bool) {
    if add { add_product(a, b, target) } else { multiply(a, b, target) }
}

/// b + r, `[lane, 1, columns]`, into `target`; None without biases.
fn both_biases(layer: &Layer, target: &Tensor) -> Option<Tensor> {
    layer.bias.as_ref().zip(layer.recurrent_bias.as_ref()).map(|(bias, recurrent)| bias.add_out(target, recurrent))
}

/// x W + b + r, and h R added where there is a state before, into `target`.
fn gate_inputs(x: &Tensor, before: Option<&Tensor>, layer: &Layer, biases: Option<&Tensor>, target: &Tensor) {
    affine(x, &layer.weight, biases, target);
    if let Some(before) = before {
        let recurrent = layer.recurrent.as_ref().expect("a recurrent layer has a recurrent matrix");
        add_product(before, recurrent, target);
    }
}
