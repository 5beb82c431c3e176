//! Microseconds per trial and step of one worker, and of its matrix products alone.
//!
//! - `cargo bench --bench throughput` prints, for each of `CASES`, the step, the products, and
//!   their share of it.
//! - With `-- --serve` it answers one line per line of stdin, as `benches/compare.py` asks.
//! - With `-- --serve cuda` it does the same on a GPU.
//!
//! A line is `step|products|within NETWORK ACTIVATION OPTIMIZER WIDTH LANES STEPS`, and its answer
//! is a number. `within` is a step that is timed within one run, for so many lanes that drawing
//! their weights would drown the difference of two runs. Every case has 16 hidden layers (an rnn
//! has one, over 64 time steps), 64 samples of 10 inputs, the full batch, the mean squared error,
//! f32, a learning rate for each trial, and a norm clip for every other trial; none diverges. A
//! step includes all of blowup's probes.
//!
//! `step|products transformer BATCH LANES STEPS` is the step of the network in `transformer.rs`.
//!
//! `bundle PATH LANES STEPS` is the step of a bundle of one batch, under SGD.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    clippy::unwrap_used,
    reason = "numbers for people, and answers for the program that asks"
)]

mod products;
mod transformer;

use blowup_core::device::Device;
use blowup_core::spec::Spec;
use blowup_core::trial::*;
use blowup_core::verdict::Record;
use blowup_engine as engine;
use blowup_engine::device::Unusable;
use std::io::{BufRead, Write};
use std::time::Instant;

const DEPTH: usize = 16;
const TIMES: usize = 64;
const SAMPLES: usize = 64;
const INPUTS: usize = 10;
const ROUNDS: usize = 5;
/// The number of lanes keeps the working set near the cache.
const CASES: [&str; 6] = [
    "mlp tanh sgd 16 32 300",
    "mlp tanh sgd 64 8 150",
    "mlp relu adam 64 8 150",
    "mlp tanh sgd 128 2 100",
    "mlp tanh sgd 256 1 60",
    "rnn tanh sgd 64 4 60",
];

struct Case {
    recurrent: bool,
    activation: Activation,
    adam: bool,
    width: usize,
    lanes: usize,
    steps: u64,
}

impl Case {
    fn parse(text: &str) -> Option<Case> {
        let [network, activation, optimizer, width, lanes, steps] = *text.split_whitespace().collect::<Vec<_>>() else {
            return None;
        };
        Some(Case {
            recurrent: network == "rnn",
            activation: Activation::from_name(activation)?,
            adam: optimizer == "adam",
            width: width.parse().ok()?,
            lanes: lanes.parse().ok()?,
            steps: steps.parse().ok()?,
        })
    }

    fn trial(&self, lane: usize, steps: u64) -> Trial {
        let Case { activation, width, .. } = *self;
        let share = lane as f64 / self.lanes as f64;
        let task = Task {
            kind: if self.recurrent { TaskKind::NoiseSequence } else { TaskKind::Noise },
            inputs: INPUTS,
            outputs: 1,
            samples: SAMPLES,
            input_std: 1.0,
            source: Source::BuiltIn,
        };
        Trial {
            budget: Budget::Steps(steps),
            network: if self.recurrent {
                Network::Rnn { depth: 1, width, activation, norm: Norm::None, sequence_length: TIMES }
            } else {
                Network::Mlp { depth: DEPTH, width, activation, norm: Norm::None, residual: false }
            },
            init: Init {
                kind: if activation == Activation::Relu { InitKind::He } else { InitKind::Lecun },
                scale: 1.0,
                offset: 0.0,
            },
            bias: Bias::Learned { std: 0.0 },
            optimizer: if self.adam {
                Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false }
            } else {
                Optimizer::Sgd { momentum: 0.0, nesterov: false }
            },
            lr: 10f64.powf(-5.0 + 2.0 * share),
            clip: if lane.is_multiple_of(2) { Clip::Norm(1.0) } else { Clip::None },
            ..Trial::unset(task)
        }
    }

    /// Microseconds per trial and step: the difference of a long and a short run, so that drawing
    /// weights and data does not count.
    fn step(&self) -> f64 {
        let cohort = |steps: u64| seconds(&(0..self.lanes).map(|lane| self.trial(lane, steps)).collect::<Vec<Trial>>());
        let short = cohort(3);
        (cohort(3 + self.steps) - short) / (self.steps as f64 * self.lanes as f64) * 1e6
    }

    /// Microseconds per trial and step from the moment when one more trial, which blows up at once,
    /// leaves. The others are in the midst of their steps then.
    fn within(&self) -> f64 {
        let mut trials: Vec<Trial> = (0..self.lanes).map(|lane| self.trial(lane, self.steps)).collect();
        trials.push(Trial { lr: 1e30, clip: Clip::None, ..self.trial(0, self.steps) });
        let mut mark = None;
        engine::train(&trials, &Record::default(), &mut |index, finished| {
            let run = finished.measured.steps_run;
            match mark {
                None => mark = (index == self.lanes).then(|| (Instant::now(), self.steps - run)),
                Some(_) => assert_eq!(run, self.steps, "a trial of the benchmark diverged"),
            }
        })
        .unwrap_or_else(|error| panic!("the benchmark's trials do not train: {error}"));
        let (mark, steps) = mark.expect("a learning rate of 1e30 blows up");
        mark.elapsed().as_secs_f64() / (steps as f64 * trials.len() as f64) * 1e6
    }

    fn products(&self) -> f64 {
        let times = if self.recurrent { TIMES } else { 1 };
        let depth = if self.recurrent { 1 } else { DEPTH };
        let sizes =
            products::Sizes { depth, times, lanes: self.lanes, samples: SAMPLES, inputs: INPUTS, width: self.width };
        products::seconds(sizes, self.recurrent, self.steps) / (self.steps as f64 * self.lanes as f64) * 1e6
    }
}

/// The trials of a spec.
fn trials_of(spec: &str) -> impl Iterator<Item = Trial> {
    let read = |path: &str| Ok((path.to_owned(), std::fs::read(path)?));
    let spec = Spec::parse(spec, "bench.toml", &read).unwrap_or_else(|report| panic!("{report}"));
    spec.grid().trials().collect::<Vec<Trial>>().into_iter()
}

/// Seconds to train trials of one cohort to their ends, with everything around the steps.
fn seconds(trials: &[Trial]) -> f64 {
    let start = Instant::now();
    let mut whole = 0;
    engine::train(trials, &Record::default(), &mut |index, finished| {
        whole += usize::from(finished.measured.steps_run == trials[index].steps());
    })
    .expect("the benchmark's trials train");
    assert_eq!(whole, trials.len(), "a trial of the benchmark diverged");
    start.elapsed().as_secs_f64()
}

/// Microseconds per trial and step of a bundle; see `Case::step`.
fn of_bundle(case: &str) -> Option<f64> {
    let [path, lanes, steps] = *case.split_whitespace().collect::<Vec<_>>() else { return None };
    let (lanes, steps): (u64, u64) = (lanes.parse().ok()?, steps.parse().ok()?);
    let spec = |steps: u64| {
        format!(
            "name = 'b'\nsteps = {steps}\n[[grid]]\nnetwork = {{ file = '{path}' }}\n\
             lr = {{ linear = [1e-5, 2e-5], points = {} }}\n",
            lanes.max(2)
        )
    };
    let seconds = |steps: u64| {
        let trials: Vec<Trial> = trials_of(&spec(steps)).take(lanes as usize).collect();
        let start = Instant::now();
        engine::train(&trials, &Record::default(), &mut |_, _| {}).expect("the benchmark's trials train");
        start.elapsed().as_secs_f64()
    };
    seconds(1);
    let short = seconds(3);
    Some((seconds(3 + steps) - short) / (steps as f64 * lanes as f64) * 1e6)
}

fn answer(line: &str) -> Option<f64> {
    let (what, case) = line.split_once(' ')?;
    if what == "bundle" {
        return of_bundle(case);
    }
    if let Some(case) = case.strip_prefix("transformer ") {
        let case = transformer::Case::parse(case)?;
        return match what {
            "step" => Some(case.step()),
            "products" => Some(case.products()),
            _ => None,
        };
    }
    let case = Case::parse(case)?;
    match what {
        "step" => Some(case.step()),
        "within" => Some(case.within()),
        "products" => Some(case.products()),
        _ => None,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let device = std::env::args().skip_while(|argument| argument != "--serve").nth(1);
    let device = device.and_then(|device| device.parse().ok()).unwrap_or(Device::Cpu);
    if let Err(Unusable { what, hint }) = engine::start_on(device) {
        eprintln!("{what}\nhint: {hint}");
        std::process::exit(2);
    }
    if std::env::args().any(|argument| argument == "--serve") {
        engine::device::gpu().iter().for_each(|name| eprintln!("{name}"));
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            println!("{}", answer(&line).unwrap_or_else(|| panic!("not a case: {line}")));
            std::io::stdout().flush().expect("stdout is open");
        }
        return;
    }
    println!("microseconds per trial and step, one core; medians of {ROUNDS} interleaved rounds");
    for text in CASES {
        let case = Case::parse(text).expect("the cases are well written");
        let (steps, products) = (0..ROUNDS).map(|_| (case.step(), case.products())).unzip();
        let (step, products) = (median(steps), median(products));
        println!("{text:24} {step:8.1}   products {products:8.1} ({:.0}%)", products / step * 100.0);
    }
}
