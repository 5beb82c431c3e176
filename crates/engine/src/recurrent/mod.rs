//! Stacked recurrent networks, trained by backpropagation through all time steps, without
//! truncation. This is the part that does not depend on the cells. The output layer reads the last
//! state of the top layer, and every state starts at 0.

mod cell;
mod gru;
mod lstm;
mod plain;

use cell::Deltas;
pub use cell::RecurrentCell;
pub use gru::Gru;
pub use lstm::Lstm;
pub use plain::Plain;

use super::matrix::{Matrix, Operand, Sequence};
use super::module::{Location, Module, Signal, Watch};
use super::product::{add_product, affine, multiply};
use super::weights::{LayerParameters, Weights};
use tch::{Kind, Tensor};

/// A recurrent network with its buffers.
pub struct Recurrent {
    /// One cell per layer.
    cells: Vec<Box<dyn RecurrentCell>>,
    times: usize,
    output: Matrix,
    /// The backprop signals of odd and of even layers, one tensor `[lane, batch, width]` per time
    /// step.
    signals: [Vec<Matrix>; 2],
    /// Ones, `[lane, 1, batch]`. A product with them sums a signal over the batch and adds the sum
    /// to a bias gradient in one pass.
    ones: Matrix,
}

impl Recurrent {
    /// `size` is the number of lanes, the batch size and the width.
    pub fn new(
        cells: Vec<Box<dyn RecurrentCell>>,
        times: usize,
        size: [i64; 3],
        outputs: i64,
        kind: Kind,
    ) -> Recurrent {
        let zeros = |size| Matrix::zeros(size, kind);
        let per_time = || (0..times).map(|_| zeros(size)).collect::<Vec<_>>();
        Recurrent {
            times,
            output: zeros([size[0], size[1], outputs]),
            signals: [per_time(), if cells.len() > 1 { per_time() } else { Vec::new() }],
            ones: Matrix::of(Tensor::ones([size[0], 1, size[1]], (kind, super::device::current()))),
            cells,
        }
    }

    /// Returns what layer `l` (from 0) reads at time `t`, `[lane, batch, in]`.
    fn input<'a>(&'a self, inputs: &'a Sequence, l: usize, t: usize) -> Operand<'a> {
        if l == 0 { inputs.at(t) } else { self.cells[l - 1].state(t).into() }
    }
}

impl Module for Recurrent {
    fn forward(&mut self, weights: &Weights, inputs: &Sequence) {
        let depth = self.cells.len();
        for l in 0..depth {
            self.cells[l].prepare(&weights.layers[l]);
            let (below, cell) = self.cells.split_at_mut(l);
            for t in 0..self.times {
                let x = below.last().map_or_else(|| inputs.at(t), |below| below.state(t).into());
                cell[0].forward(t, x, &weights.layers[l]);
            }
        }
        let last = &weights.layers[depth];
        affine(self.cells[depth - 1].state(self.times - 1), &last.weight, last.bias.as_ref(), &self.output);
    }

    fn output(&self) -> &Matrix {
        &self.output
    }

    fn backward(
        &mut self,
        weights: &Weights,
        gradients: &Weights,
        inputs: &Sequence,
        signal: &Matrix,
        mut watch: Option<Watch>,
    ) {
        let depth = self.cells.len();
        let top = self.cells[depth - 1].state(self.times - 1);
        let last = &gradients.layers[depth];
        multiply(top.transposed(), signal, &last.weight);
        if let Some(bias) = &last.bias {
            drop(signal.sum_intlist_out(bias, [1i64].as_slice(), true, None::<Kind>));
        }
        multiply(signal, weights.layers[depth].weight.transposed(), &self.signals[(depth - 1) % 2][self.times - 1]);
        for l in (0..depth).rev() {
            self.layer_backward(l, &weights.layers[l], &gradients.layers[l], inputs, &mut watch);
        }
    }

    fn activated(&self) -> Vec<(usize, &Tensor)> {
        let layers = self.cells.iter().enumerate();
        layers.flat_map(|(l, cell)| (0..self.times).filter_map(move |t| Some((l + 1, cell.activated(t)?)))).collect()
    }

    fn activations(&self) -> Vec<(Location, &Tensor)> {
        let place = |l: usize, t: usize| Location { layer: l + 1, time: Some(t + 1) };
        let layers = self.cells.iter().enumerate();
        layers.flat_map(|(l, cell)| (0..self.times).map(move |t| (place(l, t), &**cell.state(t)))).collect()
    }
}

impl Recurrent {
    fn layer_backward(
        &self,
        l: usize,
        layer: &LayerParameters,
        gradient: &LayerParameters,
        inputs: &Sequence,
        watch: &mut Option<Watch>,
    ) {
        let back = layer.recurrent.as_ref().expect("a recurrent layer has a recurrent matrix").transposed();
        let down = layer.weight.transposed();
        let recurrent_gradient = gradient.recurrent.as_ref().expect("and its gradient");
        if self.times == 1 {
            drop(recurrent_gradient.shallow_clone().zero_());
        }
        let mut later: Option<&Matrix> = None;
        for t in (0..self.times).rev() {
            let signal = &self.signals[l % 2][t];
            match later {
                // The output reads only the last state of the top layer, so an earlier state has no
                // other signal.
                Some(later) if l + 1 == self.cells.len() => multiply(later, back, signal),
                Some(later) => add_product(later, back, signal),
                None => {}
            }
            let add = later.is_some();
            let Deltas { input, recurrent, bias_is_done } = self.cells[l].backward(t, signal, layer, gradient, add);
            if let Some(watch) = watch.as_mut() {
                let carried = self.cells[l].carried(t).unwrap_or(signal);
                watch(Location { layer: l + 1, time: Some(t + 1) }, Signal { delta: signal, carried });
            }
            product(self.input(inputs, l, t).transposed(), input, &gradient.weight, add);
            if let (false, Some(bias)) = (bias_is_done, &gradient.bias) {
                product(&self.ones, input, bias, add);
            }
            if let (Some(recurrent), Some(bias)) = (recurrent, &gradient.recurrent_bias) {
                product(&self.ones, recurrent, bias, add);
            }
            if l > 0 {
                multiply(input, down, &self.signals[(l - 1) % 2][t]);
            }
            if let (Some(bias), Some(other), None, 0) = (&gradient.bias, &gradient.recurrent_bias, recurrent, t) {
                other.shallow_clone().copy_(bias);
            }
            let recurrent = recurrent.unwrap_or(input);
            if t > 0 {
                let before = self.cells[l].state(t - 1);
                product(before.transposed(), recurrent, recurrent_gradient, add);
            }
            later = Some(recurrent);
        }
    }
}

/// Computes target = a b, or target += a b where `add` is set.
fn product<'a>(a: impl Into<Operand<'a>>, b: &'a Matrix, target: &Matrix, add: bool) {
    if add { add_product(a, b, target) } else { multiply(a, b, target) }
}
