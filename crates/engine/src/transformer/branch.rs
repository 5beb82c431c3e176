//! A residual branch of a block, apart from what it computes: the norms around it, its scale, and
//! the sum with its input. With f what the branch computes, s its scale and a its learned scalar
//! (ReZero), it is
//!
//! ```text
//! pre       x + s a f(norm(x))
//! post      norm(x + s a f(x))
//! sandwich  x + s a norm(f(norm(x)))
//! deepnorm  norm(c x + s a f(x))
//! ```
//!
//! with the factor c of [`Deepnorm`](blowup_core::trial::Deepnorm), and the same without x where
//! there are no residual connections.

use crate::dtype::inner;
use crate::matrix::Matrix;
use crate::norm::{NormKind, Statistics};
use crate::weights::LayerParameters;
use blowup_core::trial::{Placement, Shape, Transformer};
use blowup_core::verdict::Tensor as SiteTensor;
use tch::{Kind, Tensor};

/// The buffers of a branch, `[lane, batch x tokens, width]`.
pub struct Branch {
    before: Option<Normed>,
    behind: Option<Normed>,
    is_behind_sum: bool,
    residual: bool,
    /// The factor of x in the sum.
    input: f64,
    /// The scale, with memory for a scaled branch. None where the scale is 1 and nothing is
    /// learned.
    scaled: Option<(f64, Matrix)>,
    sum: Matrix,
    /// dLoss/df where it differs from the signal behind the sum, since a scale or a norm lies
    /// between.
    delta: Option<Matrix>,
}

struct Normed {
    statistics: Statistics,
    output: Matrix,
}

impl Branch {
    /// Makes the buffers for `size`, which is the number of lanes, of tokens of the batch and the
    /// width.
    pub fn new(shape: &Shape, transformer: &Transformer, size: [i64; 3], kind: Kind) -> Branch {
        let new = || Matrix::zeros(size, kind);
        let of = NormKind::of_blocks(transformer.norm);
        let normed = |stands: bool| {
            of.filter(|_| stands).map(|of| Normed { statistics: Statistics::new(of, size, kind), output: new() })
        };
        let scale = if transformer.residual { shape.residual_scale.0 } else { 1.0 };
        let scaled = scale != 1.0 || transformer.residual && shape.rezero;
        let sandwiched = transformer.norm.placement() == Some(Placement::Sandwich);
        Branch {
            before: normed(transformer.norm.is_before()),
            behind: normed(transformer.norm.is_behind()),
            is_behind_sum: transformer.norm.is_behind_sum(),
            residual: transformer.residual,
            input: transformer.deepnorm().map_or(1.0, |numbers| numbers.input),
            scaled: scaled.then(|| (scale, new())),
            sum: new(),
            delta: (scaled || sandwiched).then(new),
        }
    }

    /// Returns the input of f, given x. `first` is the first matrix of the branch.
    pub fn enter<'a>(&'a self, x: &'a Matrix, first: &LayerParameters) -> &'a Matrix {
        let Some(Normed { statistics, output }) = &self.before else { return x };
        statistics.forward(first.norm(), x, output);
        output
    }

    /// The input of f in the last forward pass, given x.
    pub fn entered<'a>(&'a self, x: &'a Matrix) -> &'a Matrix {
        self.before.as_ref().map_or(x, |normed| &normed.output)
    }

    /// Returns what the branch hands on, given x and f. `last` is the last matrix of the branch.
    pub fn leave(&self, x: &Matrix, f: &Matrix, last: &LayerParameters) -> &Matrix {
        let mut branch = f;
        if let Some(Normed { statistics, output }) = self.behind.as_ref().filter(|_| !self.is_behind_sum) {
            statistics.forward(last.norm(), f, output);
            branch = output;
        }
        if let Some((scale, scaled)) = &self.scaled {
            drop(branch.mul_scalar_out(scaled, *scale));
            if let Some(weight) = &last.residual_weight {
                drop(scaled.shallow_clone().g_mul_(weight));
            }
            branch = scaled;
        }
        match self.residual {
            true if self.input == 1.0 => drop(x.add_out(&self.sum, branch)),
            true => {
                drop(x.mul_scalar_out(&self.sum, self.input));
                drop(self.sum.shallow_clone().g_add_(branch));
            }
            false => self.sum.shallow_clone().copy_(branch),
        }
        if let Some(Normed { statistics, output }) = self.behind.as_ref().filter(|_| self.is_behind_sum) {
            statistics.forward(last.norm(), &self.sum, output);
        }
        self.output()
    }

    /// What the branch handed on in the last forward pass.
    pub fn output(&self) -> &Matrix {
        match &self.behind {
            Some(Normed { output, .. }) if self.is_behind_sum => output,
            Some(_) | None => &self.sum,
        }
    }

    /// The norm before f of the last forward pass, if there is one.
    pub fn normed_before(&self) -> Option<&Tensor> {
        self.before.as_ref().map(|normed| &*normed.output)
    }

    /// What stands behind f in the last forward pass, in the order in which it was computed.
    pub fn parts_behind(&self) -> Vec<(SiteTensor, &Tensor)> {
        let norm = self.behind.as_ref().map(|normed| (SiteTensor::Norm, &*normed.output));
        let sum = Some((SiteTensor::Residual, &*self.sum));
        let both = if self.is_behind_sum { [sum, norm] } else { [norm, sum] };
        both.into_iter().flatten().collect()
    }

    /// Returns dLoss/df, given dLoss/doutput in `signal`, which becomes the derivative by the sum.
    /// It writes the gradients of what stands behind f.
    pub fn leave_backward<'a>(
        &'a self,
        f: &Matrix,
        last: &LayerParameters,
        gradient: &LayerParameters,
        signal: &'a Matrix,
    ) -> &'a Matrix {
        if let Some(Normed { statistics, .. }) = self.behind.as_ref().filter(|_| self.is_behind_sum) {
            statistics.backward(last.norm(), gradient.norm(), &self.sum, signal, false);
        }
        let Some(delta) = &self.delta else { return signal };
        delta.shallow_clone().copy_(signal);
        let behind = self.behind.as_ref().filter(|_| !self.is_behind_sum);
        if let Some((scale, scaled)) = &self.scaled {
            drop(delta.shallow_clone().g_mul_scalar_(*scale));
            if let (Some(weight), Some(gradient)) = (&last.residual_weight, &gradient.residual_weight) {
                let branch = behind.map_or(f, |normed| &normed.output);
                drop(branch.mul_out(scaled, delta));
                let lanes = gradient.size()[0];
                let products = scaled.to_kind(inner(scaled.kind())).view([lanes, -1]);
                let sums = products.sum_dim_intlist([1i64].as_slice(), true, None::<Kind>);
                gradient.shallow_clone().copy_(&sums.view([lanes, 1, 1]));
                drop(delta.shallow_clone().g_mul_(weight));
            }
        }
        if let Some(Normed { statistics, .. }) = behind {
            statistics.backward(last.norm(), gradient.norm(), f, delta, false);
        }
        delta
    }

    /// Turns `signal` from the derivative by the sum into dLoss/dx, given the derivative by the
    /// input of f in `entered`, which is overwritten. It writes the gradients of what stands before
    /// f.
    pub fn enter_backward(
        &self,
        x: &Matrix,
        first: &LayerParameters,
        gradient: &LayerParameters,
        entered: &Matrix,
        signal: &Matrix,
    ) {
        if let Some(Normed { statistics, .. }) = &self.before {
            statistics.backward(first.norm(), gradient.norm(), x, entered, false);
        }
        match self.residual {
            true => {
                if self.input != 1.0 {
                    drop(signal.shallow_clone().g_mul_scalar_(self.input));
                }
                drop(signal.shallow_clone().g_add_(entered));
            }
            false => signal.shallow_clone().copy_(entered),
        }
    }
}
