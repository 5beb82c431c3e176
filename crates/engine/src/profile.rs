//! What `layers.csv` says of one pass: how large the activations, the backprop signal, the weights
//! and their gradients of each layer are.

use super::module::{Location, Module};
use super::readout::{lane_norms, lane_rms};
use super::weights::{LayerParameters, Weights};
use blowup_core::verdict::LayerRow;
use std::collections::HashMap;
use tch::Tensor;

/// The norms of a pass, per lane.
pub struct Profile {
    epoch: u64,
    /// The root mean square of the activations of each hidden layer and time step, in the order of
    /// `Module::activations`, with the output last.
    activations: Vec<(Location, Vec<f64>)>,
    signals: HashMap<Location, Vec<f64>>,
    weights: Vec<Vec<f64>>,
    gradients: Vec<Vec<f64>>,
}

impl Profile {
    /// Measures the forward pass that was just run. `signal` is dLoss/doutput
    /// `[lane, batch, outputs]`.
    pub fn new(epoch: u64, network: &dyn Module, signal: &Tensor, weights: &Weights) -> Profile {
        let output_layer = weights.layers.len();
        let output = Location { layer: output_layer, time: None };
        let hidden = network.activations().into_iter();
        let activations =
            hidden.chain([(output, &**network.output())]).map(|(place, values)| (place, lane_rms(values)));
        Profile {
            epoch,
            activations: activations.collect(),
            signals: HashMap::from([(output, lane_norms(signal))]),
            weights: weights.layers.iter().map(matrices).collect(),
            gradients: Vec::new(),
        }
    }

    /// Measures the backprop signal at `place`. It is to be called by the backward pass.
    pub fn watch(&mut self, place: Location, delta: &Tensor) {
        self.signals.insert(place, lane_norms(delta));
    }

    /// Multiplies the backprop signals with a factor for each lane, where those that were measured
    /// are of scaled losses.
    pub fn rescale(&mut self, factors: &[f64]) {
        for (place, _) in &self.activations {
            let norms = self.signals.get_mut(place).into_iter().flatten();
            norms.zip(factors).for_each(|(norm, factor)| *norm *= factor);
        }
    }

    /// Measures the gradients, after the backward pass.
    pub fn finish(&mut self, gradients: &Weights) {
        self.gradients = gradients.layers.iter().map(matrices).collect();
    }

    /// Returns the rows of a lane, by layer and time step.
    pub fn rows(&self, lane: usize) -> Vec<LayerRow> {
        let row = |(place, rms): &(Location, Vec<f64>)| {
            let Location { layer, time } = *place;
            LayerRow {
                epoch: self.epoch,
                layer,
                time,
                activation_rms: rms[lane],
                backprop_norm: self.signals[place][lane],
                weight_grad_norm: self.gradients[layer - 1][lane],
                weight_norm: self.weights[layer - 1][lane],
            }
        };
        self.activations.iter().map(row).collect()
    }
}

/// Returns the norm over a layer's weight matrices, per lane.
pub fn matrices(layer: &LayerParameters) -> Vec<f64> {
    let weight = lane_norms(&layer.weight);
    match &layer.recurrent {
        Some(recurrent) => weight.iter().zip(lane_norms(recurrent)).map(|(a, b)| a.hypot(b)).collect(),
        None => weight,
    }
}
