//! What a hidden layer does to its linear output h: normalization and activation, in either order, forward and backward.

use super::activation;
use super::device;
use super::fused::{self, Fused};
use super::inner;
use super::matrix::Matrix;
use super::weights::Layer;
use crate::trial::{Activation, Norm, NormPosition};
use tch::{Kind, Tensor};

/// Added to variances, as in `torch.nn.BatchNorm1d` and `torch.nn.LayerNorm`.
pub const EPS: f64 = 1e-5;

/// Added to mean squares: `torch.nn.RMSNorm` takes the machine epsilon of the dtype.
pub fn rms_eps(kind: Kind) -> f64 {
    if kind == Kind::Double { f64::EPSILON } else { f64::from(f32::EPSILON) }
}

/// The same for every layer and time step of a network.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    pub activation: Activation,
    pub norm: Norm,
}

/// The buffers of one stage, `[lane, batch, width]`; which of them share memory depends on the stage.
#[derive(Debug)]
pub struct Slot {
    /// The linear output is written here. After `forward` it may hold something else.
    pub pre: Matrix,
    /// The activation's input and output.
    phi_input: Matrix,
    phi_output: Matrix,
    normed: Option<Normed>,
    /// What the next layer sees.
    pub output: Matrix,
}

#[derive(Debug)]
struct Normed {
    /// (input - mean) / sqrt(variance + eps)
    standardized: Tensor,
    /// 1 / sqrt(variance + eps); 1 long in the dimension of the mean.
    inverse_std: Tensor,
}

impl Stage {
    pub fn slot(self, size: [i64; 3], kind: Kind) -> Slot {
        let new = || Matrix::zeros(size, kind);
        let wide = || Tensor::zeros(size, (inner(kind), device::current()));
        let in_place = activation::from_output(self.activation);
        let pre = new();
        let other = |matrix: &Matrix| if in_place { matrix.share() } else { new() };
        match self.norm {
            Norm::None => {
                let output = other(&pre);
                let phi_input = pre.share();
                Slot { pre, phi_input, phi_output: output.share(), normed: None, output }
            }
            Norm::Batch(position) | Norm::Layer(position) | Norm::Rms(position) => {
                let mut inverse_size = size;
                inverse_size[self.dim() as usize] = 1;
                let inverse_std = Tensor::zeros(inverse_size, (inner(kind), device::current()));
                match position {
                    NormPosition::Before => {
                        let phi_input = new();
                        let output = other(&phi_input);
                        let standardized = if inner(kind) == kind { pre.shallow_clone() } else { wide() };
                        let phi_output = output.share();
                        Slot { pre, phi_input, phi_output, normed: Some(Normed { standardized, inverse_std }), output }
                    }
                    NormPosition::After => {
                        let phi_output = other(&pre);
                        let phi_input = pre.share();
                        let normed = Some(Normed { standardized: wide(), inverse_std });
                        Slot { pre, phi_input, phi_output, normed, output: new() }
                    }
                }
            }
        }
    }

    /// The dimension of `[lane, batch, width]` that statistics are taken over.
    fn dim(self) -> i64 {
        match self.norm {
            Norm::Batch(_) => 1,
            Norm::Layer(_) | Norm::Rms(_) | Norm::None => 2,
        }
    }

    fn position(self) -> Option<NormPosition> {
        match self.norm {
            Norm::None => None,
            Norm::Batch(position) | Norm::Layer(position) | Norm::Rms(position) => Some(position),
        }
    }

    /// The single passes that take the place of bias, activation and bias gradient, if this stage has them.
    pub fn fused(self, slot: &Slot) -> Option<Fused> {
        Fused::of(self.activation, self.norm, slot.pre.kind())
    }

    /// From the layer's input to `slot.output`. `linear` writes the product with the weights, plus the bias that it is given (all of it or
    /// none), to a tensor.
    pub fn forward(
        self,
        slot: &Slot,
        layer: &Layer,
        bias: Option<&Matrix>,
        linear: impl FnOnce(Option<&Matrix>, &Matrix),
    ) {
        if let Some(fused) = self.fused(slot) {
            linear(None, &slot.pre);
            return fused::forward(fused, &slot.pre, bias);
        }
        linear(bias, &slot.pre);
        match self.position() {
            None => activation::forward(self.activation, &slot.phi_input, &slot.phi_output),
            Some(NormPosition::Before) => {
                self.normalize(slot, layer, &slot.pre, &slot.phi_input);
                activation::forward(self.activation, &slot.phi_input, &slot.phi_output);
            }
            Some(NormPosition::After) => {
                activation::forward(self.activation, &slot.phi_input, &slot.phi_output);
                self.normalize(slot, layer, &slot.phi_output, &slot.output);
            }
        }
    }

    /// Statistics of 16-bit inputs are f32, as in PyTorch: squares would overflow.
    fn normalize(self, slot: &Slot, layer: &Layer, input: &Tensor, output: &Tensor) {
        let input = &input.to_kind(inner(input.kind()));
        let normed = slot.normed.as_ref().expect("a stage with a norm has its buffers");
        let dim = [self.dim()];
        if self.is_centred() {
            let mean = input.mean_dim(dim.as_slice(), true, None::<Kind>);
            drop(input.sub_out(&normed.standardized, &mean));
            let variance = normed.standardized.square().mean_dim(dim.as_slice(), true, None::<Kind>);
            drop((variance + EPS).rsqrt_out(&normed.inverse_std));
            drop(normed.standardized.shallow_clone().g_mul_(&normed.inverse_std));
        } else {
            let square = input.square().mean_dim(dim.as_slice(), true, None::<Kind>);
            drop((square + rms_eps(input.kind())).rsqrt_out(&normed.inverse_std));
            drop(input.mul_out(&normed.standardized, &normed.inverse_std));
        }
        match (scale(layer), &layer.shift) {
            (scale, Some(shift)) => drop(shift.addcmul_out(output, &normed.standardized, scale)),
            (scale, None) => drop(normed.standardized.mul_out(output, scale)),
        }
    }

    /// Whether the norm subtracts a mean.
    fn is_centred(self) -> bool {
        match self.norm {
            Norm::Batch(_) | Norm::Layer(_) => true,
            Norm::Rms(_) | Norm::None => false,
        }
    }

    /// Turns `signal` from dLoss/doutput into dLoss/dh, in place, and writes (or adds, for a further time step) the gradients of the bias
    /// and of the norm's scale and shift.
    pub fn backward(self, slot: &Slot, layer: &Layer, gradient: &Layer, signal: &Matrix, add: bool) {
        if let Some(fused) = self.fused(slot) {
            return fused::backward(fused, &slot.phi_output, signal, gradient.bias.as_ref(), add);
        }
        match self.position() {
            None => activation::backward(self.activation, &slot.phi_input, &slot.phi_output, signal),
            Some(NormPosition::Before) => {
                activation::backward(self.activation, &slot.phi_input, &slot.phi_output, signal);
                self.denormalize(slot, layer, gradient, signal, add);
            }
            Some(NormPosition::After) => {
                self.denormalize(slot, layer, gradient, signal, add);
                activation::backward(self.activation, &slot.phi_input, &slot.phi_output, signal);
            }
        }
        if let Some(bias) = &gradient.bias {
            sum_over_batch(signal, bias, add);
        }
    }

    /// With y = scale * s + shift, s = (x - mean) / std and d = dLoss/dy * scale: dLoss/dx = (d - mean(d) - s mean(d s)) / std; an rms norm
    /// has neither mean.
    fn denormalize(self, slot: &Slot, layer: &Layer, gradient: &Layer, signal: &Tensor, add: bool) {
        let Normed { standardized, inverse_std } = slot.normed.as_ref().expect("a stage with a norm has its buffers");
        let (narrow, mut signal) = (signal, signal.to_kind(inner(signal.kind())));
        sum_over_batch(&(&signal * standardized), scale(gradient), add);
        if let Some(shift) = &gradient.shift {
            sum_over_batch(&signal, shift, add);
        }
        let dim = [self.dim()];
        drop(signal.g_mul_(scale(layer)));
        let along = (&signal * standardized).mean_dim(dim.as_slice(), true, None::<Kind>);
        if self.is_centred() {
            let mean = signal.mean_dim(dim.as_slice(), true, None::<Kind>);
            drop(signal.g_sub_(&mean));
        }
        drop(signal.g_sub_(&(standardized * along)));
        drop(signal.g_mul_(inverse_std));
        if signal.kind() != narrow.kind() {
            narrow.shallow_clone().copy_(&signal);
        }
    }
}

/// target = or += source summed over the batch.
fn sum_over_batch(source: &Tensor, target: &Tensor, add: bool) {
    let batch = [1i64];
    let mut target = target.shallow_clone();
    if add {
        drop(target.g_add_(&source.sum_dim_intlist(batch.as_slice(), true, None::<Kind>)));
    } else if source.kind() != target.kind() {
        target.copy_(&source.sum_dim_intlist(batch.as_slice(), true, None::<Kind>));
    } else {
        drop(source.sum_intlist_out(&target, batch.as_slice(), true, None::<Kind>));
    }
}

fn scale(layer: &Layer) -> &Tensor {
    layer.scale.as_ref().expect("a normalized layer has a scale")
}
