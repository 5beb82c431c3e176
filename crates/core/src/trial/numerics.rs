//! In what numbers a trial computes.

use super::Dtype;
use super::choice::named;
use serde::{Deserialize, Serialize};

/// In what numbers a trial computes: in those of one dtype, or in 16 bits beside float32.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Numerics {
    /// Weights, activations, gradients and optimizer states have this dtype alike.
    Uniform(Dtype),
    /// The optimizer works in float32, and the passes in 16 bits.
    Mixed(Mixed, LossScale),
}

named! {
    /// Which numbers of a trial have 16 bits. The states of the optimizer are float32 in all of
    /// these.
    Mixed {
        /// `torch.autocast` to float16 over weights of float32: what it runs in 16 bits on a CPU
        /// gets copies of 16 bits. Norms have scales and shifts of float32, and losses are computed
        /// in float32.
        AmpFloat16 = "amp_float16",
        /// The same to bfloat16.
        AmpBfloat16 = "amp_bfloat16",
        /// Weights of float32, of which every pass takes a copy in bfloat16.
        Bfloat16Master = "bfloat16_master",
        /// Weights of bfloat16. An update is computed in float32, and rounded up or down at random.
        Bfloat16Stochastic = "bfloat16_stochastic",
    }
}

/// What a loss is multiplied with before the backward pass. The gradients are divided by it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum LossScale {
    /// The same finite number above 0 in every step.
    Fixed(f64),
    /// `torch.amp.GradScaler`: it starts at [`LossScale::START`], is halved where a gradient is not
    /// finite, and doubled after so many steps in a row in which all were finite.
    Dynamic { growth_interval: u64 },
}

/// The numbers of a trial as far as they decide which kernels run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Numbers {
    Uniform(Dtype),
    Mixed(Mixed),
}

impl Numerics {
    /// The values of the axis `precision`. The first stands for `Uniform(Dtype::Float32)`.
    pub const PRECISIONS: &'static [&'static str] = &{
        assert!(Mixed::NAMES.len() == 4, "every precision has a name");
        let mixed = Mixed::NAMES;
        ["float32", mixed[0], mixed[1], mixed[2], mixed[3]]
    };

    /// The dtype of the optimizer, of the gradients that it takes and of its states.
    pub fn dtype(self) -> Dtype {
        self.numbers().optimizer()
    }

    pub fn numbers(self) -> Numbers {
        match self {
            Numerics::Uniform(dtype) => Numbers::Uniform(dtype),
            Numerics::Mixed(mixed, _) => Numbers::Mixed(mixed),
        }
    }

    /// The value of the axis `precision`. None in a dtype other than float32.
    pub fn precision(self) -> Option<&'static str> {
        match self {
            Numerics::Uniform(Dtype::Float32) => Some(Numerics::PRECISIONS[0]),
            Numerics::Uniform(Dtype::Float64 | Dtype::Bfloat16 | Dtype::Float16) => None,
            Numerics::Mixed(mixed, _) => Some(mixed.name()),
        }
    }

    /// None where no loss is scaled.
    pub fn loss_scale(self) -> Option<LossScale> {
        match self {
            Numerics::Uniform(_) => None,
            Numerics::Mixed(_, scale) => Some(scale),
        }
    }

    /// Sets the loss scale.
    ///
    /// # Panics
    /// If the numbers have one dtype, whose losses are not scaled.
    pub fn set_loss_scale(&mut self, to: LossScale) {
        match self {
            Numerics::Uniform(dtype) => panic!("no loss is scaled in {}", dtype.name()),
            Numerics::Mixed(_, scale) => *scale = to,
        }
    }
}

impl Numbers {
    /// The dtype of the optimizer, of the gradients that it takes and of its states.
    pub fn optimizer(self) -> Dtype {
        match self {
            Numbers::Uniform(dtype) => dtype,
            Numbers::Mixed(_) => Dtype::Float32,
        }
    }

    /// The dtype of the products of a pass.
    pub fn passes(self) -> Dtype {
        match self {
            Numbers::Uniform(dtype) => dtype,
            Numbers::Mixed(Mixed::AmpFloat16) => Dtype::Float16,
            Numbers::Mixed(Mixed::AmpBfloat16 | Mixed::Bfloat16Master | Mixed::Bfloat16Stochastic) => Dtype::Bfloat16,
        }
    }

    /// Whether the passes are those of `torch.autocast`.
    pub fn is_autocast(self) -> bool {
        match self {
            Numbers::Mixed(Mixed::AmpFloat16 | Mixed::AmpBfloat16) => true,
            Numbers::Mixed(Mixed::Bfloat16Master | Mixed::Bfloat16Stochastic) | Numbers::Uniform(_) => false,
        }
    }

    /// Whether a twin of the network runs every pass in float32, too, by which is told how many
    /// gradients underflow. bfloat16 has the range of float32.
    pub fn has_twin(self) -> bool {
        match self {
            Numbers::Mixed(Mixed::AmpFloat16) => true,
            Numbers::Mixed(Mixed::AmpBfloat16 | Mixed::Bfloat16Master | Mixed::Bfloat16Stochastic)
            | Numbers::Uniform(_) => false,
        }
    }

    /// Whether the weights have 16 bits, so that an update may change them by much less than was
    /// asked for.
    pub fn rounds_updates(self) -> bool {
        self.rounds_at_random() || self.optimizer().is_16_bit()
    }

    /// Whether updates are rounded at random.
    pub fn rounds_at_random(self) -> bool {
        match self {
            Numbers::Mixed(Mixed::Bfloat16Stochastic) => true,
            Numbers::Mixed(Mixed::AmpFloat16 | Mixed::AmpBfloat16 | Mixed::Bfloat16Master) | Numbers::Uniform(_) => {
                false
            }
        }
    }
}

impl LossScale {
    /// The scale of the first step of a dynamic one, the `init_scale` of `torch.amp.GradScaler`.
    pub const START: f64 = 65536.0;
    /// The usual growth interval, that of `torch.amp.GradScaler`.
    pub const GROWTH_INTERVAL: u64 = 2000;
    /// What a spec writes for a dynamic one.
    pub const DYNAMIC: &'static str = "dynamic";
    /// No scaling.
    pub const ONE: LossScale = LossScale::Fixed(1.0);

    /// The scale of the first step.
    pub fn first(self) -> f64 {
        match self {
            LossScale::Fixed(scale) => scale,
            LossScale::Dynamic { .. } => LossScale::START,
        }
    }

    /// None of a fixed one.
    pub fn growth_interval(self) -> Option<u64> {
        match self {
            LossScale::Fixed(_) => None,
            LossScale::Dynamic { growth_interval } => Some(growth_interval),
        }
    }
}
