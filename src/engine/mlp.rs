//! Multilayer perceptron: h_l = x_{l-1} W_l + b_l, x_l = stage(h_l), output = x_L W + b. With residual connections x_l = x_{l-1} + stage(h_l)
//! for l = 2..depth.

use super::device;
use super::network::{Network, Place, Watch};
use super::product::{affine, multiply};
use super::stage::{Slot, Stage};
use super::weights::Weights;
use tch::{Kind, Tensor};

pub struct Mlp {
    stage: Option<Stage>,
    /// One per hidden layer.
    slots: Vec<Slot>,
    /// x_l of layers 2..depth, where they are residual; else empty.
    sums: Vec<Tensor>,
    output: Tensor,
    /// The backprop signals of odd and even layers: each is needed only until the next is there.
    signals: [Tensor; 2],
    /// dLoss/dx_l while dLoss/dh_l is computed from it; residual nets only.
    skipped: Option<Tensor>,
}

impl Mlp {
    /// `size`: lanes, batch, width.
    pub fn new(stage: Option<Stage>, depth: usize, residual: bool, size: [i64; 3], outputs: i64, kind: Kind) -> Mlp {
        let zeros = |size: [i64; 3]| Tensor::zeros(size, (kind, device::current()));
        let slots = stage.iter().flat_map(|stage| (0..depth).map(|_| stage.slot(size, kind))).collect();
        let sums = if residual { (1..depth).map(|_| zeros(size)).collect() } else { Vec::new() };
        let skipped = residual.then(|| zeros(size));
        let output = zeros([size[0], size[1], outputs]);
        Mlp { stage, slots, sums, output, signals: [zeros(size), zeros(size)], skipped }
    }

    /// x_{l+1}, what hidden layer `l` (from 0) hands on.
    fn handed_on(&self, l: usize) -> &Tensor {
        if l == 0 || self.sums.is_empty() { &self.slots[l].output } else { &self.sums[l - 1] }
    }
}

impl Network for Mlp {
    fn forward(&mut self, weights: &Weights, inputs: &Tensor) {
        let mut x = inputs.select(0, 0);
        for l in 0..self.slots.len() {
            let (slot, layer) = (&mut self.slots[l], &weights.layers[l]);
            let stage = self.stage.expect("a hidden layer has a stage");
            stage.forward(slot, layer, layer.bias.as_ref(), |bias, pre| affine(&x, &layer.weight, bias, pre));
            if l > 0 && !self.sums.is_empty() {
                drop(x.add_out(&self.sums[l - 1], &self.slots[l].output));
            }
            x = self.handed_on(l).shallow_clone();
        }
        let last = &weights.layers[self.slots.len()];
        affine(&x, &last.weight, last.bias.as_ref(), &self.output);
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
        let mut delta = signal.shallow_clone();
        for l in (0..=self.slots.len()).rev() {
            let (layer, gradient) = (&weights.layers[l], &gradients.layers[l]);
            let skip = self.skipped.as_ref().filter(|_| l > 0 && l < self.slots.len());
            if let Some(skip) = skip {
                skip.shallow_clone().copy_(&delta);
            }
            if l < self.slots.len() {
                self.stage.expect("a hidden layer has a stage").backward(
                    &self.slots[l],
                    layer,
                    gradient,
                    &delta,
                    false,
                );
                if let Some(watch) = watch.as_mut() {
                    watch(Place { layer: l + 1, time: None }, &delta);
                }
            }
            let x = if l == 0 { inputs.select(0, 0) } else { self.handed_on(l - 1).shallow_clone() };
            multiply(&x.transpose(1, 2), &delta, &gradient.weight);
            if let (true, Some(bias)) = (l == self.slots.len(), &gradient.bias) {
                drop(delta.sum_intlist_out(bias, [1i64].as_slice(), true, None::<Kind>));
            }
            if l > 0 {
                let below = &self.signals[l % 2];
                multiply(&delta, &layer.weight.transpose(1, 2), below);
                if let Some(skip) = skip {
                    drop(below.shallow_clone().g_add_(skip));
                }
                delta = below.shallow_clone();
            }
        }
    }

    fn activations(&self) -> Vec<(Place, &Tensor)> {
        (0..self.slots.len()).map(|l| (Place { layer: l + 1, time: None }, self.handed_on(l))).collect()
    }
}
