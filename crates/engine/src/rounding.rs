//! Rounding at random: weights of bfloat16 whose updates are computed in f32 and rounded up or down
//! with the probabilities that make the mean of the result the number itself (Gupta et al. 2015,
//! "Deep Learning with Limited Numerical Precision", arXiv 1502.02551, section 3.1).
//!
//! The weights are f32 tensors whose numbers bfloat16 holds, so that the optimizers need not know.

use super::device::upload;
use super::draw::{Purpose, Stream};
use super::weights::Weights;
use std::collections::HashMap;
use tch::{Kind, Tensor};

/// The bits of an f32 that a bfloat16 has.
const KEPT: i64 = -65536;

/// Rounds the weights of all lanes to bfloat16, in place. `seeds` has the seed of each lane and
/// `step` counts from 0; both name the random numbers. The pad lanes behind the lanes are left as
/// they are, which is of bfloat16.
pub fn round_at_random(weights: &mut Weights, seeds: &[u64], step: u64) {
    let count: usize = weights.layout.iter().map(|group| group.layers * group.rows * group.cols).sum();
    let mut drawn: HashMap<u64, Tensor> = HashMap::new();
    for &seed in seeds {
        let draw = || Tensor::from_slice(&Stream::new(seed, Purpose::Rounding, step).halves(count));
        drawn.entry(seed).or_insert_with(draw);
    }
    let zeros = Tensor::zeros([count as i64], (Kind::Int, tch::Device::Cpu));
    let pads = weights.lanes as usize - seeds.len();
    let lanes: Vec<&Tensor> = seeds.iter().map(|seed| &drawn[seed]).chain(std::iter::repeat_n(&zeros, pads)).collect();
    let halves = upload(Tensor::stack(&lanes, 0));
    let mut from = 0;
    for (group, tensor) in weights.layout.iter().zip(&mut weights.groups) {
        let [layers, lanes, rows, cols] = [group.layers, lanes.len(), group.rows, group.cols].map(|n| n as i64);
        let part = halves.narrow(1, from, layers * rows * cols).view([lanes, layers, rows, cols]);
        from += layers * rows * cols;
        tensor.copy_(&rounded(tensor, &part.transpose(0, 1)));
    }
}

/// Returns f32 numbers rounded to bfloat16: away from 0 where the sum of the bits that go and of a
/// number from 0 to 65535 exceeds 65535, else towards 0. What is not finite stays as it is.
pub fn rounded(values: &Tensor, halves: &Tensor) -> Tensor {
    let bits = values.view_dtype(Kind::Int) + halves;
    let rounded = bits.bitwise_and(KEPT).view_dtype(Kind::Float);
    rounded.where_self(&values.isfinite(), values)
}
