//! The learning rates of an update. Parameters that share theirs are a class: those of the hidden
//! layers and of the output layer, and in the maximal update parametrization the parts of its
//! table.

use crate::apply::Stride;
use crate::mup::Mup;
use crate::weights::Weights;
use blowup_core::trial::Shape;
use std::rc::Rc;
use tch::Kind;

/// Something that each class of parameters has.
pub struct PerClass<T> {
    values: Vec<T>,
    /// The class of each group of parameters.
    class_of: Rc<[usize]>,
}

impl<T> PerClass<T> {
    /// Makes something else of each.
    pub fn map<U>(&self, of: impl FnMut(&T) -> U) -> PerClass<U> {
        PerClass { values: self.values.iter().map(of).collect(), class_of: Rc::clone(&self.class_of) }
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.values.iter_mut()
    }

    /// What all parameters share, if there is a single class.
    pub fn common(&self) -> Option<&T> {
        if let [all] = &self.values[..] { Some(all) } else { None }
    }

    /// What the parameters of a slice of `weights` have.
    pub fn of_slice(&self, weights: &Weights, slice: usize) -> &T {
        &self.values[self.class_of[weights.group_of[slice]]]
    }
}

/// What decides the learning rates of a class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateClass {
    /// Whether it has the learning rate of the output layer.
    pub is_output: bool,
    /// The factor of its learning rates.
    pub factor: f64,
}

/// Returns the classes of the parameters `weights` of a cohort.
pub fn classes(shape: &Shape, weights: &Weights) -> PerClass<RateClass> {
    let mup = Mup::of(shape);
    let mut values: Vec<RateClass> = Vec::new();
    let class_of = weights.layout.iter().enumerate().map(|(at, group)| {
        let is_output = shape.lr_output && weights.is_output_group(at);
        let class = RateClass { is_output, factor: mup.as_ref().map_or(1.0, |mup| mup.rate(group)) };
        values.iter().position(|known| *known == class).unwrap_or_else(|| {
            values.push(class);
            values.len() - 1
        })
    });
    let class_of = class_of.collect();
    PerClass { values, class_of }
}

/// The learning rates of a class in one update, by lane.
pub struct ClassRates {
    /// With its factor.
    pub lr: Vec<f64>,
    /// The share of the weights that decoupled weight decay takes.
    pub lost: Option<Vec<f64>>,
}

impl ClassRates {
    /// Returns the stride of a quotient: minus the learning rates, each divided by a number of its
    /// lane, with the weight decay.
    pub fn stride_of_quotient(&self, divisor: impl Fn(usize) -> f64, kind: Kind) -> Stride {
        let rate: Vec<f64> = self.lr.iter().enumerate().map(|(lane, lr)| -(lr / divisor(lane))).collect();
        Stride::of_quotient(&rate, self.lost.as_deref(), kind)
    }

    /// Returns the stride of a direction: minus the learning rates, each multiplied with a number
    /// of its lane, with the weight decay.
    pub fn stride_of_sum(&self, factor: impl Fn(usize) -> f64, kind: Kind) -> Stride {
        let rate: Vec<f64> = self.lr.iter().enumerate().map(|(lane, lr)| -(lr * factor(lane))).collect();
        Stride::of_sum(&rate, self.lost.as_deref(), kind)
    }
}
