//! A small trial that tests vary.

use blowup_core::trial::*;
use blowup_engine::init;
use blowup_engine::weights::Weights;
use tch::Kind;

/// A trial with depth 2, width 5, tanh, 7 samples of 3 noise inputs, 2 outputs, f64, full batch and
/// plain SGD.
pub fn mlp() -> Trial {
    Trial {
        label: String::new(),
        task: Task { kind: TaskKind::Noise, inputs: 3, outputs: 2, samples: 7, input_std: 1.0, ..Task::none() },
        budget: Budget::Epochs(3),
        loss_ratio: 1e6,
        network: Network::Mlp { depth: 2, width: 5, activation: Activation::Tanh, norm: Norm::None, residual: false },
        init: Init { kind: InitKind::Xavier, scale: 1.0, offset: 0.0 },
        bias: Bias::Learned { std: 0.3 },
        forget_bias: None,
        residual_scale: 1.0,
        rezero: false,
        parametrization: Parametrization::Standard,
        loss: Loss::Mse,
        optimizer: Optimizer::Sgd { momentum: 0.0, nesterov: false },
        lr: 0.1,
        lr_output: None,
        schedule: Schedule::Constant,
        recurrent_init: None,
        sampling: Sampling::Shuffle,
        accumulate: 1,
        data_seed: None,
        given: None,
        clip: Clip::None,
        skip: Skip::None,
        weight_decay: 0.0,
        batch: 7,
        numerics: Numerics::Uniform(Dtype::Float64),
        seed: 0,
    }
}

/// A trial with two stacked recurrent layers over 5 time steps.
pub fn rnn() -> Trial {
    let network =
        Network::Rnn { depth: 2, width: 5, activation: Activation::Tanh, norm: Norm::None, sequence_length: 5 };
    let mut trial = Trial { network, ..mlp() };
    trial.task.kind = TaskKind::NoiseSequence;
    trial
}

pub const ACTIVATIONS: [Activation; 8] = [
    Activation::Linear,
    Activation::Relu,
    Activation::LeakyRelu { negative_slope: 0.2 },
    Activation::Tanh,
    Activation::Sigmoid,
    Activation::Gelu,
    Activation::Selu,
    Activation::Silu,
];

pub const NORMS: [Norm; 7] = [
    Norm::None,
    Norm::Batch(NormPosition::Before),
    Norm::Batch(NormPosition::After),
    Norm::Layer(NormPosition::Before),
    Norm::Layer(NormPosition::After),
    Norm::Rms(NormPosition::Before),
    Norm::Rms(NormPosition::After),
];

pub const PARAMETRIZATIONS: [Parametrization; 5] = [
    Parametrization::Standard,
    Parametrization::Ntk,
    Parametrization::MeanField,
    Parametrization::Mup { base_width: 2 },
    Parametrization::Mup { base_width: 20 },
];

/// One of every optimizer, with every part that one can have.
pub const OPTIMIZERS: [Optimizer; 14] = [
    Optimizer::Sgd { momentum: 0.9, nesterov: false },
    Optimizer::Sgd { momentum: 0.9, nesterov: true },
    Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false },
    Optimizer::Adam { beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: true },
    ADAMW,
    Optimizer::Adamw { beta1: 0.9, beta2: 0.9, eps: 1e-8, amsgrad: true, weight_decay_mode: DecayMode::Independent },
    Optimizer::Rmsprop { alpha: 0.99, eps: 1e-8, momentum: 0.9 },
    Optimizer::Nadam { beta1: 0.9, beta2: 0.999, eps: 1e-8, momentum_decay: 4e-3 },
    Optimizer::Radam { beta1: 0.9, beta2: 0.7, eps: 1e-8 },
    Optimizer::Adagrad { eps: 1e-10, lr_decay: 0.1, initial_accumulator_value: 0.1 },
    Optimizer::Lion { beta1: 0.9, beta2: 0.99, weight_decay_mode: DecayMode::Decoupled },
    MUON,
    Optimizer::Muon {
        momentum: 0.9,
        nesterov: false,
        beta1: 0.9,
        beta2: 0.99,
        eps: 1e-8,
        weight_decay_mode: DecayMode::Independent,
        adjust_lr_fn: AdjustLr::MatchRmsAdamw,
    },
    // The update is the gradient alone.
    Optimizer::Sgd { momentum: 0.0, nesterov: false },
];

pub const ADAMW: Optimizer =
    Optimizer::Adamw { beta1: 0.9, beta2: 0.999, eps: 1e-8, amsgrad: false, weight_decay_mode: DecayMode::Decoupled };

pub const MUON: Optimizer = Optimizer::Muon {
    momentum: 0.95,
    nesterov: true,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weight_decay_mode: DecayMode::Decoupled,
    adjust_lr_fn: AdjustLr::Original,
};

/// What trials of one shape start from, a lane for each, and `pads` lanes of zeros.
pub fn weights(trials: &[&Trial], pads: usize, kind: Kind) -> Weights {
    let lanes: Vec<Lane> = trials.iter().map(|trial| trial.parts().1).collect();
    init::weights(&trials[0].shape(), &lanes, pads, kind)
}

/// `trial` with another activation and norm.
pub fn with(trial: &Trial, new_activation: Activation, new_norm: Norm) -> Trial {
    let mut trial = trial.clone();
    match &mut trial.network {
        Network::Mlp { activation, norm, .. } | Network::Rnn { activation, norm, .. } => {
            (*activation, *norm) = (new_activation, new_norm);
        }
        Network::Linear | Network::Gated { .. } | Network::Bundle => {}
    }
    trial
}
