//! The bound that no step of batched lanes goes below: its matrix products, by the same calls on
//! matrices of the same sizes, and nothing else.

use blowup_engine::matrix::{Matrix, Sequence};
use blowup_engine::product::{add_product, multiply};
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

/// A weight matrix of every lane and its gradient.
struct Layer {
    weight: Matrix,
    gradient: Matrix,
}

impl Layer {
    fn new(lanes: usize, rows: usize, columns: usize) -> Layer {
        Layer {
            weight: Matrix::of(random(&[lanes, rows, columns]) / (rows as f64).sqrt()),
            gradient: matrix([lanes, rows, columns]),
        }
    }
}

fn random(size: &[usize]) -> Tensor {
    let size: Vec<i64> = size.iter().map(|n| *n as i64).collect();
    Tensor::randn(size, (Kind::Float, Device::Cpu))
}

fn matrix(size: [usize; 3]) -> Matrix {
    Matrix::of(random(&size))
}

/// Per layer x W, x' delta, and but for the first delta W'.
fn mlp_step(sizes: Sizes) -> Box<dyn FnMut()> {
    let Sizes { depth, lanes, samples, inputs, width, .. } = sizes;
    let widths: Vec<usize> = [inputs].into_iter().chain(std::iter::repeat_n(width, depth)).chain([1]).collect();
    let layers: Vec<Layer> = widths.windows(2).map(|pair| Layer::new(lanes, pair[0], pair[1])).collect();
    let activations: Vec<Matrix> = widths.iter().map(|&width| matrix([lanes, samples, width])).collect();
    // As in the engine, two signals serve all hidden layers.
    let signals = [0, 1].map(|_| matrix([lanes, samples, width]));
    let output = matrix([lanes, samples, 1]);
    Box::new(move || {
        for (l, layer) in layers.iter().enumerate() {
            multiply(&activations[l], &layer.weight, &activations[l + 1]);
        }
        for l in (0..=depth).rev() {
            let delta = if l == depth { &output } else { &signals[(l + 1) % 2] };
            multiply(activations[l].transposed(), delta, &layers[l].gradient);
            if l > 0 {
                multiply(delta, layers[l].weight.transposed(), &signals[l % 2]);
            }
        }
    })
}

/// Per time step x W, h R, delta R', x' delta and h' delta; the output layer once.
fn recurrent_step(sizes: Sizes) -> Box<dyn FnMut()> {
    let Sizes { times, lanes, samples, inputs, width, .. } = sizes;
    let [read_in, hidden, read_out] =
        [(inputs, width), (width, width), (width, 1)].map(|(a, b)| Layer::new(lanes, a, b));
    let inputs = Sequence::of(random(&[times, lanes, samples, inputs]));
    let each = || (0..times).map(|_| matrix([lanes, samples, width])).collect::<Vec<_>>();
    let (states, signals) = (each(), each());
    let output = matrix([lanes, samples, 1]);
    Box::new(move || {
        for t in 0..times {
            multiply(inputs.at(t), &read_in.weight, &states[t]);
            if t > 0 {
                add_product(&states[t - 1], &hidden.weight, &states[t]);
            }
        }
        let top = &states[times - 1];
        multiply(top, &read_out.weight, &output);
        multiply(top.transposed(), &output, &read_out.gradient);
        multiply(&output, read_out.weight.transposed(), &signals[times - 1]);
        for t in (0..times).rev() {
            let product = if t + 1 == times { multiply } else { add_product };
            product(inputs.at(t).transposed(), &signals[t], &read_in.gradient);
            if t > 0 {
                product(states[t - 1].transposed(), &signals[t], &hidden.gradient);
                multiply(&signals[t], hidden.weight.transposed(), &signals[t - 1]);
            }
        }
    })
}
