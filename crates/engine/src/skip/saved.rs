//! What the lanes whose update is skipped are put back to.

use crate::device::upload;
use crate::optimizer::PerLaneOptimizer;
use crate::readout::Readout;
use crate::weights::Weights;
use tch::Tensor;

/// The weights and optimizer states of some lanes before an update.
pub struct Saved<'a> {
    lanes: &'a [usize],
    index: Tensor,
    weights: Weights,
    states: Vec<Weights>,
}

impl Saved<'_> {
    /// Copies what the lanes of `lanes` have.
    pub fn of<'a>(lanes: &'a [usize], weights: &Weights, optimizer: &mut PerLaneOptimizer) -> Saved<'a> {
        let index = upload(Tensor::from_slice(&lanes.iter().map(|&lane| lane as i64).collect::<Vec<_>>()));
        let states = optimizer.states().into_iter().map(|state| state.gather(&index)).collect();
        Saved { lanes, weights: weights.gather(&index), states, index }
    }

    /// Puts the lanes back after the update, and the norms of their weights into the readout.
    pub fn restore(&self, weights: &mut Weights, optimizer: &mut PerLaneOptimizer, readout: &Readout) {
        put(&self.index, &self.weights, weights);
        for (from, to) in self.states.iter().zip(optimizer.states()) {
            put(&self.index, from, to);
        }
        optimizer.forget_update(self.lanes);
        readout.put_weight_norms(&self.index, &self.weights);
    }
}

fn put(index: &Tensor, from: &Weights, to: &mut Weights) {
    for (from, to) in from.groups.iter().zip(&mut to.groups) {
        drop(to.index_copy_(1, index, from));
    }
}
