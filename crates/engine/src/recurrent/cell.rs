//! What the cells of recurrent layers have in common.

use crate::matrix::{Matrix, Operand};
use crate::product::{add_product, affine};
use crate::weights::LayerParameters;
use tch::Tensor;

/// One recurrent layer over all time steps, which count from 0. The gates stand side by side in the
/// columns of its matrices, in PyTorch's order.
pub trait RecurrentCell {
    /// Is called once before the time steps of a forward pass.
    fn prepare(&mut self, layer: &LayerParameters);

    /// Computes the state at time `t` from the input `x` `[lane, batch, in]` at that time and the
    /// state before it.
    fn forward(&mut self, t: usize, x: Operand, layer: &LayerParameters);

    /// The state h_t, `[lane, batch, width]`.
    fn state(&self, t: usize) -> &Matrix;

    /// What the activation function returned at time `t`. None of a cell with several functions.
    fn activated(&self, _t: usize) -> Option<&Tensor> {
        None
    }

    /// After the backward pass of time step `t`, the signal that the cell carries from step to
    /// step, `[lane, batch, width]`. None where that is the backprop signal itself.
    fn carried(&self, _t: usize) -> Option<&Tensor> {
        None
    }

    /// Runs the backward pass of one time step. It is called for the last time step first.
    ///
    /// `signal` is dLoss/dh_t without what the cell itself carries back from the next step. The
    /// cell turns it into the backprop signal that is reported. `add` is set at all time steps but
    /// the last: gradients are then added to those of the later steps.
    fn backward<'a>(
        &'a self,
        t: usize,
        signal: &'a Matrix,
        layer: &LayerParameters,
        gradient: &LayerParameters,
        add: bool,
    ) -> Deltas<'a>;
}

/// dLoss with respect to the inputs of the gates, `[lane, batch, gates x width]`.
pub struct Deltas<'a> {
    /// The derivative by the part that comes from the layer's input, x W + b.
    pub input: &'a Matrix,
    /// The derivative by the part that comes from the state before, h R + r. None if it is the same
    /// as `input`.
    pub recurrent: Option<&'a Matrix>,
    /// Whether the cell has written the gradient of the bias, or added to it.
    pub bias_is_done: bool,
}

/// Writes the sum b + r of the two biases, `[lane, 1, columns]`, to `target`. Returns None if the
/// layer has no biases.
pub fn both_biases(layer: &LayerParameters, target: &Matrix) -> Option<Matrix> {
    let (bias, recurrent) = layer.bias.as_ref().zip(layer.recurrent_bias.as_ref())?;
    drop(bias.add_out(target, recurrent));
    Some(target.share())
}

/// Writes x W + b + r + h R to `target`, where h is the state `before`. At the first time step
/// there is no state, and h R is left out.
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
