//! The sharpness of a trial: the largest eigenvalue of the Hessian of its loss over all training
//! data (Cohen 2021). It is computed by Lanczos' method on exact Hessian-vector products
//! (Pearlmutter 1994), in f64 whatever the training dtype.

use super::data::Batch;
use super::draw::{Purpose, Stream};
use super::plain_loss::Leaves;
use super::weights::Weights;
use blowup_core::trial::Shape;
use tch::{Kind, Tensor};

/// The relative error at which the eigenvalue is accepted.
const TOLERANCE: f64 = 1e-7;

/// The number of products after which the estimate is returned as it is.
const MOST_PRODUCTS: usize = 500;

/// Returns the sharpness of lane `lane`, where `batch` holds all training data of this lane alone.
/// It is NaN where the loss or the gradient is not finite.
///
/// It is computed on the CPU wherever the trial trains, since its many small operations would
/// mostly wait for a GPU.
pub fn sharpness(shape: &Shape, weights: &Weights, lane: usize, batch: &Batch) -> f64 {
    tch::with_grad(|| {
        let leaves = Leaves::new(shape, weights, lane, Kind::Double);
        let loss = leaves.loss(batch);
        let gradient = flat(&Tensor::run_backward(&[loss], &leaves.tensors, true, true), &leaves.tensors);
        if gradient.isfinite().all().int64_value(&[]) == 0 {
            return f64::NAN;
        }
        let product = |v: &Tensor| match gradient.requires_grad() {
            true => flat(&Tensor::run_backward(&[gradient.dot(v)], &leaves.tensors, true, false), &leaves.tensors),
            // The loss is linear in the parameters, so the Hessian is 0.
            false => v.zeros_like(),
        };
        let start = Stream::new(0, Purpose::Sharpness, 0).normal(gradient.numel());
        largest_eigenvalue(product, Tensor::from_slice(&start))
    })
}

/// Joins gradients to one vector of all parameters. A parameter on which the loss does not depend
/// has no gradient and gets zeros.
fn flat(gradients: &[Tensor], like: &[Tensor]) -> Tensor {
    let part = |(gradient, like): (&Tensor, &Tensor)| {
        if gradient.defined() { gradient.reshape([-1]) } else { like.zeros_like().reshape([-1]) }
    };
    Tensor::cat(&gradients.iter().zip(like).map(part).collect::<Vec<_>>(), 0)
}

/// Returns the largest eigenvalue of a symmetric matrix that is known by its products with vectors.
/// `start` is the vector from which the search starts.
///
/// Rounding makes Lanczos' vectors lose their orthogonality. That repeats the extreme eigenvalues
/// but adds no others (Paige 1980), so only the last two vectors are kept.
fn largest_eigenvalue(product: impl Fn(&Tensor) -> Tensor, start: Tensor) -> f64 {
    let norm = |v: &Tensor| v.norm().double_value(&[]);
    let mut v = &start / norm(&start);
    let mut before = v.zeros_like();
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    loop {
        let mut w = product(&v).detach() - &before * beside.last().copied().unwrap_or(0.0);
        let alpha = w.dot(&v).double_value(&[]);
        w -= &v * alpha;
        let beta = norm(&w);
        diagonal.push(alpha);
        if !alpha.is_finite() || !beta.is_finite() {
            return f64::NAN;
        }
        let steps = diagonal.len();
        let ends = steps == MOST_PRODUCTS || steps == start.numel() || beta == 0.0;
        if ends || steps.is_multiple_of(5) {
            let (largest, last) = ritz(&diagonal, &beside);
            if ends || beta * last.abs() <= TOLERANCE * largest.abs() {
                return largest;
            }
        }
        beside.push(beta);
        before = std::mem::replace(&mut v, w / beta);
    }
}

/// Returns the largest eigenvalue of a symmetric tridiagonal matrix and the last component of its
/// eigenvector.
fn ritz(diagonal: &[f64], beside: &[f64]) -> (f64, f64) {
    let beside = Tensor::from_slice(beside);
    let matrix = Tensor::from_slice(diagonal).diag_embed(0, 0, 1);
    let matrix = match beside.numel() {
        0 => matrix,
        _ => matrix + beside.diag_embed(1, 0, 1) + beside.diag_embed(-1, 0, 1),
    };
    let (values, vectors) = matrix.to_kind(Kind::Double).linalg_eigh("L");
    (values.double_value(&[-1]), vectors.double_value(&[-1, -1]))
}
