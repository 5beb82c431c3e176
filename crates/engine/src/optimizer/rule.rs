//! What the optimizers' rules have in common.

use crate::clip::update::UpdateLimit;
use crate::data::{per_lane, per_lane_alpha};
use crate::readout::Readout;
use crate::weights::Weights;
use blowup_core::trial::Lane;
use tch::{Kind, Tensor};

/// How an optimizer makes an update of a gradient, with its state and its hyperparameters.
///
/// An update is either a direction times the learning rate, which `direct` computes, or a quotient,
/// which `divide` computes and applies.
pub trait UpdateRule {
    /// Whether the direction of an update is the gradient itself.
    fn is_plain(&self) -> bool {
        false
    }

    /// Whether weight decay acts on the weights directly, and not through the gradient.
    fn is_decoupled(&self) -> bool {
        false
    }

    /// Turns the gradients into the direction of the update, in place, and returns true. A rule
    /// whose update is a quotient leaves them alone and returns false.
    fn direct(&mut self, _gradients: &mut Weights) -> bool {
        false
    }

    /// Makes a step whose update is a quotient. Only called where `direct` returns false.
    fn divide(&mut self, _division: Division) {
        unreachable!("this optimizer divides nothing")
    }

    /// Everything that an update changes of the rule, and that a skipped one puts back.
    fn states(&mut self) -> Vec<&mut Weights>;

    /// Keeps the lanes of `kept`, in its order.
    fn gather(&mut self, kept: &Kept);
}

/// A step whose update is a quotient (`addcdiv_`) and not a direction times the learning rate
/// (`add_`).
pub struct Division<'a> {
    /// The learning rates of the hidden layers and of the output layer, by lane.
    pub lr: [&'a [f64]; 2],
    /// Decoupled weight decay, by lane.
    pub decay: Option<&'a [f64]>,
    /// The number of updates of each lane, this one included.
    pub steps: &'a [i32],
    /// The clipping of updates.
    pub limit: Option<&'a mut UpdateLimit>,
    pub kind: Kind,
    pub weights: &'a mut Weights,
    /// The gradients, which are overwritten with the change of the weights.
    pub gradients: &'a mut Weights,
    pub readout: &'a Readout,
}

/// The hyperparameters of all lanes and of the pad lanes behind them.
pub struct PerLane<'a> {
    pub lanes: &'a [Lane],
    pub pads: usize,
    pub kind: Kind,
}

impl PerLane<'_> {
    /// Returns one value per lane, and `pad` for each pad lane.
    pub fn values(&self, of: impl Fn(&Lane) -> f64, pad: f64) -> Vec<f64> {
        self.lanes.iter().map(of).chain(std::iter::repeat_n(pad, self.pads)).collect()
    }

    /// Returns `[1, lane, 1, 1]`, to multiply a tensor with.
    pub fn factor(&self, of: impl Fn(&Lane) -> f64) -> Tensor {
        per_lane(&self.values(of, 0.5), self.kind)
    }

    /// Returns `[1, lane, 1, 1]`, to add to a tensor or to use as the `alpha` of an addition.
    pub fn alpha(&self, of: impl Fn(&Lane) -> f64) -> Tensor {
        per_lane_alpha(&self.values(of, 0.5), self.kind)
    }
}

/// The lanes that stay in training, in their new order.
pub struct Kept<'a> {
    /// The index that each lane had before.
    pub index: &'a [usize],
    /// `index` as a tensor of int64.
    pub tensor: Tensor,
}

impl Kept<'_> {
    /// Gathers a vector of one value per lane.
    pub fn values<T: Copy>(&self, values: &mut Vec<T>) {
        *values = self.index.iter().map(|&i| values[i]).collect();
    }

    /// Gathers a tensor `[1, lane, 1, 1]`.
    pub fn tensor(&self, tensor: &mut Tensor) {
        *tensor = tensor.index_select(1, &self.tensor);
    }

    /// Gathers an optimizer state.
    pub fn weights(&self, weights: &mut Weights) {
        *weights = weights.gather(&self.tensor);
    }
}
