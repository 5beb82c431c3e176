//! What a hidden layer does to its linear output h: normalization and activation, in either order,
//! forward and backward.

use super::activation;
use super::device::fuses;
use super::fused::{self, Fused};
use super::matrix::Matrix;
use super::norm::{NormKind, Statistics};
use super::weights::LayerParameters;
use blowup_core::trial::{Activation, Norm, NormPosition};
use tch::{Kind, Tensor};

/// Activation and norm of the hidden layers, the same for every layer and time step of a network.
#[derive(Debug, Clone, Copy)]
pub struct Stage {
    pub activation: Activation,
    pub norm: Norm,
    /// The kind of the statistics of the norm.
    pub kept: Kind,
}

/// The buffers of one stage, `[lane, batch, width]`. The stage decides which of them share memory.
#[derive(Debug)]
pub struct Slot {
    /// The linear output is written here. After `forward` it may hold something else.
    pub pre: Matrix,
    /// The input and the output of the activation.
    phi_input: Matrix,
    phi_output: Matrix,
    statistics: Option<Statistics>,
    /// What the next layer reads.
    pub output: Matrix,
}

impl Stage {
    /// Makes the buffers for `size`, which is the number of lanes, the batch size and the width.
    pub fn slot(self, size: [i64; 3], kind: Kind) -> Slot {
        let new = || Matrix::zeros(size, kind);
        let in_place = activation::of(self.activation).is_in_place();
        let pre = new();
        let other = |matrix: &Matrix| if in_place { matrix.share() } else { new() };
        let statistics = NormKind::of(self.norm).map(|of| Statistics::new(of, size, self.kept));
        match self.position() {
            None => {
                let output = other(&pre);
                let phi_input = pre.share();
                Slot { pre, phi_input, phi_output: output.share(), statistics, output }
            }
            Some(NormPosition::Before) => {
                let phi_input = new();
                let output = other(&phi_input);
                let phi_output = output.share();
                Slot { pre, phi_input, phi_output, statistics, output }
            }
            Some(NormPosition::After) => {
                let phi_output = other(&pre);
                let phi_input = pre.share();
                Slot { pre, phi_input, phi_output, statistics, output: new() }
            }
        }
    }

    fn position(self) -> Option<NormPosition> {
        match self.norm {
            Norm::None => None,
            Norm::Batch(position) | Norm::Layer(position) | Norm::Rms(position) => Some(position),
        }
    }

    /// Returns the fused passes that replace bias, activation and bias gradient, where this stage
    /// has them.
    pub fn fused(self, slot: &Slot) -> Option<Fused> {
        if !fuses(slot.pre.kind()) || self.norm != Norm::None {
            return None;
        }
        self.activation.fused()
    }

    /// Computes `slot.output` from the layer's input. `linear` is given a bias and a tensor, to
    /// which it writes the product with the weights plus that bias. It is given either the whole
    /// bias or none.
    pub fn forward(
        self,
        slot: &Slot,
        layer: &LayerParameters,
        bias: Option<&Matrix>,
        linear: impl FnOnce(Option<&Matrix>, &Matrix),
    ) {
        if let Some(fused) = self.fused(slot) {
            linear(None, &slot.pre);
            return fused::forward(fused, &slot.pre, bias);
        }
        linear(bias, &slot.pre);
        match self.position() {
            None => activation::of(self.activation).forward(&slot.phi_input, &slot.phi_output),
            Some(NormPosition::Before) => {
                slot.statistics().forward(layer.norm(), &slot.pre, &slot.phi_input);
                activation::of(self.activation).forward(&slot.phi_input, &slot.phi_output);
            }
            Some(NormPosition::After) => {
                activation::of(self.activation).forward(&slot.phi_input, &slot.phi_output);
                slot.statistics().forward(layer.norm(), &slot.phi_output, &slot.output);
            }
        }
    }

    /// Turns `signal` from dLoss/doutput into dLoss/dh, in place. It writes the gradients of the
    /// bias and of the norm's scale and shift to `gradient`, or adds them where `add` is set.
    pub fn backward(
        self,
        slot: &Slot,
        layer: &LayerParameters,
        gradient: &LayerParameters,
        signal: &Matrix,
        add: bool,
    ) {
        if let Some(fused) = self.fused(slot) {
            return fused::backward(fused, &slot.phi_output, signal, gradient.bias.as_ref(), add);
        }
        match self.position() {
            None => activation::of(self.activation).backward(&slot.phi_input, &slot.phi_output, signal),
            Some(NormPosition::Before) => {
                activation::of(self.activation).backward(&slot.phi_input, &slot.phi_output, signal);
                slot.statistics().backward(layer.norm(), gradient.norm(), &slot.pre, signal, add);
            }
            Some(NormPosition::After) => {
                slot.statistics().backward(layer.norm(), gradient.norm(), &slot.phi_output, signal, add);
                activation::of(self.activation).backward(&slot.phi_input, &slot.phi_output, signal);
            }
        }
        if let Some(bias) = &gradient.bias {
            sum_over_batch(signal, bias, add);
        }
    }
}

impl Slot {
    /// What the activation returned, before a norm behind it.
    pub fn activated(&self) -> &Tensor {
        &self.phi_output
    }

    fn statistics(&self) -> &Statistics {
        self.statistics.as_ref().expect("a stage with a norm has its statistics")
    }
}

/// Writes the sum of `source` over the batch to `target`, or adds it where `add` is set.
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
