//! Transformers: their bits do not depend on their neighbours, the first tensor that is not finite
//! is found, and what is measured of attention is compared with closed forms. That they compute
//! what autograd says is tested in `sharpness`, for every option.

use crate::gradients::{Model, close, model};
use crate::training::{check_bits, train};
use crate::trials::{self, with_transformer};
use blowup_core::text::BUILT_IN;
use blowup_core::trial::*;
use blowup_core::verdict::{Finished, Tensor as Site};
use blowup_engine::network;
use blowup_engine::weights::{self, Role};
use tch::{Kind, Tensor};

fn run(trial: Trial) -> Finished {
    train(&[trial]).remove(0)
}

#[test]
fn a_transformer_has_the_same_bits_whatever_its_neighbours() {
    for trial in trials::transformers() {
        check_bits(&Trial { numerics: Numerics::Uniform(Dtype::Float32), batch: 3, ..trial });
    }
    for dtype in [Dtype::Float64, Dtype::Bfloat16, Dtype::Float16] {
        for trial in [trials::transformer(), trials::text()] {
            for activation in [Activation::Gelu, Activation::Relu, Activation::Sigmoid] {
                let trial = with_transformer(&trial, |of| {
                    (of.activation, of.qk_norm, of.position) = (activation, true, Position::Rope);
                });
                check_bits(&Trial { numerics: Numerics::Uniform(dtype), batch: 3, ..trial });
            }
        }
    }
}

#[test]
fn the_fused_softmax_of_f32_is_that_of_f64() {
    for attention in Attention::ALL.iter().copied() {
        for tokens in [1, 2, 16, 17, 40] {
            let double = with_transformer(&trials::text(), |of| {
                (of.attention, of.sequence_length, of.attention_scale) = (attention, tokens, Exact(3.0));
            });
            let single = Trial { numerics: Numerics::Uniform(Dtype::Float32), ..double.clone() };
            let [single, double] = [single, double].map(|trial| run(trial).measured);
            let near = |what: &str, a: Option<f64>, b: Option<f64>| {
                let (a, b) = (a.unwrap(), b.unwrap());
                assert!((a - b).abs() <= 2e-5 * b.abs().max(0.1), "{attention:?} {tokens} {what}: {a} and {b}");
            };
            near("loss", single.loss_final, double.loss_final);
            near("gradient", single.grad_norm_max, double.grad_norm_max);
            near("logit", single.attention_logit_max, double.attention_logit_max);
            near("entropy", single.attention_entropy_min, double.attention_entropy_min);
        }
    }
}

#[test]
fn uniform_attention_has_the_entropy_of_its_tokens_and_logits_of_0() {
    for dtype in [Dtype::Float32, Dtype::Float64] {
        for (attention, entropy) in
            [(Attention::Full, 5f64.ln()), (Attention::Causal, (1..=5).map(|n| f64::from(n).ln()).sum::<f64>() / 5.0)]
        {
            let uniform = with_transformer(&trials::transformer(), |of| {
                (of.attention, of.attention_scale) = (attention, Exact(0.0));
            });
            let Finished { measured, layers, .. } =
                run(Trial { numerics: Numerics::Uniform(dtype), lr: 0.0, ..uniform });
            let tolerance = if dtype == Dtype::Float64 { 1e-12 } else { 1e-6 };
            assert_eq!(measured.attention_logit_max, Some(0.0));
            assert!((measured.attention_entropy_min.unwrap() - entropy).abs() < tolerance, "{measured:?}");
            for row in layers {
                let in_block = (1..=2).contains(&row.layer);
                assert_eq!(row.attention_logit_max.is_some() && row.attention_entropy_min.is_some(), in_block);
                assert_eq!(row.token_similarity.is_some(), row.layer < 3);
            }
        }
    }
}

/// The output of a network `[lane, rows, outputs]` with these weights.
fn output(model: &Model) -> Tensor {
    let mut network = network::new(&model.trial.shape(), 3, model.batch.samples as i64, Kind::Double);
    network.forward(&model.weights, &model.batch.inputs);
    network.output().copy()
}

#[test]
fn uniform_attention_is_the_running_mean_of_the_tokens() {
    blowup_engine::start();
    let bare = with_transformer(&trials::transformer(), |of| {
        (of.depth, of.width, of.heads, of.mlp_ratio) = (1, 4, 2, Exact(0.0));
        (of.norm, of.residual, of.position) = (BlockNorm::None, false, Position::None);
        of.attention_scale = Exact(0.0);
    });
    let mut trial = Trial { bias: Bias::None, ..bare };
    (trial.task.inputs, trial.task.outputs) = (4, 4);
    let model = model(&trial);
    for layer in &model.weights.layers {
        // The last columns of queries, keys and values are the values.
        let (identity, columns) = (Tensor::eye(4, (Kind::Double, tch::Device::Cpu)), layer.weight.size()[2]);
        layer.weight.narrow(2, columns - 4, 4).copy_(&identity.expand([3, 4, 4], false));
    }
    // The last token attends to all, so it is the mean over all of them.
    let mean = model.batch.inputs.mean_dim([0i64].as_slice(), false, None::<Kind>);
    close(&output(&model), &mean, "the mean of all tokens");
}

#[test]
fn a_causal_token_does_not_see_later_ones_and_rope_sees_distances_alone() {
    blowup_engine::start();
    let text = with_transformer(&trials::text(), |of| of.position = Position::Rope);
    for causal in [true, false] {
        let attention = if causal { Attention::Causal } else { Attention::Full };
        let model = model(&with_transformer(&text, |of| of.attention = attention));
        let before = output(&model);
        // The last token of every sample becomes another one.
        let mut last = model.batch.inputs.select(0, -1);
        let other = last.roll([1i64].as_slice(), [2i64].as_slice());
        last.copy_(&other);
        let changed = (output(&model) - &before).abs().view([3, 7, 5, -1]).amax([0i64, 1, 3].as_slice(), false);
        let changed = weights::host(&changed);
        assert!(changed[4] > 0.0 && changed[..4].iter().all(|x| (*x > 0.0) != causal), "{changed:?}");
    }
}

#[test]
fn the_embedding_and_the_end_of_each_branch_start_at_their_scales() {
    blowup_engine::start();
    // Powers of two, so that every product is exact.
    let (of_embedding, of_branches) = (4.0, 0.25);
    for trial in trials::transformers() {
        let plain = Trial { embedding_init_scale: 1.0, residual_init_scale: 1.0, ..trial };
        let other = Trial { embedding_init_scale: of_embedding, residual_init_scale: of_branches, ..plain.clone() };
        // They are lanes of one cohort, and share their draws.
        let weights = trials::weights(&[&plain, &other], 0, Kind::Double);
        let output = weights.layers.len() - 1;
        for (group, tensor) in weights.layout.iter().zip(&weights.groups) {
            for (place, layer) in group.layers().enumerate() {
                let factor = match (group.role, layer) {
                    (Role::Weight | Role::Position, 0) => of_embedding,
                    // The projection behind the heads, and the second matrix of the MLP.
                    (Role::Weight | Role::Bias, 2 | 4 | 6 | 8) if layer < output => of_branches,
                    _ => 1.0,
                };
                let lane = |at| weights::host(&tensor.select(0, place as i64).select(0, at));
                let expected: Vec<f64> = lane(0).iter().map(|x| x * factor).collect();
                assert_eq!(lane(1), expected, "{:?} of layer {layer} in {:?}", group.role, plain.network);
            }
        }
    }
}

#[test]
fn a_branch_that_starts_smaller_computes_at_first_what_a_smaller_residual_scale_does() {
    for norm in [BlockNorm::None, BlockNorm::Layer(Placement::Pre), BlockNorm::Layer(Placement::Post)] {
        let plain = with_transformer(&trials::text(), |of| of.norm = norm);
        let start = run(Trial { residual_init_scale: 0.25, ..plain.clone() }).measured;
        let scale = run(Trial { residual_scale: 0.25, ..plain.clone() }).measured;
        assert_eq!(start.loss_initial, scale.loss_initial, "{norm:?}");
        assert_ne!(start.loss_final, scale.loss_final, "{norm:?}");
        assert_ne!(start.loss_initial, run(plain).measured.loss_initial, "{norm:?}");
    }
}

#[test]
fn branches_that_start_at_0_hand_on_the_embedding_and_learn() {
    let trial = Trial { residual_init_scale: 0.0, ..trials::text() };
    let Finished { measured, layers, .. } = run(trial);
    let rms = |epoch: u64, layer: usize| {
        layers.iter().find(|row| row.epoch == epoch && row.layer == layer).unwrap().activation_rms
    };
    assert!(rms(0, 0) > 0.0);
    assert_eq!([rms(0, 1), rms(0, 2)], [rms(0, 0); 2]);
    assert_ne!(rms(3, 1), rms(3, 0));
    assert!(measured.loss_final < measured.loss_initial, "{measured:?}");
}

#[test]
fn the_first_tensor_that_is_not_finite_is_found_with_its_block_and_head() {
    let found = |change: &dyn Fn(&mut Transformer), trial: &dyn Fn(&mut Trial)| {
        let mut all = with_transformer(&trials::transformer(), change);
        (all.numerics, all.init.kind) = (Numerics::Uniform(Dtype::Float32), InitKind::Orthogonal);
        trial(&mut all);
        let site = run(all).measured.site.unwrap();
        (site.tensor, site.layer, site.head)
    };
    let as_it_is: &dyn Fn(&mut Trial) = &|_| {};
    // Normalized queries and keys are near 1, and the product of 8 of them with 1e38 is not held.
    let steep = |of: &mut Transformer| (of.heads, of.qk_norm, of.attention_scale) = (1, true, Exact(1e38));
    assert_eq!(found(&steep, as_it_is), (Site::AttentionLogits, Some(1), Some(1)));
    // The square of 1e25 is not held, and nothing normalizes it.
    let bare = |of: &mut Transformer| of.norm = BlockNorm::None;
    assert_eq!(found(&bare, &|trial| trial.init.scale = 1e25).0, Site::Query);
    // Where a norm stands before every matrix but the embedding, the first square is within a norm.
    let scaled = |of: &mut Transformer| of.position = Position::None;
    assert_eq!(found(&scaled, &|trial| trial.init.scale = 1e25), (Site::Norm, Some(1), None));
    // A residual branch is near 1, and ten times 1e38 is not held.
    let wide = |trial: &mut Trial| (trial.residual_scale, trial.init.scale) = (1e38, 30.0);
    assert_eq!(found(&|_| {}, &wide), (Site::Residual, Some(1), None));
    // The same in the MLP of the second block, whose hidden units are squared by nothing before.
    let linear = |of: &mut Transformer| (of.activation, of.norm, of.depth) = (Activation::Linear, BlockNorm::None, 1);
    assert_eq!(found(&linear, &|trial| trial.init.scale = 1e10).1, Some(1));
}

#[test]
fn tokens_that_are_alike_have_a_similarity_of_1() {
    let alike = with_transformer(&trials::transformer(), |of| of.position = Position::None);
    let mut trial = Trial { lr: 0.0, ..alike };
    // Inputs of 0 are alike, and so is everything that a network makes of them with its biases.
    trial.task.input_std = 0.0;
    let rows = run(trial).layers;
    let blocks = rows.iter().filter(|row| row.layer == 1 || row.layer == 2);
    blocks.for_each(|row| assert!((row.token_similarity.unwrap() - 1.0).abs() < 1e-12, "{row:?}"));
}

#[test]
fn a_text_is_learned_and_its_best_constant_is_the_entropy_of_its_characters() {
    let mut trial = Trial {
        lr: 3e-3,
        optimizer: trials::ADAMW,
        budget: Budget::Steps(200),
        init: Init { kind: InitKind::Pytorch, scale: 1.0, offset: 0.0 },
        numerics: Numerics::Uniform(Dtype::Float32),
        batch: 16,
        ..with_transformer(&trials::text(), |of| (of.width, of.sequence_length, of.mlp_ratio) = (32, 16, Exact(4.0)))
    };
    trial.task.samples = 128;
    let measured = run(trial.clone()).measured;
    let windows: Vec<&[u16]> = BUILT_IN.windows(16, 128).collect();
    let mut counts = vec![0.0; BUILT_IN.symbols];
    windows.iter().for_each(|window| window[1..].iter().for_each(|&symbol| counts[usize::from(symbol)] += 1.0));
    let shares = counts.iter().map(|count: &f64| count / (16.0 * 128.0)).filter(|share| *share > 0.0);
    let entropy: f64 = shares.map(|share| -share * share.ln()).sum();
    assert!((measured.loss_trivial.unwrap() - entropy).abs() < 1e-12, "{measured:?}");
    assert!((measured.loss_initial.unwrap() - (BUILT_IN.symbols as f64).ln()).abs() < 0.3, "{measured:?}");
    assert!(measured.loss_final.unwrap() < 0.8 * entropy, "{measured:?}");
}
