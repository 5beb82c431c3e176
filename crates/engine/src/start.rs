//! What is measured once, in the first pass before any update: how the backprop signal and the
//! activations grow through the network.

use super::dtype::epsilon;
use super::module::{Location, Module};
use super::readout::lane_norms;
use blowup_core::trial::{Dtype, Shape};
use tch::Tensor;

/// The norms per lane at both ends of the network: at the first and the last hidden layer or, in
/// recurrent networks, at the first and the last time step over all layers together.
pub struct Start {
    ends: Extent,
    backprop: [Vec<f64>; 2],
    activation: [Vec<f64>; 2],
}

/// The dimension of the network through which growth is measured.
#[derive(Clone, Copy)]
enum Extent {
    /// Growth is measured through the layers, of which this is the number.
    Depth(usize),
    /// Growth is measured through the time steps, of which this is the number.
    Time(usize),
}

impl Extent {
    fn last(self) -> usize {
        match self {
            Extent::Depth(last) | Extent::Time(last) => last,
        }
    }

    /// Whether `place` is at the first end, and whether it is at the last.
    fn which(self, place: Location) -> [bool; 2] {
        let at = match self {
            Extent::Depth(_) => place.layer,
            Extent::Time(_) => place.time.unwrap_or(1),
        };
        [at == 1, at == self.last()]
    }
}

impl Start {
    /// Measures the activations of the forward pass that was just run.
    pub fn new(shape: &Shape, network: &dyn Module) -> Start {
        let ends = match shape.network.recurrent_steps() {
            Some(times) => Extent::Time(times),
            None => Extent::Depth(shape.network.depth()),
        };
        let mut start = Start { ends, backprop: Default::default(), activation: Default::default() };
        for (place, values) in network.activations() {
            add(&mut start.activation, ends.which(place), values);
        }
        start
    }

    /// Measures the signal `delta` that is carried on at `place`. The backward pass is to call it.
    pub fn watch(&mut self, place: Location, delta: &Tensor) {
        add(&mut self.backprop, self.ends.which(place), delta);
    }

    /// The mean growth of the squared backprop signal of a lane towards the input, per layer or
    /// time step. None if this is undefined.
    pub fn backprop_ratio(&self, lane: usize) -> Option<f64> {
        let [first, last] = &self.backprop;
        self.ratio(first.get(lane), last.get(lane))
    }

    /// Whether the backprop signal of a lane vanishes: it falls on its way towards the input, or
    /// the first time step, below what `dtype` resolves beside its size at the other end. None
    /// where both ends are one, and if a norm is not finite.
    pub fn vanished(&self, lane: usize, dtype: Dtype) -> Option<bool> {
        let [first, last] = &self.backprop;
        let (first, last) = (*first.get(lane)?, *last.get(lane)?);
        let known = self.ends.last() > 1 && first.is_finite() && last.is_finite();
        known.then_some(first <= epsilon(dtype) * last)
    }

    /// The mean growth of the squared activations of a lane towards the output.
    pub fn activation_ratio(&self, lane: usize) -> Option<f64> {
        let [first, last] = &self.activation;
        self.ratio(last.get(lane), first.get(lane))
    }

    /// Returns (numerator / denominator)^(2/(last - 1)), which is the mean growth of the squares
    /// per layer or time step. None if this is undefined.
    fn ratio(&self, numerator: Option<&f64>, denominator: Option<&f64>) -> Option<f64> {
        let gaps = self.ends.last().checked_sub(1).filter(|&gaps| gaps > 0)?;
        let (numerator, denominator, power) = (numerator?, denominator?, 2.0 / gaps as f64);
        let quotient = numerator / denominator;
        // The quotient may leave the range of f64 where its root does not.
        let ratio = match quotient {
            _ if quotient.is_normal() => quotient.powf(power),
            _ => numerator.powf(power) / denominator.powf(power),
        };
        (!ratio.is_nan()).then_some(ratio)
    }
}

/// Adds each lane's norm to the ends that it belongs to.
fn add(norms: &mut [Vec<f64>; 2], ends: [bool; 2], values: &Tensor) {
    if !ends.contains(&true) {
        return;
    }
    let new = lane_norms(values);
    for (norm, _) in norms.iter_mut().zip(ends).filter(|(_, end)| *end) {
        norm.resize(new.len(), 0.0);
        norm.iter_mut().zip(&new).for_each(|(norm, new)| *norm = norm.hypot(*new));
    }
}
