//! The matrices that a pass computes with. They are the weights in the kinds of the pass, times a
//! factor of their layer where a parametrization has one (Jacot 2018; Mei 2018; Yang and Hu 2021).
//! Gradients are always those of the weights.

use super::dtype::Kinds;
use super::mup::Mup;
use super::weights::{ParameterGroup, Role, Weights};
use blowup_core::trial::{Parametrization, Shape};
use tch::Tensor;

/// The matrices of a cohort as its passes take them.
pub struct Effective {
    /// The factor of each group.
    factors: Vec<f64>,
    /// None where the passes take the weights themselves.
    matrices: Option<Weights>,
    /// The gradients with respect to the matrices. None where they have the kind of the weights.
    gradients: Option<Weights>,
    /// Whether a factor multiplies the weights before they are rounded to the kind of the pass, and
    /// the gradients after they are widened, as it does under `torch.autocast`.
    scales_wide: bool,
}

impl Effective {
    /// Makes memory for the matrices of `weights` in the kinds of the passes of `shape`.
    pub fn new(shape: &Shape, weights: &Weights) -> Effective {
        let kinds = Kinds::of(shape.numbers);
        if kinds.are_one() { Effective::wide(shape, weights) } else { Effective::narrow(shape, weights, kinds) }
    }

    /// Makes memory for matrices of the kind of `weights`.
    pub fn wide(shape: &Shape, weights: &Weights) -> Effective {
        let factors = factors(shape, weights);
        let scaled = factors.iter().any(|factor| *factor != 1.0);
        let matrices = scaled.then(|| {
            // A group whose factor is 1 lies in the memory of the weights.
            let matrix = |(w, factor): (&Tensor, &f64)| if *factor == 1.0 { w.shallow_clone() } else { w.zeros_like() };
            Weights::of(&weights.layout, weights.groups.iter().zip(&factors).map(matrix).collect())
        });
        Effective { factors, matrices, gradients: None, scales_wide: false }
    }

    fn narrow(shape: &Shape, weights: &Weights, kinds: Kinds) -> Effective {
        let zeros = |(group, like): (&ParameterGroup, &Tensor)| -> Tensor {
            let kind = if is_of_norm(group.role) { kinds.kept } else { kinds.passes };
            Tensor::zeros(like.size().as_slice(), (kind, like.device()))
        };
        let all = || {
            let groups = weights.layout.iter().zip(&weights.groups).map(zeros).collect();
            Some(Weights::of(&weights.layout, groups))
        };
        let scales_wide = shape.numbers.is_autocast();
        Effective { factors: factors(shape, weights), matrices: all(), gradients: all(), scales_wide }
    }

    /// Makes the matrices of `weights` and returns them, to run a pass with.
    pub fn of<'a>(&'a mut self, weights: &'a Weights) -> &'a Weights {
        self.take(weights);
        self.matrices(weights)
    }

    /// Makes the matrices of `weights`.
    pub fn take(&mut self, weights: &Weights) {
        let Some(matrices) = &mut self.matrices else { return };
        for ((to, from), &factor) in matrices.groups.iter_mut().zip(&weights.groups).zip(&self.factors) {
            if factor == 1.0 && to.data_ptr() == from.data_ptr() {
                continue;
            }
            if to.kind() == from.kind() {
                drop(from.mul_scalar_out(to, factor));
            } else if self.scales_wide && factor != 1.0 {
                to.copy_(&from.g_mul_scalar(factor));
            } else {
                to.copy_(from);
                times(to, factor);
            }
        }
    }

    /// Returns the matrices that `take` has made of `weights`.
    pub fn matrices<'a>(&'a self, weights: &'a Weights) -> &'a Weights {
        self.matrices.as_ref().unwrap_or(weights)
    }

    /// Returns what a pass is to write its gradients to. `pull_back` then turns them into those of
    /// the weights.
    pub fn gradients<'a>(&'a self, gradients: &'a Weights) -> &'a Weights {
        self.gradients.as_ref().unwrap_or(gradients)
    }

    /// Turns gradients with respect to the matrices into `gradients` with respect to the weights.
    pub fn pull_back(&mut self, gradients: &mut Weights) {
        let Some(narrow) = &mut self.gradients else {
            gradients.groups.iter_mut().zip(&self.factors).for_each(|(gradient, factor)| times(gradient, *factor));
            return;
        };
        for ((to, from), &factor) in gradients.groups.iter_mut().zip(&mut narrow.groups).zip(&self.factors) {
            if !self.scales_wide {
                times(from, factor);
            }
            to.copy_(from);
            if self.scales_wide {
                times(to, factor);
            }
        }
    }
}

fn times(values: &mut Tensor, factor: f64) {
    if factor != 1.0 {
        drop(values.g_mul_scalar_(factor));
    }
}

/// Whether a parameter is the scale or the shift of a norm.
fn is_of_norm(role: Role) -> bool {
    match role {
        Role::Scale | Role::Shift | Role::QueryScale | Role::KeyScale => true,
        Role::Weight
        | Role::Recurrent
        | Role::Bias
        | Role::RecurrentBias
        | Role::Position
        | Role::ResidualWeight
        | Role::Own
        | Role::OwnMatrix => false,
    }
}

/// Returns the factors of all groups.
fn factors(shape: &Shape, weights: &Weights) -> Vec<f64> {
    weights.layout.iter().map(|group| factor(shape, group)).collect()
}

/// Returns the factor of the matrices of `group`. The factor of biases and norms is 1.
pub fn factor(shape: &Shape, group: &ParameterGroup) -> f64 {
    let fan_in = group.rows as f64;
    match (group.role, shape.parametrization) {
        (
            Role::Bias
            | Role::RecurrentBias
            | Role::QueryScale
            | Role::KeyScale
            | Role::Scale
            | Role::Shift
            | Role::ResidualWeight
            | Role::Own
            | Role::OwnMatrix,
            _,
        )
        | (_, Parametrization::Standard) => 1.0,
        (Role::Weight | Role::Recurrent | Role::Position, Parametrization::Mup { .. }) => {
            Mup::of(shape).map_or(1.0, |mup| mup.multiplier(group))
        }
        (Role::Weight, Parametrization::MeanField) if group.is_output => 1.0 / fan_in,
        (Role::Weight | Role::Recurrent | Role::Position, Parametrization::Ntk | Parametrization::MeanField) => {
            1.0 / fan_in.sqrt()
        }
    }
}
