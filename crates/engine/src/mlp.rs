//! The multilayer perceptron: h_l = x_{l-1} W_l + b_l, x_l = stage(h_l) and output = x_L W + b.
//! With residual connections, x_l = x_{l-1} + s a_l stage(h_l) for l = 2..depth, where s is the
//! residual scale and a_l a learned scalar (ReZero). Without them both are 1.

use super::dtype::inner;
use super::matrix::{Matrix, Operand, Sequence};
use super::module::{Location, Module, Signal, Watch};
use super::product::{affine, multiply};
use super::stage::{Slot, Stage};
use super::weights::{LayerParameters, Weights};
use tch::{Kind, Tensor};

/// A multilayer perceptron with its buffers. Without hidden layers it is a linear model.
pub struct Mlp {
    stage: Option<Stage>,
    /// The buffers of each hidden layer.
    slots: Vec<Slot>,
    residual: Option<Residual>,
    output: Matrix,
    /// The backprop signals of odd and of even layers, `[lane, batch, width]`. Each is needed only
    /// until the next one is computed.
    signals: [Matrix; 2],
}

/// What a network of residual layers has beside the others.
struct Residual {
    /// x_l for the layers 2..depth.
    sums: Vec<Matrix>,
    /// dLoss/dx_l, kept while dLoss/dh_l is computed from it.
    skipped: Matrix,
    /// The residual scale, with the memory for a scaled branch. None where it is 1 and nothing else
    /// scales a branch.
    scaled: Option<(f64, Matrix)>,
}

/// Which residual connections a network has.
#[derive(Debug, Clone, Copy)]
pub struct Branches {
    /// The residual scale.
    pub scale: f64,
    /// Whether each branch has a learned scalar.
    pub rezero: bool,
}

impl Residual {
    /// Computes x_l = x_{l-1} + s a_l branch for layer `l` (from 0).
    fn add(&self, l: usize, x: &Matrix, layer: &LayerParameters, branch: &Matrix) {
        let sum = &self.sums[l - 1];
        let Some((scale, scaled)) = &self.scaled else {
            drop(x.add_out(sum, branch));
            return;
        };
        drop(branch.mul_scalar_out(scaled, *scale));
        if let Some(weight) = &layer.residual_weight {
            drop(scaled.shallow_clone().g_mul_(weight));
        }
        drop(x.add_out(sum, scaled));
    }

    /// Turns dLoss/dx_l, which it keeps, into dLoss/dbranch, in place, and writes the gradient of
    /// the learned scalar.
    fn enter(&self, layer: &LayerParameters, gradient: &LayerParameters, branch: &Matrix, delta: &Matrix) {
        self.skipped.shallow_clone().copy_(delta);
        let Some((scale, scaled)) = &self.scaled else { return };
        drop(delta.shallow_clone().g_mul_scalar_(*scale));
        if let (Some(weight), Some(gradient)) = (&layer.residual_weight, &gradient.residual_weight) {
            drop(branch.mul_out(scaled, delta));
            let [lanes, ..] = gradient.size()[..] else { unreachable!("a matrix has three dimensions") };
            let sums = scaled.to_kind(inner(scaled.kind())).view([lanes, -1]);
            let sums = sums.sum_dim_intlist([1i64].as_slice(), true, None::<Kind>);
            gradient.shallow_clone().copy_(&sums.view([lanes, 1, 1]));
            drop(delta.shallow_clone().g_mul_(weight));
        }
    }
}

impl Mlp {
    /// `size` is the number of lanes, the batch size and the width.
    pub fn new(
        stage: Option<Stage>,
        depth: usize,
        residual: Option<Branches>,
        size: [i64; 3],
        outputs: i64,
        kind: Kind,
    ) -> Mlp {
        let zeros = |size| Matrix::zeros(size, kind);
        let slots = stage.iter().flat_map(|stage| (0..depth).map(|_| stage.slot(size, kind))).collect();
        let residual = residual.map(|Branches { scale, rezero }| Residual {
            sums: (1..depth).map(|_| zeros(size)).collect(),
            skipped: zeros(size),
            scaled: (scale != 1.0 || rezero).then(|| (scale, zeros(size))),
        });
        let output = zeros([size[0], size[1], outputs]);
        Mlp { stage, slots, residual, output, signals: [zeros(size), zeros(size)] }
    }

    /// Returns x_{l+1}, the output of hidden layer `l` (from 0) with its residual connection.
    fn handed_on(&self, l: usize) -> &Matrix {
        match &self.residual {
            Some(residual) if l > 0 => &residual.sums[l - 1],
            Some(_) | None => &self.slots[l].output,
        }
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
            if let Some(residual) = self.residual.as_ref().filter(|_| l > 0) {
                residual.add(l, self.handed_on(l - 1), layer, &slot.output);
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
            let residual = self.residual.as_ref().filter(|_| l > 0 && l < self.slots.len());
            if let Some(residual) = residual {
                residual.enter(layer, gradient, &self.slots[l].output, delta);
            }
            if l < self.slots.len() {
                let stage = self.stage.expect("a hidden layer has a stage");
                stage.backward(&self.slots[l], layer, gradient, delta, false);
                if let Some(watch) = watch.as_mut() {
                    watch(Location { layer: l + 1, time: None }, Signal { delta, carried: delta });
                }
            }
            multiply(self.input(inputs, l).transposed(), delta, &gradient.weight);
            if let (true, Some(bias)) = (l == self.slots.len(), &gradient.bias) {
                drop(delta.sum_intlist_out(bias, [1i64].as_slice(), true, None::<Kind>));
            }
            if l > 0 {
                let below = &self.signals[l % 2];
                multiply(delta, layer.weight.transposed(), below);
                if let Some(residual) = residual {
                    drop(below.shallow_clone().g_add_(&residual.skipped));
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
