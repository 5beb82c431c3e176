//! A point of a block to a `Trial`: defaults filled in, axes that cannot apply dropped by construction. Everything was checked before;
//! nothing fails here.

use super::axis::Id;
use super::block::Block;
use super::dial::{Cell, Point};
use crate::axes::Value;
use crate::trial::{
    Activation, Bias, Clip, Dtype, Gated, Init, InitKind, Loss, Network, Norm, NormPosition, Optimizer,
    Parametrization, Sampling, Schedule, Trial,
};

/// The trial of `block` at `point` with the block's first seed.
pub fn trial(block: &Block, point: &Point) -> Trial {
    let given = point[Id::Loss as usize].and_then(|_| Loss::from_name(text(point, Id::Loss)));
    let loss = given.unwrap_or_else(|| block.tasks.default_loss());
    let task = block.tasks.of(loss).clone();
    let at = At { point, samples: task.samples };
    let init = init(&at);
    Trial {
        label: block.label.clone(),
        budget: block.budget,
        loss_ratio: block.loss_ratio,
        network: network(&at),
        init,
        recurrent_init: recurrent_init(&at, init),
        bias: bias(&at, init.kind),
        parametrization: Parametrization::from_name(at.text(Id::Parametrization)).unwrap_or(Parametrization::Standard),
        loss,
        optimizer: optimizer(&at),
        lr: at.float(Id::Lr),
        lr_output: point[Id::LrOutput as usize].map(|_| at.float(Id::LrOutput)).filter(|lr| *lr != at.float(Id::Lr)),
        schedule: schedule(&at),
        clip: clip(&at),
        weight_decay: at.float(Id::WeightDecay),
        batch: at.integer(Id::Batch),
        sampling: if at.integer(Id::Batch) < task.samples && at.text(Id::Sampling) == "replacement" {
            Sampling::Replacement
        } else {
            Sampling::Shuffle
        },
        data_seed: point[Id::DataSeed as usize].and_then(|cell| match cell.value {
            Value::Integer(seed) => Some(seed),
            Value::Text(_) | Value::Float(_) | Value::Boolean(_) => None,
        }),
        dtype: Dtype::from_name(text(point, Id::Dtype)).unwrap_or(Dtype::Float32),
        seed: block.seeds.at(0),
        task,
    }
}

/// What an axis is at if a spec leaves it out.
pub fn default(id: Id, network: &str) -> Option<Value> {
    match id {
        Id::Activation => Some(Value::Text(if network == "rnn" { "tanh" } else { "relu" })),
        id => id.axis().default,
    }
}

fn text(point: &Point, id: Id) -> &'static str {
    let network = match point[Id::Network as usize].or_else(|| plain(default(Id::Network, "mlp"))) {
        Some(Cell { value: Value::Text(network), .. }) => network,
        _ => "mlp",
    };
    match point[id as usize].or_else(|| plain(default(id, network))) {
        Some(Cell { value: Value::Text(text), .. }) => text,
        _ => "",
    }
}

fn plain(value: Option<Value>) -> Option<Cell> {
    value.map(|value| Cell { value, per: None })
}

/// The numbers at a point.
struct At<'a> {
    point: &'a Point,
    /// The largest batch.
    samples: usize,
}

impl At<'_> {
    /// The value of a numeric axis, divided if it is to be.
    fn number(&self, id: Id) -> f64 {
        let Some(Cell { value, per }) = self.point[id as usize].or_else(|| plain(default(id, ""))) else {
            return f64::NAN;
        };
        let number = match value {
            Value::Integer(i) if id == Id::Batch => i.min(self.samples as u64) as f64,
            Value::Integer(i) => i as f64,
            Value::Float(x) => x,
            Value::Text(_) | Value::Boolean(_) => f64::NAN,
        };
        per.map_or(number, |other| number / self.number(other))
    }

    fn float(&self, id: Id) -> f64 {
        self.number(id)
    }

    fn integer(&self, id: Id) -> usize {
        let whole = self.number(id).round() as usize;
        if id == Id::Batch { whole.min(self.samples) } else { whole }
    }

    fn text(&self, id: Id) -> &'static str {
        text(self.point, id)
    }

    fn boolean(&self, id: Id) -> bool {
        matches!(self.point[id as usize], Some(Cell { value: Value::Boolean(true), .. }))
    }
}

fn network(at: &At) -> Network {
    let (depth, width) = (at.integer(Id::Depth), at.integer(Id::Width));
    if depth == 0 {
        return Network::Linear;
    }
    let activation =
        Activation::from_name(at.text(Id::Activation), at.float(Id::NegativeSlope)).unwrap_or(Activation::Relu);
    let position = NormPosition::from_name(at.text(Id::NormPosition)).unwrap_or(NormPosition::Before);
    let norm = match at.text(Id::Norm) {
        "batch" => Norm::Batch(position),
        "layer" => Norm::Layer(position),
        "rms" => Norm::Rms(position),
        _ => Norm::None,
    };
    let sequence_length = at.integer(Id::SequenceLength);
    if let Some(cell) = Gated::from_name(at.text(Id::Network)) {
        let forget_bias = if at.text(Id::Bias) == "none" { 0.0 } else { at.float(Id::ForgetBias) };
        return Network::Gated { cell, depth, width, forget_bias, sequence_length };
    }
    match at.text(Id::Network) {
        "rnn" => Network::Rnn { depth, width, activation, norm, sequence_length },
        _ => Network::Mlp { depth, width, activation, norm, residual: at.boolean(Id::Residual) },
    }
}

fn init(at: &At) -> Init {
    let kind = InitKind::from_name(at.text(Id::Init)).unwrap_or(InitKind::Pytorch);
    Init { kind, scale: at.float(Id::InitScale), offset: at.float(Id::InitOffset) }
}

/// None where it is `init`, its default.
fn recurrent_init(at: &At, init: Init) -> Option<Init> {
    if at.text(Id::Network) == "mlp" {
        return None;
    }
    let kind = InitKind::from_name(at.text(Id::RecurrentInit));
    let scale = at.point[Id::RecurrentInitScale as usize].map(|_| at.float(Id::RecurrentInitScale));
    let recurrent = Init {
        kind: kind.unwrap_or(init.kind),
        // A name without a number is that initializer at its default.
        scale: scale.unwrap_or(if kind.is_some() { 1.0 } else { init.scale }),
        offset: 0.0,
    };
    (recurrent != Init { offset: 0.0, ..init }).then_some(recurrent)
}

fn bias(at: &At, init: InitKind) -> Bias {
    let given = at.point[Id::BiasStd as usize].is_some();
    match at.text(Id::Bias) {
        "none" => Bias::None,
        _ if given => Bias::Learned { std: at.float(Id::BiasStd) },
        _ if init == InitKind::Pytorch => Bias::LearnedPytorch,
        _ => Bias::Learned { std: 0.0 },
    }
}

fn optimizer(at: &At) -> Optimizer {
    let momentum = at.float(Id::Momentum);
    let (beta1, beta2, eps) = (at.float(Id::Beta1), at.float(Id::Beta2), at.float(Id::Eps));
    match at.text(Id::Optimizer) {
        "adam" => Optimizer::Adam { beta1, beta2, eps },
        "adamw" => Optimizer::Adamw { beta1, beta2, eps },
        "rmsprop" => Optimizer::Rmsprop { alpha: at.float(Id::Alpha), eps, momentum },
        // Without momentum there is nothing to look ahead with; PyTorch refuses the pair, here nesterov does not apply.
        _ => Optimizer::Sgd { momentum, nesterov: momentum > 0.0 && at.boolean(Id::Nesterov) },
    }
}

fn schedule(at: &At) -> Schedule {
    let warmup = at.integer(Id::Warmup).max(1) as u64;
    match at.text(Id::Schedule) {
        "warmup" => Schedule::Warmup { warmup },
        "cosine" => Schedule::Cosine,
        "warmup_cosine" => Schedule::WarmupCosine { warmup },
        _ => Schedule::Constant,
    }
}

fn clip(at: &At) -> Clip {
    let threshold = at.float(Id::ClipThreshold);
    match at.text(Id::Clip) {
        "norm" if threshold.is_finite() => Clip::Norm(threshold),
        "value" if threshold.is_finite() => Clip::Value(threshold),
        _ => Clip::None,
    }
}
