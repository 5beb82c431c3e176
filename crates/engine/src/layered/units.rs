//! Which hidden units pass no signal on, whatever the sample.

use crate::activation;
use crate::module::Module;
use crate::weights::host;
use blowup_core::trial::Activation;
use tch::{Kind, Tensor};

/// For each hidden layer, `[lane, width]`: whether the derivative of the activation was 0 for every
/// sample and time step seen so far, or nearly 0 where it never is.
pub struct Units {
    layers: Vec<Tensor>,
}

impl Units {
    /// The units in the last forward pass of `network`. None of a network without such units.
    pub fn new(activation: Option<Activation>, network: &dyn Module) -> Option<Units> {
        let function = activation::of(activation?);
        let mut layers: Vec<Tensor> = Vec::new();
        for (layer, output) in network.activated() {
            let over = [1i64];
            let dead = function.saturated(output)?.all_dims(over.as_slice(), false);
            match layers.get_mut(layer - 1) {
                Some(known) => *known = known.logical_and(&dead),
                None => layers.push(dead),
            }
        }
        (!layers.is_empty()).then_some(Units { layers })
    }

    /// These units, of which only those stay that are dead in `other`, too.
    pub fn and(self, other: &Units) -> Units {
        let layers = self.layers.iter().zip(&other.layers).map(|(a, b)| a.logical_and(b)).collect();
        Units { layers }
    }

    /// The share of dead units of each lane.
    pub fn shares(&self) -> Vec<f64> {
        let all = Tensor::stack(&self.layers, 0).to_kind(Kind::Double);
        host(&all.mean_dim([0i64, 2].as_slice(), false, Kind::Double))
    }
}
