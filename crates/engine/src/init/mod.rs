//! Initial parameters, as `torch.nn.init` draws them. Each initializer has a file of its own.
//!
//! To add one, give `trial::InitKind` a variant, write a file here, and name it in `initializer`.

mod constant;
mod he;
mod lecun;
mod normal;
mod orthogonal;
mod pytorch;
pub mod recipe;
mod scaled;
mod uniform;
mod xavier;

use super::draw::{Purpose, Stream};
use super::dtype;
use super::mup::Mup;
use super::transformer::Places;
use super::weights::{LayerParameters, ParameterGroup, Role, Weights, layout};
use blowup_core::trial::{Bias, Init, InitKind, Lane, Network, Shape};
use recipe::{Fans, Recipe, UnitDraws};
use std::collections::HashMap;
use tch::{Kind, Tensor};

/// Returns the initial weights of these lanes, with `pads` lanes of zeros behind them. Where
/// weights have 16 bits and updates are rounded at random, they are numbers of 16 bits in `kind`.
pub fn weights(shape: &Shape, lanes: &[Lane], pads: usize, kind: Kind) -> Weights {
    let layout = layout(shape);
    let weights = Weights::zeros(&layout, (lanes.len() + pads) as i64, kind);
    let start = Start::of(shape);
    for (at, group) in layout.iter().enumerate() {
        for layer in group.layers() {
            let recipe = |lane: &Lane| start.recipe(lane, at, layer);
            fill(shape, lanes, group, layer, role(&weights.layers[layer], group.role), recipe);
        }
    }
    if shape.numbers.rounds_at_random() {
        // Weights of 16 bits are kept in a wider kind: see `rounding`.
        let narrow = dtype::kind(shape.numbers.passes());
        weights.groups.iter().for_each(|group| group.shallow_clone().copy_(&group.to_kind(narrow)));
    }
    weights
}

/// What the recipes of a net go by.
struct Start<'a> {
    shape: &'a Shape,
    layout: Vec<ParameterGroup>,
    /// In the maximal update parametrization, the net of the base width and its layout, from whose
    /// recipes those of this net are made.
    base: Option<(Mup, Shape, Vec<ParameterGroup>)>,
}

impl Start<'_> {
    fn of(shape: &Shape) -> Start<'_> {
        let base = Mup::of(shape).map(|mup| {
            let base = mup.base(shape);
            let groups = layout(&base);
            (mup, base, groups)
        });
        Start { shape, layout: layout(shape), base }
    }

    /// Returns what to draw in this lane for one layer of the group at a position of the layout.
    fn recipe(&self, lane: &Lane, at: usize, layer: usize) -> Recipe {
        match &self.base {
            None => recipe(self.shape, lane, &self.layout[at], layer),
            Some((mup, base, groups)) => {
                mup.widened(recipe(base, lane, &groups[at], layer), &groups[at], &self.layout[at])
            }
        }
    }
}

fn role(layer: &LayerParameters, role: Role) -> &Tensor {
    match role {
        Role::Weight => Some(&layer.weight),
        Role::Recurrent => layer.recurrent.as_ref(),
        Role::Bias => layer.bias.as_ref(),
        Role::RecurrentBias => layer.recurrent_bias.as_ref(),
        Role::Position => layer.position.as_ref(),
        Role::QueryScale => layer.query_scale.as_ref(),
        Role::KeyScale => layer.key_scale.as_ref(),
        Role::Scale => layer.scale.as_ref(),
        Role::Shift => layer.shift.as_ref(),
        Role::ResidualWeight => layer.residual_weight.as_ref(),
        Role::Own | Role::OwnMatrix => None,
    }
    .expect("the layout has this role")
}

/// Writes one parameter of one layer to `target` `[lane, rows, cols]`. Lanes that share the seed
/// and the initializer, but for its scale, share the draws.
fn fill(
    shape: &Shape,
    lanes: &[Lane],
    group: &ParameterGroup,
    layer: usize,
    target: &Tensor,
    recipe: impl Fn(&Lane) -> Recipe,
) {
    let size = group.rows * group.cols;
    let factors = match shape.network {
        Network::Transformer(of) if group.role == Role::Weight => Places::of(&of).start_factors(&of, layer),
        Network::Transformer(_)
        | Network::Linear
        | Network::Mlp { .. }
        | Network::Rnn { .. }
        | Network::Gated { .. }
        | Network::Bundle => vec![1.0; group.abreast],
    };
    let of_column = |i: usize| factors[(i % group.cols) / (group.cols / group.abreast)];
    let mut drawn: HashMap<(u64, UnitDraws), Vec<f64>> = HashMap::new();
    let mut values = Vec::with_capacity(lanes.len() * size);
    for lane in lanes {
        let Recipe { draws, factor } = recipe(lane);
        let draw = || side_by_side(draws, &mut stream(lane.seed, group, layer), group);
        let units = drawn.entry((lane.seed, draws)).or_insert_with(draw);
        let offset = if group.role == Role::Weight && layer == 0 { lane.init.offset } else { 0.0 };
        values.extend(units.iter().enumerate().map(|(i, x)| x * factor * of_column(i) + offset));
        if let (Role::Bias, Network::Gated { width, .. }, Some(forget_bias)) =
            (group.role, shape.network, lane.forget_bias)
            && layer < shape.network.depth()
        {
            // The second gate is the one that keeps the old state, both in lstm (i, f, g, o) and in
            // gru (r, z, n).
            let start = values.len() - size + width;
            values[start..start + width].iter_mut().for_each(|x| *x += forget_bias);
        }
    }
    let lanes = lanes.len() as i64;
    let source = Tensor::from_slice(&values).view([lanes, group.rows as i64, group.cols as i64]);
    target.narrow(0, 0, lanes).copy_(&source);
}

/// Draws the matrices of a group that stand side by side, row by row of all of them.
fn side_by_side(draws: UnitDraws, stream: &mut Stream, group: &ParameterGroup) -> Vec<f64> {
    let cols = group.cols / group.abreast;
    let each: Vec<Vec<f64>> = (0..group.abreast).map(|_| draws.draw(stream, group.rows, cols)).collect();
    let rows = (0..group.rows).map(|row| row * cols..(row + 1) * cols);
    rows.flat_map(|row| each.iter().flat_map(move |one| one[row.clone()].iter().copied())).collect()
}

/// The stream of the parameter of a layer.
fn stream(seed: u64, group: &ParameterGroup, layer: usize) -> Stream {
    let purpose = match group.role {
        Role::Weight | Role::Scale | Role::QueryScale | Role::KeyScale => Purpose::Weight,
        Role::Position => Purpose::Position,
        Role::Recurrent => Purpose::Recurrent,
        Role::Bias | Role::Shift | Role::ResidualWeight | Role::Own | Role::OwnMatrix => Purpose::Bias,
        Role::RecurrentBias => Purpose::RecurrentBias,
    };
    Stream::new(seed, purpose, layer as u64)
}

/// Returns the initial values of a parameter of a bundle, which is `[out, in, ...]` as PyTorch's
/// are, in row-major order. fan_in and fan_out are those of `torch.nn.init`: the sizes of the
/// second and the first dimension, times those of all others. Seed and name name its stream, so
/// that trials that differ in the scale alone share their draws.
pub fn parameter(init: Init, name: &str, shape: &[usize], seed: u64) -> Vec<f64> {
    let size: usize = shape.iter().product();
    let rows = shape.first().copied().unwrap_or(1).max(1);
    let field: usize = shape.iter().skip(2).product();
    let (fan_in, fan_out) = ((size / rows) as f64, (rows * field) as f64);
    let fans = Fans { fan_in, fan_out, pytorch_bound: 1.0 / fan_in.sqrt() };
    let Recipe { draws, factor } = initializer(init.kind)(init.scale, fans);
    let units = draws.draw(&mut Stream::named(seed, &format!("init/{name}"), 0), rows, size / rows);
    units.into_iter().map(|unit| unit * factor).collect()
}

/// Returns what to draw for one layer of `group` in this lane. Layers count from 0.
fn recipe(shape: &Shape, lane: &Lane, group: &ParameterGroup, layer: usize) -> Recipe {
    let Recipe { draws, factor } = unscaled(shape, lane, group, layer);
    Recipe { draws, factor: factor * start_scale(&shape.network, lane, group.role, layer) }
}

/// Returns the factor that the axes of a transformer's initialization have for a parameter of a
/// layer.
fn start_scale(network: &Network, lane: &Lane, role: Role, layer: usize) -> f64 {
    let Network::Transformer(of) = network else { return 1.0 };
    match role {
        Role::Weight | Role::Position if layer == Places::EMBEDDING => lane.embedding_init_scale,
        Role::Weight | Role::Bias if Places::of(of).ends_branch(layer) => lane.residual_init_scale,
        Role::Weight
        | Role::Recurrent
        | Role::Bias
        | Role::RecurrentBias
        | Role::Position
        | Role::QueryScale
        | Role::KeyScale
        | Role::Scale
        | Role::Shift
        | Role::ResidualWeight
        | Role::Own
        | Role::OwnMatrix => 1.0,
    }
}

/// Returns what the initializers and the biases of a lane say of one layer of `group`.
fn unscaled(shape: &Shape, lane: &Lane, group: &ParameterGroup, layer: usize) -> Recipe {
    match group.role {
        Role::Scale | Role::QueryScale | Role::KeyScale => Recipe { draws: UnitDraws::One, factor: 1.0 },
        Role::Shift | Role::ResidualWeight | Role::Own | Role::OwnMatrix => {
            Recipe { draws: UnitDraws::Zero, factor: 0.0 }
        }
        Role::Bias | Role::RecurrentBias => match lane.bias {
            Bias::None => unreachable!("a network without biases has no such group"),
            Bias::Learned { std: 0.0 } => Recipe { draws: UnitDraws::Zero, factor: 0.0 },
            Bias::Learned { std } => Recipe { draws: UnitDraws::Normal, factor: std },
            Bias::LearnedPytorch => Recipe { draws: UnitDraws::Uniform, factor: pytorch::bound(shape, layer) },
        },
        Role::Weight | Role::Recurrent => {
            let recurrent = lane.recurrent_init.filter(|_| group.role == Role::Recurrent);
            let Init { kind, scale, offset: _ } = recurrent.unwrap_or(lane.init);
            let (fan_in, fan_out) = (group.rows as f64, (group.cols / group.abreast) as f64);
            initializer(kind)(scale, Fans { fan_in, fan_out, pytorch_bound: pytorch::bound(shape, layer) })
        }
        // It is what the embedding of a one-hot vector for each place would be.
        Role::Position => {
            let (fan_in, fan_out) = (group.rows as f64, group.cols as f64);
            initializer(lane.init.kind)(lane.init.scale, Fans { fan_in, fan_out, pytorch_bound: 1.0 / fan_in.sqrt() })
        }
    }
}

/// Returns the function of an initializer. It is given the initializer's scale and the sizes of the
/// matrix.
fn initializer(kind: InitKind) -> fn(f64, Fans) -> Recipe {
    match kind {
        InitKind::Normal => normal::normal,
        InitKind::Uniform => uniform::uniform,
        InitKind::Xavier => xavier::normal,
        InitKind::XavierUniform => xavier::uniform,
        InitKind::He => he::normal,
        InitKind::HeUniform => he::uniform,
        InitKind::Lecun => lecun::normal,
        InitKind::Orthogonal => orthogonal::orthogonal,
        InitKind::Scaled => scaled::normal,
        InitKind::Constant => constant::constant,
        InitKind::Pytorch => pytorch::uniform,
        InitKind::Stored => unreachable!("nothing draws weights that are stored"),
    }
}
