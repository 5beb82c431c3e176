//! The columns of `runs.csv`, except the axes. "How to add a column" in CONTRIBUTING.md tells what
//! a new one needs beside its entry here. The compiler or a test asks for each of these things,
//! except for `FORMAT`, which someone must raise once per release.

use super::Verdict;
use super::column::{About, Column, PLAIN};
use crate::trial::Trial;
use crate::verdict::Measured;

/// The first column of every file, with which every line begins.
pub static TRIAL: About = About {
    name: "trial",
    text: "The id of the trial: `t` and 12 hexadecimal digits, a hash of everything that decides what the trial is.",
    is_key: true,
    ..PLAIN
};

/// The columns before the axes.
pub static FRONT: [Column<Trial>; 5] = [
    About { name: "label", text: "The label of the trial's block.", empty: "where the block has none", ..PLAIN }
        .text(|trial| Some(&trial.label)),
    About { name: "task", text: "The kind of the task; `program` or `bundle` of a model of the user's own.", ..PLAIN }
        .text(|trial| Some(trial.task_name())),
    About {
        name: "inputs",
        unit: "numbers",
        text: "The features of a sample, or of a time step.",
        empty: "of a program and a bundle",
        ..PLAIN
    }
    .integer(|trial| (trial.given.is_none() && trial.task.bundle().is_none()).then_some(trial.task.inputs as u64)),
    About {
        name: "samples",
        unit: "samples",
        text: "The samples of the training set.",
        empty: "of a program",
        ..PLAIN
    }
    .integer(|trial| trial.given.is_none().then_some(trial.task.samples as u64)),
    About {
        name: "epochs",
        unit: "epochs",
        text: "The epochs that are begun within the whole budget.",
        empty: "of a program whose budget is in steps",
        ..PLAIN
    }
    .integer(Trial::epochs_asked),
];

/// The two columns behind the axes, of which one is empty.
pub static VERDICT: [Column<Verdict>; 2] = [
    About {
        name: "outcome",
        text: "What became of the trial: see the table in the [README](../README.md#reading-the-results).",
        empty: "of a lost trial",
        ..PLAIN
    }
    .text(|verdict| verdict.outcome().map(|outcome| outcome.name())),
    About {
        name: "lost",
        text: "Why there is no verdict: `crashed`, `timeout` or `memory`. All further columns of a lost trial are empty.",
        empty: "where there is an outcome",
        ..PLAIN
    }
    .text(|verdict| verdict.lost().map(|lost| lost.name())),
];

/// The columns behind the verdict. A lost trial has none of them.
pub static MEASURED: [Column<Measured>; 54] = [
    About {
        name: "epoch_diverged",
        unit: "epoch",
        text: "The epoch of the first step loss that is above the threshold or not finite. \
               A trial can cross the threshold, recover and still converge.",
        empty: "if there is no such step",
        ..PLAIN
    }
    .integer(|measured| measured.diverged.map(|when| when.epoch)),
    About {
        name: "step_diverged",
        unit: "updates",
        text: "The updates that were done before that step.",
        empty: "if there is no such step",
        ..PLAIN
    }
    .integer(|measured| measured.diverged.map(|when| when.step)),
    About {
        name: "epoch_nonfinite",
        unit: "epoch",
        text: "The epoch of the first step whose loss or gradient norm is not finite. A last check follows the last update.",
        empty: "if there is no such step",
        ..PLAIN
    }
    .integer(|measured| measured.nonfinite.map(|when| when.epoch)),
    About {
        name: "step_nonfinite",
        unit: "updates",
        text: "The updates that were done before that step; 0 means at the initialization.",
        empty: "if there is no such step",
        ..PLAIN
    }
    .integer(|measured| measured.nonfinite.map(|when| when.step)),
    About {
        name: "nonfinite_site",
        text: "The tensor in which the first value of that step was not finite: `weight`, `activation`, `loss`, \
               `backprop signal` or `weight gradient`, the first of them in the order of the computation; in the blocks \
               of a transformer also `norm`, `query`, `key`, `value`, `attention logits`, `attention weights`, \
               `attention output`, `mlp` or `residual`. Of a bundle it \
               is the operator that made the value, such as `aten.div`, or `parameter`.",
        empty: "if there is no such step, or only the norm overflowed",
        ..PLAIN
    }
    .text(|measured| match (&measured.site, &measured.origin) {
        (Some(site), _) => Some(site.tensor.name()),
        (None, origin) => origin.as_ref()?.operator.as_deref(),
    }),
    About {
        name: "nonfinite_layer",
        unit: "layer",
        text: "The layer of that tensor. The first layer is 1, the output layer is depth + 1; the embedding of a transformer is 0.",
        empty: "if the tensor is the loss, and if there is none",
        is_reported: true,
        ..PLAIN
    }
    .integer(|measured| measured.site?.layer.map(|layer| layer as u64)),
    About {
        name: "nonfinite_time",
        unit: "time step",
        text: "The time step of that tensor. The first time step is 1.",
        empty: "except in the hidden layers of recurrent nets",
        ..PLAIN
    }
    .integer(|measured| measured.site?.time.map(|time| time as u64)),
    About {
        name: "epoch_nan",
        unit: "epoch",
        text: "The epoch of the first step loss that is NaN. The trial ends there. An infinite loss never ends a trial.",
        empty: "if there is no such step",
        ..PLAIN
    }
    .integer(|measured| measured.nan.map(|when| when.epoch)),
    About {
        name: "step_nan",
        unit: "updates",
        text: "The updates that were done before that step.",
        empty: "if there is no such step",
        ..PLAIN
    }
    .integer(|measured| measured.nan.map(|when| when.step)),
    About {
        name: "epochs_run",
        unit: "epochs",
        text: "The epochs that were begun. They are fewer than `epochs` after a NaN.",
        ..PLAIN
    }
    .integer(|measured| Some(measured.epochs_run)),
    About { name: "steps_run", unit: "updates", text: "The updates that were done.", ..PLAIN }
        .integer(|measured| Some(measured.steps_run)),
    About {
        name: "loss_initial",
        unit: "loss",
        text: "The loss over the whole training set before any update.",
        empty: "where a program does not say it",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.loss_initial),
    About {
        name: "loss_final",
        unit: "loss",
        text: "The loss over the whole training set after the last update. It is NaN where the trial ended at a NaN.",
        empty: "where a program does not say it",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.loss_final),
    About {
        name: "loss_trivial",
        unit: "loss",
        text: "The loss of the best constant prediction on the same data: the variance of the targets, or the entropy of \
               the classes.",
        empty: "where a program does not say it",
        ..PLAIN
    }
    .float(|measured| measured.loss_trivial),
    About {
        name: "loss_min",
        unit: "loss",
        text: "The smallest epoch loss. A NaN is never a minimum or a maximum.",
        empty: "without an epoch, and if all are NaN",
        ..PLAIN
    }
    .float(|measured| measured.loss_min),
    About {
        name: "loss_max",
        unit: "loss",
        text: "The largest epoch loss.",
        empty: "without an epoch, and if all are NaN",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.loss_max),
    About {
        name: "epoch_loss_max",
        unit: "epoch",
        text: "The epoch of `loss_max`, the first of equal ones.",
        empty: "where `loss_max` is",
        ..PLAIN
    }
    .integer(|measured| measured.epoch_loss_max),
    About {
        name: "loss_jump_max",
        unit: "ratio",
        text: "The largest ratio of a step loss to the one before it.",
        empty: "with fewer than two steps",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.loss_jump_max),
    About {
        name: "grad_norm_initial",
        unit: "norm",
        text: "The norm of the gradient of the first step: L2 over all parameters, before clipping.",
        empty: "where a program does not say it",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.grad_norm_initial),
    About {
        name: "grad_norm_max",
        unit: "norm",
        text: "The largest gradient norm of all steps, before clipping.",
        empty: "if all are NaN",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.grad_norm_max),
    About {
        name: "epoch_grad_norm_max",
        unit: "epoch",
        text: "The epoch of `grad_norm_max`. It is 0 if nothing was trained.",
        empty: "if all are NaN",
        ..PLAIN
    }
    .integer(|measured| measured.epoch_grad_norm_max),
    About {
        name: "clipped_fraction",
        unit: "share",
        text: "The share of the updates that were clipped; see below.",
        empty: "at clip none, and without an update",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.clipped_fraction),
    About {
        name: "update_norm_max",
        unit: "norm",
        text: "The largest norm of all updates: L2 over all parameters; see below.",
        empty: "without an update",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.update_norm_max),
    About {
        name: "weight_norm_initial",
        unit: "norm",
        text: "The norm of the weights before any update: L2 over all parameters.",
        empty: "where a program does not say it",
        ..PLAIN
    }
    .float(|measured| measured.weight_norm_initial),
    About {
        name: "weight_norm_max",
        unit: "norm",
        text: "The largest norm of the weights, before any update or after some update.",
        empty: "if all are NaN",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.weight_norm_max),
    About {
        name: "backprop_ratio",
        unit: "ratio per layer",
        text: "(G_1/G_depth)^(1/(depth - 1)) before any update, where G_l = |dLoss/dh_l|² over the first batch. Above 1 the \
               signal explodes towards the input. In a recurrent net it is (G_1/G_T)^(1/(T - 1)), a ratio per time step, \
               where each G is summed over the layers; in an lstm h is the cell state.",
        empty: "where it is undefined: depth (or T) below 2, 0/0",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.backprop_ratio),
    About {
        name: "activation_ratio",
        unit: "ratio per layer",
        text: "The same in the forward direction: (M_depth/M_1)^(1/(depth - 1)), where M_l is the mean square of what hidden \
               layer l hands on. In a recurrent net it is a ratio per time step.",
        empty: "where it is undefined",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.activation_ratio),
    About {
        name: "sharpness_initial",
        unit: "curvature",
        text: "The largest eigenvalue of the Hessian of the loss before any update, over all training data as one batch.",
        empty: "unless `[record]` asks for it",
        is_recorded: true,
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.sharpness_initial),
    About {
        name: "sharpness_final",
        unit: "curvature",
        text: "The same after the last update. It is NaN where the trial ended at a NaN.",
        empty: "unless `[record]` asks for it",
        is_recorded: true,
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.sharpness_final),
    About {
        name: "nonfinite_module",
        text: "The module of the user's own model in which the first value that is not finite was: its path, or \
               `derivative of` its path. A program says it; in a bundle it is found.",
        empty: "of a built-in net, and where it is not known",
        ..PLAIN
    }
    .text(|measured| measured.origin.as_ref()?.module.as_deref()),
    About {
        name: "nonfinite_source",
        text: "The line of the user's code where that was, as `model.py:42`.",
        empty: "of a built-in net, and where it is not known",
        ..PLAIN
    }
    .text(|measured| measured.origin.as_ref()?.source.as_deref()),
    About {
        name: "nonfinite_sample",
        unit: "row of the data",
        text: "The sample whose part of that value was not finite, the first one of the batch: its place in the data, from 0.",
        empty: "where that was so for every sample, and where it is not sure which sample a number belongs to",
        ..PLAIN
    }
    .integer(|measured| match (&measured.site, &measured.origin) {
        (Some(site), _) => site.sample,
        (None, origin) => origin.as_ref()?.sample,
    }),
    About {
        name: "born_large",
        text: "Whether the loss began above the threshold of divergence, and neither an epoch loss nor the final loss \
               exceeds the initial one by more than a relative 1e-4: the initialization is at fault, and not the training.",
        ..PLAIN
    }
    .boolean(|measured| Some(measured.born_large)),
    About {
        name: "rising",
        text: "Whether the run ended above the reference with its loss still climbing: the epoch losses of the last third \
               and the final loss rise by the trend test of Mann (1945), one-sided at 1%.",
        empty: "with fewer than 6 such losses, and after a NaN",
        ..PLAIN
    }
    .boolean(|measured| measured.rising),
    About {
        name: "loss_best",
        unit: "loss",
        text: "The smallest of the epoch losses and the final loss.",
        empty: "without an update, and if all are NaN",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.loss_best),
    About {
        name: "epoch_best",
        unit: "epoch",
        text: "The epoch of `loss_best`, the first of equal ones. The final loss counts as of the last epoch.",
        empty: "where `loss_best` is",
        ..PLAIN
    }
    .integer(|measured| measured.epoch_best),
    About {
        name: "relapse",
        unit: "share",
        text: "The share that was given back of the way from the reference down to `loss_best`: 0 where the run ended at \
               its best, 1 where it is back at the reference. The run's end is the late loss from the best epoch on.",
        empty: "where `loss_best` is above 0.9 times the reference, after a NaN, and wherever epochs have data of their \
                own: in fresh-noise, with sampling replacement, and of a program that names no epochs",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.relapse),
    About {
        name: "spikes",
        unit: "spikes",
        text: "How often an epoch loss rose above twice the best loss so far, and by more than a tenth of the reference, \
               until it was back within a tenth of that best loss.",
        empty: "where `relapse` always is",
        ..PLAIN
    }
    .integer(|measured| measured.spikes),
    About {
        name: "spike_recovery",
        unit: "epochs",
        text: "The length of the longest spike.",
        empty: "without a spike, and if the last one did not end",
        ..PLAIN
    }
    .integer(|measured| measured.spike_recovery),
    About {
        name: "grad_norm_final",
        unit: "norm",
        text: "The norm of the gradient after the last update, over the batch that would come next: L2 over all \
               parameters, before clipping.",
        empty: "after a NaN, and where a program trains",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.grad_norm_final),
    About {
        name: "update_ratio_max",
        unit: "ratio",
        text: "The largest norm of an update over the norm of the weights before it; where the weights have 16 bits, of \
               what an update changed in them.",
        empty: "without an update, and where all weights are 0",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.update_ratio_max),
    About {
        name: "silent_layers",
        unit: "layers",
        text: "The layers in which every weight's gradient is exactly 0 at the first step, the output layer included: the \
               signal underflowed, or every unit of a layer is dead.",
        empty: "of a bundle and a program",
        ..PLAIN
    }
    .integer(|measured| measured.silent_layers),
    About {
        name: "vanished",
        text: "Whether the backprop signal vanishes before any update: at the first hidden layer (in a recurrent net, at the \
               first time step) its norm is at most the dtype's epsilon (1.2e-7 in float32) times that at the last one.",
        empty: "where `backprop_ratio` is undefined, and if a norm is not finite",
        ..PLAIN
    }
    .boolean(|measured| measured.vanished),
    About {
        name: "dead_share",
        unit: "share",
        text: "The share of hidden units that pass no signal on after the last update, whatever the sample and time step: \
               the derivative of relu is 0; |tanh(h)|, or |tanh(h / 2)| of sigmoid, is above 0.99.",
        empty: "of other activations, of gated cells, and after a NaN",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.dead_share),
    About {
        name: "moved_share",
        unit: "share",
        text: "The norm of what the first update changed in the weights over the norm of the update. It is below 1 where \
               the dtype rounds small changes away.",
        empty: "without an update, and where that norm is 0 or not finite",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.moved_share),
    // What clipping and skipping did.
    About {
        name: "skipped_fraction",
        unit: "share",
        text: "The share of the updates that were skipped.",
        empty: "at skip none, and without an update",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.skipped_fraction),
    About {
        name: "first_skip",
        unit: "updates",
        text: "The updates before the first one that was skipped, skipped or not.",
        empty: "if none was skipped",
        is_reported: true,
        ..PLAIN
    }
    .integer(|measured| measured.first_skip),
    About {
        name: "clip_silenced",
        unit: "ratio",
        text: "The median, over the updates that were clipped, of what clipping multiplied the gradient with; see below.",
        empty: "if nothing was clipped, and of a program",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.clip_silenced),
    About {
        name: "loss_scale_final",
        unit: "ratio",
        text: "The loss scale after the last update; see below.",
        empty: "where no loss is scaled",
        ..PLAIN
    }
    .float(|measured| measured.loss_scale_final),
    About {
        name: "steps_skipped",
        unit: "updates",
        text: "The updates that a dynamic loss scale skipped, because some element of the gradient was not finite. Those that \
               the axis `skip` skips are in `skipped_fraction`.",
        empty: "without a dynamic loss scale",
        is_reported: true,
        ..PLAIN
    }
    .integer(|measured| measured.steps_skipped),
    About {
        name: "underflow_fraction",
        unit: "share",
        text: "The mean over the steps of the share of the elements of all weight matrices' gradients that are 0 in float16, \
               and that are not 0 where the same pass, of the same weights and samples, runs in float32.",
        empty: "where `precision` is not amp_float16: bfloat16 has the range of float32",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.underflow_fraction),
    // What the attention of a transformer did.
    About {
        name: "nonfinite_head",
        unit: "head",
        text: "The head of that tensor, the first one that is not finite. The first head is 1.",
        empty: "except in the queries, keys, values, logits, weights and outputs of an attention",
        ..PLAIN
    }
    .integer(|measured| measured.site?.head.map(|head| head as u64)),
    About {
        name: "attention_logit_max",
        unit: "logit",
        text: "The largest attention logit of all blocks, heads and steps, as the softmax sees it: scaled and capped.",
        empty: "except of a transformer, and if all are NaN",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.attention_logit_max),
    About {
        name: "attention_entropy_min",
        unit: "nats",
        text: "The smallest entropy of the attention weights of a head, which is a mean over the batch and the tokens, of all \
               blocks and steps. At 0 every token attends to one token.",
        empty: "except of a transformer, and if all are NaN",
        is_reported: true,
        ..PLAIN
    }
    .float(|measured| measured.attention_entropy_min),
];
