//! What an initializer says of a parameter: which numbers to draw, and what to multiply them with.

use crate::draw::Stream;
use crate::weights::host;
use tch::Tensor;

/// A parameter is `draws` times `factor`.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    pub draws: UnitDraws,
    pub factor: f64,
}

/// Numbers before they are scaled. Lanes that differ in nothing but a factor share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnitDraws {
    /// Independent draws from N(0, 1).
    Normal,
    /// Independent draws from U(-1, 1).
    Uniform,
    /// A matrix with orthonormal rows or columns, uniform over all such matrices.
    Orthogonal,
    /// Ones.
    One,
    /// Zeros.
    Zero,
}

/// What the factor of an initializer may depend on.
#[derive(Debug, Clone, Copy)]
pub struct Fans {
    /// The rows of the matrix `[in, out]` of a built-in net.
    pub fan_in: f64,
    /// The columns of that matrix.
    pub fan_out: f64,
    /// The bound of PyTorch's own initialization; see [`bound`](super::pytorch::bound).
    pub pytorch_bound: f64,
}

impl UnitDraws {
    /// Draws a matrix, row by row.
    pub fn draw(self, stream: &mut Stream, rows: usize, cols: usize) -> Vec<f64> {
        let size = rows * cols;
        match self {
            UnitDraws::Normal => stream.normal(size),
            UnitDraws::Uniform => stream.uniform(-1.0, 1.0, size),
            UnitDraws::Orthogonal => orthogonal(&stream.normal(size), rows, cols),
            UnitDraws::One => vec![1.0; size],
            UnitDraws::Zero => vec![0.0; size],
        }
    }
}

/// Makes an orthogonal matrix as `torch.nn.init.orthogonal_` does: the Q of a Gaussian matrix, with
/// the signs of R's diagonal, so that it is uniform over the group.
fn orthogonal(normal: &[f64], rows: usize, cols: usize) -> Vec<f64> {
    let tall = rows >= cols;
    let (long, short) = if tall { (rows, cols) } else { (cols, rows) };
    let matrix = Tensor::from_slice(normal).view([long as i64, short as i64]);
    let (q, r) = Tensor::linalg_qr(&matrix, "reduced");
    let q = q * r.diagonal(0, 0, 1).sign();
    let q = if tall { q } else { q.transpose(0, 1) };
    host(&q)
}
