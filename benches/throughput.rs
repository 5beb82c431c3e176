//! Microseconds per trial and step of one worker, beside the ways others train many small networks at once.
//!
//! `cargo bench --bench throughput` measures blowup; with a Python that has torch and jax in `PEERS_PYTHON`, the same
//! work there, interleaved, and the ratios. Work: 16 hidden tanh layers, 64 samples of 10 inputs, full batch, mean squared error, f32, SGD
//! with a learning rate and norm clip per trial. blowup's figure includes all its probes; the peers read loss and gradient norm.

use blowup::engine;
use blowup::trial::*;
use blowup::verdict::Record;
use std::process::Command;
use std::time::Instant;

const DEPTH: usize = 16;
const STEPS: u64 = 100;
const ROUNDS: usize = 5;
/// Width and lanes: the working set stays near the cache.
const SHAPES: [(usize, usize); 3] = [(16, 128), (64, 32), (128, 16)];

fn trials(width: usize, lanes: usize, steps: u64) -> Vec<Trial> {
    let lane = |i: usize| Trial {
        label: String::new(),
        task: Task { kind: TaskKind::Noise, inputs: 10, outputs: 1, samples: 64, input_std: 1.0, csv: None },
        budget: Budget::Steps(steps),
        loss_ratio: 1e6,
        network: Network::Mlp { depth: DEPTH, width, activation: Activation::Tanh, norm: Norm::None, residual: false },
        init: Init { kind: InitKind::Lecun, scale: 1.0, offset: 0.0 },
        parametrization: Parametrization::Standard,
        bias: Bias::Learned { std: 0.0 },
        loss: Loss::Mse,
        optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false },
        lr: 10f64.powf(-4.0 + 5.0 * i as f64 / lanes as f64),
        lr_output: None,
        schedule: Schedule::Constant,
        recurrent_init: None,
        sampling: Sampling::Shuffle,
        data_seed: None,
        clip: if i.is_multiple_of(2) { Clip::Norm(1.0) } else { Clip::None },
        weight_decay: 0.0,
        batch: 64,
        dtype: Dtype::Float32,
        seed: (i % 3) as u64,
    };
    (0..lanes).map(lane).collect()
}

/// Seconds to train a cohort to its end, with everything around the steps.
fn seconds(width: usize, lanes: usize, steps: u64) -> f64 {
    let trials = trials(width, lanes, steps);
    let start = Instant::now();
    engine::train(&trials, &Record::default(), &mut |_, _| ()).expect("the benchmark's trials train");
    start.elapsed().as_secs_f64()
}

/// Microseconds per trial and step: the difference of a long and a short run, so that drawing weights and data does not count.
fn blowup(width: usize, lanes: usize) -> f64 {
    let short = seconds(width, lanes, 3);
    (seconds(width, lanes, 3 + STEPS) - short) / (STEPS as f64 * lanes as f64) * 1e6
}

/// The figure that the peers' script prints.
fn peer(python: &str, method: &str, width: usize, lanes: usize) -> f64 {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers.py");
    let numbers = [lanes, DEPTH, width, STEPS as usize].map(|n| n.to_string());
    let mut command = Command::new(python);
    command.arg(script).arg(method).args(numbers).env("OMP_NUM_THREADS", "1").env("MKL_NUM_THREADS", "1");
    let output = command.output().expect("the peers' Python starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim().parse().unwrap_or_else(|_| panic!("{method}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    engine::start();
    let python = std::env::var("PEERS_PYTHON").ok();
    let methods: &[&str] = if python.is_some() { &["manual", "jax"] } else { &[] };
    println!("microseconds per trial and step, one core each; median of {ROUNDS} interleaved rounds (ratio to blowup)");
    for (width, lanes) in SHAPES {
        let mut own = Vec::new();
        let mut others = vec![Vec::new(); methods.len()];
        for _ in 0..ROUNDS {
            own.push(blowup(width, lanes));
            for (method, figures) in methods.iter().zip(&mut others) {
                figures.push(peer(python.as_deref().unwrap_or("python3"), method, width, lanes));
            }
        }
        let own = median(own);
        print!("width {width:3}, {lanes:3} lanes: blowup {own:7.1}");
        for (method, figures) in methods.iter().zip(others) {
            let figure = median(figures);
            print!("   {method} {figure:7.1} ({:.2}x)", figure / own);
        }
        println!();
    }
}
