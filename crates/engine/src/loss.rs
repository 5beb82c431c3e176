//! The losses of each lane and their gradients, as `torch.nn.MSELoss` and
//! `torch.nn.CrossEntropyLoss` compute them. Both are means over the batch.

use super::data::BatchTargets;
use super::scaling::Factors;
use blowup_core::trial::Loss;
use tch::{Kind, Tensor};

/// Does what `loss` does where losses are scaled: `signal` becomes the derivative of the loss times
/// the factor of its lane. Both are computed in the kind of the targets, and `signal` is rounded to
/// its own kind at the end, which is that of `output`.
pub fn scaled_loss(
    kind: Loss,
    output: &Tensor,
    targets: &BatchTargets,
    losses: &Tensor,
    signal: &Tensor,
    factors: Option<&Factors>,
) {
    let Some(factors) = factors else { return loss(kind, output, targets, losses, Some(signal)) };
    let output = output.to_kind(targets.values.kind());
    let wide = output.empty_like();
    losses.shallow_clone().copy_(&{
        let losses = Tensor::zeros(losses.size().as_slice(), (output.kind(), output.device()));
        loss(kind, &output, targets, &losses, Some(&wide));
        losses
    });
    signal.shallow_clone().copy_(&(wide * &factors.factors));
}

/// Computes each lane's loss from `output` `[lane, batch, outputs]` and writes it to `loss`
/// `[lane]`. If `signal` `[lane, batch, outputs]` is given, dLoss/doutput is written to it.
pub fn loss(kind: Loss, output: &Tensor, targets: &BatchTargets, loss: &Tensor, signal: Option<&Tensor>) {
    let size = output.size();
    let over = [1i64, 2];
    match kind {
        Loss::Mse => {
            let difference = output - &targets.values;
            drop(difference.square().mean_out(loss, over.as_slice(), false, None::<Kind>));
            if let Some(signal) = signal {
                drop(difference.mul_scalar_out(signal, 2.0 / (size[1] * size[2]) as f64));
            }
        }
        Loss::CrossEntropy => {
            let log_probability = output.log_softmax(2, None::<Kind>);
            let index = targets.classes.as_ref().expect("cross-entropy has classes");
            let right = log_probability.gather(2, index, false);
            drop(right.mean_out(loss, over.as_slice(), false, None::<Kind>));
            drop(loss.shallow_clone().neg_());
            if let Some(signal) = signal {
                // Here `targets.values` is one-hot.
                let difference = log_probability.exp() - &targets.values;
                drop(difference.mul_scalar_out(signal, 1.0 / size[1] as f64));
            }
        }
    }
}
