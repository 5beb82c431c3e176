//! The two parts of a trial: what it shares with the trials beside which it trains, and what is its
//! own.

use super::{
    Bias, BiasKind, Budget, Clip, Clipping, Exact, Init, Loss, LossScale, Network, Numbers, Optimizer, Parametrization,
    Sampling, Schedule, Skip, Task, Trial,
};
use std::ops::Range;

/// The key of a cohort: everything that decides which kernels run and how large their tensors are.
/// Trials of equal shapes train together. Two numbers in it are equal if their bits are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    pub task: Task,
    /// The network with its sizes, its activation and the number of that, and its norm.
    pub network: Network,
    /// Whether layers have biases.
    pub bias: bool,
    /// The factor of what a residual layer adds to its input.
    pub residual_scale: Exact,
    /// Whether a learned scalar is a further factor of it.
    pub rezero: bool,
    pub parametrization: Parametrization,
    pub loss: Loss,
    /// The factor of ln^2 Z in the loss.
    pub z_loss: Exact,
    /// The optimizer without the numbers of the lanes: which one it is, and which of its parts it
    /// has.
    pub optimizer: Optimizer,
    /// Whether there is weight decay.
    pub weight_decay: bool,
    /// Whether the output layer has a learning rate of its own.
    pub lr_output: bool,
    /// What clipping multiplies.
    pub clipping: Clipping,
    pub batch: usize,
    pub sampling: Sampling,
    /// The batches of an update.
    pub accumulate: usize,
    /// The updates of the whole run.
    pub steps: u64,
    pub numbers: Numbers,
}

/// What is a trial's own in a cohort: the numbers of its lane, and the seeds from which it is
/// drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lane {
    pub loss_ratio: f64,
    pub init: Init,
    /// The initializer of the recurrent matrices, if it differs from `init`.
    pub recurrent_init: Option<Init>,
    /// The factor of the initial embedding of a transformer.
    pub embedding_init_scale: f64,
    /// The factor of the initial last layer of each residual branch of a transformer.
    pub residual_init_scale: f64,
    /// How the biases start.
    pub bias: Bias,
    pub forget_bias: Option<f64>,
    pub optimizer: Optimizer,
    pub lr: f64,
    /// The learning rate of the output layer, which is `lr` unless it was set.
    pub lr_output: f64,
    pub schedule: Schedule,
    pub clip: Clip,
    pub skip: Skip,
    pub weight_decay: f64,
    /// None where no loss is scaled.
    pub loss_scale: Option<LossScale>,
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
            embedding_init_scale,
            residual_init_scale,
            bias,
            forget_bias,
            residual_scale,
            rezero,
            parametrization,
            loss,
            z_loss,
            optimizer,
            lr,
            lr_output,
            schedule,
            clip,
            skip,
            weight_decay,
            batch,
            sampling,
            accumulate,
            numerics,
            seed,
            data_seed,
            given: _,
        } = self;
        let shape = Shape {
            task: task.clone(),
            network: *network,
            bias: bias.kind() == BiasKind::Learned,
            residual_scale: Exact(*residual_scale),
            rezero: *rezero,
            parametrization: *parametrization,
            loss: *loss,
            z_loss: Exact(*z_loss),
            optimizer: optimizer.of_shape(),
            weight_decay: *weight_decay != 0.0,
            lr_output: lr_output.is_some(),
            clipping: clip.clipping(),
            batch: *batch,
            sampling: *sampling,
            accumulate: *accumulate,
            steps: self.steps(),
            numbers: numerics.numbers(),
        };
        let lane = Lane {
            loss_ratio: *loss_ratio,
            init: *init,
            recurrent_init: *recurrent_init,
            embedding_init_scale: *embedding_init_scale,
            residual_init_scale: *residual_init_scale,
            bias: *bias,
            forget_bias: *forget_bias,
            optimizer: *optimizer,
            lr: *lr,
            lr_output: lr_output.unwrap_or(*lr),
            schedule: *schedule,
            clip: *clip,
            skip: *skip,
            weight_decay: *weight_decay,
            loss_scale: numerics.loss_scale(),
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
    /// Whether every epoch is over the same data.
    pub fn sees_the_same_data(&self) -> bool {
        let whole = self.batch >= self.task.samples;
        let every_sample = match self.sampling {
            Sampling::Shuffle => true,
            Sampling::Replacement => whole,
        };
        every_sample && !self.task.is_fresh()
    }

    /// The batches of an epoch.
    pub fn batches_per_epoch(&self) -> u64 {
        self.task.samples.div_ceil(self.batch) as u64
    }

    /// The updates of an epoch.
    pub fn steps_per_epoch(&self) -> u64 {
        self.batches_per_epoch().div_ceil(self.accumulate as u64)
    }

    /// The batches of a step, counted from 0 over all epochs. An update never takes batches of two
    /// epochs, so the last one of an epoch has those that are left.
    pub fn batches(&self, step: u64) -> Range<u64> {
        let (epoch, within) = (step / self.steps_per_epoch(), step % self.steps_per_epoch());
        let (of_epoch, of_step) = (self.batches_per_epoch(), self.accumulate as u64);
        let from = within * of_step;
        epoch * of_epoch + from..epoch * of_epoch + (from + of_step).min(of_epoch)
    }
}
