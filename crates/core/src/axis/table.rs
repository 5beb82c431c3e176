//! The declarations of the axes. "How to add an axis" in CONTRIBUTING.md tells what a new one needs
//! beside its entry here; the compiler or a test asks for each of these things.

use super::Default::{Follows, Is, OfInit, OfNetwork, OfTaker, OfTask, Required};
use super::End::{At, Beyond};
use super::Identity::{Added, Last, Within, Written};
use super::named::{OF_BRANCH_STARTS, OF_BRANCHES, OF_CAPS, OF_LOGITS, OF_LOSS_SCALES};
use super::{
    ALL_SAMPLES, Acts, Axis, Bounds, Effect, End, Held, Identity, Kind, Merges, Named, Need, Own, Rides, Short, Test,
};
use crate::trial::Value::{Boolean, Float, Integer, Text};
use crate::trial::{
    Activation, AdjustLr, Attention, Bias, BiasKind, BlockNorm, Clip, DecayMode, Dtype, Exact, Gated, Init, InitKind,
    Loss, LossScale, Mixed, Network, Norm, NormPosition, Number, Numerics, Optimizer, Parametrization, Placement,
    Position, Sampling, Schedule, Skip, Transformer, Trial, Value,
};

/// Declares `Id`, an index into `TABLE`, and the table, in the order of the columns.
macro_rules! axes {
    ($($id:ident: $axis:expr,)+) => {
        /// A built-in axis, or one that a spec declares.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Id { $($id,)+ Own(Own) }

        /// The places of the built-in axes in `TABLE`.
        #[derive(Clone, Copy)]
        #[repr(usize)]
        enum TableIndex { $($id),+ }

        impl Id {
            /// The place of a built-in axis in `TABLE`; `None` for an axis that a spec declares.
            pub const fn place(self) -> Option<usize> {
                match self {
                    $(Id::$id => Some(TableIndex::$id as usize),)+
                    Id::Own(_) => None,
                }
            }
        }

        /// The number of built-in axes.
        pub const COUNT: usize = [$(TableIndex::$id),+].len();

        /// Every axis, in the order of the columns of `runs.csv`.
        pub static TABLE: [Axis; COUNT] = [$(Axis { id: Id::$id, ..$axis }),+];
    };
}

/// The usual properties of an axis, from which a declaration departs.
const PLAIN: Axis = Axis {
    id: Id::Network,
    name: "",
    kind: Kind::Boolean,
    default: Required,
    needs: &[],
    effect: Effect::Always,
    beside: &[],
    merges: Merges::Never,
    rides: Rides::Lane,
    identity: Identity::Always,
    acts: Acts::AtStart,
    title: "",
    text: "",
    also: &[],
    get: |_| None,
    set: |_, _| {},
};

/// The usual properties of an axis of the optimizer.
const UPDATE: Axis = Axis { acts: Acts::Later, ..PLAIN };

const fn bounds(words: &'static str, least: End, most: End) -> Kind {
    named_numbers(words, least, most, &[])
}

const fn named_numbers(words: &'static str, least: End, most: End, names: &'static [Named]) -> Kind {
    Kind::Float { range: Bounds { least, most, words, held: Held::Nothing }, names }
}

/// A number that is not negative and that the dtype can hold.
const fn held(held: Held) -> Kind {
    let (least, most, words) = (At(0.0), Beyond(f64::INFINITY), "a finite number, 0 or more");
    Kind::Float { range: Bounds { least, most, words, held }, names: &[] }
}

const FINITE: Kind = bounds("a finite number", Beyond(f64::NEG_INFINITY), Beyond(f64::INFINITY));
const NOT_NEGATIVE: Kind = bounds("a finite number, 0 or more", At(0.0), Beyond(f64::INFINITY));
const SHARE: Kind = bounds("a number from 0 to 1", At(0.0), At(1.0));
const BELOW_ONE: Kind = bounds("a number from 0 to below 1", At(0.0), Beyond(1.0));
const THRESHOLD: Kind = bounds("a number above 0; inf means no clipping", Beyond(0.0), At(f64::INFINITY));
const SKIPPED: Kind =
    bounds("a number above 0; inf means that only what is not finite is skipped", Beyond(0.0), At(f64::INFINITY));
const SCALE: Kind = named_numbers(
    "a finite number, \"1/sqrt(L)\" or \"1/sqrt(2L)\"",
    Beyond(f64::NEG_INFINITY),
    Beyond(f64::INFINITY),
    OF_BRANCHES,
);
const BRANCH_START: Kind =
    named_numbers("a finite number, or \"gpt2\"", Beyond(f64::NEG_INFINITY), Beyond(f64::INFINITY), OF_BRANCH_STARTS);
const CAP: Kind = named_numbers("a number above 0, or \"none\", which is inf", Beyond(0.0), At(f64::INFINITY), OF_CAPS);
const LOGIT_SCALE: Kind = named_numbers(
    "a finite number, \"standard\" or \"mup\"",
    Beyond(f64::NEG_INFINITY),
    Beyond(f64::INFINITY),
    OF_LOGITS,
);
const HELD: Kind = held(Held::Number);
const RATE: Kind = held(Held::Rate);
const LOSS_SCALE: Kind =
    named_numbers("a number above 0 and at most 1e38, or \"dynamic\"", Beyond(0.0), At(1e38), OF_LOSS_SCALES);
/// TOML has no larger integers.
const SEED: Kind = Kind::Integer { min: 0, max: i64::MAX as u64 };

const fn one_of(names: &'static [&'static str]) -> Kind {
    Kind::Choice { names, short: None, aliases: &[] }
}

const fn with_number(names: &'static [&'static str], sets: Id, takes: &'static [&'static str]) -> Kind {
    Kind::Choice { names, short: Some(Short { sets, names: takes }), aliases: &[] }
}

/// The kind of an initializer, with the names that other libraries have for some of them.
const fn init(names: &'static [&'static str], sets: Id) -> Kind {
    let aliases = &[
        ("kaiming", "he"),
        ("kaiming_normal", "he"),
        ("he_normal", "he"),
        ("kaiming_uniform", "he_uniform"),
        ("glorot", "xavier"),
        ("glorot_normal", "xavier"),
        ("xavier_normal", "xavier"),
        ("glorot_uniform", "xavier_uniform"),
    ];
    Kind::Choice { names, short: Some(Short { sets, names: InitKind::DRAWN }), aliases }
}

/// The names of both lists, the first of which come first.
const fn both<const N: usize>(first: &[&'static str], second: &[&'static str]) -> [&'static str; N] {
    assert!(first.len() + second.len() == N, "the names are as many as both lists have");
    let (mut all, mut at) = ([""; N], 0);
    while at < N {
        all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    all
}

/// The places of norms, in a plain network and in a transformer.
const NORM_POSITIONS: &[&str] =
    &both::<{ NormPosition::NAMES.len() + Placement::NAMES.len() }>(NormPosition::NAMES, Placement::NAMES);

const fn is(axis: Id, names: &'static [&'static str]) -> Need {
    Need { axis, test: Test::OneOf(names) }
}

/// The networks that blowup builds itself. A bundle is a model of the user's own.
const BUILT_IN: Need = is(Id::Network, Network::NAMES);
const HIDDEN: Need = Need { axis: Id::Depth, test: Test::AtLeastOne };
const RECURRENT: Need = is(Id::Network, Network::RECURRENT);
const GATED: Need = is(Id::Network, Gated::NAMES);
/// The networks whose activation can be chosen and that have a place for a norm.
const STAGED: Need = is(Id::Network, &["mlp", "rnn", "transformer"]);
const SEQUENTIAL: Need = is(Id::Network, Network::SEQUENTIAL);
const TRANSFORMER: Need = is(Id::Network, &["transformer"]);
/// The networks that may have residual connections.
const BRANCHED: Need = is(Id::Network, &["mlp", "transformer"]);
const RESIDUAL: Need = Need { axis: Id::Residual, test: Test::IsTrue };
const SINGLE: Need = is(Id::Dtype, &["float32"]);
const MIXED: Need = is(Id::Precision, Mixed::NAMES);
const LEARNED: Need = is(Id::Bias, BiasKind::LEARNED);
const DRAWN: Need = is(Id::Init, InitKind::DRAWN);

/// The value in a trial of a built-in net. In a bundle the axis does not apply.
fn of_net(trial: &Trial, value: Value) -> Option<Value> {
    (trial.network != Network::Bundle).then_some(value)
}

/// The initializer of a trial: of a built-in net, or of the parameters of a bundle that the spec
/// names.
fn init_of(trial: &Trial) -> Option<Init> {
    let named = trial.task.bundle().is_none_or(|bundle| !bundle.initialized.is_empty());
    named.then_some(trial.init)
}

/// The text of a value that is a name.
fn text(value: Value) -> &'static str {
    let Text(text) = value else { panic!("{value:?} is no name") };
    text
}

/// What has the name that the value is.
fn known<T>(value: Value, from_name: fn(&str) -> Option<T>) -> T {
    from_name(text(value)).unwrap_or_else(|| panic!("{value:?} is none of the names of its axis"))
}

fn size(value: Value) -> usize {
    u64::of(value) as usize
}

/// An axis whose number some optimizers take, under the name of its field. They declare its
/// default.
macro_rules! of_optimizer {
    ($name:literal, $kind:expr, $title:literal, $text:literal) => {
        Axis {
            name: $name,
            kind: $kind,
            default: OfTaker(Id::Optimizer, Optimizer::default_number),
            needs: &[Need { axis: Id::Optimizer, test: Test::Taking(Optimizer::TAKES, $name) }],
            title: $title,
            text: $text,
            get: |trial| trial.optimizer.number($name),
            set: |trial, value| trial.optimizer.set_number($name, value),
            ..UPDATE
        }
    };
}

/// An axis whose number some schedules take, under the name of its field. They declare its default.
macro_rules! of_schedule {
    ($name:literal, $kind:expr, $title:literal, $text:literal) => {
        Axis {
            name: $name,
            kind: $kind,
            default: OfTaker(Id::Schedule, Schedule::default_number),
            needs: &[Need { axis: Id::Schedule, test: Test::Taking(Schedule::TAKES, $name) }],
            title: $title,
            text: $text,
            get: |trial| trial.schedule.number($name),
            set: |trial, value| trial.schedule.set_number($name, value),
            ..UPDATE
        }
    };
}

/// An axis of a transformer, given how its value is read and set.
macro_rules! of_transformer {
    ($name:literal, $text:literal, $get:expr, $set:expr) => {
        Axis {
            name: $name,
            needs: &[TRANSFORMER],
            rides: Rides::Shape,
            text: $text,
            get: |trial| {
                let get: fn(&Transformer) -> Value = $get;
                trial.network.transformer().as_ref().map(get)
            },
            set: |trial, value| match &mut trial.network {
                Network::Transformer(transformer) => {
                    let set: fn(&mut Transformer, Value) = $set;
                    set(transformer, value);
                }
                Network::Linear
                | Network::Mlp { .. }
                | Network::Rnn { .. }
                | Network::Gated { .. }
                | Network::Bundle => panic!("only a transformer has `{}`", $name),
            },
            ..PLAIN
        }
    };
}

axes! {
    Network: Axis {
        name: "network",
        kind: one_of(Network::NAMES),
        default: Is(Text("mlp")),
        rides: Rides::Shape,
        title: "network",
        text: "The kind of network. All but mlp need `sequence_length` and a task with sequences. `{ file = \"model.blowup\" }` is a model of your own: see own-model.md.",
        get: |trial| match trial.task.bundle() {
            Some(bundle) => Some(Value::text(&bundle.name)),
            None => Some(Text(trial.network.name())),
        },
        set: |trial, value| {
            if trial.task.bundle().is_none() {
                trial.network = known(value, Network::from_name);
            }
        },
        ..PLAIN
    },
    Depth: Axis {
        name: "depth",
        kind: Kind::Integer { min: 0, max: 10_000 },
        default: Is(Integer(1)),
        needs: &[BUILT_IN],
        rides: Rides::Shape,
        title: "depth (hidden layers)",
        text: "The number of hidden layers, which are the blocks of a transformer; 0 is a linear model.",
        also: &["layers", "num_layers"],
        get: |trial| of_net(trial, Integer(trial.network.depth() as u64)),
        set: |trial, value| trial.network.set_depth(size(value)),
        ..PLAIN
    },
    Width: Axis {
        name: "width",
        kind: Kind::Integer { min: 1, max: 1_000_000 },
        default: Is(Integer(64)),
        needs: &[BUILT_IN, HIDDEN],
        rides: Rides::Shape,
        title: "width (units a layer)",
        text: "The units of a hidden layer, or the numbers of a transformer's token.",
        also: &["hidden", "hidden_size"],
        get: |trial| trial.network.width().map(|width| Integer(width as u64)),
        set: |trial, value| trial.network.set_width(size(value)),
        ..PLAIN
    },
    Activation: Axis {
        name: "activation",
        kind: with_number(Activation::NAMES, Id::NegativeSlope, &["leaky_relu"]),
        default: OfNetwork(|network| match network {
            Network::Rnn { .. } => Text(Activation::Tanh.name()),
            Network::Transformer(_) => Text(Activation::Gelu.name()),
            // It does not apply to the last two of these.
            Network::Linear | Network::Mlp { .. } | Network::Gated { .. } | Network::Bundle => {
                Text(Activation::Relu.name())
            }
        }),
        needs: &[HIDDEN, STAGED],
        rides: Rides::Shape,
        title: "activation",
        text: "The function behind each hidden layer, or within each MLP of a transformer. lstm and gru have their own.",
        get: |trial| trial.network.activation().map(|activation| Text(activation.name())),
        set: |trial, value| *trial.network.activation_mut() = known(value, Activation::from_name),
        ..PLAIN
    },
    NegativeSlope: Axis {
        name: "negative_slope",
        kind: FINITE,
        default: Is(Float(0.01)),
        needs: &[
            HIDDEN,
            STAGED,
            Need { axis: Id::Activation, test: Test::Taking(Activation::TAKES, "negative_slope") },
        ],
        rides: Rides::Shape,
        title: "negative slope",
        text: "The slope of leaky_relu below 0.",
        get: |trial| trial.network.activation()?.number("negative_slope"),
        set: |trial, value| trial.network.activation_mut().set_number("negative_slope", value),
        ..PLAIN
    },
    Heads: Axis {
        kind: Kind::Integer { min: 1, max: 100_000 },
        default: Is(Integer(4)),
        identity: Added(28),
        title: "heads",
        also: &["num_heads", "n_head", "nhead"],
        ..of_transformer!(
            "heads", "The heads of each attention, which share the width evenly.",
            |transformer| Integer(transformer.heads as u64),
            |transformer, value| transformer.heads = size(value)
        )
    },
    Attention: Axis {
        kind: one_of(Attention::NAMES),
        default: Is(Text("causal")),
        identity: Added(29),
        title: "attention",
        ..of_transformer!(
            "attention", "Which tokens a token attends to: itself and those before it (causal), or all (full).",
            |transformer| Text(transformer.attention.name()),
            |transformer, value| transformer.attention = known(value, Attention::from_name)
        )
    },
    AttentionScale: Axis {
        kind: LOGIT_SCALE,
        default: Is(Text("standard")),
        beside: &[Id::Width, Id::Heads],
        identity: Added(30),
        title: "attention scale",
        ..of_transformer!(
            "attention_scale", "The factor of the product of a query and a key: 1/sqrt(d) in standard and 1/d in mup, where d is the width of a head, or a number. The column has the number.",
            |transformer| Float(transformer.attention_scale.0),
            |transformer, value| transformer.attention_scale = Exact(f64::of(value))
        )
    },
    QkNorm: Axis {
        kind: Kind::Boolean,
        default: Is(Boolean(false)),
        identity: Added(31),
        title: "QK norm",
        ..of_transformer!(
            "qk_norm", "Whether the queries and the keys of each head are normalized to a root mean square of 1, times a learned scale (Dehghani 2023).",
            |transformer| Boolean(transformer.qk_norm),
            |transformer, value| transformer.qk_norm = bool::of(value)
        )
    },
    LogitSoftcap: Axis {
        kind: CAP,
        default: Is(Float(f64::INFINITY)),
        identity: Added(32),
        title: "cap of the attention logits",
        also: &["attn_logit_softcapping", "softcap"],
        ..of_transformer!(
            "logit_softcap", "The number c of c tanh(x/c), by which each attention logit x is capped (Gemma 2); inf caps none.",
            |transformer| Float(transformer.logit_softcap.0),
            |transformer, value| transformer.logit_softcap = Exact(f64::of(value))
        )
    },
    MlpRatio: Axis {
        kind: NOT_NEGATIVE,
        default: Is(Float(4.0)),
        identity: Added(33),
        title: "hidden units of the MLP per width",
        ..of_transformer!(
            "mlp_ratio", "The hidden units of each MLP as a multiple of the width, rounded to a whole number of at least 1. At 0 the blocks have no MLP.",
            |transformer| Float(transformer.mlp_ratio.0),
            |transformer, value| transformer.mlp_ratio = Exact(f64::of(value))
        )
    },
    Position: Axis {
        kind: one_of(Position::NAMES),
        default: Is(Text("learned")),
        identity: Added(34),
        title: "position",
        ..of_transformer!(
            "position", "How a token's place enters: by a learned vector that is added to its embedding (learned), not at all (none), or by a rotation of queries and keys (rope, Su 2021).",
            |transformer| Text(transformer.position.name()),
            |transformer, value| transformer.position = known(value, Position::from_name)
        )
    },
    Tied: Axis {
        kind: Kind::Boolean,
        default: Is(Boolean(false)),
        identity: Added(35),
        title: "tied embeddings",
        also: &["tie_word_embeddings"],
        ..of_transformer!(
            "tied", "Whether the output layer multiplies with the transposed embedding. It takes a task whose outputs are as many as its inputs, as in text.",
            |transformer| Boolean(transformer.tied),
            |transformer, value| transformer.tied = bool::of(value)
        )
    },
    Init: Axis {
        name: "init",
        kind: init(InitKind::NAMES, Id::InitScale),
        default: OfNetwork(|network| match network {
            Network::Linear
            | Network::Mlp { .. }
            | Network::Rnn { .. }
            | Network::Gated { .. }
            | Network::Transformer(_) => Text(InitKind::Pytorch.name()),
            Network::Bundle => Text(InitKind::Stored.name()),
        }),
        effect: Effect::OnNamedParameters,
        title: "initialization",
        text: "The initializer of the weights, as in `torch.nn.init`. It sees the gates of a recurrent layer as one matrix, as PyTorch's do, and the queries, keys and values of a transformer as three. In a bundle it is for the parameters that `init_parameters` names; stored, the default there, keeps what the bundle has.",
        get: |trial| Some(Text(init_of(trial)?.kind.name())),
        set: |trial, value| trial.init.kind = known(value, InitKind::from_name),
        ..PLAIN
    },
    InitScale: Axis {
        name: "init_scale",
        kind: FINITE,
        default: Is(Float(1.0)),
        needs: &[DRAWN],
        effect: Effect::OnNamedParameters,
        title: "scale of the initial weights",
        text: "The standard deviation of normal, the bound of uniform, the variance times fan_in of scaled, the value of constant; a gain for the others.",
        get: |trial| Some(Float(init_of(trial).filter(|init| init.kind != InitKind::Stored)?.scale)),
        set: |trial, value| trial.init.scale = f64::of(value),
        ..PLAIN
    },
    InitOffset: Axis {
        name: "init_offset",
        kind: FINITE,
        default: Is(Float(0.0)),
        needs: &[BUILT_IN],
        identity: Added(4),
        title: "init offset",
        text: "The number that is added to the weights of the first layer.",
        get: |trial| of_net(trial, Float(trial.init.offset)),
        set: |trial, value| trial.init.offset = f64::of(value),
        ..PLAIN
    },
    RecurrentInit: Axis {
        name: "recurrent_init",
        kind: init(InitKind::DRAWN, Id::RecurrentInitScale),
        default: Follows(Id::Init),
        needs: &[RECURRENT],
        // Without a number, and beside `init`, the same initializer can be written in several ways.
        merges: Merges::Beside,
        identity: Written(7, |trial| trial.recurrent_init.map(|init| format!("{:?}", (init.kind.name(), init.scale)))),
        title: "recurrent init",
        text: "The initializer of the recurrent matrices.",
        get: |trial| recurrent(trial).map(|init| Text(init.kind.name())),
        // A name without a number stands for that initializer at its default scale.
        set: |trial, value| set_recurrent(trial, known(value, InitKind::from_name), 1.0),
        ..PLAIN
    },
    RecurrentInitScale: Axis {
        name: "recurrent_init_scale",
        kind: FINITE,
        default: Follows(Id::InitScale),
        needs: &[RECURRENT],
        beside: &[Id::RecurrentInit],
        merges: Merges::Beside,
        identity: Within(Id::RecurrentInit),
        title: "scale of the initial recurrent weights",
        text: "The same as `init_scale`, for the recurrent matrices.",
        get: |trial| recurrent(trial).map(|init| Float(init.scale)),
        set: |trial, value| {
            let kind = trial.recurrent_init.unwrap_or(trial.init).kind;
            set_recurrent(trial, kind, f64::of(value));
        },
        ..PLAIN
    },
    EmbeddingInitScale: Axis {
        name: "embedding_init_scale",
        kind: FINITE,
        default: Is(Float(1.0)),
        needs: &[TRANSFORMER],
        identity: Added(37),
        title: "factor of the initial embedding",
        text: "The factor of the initial embedding and of the initial vectors of places: their standard deviation is this many times what `init` makes it.",
        get: |trial| trial.network.transformer().map(|_| Float(trial.embedding_init_scale)),
        set: |trial, value| trial.embedding_init_scale = f64::of(value),
        ..PLAIN
    },
    ResidualInitScale: Axis {
        name: "residual_init_scale",
        kind: BRANCH_START,
        default: Is(Float(1.0)),
        needs: &[TRANSFORMER, RESIDUAL],
        beside: &[Id::MlpRatio],
        identity: Added(38),
        title: "factor of the initial last layer of residual branches",
        text: "The factor of the initial last layer of each residual branch, with its bias: the projection behind the heads and the second matrix of the MLP. \"gpt2\" is 1/sqrt(n) for n branches (Radford 2019); at 0 the branches start as 0. The column has the number.",
        get: |trial| trial.network.transformer().filter(|of| of.residual).map(|_| Float(trial.residual_init_scale)),
        set: |trial, value| trial.residual_init_scale = f64::of(value),
        ..PLAIN
    },
    ForgetBias: Axis {
        name: "forget_bias",
        kind: FINITE,
        default: Is(Float(0.0)),
        needs: &[GATED, LEARNED],
        identity: Added(2),
        title: "forget bias",
        text: "The number that is added at the start to the bias of the gate that keeps the old state: the forget gate of lstm, the update gate of gru.",
        get: |trial| trial.forget_bias.map(Float),
        set: |trial, value| trial.forget_bias = Some(f64::of(value)),
        ..PLAIN
    },
    Bias: Axis {
        name: "bias",
        kind: one_of(BiasKind::NAMES),
        default: Is(Text("learned")),
        needs: &[BUILT_IN],
        rides: Rides::Shape,
        title: "bias",
        text: "Whether layers have biases.",
        get: |trial| of_net(trial, Text(trial.bias.kind().name())),
        set: |trial, value| {
            trial.bias = match known(value, BiasKind::from_name) {
                BiasKind::None => Bias::None,
                BiasKind::Learned if trial.init.kind == InitKind::Pytorch => Bias::LearnedPytorch,
                BiasKind::Learned => Bias::Learned { std: 0.0 },
            }
        },
        ..PLAIN
    },
    BiasStd: Axis {
        name: "bias_std",
        kind: NOT_NEGATIVE,
        default: OfInit,
        needs: &[BUILT_IN, LEARNED],
        beside: &[Id::Init],
        title: "standard deviation of the initial biases",
        text: "The standard deviation of the initial biases.",
        get: |trial| match trial.bias {
            Bias::Learned { std } => Some(Float(std)),
            Bias::None | Bias::LearnedPytorch => None,
        },
        set: |trial, value| trial.bias = Bias::Learned { std: f64::of(value) },
        ..PLAIN
    },
    Norm: Axis {
        name: "norm",
        kind: one_of(Norm::NAMES),
        default: OfNetwork(|network| match network {
            Network::Transformer(_) => Text(BlockNorm::Layer(Placement::Pre).name()),
            // It does not apply to the last two of these.
            Network::Linear
            | Network::Mlp { .. }
            | Network::Rnn { .. }
            | Network::Gated { .. }
            | Network::Bundle => Text(Norm::None.name()),
        }),
        needs: &[HIDDEN, STAGED],
        rides: Rides::Shape,
        title: "norm",
        text: "The normalization of each hidden layer, or the norms of a transformer. batch is for mlp only, and only where every batch has two samples or more.",
        get: |trial| trial.network.norm_name().map(Text),
        set: |trial, value| trial.network.set_norm(text(value)),
        ..PLAIN
    },
    NormPosition: Axis {
        name: "norm_position",
        kind: one_of(NORM_POSITIONS),
        default: OfNetwork(|network| match network {
            Network::Transformer(_) => Text(Placement::Pre.name()),
            // It does not apply to the last two of these.
            Network::Linear
            | Network::Mlp { .. }
            | Network::Rnn { .. }
            | Network::Gated { .. }
            | Network::Bundle => Text(NormPosition::Before.name()),
        }),
        needs: &[HIDDEN, STAGED, is(Id::Norm, Norm::PLACED)],
        rides: Rides::Shape,
        title: "norm position",
        text: "Whether the normalization stands before or after the activation. In a transformer it stands before attention and MLP (pre), behind each residual sum (post; deepnorm is post with the scales of Wang 2022, see below), or before and behind them within the branch (sandwich).",
        get: |trial| trial.network.norm_position().map(Text),
        set: |trial, value| trial.network.set_norm_position(text(value)),
        ..PLAIN
    },
    Residual: Axis {
        name: "residual",
        kind: Kind::Boolean,
        default: OfNetwork(|network| match network {
            Network::Transformer(_) => Boolean(true),
            // It does not apply to the last three of these.
            Network::Linear
            | Network::Mlp { .. }
            | Network::Rnn { .. }
            | Network::Gated { .. }
            | Network::Bundle => Boolean(false),
        }),
        needs: &[HIDDEN, BRANCHED],
        effect: Effect::WithBranches,
        rides: Rides::Shape,
        identity: Added(1),
        title: "residual",
        text: "Whether hidden layers from the second on add their input to their output; in a transformer, whether attention and MLP do.",
        get: |trial| match trial.network {
            Network::Mlp { residual, .. } | Network::Transformer(Transformer { residual, .. }) => {
                Some(Boolean(residual))
            }
            Network::Linear | Network::Rnn { .. } | Network::Gated { .. } | Network::Bundle => None,
        },
        set: |trial, value| match &mut trial.network {
            Network::Mlp { residual, .. } | Network::Transformer(Transformer { residual, .. }) => {
                *residual = bool::of(value);
            }
            Network::Linear | Network::Rnn { .. } | Network::Gated { .. } | Network::Bundle => {
                panic!("only an mlp and a transformer have residual connections")
            }
        },
        ..PLAIN
    },
    ResidualScale: Axis {
        name: "residual_scale",
        kind: SCALE,
        default: Is(Float(1.0)),
        needs: &[HIDDEN, BRANCHED, RESIDUAL],
        effect: Effect::WithBranches,
        beside: &[Id::MlpRatio],
        rides: Rides::Shape,
        identity: Added(19),
        title: "scale of the residual branches",
        text: "The factor of what a residual layer adds to its input. L is the number of such layers, `depth` - 1; a transformer has one for each attention and each MLP. The column has the number.",
        get: |trial| trial.network.residual().then_some(Float(trial.residual_scale)),
        set: |trial, value| trial.residual_scale = f64::of(value),
        ..PLAIN
    },
    Rezero: Axis {
        name: "rezero",
        kind: Kind::Boolean,
        default: Is(Boolean(false)),
        needs: &[HIDDEN, BRANCHED, RESIDUAL],
        effect: Effect::WithBranches,
        rides: Rides::Shape,
        identity: Added(20),
        title: "rezero",
        text: "Whether each residual layer has a learned scalar that starts at 0 as a further factor of what it adds to its input (ReZero).",
        get: |trial| trial.network.residual().then_some(Boolean(trial.rezero)),
        set: |trial, value| trial.rezero = bool::of(value),
        ..PLAIN
    },
    Parametrization: Axis {
        name: "parametrization",
        kind: one_of(Parametrization::NAMES),
        default: Is(Text("standard")),
        needs: &[BUILT_IN],
        rides: Rides::Shape,
        identity: Added(3),
        title: "parametrization",
        text: "The factor of each layer's product: 1 in standard, 1/sqrt(fan_in) in ntk, the same in mean_field but 1/fan_in in its output layer. ntk and mean_field go with init normal(1.0). In mup (Yang and Hu 2021) the initialization and the learning rates go with the width, too: see below.",
        get: |trial| of_net(trial, Text(trial.parametrization.name())),
        set: |trial, value| trial.parametrization = known(value, Parametrization::from_name),
        ..PLAIN
    },
    BaseWidth: Axis {
        name: "base_width",
        kind: Kind::Integer { min: 1, max: 1_000_000 },
        default: OfTaker(Id::Parametrization, Parametrization::default_number),
        needs: &[
            BUILT_IN,
            HIDDEN,
            Need { axis: Id::Parametrization, test: Test::Taking(Parametrization::TAKES, "base_width") },
        ],
        rides: Rides::Shape,
        identity: Added(24),
        title: "base width (units a layer)",
        text: "The width at which mup is the standard parametrization, and at which `lr` is to be tuned.",
        get: |trial| trial.network.width().and_then(|_| trial.parametrization.number("base_width")),
        set: |trial, value| trial.parametrization.set_number("base_width", value),
        ..PLAIN
    },
    Loss: Axis {
        name: "loss",
        kind: one_of(Loss::NAMES),
        default: OfTask,
        needs: &[BUILT_IN],
        rides: Rides::Shape,
        title: "loss",
        text: "The loss that is trained on, as in PyTorch.",
        get: |trial| of_net(trial, Text(trial.loss.name())),
        set: |trial, value| trial.loss = known(value, Loss::from_name),
        ..PLAIN
    },
    ZLoss: Axis {
        name: "z_loss",
        kind: NOT_NEGATIVE,
        default: Is(Float(0.0)),
        needs: &[BUILT_IN, is(Id::Loss, &["cross_entropy"])],
        rides: Rides::Shape,
        identity: Added(36),
        title: "z-loss",
        text: "The factor of the mean of ln²(Z), which is added to the loss; Z is the sum of exp(logit) over the classes (Chowdhery 2022).",
        get: |trial| (trial.network != Network::Bundle && trial.loss == Loss::CrossEntropy).then_some(Float(trial.z_loss)),
        set: |trial, value| trial.z_loss = f64::of(value),
        ..PLAIN
    },
    Optimizer: Axis {
        name: "optimizer",
        kind: one_of(Optimizer::NAMES),
        default: Is(Text("sgd")),
        rides: Rides::Shape,
        title: "optimizer",
        text: "PyTorch's optimizer of that name, or lion (Chen 2023). Its numbers below have PyTorch's defaults. muon updates the matrices of hidden layers, and adamw the rest: see below.",
        get: |trial| Some(Text(trial.optimizer.name())),
        set: |trial, value| trial.optimizer = known(value, Optimizer::from_name),
        ..UPDATE
    },
    Momentum: of_optimizer!(
        "momentum", NOT_NEGATIVE, "momentum", "The share of the last step in the next one; in muon, of the mean of the gradients before."
    ),
    Nesterov: Axis {
        effect: Effect::WithMomentum,
        beside: &[Id::Momentum],
        merges: Merges::Beside,
        rides: Rides::Shape,
        // Without momentum nesterov has nothing to look ahead with. PyTorch refuses the pair; here
        // nesterov does not apply.
        set: |trial, value| {
            let looks_ahead = bool::of(value) && trial.optimizer.momentum().is_some_and(|momentum| momentum > 0.0);
            trial.optimizer.set_number("nesterov", Boolean(looks_ahead));
        },
        ..of_optimizer!(
            "nesterov", Kind::Boolean, "nesterov", "Whether the optimizer looks ahead; it can only do so with momentum."
        )
    },
    Beta1: Axis {
        also: &["betas"],
        ..of_optimizer!(
            "beta1", BELOW_ONE, "beta1", "The decay of the mean of the gradients; in lion, as the update takes it."
        )
    },
    Beta2: of_optimizer!(
        "beta2", BELOW_ONE, "beta2", "The decay of the mean of the squared gradients; in lion, of the mean of the gradients that is kept."
    ),
    Eps: of_optimizer!(
        "eps", HELD, "eps", "The number that is added to the root by which the update is divided."
    ),
    Alpha: of_optimizer!(
        "alpha", NOT_NEGATIVE, "alpha", "The decay of the mean of the squared gradients."
    ),
    Amsgrad: Axis {
        rides: Rides::Shape,
        identity: Added(10),
        ..of_optimizer!(
            "amsgrad", Kind::Boolean, "amsgrad", "Whether an update is divided by the largest mean of squares so far, and not by the present one."
        )
    },
    MomentumDecay: Axis {
        identity: Added(11),
        ..of_optimizer!(
            "momentum_decay", NOT_NEGATIVE, "momentum decay", "How fast the momentum of nadam rises from beta1/2 to beta1."
        )
    },
    LrDecay: Axis {
        identity: Added(12),
        ..of_optimizer!(
            "lr_decay", NOT_NEGATIVE, "decay of the learning rate", "The learning rate of update t, counted from 0, is divided by 1 + t lr_decay."
        )
    },
    InitialAccumulatorValue: Axis {
        identity: Added(13),
        ..of_optimizer!(
            "initial_accumulator_value", NOT_NEGATIVE, "initial accumulator value", "What the sum of the squared gradients starts from."
        )
    },
    AdjustLrFn: Axis {
        identity: Added(14),
        ..of_optimizer!(
            "adjust_lr_fn", one_of(AdjustLr::NAMES), "adjustment of the learning rate", "The factor of muon's learning rate for a matrix: the root of max(1, outputs/inputs) in original, 0.2 times the root of max(outputs, inputs) in match_rms_adamw."
        )
    },
    Lr: Axis {
        name: "lr",
        kind: RATE,
        title: "learning rate",
        text: "The learning rate. 0 is legal; what the dtype cannot hold (1e39 in float32) is a mistake, as in PyTorch.",
        also: &["learning_rate"],
        get: |trial| Some(Float(trial.lr)),
        set: |trial, value| trial.lr = f64::of(value),
        ..UPDATE
    },
    LrOutput: Axis {
        name: "lr_output",
        kind: RATE,
        default: Follows(Id::Lr),
        needs: &[BUILT_IN],
        identity: Added(5),
        title: "learning rate of the output layer",
        text: "The learning rate of the output layer.",
        get: |trial| of_net(trial, Float(trial.lr_output.unwrap_or(trial.lr))),
        set: |trial, value| trial.lr_output = Some(f64::of(value)).filter(|lr| *lr != trial.lr),
        ..UPDATE
    },
    Schedule: Axis {
        name: "schedule",
        kind: one_of(Schedule::NAMES),
        default: Is(Text("constant")),
        identity: Written(6, |trial| {
            let other = trial.schedule != Schedule::Constant;
            other.then(|| format!("{:?};warmup={:?}", trial.schedule.name(), trial.schedule.warmup()))
        }),
        title: "schedule",
        text: "The factor of both learning rates at each update; docs/spec.md has the formulas.",
        get: |trial| Some(Text(trial.schedule.name())),
        set: |trial, value| trial.schedule = known(value, Schedule::from_name),
        ..UPDATE
    },
    Warmup: Axis {
        default: Required,
        identity: Within(Id::Schedule),
        set: |trial, value| trial.schedule.set_number("warmup", Integer(u64::of(value).max(1))),
        ..of_schedule!(
            "warmup", Kind::Integer { min: 1, max: 1 << 50 }, "warmup (updates)", "The updates until the full rate is reached."
        )
    },
    Cooldown: Axis {
        default: Required,
        identity: Added(15),
        set: |trial, value| trial.schedule.set_number("cooldown", Integer(u64::of(value).max(1))),
        ..of_schedule!(
            "cooldown", Kind::Integer { min: 1, max: 1 << 50 }, "cooldown (updates)", "The updates of the decay at the end."
        )
    },
    Power: Axis {
        identity: Added(16),
        ..of_schedule!(
            "power", NOT_NEGATIVE, "power of the decay", "The power of the share of the updates that is left, with which polynomial decays."
        )
    },
    LrMin: Axis {
        identity: Added(17),
        also: &["eta_min", "min_lr", "min_lr_ratio", "end_factor"],
        ..of_schedule!(
            "lr_min", SHARE, "factor at the end of the decay", "The factor of both learning rates at which a decay ends: 0.1 ends at a tenth of `lr`."
        )
    },
    Clip: Axis {
        name: "clip",
        kind: with_number(Clip::NAMES, Id::ClipThreshold, Clip::RULES),
        default: Is(Text("none")),
        merges: Merges::WithoutThreshold,
        rides: Rides::Clip,
        title: "clip",
        text: "How gradients are clipped: norm is PyTorch's `clip_grad_norm_`, value its `clip_grad_value_`; the others are explained below. update is for adam and adamw.",
        get: |trial| Some(Text(trial.clip.name())),
        set: |trial, value| trial.clip = known(value, Clip::from_name),
        ..UPDATE
    },
    ClipThreshold: Axis {
        name: "clip_threshold",
        kind: THRESHOLD,
        default: Is(Float(f64::INFINITY)),
        needs: &[is(Id::Clip, Clip::RULES)],
        merges: Merges::WithoutThreshold,
        rides: Rides::Clip,
        title: "clip threshold (gradient norm)",
        text: "The number of the rule: the largest norm or value that is left as it is, the percentile of autoclip (at most 100), the deviations of zclip. At inf nothing is clipped, so every rule needs another one, as in `norm(1.0)`.",
        also: &["max_norm"],
        get: |trial| Some(Float(trial.clip.threshold().unwrap_or(f64::INFINITY))),
        set: |trial, value| trial.clip = trial.clip.at(f64::of(value)),
        ..UPDATE
    },
    Skip: Axis {
        name: "skip",
        kind: with_number(Skip::NAMES, Id::SkipThreshold, Skip::RULES),
        default: Is(Text("none")),
        identity: Added(21),
        title: "skip",
        text: "Which updates are skipped: those whose gradient norm is above a number or not finite (norm), or whose loss or gradient norm stands out from the last 128 steps (zscore); see below.",
        get: |trial| Some(Text(trial.skip.name())),
        set: |trial, value| trial.skip = known(value, Skip::from_name),
        ..UPDATE
    },
    SkipThreshold: Axis {
        name: "skip_threshold",
        kind: SKIPPED,
        default: Is(Float(f64::INFINITY)),
        needs: &[is(Id::Skip, Skip::RULES)],
        identity: Added(22),
        title: "skip threshold",
        text: "The largest gradient norm, or the most standard deviations above the mean, at which an update is made.",
        get: |trial| trial.skip.threshold().map(Float),
        set: |trial, value| trial.skip = trial.skip.with(f64::of(value)),
        ..UPDATE
    },
    WeightDecay: Axis {
        name: "weight_decay",
        kind: HELD,
        default: Is(Float(0.0)),
        title: "weight decay",
        text: "The weight decay of the optimizer. It is added to the gradient after the clipping (L2); under adamw, lion and muon it is decoupled.",
        get: |trial| Some(Float(trial.weight_decay)),
        set: |trial, value| trial.weight_decay = f64::of(value),
        ..UPDATE
    },
    WeightDecayMode: Axis {
        identity: Added(18),
        ..of_optimizer!(
            "weight_decay_mode", one_of(DecayMode::NAMES), "weight decay mode", "What each update takes of the weights: the learning rate times the weight decay in decoupled; in independent the weight decay alone, times the factor of the schedule."
        )
    },
    Batch: Axis {
        name: "batch",
        kind: Kind::Integer { min: 1, max: ALL_SAMPLES },
        default: Is(Integer(ALL_SAMPLES)),
        needs: &[BUILT_IN],
        merges: Merges::FromAllSamples,
        rides: Rides::Shape,
        title: "batch (samples an update)",
        text: "The samples of an update. \"all\" is a full batch, which is never shuffled.",
        also: &["batch_size"],
        get: |trial| Some(Integer(trial.batch as u64)),
        set: |trial, value| trial.batch = size(value).min(trial.task.samples),
        ..UPDATE
    },
    Sampling: Axis {
        name: "sampling",
        kind: one_of(Sampling::NAMES),
        default: Is(Text("shuffle")),
        effect: Effect::WithSmallBatch,
        beside: &[Id::Batch],
        merges: Merges::Beside,
        rides: Rides::Shape,
        identity: Added(8),
        title: "sampling",
        text: "How batches that are smaller than the data are drawn: shuffle takes every sample once an epoch, replacement draws each sample independently.",
        get: |trial| (trial.batch < trial.task.samples).then(|| Text(trial.sampling.name())),
        set: |trial, value| {
            if trial.batch < trial.task.samples {
                trial.sampling = known(value, Sampling::from_name);
            }
        },
        ..UPDATE
    },
    Accumulate: Axis {
        name: "accumulate",
        kind: Kind::Integer { min: 1, max: 1 << 50 },
        default: Is(Integer(1)),
        effect: Effect::WithSmallBatch,
        beside: &[Id::Batch],
        merges: Merges::Beside,
        rides: Rides::Shape,
        identity: Added(23),
        title: "accumulate (batches an update)",
        text: "The batches of an update, whose gradients are averaged; at most those of an epoch. See below.",
        also: &["gradient_accumulation_steps", "accumulation_steps"],
        get: |trial| Some(Integer(trial.accumulate as u64)),
        set: |trial, value| trial.accumulate = u64::of(value).min(trial.batches_per_epoch()) as usize,
        ..UPDATE
    },
    SequenceLength: Axis {
        name: "sequence_length",
        kind: Kind::Integer { min: 1, max: 10_000_000 },
        needs: &[SEQUENTIAL],
        rides: Rides::Shape,
        title: "sequence length (time steps)",
        text: "The time steps of a sequence, which are the tokens of a transformer.",
        also: &["seq_len"],
        get: |trial| trial.network.sequence_length().map(|length| Integer(length as u64)),
        set: |trial, value| match &mut trial.network {
            Network::Rnn { sequence_length, .. }
            | Network::Gated { sequence_length, .. }
            | Network::Transformer(Transformer { sequence_length, .. }) => *sequence_length = size(value),
            Network::Linear | Network::Mlp { .. } | Network::Bundle => panic!("this network reads no sequences"),
        },
        ..PLAIN
    },
    Dtype: Axis {
        name: "dtype",
        kind: one_of(Dtype::NAMES),
        default: Is(Text("float32")),
        needs: &[BUILT_IN],
        rides: Rides::Shape,
        title: "dtype",
        text: "The type of the weights, activations, gradients and optimizer states alike; `precision` departs from that. The 16-bit ones are emulated, so they are no faster. Denormals are flushed to zero, see below.",
        get: |trial| Some(Text(trial.numerics.dtype().name())),
        set: |trial, value| trial.numerics = Numerics::Uniform(known(value, Dtype::from_name)),
        ..PLAIN
    },
    Precision: Axis {
        name: "precision",
        kind: one_of(Numerics::PRECISIONS),
        default: Is(Text("float32")),
        needs: &[BUILT_IN, SINGLE],
        rides: Rides::Shape,
        identity: Added(25),
        title: "precision",
        text: "Which numbers have 16 bits beside float32: amp_float16 and amp_bfloat16 are `torch.autocast`, bfloat16_master trains bfloat16 copies of float32 weights, bfloat16_stochastic rounds updates of bfloat16 weights at random; see below.",
        get: |trial| of_net(trial, Text(trial.numerics.precision()?)),
        set: |trial, value| {
            if let Some(mixed) = Mixed::from_name(text(value)) {
                trial.numerics = Numerics::Mixed(mixed, LossScale::ONE);
            }
        },
        ..PLAIN
    },
    LossScale: Axis {
        name: "loss_scale",
        kind: LOSS_SCALE,
        default: Is(Float(1.0)),
        needs: &[BUILT_IN, SINGLE, MIXED],
        beside: &[Id::GrowthInterval],
        identity: Added(26),
        title: "loss scale",
        text: "What the loss is multiplied with before the backward pass; the gradients are divided by it. \"dynamic\" is PyTorch's `GradScaler`, which begins at 65536, and the column then has that number.",
        get: |trial| trial.numerics.loss_scale().map(|scale| Float(scale.first())),
        set: |trial, value| {
            trial.numerics.set_loss_scale(match value {
                Text(_) => LossScale::Dynamic { growth_interval: LossScale::GROWTH_INTERVAL },
                number @ (Integer(_) | Float(_) | Boolean(_)) => LossScale::Fixed(f64::of(number)),
            });
        },
        ..UPDATE
    },
    GrowthInterval: Axis {
        name: "growth_interval",
        kind: Kind::Integer { min: 1, max: 1 << 50 },
        default: Is(Integer(LossScale::GROWTH_INTERVAL)),
        needs: &[BUILT_IN, SINGLE, MIXED, is(Id::LossScale, &[LossScale::DYNAMIC])],
        // A dynamic scale is told from a fixed one by this axis alone.
        identity: Written(27, |trial| Some(trial.numerics.loss_scale()?.growth_interval()?.to_string())),
        title: "growth interval of the loss scale (steps)",
        text: "The steps in a row with finite gradients after which a dynamic loss scale is doubled. The column is empty where the scale is a fixed number.",
        get: |trial| trial.numerics.loss_scale()?.growth_interval().map(Integer),
        set: |trial, value| trial.numerics.set_loss_scale(LossScale::Dynamic { growth_interval: u64::of(value) }),
        ..UPDATE
    },
    Seed: Axis {
        name: "seed",
        kind: SEED,
        rides: Rides::Seed,
        identity: Last,
        title: "seed",
        text: "The seed of the weights, of the order of the samples and of all else that is drawn. It is written as `seeds`, at the top of the spec or in a block: how many there are (42 is 42 seeds, 0 to 41), or a list (`[42]` is the one seed 42).",
        get: |trial| Some(Integer(trial.seed)),
        set: |trial, value| trial.seed = u64::of(value),
        ..PLAIN
    },
    DataSeed: Axis {
        name: "data_seed",
        kind: SEED,
        default: Follows(Id::Seed),
        needs: &[BUILT_IN],
        effect: Effect::WithDrawnData,
        identity: Added(9),
        title: "data seed",
        text: "The seed of the data, for the tasks that draw them.",
        get: |trial| of_net(trial, Integer(trial.data_seed())),
        set: |trial, value| trial.data_seed = Some(u64::of(value)),
        ..PLAIN
    },
}

/// The initializer of the recurrent matrices of a recurrent net.
fn recurrent(trial: &Trial) -> Option<Init> {
    trial.network.recurrent_steps().map(|_| trial.recurrent_init.unwrap_or(trial.init))
}

/// Sets the initializer of the recurrent matrices. Where it equals `init`, its default, the field
/// stays `None`.
fn set_recurrent(trial: &mut Trial, kind: InitKind, scale: f64) {
    let recurrent = Init { kind, scale, offset: 0.0 };
    trial.recurrent_init = (recurrent != Init { offset: 0.0, ..trial.init }).then_some(recurrent);
}
