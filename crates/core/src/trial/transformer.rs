//! Transformers: blocks of attention and an MLP over the tokens of a sequence.

use super::choice::named;
use super::{Activation, Exact};
use serde::{Deserialize, Serialize};

/// A transformer with its sizes. A token is a time step of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Transformer {
    /// The number of blocks.
    pub depth: usize,
    /// The numbers of a token in the residual stream.
    pub width: usize,
    /// The heads of an attention, which share the width evenly.
    pub heads: usize,
    pub sequence_length: usize,
    pub attention: Attention,
    /// The activation of the MLPs.
    pub activation: Activation,
    pub norm: BlockNorm,
    /// Whether attention and MLP add their input to their output.
    pub residual: bool,
    /// Whether the queries and the keys of each head are normalized to a root mean square of 1,
    /// times a learned scale.
    pub qk_norm: bool,
    /// The number c of c tanh(logit / c); infinite where logits are not capped.
    pub logit_softcap: Exact,
    /// The factor of the product of a query and a key.
    pub attention_scale: Exact,
    /// The hidden units of an MLP, as a multiple of the width. At 0 the blocks have no MLP.
    pub mlp_ratio: Exact,
    pub position: Position,
    /// Whether the output layer multiplies with the transposed embedding.
    pub tied: bool,
}

named! {
    /// Which tokens a token attends to.
    Attention {
        /// Itself and the tokens before it.
        Causal = "causal",
        /// Every token.
        Full = "full",
    }
}

named! {
    /// How a token's place in the sequence enters.
    Position {
        /// A learned vector for each place is added to the embedding.
        Learned = "learned",
        None = "none",
        /// Queries and keys are rotated by angles that grow with the place (RoPE, Su 2021).
        Rope = "rope",
    }
}

named! {
    /// The place of the norms of a block, relative to attention and MLP.
    Placement {
        /// Before each of them, inside the residual branch; one more norm stands before the output
        /// layer.
        Pre = "pre",
        /// Behind each residual sum, as in Vaswani 2017.
        Post = "post",
        /// Before and behind each of them, inside the residual branch; one more norm stands before
        /// the output layer.
        Sandwich = "sandwich",
        /// As `Post`, with more weight on the input of each residual branch and smaller initial
        /// matrices within it (DeepNorm, Wang 2022, arXiv 2203.00555).
        Deepnorm = "deepnorm",
    }
}

/// The norms of a transformer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum BlockNorm {
    None,
    Layer(Placement),
    Rms(Placement),
}

impl BlockNorm {
    pub const NAMES: &'static [&'static str] = &["none", "layer", "rms"];

    pub fn name(self) -> &'static str {
        match self {
            BlockNorm::None => "none",
            BlockNorm::Layer(_) => "layer",
            BlockNorm::Rms(_) => "rms",
        }
    }

    /// The norm of this name, before attention and MLP.
    pub fn from_name(text: &str) -> Option<BlockNorm> {
        Some(match text {
            "none" => BlockNorm::None,
            "layer" => BlockNorm::Layer(Placement::Pre),
            "rms" => BlockNorm::Rms(Placement::Pre),
            _ => return None,
        })
    }

    /// The place of the norms, if there are any.
    pub fn placement(self) -> Option<Placement> {
        match self {
            BlockNorm::None => None,
            BlockNorm::Layer(placement) | BlockNorm::Rms(placement) => Some(placement),
        }
    }

    /// The same norm at another place.
    pub fn at(self, placement: Placement) -> BlockNorm {
        match self {
            BlockNorm::None => BlockNorm::None,
            BlockNorm::Layer(_) => BlockNorm::Layer(placement),
            BlockNorm::Rms(_) => BlockNorm::Rms(placement),
        }
    }

    /// Whether a norm stands before attention and MLP.
    pub fn is_before(self) -> bool {
        match self.placement() {
            Some(Placement::Pre | Placement::Sandwich) => true,
            Some(Placement::Post | Placement::Deepnorm) | None => false,
        }
    }

    /// Whether a norm stands behind attention and MLP, within the branch or behind the sum.
    pub fn is_behind(self) -> bool {
        match self.placement() {
            Some(Placement::Post | Placement::Sandwich | Placement::Deepnorm) => true,
            Some(Placement::Pre) | None => false,
        }
    }

    /// Whether the norms behind attention and MLP stand behind the residual sum.
    pub fn is_behind_sum(self) -> bool {
        match self.placement() {
            Some(Placement::Post | Placement::Deepnorm) => true,
            Some(Placement::Pre | Placement::Sandwich) | None => false,
        }
    }
}

/// The numbers of DeepNorm, for the depth of a transformer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Deepnorm {
    /// The factor of the input of a residual branch, in its sum with what the branch computes.
    pub input: f64,
    /// The factor of the initial matrices of values, of the projection behind the heads and of the
    /// MLP.
    pub start: f64,
}

/// Why a transformer cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// The heads do not share the width evenly.
    Heads,
    /// RoPE rotates pairs of numbers, and the width of a head is odd.
    OddHead,
}

impl Transformer {
    /// A transformer whose sizes are not set yet.
    pub fn unset() -> Transformer {
        Transformer {
            depth: 1,
            width: 1,
            heads: 1,
            sequence_length: 1,
            attention: Attention::Causal,
            activation: Activation::Linear,
            norm: BlockNorm::None,
            residual: true,
            qk_norm: false,
            logit_softcap: Exact(f64::INFINITY),
            attention_scale: Exact(1.0),
            mlp_ratio: Exact(0.0),
            position: Position::None,
            tied: false,
        }
    }

    /// The width of a head.
    pub fn head_width(&self) -> usize {
        self.width / self.heads
    }

    /// The hidden units of an MLP. It is 0 where blocks have none.
    pub fn hidden(&self) -> usize {
        if self.has_mlp() { ((self.mlp_ratio.0 * self.width as f64).round() as usize).max(1) } else { 0 }
    }

    /// Whether the blocks have an MLP.
    pub fn has_mlp(&self) -> bool {
        self.mlp_ratio.0 > 0.0
    }

    /// The residual branches of all blocks.
    pub fn branches(&self) -> usize {
        self.depth * if self.has_mlp() { 2 } else { 1 }
    }

    /// The numbers of DeepNorm, if the norms are placed so. With L blocks of attention and MLP, the
    /// publication has (2L)^(1/4) for the input and (8L)^(-1/4) for the start. Here 2L is the
    /// number of residual branches, since its theorem sums over these.
    pub fn deepnorm(&self) -> Option<Deepnorm> {
        let branches = self.branches() as f64;
        let numbers = Deepnorm { input: branches.powf(0.25), start: (4.0 * branches).powf(-0.25) };
        (self.norm.placement() == Some(Placement::Deepnorm)).then_some(numbers)
    }

    /// What does not fit together in it.
    pub fn misfit(&self) -> Option<Misfit> {
        if !self.width.is_multiple_of(self.heads) {
            Some(Misfit::Heads)
        } else if self.position == Position::Rope && !self.head_width().is_multiple_of(2) {
            Some(Misfit::OddHead)
        } else {
            None
        }
    }
}
