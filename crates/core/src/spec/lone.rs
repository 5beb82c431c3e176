//! Refuses batch norm over a batch of one sample, for every trial that no `[[exclude]]` drops. The
//! variance of one sample is 0, so the norm's output is its shift whatever the input is, and
//! PyTorch refuses it, too.

use super::Spec;
use super::block::Block;
use super::dial::{Cell, Dial};
use super::filter::{Attribute, Filter};
use super::grid::Grid;
use super::report::Problems;
use super::settings::Seeds;
use super::source::Span;
use crate::axis::Id;
use crate::trial::Value;
use crate::trial::{Lone, Task, Trial};

/// The most points that are searched for one that no `[[exclude]]` drops.
const LOOKED_AT: usize = 1_000_000;

/// Whether a trial with this value may have a batch of one sample. The value is `None` where it is
/// not known.
type Test<'a> = &'a dyn Fn(Option<Value>) -> bool;

/// The most batch sizes of a block that are reported.
const TOLD: usize = 10;

/// Reports the batches of one sample in every block. `places` has the place to point at for each
/// block.
pub fn check(spec: &Spec, places: &[Span], problems: &mut Problems) {
    for (block, place) in spec.blocks.iter().zip(places) {
        let Some(suspects) = suspects(block, &spec.excludes) else { continue };
        let grid = Grid::new(std::slice::from_ref(&suspects), 0, &spec.excludes);
        let mut told: Vec<usize> = Vec::new();
        for (looked_at, (trial, excluded)) in grid.all_points().enumerate() {
            // The search for a point that no exclude drops ends here.
            let given_up = looked_at >= LOOKED_AT;
            if told.len() == TOLD || given_up && !told.is_empty() {
                break;
            }
            if let Some(lone) = trial.lone_sample()
                && (given_up || !excluded)
                && !told.contains(&trial.batch)
            {
                told.push(trial.batch);
                problems.add(place, message(&trial, lone), hint(&trial));
            }
        }
    }
}

fn message(trial: &Trial, lone: Lone) -> String {
    let (samples, batch) = match lone {
        Lone::Training => (trial.task.samples, trial.batch),
        Lone::Evaluation => (Task::EVALUATION_SAMPLES, trial.batch),
    };
    let why = match lone {
        _ if samples == 1 => format!("the task `{}` has one", trial.task.kind.name()),
        _ if batch == 1 => "`batch` is 1".to_owned(),
        Lone::Training => format!("{samples} samples in batches of {batch} leave one"),
        Lone::Evaluation => format!("the {samples} samples of the evaluation in batches of {batch} leave one"),
    };
    format!("norm = \"batch\" would normalize one sample alone: {why}")
}

fn hint(trial: &Trial) -> String {
    let batch = trial.batch;
    let drop = format!("drop these trials: [[exclude]] with norm = \"batch\" and batch = {batch}");
    format!("one sample has no variance, and PyTorch refuses it; take another `batch` or number of samples, or {drop}")
}

/// The block with as few of its points as are needed, or `None` if none of them can have a batch of
/// one sample. Points are dropped that surely have two samples in every batch, and axes on which
/// neither that nor an exclude depends keep one value each.
fn suspects(block: &Block, excludes: &[Filter]) -> Option<Block> {
    let samples = block.tasks.any()?.samples;
    let given = |id: Id| block.dials.iter().any(|dial| dial.axes().contains(&id));
    let may_lone = |batch: u64| {
        // A batch of all samples is as large as they are.
        let batch = batch.min(samples as u64);
        batch == 1
            || samples as u64 % batch == 1
            || block.tasks.any().is_some_and(|task| task.kind.is_fresh())
                && Task::EVALUATION_SAMPLES as u64 % batch == 1
    };
    // The axes that decide, each with the values that some trial with a batch of one sample has. No
    // network has batch norm by default.
    let decisive: [(Id, Test); 4] = [
        (Id::Network, &|network| network == Some(Value::Text("mlp"))),
        (Id::Norm, &|norm| norm == Some(Value::Text("batch"))),
        (Id::Depth, &|depth| depth != Some(Value::Integer(0))),
        (Id::Batch, &|batch| !matches!(batch, Some(Value::Integer(batch)) if !may_lone(batch))),
    ];
    let may = |id: Id, cell: Option<Cell>| {
        let Some((_, test)) = decisive.iter().find(|(decisive, _)| *decisive == id) else { return true };
        match cell {
            // The quotient is not known here.
            Some(Cell { per: Some(_), .. }) => true,
            Some(Cell { value, per: None }) => test(Some(value)),
            None => test(id.axis().usual()),
        }
    };
    let decisive = decisive.map(|(id, _)| id);
    if decisive.into_iter().any(|id| !given(id) && !may(id, None)) {
        return None;
    }
    let (mut dials, mut needed) = (block.dials.clone(), decisive.to_vec());
    for dial in &mut dials {
        if let Dial::Rows { axes, rows } = dial {
            rows.retain(|row| axes.iter().zip(row).all(|(&id, &cell)| may(id, cell)));
            if rows.is_empty() {
                return None;
            }
        }
    }
    let (mut seeds, mut columns) = (false, excludes.iter().flat_map(Filter::columns));
    columns.by_ref().for_each(|column| match column {
        Attribute::Axis(axis) => {
            seeds |= matches!(axis.id, Id::Seed | Id::DataSeed);
            needed.extend(axis.id.depends_on());
        }
        Attribute::Label | Attribute::Task => {}
    });
    let divisors = |dial: &Dial| -> Vec<Id> {
        let cells = dial.axes().iter().flat_map(|&id| dial.cells(id));
        cells.flatten().filter_map(|cell| cell.per).collect()
    };
    let per: Vec<Id> = dials.iter().flat_map(divisors).collect();
    needed.extend(per);
    for dial in &mut dials {
        if !dial.axes().iter().any(|id| needed.contains(id)) {
            *dial = dial.first();
        }
    }
    let seeds = if seeds { block.seeds.clone() } else { Seeds::List(vec![block.seeds.at(0)]) };
    let Block { label, tasks, budget, loss_ratio, .. } = block;
    let (label, tasks) = (label.clone(), tasks.clone());
    let (budget, loss_ratio, distinct, program, bundles) = (*budget, *loss_ratio, false, None, Vec::new());
    Some(Block { label, tasks, budget, loss_ratio, seeds, dials, distinct, program, bundles })
}
