//! The losses of each lane and their gradients, as `torch.nn.MSELoss` and
//! `torch.nn.CrossEntropyLoss` compute them. Both are means over the batch.

use super::data::BatchTargets;
use super::scaling::Factors;
use blowup_core::trial::{Loss, Shape};
use tch::{Kind, Tensor};

/// What is minimized.
#[derive(Debug, Clone, Copy)]
pub struct Objective {
    pub loss: Loss,
    /// The factor of the mean of ln^2 Z, where Z is the sum of exp(logit) over the classes
    /// (Chowdhery 2022). It is 0 under mse.
    pub z_loss: f64,
}

impl Objective {
    pub fn of(shape: &Shape) -> Objective {
        Objective { loss: shape.loss, z_loss: shape.z_loss.0 }
    }
}

/// Does what `loss` does where losses are scaled: `signal` becomes the derivative of the loss times
/// the factor of its lane. Both are computed in the kind of the targets, and `signal` is rounded to
/// its own kind at the end, which is that of `output`.
pub fn scaled_loss(
    objective: Objective,
    output: &Tensor,
    targets: &BatchTargets,
    losses: &Tensor,
    signal: &Tensor,
    factors: Option<&Factors>,
) {
    let Some(factors) = factors else { return loss(objective, output, targets, losses, Some(signal)) };
    let output = output.to_kind(targets.values.kind());
    let wide = output.empty_like();
    losses.shallow_clone().copy_(&{
        let losses = Tensor::zeros(losses.size().as_slice(), (output.kind(), output.device()));
        loss(objective, &output, targets, &losses, Some(&wide));
        losses
    });
    signal.shallow_clone().copy_(&(wide * &factors.factors));
}

/// Computes each lane's loss from `output` `[lane, batch, outputs]` and writes it to `loss`
/// `[lane]`. If `signal` `[lane, batch, outputs]` is given, dLoss/doutput is written to it.
pub fn loss(objective: Objective, output: &Tensor, targets: &BatchTargets, loss: &Tensor, signal: Option<&Tensor>) {
    let size = output.size();
    let over = [1i64, 2];
    match objective.loss {
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
            if objective.z_loss != 0.0 {
                add_z_loss(objective.z_loss, output, &log_probability, loss, signal);
            }
        }
    }
}

/// Adds z mean(ln^2 Z) to the loss, and its derivative, 2 z ln Z times the probabilities over the
/// number of rows, to the signal.
fn add_z_loss(z: f64, output: &Tensor, log_probability: &Tensor, loss: &Tensor, signal: Option<&Tensor>) {
    let ln_z = output.logsumexp([2i64].as_slice(), true);
    let rows = output.size()[1] as f64;
    let mean = ln_z.square().mean_dim([1i64, 2].as_slice(), false, None::<Kind>);
    drop(loss.shallow_clone().g_add_(&mean.g_mul_scalar(z)));
    if let Some(signal) = signal {
        let slope = log_probability.exp().g_mul(&ln_z).g_mul_scalar(2.0 * z / rows);
        drop(signal.shallow_clone().g_add_(&slope));
    }
}
