//! What the optimizers' rules have in common.

use super::rates::{ClassRates, PerClass};
use crate::apply::Stride;
use crate::clip::update::UpdateLimit;
use crate::data::{per_lane, per_lane_alpha};
use crate::readout::Readout;
use crate::weights::Weights;
use blowup_core::trial::{Lane, Number};
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
    pub rates: &'a PerClass<ClassRates>,
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

impl Division<'_> {
    /// Returns minus the learning rates of each class, each divided by a number of its lane, with
    /// the weight decay.
    pub fn strides(&self, divisor: impl Fn(usize) -> f64) -> PerClass<Stride> {
        self.rates.map(|of| of.stride_of_quotient(&divisor, self.kind))
    }
}

impl PerLane<'_> {
    /// Returns one value per lane, and `pad` for each pad lane.
    pub fn values(&self, of: impl Fn(&Lane) -> f64, pad: f64) -> Vec<f64> {
        self.lanes.iter().map(of).chain(std::iter::repeat_n(pad, self.pads)).collect()
    }

    /// Returns the number of each lane's optimizer under the name of its axis, and 0.5 for each pad
    /// lane.
    ///
    /// # Panics
    /// If the optimizer takes no such number.
    pub fn number(&self, axis: &str) -> Vec<f64> {
        let of = |lane: &Lane| f64::of(lane.optimizer.number(axis).expect("the optimizer takes this number"));
        self.values(of, 0.5)
    }

    /// Returns the name of each lane's optimizer under the name of its axis, and `pad` for each pad
    /// lane.
    ///
    /// # Panics
    /// If the optimizer takes no such name.
    pub fn choices<T: Number>(&self, axis: &str, pad: T) -> Vec<T> {
        let of = |lane: &Lane| T::of(lane.optimizer.number(axis).expect("the optimizer takes this name"));
        self.lanes.iter().map(of).chain(std::iter::repeat_n(pad, self.pads)).collect()
    }

    /// Returns a number as `[1, lane, 1, 1]`, to multiply a tensor with.
    pub fn factor(&self, axis: &str) -> Tensor {
        per_lane(&self.number(axis), self.kind)
    }

    /// Returns 1 minus a number as `[1, lane, 1, 1]`, to multiply a tensor with.
    pub fn rest(&self, axis: &str) -> Tensor {
        per_lane(&self.number(axis).iter().map(|x| 1.0 - x).collect::<Vec<_>>(), self.kind)
    }

    /// Returns a number as `[1, lane, 1, 1]`, to add to a tensor or to use as the `alpha` of an
    /// addition. It is rounded to the tensor's dtype.
    pub fn alpha(&self, axis: &str) -> Tensor {
        per_lane_alpha(&self.number(axis), self.kind)
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
