//! A block of a transformer: a residual branch of attention, and one of an MLP.

use super::attention::{self, Attention};
use super::branch::Branch;
use super::heads::HeadSize;
use super::places::Places;
use super::softmax::Attended;
use crate::matrix::Matrix;
use crate::product::{affine, multiply};
use crate::stage::{Slot, Stage};
use crate::weights::{LayerParameters, Weights};
use blowup_core::trial::{Norm, Shape, Transformer};
use blowup_core::verdict::Tensor as Site;
use tch::{Kind, Tensor};

/// A block with what its backward pass needs of the forward pass. Unless they say otherwise,
/// matrices are `[lane, batch x tokens, width]`.
pub struct Block {
    attention: Attention,
    /// What the projection behind the heads gives.
    projected: Matrix,
    around_attention: Branch,
    mlp: Option<Mlp>,
}

struct Mlp {
    stage: Stage,
    /// `[lane, batch x tokens, hidden]`.
    slot: Slot,
    output: Matrix,
    around: Branch,
}

/// Memory that all blocks use one after the other.
pub struct Scratch {
    attention: attention::Scratch,
    /// Derivatives by what enters a branch, and by the output of the heads.
    entered: Matrix,
    heads: Matrix,
    /// The derivative by the hidden units of an MLP, `[lane, batch x tokens, hidden]`.
    hidden: Option<Matrix>,
}

impl Scratch {
    pub fn new(transformer: &Transformer, size: HeadSize, kind: Kind) -> Scratch {
        let rows = size.batch * size.tokens;
        let new = |width: usize| Matrix::zeros([size.lanes, rows, width as i64], kind);
        Scratch {
            attention: attention::Scratch::new(size, kind),
            entered: new(transformer.width),
            heads: new(transformer.width),
            hidden: transformer.has_mlp().then(|| new(transformer.hidden())),
        }
    }
}

/// The parameters of a block or their gradients.
pub struct Parameters<'a> {
    attention: &'a LayerParameters,
    projection: &'a LayerParameters,
    /// The two matrices of the MLP, if there is one.
    mlp: Option<[&'a LayerParameters; 2]>,
}

impl<'a> Parameters<'a> {
    pub fn of(weights: &'a Weights, transformer: &Transformer, block: usize) -> Parameters<'a> {
        let places = Places::of(transformer);
        let layer = |at: usize| &weights.layers[at];
        Parameters {
            attention: layer(places.attention(block)),
            projection: layer(places.projection(block)),
            mlp: transformer.has_mlp().then(|| [layer(places.up(block)), layer(places.down(block))]),
        }
    }
}

impl Block {
    pub fn new(shape: &Shape, transformer: &Transformer, size: HeadSize, kind: Kind) -> Block {
        let rows = size.batch * size.tokens;
        let stream = [size.lanes, rows, transformer.width as i64];
        let branch = || Branch::new(shape, transformer, stream, kind);
        let stage = Stage { activation: transformer.activation, norm: Norm::None, kept: kind };
        let hidden = [size.lanes, rows, transformer.hidden() as i64];
        let mlp =
            || Mlp { stage, slot: stage.slot(hidden, kind), output: Matrix::zeros(stream, kind), around: branch() };
        Block {
            attention: Attention::new(transformer, size, kind),
            projected: Matrix::zeros(stream, kind),
            around_attention: branch(),
            mlp: transformer.has_mlp().then(mlp),
        }
    }

    /// What the block handed on in the last forward pass.
    pub fn output(&self) -> &Matrix {
        self.mlp.as_ref().map_or(&self.around_attention, |mlp| &mlp.around).output()
    }

    /// Runs the block on x, and returns what is measured of each lane's attention.
    pub fn forward(&self, x: &Matrix, weights: &Parameters, scratch: &Scratch) -> Vec<Attended> {
        let Parameters { attention, projection, mlp } = weights;
        let entered = self.around_attention.enter(x, attention);
        affine(entered, &attention.weight, attention.bias.as_ref(), &self.attention.joint);
        let attended = self.attention.forward(attention, &scratch.attention);
        affine(&self.attention.output, &projection.weight, projection.bias.as_ref(), &self.projected);
        let x = self.around_attention.leave(x, &self.projected, projection);
        if let (Some(Mlp { stage, slot, output, around }), Some([up, down])) = (&self.mlp, mlp) {
            let entered = around.enter(x, up);
            stage.forward(slot, up, up.bias.as_ref(), |bias, pre| affine(entered, &up.weight, bias, pre));
            affine(&slot.output, &down.weight, down.bias.as_ref(), output);
            around.leave(x, output, down);
        }
        attended
    }

    /// Turns `signal` from dLoss/doutput into dLoss/dx, in place, and writes the gradients.
    pub fn backward(
        &self,
        x: &Matrix,
        weights: &Parameters,
        gradients: &Parameters,
        signal: &Matrix,
        scratch: &Scratch,
    ) {
        let between = self.around_attention.output();
        if let (Some(Mlp { stage, slot, output, around }), Some([up, down]), Some([up_gradient, down_gradient])) =
            (&self.mlp, weights.mlp, gradients.mlp)
        {
            let hidden = scratch.hidden.as_ref().expect("there is memory for the hidden units");
            let delta = around.leave_backward(output, down, down_gradient, signal);
            multiply(slot.output.transposed(), delta, &down_gradient.weight);
            sum_over_rows(delta, down_gradient);
            multiply(delta, down.weight.transposed(), hidden);
            stage.backward(slot, up, up_gradient, hidden, false);
            multiply(around.entered(between).transposed(), hidden, &up_gradient.weight);
            multiply(hidden, up.weight.transposed(), &scratch.entered);
            around.enter_backward(between, up, up_gradient, &scratch.entered, signal);
        }
        let (layer, gradient) = (weights.projection, gradients.projection);
        let delta = self.around_attention.leave_backward(&self.projected, layer, gradient, signal);
        multiply(self.attention.output.transposed(), delta, &gradient.weight);
        sum_over_rows(delta, gradient);
        multiply(delta, layer.weight.transposed(), &scratch.heads);
        let (layer, gradient, joint) = (weights.attention, gradients.attention, &scratch.attention.joint);
        self.attention.backward(layer, gradient, &scratch.heads, &scratch.attention);
        multiply(self.around_attention.entered(x).transposed(), joint, &gradient.weight);
        sum_over_rows(joint, gradient);
        multiply(joint, layer.weight.transposed(), &scratch.entered);
        self.around_attention.enter_backward(x, layer, gradient, &scratch.entered, signal);
    }

    /// What the activation of the MLP returned, `[lane, batch x tokens, hidden]`.
    pub fn activated(&self) -> Option<&Tensor> {
        self.mlp.as_ref().map(|mlp| mlp.slot.activated())
    }

    /// The tensors of the last forward pass, in the order in which they were computed, and whether
    /// each is `[lane x batch x head, ..]`.
    pub fn parts(&self) -> Vec<(Site, bool, Tensor)> {
        let mut parts = Vec::new();
        let mut see = |site: Site, values: &Tensor| parts.push((site, false, values.shallow_clone()));
        self.around_attention.normed_before().into_iter().for_each(|values| see(Site::Norm, values));
        let names =
            [Site::Query, Site::Key, Site::Value, Site::AttentionLogits, Site::AttentionWeights, Site::AttentionOutput];
        parts.extend(names.into_iter().zip(self.attention.parts()).map(|(site, values)| (site, true, values)));
        let mut see = |site: Site, values: &Tensor| parts.push((site, false, values.shallow_clone()));
        see(Site::AttentionOutput, &self.projected);
        self.around_attention.parts_behind().into_iter().for_each(|(site, values)| see(site, values));
        if let Some(Mlp { slot, output, around, .. }) = &self.mlp {
            around.normed_before().into_iter().for_each(|values| see(Site::Norm, values));
            see(Site::Mlp, slot.activated());
            see(Site::Mlp, output);
            around.parts_behind().into_iter().for_each(|(site, values)| see(site, values));
        }
        parts
    }
}

/// Writes the gradient of a bias, the sum of the signal over batch and tokens, if there is a bias.
pub fn sum_over_rows(signal: &Tensor, gradient: &LayerParameters) {
    if let Some(bias) = &gradient.bias {
        drop(signal.sum_intlist_out(bias, [1i64].as_slice(), true, None::<Kind>));
    }
}
