//! The loss of a single trial as a function of its parameters, in operations that autograd can
//! differentiate twice. Training does not use it: it exists for `sharpness`, and the tests compare
//! it with the networks that train.

mod transformer;

use crate::activation;
use crate::data::Batch;
use crate::effective;
use crate::transformer::Places;
use crate::weights::{Role, Weights};
use blowup_core::trial::{Gated, Loss, Network, Norm, NormPosition, Shape};
use tch::{Device, Kind, Tensor};

/// One trial's parameters as leaves of autograd, on the CPU: one tensor `[layers, rows, cols]` for
/// each group of the layout.
pub struct Leaves<'a> {
    shape: &'a Shape,
    weights: &'a Weights,
    kind: Kind,
    /// The leaves, in the order of the layout.
    pub tensors: Vec<Tensor>,
}

fn on_cpu(tensor: &Tensor, kind: Kind) -> Tensor {
    tensor.to_device(Device::Cpu).to_kind(kind)
}

impl<'a> Leaves<'a> {
    /// Copies the parameters of `lane` to leaves of `kind`.
    pub fn new(shape: &'a Shape, weights: &'a Weights, lane: usize, kind: Kind) -> Leaves<'a> {
        let leaf = |group: &Tensor| on_cpu(&group.select(1, lane as i64), kind).copy().set_requires_grad(true);
        Leaves { shape, weights, kind, tensors: weights.groups.iter().map(leaf).collect() }
    }

    /// Returns a layer's parameter `[rows, cols]`, scaled by its parametrization. Layers count from
    /// 0.
    fn get(&self, role: Role, layer: usize) -> Option<Tensor> {
        let mut of_role = self.weights.layout.iter().enumerate().filter(|(_, group)| group.role == role);
        let (at, place, is_tied) = of_role.find_map(|(at, group)| match group.place(layer) {
            Some(place) => Some((at, place, false)),
            None => (group.also == Some(layer)).then_some((at, 0, true)),
        })?;
        let factor = effective::factor(self.shape, &self.weights.layout[at]);
        let own = self.tensors[at].select(0, place as i64) * factor;
        Some(if is_tied { own.transpose(0, 1) } else { own })
    }

    fn weight(&self, role: Role, layer: usize) -> Tensor {
        self.get(role, layer).expect("every layer has its matrices")
    }

    fn plus(&self, x: Tensor, bias: Role, layer: usize) -> Tensor {
        match self.get(bias, layer) {
            Some(bias) => x + bias,
            None => x,
        }
    }

    /// Computes x W + b.
    fn affine(&self, x: &Tensor, layer: usize) -> Tensor {
        self.plus(x.matmul(&self.weight(Role::Weight, layer)), Role::Bias, layer)
    }

    /// Computes the mean loss over a batch of this one lane.
    pub fn loss(&self, batch: &Batch) -> Tensor {
        let inputs = on_cpu(&batch.inputs.select(1, 0), self.kind);
        let depth = self.shape.network.depth();
        if let Network::Transformer(of) = &self.shape.network {
            let top = self.tokens(of, &inputs);
            return self.objective(&self.affine(&top, Places::of(of).output()), batch);
        }
        let top = match self.shape.network.recurrent_steps() {
            None => (0..depth).fold(inputs.select(0, 0), |x, layer| {
                let f = self.stage(self.affine(&x, layer), layer);
                if self.shape.network.residual() && layer > 0 { x + self.branch(f, layer) } else { f }
            }),
            Some(times) => {
                let mut sequence: Vec<Tensor> = (0..times).map(|t| inputs.select(0, t as i64)).collect();
                (0..depth).for_each(|layer| self.recur(&mut sequence, layer));
                sequence.pop().expect("a sequence has a step")
            }
        };
        self.objective(&self.affine(&top, depth), batch)
    }

    /// The loss of outputs, one row for each target.
    fn objective(&self, output: &Tensor, batch: &Batch) -> Tensor {
        let targets = &batch.targets;
        match (self.shape.loss, &targets.classes) {
            (Loss::CrossEntropy, Some(classes)) => {
                let classes = classes.select(0, 0).to_device(Device::Cpu);
                let right = output.log_softmax(1, None::<Kind>).gather(1, &classes, false);
                let ln_z = output.logsumexp([1i64].as_slice(), false);
                ln_z.square().mean(None::<Kind>) * self.shape.z_loss.0 - right.mean(None::<Kind>)
            }
            (Loss::CrossEntropy | Loss::Mse, _) => {
                (output - on_cpu(&targets.values.select(0, 0), self.kind)).square().mean(None::<Kind>)
            }
        }
    }

    /// What a residual layer adds to its input.
    fn branch(&self, f: Tensor, layer: usize) -> Tensor {
        let f = if self.shape.residual_scale.0 == 1.0 { f } else { f * self.shape.residual_scale.0 };
        match self.get(Role::ResidualWeight, layer) {
            Some(weight) => f * weight,
            None => f,
        }
    }

    /// Turns the inputs of a recurrent layer into its states, step by step.
    fn recur(&self, sequence: &mut [Tensor], layer: usize) {
        let width = self.shape.network.width().unwrap_or(0) as i64;
        let zeros = Tensor::zeros([sequence[0].size()[0], width], (self.kind, sequence[0].device()));
        let (mut state, mut cell) = (zeros.shallow_clone(), zeros);
        for x in sequence {
            let p = self.affine(x, layer);
            let q = state.matmul(&self.weight(Role::Recurrent, layer));
            let q = self.plus(q, Role::RecurrentBias, layer);
            state = match self.shape.network {
                Network::Gated { cell: Gated::Lstm, .. } => {
                    let gates = (p + q).chunk(4, 1);
                    cell = gates[1].sigmoid() * cell + gates[0].sigmoid() * gates[2].tanh();
                    gates[3].sigmoid() * cell.tanh()
                }
                Network::Gated { cell: Gated::Gru, .. } => {
                    let (p, q) = (p.chunk(3, 1), q.chunk(3, 1));
                    let (reset, update) = ((&p[0] + &q[0]).sigmoid(), (&p[1] + &q[1]).sigmoid());
                    let candidate = (&p[2] + reset * &q[2]).tanh();
                    &candidate + update * (state - &candidate)
                }
                Network::Linear
                | Network::Mlp { .. }
                | Network::Rnn { .. }
                | Network::Transformer(_)
                | Network::Bundle => self.stage(p + q, layer),
            };
            *x = state.shallow_clone();
        }
    }

    /// Applies norm and activation, in their order.
    fn stage(&self, h: Tensor, layer: usize) -> Tensor {
        match self.shape.network.norm().unwrap_or(Norm::None) {
            Norm::None => self.activation(h),
            norm @ (Norm::Batch(position) | Norm::Layer(position) | Norm::Rms(position)) => match position {
                NormPosition::Before => self.activation(self.normalize(norm, h, layer)),
                NormPosition::After => self.normalize(norm, self.activation(h), layer),
            },
        }
    }

    fn normalize(&self, norm: Norm, x: Tensor, layer: usize) -> Tensor {
        let mean = |x: &Tensor, dim: i64| x.mean_dim([dim].as_slice(), true, None::<Kind>);
        let centred = |dim: i64| {
            let x = &x - mean(&x, dim);
            &x * (mean(&x.square(), dim) + crate::norm::EPS).rsqrt()
        };
        let standardized = match norm {
            Norm::Batch(_) => centred(0),
            Norm::Layer(_) => centred(1),
            Norm::Rms(_) => &x * (mean(&x.square(), 1) + crate::norm::rms_eps(self.weights.groups[0].kind())).rsqrt(),
            Norm::None => return x,
        };
        self.plus(standardized * self.weight(Role::Scale, layer), Role::Shift, layer)
    }

    fn activation(&self, x: Tensor) -> Tensor {
        match self.shape.network.activation() {
            None => x,
            Some(activation) => activation::of(activation).differentiable(x),
        }
    }
}
