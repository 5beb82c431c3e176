//! Muon (Jordan 2024), as `torch.optim.Muon`: the update of a matrix is a mean of its gradients
//! with all singular values brought near 1, by five steps of a Newton-Schulz iteration.
//!
//! Muon is for the matrices of hidden layers: those between two hidden layers and the recurrent
//! ones. AdamW updates all other parameters, as the publication has it: the first and the last
//! layer, biases, and the scales and shifts of norms. In a model of the user's own, whose layers
//! are not known, all parameters of two dimensions are matrices.
//!
//! PyTorch runs the iteration in bfloat16 whatever the dtype. Here it runs in the dtype of the
//! training, and in float32 where that has 16 bits.

use super::adam::Adam;
use super::rule::{Division, Kept, PerLane, UpdateRule};
use crate::apply::{add_to_mean, land};
use crate::dtype::inner;
use crate::matrix::Matrix;
use crate::product::{add_product, multiply};
use crate::weights::{ParameterGroup, Role, Weights};
use blowup_core::trial::AdjustLr;
use tch::Tensor;

/// The coefficients a, b and c of a step: X becomes a X + b (X X^T) X + c (X X^T)^2 X.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
const STEPS: usize = 5;
/// The least number by which a matrix is divided at the start of the iteration.
const EPS: f64 = 1e-7;

/// The state of Muon and its hyperparameters.
pub struct Muon {
    /// The state and the rule of the other parameters. Of a matrix, the mean of the gradients is
    /// Muon's.
    adamw: Adam,
    /// The momentum as the weight of PyTorch's `lerp`, with Nesterov's momentum.
    nesterov: Option<Tensor>,
    one_minus_momentum: Tensor,
    adjust: Vec<AdjustLr>,
    /// The groups that are matrices of hidden layers, by their position.
    is_hidden: Vec<bool>,
}

impl Muon {
    /// `nesterov` says what the shape has. The state has the layout of `weights`.
    pub fn new(lanes: &PerLane, nesterov: bool, weights: &Weights) -> Muon {
        Muon {
            adamw: Adam::new(lanes, false, weights),
            nesterov: nesterov.then(|| lanes.factor("momentum")),
            one_minus_momentum: lanes.rest("momentum"),
            adjust: lanes.choices("adjust_lr_fn", AdjustLr::Original),
            is_hidden: weights.layout.iter().map(is_hidden).collect(),
        }
    }
}

/// Whether a group has matrices of hidden layers.
fn is_hidden(group: &ParameterGroup) -> bool {
    match group.role {
        Role::Weight => 0 < group.first_layer && !group.is_output,
        Role::Recurrent | Role::OwnMatrix => true,
        Role::Bias
        | Role::RecurrentBias
        | Role::Position
        | Role::QueryScale
        | Role::KeyScale
        | Role::Scale
        | Role::Shift
        | Role::ResidualWeight
        | Role::Own => false,
    }
}

/// The factor of the learning rate for the matrices of a group.
fn adjustment(adjust: AdjustLr, group: &ParameterGroup) -> f64 {
    let (rows, cols) = (group.rows as f64, (group.cols / group.abreast) as f64);
    // The matrices of a model of the user's own are as PyTorch has them, `[outputs, inputs]`.
    let (outputs, inputs) = if group.role.is_own() { (rows, cols) } else { (cols, rows) };
    match adjust {
        AdjustLr::Original => (outputs / inputs).max(1.0).sqrt(),
        AdjustLr::MatchRmsAdamw => 0.2 * outputs.max(inputs).sqrt(),
    }
}

/// Brings the singular values of matrices `[..., rows, cols]` near 1.
pub fn orthogonalized(matrices: &Tensor) -> Tensor {
    let size = matrices.size();
    let (rows, cols) = (size[size.len() - 2], size[size.len() - 1]);
    let wide = matrices.to_kind(inner(matrices.kind()));
    let rows_of_all = wide.reshape([-1, rows * cols]);
    let norm = rows_of_all.norm_scalaropt_dim(2.0, [1i64].as_slice(), true).clamp_min(EPS);
    let mut x = Matrix::of((rows_of_all / norm).view([-1, rows, cols]));
    let (all, kind, least) = (x.size()[0], x.kind(), rows.min(cols));
    let [gram, square] = [(); 2].map(|()| Matrix::zeros([all, least, least], kind));
    let mut next = Matrix::zeros([all, rows, cols], kind);
    let [a, b, c] = COEFFICIENTS;
    for _ in 0..STEPS {
        // Of X X^T and X^T X it is the smaller one.
        if rows <= cols {
            multiply(&x, x.transposed(), &gram);
        } else {
            multiply(x.transposed(), &x, &gram);
        }
        multiply(&gram, &gram, &square);
        // The polynomial of the gram matrix and the scaled X are made in place.
        drop(square.shallow_clone().g_mul_scalar_(c));
        drop(square.shallow_clone().g_add_(&gram.shallow_clone().g_mul_scalar_(b)));
        next.shallow_clone().copy_(&x);
        drop(next.shallow_clone().g_mul_scalar_(a));
        let (left, right) = if rows <= cols { (&square, &x) } else { (&x, &square) };
        add_product(left, right, &next);
        std::mem::swap(&mut x, &mut next);
    }
    x.view(size.as_slice())
}

impl UpdateRule for Muon {
    fn divide(&mut self, mut division: Division) {
        let Muon { adamw, nesterov, one_minus_momentum, adjust, is_hidden } = self;
        let group_of = division.weights.group_of.clone();
        adamw.divide_slices(&mut division, |slice| !is_hidden[group_of[slice]]);
        let Division { rates, kind, weights, gradients, readout, .. } = division;
        for (slice, group) in group_of.into_iter().enumerate().filter(|(_, group)| is_hidden[*group]) {
            let factor = |lane: usize| adjustment(adjust[lane], &weights.layout[group]);
            let stride = rates.of_slice(weights, slice).stride_of_sum(factor, kind);
            let (m, g) = (&mut adamw.moments.mean.slices[slice], &mut gradients.slices[slice]);
            add_to_mean(m, g, one_minus_momentum);
            let mean = match nesterov {
                Some(momentum) => g.to_kind(inner(kind)).lerp_tensor(&m.to_kind(inner(kind)), momentum).to_kind(kind),
                None => m.shallow_clone(),
            };
            let abreast = mean.chunk(weights.layout[group].abreast as i64, -1);
            let direction = Tensor::cat(&abreast.iter().map(orthogonalized).collect::<Vec<_>>(), -1).to_kind(kind);
            let change = direction.to_kind(inner(kind)) * &stride.rate;
            land(weights, g, slice, change, &stride, readout);
        }
    }

    fn states(&mut self) -> Vec<&mut Weights> {
        self.adamw.states()
    }

    fn gather(&mut self, kept: &Kept) {
        let Muon { adamw, nesterov, one_minus_momentum, adjust, is_hidden: _ } = self;
        adamw.gather(kept);
        nesterov.iter_mut().for_each(|momentum| kept.tensor(momentum));
        kept.tensor(one_minus_momentum);
        kept.values(adjust);
    }
}
