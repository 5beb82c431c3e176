//! The columns of `summary.csv` behind those of the configuration. A new column needs an entry
//! here, and a field of `Tally` if no field holds its value yet.

use super::{Tally, median, rate};
use crate::record::column::{About, Column, PLAIN};
use crate::spec::metric::Rate;

/// The columns, in their order.
pub static COUNTED: [Column<Tally>; 18] = [
    About { name: "trials", unit: "trials", text: "The trials of the configuration that have a row.", ..PLAIN }
        .integer(|tally| Some(tally.counts.trials)),
    About { name: "converged", unit: "trials", text: "The trials with this outcome.", ..PLAIN }
        .integer(|tally| Some(tally.counts.converged)),
    About { name: "stalled", unit: "trials", text: "The trials with this outcome.", ..PLAIN }
        .integer(|tally| Some(tally.counts.stalled)),
    About { name: "unsettled", unit: "trials", text: "The trials with this outcome.", ..PLAIN }
        .integer(|tally| Some(tally.counts.unsettled)),
    About { name: "diverged", unit: "trials", text: "The trials with this outcome.", ..PLAIN }
        .integer(|tally| Some(tally.counts.diverged)),
    About { name: "nonfinite", unit: "trials", text: "The trials with this outcome.", ..PLAIN }
        .integer(|tally| Some(tally.counts.nonfinite)),
    About { name: "lost", unit: "trials", text: "The trials without a verdict.", ..PLAIN }
        .integer(|tally| Some(tally.counts.lost)),
    About {
        name: "divergence_rate",
        unit: "share",
        text: "The share of diverged and nonfinite trials among those with a verdict.",
        empty: "if no trial has a verdict",
        ..PLAIN
    }
    .float(|tally| rate(&tally.counts, Rate::Divergence).map(|of| of.rate)),
    About {
        name: "divergence_low",
        unit: "share",
        text: "The lower end of the 95% interval (Wilson) of `divergence_rate`.",
        empty: "if no trial has a verdict",
        ..PLAIN
    }
    .float(|tally| rate(&tally.counts, Rate::Divergence).map(|of| of.low)),
    About {
        name: "divergence_high",
        unit: "share",
        text: "The upper end of that interval.",
        empty: "if no trial has a verdict",
        ..PLAIN
    }
    .float(|tally| rate(&tally.counts, Rate::Divergence).map(|of| of.high)),
    About {
        name: "epoch_diverged_median",
        unit: "epoch",
        text: "The median of `epoch_diverged` over the trials that have one.",
        empty: "if none has one",
        ..PLAIN
    }
    .float(|tally| median(&tally.epochs_diverged)),
    About {
        name: "epoch_nonfinite_median",
        unit: "epoch",
        text: "The median of `epoch_nonfinite` over the trials that have one.",
        empty: "if none has one",
        ..PLAIN
    }
    .float(|tally| median(&tally.epochs_nonfinite)),
    About { name: "untrained", unit: "trials", text: "The trials with this outcome.", ..PLAIN }
        .integer(|tally| Some(tally.counts.untrained)),
    About { name: "relapsed", unit: "trials", text: "The trials with this outcome.", ..PLAIN }
        .integer(|tally| Some(tally.counts.relapsed)),
    About { name: "ruined", unit: "trials", text: "The trials with this outcome.", ..PLAIN }
        .integer(|tally| Some(tally.counts.ruined)),
    About {
        name: "failure_rate",
        unit: "share",
        text: "The share of nonfinite, diverged, relapsed and ruined trials among those with a verdict.",
        empty: "if no trial has a verdict",
        ..PLAIN
    }
    .float(|tally| rate(&tally.counts, Rate::Failure).map(|of| of.rate)),
    About {
        name: "failure_low",
        unit: "share",
        text: "The lower end of the 95% interval (Wilson) of `failure_rate`.",
        empty: "if no trial has a verdict",
        ..PLAIN
    }
    .float(|tally| rate(&tally.counts, Rate::Failure).map(|of| of.low)),
    About {
        name: "failure_high",
        unit: "share",
        text: "The upper end of that interval.",
        empty: "if no trial has a verdict",
        ..PLAIN
    }
    .float(|tally| rate(&tally.counts, Rate::Failure).map(|of| of.high)),
];
