//! The parameters of all lanes and, in the same form, their gradients and optimizer states.
//!
//! Parameters of equal shape are stacked: all square hidden matrices of a cohort are one tensor
//! `[layer, lane, in, out]`. So an optimizer step is a handful of operations at any depth. Each
//! layer is contiguous in it, because a batched product on a strided view would run lane by lane.

use super::device;
use super::matrix::Matrix;
use super::norm::Learned;
use super::transformer;
use blowup_core::trial::{Network, Norm, Shape};
use tch::{Kind, Tensor};

/// What a parameter does in its layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The matrix from the layer below, `[in, out]`.
    Weight,
    /// The matrix from the same layer one time step earlier, `[width, out]`. In gated cells, out is
    /// gates x width.
    Recurrent,
    /// `[1, out]`.
    Bias,
    /// The second bias of PyTorch's recurrent networks, `[1, out]`.
    RecurrentBias,
    /// A transformer's vectors for the places of a sequence, `[tokens, width]`.
    Position,
    /// The learned scale of the queries of every head, `[1, width of a head]`.
    QueryScale,
    /// The same of the keys.
    KeyScale,
    /// The learned scale of a norm, `[1, width]`.
    Scale,
    /// The learned shift of a norm, `[1, width]`.
    Shift,
    /// The learned factor of what a residual layer adds to its input, `[1, 1]`.
    ResidualWeight,
    /// A parameter of a model of the user's own, with its first dimension as rows, or one row where
    /// it has no second dimension. It belongs to no layer.
    Own,
    /// A parameter of a model of the user's own that has two dimensions, with its own rows and
    /// columns. It belongs to no layer.
    OwnMatrix,
}

impl Role {
    /// Whether it is a parameter of a model of the user's own.
    pub fn is_own(self) -> bool {
        match self {
            Role::Own | Role::OwnMatrix => true,
            Role::Weight
            | Role::Recurrent
            | Role::Bias
            | Role::RecurrentBias
            | Role::Position
            | Role::QueryScale
            | Role::KeyScale
            | Role::Scale
            | Role::Shift
            | Role::ResidualWeight => false,
        }
    }
}

/// Parameters of the same role and size in layers at equal distances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterGroup {
    pub role: Role,
    /// The first of these layers, counted from 0.
    pub first_layer: usize,
    /// The number of layers.
    pub layers: usize,
    /// The distance from one of them to the next.
    pub stride: usize,
    pub rows: usize,
    pub cols: usize,
    /// The number of matrices of equal size that stand side by side, each of which is initialized
    /// by itself.
    pub abreast: usize,
    /// The layer that has the transposed matrix of the first layer as its own.
    pub also: Option<usize>,
    /// Whether it belongs to the output layer.
    pub is_output: bool,
}

impl ParameterGroup {
    /// A group in consecutive layers, none of which is the output layer.
    pub fn new(role: Role, first_layer: usize, layers: usize, rows: usize, cols: usize) -> ParameterGroup {
        ParameterGroup { role, first_layer, layers, stride: 1, rows, cols, abreast: 1, also: None, is_output: false }
    }

    /// The layers that it has parameters of.
    pub fn layers(&self) -> impl Iterator<Item = usize> + use<> {
        (self.first_layer..).step_by(self.stride).take(self.layers)
    }

    /// The place of a layer among its layers, if it is one of them.
    pub fn place(&self, layer: usize) -> Option<usize> {
        self.layers().position(|other| other == layer)
    }

    /// The number of layers up to the last one that it names.
    fn reach(&self) -> usize {
        self.layers().last().max(self.also).map_or(0, |last| last + 1)
    }
}

/// The number of a layer in files, given its place among the layers of the weights, from 0. It
/// counts from 1 to the output layer; the matrices of a transformer's block have one number, and
/// its embedding is 0.
pub fn layer_number(network: &Network, place: usize) -> usize {
    match network {
        Network::Transformer(of) => transformer::Places::of(of).number(place),
        Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } | Network::Gated { .. } | Network::Bundle => {
            place + 1
        }
    }
}

/// Returns the groups of a network, in a fixed order.
pub fn layout(shape: &Shape) -> Vec<ParameterGroup> {
    if let Network::Transformer(transformer) = &shape.network {
        return transformer::layout(shape, transformer);
    }
    let (inputs, outputs, depth) = (shape.task.inputs, shape.task.outputs, shape.network.depth());
    let width = shape.network.width().unwrap_or(0);
    let mut groups = Vec::new();
    let mut push = |role, first_layer, layers, rows, cols| {
        if layers > 0 {
            let group = ParameterGroup::new(role, first_layer, layers, rows, cols);
            groups.push(ParameterGroup { is_output: first_layer == depth, ..group });
        }
    };
    let bias = usize::from(shape.bias);
    let recurrent = usize::from(shape.network.recurrent_steps().is_some());
    // The gates of a recurrent layer stand side by side.
    let columns = match shape.network {
        Network::Gated { cell, .. } => cell.gates() * width,
        Network::Linear | Network::Mlp { .. } | Network::Rnn { .. } | Network::Transformer(_) | Network::Bundle => {
            width
        }
    };
    let norm = usize::from(shape.network.norm().is_some_and(|n| n != Norm::None));
    let shift = usize::from(matches!(shape.network.norm(), Some(Norm::Batch(_) | Norm::Layer(_))));
    if depth > 0 {
        push(Role::Weight, 0, 1, inputs, columns);
        push(Role::Weight, 1, depth - 1, width, columns);
    }
    push(Role::Weight, depth, 1, if depth > 0 { width } else { inputs }, outputs);
    push(Role::Recurrent, 0, depth * recurrent, width, columns);
    push(Role::Bias, 0, depth * bias, 1, columns);
    push(Role::Bias, depth, bias, 1, outputs);
    push(Role::RecurrentBias, 0, depth * bias * recurrent, 1, columns);
    push(Role::Scale, 0, depth * norm, 1, width);
    push(Role::Shift, 0, depth * shift, 1, width);
    if shape.network.residual() && shape.rezero {
        push(Role::ResidualWeight, 1, depth - 1, 1, 1);
    }
    groups
}

/// The parameters of one layer, as views `[lane, rows, cols]`.
#[derive(Debug)]
pub struct LayerParameters {
    pub weight: Matrix,
    pub recurrent: Option<Matrix>,
    pub bias: Option<Matrix>,
    pub recurrent_bias: Option<Matrix>,
    pub position: Option<Matrix>,
    pub query_scale: Option<Matrix>,
    pub key_scale: Option<Matrix>,
    pub scale: Option<Matrix>,
    pub shift: Option<Matrix>,
    pub residual_weight: Option<Matrix>,
}

impl LayerParameters {
    /// The scale and the shift of the layer's norm.
    ///
    /// # Panics
    /// If the layer has no norm.
    pub fn norm(&self) -> Learned<'_> {
        Learned { scale: self.scale.as_ref().expect("a normalized layer has a scale"), shift: self.shift.as_ref() }
    }
}

/// The parameters of a network for all lanes. `groups`, `layers`, `slices` and `flat` are views of
/// the same memory.
#[derive(Debug)]
pub struct Weights {
    /// What each group is.
    pub layout: Vec<ParameterGroup>,
    /// The number of lanes, pad lanes included.
    pub lanes: i64,
    /// One tensor `[layers, lane, rows, cols]` per group.
    pub groups: Vec<Tensor>,
    /// The parameters layer by layer, the output layer last.
    pub layers: Vec<LayerParameters>,
    /// The pieces that passes treat one after the other, `[layers, lane, rows, cols]`. A piece is a
    /// whole group while its layers are small. Large layers are pieces of their own, so that the
    /// second of two passes over a piece (an update, then its norm) finds it in the cache.
    pub slices: Vec<Tensor>,
    /// The group of each slice, by its position.
    pub group_of: Vec<usize>,
    /// The slices as `[layers x lane, rows x cols]`.
    pub flat: Vec<Tensor>,
}

/// A layer of at least this many bytes is a slice of its own. For smaller layers, one more
/// operation costs more than the cache saves.
const SLICE_BYTES: usize = 128 * 1024;

impl Weights {
    /// Makes weights of zeros on this thread's device.
    pub fn zeros(layout: &[ParameterGroup], lanes: i64, kind: Kind) -> Weights {
        let zeros = |g: &ParameterGroup| {
            Tensor::zeros([g.layers as i64, lanes, g.rows as i64, g.cols as i64], (kind, device::current()))
        };
        Weights::of(layout, layout.iter().map(zeros).collect())
    }

    /// Makes zeros of the same layout, number of lanes and kind.
    pub fn zeros_like(&self) -> Weights {
        Weights::zeros(&self.layout, self.lanes, self.groups[0].kind())
    }

    /// Makes weights of tensors `[layers, lane, rows, cols]`, one for each group.
    pub fn of(layout: &[ParameterGroup], groups: Vec<Tensor>) -> Weights {
        let lanes = groups[0].size()[1];
        let layered = layout.iter().filter(|g| !g.role.is_own());
        let depth = layered.map(ParameterGroup::reach).max().unwrap_or(0);
        let view = |role: Role, layer: usize| {
            let of_role = || layout.iter().enumerate().filter(|(_, group)| group.role == role);
            if let Some((at, place)) = of_role().find_map(|(at, group)| Some((at, group.place(layer)?))) {
                return Some(Matrix::of(groups[at].select(0, place as i64)));
            }
            let (at, _) = of_role().find(|(_, group)| group.also == Some(layer))?;
            Some(Matrix::of(groups[at].select(0, 0).transpose(1, 2)))
        };
        let layers = (0..depth)
            .map(|layer| LayerParameters {
                weight: view(Role::Weight, layer).expect("every layer has a weight"),
                recurrent: view(Role::Recurrent, layer),
                bias: view(Role::Bias, layer),
                recurrent_bias: view(Role::RecurrentBias, layer),
                position: view(Role::Position, layer),
                query_scale: view(Role::QueryScale, layer),
                key_scale: view(Role::KeyScale, layer),
                scale: view(Role::Scale, layer),
                shift: view(Role::Shift, layer),
                residual_weight: view(Role::ResidualWeight, layer),
            })
            .collect();
        let (mut slices, mut group_of) = (Vec::new(), Vec::new());
        for (at, (group, tensor)) in layout.iter().zip(&groups).enumerate() {
            let bytes = tensor.numel() / group.layers * tensor.kind().elt_size_in_bytes();
            if bytes < SLICE_BYTES {
                slices.push(tensor.shallow_clone());
            } else {
                slices.extend((0..group.layers as i64).map(|layer| tensor.narrow(0, layer, 1)));
            }
            group_of.resize(slices.len(), at);
        }
        let flat = slices.iter().map(|t| t.view([t.size()[0] * lanes, t.size()[2] * t.size()[3]])).collect();
        Weights { layout: layout.to_vec(), lanes, groups, layers, slices, group_of, flat }
    }

    /// Returns a copy of the lanes of `index` (int64), in that order. Indices may repeat.
    pub fn gather(&self, index: &Tensor) -> Weights {
        Weights::of(&self.layout, self.groups.iter().map(|g| g.index_select(1, index)).collect())
    }

    /// Whether a group belongs to the output layer of a built-in net.
    pub fn is_output_group(&self, at: usize) -> bool {
        self.layout[at].is_output
    }

    /// The number of norms per lane that `flat` gives: one for each layer of each group.
    pub fn rows(&self) -> i64 {
        self.layout.iter().map(|g| g.layers as i64).sum()
    }

    /// Returns the squared L2 norm of one lane over all parameters, in f64.
    pub fn squared_norm(&self, lane: i64) -> f64 {
        self.groups.iter().map(|g| squares(&g.select(1, lane))).sum()
    }
}

/// Returns the sum of squares of a tensor, added up in f64 in the order of memory.
pub fn squares(tensor: &Tensor) -> f64 {
    host(tensor).iter().map(|x| x * x).sum()
}

/// Copies a tensor's elements to the host, as f64.
pub fn host(tensor: &Tensor) -> Vec<f64> {
    let double = tensor.to_kind(Kind::Double).contiguous();
    let mut values = vec![0.0; double.numel()];
    double.copy_data(&mut values, double.numel());
    values
}
