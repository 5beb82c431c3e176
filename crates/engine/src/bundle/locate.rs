//! Where a bad step of a bundle began: the call that first made a value that is not finite, and the
//! line of the user's program that it comes from. docs/bundle.md has the rule. [`super::sample`]
//! finds the sample.

use super::dispatch::Finiteness;
use super::loaded::{Loaded, Step};
use super::sample;
use blowup_core::bundle::{Place, Program};
use blowup_core::verdict::Origin;
use std::collections::HashSet;
use tch::Tensor;

/// Returns where the step of one lane began to be bad. `inputs` are all inputs of its graph, for
/// this lane alone; `index` has the places of the batch's rows in the data.
///
/// # Errors
/// What libtorch says where it refuses a call.
pub fn locate(loaded: &Loaded, step: &Step, inputs: &[Tensor], index: &[i64]) -> Result<Origin, String> {
    let kinds = step.all.examine(1, inputs)?;
    let graph = &step.graph;
    let is_bad = |value: usize| kinds[value] != Finiteness::Finite;
    let first_result = inputs.len();
    let mut maker = vec![0; kinds.len() - first_result];
    for (index, node) in graph.nodes.iter().enumerate() {
        node.out.iter().for_each(|value| maker[value - first_result] = index);
    }
    // Walk back from the bad results over bad values.
    let results = graph.outputs.gradients.iter().flatten().chain([&graph.outputs.loss]);
    let mut left: Vec<usize> = results.copied().filter(|value| is_bad(*value)).collect();
    let mut seen: HashSet<usize> = HashSet::new();
    let (mut path, mut sources) = (Vec::new(), Vec::new());
    while let Some(value) = left.pop() {
        if !seen.insert(value) {
            continue;
        }
        match value.checked_sub(first_result) {
            None => sources.push(value),
            Some(result) => {
                path.push(maker[result]);
                left.extend(graph.nodes[maker[result]].reads().filter(|value| is_bad(*value)));
            }
        }
    }
    path.sort_unstable();
    path.dedup();
    sources.sort_unstable();
    let parameters = loaded.program.parameters.len();
    let was_bad = |value: &&usize| **value < parameters || kinds[**value] == Finiteness::Nan;
    if let Some(source) = sources.iter().find(was_bad) {
        let row = sample::of_leaf(loaded, *source, inputs);
        return Ok(Origin { sample: row.map(|row| index[row] as u64), ..of_input(&loaded.program, *source) });
    }
    let births = path.iter().filter(|node| !graph.nodes[**node].reads().any(is_bad));
    let began = births.copied().find(|node| !graph.nodes[*node].writes_infinity());
    let makes_nan = |node: &usize| graph.nodes[*node].out.iter().any(|value| kinds[*value] == Finiteness::Nan);
    let Some(node) = began.or_else(|| path.iter().copied().find(makes_nan)) else {
        return Ok(sources.first().map_or_else(Origin::default, |source| of_input(&loaded.program, *source)));
    };
    let node = &graph.nodes[node];
    let bad = node.out.iter().copied().find(|value| is_bad(*value));
    let row = bad.map(|value| sample::of_value(loaded, step, inputs, value)).transpose()?.flatten();
    let name = loaded.program.operators[node.op].name.replacen("::", ".", 1);
    let place = loaded.program.places[node.place].as_ref();
    Ok(Origin { sample: row.map(|row| index[row] as u64), ..of_place(name, place) })
}

/// The words for an input that was bad before the step.
fn of_input(program: &Program, value: usize) -> Origin {
    let named = |what: &str, name: &str| Origin {
        operator: Some(what.to_owned()),
        module: Some(name.to_owned()).filter(|name| !name.is_empty()),
        source: None,
        sample: None,
    };
    let mut at = value;
    for (what, all) in [("parameter", &program.parameters), ("buffer", &program.buffers)] {
        match all.get(at) {
            Some(held) => return named(what, &held.name),
            None => at -= all.len(),
        }
    }
    program.batch.get(at).map_or_else(|| named("constant", ""), |leaf| named("data", &leaf.name))
}

fn of_place(operator: String, place: Option<&Place>) -> Origin {
    let module = place.map(|place| {
        let module = if place.module.is_empty() { &place.function } else { &place.module };
        if place.derivative.is_some() { format!("derivative of {module}") } else { module.clone() }
    });
    let source = place.map(|place| format!("{}:{}", place.file, place.line));
    Origin { operator: Some(operator), module, source, sample: None }
}
