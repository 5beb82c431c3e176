//! Stacked plain recurrent network, as `torch.nn.RNN`: h_t = x_t W + b + s_{t-1} R + r, s_t = stage(h_t), s_0 = 0; the output layer
//! reads the top layer's last state. Trained by backpropagation through time, without truncation.

use super::network::{Network, Place, Watch, affine};
use super::stage::{Slot, Stage};
use super::weights::Weights;
use tch::{Device, Kind, Tensor};

pub struct Rnn {
    stage: Stage,
    /// `[layer][time]`
    slots: Vec<Vec<Slot>>,
    /// The two biases of each layer added up, `[lane, 1, width]`.
    biases: Vec<Tensor>,
    output: Tensor,
    /// The backprop signals of odd and even layers, one tensor per time step.
    signals: [Vec<Tensor>; 2],
    /// Ones `[lane, 1, batch]`: a product with them adds a signal to a bias gradient over the batch in one pass.
    ones: Tensor,
}

impl Rnn {
    /// `size`: lanes, batch, width.
    pub fn new(stage: Stage, depth: usize, times: usize, size: [i64; 3], outputs: i64, kind: Kind) -> Rnn {
        let zeros = |size: [i64; 3]| Tensor::zeros(size, (kind, Device::Cpu));
        let per_time = || (0..times).map(|_| zeros(size)).collect::<Vec<_>>();
        Rnn {
            stage,
            slots: (0..depth).map(|_| (0..times).map(|_| stage.slot(size, kind)).collect()).collect(),
            biases: (0..depth).map(|_| zeros([size[0], 1, size[2]])).collect(),
            output: zeros([size[0], size[1], outputs]),
            signals: [per_time(), if depth > 1 { per_time() } else { Vec::new() }],
            ones: Tensor::ones([size[0], 1, size[1]], (kind, Device::Cpu)),
        }
    }

    /// What layer `l` reads at time `t`: `[lane, batch, in]`.
    fn input(&self, inputs: &Tensor, l: usize, t: usize) -> Tensor {
        if l == 0 { inputs.select(0, t as i64) } else { self.slots[l - 1][t].output.shallow_clone() }
    }
}

impl Network for Rnn {
    fn forward(&mut self, weights: &Weights, inputs: &Tensor) {
        let (depth, times) = (self.slots.len(), self.slots[0].len());
        for l in 0..depth {
            let layer = &weights.layers[l];
            let recurrent = layer.recurrent.as_ref().expect("a recurrent layer has a recurrent matrix");
            let bias = layer.bias.as_ref().zip(layer.recurrent_bias.as_ref()).map(|(b, r)| {
                drop(b.add_out(&self.biases[l], r));
                self.biases[l].shallow_clone()
            });
            for t in 0..times {
                let x = self.input(inputs, l, t);
                let (past, now) = self.slots[l].split_at_mut(t);
                let slot = &mut now[0];
                affine(&x, &layer.weight, bias.as_ref(), &slot.pre);
                if let Some(before) = past.last() {
                    drop(slot.pre.baddbmm_(&before.output, recurrent));
                }
                self.stage.forward(slot, layer);
            }
        }
        let last = &weights.layers[depth];
        affine(&self.slots[depth - 1][times - 1].output, &last.weight, last.bias.as_ref(), &self.output);
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
        let (depth, times) = (self.slots.len(), self.slots[0].len());
        let top = &self.slots[depth - 1][times - 1].output;
        let last = &gradients.layers[depth];
        drop(top.transpose(1, 2).bmm_out(&last.weight, signal));
        if let Some(bias) = &last.bias {
            drop(signal.sum_intlist_out(bias, [1i64].as_slice(), true, None::<Kind>));
        }
        drop(signal.bmm_out(&self.signals[(depth - 1) % 2][times - 1], &weights.layers[depth].weight.transpose(1, 2)));
        for l in (0..depth).rev() {
            let (layer, gradient) = (&weights.layers[l], &gradients.layers[l]);
            let back = layer.recurrent.as_ref().expect("a recurrent layer has a recurrent matrix").transpose(1, 2);
            let down = layer.weight.transpose(1, 2);
            let recurrent_gradient = gradient.recurrent.as_ref().expect("and its gradient");
            if times == 1 {
                drop(recurrent_gradient.shallow_clone().zero_());
            }
            for t in (0..times).rev() {
                let delta = self.signals[l % 2][t].shallow_clone();
                let first = t + 1 == times;
                if !first {
                    let later = &self.signals[l % 2][t + 1];
                    if l + 1 == depth {
                        // Only the last state of the top layer is read by the output.
                        drop(later.bmm_out(&delta, &back));
                    } else {
                        drop(delta.shallow_clone().baddbmm_(later, &back));
                    }
                }
                self.stage.backward(&self.slots[l][t], layer, gradient, &delta, !first);
                if let Some(watch) = watch.as_mut() {
                    watch(Place { layer: l + 1, time: Some(t + 1) }, &delta);
                }
                let x = self.input(inputs, l, t);
                product(&x.transpose(1, 2), &delta, &gradient.weight, !first);
                if t > 0 {
                    let before = &self.slots[l][t - 1].output;
                    product(&before.transpose(1, 2), &delta, recurrent_gradient, !first);
                }
                if let Some(bias) = &gradient.bias {
                    product(&self.ones, &delta, bias, !first);
                }
                if l > 0 {
                    drop(delta.bmm_out(&self.signals[(l - 1) % 2][t], &down));
                }
            }
            if let (Some(bias), Some(recurrent_bias)) = (&gradient.bias, &gradient.recurrent_bias) {
                recurrent_bias.shallow_clone().copy_(bias);
            }
        }
    }

    fn activations(&self) -> Vec<(Place, &Tensor)> {
        let place = |l: usize, t: usize| Place { layer: l + 1, time: Some(t + 1) };
        let layers = self.slots.iter().enumerate();
        layers.flat_map(|(l, times)| times.iter().enumerate().map(move |(t, s)| (place(l, t), &s.output))).collect()
    }
}

/// target = a b, or target += a b.
fn product(a: &Tensor, b: &Tensor, target: &Tensor, add: bool) {
    if add {
        drop(target.shallow_clone().baddbmm_(a, b));
    } else {
        drop(a.bmm_out(target, b));
    }
}
