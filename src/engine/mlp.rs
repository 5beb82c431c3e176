//! Multilayer perceptron: h_l = x_{l-1} W_l + b_l, x_l = stage(h_l), output = x_L W + b.

use super::network::{Network, Place, Watch, affine};
use super::stage::{Slot, Stage};
use super::weights::Weights;
use tch::{Device, Kind, Tensor};

pub struct Mlp {
    stage: Option<Stage>,
    /// One per hidden layer.
    slots: Vec<Slot>,
    output: Tensor,
    /// The backprop signals of odd and even layers: each is needed only until the next is there.
    signals: [Tensor; 2],
}

impl Mlp {
    /// `size`: lanes, batch, width.
    pub fn new(stage: Option<Stage>, depth: usize, size: [i64; 3], outputs: i64, kind: Kind) -> Mlp {
        let zeros = |size: [i64; 3]| Tensor::zeros(size, (kind, Device::Cpu));
        let slots = stage.iter().flat_map(|stage| (0..depth).map(|_| stage.slot(size, kind))).collect();
        Mlp { stage, slots, output: zeros([size[0], size[1], outputs]), signals: [zeros(size), zeros(size)] }
    }
}

impl Network for Mlp {
    fn forward(&mut self, weights: &Weights, inputs: &Tensor) {
        let mut x = inputs.select(0, 0);
        for (slot, layer) in self.slots.iter_mut().zip(&weights.layers) {
            affine(&x, &layer.weight, layer.bias.as_ref(), &slot.pre);
            self.stage.expect("a hidden layer has a stage").forward(slot, layer);
            x = slot.output.shallow_clone();
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
            let x = if l == 0 { inputs.select(0, 0) } else { self.slots[l - 1].output.shallow_clone() };
            drop(x.transpose(1, 2).bmm_out(&gradient.weight, &delta));
            if let Some(bias) = &gradient.bias {
                drop(delta.sum_intlist_out(bias, [1i64].as_slice(), true, None::<Kind>));
            }
            if l > 0 {
                let below = &self.signals[l % 2];
                drop(delta.bmm_out(below, &layer.weight.transpose(1, 2)));
                delta = below.shallow_clone();
            }
        }
    }

    fn activations(&self) -> Vec<(Place, &Tensor)> {
        self.slots.iter().enumerate().map(|(l, slot)| (Place { layer: l + 1, time: None }, &slot.output)).collect()
    }
}
