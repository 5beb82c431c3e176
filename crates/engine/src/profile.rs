//! What `layers.csv` says of one pass: for each layer how large its activations, its backprop signal and its weights are.

use super::module::{Location, Module};
use super::readout::{lane_norms, lane_rms};
use super::weights::{LayerParameters, Weights};
use blowup_core::verdict::LayerRow;
use std::collections::HashMap;
use tch::Tensor;

/// Norms per lane of everything in a pass.
pub struct Profile {
    epoch: u64,
    /// Per hidden layer and time step, in the order of `Module::activations`.
    activations: Vec<(Location, Vec<f64>)>,
    signals: HashMap<Location, Vec<f64>>,
    weights: Vec<Vec<f64>>,
    gradients: Vec<Vec<f64>>,
}

impl Profile {
    /// Measures the forward pass just done. `signal`: dLoss/doutput.
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

    /// To be given to the backward pass.
    pub fn watch(&mut self, place: Location, delta: &Tensor) {
        self.signals.insert(place, lane_norms(delta));
    }

    /// After the backward pass.
    pub fn finish(&mut self, gradients: &Weights) {
        self.gradients = gradients.layers.iter().map(matrices).collect();
    }

    /// The rows of a lane, by layer and time.
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

/// The norm over a layer's weight matrices.
fn matrices(layer: &LayerParameters) -> Vec<f64> {
    let weight = lane_norms(&layer.weight);
    match &layer.recurrent {
        Some(recurrent) => weight.iter().zip(lane_norms(recurrent)).map(|(a, b)| a.hypot(b)).collect(),
        None => weight,
    }
}
