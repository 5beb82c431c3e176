//! The optimizers. What the core knows of one stands here and nowhere else: its name, its numbers
//! with their defaults, and what follows from its rule. `engine::optimizer` has the rules.

use super::choice::{named, with_numbers};
use super::value::name;

with_numbers! {
    /// PyTorch's optimizers (`torch.optim`), and Lion. Each number has the name and the default
    /// that it has there; in `Muon`, `beta1`, `beta2` and `eps` are those of its AdamW.
    Optimizer {
        Sgd { momentum: f64 = 0.0, nesterov: bool = false } = "sgd",
        Adam { beta1: f64 = 0.9, beta2: f64 = 0.999, eps: f64 = 1e-8, amsgrad: bool = false } = "adam",
        Adamw {
            beta1: f64 = 0.9,
            beta2: f64 = 0.999,
            eps: f64 = 1e-8,
            amsgrad: bool = false,
            weight_decay_mode: DecayMode = DecayMode::Decoupled,
        } = "adamw",
        Rmsprop { alpha: f64 = 0.99, eps: f64 = 1e-8, momentum: f64 = 0.0 } = "rmsprop",
        Nadam { beta1: f64 = 0.9, beta2: f64 = 0.999, eps: f64 = 1e-8, momentum_decay: f64 = 4e-3 } = "nadam",
        Radam { beta1: f64 = 0.9, beta2: f64 = 0.999, eps: f64 = 1e-8 } = "radam",
        Adagrad { eps: f64 = 1e-10, lr_decay: f64 = 0.0, initial_accumulator_value: f64 = 0.0 } = "adagrad",
        Lion {
            beta1: f64 = 0.9,
            beta2: f64 = 0.99,
            weight_decay_mode: DecayMode = DecayMode::Decoupled,
        } = "lion",
        Muon {
            momentum: f64 = 0.95,
            nesterov: bool = true,
            beta1: f64 = 0.9,
            beta2: f64 = 0.999,
            eps: f64 = 1e-8,
            weight_decay_mode: DecayMode = DecayMode::Decoupled,
            adjust_lr_fn: AdjustLr = AdjustLr::Original,
        } = "muon",
    }
}

named! {
    /// The share of the weights that decoupled weight decay takes at each update. The factor of the
    /// schedule is in both.
    DecayMode {
        /// The learning rate times the weight decay, as in `torch.optim.AdamW`.
        Decoupled = "decoupled",
        /// The weight decay alone, as in Loshchilov and Hutter 2019.
        Independent = "independent",
    }
}
name!(DecayMode);

named! {
    /// The factor of Muon's learning rate for a matrix, as `adjust_lr_fn` of `torch.optim.Muon`.
    AdjustLr {
        /// The root of max(1, outputs / inputs).
        Original = "original",
        /// 0.2 times the root of max(outputs, inputs).
        MatchRmsAdamw = "match_rms_adamw",
    }
}
name!(AdjustLr);

impl Optimizer {
    /// Whether it divides by the root of a mean of squares that is corrected for its start at 0, of
    /// which `Clip::Update` takes the root mean square.
    pub fn is_adam(self) -> bool {
        match self {
            Optimizer::Adam { .. } | Optimizer::Adamw { .. } => true,
            Optimizer::Sgd { .. }
            | Optimizer::Rmsprop { .. }
            | Optimizer::Nadam { .. }
            | Optimizer::Radam { .. }
            | Optimizer::Adagrad { .. }
            | Optimizer::Lion { .. }
            | Optimizer::Muon { .. } => false,
        }
    }

    /// The momentum, if the optimizer has one.
    pub fn momentum(self) -> Option<f64> {
        match self {
            Optimizer::Sgd { momentum, .. }
            | Optimizer::Rmsprop { momentum, .. }
            | Optimizer::Muon { momentum, .. } => Some(momentum),
            Optimizer::Adam { .. }
            | Optimizer::Adamw { .. }
            | Optimizer::Nadam { .. }
            | Optimizer::Radam { .. }
            | Optimizer::Adagrad { .. }
            | Optimizer::Lion { .. } => None,
        }
    }

    /// The optimizer of a shape: what decides which of its parts there are. Of a momentum whose
    /// absence saves a state it says whether there is one, as 0 or 1, and the numbers in which
    /// lanes may differ are 0. All numbers are named here, so that a number that is added must be
    /// given its place.
    pub(super) fn of_shape(self) -> Optimizer {
        let part = |x: f64| f64::from(u8::from(x != 0.0));
        let (beta1, beta2, eps, alpha) = (0.0, 0.0, 0.0, 0.0);
        let (weight_decay_mode, adjust_lr_fn) = (DecayMode::Decoupled, AdjustLr::Original);
        match self {
            Optimizer::Sgd { momentum, nesterov } => Optimizer::Sgd { momentum: part(momentum), nesterov },
            Optimizer::Adam { beta1: _, beta2: _, eps: _, amsgrad } => Optimizer::Adam { beta1, beta2, eps, amsgrad },
            Optimizer::Adamw { beta1: _, beta2: _, eps: _, amsgrad, weight_decay_mode: _ } => {
                Optimizer::Adamw { beta1, beta2, eps, amsgrad, weight_decay_mode }
            }
            Optimizer::Rmsprop { alpha: _, eps: _, momentum } => {
                Optimizer::Rmsprop { alpha, eps, momentum: part(momentum) }
            }
            Optimizer::Nadam { beta1: _, beta2: _, eps: _, momentum_decay: _ } => {
                Optimizer::Nadam { beta1, beta2, eps, momentum_decay: 0.0 }
            }
            Optimizer::Radam { beta1: _, beta2: _, eps: _ } => Optimizer::Radam { beta1, beta2, eps },
            Optimizer::Adagrad { eps: _, lr_decay: _, initial_accumulator_value: _ } => {
                Optimizer::Adagrad { eps, lr_decay: 0.0, initial_accumulator_value: 0.0 }
            }
            Optimizer::Lion { beta1: _, beta2: _, weight_decay_mode: _ } => {
                Optimizer::Lion { beta1, beta2, weight_decay_mode }
            }
            Optimizer::Muon {
                momentum: _,
                nesterov,
                beta1: _,
                beta2: _,
                eps: _,
                weight_decay_mode: _,
                adjust_lr_fn: _,
            } => Optimizer::Muon { momentum: 0.0, nesterov, beta1, beta2, eps, weight_decay_mode, adjust_lr_fn },
        }
    }

    /// How many numbers it keeps for each weight. An optimizer that keeps none forgets: its next
    /// update depends on the weights, the gradient and the learning rate alone.
    pub fn states(self) -> u8 {
        match self {
            Optimizer::Sgd { momentum, .. } => u8::from(momentum != 0.0),
            Optimizer::Rmsprop { momentum, .. } => 1 + u8::from(momentum != 0.0),
            Optimizer::Adam { amsgrad, .. } | Optimizer::Adamw { amsgrad, .. } => 2 + u8::from(amsgrad),
            Optimizer::Nadam { .. } | Optimizer::Radam { .. } | Optimizer::Muon { .. } => 2,
            Optimizer::Adagrad { .. } | Optimizer::Lion { .. } => 1,
        }
    }

    /// Whether an update takes matrix products, which orthogonalize the matrices of hidden layers.
    pub fn orthogonalizes(self) -> bool {
        match self {
            Optimizer::Muon { .. } => true,
            Optimizer::Sgd { .. }
            | Optimizer::Adam { .. }
            | Optimizer::Adamw { .. }
            | Optimizer::Rmsprop { .. }
            | Optimizer::Nadam { .. }
            | Optimizer::Radam { .. }
            | Optimizer::Adagrad { .. }
            | Optimizer::Lion { .. } => false,
        }
    }

    /// What share of the weights its weight decay takes. It is `None` where weight decay is added
    /// to the gradient (L2).
    pub fn decay_mode(self) -> Option<DecayMode> {
        match self {
            Optimizer::Adamw { weight_decay_mode, .. }
            | Optimizer::Lion { weight_decay_mode, .. }
            | Optimizer::Muon { weight_decay_mode, .. } => Some(weight_decay_mode),
            Optimizer::Sgd { .. }
            | Optimizer::Adam { .. }
            | Optimizer::Rmsprop { .. }
            | Optimizer::Nadam { .. }
            | Optimizer::Radam { .. }
            | Optimizer::Adagrad { .. } => None,
        }
    }

    /// The largest factor that the learning rate of a quotient gets before it is rounded: Adam
    /// divides it by 1 - beta1 at its first update. It is `None` where the learning rate is the
    /// `alpha` of an addition, which PyTorch rounds to the dtype as it is.
    pub fn quotient(self) -> Option<f64> {
        match self {
            Optimizer::Sgd { .. } | Optimizer::Lion { .. } | Optimizer::Muon { .. } => None,
            Optimizer::Rmsprop { momentum, .. } => (momentum == 0.0).then_some(1.0),
            Optimizer::Adam { beta1, .. } | Optimizer::Adamw { beta1, .. } => Some(1.0 / (1.0 - beta1)),
            Optimizer::Nadam { .. } | Optimizer::Radam { .. } | Optimizer::Adagrad { .. } => Some(1.0),
        }
    }
}
