//! What `layers.csv` says of one pass: how large the activations, the backprop signal, the weights
//! and their gradients of each layer are.

use super::device;
use super::dtype::inner;
use super::module::{Location, Module};
use super::readout::{lane_norms, lane_rms};
use super::transformer::Attended;
use super::weights::{LayerParameters, Weights, host, layer_number};
use blowup_core::mean::mean;
use blowup_core::trial::Shape;
use blowup_core::verdict::LayerRow;
use std::collections::{BTreeMap, HashMap};
use tch::{Kind, Tensor};

/// The norms of a pass, per lane.
pub struct Profile {
    epoch: u64,
    /// The root mean square of the activations of each hidden layer and time step, in the order of
    /// `Module::activations`, with the output last.
    activations: Vec<(Location, Vec<f64>)>,
    /// The root mean square of what has changed in each of them.
    changes: Option<Vec<Vec<f64>>>,
    signals: HashMap<Location, Vec<f64>>,
    /// The norms of the weights and of the gradients, by the number of the layer.
    weights: BTreeMap<usize, Vec<f64>>,
    gradients: BTreeMap<usize, Vec<f64>>,
    /// What was measured of the attention, by block.
    attended: Vec<Vec<Attended>>,
    /// The mean cosine between the tokens of a sequence, by the number of the layer.
    similarity: HashMap<usize, Vec<f64>>,
    shape: Shape,
}

/// The activations of a pass, with which those of later passes over the same samples are compared.
pub struct FirstActivations(Vec<Tensor>);

impl FirstActivations {
    /// Copies those of the forward pass that was just run.
    pub fn new(network: &dyn Module) -> FirstActivations {
        FirstActivations(outputs(network).map(Tensor::copy).collect())
    }

    /// Keeps the lanes of `index`, in that order.
    pub fn gather(&mut self, index: &[usize]) {
        let index: Vec<i64> = index.iter().map(|&lane| lane as i64).collect();
        let index = device::upload(Tensor::from_slice(&index));
        self.0.iter_mut().for_each(|values| *values = values.index_select(0, &index));
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
        shape: &Shape,
        network: &dyn Module,
        first: Option<&FirstActivations>,
        signal: &Tensor,
        weights: &Weights,
    ) -> Profile {
        let output = Location { layer: shape.network.depth() + 1, time: None };
        let places = network.activations().into_iter().map(|(place, _)| place).chain([output]);
        let tokens = shape.network.transformer().map(|of| of.sequence_length).filter(|&tokens| tokens > 1);
        let similarity = tokens.map_or_else(HashMap::new, |tokens| {
            let of = |(place, stream): (Location, &Tensor)| (place.layer, token_similarity(stream, tokens as i64));
            network.activations().into_iter().map(of).collect()
        });
        Profile {
            epoch,
            activations: places.zip(outputs(network).map(lane_rms)).collect(),
            changes: first.map(|first| first.changes(network)),
            signals: HashMap::from([(output, lane_norms(signal))]),
            weights: by_layer(shape, weights),
            gradients: BTreeMap::new(),
            attended: network.attended().map_or(Vec::new(), <[_]>::to_vec),
            similarity,
            shape: shape.clone(),
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
        self.gradients = by_layer(&self.shape, gradients);
    }

    /// Returns the rows of a lane, by layer and time step.
    pub fn rows(&self, lane: usize) -> Vec<LayerRow> {
        let row = |(at, (place, rms)): (usize, &(Location, Vec<f64>))| {
            let Location { layer, time } = *place;
            let block = layer.checked_sub(1).and_then(|block| self.attended.get(block));
            let attended = block.map(|lanes| lanes[lane]);
            LayerRow {
                epoch: self.epoch,
                layer,
                time,
                activation_rms: rms[lane],
                backprop_norm: self.signals[place][lane],
                weight_grad_norm: self.gradients[&layer][lane],
                weight_norm: self.weights[&layer][lane],
                activation_change: self.changes.as_ref().map(|changes| changes[at][lane]),
                attention_logit_max: attended.and_then(|attended| attended.logit_max),
                attention_entropy_min: attended.and_then(|attended| attended.entropy_min),
                token_similarity: self.similarity.get(&layer).map(|of| of[lane]),
            }
        };
        self.activations.iter().enumerate().map(row).collect()
    }
}

/// Returns the norm over the weight matrices of each layer, by its number in files, per lane.
pub fn by_layer(shape: &Shape, weights: &Weights) -> BTreeMap<usize, Vec<f64>> {
    let mut all: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for (at, layer) in weights.layers.iter().enumerate() {
        let norms = matrices(layer);
        all.entry(layer_number(&shape.network, at))
            .and_modify(|known| known.iter_mut().zip(&norms).for_each(|(known, norm)| *known = known.hypot(*norm)))
            .or_insert(norms);
    }
    all
}

/// Returns the mean cosine between two tokens of a sequence of `[lane, batch x tokens, width]`,
/// over all pairs of different tokens and the batch, per lane, in f64. With u the tokens divided by
/// their norms, it is (|sum u|^2 - n) / (n (n - 1)).
fn token_similarity(stream: &Tensor, tokens: i64) -> Vec<f64> {
    let size = stream.size();
    let by_token = stream.to_kind(Kind::Double).view([size[0], -1, tokens, size[2]]);
    let norms = by_token.norm_scalaropt_dim(2.0, [3i64].as_slice(), true);
    let sums = (by_token / norms).sum_dim_intlist([2i64].as_slice(), false, None::<Kind>);
    let squares = sums.square().sum_dim_intlist([2i64].as_slice(), false, None::<Kind>);
    let count = tokens as f64;
    let each = host(&((squares - count) / (count * (count - 1.0))));
    let samples = each.len() / size[0] as usize;
    each.chunks_exact(samples).map(|of_lane| mean(of_lane.iter().copied())).collect()
}

/// Returns the norm over a layer's weight matrices, per lane.
fn matrices(layer: &LayerParameters) -> Vec<f64> {
    let weight = lane_norms(&layer.weight);
    match &layer.recurrent {
        Some(recurrent) => weight.iter().zip(lane_norms(recurrent)).map(|(a, b)| a.hypot(b)).collect(),
        None => weight,
    }
}
