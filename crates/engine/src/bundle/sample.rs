//! Which sample of a batch a bad value belongs to.
//!
//! Nothing in a graph says which dimension of a value is the batch's, so it is tried: the rows of
//! the batch are moved on by one, and the step runs again. A dimension along which the bad elements
//! move with them is the batch's. Where none does, or where every row is bad, no sample is named.

use super::dispatch::{Op, Runner};
use super::loaded::{Loaded, Step};
use tch::Tensor;

/// The row of the batch in which a value of the graph is first not finite. `inputs` are all inputs
/// of the graph, for one lane. It is `None` where every row is bad, and where it is not sure that
/// the value has the rows of the batch.
///
/// # Errors
/// What libtorch says where it refuses a call.
pub fn of_value(loaded: &Loaded, step: &Step, inputs: &[Tensor], value: usize) -> Result<Option<usize>, String> {
    let rows = step.graph.rows as i64;
    if rows < 2 {
        return Ok(None);
    }
    let program = &loaded.program;
    let ops = program.operators.iter().map(Op::find).collect::<Result<Vec<_>, _>>()?;
    let runner = Runner::new(program, &step.graph, &ops, &step.graph.needed(&[value]), &[value])?;
    let made = runner.run(1, inputs)?.remove(0);
    let moved = runner.run(1, &moved_on(loaded, step, inputs))?.remove(0);
    let dimensions = 1..made.dim() as i64;
    let found = dimensions.filter(|dimension| made.size()[*dimension as usize] % rows == 0).find_map(|dimension| {
        let (bad, next) = (bad_rows(&made, dimension, rows), bad_rows(&moved, dimension, rows));
        let follows = (0..bad.len()).all(|row| bad[row] == next[(row + 1) % bad.len()]);
        // Where all rows are bad, or none is, nothing tells what moves.
        (follows && bad.contains(&false)).then(|| bad.iter().position(|bad| *bad)).flatten()
    });
    Ok(found)
}

/// The row in which an input of the graph is first not finite, if it is a leaf of the batch that is
/// sampled. It is `None` where every row is bad.
pub fn of_leaf(loaded: &Loaded, input: usize, inputs: &[Tensor]) -> Option<usize> {
    let leaf = input.checked_sub(loaded.program.parameters.len() + loaded.program.buffers.len())?;
    loaded.program.batch.get(leaf).filter(|leaf| leaf.sampled)?;
    let bad = bad_rows(&inputs[input], 1, inputs[input].size()[1]);
    bad.contains(&false).then(|| bad.iter().position(|bad| *bad)).flatten()
}

/// The inputs with each row of the batch in the place of the next one, and the last in that of the
/// first. Random numbers that are drawn for each row move with them.
fn moved_on(loaded: &Loaded, step: &Step, inputs: &[Tensor]) -> Vec<Tensor> {
    let first_leaf = loaded.program.parameters.len() + loaded.program.buffers.len();
    let leaves = loaded.program.batch.iter().map(|leaf| leaf.sampled);
    let draws = step.graph.draws.iter().map(|draw| draw.shape.first() == Some(&step.graph.rows));
    let has_rows: Vec<bool> = std::iter::repeat_n(false, first_leaf).chain(leaves).chain(draws).collect();
    let one = |(at, input): (usize, &Tensor)| match has_rows.get(at) {
        Some(true) => input.roll([1], [1]),
        Some(false) | None => input.shallow_clone(),
    };
    inputs.iter().enumerate().map(one).collect()
}

/// For each row whether any element of a value is not finite. The rows are parts of equal size of
/// `dimension`.
fn bad_rows(value: &Tensor, dimension: i64, rows: i64) -> Vec<bool> {
    let finite = value.isfinite().movedim_int(dimension, 0).contiguous().view([rows, -1]).all_dim(1, false);
    Vec::<bool>::try_from(finite).expect("a boolean for each row").into_iter().map(|finite| !finite).collect()
}
