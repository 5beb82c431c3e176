//! Initial parameters, as `torch.nn.init` draws them. Fan-in is the number of rows of a weight `[in, out]`.

use super::draw::{Purpose, Stream};
use super::weights::{Group, Layer, Role, Weights, layout};
use blowup_core::trial::{Bias, Init, InitKind, Lane, Network, Shape};
use std::collections::HashMap;
use tch::{Kind, Tensor};

/// Weights of these lanes, followed by `pads` lanes of zeros.
pub fn weights(shape: &Shape, lanes: &[Lane], pads: usize, kind: Kind) -> Weights {
    let layout = layout(shape);
    let weights = Weights::zeros(&layout, (lanes.len() + pads) as i64, kind);
    for group in &layout {
        for layer in group.first_layer..group.first_layer + group.layers {
            fill(shape, lanes, group, layer, role(&weights.layers[layer], group.role));
        }
    }
    weights
}

fn role(layer: &Layer, role: Role) -> &Tensor {
    match role {
        Role::Weight => Some(&layer.weight),
        Role::Recurrent => layer.recurrent.as_ref(),
        Role::Bias => layer.bias.as_ref(),
        Role::RecurrentBias => layer.recurrent_bias.as_ref(),
        Role::Scale => layer.scale.as_ref(),
        Role::Shift => layer.shift.as_ref(),
    }
    .expect("the layout has this role")
}

/// Writes one parameter of one layer in all lanes. Lanes that share seed and initializer up to its scale share the draws.
fn fill(shape: &Shape, lanes: &[Lane], group: &Group, layer: usize, target: &Tensor) {
    let size = group.rows * group.cols;
    let mut units: HashMap<(u64, Unit), Vec<f64>> = HashMap::new();
    let mut values = Vec::with_capacity(lanes.len() * size);
    for lane in lanes {
        let (unit, factor) = recipe(shape, lane, group, layer);
        let draws = units.entry((lane.seed, unit)).or_insert_with(|| unit.draw(lane.seed, group, layer));
        let offset = if group.role == Role::Weight && layer == 0 { lane.init.offset } else { 0.0 };
        values.extend(draws.iter().map(|x| x * factor + offset));
        if let (Role::Bias, Network::Gated { width, .. }, Some(forget_bias)) =
            (group.role, shape.network, lane.forget_bias)
            && layer < shape.network.depth()
        {
            // In lstm (i, f, g, o) as in gru (r, z, n) the second gate is the one that keeps the old state.
            let start = values.len() - size + width;
            values[start..start + width].iter_mut().for_each(|x| *x += forget_bias);
        }
    }
    let lanes = lanes.len() as i64;
    let source = Tensor::from_slice(&values).view([lanes, group.rows as i64, group.cols as i64]);
    target.narrow(0, 0, lanes).copy_(&source);
}

/// Draws before they are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    /// N(0, 1)
    Normal,
    /// U(-1, 1)
    Uniform,
    /// Orthonormal rows or columns.
    Orthogonal,
    One,
    Zero,
}

impl Unit {
    fn draw(self, seed: u64, group: &Group, layer: usize) -> Vec<f64> {
        let purpose = match group.role {
            Role::Weight | Role::Scale => Purpose::Weight,
            Role::Recurrent => Purpose::Recurrent,
            Role::Bias | Role::Shift => Purpose::Bias,
            Role::RecurrentBias => Purpose::RecurrentBias,
        };
        let mut stream = Stream::new(seed, purpose, layer as u64);
        let size = group.rows * group.cols;
        match self {
            Unit::Normal => stream.normal(size),
            Unit::Uniform => stream.uniform(-1.0, 1.0, size),
            Unit::Orthogonal => orthogonal(&stream.normal(size), group.rows, group.cols),
            Unit::One => vec![1.0; size],
            Unit::Zero => vec![0.0; size],
        }
    }
}

/// What to draw and what to multiply it with.
fn recipe(shape: &Shape, lane: &Lane, group: &Group, layer: usize) -> (Unit, f64) {
    match group.role {
        Role::Scale => (Unit::One, 1.0),
        Role::Shift => (Unit::Zero, 0.0),
        Role::Bias | Role::RecurrentBias => match lane.bias {
            Bias::None => unreachable!("a network without biases has no such group"),
            Bias::Learned { std: 0.0 } => (Unit::Zero, 0.0),
            Bias::Learned { std } => (Unit::Normal, std),
            Bias::LearnedPytorch => (Unit::Uniform, pytorch_bound(shape, layer)),
        },
        Role::Weight | Role::Recurrent => {
            let (rows, cols) = (group.rows as f64, group.cols as f64);
            let recurrent = lane.recurrent_init.filter(|_| group.role == Role::Recurrent);
            let Init { kind, scale, .. } = recurrent.unwrap_or(lane.init);
            match kind {
                InitKind::Normal => (Unit::Normal, scale),
                InitKind::Uniform => (Unit::Uniform, scale),
                InitKind::Xavier => (Unit::Normal, scale * (2.0 / (rows + cols)).sqrt()),
                InitKind::XavierUniform => (Unit::Uniform, scale * (6.0 / (rows + cols)).sqrt()),
                InitKind::He => (Unit::Normal, scale * (2.0 / rows).sqrt()),
                InitKind::HeUniform => (Unit::Uniform, scale * (6.0 / rows).sqrt()),
                InitKind::Lecun => (Unit::Normal, scale / rows.sqrt()),
                InitKind::Orthogonal => (Unit::Orthogonal, scale),
                InitKind::Scaled => (Unit::Normal, (scale / rows).sqrt()),
                InitKind::Constant => (Unit::One, scale),
                InitKind::Pytorch => (Unit::Uniform, scale * pytorch_bound(shape, layer)),
            }
        }
    }
}

/// The bound of `nn.Linear` (1/sqrt(fan_in)) and of `nn.RNN` (1/sqrt(width) for every parameter of a recurrent layer).
fn pytorch_bound(shape: &Shape, layer: usize) -> f64 {
    let width = shape.network.width().unwrap_or(0);
    let recurrent = shape.network.sequence_length().is_some();
    let fan_in = if layer == 0 && !recurrent { shape.task.inputs } else { width };
    1.0 / (fan_in as f64).sqrt()
}

/// `torch.nn.init.orthogonal_`: the Q of a Gaussian matrix, signs fixed by the diagonal of R, so that it is uniform over the group.
fn orthogonal(normal: &[f64], rows: usize, cols: usize) -> Vec<f64> {
    let tall = rows >= cols;
    let (long, short) = if tall { (rows, cols) } else { (cols, rows) };
    let matrix = Tensor::from_slice(normal).view([long as i64, short as i64]);
    let (q, r) = Tensor::linalg_qr(&matrix, "reduced");
    let q = q * r.diagonal(0, 0, 1).sign();
    let q = if tall { q } else { q.transpose(0, 1) };
    super::weights::host(&q)
}
