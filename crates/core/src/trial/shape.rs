//! The two parts of a trial: what it shares with the trials beside which it trains, and what is its
//! own.

use super::{
    Bias, Budget, Clip, Dtype, Init, Loss, Network, Optimizer, Parametrization, Sampling, Schedule, Task, Trial,
};

/// The key of a cohort: everything that decides which kernels run and how large their tensors are.
/// Trials of equal shapes train together. Two numbers in it are equal if their bits are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    pub task: Task,
    /// The network with its sizes, its activation and the number of that, and its norm.
    pub network: Network,
    /// Whether layers have biases.
    pub bias: bool,
    pub parametrization: Parametrization,
    pub loss: Loss,
    /// The optimizer without the numbers of the lanes: which one it is, and which of its parts it
    /// has.
    pub optimizer: Optimizer,
    /// Whether there is weight decay.
    pub weight_decay: bool,
    /// Whether the output layer has a learning rate of its own.
    pub lr_output: bool,
    /// Whether gradients are clipped by value.
    pub clip_value: bool,
    pub batch: usize,
    pub sampling: Sampling,
    /// The updates of the whole run.
    pub steps: u64,
    pub dtype: Dtype,
}

/// What is a trial's own in a cohort: the numbers of its lane, and the seeds from which it is
/// drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lane {
    pub loss_ratio: f64,
    pub init: Init,
    /// The initializer of the recurrent matrices, if it differs from `init`.
    pub recurrent_init: Option<Init>,
    /// How the biases start.
    pub bias: Bias,
    pub forget_bias: Option<f64>,
    pub optimizer: Optimizer,
    pub lr: f64,
    /// The learning rate of the output layer, which is `lr` unless it was set.
    pub lr_output: f64,
    pub schedule: Schedule,
    pub clip: Clip,
    pub weight_decay: f64,
    pub seed: u64,
    pub data_seed: u64,
}

impl Trial {
    /// What the trial shares with the other lanes of its cohort, and what is its own. A field that
    /// is added to `Trial` must be given its place here.
    pub fn parts(&self) -> (Shape, Lane) {
        let Trial {
            label: _,
            task,
            budget: Budget::Epochs(_) | Budget::Steps(_),
            loss_ratio,
            network,
            init,
            recurrent_init,
            bias,
            forget_bias,
            parametrization,
            loss,
            optimizer,
            lr,
            lr_output,
            schedule,
            clip,
            weight_decay,
            batch,
            sampling,
            dtype,
            seed,
            data_seed,
            given: _,
        } = self;
        let shape = Shape {
            task: task.clone(),
            network: *network,
            bias: match bias {
                Bias::None => false,
                Bias::Learned { .. } | Bias::LearnedPytorch => true,
            },
            parametrization: *parametrization,
            loss: *loss,
            optimizer: optimizer.of_shape(),
            weight_decay: *weight_decay != 0.0,
            lr_output: lr_output.is_some(),
            clip_value: match clip {
                Clip::None | Clip::Norm(_) => false,
                Clip::Value(_) => true,
            },
            batch: *batch,
            sampling: *sampling,
            steps: self.steps(),
            dtype: *dtype,
        };
        let lane = Lane {
            loss_ratio: *loss_ratio,
            init: *init,
            recurrent_init: *recurrent_init,
            bias: *bias,
            forget_bias: *forget_bias,
            optimizer: *optimizer,
            lr: *lr,
            lr_output: lr_output.unwrap_or(*lr),
            schedule: *schedule,
            clip: *clip,
            weight_decay: *weight_decay,
            seed: *seed,
            data_seed: data_seed.unwrap_or(*seed),
        };
        (shape, lane)
    }

    /// What trials must share to train as lanes of one cohort.
    pub fn shape(&self) -> Shape {
        self.parts().0
    }
}

impl Shape {
    /// The updates of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.task.samples.div_ceil(self.batch) as u64
    }
}
