//! What a reader of bundles must check: that every reference leads somewhere, that tensors have the
//! shapes that the program says, and that only operators of the list are called.

use super::Bundle;
use super::program::{Argument, Graph, Held, Integer, Node, Program};
use crate::failure::excerpt;
use std::collections::HashSet;
use std::sync::LazyLock;

/// The operators that a bundle may call. `scripts/operators.py` writes the file from the list of
/// the Python package.
static ALLOWED: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("operators.txt").split_ascii_whitespace().collect());

/// The most elements of a tensor of one lane, and the largest integer of an argument. Sums and
/// products of a few of them stay far within 64 bits.
const MOST: i64 = 1 << 48;

/// Checks a bundle as a whole.
///
/// # Errors
/// What is wrong, and where.
pub fn check(bundle: &Bundle) -> Result<(), String> {
    let program = &bundle.program;
    let distinct = program.seeds.iter().collect::<HashSet<_>>().len();
    if program.seeds.is_empty() || distinct < program.seeds.len() {
        return Err("its `seeds` are none, or repeat".to_owned());
    }
    held(bundle, "parameters", &program.parameters)?;
    held(bundle, "buffers", &program.buffers)?;
    let Some(first) = program.parameters.first() else { return Err("it has nothing to train".to_owned()) };
    if let Some(other) = program.parameters.iter().find(|held| held.dtype != first.dtype) {
        let (a, b) = (excerpt(&first.name), excerpt(&other.name));
        return Err(format!("its parameters `{a}` and `{b}` have different dtypes; the engine trains one dtype"));
    }
    if first.dtype.trained().is_none() {
        return Err(format!("its parameters are of the type {:?}, which is not trained", first.dtype));
    }
    leaves(bundle)?;
    for (at, operator) in program.operators.iter().enumerate() {
        if !ALLOWED.contains(operator.name.as_str()) {
            let name = excerpt(&operator.name);
            return Err(format!("operators[{at}]: `{name}` is not among the operators that a bundle may call"));
        }
    }
    let rest = program.samples.checked_rem(program.graphs.first().map_or(0, |graph| graph.rows));
    let sizes: Vec<usize> = program.graphs.iter().map(|graph| graph.rows).collect();
    match (sizes.as_slice(), rest) {
        ([0], _) if program.samples == 0 => {}
        ([rows], Some(_)) if *rows <= program.samples => {}
        ([rows, last], Some(rest)) if *rows <= program.samples && *last == rest && rest > 0 => {}
        _ => {
            return Err(format!(
                "its graphs are for batches of {sizes:?} rows, which do not serve {} samples",
                program.samples
            ));
        }
    }
    for (at, graph) in program.graphs.iter().enumerate() {
        check_graph(bundle, graph).map_err(|what| format!("graphs[{at}]: {what}"))?;
    }
    Ok(())
}

fn size(shape: &[usize]) -> Result<usize, String> {
    let size = shape.iter().try_fold(1usize, |all, size| all.checked_mul(*size));
    size.filter(|size| *size as i64 <= MOST).ok_or_else(|| format!("a tensor of shape {shape:?} is too large"))
}

fn held(bundle: &Bundle, what: &str, all: &[Held]) -> Result<(), String> {
    let mut names = HashSet::new();
    for (at, held) in all.iter().enumerate() {
        let place = format!("{what}[{at}] (`{}`)", excerpt(&held.name));
        if !names.insert(&held.name) {
            return Err(format!("{place}: the name repeats"));
        }
        size(&held.shape).map_err(|what| format!("{place}: {what}"))?;
        let stored = stored(bundle, &held.initial).map_err(|what| format!("{place}: {what}"))?;
        let seeds = bundle.program.seeds.len();
        if stored.dtype != held.dtype || stored.shape.split_first() != Some((&seeds, &held.shape[..])) {
            return Err(format!("{place}: its initial values are not {:?} of {seeds} x {:?}", held.dtype, held.shape));
        }
    }
    Ok(())
}

fn leaves(bundle: &Bundle) -> Result<(), String> {
    let Program { samples, .. } = &bundle.program;
    let mut sampled = false;
    for (at, leaf) in bundle.program.batch.iter().enumerate() {
        let place = format!("batch[{at}] (`{}`)", excerpt(&leaf.name));
        size(&leaf.shape).map_err(|what| format!("{place}: {what}"))?;
        let stored = stored(bundle, &leaf.data).map_err(|what| format!("{place}: {what}"))?;
        let shape = match leaf.sampled {
            true => [&[*samples], &leaf.shape[..]].concat(),
            false => leaf.shape.clone(),
        };
        sampled |= leaf.sampled;
        if stored.dtype != leaf.dtype || stored.shape != shape {
            return Err(format!("{place}: its data are not {:?} of shape {shape:?}", leaf.dtype));
        }
    }
    match sampled == (*samples > 0) {
        true => Ok(()),
        false => Err(format!("it says {samples} samples, which its batch does not have")),
    }
}

fn stored<'a>(bundle: &'a Bundle, name: &str) -> Result<&'a super::Stored<'a>, String> {
    bundle.tensors.get(name).ok_or_else(|| format!("there is no tensor `{}`", excerpt(name)))
}

fn check_graph(bundle: &Bundle, graph: &Graph) -> Result<(), String> {
    let program = &bundle.program;
    let mut streams = HashSet::new();
    for (at, draw) in graph.draws.iter().enumerate() {
        size(&draw.shape).map_err(|what| format!("draws[{at}]: {what}"))?;
        if draw.dtype.trained().is_none() || !streams.insert(&draw.name) {
            return Err(format!("draws[{at}]: no stream of {:?}, or one that repeats", draw.dtype));
        }
    }
    for (at, name) in graph.constants.iter().enumerate() {
        stored(bundle, name).map_err(|what| format!("constants[{at}]: {what}"))?;
    }
    let mut values = graph.inputs(program);
    for (at, node) in graph.nodes.iter().enumerate() {
        check_node(program, node, values).map_err(|what| format!("nodes[{at}]: {what}"))?;
        values += node.out.len();
    }
    let outputs = &graph.outputs;
    let (parameters, buffers) = (program.parameters.len(), program.buffers.len());
    if outputs.gradients.len() != parameters || outputs.buffers.len() != buffers {
        return Err(format!("its outputs are not of {parameters} parameters and {buffers} buffers"));
    }
    if outputs.gradients.iter().all(Option::is_none) {
        return Err("its loss depends on no parameter".to_owned());
    }
    let mut all = outputs.gradients.iter().flatten().chain(&outputs.buffers).chain([&outputs.loss]);
    match all.find(|value| **value >= values) {
        Some(value) => Err(format!("its output {value} is no value")),
        None => Ok(()),
    }
}

/// Checks a node, before which there are `values` values.
fn check_node(program: &Program, node: &Node, values: usize) -> Result<(), String> {
    if node.op >= program.operators.len() || node.place >= program.places.len() {
        return Err("it names an operator or a place that is not there".to_owned());
    }
    if node.out.is_empty() || !node.out.iter().copied().eq(values..values + node.out.len()) {
        return Err(format!("its results are not numbered from {values} on"));
    }
    if let Some(value) = node.reads().find(|value| *value >= values) {
        return Err(format!("it reads the value {value} before it is made"));
    }
    if node.each && node.reads().next().is_none() {
        return Err("it is called for each lane and reads no value".to_owned());
    }
    for (at, argument) in node.args.iter().enumerate() {
        let sound = if let Some(Argument::Int(integer)) = argument {
            is_small(integer)
        } else if let Some(Argument::Ints(integers)) = argument {
            integers.iter().all(is_small)
        } else if let Some(Argument::Device(device)) = argument {
            device == "cpu"
        } else if let Some(Argument::Layout(layout)) = argument {
            layout == "strided"
        } else {
            true
        };
        if !sound {
            return Err(format!("args[{at}]: no value of this kind: {argument:?}"));
        }
    }
    Ok(())
}

/// Whether the integer is small enough for every number of lanes. An end that is left open is
/// written as the largest integer.
fn is_small(integer: &Integer) -> bool {
    match *integer {
        Integer::Fixed(i64::MAX) => true,
        Integer::Fixed(n) => n.unsigned_abs() <= MOST as u64,
        Integer::PerLane(c, k) => c.unsigned_abs() <= MOST as u64 && k.unsigned_abs() <= MOST as u64 >> 16,
    }
}
