//! A small trial that tests vary.

use blowup_core::trial::*;
use blowup_engine::init;
use blowup_engine::weights::Weights;
use tch::Kind;

/// A trial with depth 2, width 5, tanh, 7 samples of 3 noise inputs, 2 outputs, f64, full batch and
/// plain SGD.
pub fn mlp() -> Trial {
    let task = Task { kind: TaskKind::Noise, inputs: 3, outputs: 2, samples: 7, input_std: 1.0, ..Task::none() };
    Trial {
        budget: Budget::Epochs(3),
        network: Network::Mlp { depth: 2, width: 5, activation: Activation::Tanh, norm: Norm::None, residual: false },
        init: Init { kind: InitKind::Xavier, scale: 1.0, offset: 0.0 },
        bias: Bias::Learned { std: 0.3 },
        lr: 0.1,
        numerics: Numerics::Uniform(Dtype::Float64),
        ..Trial::unset(task)
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

/// A trial with two blocks of width 8 with two heads over 5 tokens.
pub fn transformer() -> Trial {
    let of = Transformer {
        depth: 2,
        width: 8,
        heads: 2,
        sequence_length: 5,
        activation: Activation::Gelu,
        norm: BlockNorm::Layer(Placement::Pre),
        attention_scale: Exact(0.5),
        mlp_ratio: Exact(1.5),
        position: Position::Learned,
        ..Transformer::unset()
    };
    Trial { network: Network::Transformer(of), ..rnn() }
}

/// `trial` with another transformer.
pub fn with_transformer(trial: &Trial, change: impl FnOnce(&mut Transformer)) -> Trial {
    let mut trial = trial.clone();
    let Network::Transformer(of) = &mut trial.network else { unreachable!("the trial has a transformer") };
    change(of);
    trial
}

/// The same over windows of the text that is built in, with a loss at every token.
pub fn text() -> Trial {
    let symbols = blowup_core::text::BUILT_IN.symbols;
    let task = Task { kind: TaskKind::Text, inputs: symbols, outputs: symbols, samples: 7, ..Task::none() };
    Trial { task, loss: Loss::CrossEntropy, ..transformer() }
}

/// A transformer for everything that changes its function.
pub fn transformers() -> Vec<Trial> {
    let base = transformer();
    let mut all = vec![base.clone(), text(), Trial { bias: Bias::None, ..base.clone() }];
    let mut put = |change: &dyn Fn(&mut Transformer)| all.push(with_transformer(&base, change));
    for placement in Placement::ALL.iter().copied() {
        put(&|of| of.norm = BlockNorm::Layer(placement));
        put(&|of| of.norm = BlockNorm::Rms(placement));
        put(&|of| (of.norm, of.residual) = (BlockNorm::Layer(placement), false));
        put(&|of| (of.norm, of.mlp_ratio) = (BlockNorm::Layer(placement), Exact(0.0)));
    }
    put(&|of| of.norm = BlockNorm::None);
    put(&|of| (of.norm, of.residual) = (BlockNorm::None, false));
    put(&|of| of.attention = Attention::Full);
    put(&|of| of.qk_norm = true);
    put(&|of| of.logit_softcap = Exact(0.7));
    put(&|of| (of.qk_norm, of.logit_softcap, of.position) = (true, Exact(0.7), Position::Rope));
    put(&|of| of.attention_scale = Exact(-0.3));
    put(&|of| of.position = Position::None);
    put(&|of| of.position = Position::Rope);
    put(&|of| of.heads = 1);
    put(&|of| of.heads = 8);
    put(&|of| of.depth = 1);
    put(&|of| of.sequence_length = 1);
    for activation in ACTIVATIONS {
        put(&|of| of.activation = activation);
    }
    for placement in Placement::ALL.iter().copied() {
        let trial = with_transformer(&base, |of| of.norm = BlockNorm::Rms(placement));
        all.push(Trial { residual_scale: 0.6, rezero: true, ..trial.clone() });
        all.push(Trial { residual_scale: 0.6, ..trial });
    }
    all.push(Trial { embedding_init_scale: 3.0, residual_init_scale: -0.4, ..base.clone() });
    let tied = with_transformer(&text(), |of| of.tied = true);
    all.push(Trial { bias: Bias::None, ..with_transformer(&tied, |of| of.norm = BlockNorm::None) });
    all.push(Trial { z_loss: 0.1, ..tied.clone() });
    all.push(Trial { loss: Loss::CrossEntropy, z_loss: 0.1, ..base.clone() });
    for parametrization in PARAMETRIZATIONS.into_iter().skip(1) {
        all.push(Trial { parametrization, ..base.clone() });
    }
    all
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
        Network::Linear | Network::Gated { .. } | Network::Transformer(_) | Network::Bundle => {}
    }
    trial
}
