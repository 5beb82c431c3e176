//! How many pad lanes a bundle needs at the end of its tensors.
//!
//! libtorch's vectorized kernels treat the last few elements of a whole tensor with scalar code. An
//! operation that rounds once, such as a product, has the same bits there; one that rounds several
//! times may not. So no real lane may stand in the tail of a result of such an operator. Functions
//! that libtorch leaves to MKL (exp, log, tanh, ...) have no such tail.

use super::dispatch::Runner;
use blowup_core::bundle::{Argument, Graph, Integer, Node, Program, Real};
use tch::Tensor;

/// The operators whose kernels round the last elements of a tensor differently, without `aten::`.
/// Their derivatives are among them.
const ROUGH: [&str; 26] = [
    "addcdiv",
    "addcmul",
    "atan2",
    "celu",
    "digamma",
    "elu",
    "gelu",
    "hardsigmoid",
    "hardswish",
    "huber_loss",
    "hypot",
    "lerp",
    "lgamma",
    "log_sigmoid",
    "logaddexp",
    "logaddexp2",
    "logit",
    "mish",
    "pow",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softplus",
    "softshrink",
    "tanh_backward",
    "xlogy",
];

/// The most elements of a tail. It is as in [`crate::lanes::pads`].
const TAIL: i64 = 64;
const TAIL_16_BIT: i64 = 128;

/// Returns the number of pad lanes behind the lanes of a graph. `inputs` are those of `lanes`
/// lanes.
///
/// # Errors
/// What libtorch says where it refuses a call.
pub fn pads(program: &Program, graph: &Graph, runner: &Runner, lanes: i64, inputs: &[Tensor]) -> Result<usize, String> {
    let tail = if program.dtype().bytes() == 2 { TAIL_16_BIT } else { TAIL };
    let blocks = runner.blocks(lanes, inputs)?;
    let rough =
        graph.nodes.iter().filter(|node| is_rough(&program.operators[node.op].name) && !is_simple_power(node, program));
    let sizes = rough.flat_map(|node| &node.out).map(|value| blocks[*value]).filter(|size| *size > 0);
    let short = sizes.filter(|size| size % tail != 0).min();
    Ok(short.map_or(0, |size| (tail as usize).div_ceil(size as usize)))
}

/// Whether the node is a power that libtorch computes as a product, a quotient or a root.
fn is_simple_power(node: &Node, program: &Program) -> bool {
    let exponent = if let Some(Some(Argument::Int(Integer::Fixed(n)))) = node.args.get(1) {
        *n as f64
    } else if let Some(Some(Argument::Float(Real(x)))) = node.args.get(1) {
        *x
    } else {
        return false;
    };
    program.operators[node.op].name == "aten::pow" && [-2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0].contains(&exponent)
}

fn is_rough(name: &str) -> bool {
    let name = name.strip_prefix("aten::").unwrap_or(name);
    let plain = ["_backward", "_forward"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    ROUGH.contains(&name) || ROUGH.contains(&plain)
}
