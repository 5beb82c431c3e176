//! Published results on attention that no sweep can express, as in `literature`.

use crate::literature::{drawn, pass, row};
use crate::trials::{self, with_transformer};
use blowup_core::trial::*;
use blowup_core::verdict::Tensor as Site;
use blowup_engine::draw::{Purpose, Stream};
use blowup_engine::fused;
use blowup_engine::matrix::Matrix;
use tch::{Kind, Tensor};

/// A transformer of width 64 over 16 tokens of noise, without biases.
fn wide(init: InitKind, scale: f64, change: impl FnOnce(&mut Transformer)) -> Trial {
    let sized = with_transformer(&trials::transformer(), |of| {
        (of.width, of.heads, of.sequence_length, of.mlp_ratio) = (64, 4, 16, Exact(4.0));
        (of.activation, of.position, of.attention) = (Activation::Relu, Position::None, Attention::Full);
        of.attention_scale = Exact(0.25);
    });
    let mut trial = with_transformer(&sized, change);
    (trial.init, trial.bias) = (Init { kind: init, scale, offset: 0.0 }, Bias::None);
    (trial.task.inputs, trial.task.outputs, trial.task.samples, trial.batch) = (64, 16, 16, 16);
    trial
}

/// The slope of the least squares line through the points.
fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let along: f64 = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum();
    along / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>()
}

/// The slope of ln|dLoss/dW2| of the last MLP in ln L at the initialization, for L = 16 to 64.
fn slope_of_the_last_gradient(seeds: u64, change: impl Fn(&mut Transformer)) -> f64 {
    let mut points = Vec::new();
    for depth in [16, 32, 64] {
        let mut gradient = 0.0;
        for seed in 0..seeds {
            let trial = wide(InitKind::Xavier, 1.0, |of| {
                of.depth = depth;
                change(of);
            });
            let trial = Trial { seed, ..trial };
            let (_, gradients) = pass(&trial, &drawn(&trial));
            // The second matrix of the last MLP stands before the output layer.
            let last = &gradients.layers[gradients.layers.len() - 2].weight;
            gradient += last.norm().double_value(&[]).ln() / seeds as f64;
        }
        points.push(((depth as f64).ln(), gradient));
    }
    slope(&points)
}

#[test]
fn the_last_gradient_falls_with_the_root_of_the_depth_where_norms_stand_before() {
    let source = "Xiong et al. 2020, arXiv 2002.04745, theorem 1";
    let what = "slope of ln|dLoss/dW2| of the last MLP in ln L, L = 16 to 64";
    // The gradient goes back through the last norm, which divides it by the size of the stream. Of
    // one token the square of that grows as L; of many it grows faster, since they become alike.
    let pre = slope_of_the_last_gradient(16, |of| of.sequence_length = 1);
    row(&format!("C2: pre norm, one token: {what}"), source, -0.5, 0.1, pre);
    // Where every sum is normalized, the last gradient does not go by what stands below.
    let post = slope_of_the_last_gradient(12, |of| of.norm = BlockNorm::Layer(Placement::Post));
    row(&format!("C2: post norm, 16 tokens: {what}"), source, 0.0, 0.15, post);
}

#[test]
fn logits_grow_with_the_square_of_the_scale_unless_queries_and_keys_are_normalized() {
    let source = "Dehghani et al. 2023, arXiv 2302.05442; Wortsman et al. 2023, arXiv 2309.14322";
    for scale in [1.0, 4.0, 16.0] {
        for qk_norm in [false, true] {
            let (mut squares, mut count, mut largest) = (0.0, 0.0, 0.0f64);
            for seed in 0..4 {
                let trial = wide(InitKind::Lecun, scale, |of| {
                    (of.depth, of.heads, of.qk_norm, of.attention_scale) = (1, 1, qk_norm, Exact(0.125));
                });
                let trial = Trial { seed, ..trial };
                let (net, _) = pass(&trial, &drawn(&trial));
                let parts = net.parts();
                let logits = &parts.iter().find(|part| part.tensor == Site::AttentionLogits).unwrap().values;
                squares += logits.square().sum(None::<Kind>).double_value(&[]);
                count += logits.numel() as f64;
                largest = largest.max(logits.abs().max().double_value(&[]));
            }
            let (deviation, normed) = ((squares / count).sqrt(), if qk_norm { ", QK norm" } else { "" });
            let result = format!("C9: Wq and Wk scaled by {scale}{normed}, d = 64: standard deviation of the logits");
            match qk_norm {
                false => row(&result, source, scale * scale, 0.1 * scale * scale, deviation),
                true => {
                    row(&result, source, 1.0, 0.05, deviation);
                    assert!(largest <= 8.0, "{largest} is above the root of d");
                }
            }
        }
    }
}

#[test]
fn the_entropy_of_attention_over_gaussian_logits_falls_by_half_their_variance() {
    let source = "Zhai et al. 2023, arXiv 2303.06296; the random energy model";
    const TOKENS: usize = 20_000;
    for (deviation, tolerance) in [(0.5, 0.01), (1.0, 0.01), (2.0, 0.01)] {
        let values: Vec<f32> = Stream::new(0, Purpose::Data, 0).normal_singles(4 * TOKENS);
        let logits = Matrix::of(Tensor::from_slice(&values).view([1, 4, TOKENS as i64]) * deviation);
        let weights = Matrix::of(logits.zeros_like());
        let mut measured = [0.0f32; 8];
        fused::softmax(&logits, false, &weights, &mut measured);
        let mean = measured.iter().skip(1).step_by(2).map(|entropy| f64::from(*entropy) / 4.0).sum::<f64>();
        let expected = (TOKENS as f64).ln() - f64::powi(deviation, 2) / 2.0;
        let result = format!("C10: {TOKENS} Gaussian logits of deviation {deviation}: entropy, ln T - s^2/2");
        row(&result, source, expected, tolerance * expected, mean);
    }
}
