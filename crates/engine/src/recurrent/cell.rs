//! What the cells of recurrent layers have in common.

use crate::matrix::{Matrix, Operand};
use crate::product::{add_product, affine};
use crate::weights::LayerParameters;

/// One recurrent layer over all time steps (from 0). Its gates are stacked in the columns of its matrices, in PyTorch's order.
pub trait RecurrentCell {
    /// Once before the time steps of a forward pass.
    fn prepare(&mut self, layer: &LayerParameters);

    /// From the input `[lane, batch, in]` at time `t` and the state before it to the state at `t`.
    fn forward(&mut self, t: usize, x: Operand, layer: &LayerParameters);

    /// h_t, `[lane, batch, width]`.
    fn state(&self, t: usize) -> &Matrix;

    /// Called from the last time step to the first. `signal` is dLoss/dh_t but for what the cell itself carries back from the step after;
    /// it becomes the backprop signal that this network reports. `add`: not the last time step, so gradients are added to.
    fn backward<'a>(
        &'a self,
        t: usize,
        signal: &'a Matrix,
        layer: &LayerParameters,
        gradient: &LayerParameters,
        add: bool,
    ) -> Deltas<'a>;
}

/// dLoss by what enters the gates, `[lane, batch, gates x width]`.
pub struct Deltas<'a> {
    /// From the input: x W + b.
    pub input: &'a Matrix,
    /// From the state before: h R + r. None if it is the same.
    pub recurrent: Option<&'a Matrix>,
    /// Whether the gradient of the bias was written (or added to) on the way.
    pub bias_is_done: bool,
}

/// b + r, `[lane, 1, columns]`, into `target`; None without biases.
pub fn both_biases(layer: &LayerParameters, target: &Matrix) -> Option<Matrix> {
    let (bias, recurrent) = layer.bias.as_ref().zip(layer.recurrent_bias.as_ref())?;
    drop(bias.add_out(target, recurrent));
    Some(target.share())
}

/// x W + b + r, and h R added where there is a state before, into `target`.
pub fn gate_inputs(
    x: Operand,
    before: Option<&Matrix>,
    layer: &LayerParameters,
    biases: Option<&Matrix>,
    target: &Matrix,
) {
    affine(x, &layer.weight, biases, target);
    if let Some(before) = before {
        let recurrent = layer.recurrent.as_ref().expect("a recurrent layer has a recurrent matrix");
        add_product(before, recurrent, target);
    }
}
