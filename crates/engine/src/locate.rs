//! Finds where the first non-finite value of a step began, by running that step again for the lanes
//! concerned.

use super::data::Batch;
use super::device;
use super::effective::Effective;
use super::loss::{self, Objective};
use super::matrix::{Matrix, Sequence};
use super::module::{Location, Part, Signal};
use super::network;
use super::scaling::Factors;
use super::weights::{Weights, layer_number};
use blowup_core::trial::Shape;
use blowup_core::verdict::{Site, Tensor as SiteTensor};
use tch::Tensor;

/// Returns the first non-finite tensor of each lane in `lanes`, in the order of a step: weights,
/// activations from the first layer to the output, loss, backprop signals from the output to the
/// first layer, weight gradients.
///
/// `weights` and `batch` are those of the whole cohort, before the update. Its last `pads` lanes
/// are pads. `factors` are those of the losses, where losses are scaled.
pub fn locate(
    shape: &Shape,
    lanes: &[usize],
    pads: usize,
    weights: &Weights,
    batch: &Batch,
    factors: Option<&Factors>,
) -> Vec<Option<Site>> {
    let all = weights.lanes as usize;
    // The pad lanes come along, and a single lane comes twice where products need two lanes.
    let twin = (lanes.len() + pads < super::lanes::fewest()).then_some(lanes[0]);
    let places: Vec<usize> = lanes.iter().copied().chain(all - pads..all).chain(twin).collect();
    let count = places.len() as i64;
    let index = device::upload(Tensor::from_slice(&places.iter().map(|&i| i as i64).collect::<Vec<_>>()));
    let factors = factors.map(|factors| factors.gather(&index, &places));
    let weights = weights.gather(&index);
    let mut gradients = weights.zeros_like();
    let inputs = Sequence::of(batch.inputs.index_select(1, &index));
    let targets = super::data::BatchTargets {
        values: batch.targets.values.index_select(0, &index),
        classes: batch.targets.classes.as_ref().map(|c| c.index_select(0, &index)),
    };
    let mut effective = Effective::new(shape, &weights);
    effective.take(&weights);
    let matrices = effective.matrices(&weights);
    let mut network = network::new(shape, count, batch.samples as i64, inputs.kind());
    network.forward(matrices, &inputs);
    let output = network.output().shallow_clone();
    let (losses, signal) =
        (Tensor::zeros([count], (targets.values.kind(), device::current())), Matrix::of(output.zeros_like()));
    loss::scaled_loss(Objective::of(shape), &output, &targets, &losses, &signal, factors.as_ref());

    let output_layer = shape.network.depth() + 1;
    let mut found = vec![None; lanes.len()];
    let mut see =
        |tensor: SiteTensor, layer: Option<usize>, time: Option<usize>, heads: Option<usize>, values: &Tensor| {
            let finite = values.isfinite().reshape([count, -1]);
            for (at, (site, each)) in found.iter_mut().zip(booleans(&finite)).enumerate() {
                if site.is_none() && !each {
                    let finite = finite.get(at as i64);
                    let head = heads.and_then(|heads| first_bad_head(&finite, batch.samples, heads));
                    let sample = has_samples(tensor).then(|| first_bad(&finite, batch.samples)).flatten();
                    let sample = sample.map(|sample| batch.place(lanes[at], sample));
                    *site = Some(Site { tensor, layer, time, head, sample });
                }
            }
        };
    for (l, layer) in weights.layers.iter().enumerate() {
        for part in parts(layer) {
            see(SiteTensor::Weight, Some(layer_number(&shape.network, l)), None, None, part);
        }
    }
    for Part { tensor, place: Location { layer, time }, heads, values } in network.parts() {
        see(tensor, Some(layer), time, heads, &values);
    }
    see(SiteTensor::Activation, Some(output_layer), None, None, &output);
    see(SiteTensor::Loss, None, None, None, &losses);
    see(SiteTensor::BackpropSignal, Some(output_layer), None, None, &signal);
    let mut watch = |place: Location, signal: Signal| {
        see(SiteTensor::BackpropSignal, Some(place.layer), place.time, None, signal.delta);
    };
    network.backward(matrices, effective.gradients(&gradients), &inputs, &signal, Some(&mut watch));
    effective.pull_back(&mut gradients);
    for (l, layer) in gradients.layers.iter().enumerate().rev() {
        for part in parts(layer) {
            see(SiteTensor::WeightGradient, Some(layer_number(&shape.network, l)), None, None, part);
        }
    }
    found
}

/// Whether a tensor has a part for each sample.
fn has_samples(tensor: SiteTensor) -> bool {
    match tensor {
        SiteTensor::Norm
        | SiteTensor::Query
        | SiteTensor::Key
        | SiteTensor::Value
        | SiteTensor::AttentionLogits
        | SiteTensor::AttentionWeights
        | SiteTensor::AttentionOutput
        | SiteTensor::Mlp
        | SiteTensor::Residual
        | SiteTensor::Activation
        | SiteTensor::BackpropSignal => true,
        SiteTensor::Weight | SiteTensor::Loss | SiteTensor::WeightGradient => false,
    }
}

/// Whether all elements of each row of a tensor of booleans are true.
fn booleans(finite: &Tensor) -> Vec<bool> {
    Vec::try_from(finite.all_dim(1, false)).expect("a tensor of booleans, one per row")
}

/// The first sample in which not all booleans are true. None if that holds of every sample.
fn first_bad(finite: &Tensor, samples: usize) -> Option<usize> {
    let each = booleans(&finite.view([samples as i64, -1]));
    each.contains(&true).then(|| each.iter().position(|finite| !finite)).flatten()
}

/// The first head, from 1, in which not all booleans `[batch x head x ..]` are true.
fn first_bad_head(finite: &Tensor, samples: usize, heads: usize) -> Option<usize> {
    let by_head = finite.view([samples as i64, heads as i64, -1]).transpose(0, 1).reshape([heads as i64, -1]);
    booleans(&by_head).iter().position(|finite| !finite).map(|head| head + 1)
}

fn parts(layer: &super::weights::LayerParameters) -> impl Iterator<Item = &Matrix> {
    let optional = [
        &layer.recurrent,
        &layer.bias,
        &layer.recurrent_bias,
        &layer.position,
        &layer.query_scale,
        &layer.key_scale,
        &layer.scale,
        &layer.shift,
        &layer.residual_weight,
    ];
    std::iter::once(&layer.weight).chain(optional.into_iter().flatten())
}
