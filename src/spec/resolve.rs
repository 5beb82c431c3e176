//! One point of a block -> a `Trial`: defaults filled in, axes that do not apply dropped.

use super::axis;
use super::block::Block;
use super::value::{Cell, Setting};
use crate::axes::Value;
use crate::trial::*;

/// The trial at a point: one setting per dial, and a seed.
pub fn trial(block: &Block, point: &[&Setting], seed: u64) -> Trial {
    let point = Point { cells: point };
    let loss = Loss::from_name(point.text("loss")).expect("a checked name");
    let task = &block.tasks.iter().find(|t| t.0 == loss).expect("a task for every loss of the block").1;
    let depth = point.integer("depth") as usize;
    let width = point.integer("width") as usize;
    let recurrent = point.text("network") == "rnn";
    let activation = point.value("activation").unwrap_or(Value::Text(if recurrent { "tanh" } else { "relu" }));
    let Value::Text(activation) = activation else { unreachable!("activations are names") };
    let activation = Activation::from_name(activation, point.float("negative_slope")).expect("a checked name");
    let position = NormPosition::from_name(point.text("norm_position")).expect("a checked name");
    let norm = match point.text("norm") {
        "batch" => Norm::Batch(position),
        "layer" => Norm::Layer(position),
        _ => Norm::None,
    };
    let network = if recurrent {
        let sequence_length = point.integer("sequence_length") as usize;
        Network::Rnn { depth, width, activation, norm, sequence_length }
    } else if depth == 0 {
        Network::Linear
    } else {
        Network::Mlp { depth, width, activation, norm }
    };
    let kind = InitKind::from_name(point.text("init")).expect("a checked name");
    let bias = match (point.text("bias"), point.value("bias_std")) {
        ("none", _) => Bias::None,
        (_, Some(Value::Float(std))) => Bias::Learned { std },
        _ if kind == InitKind::Pytorch => Bias::LearnedPytorch,
        _ => Bias::Learned { std: 0.0 },
    };
    Trial {
        label: block.label.clone(),
        task: task.clone(),
        budget: block.budget,
        loss_ratio: block.loss_ratio,
        network,
        init: Init { kind, scale: point.float("init_scale") },
        bias,
        loss,
        optimizer: optimizer(&point),
        lr: point.float("lr"),
        clip: clip(&point),
        weight_decay: point.float("weight_decay"),
        batch: match point.value("batch") {
            Some(Value::Integer(batch)) => batch.min(task.samples as u64) as usize,
            _ => task.samples,
        },
        dtype: Dtype::from_name(point.text("dtype")).expect("a checked name"),
        seed,
    }
}

fn optimizer(point: &Point) -> Optimizer {
    let momentum = point.float("momentum");
    let (beta1, beta2, eps) = (point.float("beta1"), point.float("beta2"), point.float("eps"));
    match point.text("optimizer") {
        "adam" => Optimizer::Adam { beta1, beta2, eps },
        "adamw" => Optimizer::Adamw { beta1, beta2, eps },
        "rmsprop" => Optimizer::Rmsprop { alpha: point.float("alpha"), eps, momentum },
        _ => {
            // Without momentum there is nothing to look ahead with.
            let nesterov = point.value("nesterov") == Some(Value::Boolean(true)) && momentum > 0.0;
            Optimizer::Sgd { momentum, nesterov }
        }
    }
}

fn clip(point: &Point) -> Clip {
    let threshold = point.float("clip_threshold");
    match point.text("clip") {
        _ if threshold.is_infinite() => Clip::None,
        "norm" => Clip::Norm(threshold),
        "value" => Clip::Value(threshold),
        _ => Clip::None,
    }
}

struct Point<'a> {
    cells: &'a [&'a Setting],
}

impl Point<'_> {
    fn cell(&self, axis: &str) -> Option<&Cell> {
        self.cells.iter().flat_map(|setting| setting.iter()).find(|cell| cell.axis == axis)
    }

    /// What the spec says, else the default, if there is one.
    fn value(&self, axis: &str) -> Option<Value> {
        let Some(cell) = self.cell(axis) else { return axis::default(axis) };
        let Some(per) = cell.per else { return Some(cell.value) };
        let divisor = match self.value(per) {
            Some(Value::Integer(i)) => i as f64,
            Some(Value::Float(x)) => x,
            Some(Value::Text(_) | Value::Boolean(_)) | None => 1.0,
        };
        match cell.value {
            Value::Float(x) if matches!(axis::find(axis), Some(a) if matches!(a.kind, axis::Kind::Integer { .. })) => {
                Some(Value::Integer((x / divisor).round().max(1.0) as u64))
            }
            Value::Float(x) => Some(Value::Float(x / divisor)),
            other => Some(other),
        }
    }

    fn text(&self, axis: &str) -> &'static str {
        match self.value(axis) {
            Some(Value::Text(text)) => text,
            _ => unreachable!("`{axis}` is a choice with a default"),
        }
    }

    fn float(&self, axis: &str) -> f64 {
        match self.value(axis) {
            Some(Value::Float(x)) => x,
            _ => unreachable!("`{axis}` is a number with a default, or was checked to be set"),
        }
    }

    fn integer(&self, axis: &str) -> u64 {
        match self.value(axis) {
            Some(Value::Integer(i)) => i,
            _ => unreachable!("`{axis}` is an integer with a default, or was checked to be set"),
        }
    }
}
