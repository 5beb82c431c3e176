//! Turns a point of a block into a `Trial`: every axis that applies is set to its value, in the
//! order of the table. Everything was checked before, so nothing fails here.

use super::block::{Block, Programmed};
use super::bundle::KnownBundle;
use super::dial::{Cell, Point};
use crate::axis::{Default, Id, Kind, Need, TABLE};
use crate::trial::{Given, Init, InitKind, Loss, Network, Numerics, Task, Trial, Value};

/// The trial of `block` at `point` with the block's first seed.
pub fn trial(block: &Block, point: &Point) -> Trial {
    if let Some(program) = &block.program {
        return of_program(block, program, point);
    }
    let network = point.get(Id::Network).map_or(Id::Network.axis().usual(), |cell| Some(cell.value));
    let Some(Value::Text(network)) = network else { unreachable!("a network is a name, and one is the default") };
    let mut trial = match block.bundles.iter().find(|bundle| bundle.name == network) {
        Some(bundle) => of_bundle(block, bundle),
        None => of_net(block, point),
    };
    let at = At { point, network: Network::of_name(network), loss: trial.loss, samples: trial.task.samples as u64 };
    let values = TABLE.each_ref().map(|axis| at.value(axis.id));
    for (axis, value) in TABLE.iter().zip(values) {
        let holds = |need: &Need| {
            let value = need.axis.place().and_then(|place| values[place]);
            value.is_some_and(|value| need.holds(value))
        };
        if let Some(value) = value
            && axis.needs.iter().all(holds)
        {
            let value = axis.resolved(value, &|id| id.of(&trial));
            (axis.set)(&mut trial, value);
        }
    }
    trial.loss_ratio = block.loss_ratio.unwrap_or(trial.loss.usual_ratio());
    trial
}

/// A trial of a built-in net of which the axes are not set yet, apart from the loss, which decides
/// what the task is.
fn of_net(block: &Block, point: &Point) -> Trial {
    let loss = match point.get(Id::Loss) {
        Some(Cell { value, .. }) => {
            let Value::Text(name) = value else { unreachable!("a loss is a name, not {value:?}") };
            Loss::from_name(name).expect("a loss of the table")
        }
        None => block.tasks.default_loss(),
    };
    Trial { loss, ..bare(block, block.tasks.of(loss).clone()) }
}

/// A trial of a bundle of which the axes are not set yet.
fn of_bundle(block: &Block, bundle: &KnownBundle) -> Trial {
    let KnownBundle { task, dtype, batch, .. } = bundle;
    let init = Init { kind: InitKind::Stored, scale: 1.0, offset: 0.0 };
    Trial {
        network: Network::Bundle,
        init,
        numerics: Numerics::Uniform(*dtype),
        batch: *batch,
        ..bare(block, task.clone())
    }
}

/// A trial of which only what stands beside the axes is set.
fn bare(block: &Block, task: Task) -> Trial {
    Trial {
        label: block.label.clone(),
        budget: block.budget,
        loss_ratio: block.loss_ratio.unwrap_or(Loss::Mse.usual_ratio()),
        seed: block.seeds.at(0),
        ..Trial::unset(task)
    }
}

/// The trial of a program: the values as they are written, and nothing else.
fn of_program(block: &Block, program: &Programmed, point: &Point) -> Trial {
    let at = At { point, network: Network::Bundle, loss: Loss::Mse, samples: u64::MAX };
    let value = |id: Id| point.get(id).and_then(|_| at.value(id));
    let built_in = TABLE.iter().filter_map(|axis| Some((axis.name.into(), value(axis.id)?)));
    let declared = program.declared.iter().map(|id| (id.name().into(), value(*id)));
    let program = program.identity.clone();
    let given = Given { program, built_in: built_in.collect(), declared: declared.collect() };
    Trial { given: Some(Box::new(given)), ..bare(block, Task::none()) }
}

/// The values at a point of a block.
struct At<'a> {
    point: &'a Point,
    network: Network,
    /// The loss of the trial, which is that of its task where a spec names none.
    loss: Loss,
    /// The samples of the task, which are the largest batch.
    samples: u64,
}

impl At<'_> {
    /// The value of an axis, divided by another axis's if it is to be. It is `None` where the axis
    /// is left out and has no default.
    fn value(&self, id: Id) -> Option<Value> {
        let Some(Cell { value, per }) = self.point.get(id) else {
            return self.default(id).map(|value| self.within(id, value));
        };
        let value = self.within(id, value);
        let Some(per) = per else { return Some(value) };
        let quotient = number(value) / self.value(per).map_or(f64::NAN, number);
        Some(match id.axis().kind {
            Kind::Integer { .. } => self.within(id, Value::Integer(quotient.round() as u64)),
            Kind::Float { .. } | Kind::Choice { .. } | Kind::Boolean | Kind::Text => Value::Float(quotient),
        })
    }

    /// The value of an axis that a spec leaves out; `None` if nothing is set then.
    fn default(&self, id: Id) -> Option<Value> {
        match id.axis().default {
            Default::Is(value) => Some(value),
            Default::OfNetwork(default) => Some(default(self.network)),
            Default::OfTaker(other, of) => match self.value(other) {
                Some(Value::Text(taker)) => of(taker, id.name()),
                _ => None,
            },
            Default::OfTask => Some(Value::Text(self.loss.name())),
            Default::Required | Default::Follows(_) | Default::OfInit => None,
        }
    }

    /// The value, which as a batch is at most as large as the data.
    fn within(&self, id: Id, value: Value) -> Value {
        match value {
            Value::Integer(n) if id == Id::Batch => Value::Integer(n.min(self.samples)),
            Value::Integer(_) | Value::Float(_) | Value::Text(_) | Value::Boolean(_) => value,
        }
    }
}

fn number(value: Value) -> f64 {
    match value {
        Value::Integer(i) => i as f64,
        Value::Float(x) => x,
        Value::Text(_) | Value::Boolean(_) => unreachable!("only numbers are divided"),
    }
}
