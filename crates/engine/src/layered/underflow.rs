//! How many gradients underflow: a twin of the network runs every pass in f32, and the elements of
//! the weight matrices' gradients are counted that are 0 in the pass of 16 bits and not in that of
//! the twin. Both passes have the same weights and samples.

use super::Workspaces;
use crate::data::Batch;
use crate::effective::Effective;
use crate::loss::{Objective, loss};
use crate::weights::{Role, Weights, host};
use blowup_core::trial::Shape;
use tch::{Kind, Tensor};

/// The twin in f32 of a network whose passes have 16 bits.
pub struct Twin<'a> {
    shape: &'a Shape,
    workspaces: Workspaces<'a>,
    effective: Effective,
    gradients: Weights,
}

impl<'a> Twin<'a> {
    pub fn new(shape: &'a Shape, weights: &Weights) -> Twin<'a> {
        Twin {
            shape,
            workspaces: Workspaces { shape, kind: Kind::Float, made: Vec::new() },
            effective: Effective::wide(shape, weights),
            gradients: weights.zeros_like(),
        }
    }

    /// Returns the share of each lane's elements that are 0 in `gradients` and not in the twin's.
    pub fn underflow(&mut self, weights: &Weights, batch: &Batch, gradients: &Weights) -> Vec<f64> {
        let workspace = self.workspaces.of(weights.lanes, batch.samples);
        let (network, signal) = (&mut workspace.network, &workspace.signal);
        self.effective.take(weights);
        let matrices = self.effective.matrices(weights);
        network.forward(matrices, &batch.inputs);
        let losses = Tensor::zeros([weights.lanes], (Kind::Float, crate::device::current()));
        loss(Objective::of(self.shape), network.output(), &batch.targets, &losses, Some(signal));
        network.backward(matrices, &self.gradients, &batch.inputs, signal, None);
        share_gone(gradients, &self.gradients)
    }
}

/// Returns, for each lane, the share of the elements of all weight matrices that are 0 in `narrow`
/// and not in `wide`.
fn share_gone(narrow: &Weights, wide: &Weights) -> Vec<f64> {
    let (mut gone, mut all): (Option<Tensor>, i64) = (None, 0);
    for ((group, narrow), wide) in narrow.layout.iter().zip(&narrow.groups).zip(&wide.groups) {
        if !is_matrix(group.role) {
            continue;
        }
        let here = narrow.eq(0.0).logical_and(&wide.ne(0.0));
        let count = here.sum_dim_intlist([0i64, 2, 3].as_slice(), false, Kind::Int64);
        all += (group.layers * group.rows * group.cols) as i64;
        gone = Some(gone.map_or_else(|| count.shallow_clone(), |gone| gone + &count));
    }
    let counts = gone.expect("every network has a weight matrix");
    host(&counts).into_iter().map(|count| count / all as f64).collect()
}

fn is_matrix(role: Role) -> bool {
    match role {
        Role::Weight | Role::Recurrent => true,
        Role::Bias
        | Role::RecurrentBias
        | Role::Position
        | Role::QueryScale
        | Role::KeyScale
        | Role::Scale
        | Role::Shift
        | Role::ResidualWeight
        | Role::Own
        | Role::OwnMatrix => false,
    }
}
