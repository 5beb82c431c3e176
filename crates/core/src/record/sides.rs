//! The files beside `runs.csv`, and their columns behind the trial. A new column needs a field of
//! the row's type and an entry here.

use super::column::{About, Column, PLAIN, header};
use super::runs::TRIAL;
use crate::verdict::{EpochRow, LayerRow, Layers, Record, StepRow};

/// A file beside `runs.csv`, with any number of rows per trial.
#[derive(Debug)]
pub struct Side {
    pub file: &'static str,
    pub columns: &'static [&'static str],
    /// Whether `[record]` asks for the file.
    pub asked: fn(&Record) -> bool,
}

impl Side {
    /// The position of the column `name` in a line of the file.
    ///
    /// # Panics
    /// If the file has no such column.
    pub fn column(&self, name: &str) -> usize {
        let place = self.columns.iter().position(|column| *column == name);
        place.unwrap_or_else(|| panic!("`{}` has no column `{name}`", self.file))
    }
}

/// The files beside `runs.csv`. Whatever is said of each of them elsewhere is in this order.
pub const SIDES: [Side; 3] = [
    Side { file: "epochs.csv", columns: &EPOCHS, asked: |record| record.epochs },
    Side { file: "layers.csv", columns: &LAYERS, asked: |record| record.layers != Layers::Never },
    Side { file: "steps.csv", columns: &STEPS, asked: |record| record.steps > 0 },
];

/// The header of `epochs.csv`.
pub const EPOCHS: [&str; 1 + EPOCH.len()] = header(&TRIAL, &EPOCH);
/// The header of `layers.csv`.
pub const LAYERS: [&str; 1 + LAYER.len()] = header(&TRIAL, &LAYER);
/// The header of `steps.csv`.
pub const STEPS: [&str; 1 + STEP.len()] = header(&TRIAL, &STEP);

/// The columns of `epochs.csv`.
pub static EPOCH: [Column<EpochRow>; 9] = [
    About { name: "epoch", unit: "epoch", text: "The epoch; 0 is before any update.", is_key: true, ..PLAIN }
        .integer(|row| Some(row.epoch)),
    About { name: "steps", unit: "updates", text: "The updates that were done by its end.", ..PLAIN }
        .integer(|row| Some(row.steps)),
    About { name: "loss", unit: "loss", text: "The epoch loss.", ..PLAIN }.float(|row| Some(row.loss)),
    About {
        name: "loss_max",
        unit: "loss",
        text: "The largest step loss.",
        empty: "in epoch 0, and if all are NaN",
        ..PLAIN
    }
    .float(|row| row.loss_max),
    About {
        name: "grad_norm_max",
        unit: "norm",
        text: "The largest gradient norm, before clipping. In epoch 0 it is `grad_norm_initial`.",
        empty: "if all are NaN",
        ..PLAIN
    }
    .float(|row| row.grad_norm_max),
    About {
        name: "clipped_fraction",
        unit: "share",
        text: "The share of its updates that were clipped.",
        empty: "at clip none, and in epoch 0",
        ..PLAIN
    }
    .float(|row| row.clipped_fraction),
    About {
        name: "lr",
        unit: "rate",
        text: "The learning rate of the hidden layers in its last update, the schedule included. In epoch 0, and in an epoch \
               that a NaN cut short, it is that of the first update of all.",
        ..PLAIN
    }
    .float(|row| row.lr),
    About {
        name: "weight_norm",
        unit: "norm",
        text: "The norm of the weights at its end. It is NaN where a NaN cut the epoch short.",
        ..PLAIN
    }
    .float(|row| row.weight_norm),
    About {
        name: "update_norm_max",
        unit: "norm",
        text: "The largest norm of its updates.",
        empty: "in epoch 0, and without an update",
        ..PLAIN
    }
    .float(|row| row.update_norm_max),
];

/// The columns of `layers.csv`.
pub static LAYER: [Column<LayerRow>; 11] = [
    About { name: "epoch", unit: "epoch", text: "The epoch; 0 is before any update.", is_key: true, ..PLAIN }
        .integer(|row| Some(row.epoch)),
    About {
        name: "layer",
        unit: "layer",
        text: "The layer. The first layer is 1, the output layer is depth + 1. The layers of a transformer are its blocks, and \
               its embedding is 0.",
        is_key: true,
        ..PLAIN
    }
    .integer(|row| Some(row.layer as u64)),
    About {
        name: "time",
        unit: "time step",
        text: "The time step. The first time step is 1.",
        empty: "except in the hidden layers of recurrent nets",
        is_key: true,
        ..PLAIN
    }
    .integer(|row| row.time.map(|time| time as u64)),
    About {
        name: "activation_rms",
        unit: "root mean square",
        text: "The root mean square of what the layer hands on, over batch and width: behind the activation, the norm and the \
               residual connection. Of the output layer it is that of the outputs.",
        ..PLAIN
    }
    .float(|row| Some(row.activation_rms)),
    About {
        name: "backprop_norm",
        unit: "norm",
        text: "|dLoss/dh| over the batch, with h as above; in the output layer h is the outputs, and of a block what it hands on. Its square is G_l.",
        ..PLAIN
    }
    .float(|row| Some(row.backprop_norm)),
    About {
        name: "weight_grad_norm",
        unit: "norm",
        text: "The norm of the gradient of the layer's weight matrices, before clipping. A block of a transformer has four, and a recurrent layer two, \
               with the same value at every time step.",
        ..PLAIN
    }
    .float(|row| Some(row.weight_grad_norm)),
    About {
        name: "weight_norm",
        unit: "norm",
        text: "The norm of the layer's weight matrices, the same at every time step.",
        ..PLAIN
    }
    .float(|row| Some(row.weight_norm)),
    About {
        name: "activation_change",
        unit: "root mean square",
        text: "The root mean square of what the layer hands on minus what it handed on in epoch 0, over batch and width.",
        empty: "unless every batch is all of the data, the same in every epoch, and epoch 0 is recorded",
        ..PLAIN
    }
    .float(|row| row.activation_change),
    About {
        name: "attention_logit_max",
        unit: "logit",
        text: "The largest attention logit of the block, as the softmax sees it: scaled and capped.",
        empty: "except in the blocks of a transformer, and if all are NaN",
        ..PLAIN
    }
    .float(|row| row.attention_logit_max),
    About {
        name: "attention_entropy_min",
        unit: "nats",
        text: "The entropy of the attention weights, as a mean over batch and tokens, of the head of the block in which it is \
               smallest.",
        empty: "except in the blocks of a transformer, and if all are NaN",
        ..PLAIN
    }
    .float(|row| row.attention_entropy_min),
    About {
        name: "token_similarity",
        unit: "cosine",
        text: "The cosine of the angle between two tokens of a sequence, behind the block, as a mean over all pairs and the \
               batch. At 1 all tokens are alike, which is called rank collapse.",
        empty: "except in the embedding and the blocks of a transformer, and with a single token",
        ..PLAIN
    }
    .float(|row| row.token_similarity),
];

/// The columns of `steps.csv`.
pub static STEP: [Column<StepRow>; 6] = [
    About { name: "step", unit: "updates", text: "The updates that were done before the step.", is_key: true, ..PLAIN }
        .integer(|row| Some(row.step)),
    About { name: "loss", unit: "loss", text: "The step loss.", ..PLAIN }.float(|row| Some(row.loss)),
    About {
        name: "grad_norm",
        unit: "norm",
        text: "The gradient norm: L2 over all parameters, before clipping.",
        empty: "where the gradient overflowed at a dynamic loss scale above 1, and of a program that does not say it",
        ..PLAIN
    }
    .float(|row| row.grad_norm),
    About { name: "clipped", text: "Whether the update was clipped.", empty: "at clip none", ..PLAIN }
        .boolean(|row| row.clipped),
    About {
        name: "update_norm",
        unit: "norm",
        text: "The norm of the update: L2 over all parameters.",
        empty: "where a NaN loss ended the trial instead",
        ..PLAIN
    }
    .float(|row| row.update_norm),
    About {
        name: "loss_scale",
        unit: "ratio",
        text: "What the loss was multiplied with before the backward pass.",
        empty: "where no loss is scaled",
        ..PLAIN
    }
    .float(|row| row.loss_scale),
];
