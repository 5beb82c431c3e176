//! The bound that no step of batched lanes goes below: its matrix products, the same calls on tensors of the same sizes, and nothing else.

use std::time::Instant;
use tch::{Device, Kind, Tensor};

#[derive(Clone, Copy)]
pub struct Sizes {
    pub depth: usize,
    pub times: usize,
    pub lanes: usize,
    pub samples: usize,
    pub inputs: usize,
    pub width: usize,
}

/// Seconds for the products of so many steps.
pub fn seconds(sizes: Sizes, recurrent: bool, steps: u64) -> f64 {
    tch::no_grad(|| {
        let mut step = if recurrent { recurrent_step(sizes) } else { mlp_step(sizes) };
        (0..3).for_each(|_| step());
        let start = Instant::now();
        (0..steps).for_each(|_| step());
        start.elapsed().as_secs_f64()
    })
}

/// A weight matrix of every lane, its bias and its gradient.
struct Layer {
    weight: Tensor,
    bias: Tensor,
    gradient: Tensor,
}

impl Layer {
    fn new(lanes: usize, rows: usize, columns: usize) -> Layer {
        Layer {
            weight: random([lanes, rows, columns]) / (rows as f64).sqrt(),
            bias: random([lanes, 1, columns]),
            gradient: random([lanes, rows, columns]),
        }
    }
}

fn random(size: [usize; 3]) -> Tensor {
    Tensor::randn(size.map(|n| n as i64), (Kind::Float, Device::Cpu))
}

/// Per layer x W + b, x' delta, and but for the first delta W'.
fn mlp_step(sizes: Sizes) -> Box<dyn FnMut()> {
    let Sizes { depth, lanes, samples, inputs, width, .. } = sizes;
    let widths: Vec<usize> = [inputs].into_iter().chain(std::iter::repeat_n(width, depth)).chain([1]).collect();
    let layers: Vec<Layer> = widths.windows(2).map(|pair| Layer::new(lanes, pair[0], pair[1])).collect();
    let activations: Vec<Tensor> = widths.iter().map(|&width| random([lanes, samples, width])).collect();
    // As in the engine, two signals serve all hidden layers.
    let signals = [0, 1].map(|_| random([lanes, samples, width]));
    let output = random([lanes, samples, 1]);
    Box::new(move || {
        for (l, layer) in layers.iter().enumerate() {
            drop(layer.bias.baddbmm_out(&activations[l + 1], &activations[l], &layer.weight));
        }
        for l in (0..=depth).rev() {
            let delta = if l == depth { &output } else { &signals[(l + 1) % 2] };
            drop(activations[l].transpose(1, 2).bmm_out(&layers[l].gradient, delta));
            if l > 0 {
                drop(delta.bmm_out(&signals[l % 2], &layers[l].weight.transpose(1, 2)));
            }
        }
    })
}

/// Per time step x W + b, h R, delta R', x' delta and h' delta; the output layer once.
fn recurrent_step(sizes: Sizes) -> Box<dyn FnMut()> {
    let Sizes { times, lanes, samples, inputs, width, .. } = sizes;
    let [read_in, hidden, read_out] =
        [(inputs, width), (width, width), (width, 1)].map(|(a, b)| Layer::new(lanes, a, b));
    let each = |width: usize| (0..times).map(|_| random([lanes, samples, width])).collect::<Vec<_>>();
    let (inputs, states, signals) = (each(inputs), each(width), each(width));
    let output = random([lanes, samples, 1]);
    Box::new(move || {
        for t in 0..times {
            drop(read_in.bias.baddbmm_out(&states[t], &inputs[t], &read_in.weight));
            if t > 0 {
                drop(states[t].shallow_clone().baddbmm_(&states[t - 1], &hidden.weight));
            }
        }
        let top = &states[times - 1];
        drop(read_out.bias.baddbmm_out(&output, top, &read_out.weight));
        drop(top.transpose(1, 2).bmm_out(&read_out.gradient, &output));
        drop(output.bmm_out(&signals[times - 1], &read_out.weight.transpose(1, 2)));
        for t in (0..times).rev() {
            let add = |a: &Tensor, layer: &Layer| {
                let (mut sum, a) = (layer.gradient.shallow_clone(), a.transpose(1, 2));
                if t + 1 == times { drop(a.bmm_out(&sum, &signals[t])) } else { drop(sum.baddbmm_(&a, &signals[t])) }
            };
            add(&inputs[t], &read_in);
            if t > 0 {
                add(&states[t - 1], &hidden);
                drop(signals[t].bmm_out(&signals[t - 1], &hidden.weight.transpose(1, 2)));
            }
        }
    })
}
