//! Random numbers by name. A stream belongs to a seed and a purpose, such as the weights of layer
//! 3. It never belongs to a lane, nor to the order in which lanes are visited. So trials that
//! differ only in learning rate, clipping or scale share all their draws.

use rand::seq::SliceRandom;
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform, Uniform};
use sha2::{Digest, Sha256};

/// What a stream is for. Seed, purpose and index (a layer or an epoch) together name a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Inputs and targets. The index is the epoch for tasks with new data in every epoch, else 0.
    Data,
    /// The evaluation data of tasks with new data in every epoch.
    Evaluation,
    /// The fixed network behind the `teacher` task.
    Teacher,
    /// The order of the samples. The index is the epoch.
    Order,
    /// Weights from the layer below. The index of this and of the next four purposes is the layer.
    Weight,
    Recurrent,
    Bias,
    RecurrentBias,
    /// Which updates are rounded up and which down. The index is the step.
    Rounding,
    /// A transformer's vectors for the places of a sequence.
    Position,
    /// The vector from which the search for the Hessian's largest eigenvalue starts.
    Sharpness,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Purpose::Data => "data",
            Purpose::Evaluation => "evaluation",
            Purpose::Teacher => "teacher",
            Purpose::Order => "order",
            Purpose::Weight => "weight",
            Purpose::Recurrent => "recurrent",
            Purpose::Bias => "bias",
            Purpose::RecurrentBias => "recurrent bias",
            Purpose::Rounding => "rounding",
            Purpose::Position => "position",
            Purpose::Sharpness => "sharpness",
        }
    }
}

/// A stream of random numbers.
pub struct Stream(ChaCha8Rng);

impl Stream {
    /// Starts the stream of this name. Its numbers are those of ChaCha8, seeded with the SHA-256
    /// hash of the name.
    pub fn new(seed: u64, purpose: Purpose, index: u64) -> Stream {
        Stream::named(seed, purpose.name(), index)
    }

    /// Starts a stream whose purpose is a text, such as the dropout of a module of the user's own.
    pub fn named(seed: u64, purpose: &str, index: u64) -> Stream {
        let name = format!("{seed}/{purpose}/{index}");
        Stream(ChaCha8Rng::from_seed(Sha256::digest(name.as_bytes()).into()))
    }

    /// Returns `n` draws from N(0, 1).
    pub fn normal(&mut self, n: usize) -> Vec<f64> {
        StandardNormal.sample_iter(&mut self.0).take(n).collect()
    }

    /// Returns `n` draws from U(low, high).
    pub fn uniform(&mut self, low: f64, high: f64, n: usize) -> Vec<f64> {
        let uniform = Uniform::new(low, high).expect("bounds are finite and ordered");
        uniform.sample_iter(&mut self.0).take(n).collect()
    }

    /// Returns `n` draws from U(0, 1) in f32, of which none is 1.
    pub fn unit_singles(&mut self, n: usize) -> Vec<f32> {
        StandardUniform.sample_iter(&mut self.0).take(n).collect()
    }

    /// Returns `n` draws from N(0, 1) in f32.
    pub fn normal_singles(&mut self, n: usize) -> Vec<f32> {
        StandardNormal.sample_iter(&mut self.0).take(n).collect()
    }

    /// Returns `n` numbers from 0 to 65535, all equally likely.
    pub fn halves(&mut self, n: usize) -> Vec<i32> {
        let words = std::iter::repeat_with(|| self.0.next_u32()).take(n.div_ceil(2));
        words.flat_map(|word| [(word & 0xffff) as i32, (word >> 16) as i32]).take(n).collect()
    }

    /// Returns an integer in `low..high`.
    pub fn index(&mut self, low: usize, high: usize) -> usize {
        Uniform::new(low, high).expect("bounds are ordered").sample(&mut self.0)
    }

    /// Returns a random permutation of `0..n`.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        order.shuffle(&mut self.0);
        order
    }
}
