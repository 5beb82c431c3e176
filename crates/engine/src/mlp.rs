//! The multilayer perceptron: h_l = x_{l-1} W_l + b_l, x_l = stage(h_l) and output = x_L W + b.
//! With residual connections, x_l = x_{l-1} + stage(h_l) for l = 2..depth.

use super::matrix::{Matrix, Operand, Sequence};
use super::module::{Location, Module, Watch};
use super::product::{affine, multiply};
use super::stage::{Slot, Stage};
use super::weights::Weights;
use tch::{Kind, Tensor};

/// A multilayer perceptron with its buffers. Without hidden layers it is a linear model.
pub struct Mlp {
    stage: Option<Stage>,
    /// The buffers of each hidden layer.
    slots: Vec<Slot>,
    /// x_l for the layers 2..depth of a residual network; else empty.
    sums: Vec<Matrix>,
    output: Matrix,
    /// The backprop signals of odd and of even layers, `[lane, batch, width]`. Each is needed only
    /// until the next one is computed.
    signals: [Matrix; 2],
    /// dLoss/dx_l, kept while dLoss/dh_l is computed from it. Residual networks only.
    skipped: Option<Matrix>,
}

impl Mlp {
    /// `size` is the number of lanes, the batch size and the width.
    pub fn new(stage: Option<Stage>, depth: usize, residual: bool, size: [i64; 3], outputs: i64, kind: Kind) -> Mlp {
        let zeros = |size| Matrix::zeros(size, kind);
        let slots = stage.iter().flat_map(|stage| (0..depth).map(|_| stage.slot(size, kind))).collect();
        let sums = if residual { (1..depth).map(|_| zeros(size)).collect() } else { Vec::new() };
        let skipped = residual.then(|| zeros(size));
        let output = zeros([size[0], size[1], outputs]);
        Mlp { stage, slots, sums, output, signals: [zeros(size), zeros(size)], skipped }
    }

    /// Returns x_{l+1}, the output of hidden layer `l` (from 0) with its residual connection.
    fn handed_on(&self, l: usize) -> &Matrix {
        if l == 0 || self.sums.is_empty() { &self.slots[l].output } else { &self.sums[l - 1] }
    }

    /// Returns x_l, the input of layer `l` (from 0).
    fn input<'a>(&'a self, inputs: &'a Sequence, l: usize) -> Operand<'a> {
        if l == 0 { inputs.at(0) } else { self.handed_on(l - 1).into() }
    }
}

impl Module for Mlp {
    fn forward(&mut self, weights: &Weights, inputs: &Sequence) {
        for (l, slot) in self.slots.iter().enumerate() {
            let (x, layer) = (self.input(inputs, l), &weights.layers[l]);
            let stage = self.stage.expect("a hidden layer has a stage");
            stage.forward(slot, layer, layer.bias.as_ref(), |bias, pre| affine(x, &layer.weight, bias, pre));
            if l > 0 && !self.sums.is_empty() {
                drop(self.handed_on(l - 1).add_out(&self.sums[l - 1], &slot.output));
            }
        }
        let (x, last) = (self.input(inputs, self.slots.len()), &weights.layers[self.slots.len()]);
        affine(x, &last.weight, last.bias.as_ref(), &self.output);
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
        let mut delta = signal;
        for l in (0..=self.slots.len()).rev() {
            let (layer, gradient) = (&weights.layers[l], &gradients.layers[l]);
            let skip = self.skipped.as_ref().filter(|_| l > 0 && l < self.slots.len());
            if let Some(skip) = skip {
                skip.shallow_clone().copy_(delta);
            }
            if l < self.slots.len() {
                let stage = self.stage.expect("a hidden layer has a stage");
                stage.backward(&self.slots[l], layer, gradient, delta, false);
                if let Some(watch) = watch.as_mut() {
                    watch(Location { layer: l + 1, time: None }, delta);
                }
            }
            multiply(self.input(inputs, l).transposed(), delta, &gradient.weight);
            if let (true, Some(bias)) = (l == self.slots.len(), &gradient.bias) {
                drop(delta.sum_intlist_out(bias, [1i64].as_slice(), true, None::<Kind>));
            }
            if l > 0 {
                let below = &self.signals[l % 2];
                multiply(delta, layer.weight.transposed(), below);
                if let Some(skip) = skip {
                    drop(below.shallow_clone().g_add_(skip));
                }
                delta = below;
            }
        }
    }

    fn activated(&self) -> Vec<(usize, &Tensor)> {
        self.slots.iter().enumerate().map(|(l, slot)| (l + 1, slot.activated())).collect()
    }

    fn activations(&self) -> Vec<(Location, &Tensor)> {
        (0..self.slots.len()).map(|l| (Location { layer: l + 1, time: None }, &**self.handed_on(l))).collect()
    }
}
