//! Builds the network of a shape.

use super::dtype::inner;
use super::mlp::{Branches, Mlp};
use super::module::Module;
use super::recurrent::{Gru, Lstm, Plain, Recurrent, RecurrentCell};
use super::stage::Stage;
use super::transformer::{self, Size};
use blowup_core::trial::{Gated, Network, Shape};
use tch::Kind;

/// Makes the network of `shape` with buffers for `lanes` lanes and `batch` samples, whose passes
/// compute in `kind`.
pub fn new(shape: &Shape, lanes: i64, batch: i64, kind: Kind) -> Box<dyn Module> {
    let outputs = shape.task.outputs as i64;
    let kept = if shape.numbers.is_autocast() { inner(kind) } else { kind };
    match shape.network {
        Network::Bundle => unreachable!("a bundle is no network of layers"),
        Network::Linear => Box::new(Mlp::new(None, 0, None, [lanes, batch, 0], outputs, kind)),
        Network::Mlp { depth, width, activation, norm, residual } => {
            let stage = Stage { activation, norm, kept };
            let branches = residual.then_some(Branches { scale: shape.residual_scale.0, rezero: shape.rezero });
            Box::new(Mlp::new(Some(stage), depth, branches, [lanes, batch, width as i64], outputs, kind))
        }
        Network::Rnn { depth, width, activation, norm, sequence_length } => {
            let stage = Stage { activation, norm, kept };
            let size = [lanes, batch, width as i64];
            let cell = |_| Box::new(Plain::new(stage, sequence_length, size, kind)) as Box<dyn RecurrentCell>;
            Box::new(Recurrent::new((0..depth).map(cell).collect(), sequence_length, size, outputs, kind))
        }
        Network::Transformer(transformer) => {
            let size = Size { lanes, batch, outputs };
            Box::new(transformer::Transformer::new(shape, &transformer, size, kind))
        }
        Network::Gated { cell, depth, width, sequence_length, .. } => {
            let size = [lanes, batch, width as i64];
            let cell = |_| match cell {
                Gated::Lstm => Box::new(Lstm::new(sequence_length, size, kind)) as Box<dyn RecurrentCell>,
                Gated::Gru => Box::new(Gru::new(sequence_length, size, kind)),
            };
            Box::new(Recurrent::new((0..depth).map(cell).collect(), sequence_length, size, outputs, kind))
        }
    }
}
