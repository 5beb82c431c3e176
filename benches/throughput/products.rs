//! The bound that no step of batched lanes goes below: its matrix products, by the same calls on
//! matrices of the same sizes, and nothing else.

use blowup_core::trial::Transformer;
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

/// A cohort of transformers over sequences of symbols.
#[derive(Clone, Copy)]
pub struct Transformers {
    pub of: Transformer,
    pub lanes: usize,
    pub batch: usize,
    pub symbols: usize,
}

/// Seconds for the products of so many steps.
pub fn seconds(sizes: Sizes, recurrent: bool, steps: u64) -> f64 {
    timed(if recurrent { recurrent_step } else { mlp_step }, sizes, steps)
}

/// Seconds for the products of so many steps.
pub fn of_transformers(sizes: Transformers, steps: u64) -> f64 {
    timed(transformer_step, sizes, steps)
}

fn timed<S>(of: fn(S) -> Box<dyn FnMut()>, sizes: S, steps: u64) -> f64 {
    tch::no_grad(|| {
        let mut step = of(sizes);
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

/// A layer with what it reads and gives.
struct Affine {
    layer: Layer,
    input: Matrix,
    output: Matrix,
}

impl Affine {
    fn forward(&self) {
        multiply(&self.input, &self.layer.weight, &self.output);
    }

    fn backward(&self, signal: &Matrix, below: &Matrix) {
        multiply(self.input.transposed(), signal, &self.layer.gradient);
        multiply(signal, self.layer.weight.transposed(), below);
    }
}

/// Per layer as in an mlp; per head q k' and the weights times v, and back the derivatives of all
/// four. As in the engine, all blocks use the same memory for signals.
fn transformer_step(sizes: Transformers) -> Box<dyn FnMut()> {
    let Transformers { of, lanes, batch, symbols } = sizes;
    let (tokens, width, rows) = (of.sequence_length, of.width, batch * of.sequence_length);
    let stream = |cols: usize| matrix([lanes, rows, cols]);
    let by_head = |cols: usize| matrix([lanes * batch * of.heads, tokens, cols]);
    let affine =
        |from: usize, to: usize| Affine { layer: Layer::new(lanes, from, to), input: stream(from), output: stream(to) };
    let head = of.head_width();
    let blocks: Vec<_> = (0..of.depth)
        .map(|_| {
            let layers = [(width, 3 * width), (width, width), (width, of.hidden()), (of.hidden(), width)];
            (layers.map(|(from, to)| affine(from, to)), [(); 4].map(|()| by_head(head)), by_head(tokens))
        })
        .collect();
    let (embedding, output) = (affine(symbols, width), affine(width, symbols));
    let [d_logits, d_stream, d_heads, d_joint, d_hidden] = [symbols, width, width, 3 * width, of.hidden()].map(stream);
    let (d_square, [d_q, d_k, d_v, d_mixed]) = (by_head(tokens), [(); 4].map(|()| by_head(head)));
    Box::new(move || {
        embedding.forward();
        for ([joint, projection, up, down], [q, k, v, mixed], weights) in &blocks {
            joint.forward();
            multiply(q, k.transposed(), &d_square);
            multiply(weights, v, mixed);
            [projection, up, down].into_iter().for_each(Affine::forward);
        }
        output.forward();
        output.backward(&d_logits, &d_stream);
        for ([joint, projection, up, down], [q, k, v, _], weights) in blocks.iter().rev() {
            down.backward(&d_stream, &d_hidden);
            up.backward(&d_hidden, &d_heads);
            projection.backward(&d_stream, &d_heads);
            multiply(weights.transposed(), &d_mixed, &d_v);
            multiply(&d_mixed, v.transposed(), &d_square);
            multiply(&d_square, k, &d_q);
            multiply(d_square.transposed(), q, &d_k);
            joint.backward(&d_joint, &d_heads);
        }
        multiply(embedding.input.transposed(), &d_stream, &embedding.layer.gradient);
    })
}
