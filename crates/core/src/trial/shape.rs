//! Which trials can train together.

use super::{Activation, Bias, Clip, Dtype, Loss, Norm, Optimizer, Parametrization, Sampling, Task, Trial};

/// The key of a cohort: everything that decides which kernels run and how large their tensors are. lr, thresholds, decay, momentum,
/// initializer and seed are one value per lane and stay out of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    pub task: Task,
    pub network: &'static str,
    pub depth: usize,
    pub width: Option<usize>,
    pub activation: Option<(&'static str, u64)>,
    pub norm: Option<Norm>,
    pub residual: bool,
    pub sequence_length: Option<usize>,
    pub bias: bool,
    pub parametrization: Parametrization,
    pub loss: Loss,
    pub optimizer: &'static str,
    pub momentum: bool,
    pub nesterov: bool,
    pub weight_decay: bool,
    pub lr_output: bool,
    pub clip_value: bool,
    pub batch: usize,
    pub sampling: Sampling,
    pub steps: u64,
    pub dtype: Dtype,
}

impl Trial {
    /// What trials must share to train as lanes of one cohort.
    pub fn shape(&self) -> Shape {
        let activation = self.network.activation().map(|a| match a {
            Activation::LeakyRelu { negative_slope } => ("leaky_relu", negative_slope.to_bits()),
            other => (other.name(), 0),
        });
        Shape {
            task: self.task.clone(),
            network: self.network.name(),
            depth: self.network.depth(),
            width: self.network.width(),
            activation,
            norm: self.network.norm(),
            residual: self.network.residual(),
            sequence_length: self.network.sequence_length(),
            bias: self.bias != Bias::None,
            parametrization: self.parametrization,
            loss: self.loss,
            optimizer: self.optimizer.name(),
            momentum: self.optimizer.momentum().is_some_and(|m| m != 0.0),
            nesterov: matches!(self.optimizer, Optimizer::Sgd { nesterov: true, .. }),
            weight_decay: self.weight_decay != 0.0,
            lr_output: self.lr_output.is_some(),
            clip_value: matches!(self.clip, Clip::Value(_)),
            batch: self.batch,
            sampling: self.sampling,
            steps: self.steps(),
            dtype: self.dtype,
        }
    }
}
