//! The norms of hidden layers, forward and backward, as `torch.nn.BatchNorm1d` (with batch
//! statistics), `torch.nn.LayerNorm` and `torch.nn.RMSNorm` compute them on a CPU. This includes a
//! variance, or a number in the backward pass, that leaves the range of the dtype.

mod host;
mod plain;

use super::device::{self, is_host};
use super::dtype::inner;
use super::elements::{elements, nothing, slices};
use super::matrix::Matrix;
use blowup_core::trial::{BlockNorm, Norm};
use host::{Backward, Element, Forward};
use tch::{Kind, Tensor};

/// The number that is added to variances, as in `torch.nn.BatchNorm1d` and `torch.nn.LayerNorm`.
pub const EPS: f64 = 1e-5;

/// The number that is added to mean squares. As in `torch.nn.RMSNorm`, it is the machine epsilon of
/// the dtype, or of f32 for 16 bits.
pub fn rms_eps(kind: Kind) -> f64 {
    if kind == Kind::Double { f64::EPSILON } else { f64::from(f32::EPSILON) }
}

/// What a backward pass needs of the forward pass before it, besides its input.
#[derive(Debug)]
pub struct Statistics {
    of: NormKind,
    kind: Kind,
    /// The mean, `[lane, 1, width]` for batch norm and `[lane, batch, 1]` for layer norm. None for
    /// rms norm.
    mean: Option<Tensor>,
    /// 1 / sqrt(variance + eps), or the same of the mean square for rms norm. Its shape is that of
    /// the mean; for rms norm it is `[lane, batch, 1]`.
    inverse: Tensor,
}

/// What a norm normalizes over, wherever it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormKind {
    Batch,
    Layer,
    Rms,
}

impl NormKind {
    /// The kind of the norm of hidden layers, if they have one.
    pub fn of(norm: Norm) -> Option<NormKind> {
        match norm {
            Norm::None => None,
            Norm::Batch(_) => Some(NormKind::Batch),
            Norm::Layer(_) => Some(NormKind::Layer),
            Norm::Rms(_) => Some(NormKind::Rms),
        }
    }

    /// The kind of the norms of a transformer, if it has any.
    pub fn of_blocks(norm: BlockNorm) -> Option<NormKind> {
        match norm {
            BlockNorm::None => None,
            BlockNorm::Layer(_) => Some(NormKind::Layer),
            BlockNorm::Rms(_) => Some(NormKind::Rms),
        }
    }
}

/// The learned parameters of a norm, or their gradients.
#[derive(Debug, Clone, Copy)]
pub struct Learned<'a> {
    /// `[lane, 1, width]`.
    pub scale: &'a Matrix,
    /// The same. None for rms norm.
    pub shift: Option<&'a Matrix>,
}

impl Statistics {
    /// Makes the statistics for elements `[lane, batch, width]`, which are kept in `kind`.
    pub fn new(of: NormKind, size: [i64; 3], kind: Kind) -> Statistics {
        let [lanes, batch, width] = size;
        let zeros = |size: [i64; 3]| Tensor::zeros(size, (inner(kind), device::current()));
        let per_row = || zeros([lanes, batch, 1]);
        let per_column = || zeros([lanes, 1, width]);
        let (mean, inverse) = match of {
            NormKind::Batch => (Some(per_column()), per_column()),
            NormKind::Layer => (Some(per_row()), per_row()),
            NormKind::Rms => (None, per_row()),
        };
        Statistics { of, kind, mean, inverse }
    }

    fn mean(&self) -> &Tensor {
        self.mean.as_ref().expect("a norm that centres has a mean")
    }

    /// Normalizes `input` `[lane, batch, width]` to `output`, with the learned scale and shift.
    ///
    /// As in PyTorch, the statistics of 16-bit inputs are computed in f32, where squares do not
    /// overflow. Those of batch and layer norm are kept in 16 bits, and layer norm alone uses them
    /// before they are rounded.
    pub fn forward(&self, learned: Learned<'_>, input: &Matrix, output: &Matrix) {
        let wide = wide(input);
        match self.of {
            NormKind::Batch => self.batch_forward(learned, &wide, output),
            NormKind::Layer => {
                let (standardized, mean, inverse) =
                    wide.native_layer_norm([wide.size()[2]], None::<Tensor>, None::<Tensor>, EPS);
                self.keep(&mean, &inverse);
                drop(shift(learned).addcmul_out(output, &standardized, learned.scale));
            }
            NormKind::Rms => {
                let square = wide.square().mean_dim([2i64].as_slice(), true, None::<Kind>);
                drop((square + rms_eps(wide.kind())).rsqrt_out(&self.inverse));
                drop((&wide * &self.inverse).mul_out(output, learned.scale));
            }
        }
    }

    fn keep(&self, mean: &Tensor, inverse: &Tensor) {
        self.mean().shallow_clone().copy_(&mean.to_kind(self.kind));
        self.inverse.shallow_clone().copy_(&inverse.to_kind(self.kind));
    }

    fn batch_forward(&self, learned: Learned<'_>, input: &Tensor, output: &Matrix) {
        let (scale, shift) = (wide(learned.scale), wide(shift(learned)));
        if !is_host() {
            let [mean, inverse] = plain::batch_statistics(input, EPS);
            self.keep(&mean, &inverse);
            return output.shallow_clone().copy_(&plain::batch_forward(
                input,
                self.mean(),
                &self.inverse,
                &scale,
                &shift,
            ));
        }
        let direct = input.kind() == output.kind();
        let target = if direct { output.shallow_clone() } else { input.empty_like() };
        if input.kind() == Kind::Double {
            self.batch_pass::<f64>(input, &target, &scale, &shift, |x| x);
        } else {
            self.batch_pass::<f32>(input, &target, &scale, &shift, keep(self.kind));
        }
        if !direct {
            output.shallow_clone().copy_(&target);
        }
    }

    fn batch_pass<F: Element>(
        &self,
        input: &Tensor,
        output: &Tensor,
        scale: &Tensor,
        shift: &Tensor,
        keep: fn(F) -> F,
    ) {
        let [_, batch, width] = sizes(input);
        let (written, read) = ([output, self.mean(), &self.inverse], [input, scale, shift]);
        // SAFETY: the tensors are borrowed until the pass ends. The pass runs on this thread and
        // calls nothing of libtorch.
        let ([output, mean, inverse], [input, scale, shift]) =
            unsafe { slices(written.map(elements::<F>), read.map(elements)) };
        F::batch_forward(Forward { input, output, mean, inverse, scale, shift, keep, batch, width }, EPS);
    }

    /// Turns `signal` from dLoss/doutput into dLoss/dinput, in place, both `[lane, batch, width]`.
    /// It writes the gradients of scale and shift to `gradient`, or adds them where `add` is set.
    pub fn backward(&self, learned: Learned<'_>, gradient: Learned<'_>, input: &Matrix, signal: &Matrix, add: bool) {
        let (wide_input, wide_signal, scale) = (wide(input), wide(signal), wide(learned.scale));
        let targets = [Some(gradient.scale), gradient.shift];
        let (below, sums) = if is_host() {
            let direct = !add && signal.kind() == wide_signal.kind();
            let sums = targets.map(|target| {
                target.map(|target| if direct { target.shallow_clone() } else { wide(target).empty_like() })
            });
            if wide_input.kind() == Kind::Double {
                self.backward_pass::<f64>(&wide_input, &wide_signal, &scale, &sums);
            } else {
                self.backward_pass::<f32>(&wide_input, &wide_signal, &scale, &sums);
            }
            (wide_signal, if direct { [None, None] } else { sums })
        } else {
            self.backward_plain(&wide_input, &wide_signal, &scale)
        };
        if below.data_ptr() != signal.data_ptr() {
            signal.shallow_clone().copy_(&below);
        }
        for (target, sum) in targets.into_iter().zip(sums) {
            let (Some(target), Some(sum)) = (target, sum) else { continue };
            if add {
                drop(target.shallow_clone().g_add_(&sum));
            } else {
                target.shallow_clone().copy_(&sum);
            }
        }
    }

    fn backward_pass<F: Element>(&self, input: &Tensor, signal: &Tensor, scale: &Tensor, sums: &[Option<Tensor>; 2]) {
        let [_, batch, width] = sizes(input);
        let place = |tensor: Option<&Tensor>| tensor.map_or_else(nothing, elements::<F>);
        let [scale_sum, shift_sum] = sums;
        let written = [Some(signal), scale_sum.as_ref(), shift_sum.as_ref()].map(place);
        let read = [Some(input), self.mean.as_ref(), Some(&self.inverse), Some(scale)].map(place);
        // SAFETY: as in `batch_pass`.
        let ([signal, scale_gradient, shift_gradient], [input, mean, inverse, scale]) =
            unsafe { slices(written, read) };
        let pass = Backward { input, signal, mean, inverse, scale, scale_gradient, shift_gradient, batch, width };
        match self.of {
            NormKind::Batch => F::batch_backward(pass),
            NormKind::Layer => F::layer_backward(pass),
            NormKind::Rms => F::rms_backward(pass),
        }
    }

    fn backward_plain(&self, input: &Tensor, signal: &Tensor, scale: &Tensor) -> (Tensor, [Option<Tensor>; 2]) {
        let centred = |[below, scale, shift]: [Tensor; 3]| (below, [Some(scale), Some(shift)]);
        match self.of {
            NormKind::Batch => centred(plain::batch_backward(input, signal, self.mean(), &self.inverse, scale)),
            NormKind::Layer => centred(plain::layer_backward(input, signal, self.mean(), &self.inverse, scale)),
            NormKind::Rms => {
                let [below, scale] = plain::rms_backward(input, signal, &self.inverse, scale);
                (below, [Some(scale), None])
            }
        }
    }
}

/// Returns the function that rounds to the nearest number of `kind`.
#[expect(clippy::wildcard_enum_match_arm, reason = "tch has kinds that no network is trained in")]
fn keep(kind: Kind) -> fn(f32) -> f32 {
    match kind {
        Kind::BFloat16 => |x| half::bf16::from_f32(x).to_f32(),
        Kind::Half => |x| half::f16::from_f32(x).to_f32(),
        _ => |x| x,
    }
}

/// Returns the tensor itself, or its copy in f32 if it has 16 bits.
fn wide(tensor: &Tensor) -> Tensor {
    tensor.to_kind(inner(tensor.kind()))
}

fn sizes(tensor: &Tensor) -> [usize; 3] {
    let size = <[i64; 3]>::try_from(tensor.size()).expect("lanes, rows and columns");
    size.map(|n| n as usize)
}

fn shift(learned: Learned<'_>) -> &Matrix {
    learned.shift.expect("a norm that centres has a shift")
}
