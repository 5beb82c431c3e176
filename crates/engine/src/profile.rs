//! What `layers.csv` says of one pass: how large the activations, the backprop signal, the weights
//! and their gradients of each layer are.

use super::dtype::inner;
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
    /// The root mean square of what has changed in each of them.
    changes: Option<Vec<Vec<f64>>>,
    signals: HashMap<Location, Vec<f64>>,
    weights: Vec<Vec<f64>>,
    gradients: Vec<Vec<f64>>,
}

/// The activations of a pass, with which those of later passes over the same samples are compared.
pub struct FirstActivations(Vec<Tensor>);

impl FirstActivations {
    /// Copies those of the forward pass that was just run.
    pub fn new(network: &dyn Module) -> FirstActivations {
        FirstActivations(outputs(network).map(Tensor::copy).collect())
    }

    /// Keeps the lanes of `index` (int64), in that order.
    pub fn gather(&mut self, index: &Tensor) {
        self.0.iter_mut().for_each(|values| *values = values.index_select(0, index));
    }

    /// Returns the root mean square of what has changed since, for each activation and lane.
    fn changes(&self, network: &dyn Module) -> Vec<Vec<f64>> {
        let change = |(now, first): (&Tensor, &Tensor)| {
            let wide = inner(now.kind());
            lane_rms(&(now.to_kind(wide) - first.to_kind(wide)))
        };
        outputs(network).zip(&self.0).map(change).collect()
    }
}

/// The outputs of every hidden layer and time step, and then those of the output layer.
fn outputs(network: &dyn Module) -> impl Iterator<Item = &Tensor> {
    network.activations().into_iter().map(|(_, values)| values).chain([&**network.output()])
}

impl Profile {
    /// Measures the forward pass that was just run. `signal` is dLoss/doutput
    /// `[lane, batch, outputs]`, and `first` is what the activations are compared with.
    pub fn new(
        epoch: u64,
        network: &dyn Module,
        first: Option<&FirstActivations>,
        signal: &Tensor,
        weights: &Weights,
    ) -> Profile {
        let output_layer = weights.layers.len();
        let output = Location { layer: output_layer, time: None };
        let places = network.activations().into_iter().map(|(place, _)| place).chain([output]);
        Profile {
            epoch,
            activations: places.zip(outputs(network).map(lane_rms)).collect(),
            changes: first.map(|first| first.changes(network)),
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
        let row = |(at, (place, rms)): (usize, &(Location, Vec<f64>))| {
            let Location { layer, time } = *place;
            LayerRow {
                epoch: self.epoch,
                layer,
                time,
                activation_rms: rms[lane],
                backprop_norm: self.signals[place][lane],
                weight_grad_norm: self.gradients[layer - 1][lane],
                weight_norm: self.weights[layer - 1][lane],
                activation_change: self.changes.as_ref().map(|changes| changes[at][lane]),
            }
        };
        self.activations.iter().enumerate().map(row).collect()
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
