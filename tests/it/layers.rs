//! `layers.csv` is compared with laws that are exact, and with the global norms, which are measured
//! another way.

use crate::training::{scalar, train};
use crate::trials;
use blowup_core::trial::*;
use blowup_core::verdict::LayerRow;

/// Linear layers with orthogonal weights of this gain, in f64 and without biases.
fn orthogonal(trial: Trial, gain: f64) -> Trial {
    let init = Init { kind: InitKind::Orthogonal, scale: gain, offset: 0.0 };
    trials::with(&Trial { init, bias: Bias::None, ..trial }, Activation::Linear, Norm::None)
}

fn rows(trial: &Trial) -> Vec<LayerRow> {
    train(std::slice::from_ref(trial)).remove(0).layers
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * b.abs()
}

#[test]
fn orthogonal_layers_scale_signals_and_activations_by_their_gain() {
    let mut trial = orthogonal(trials::mlp(), 1.1);
    let Network::Mlp { depth, .. } = &mut trial.network else { unreachable!() };
    *depth = 6;
    let rows = rows(&trial);
    let start: Vec<&LayerRow> = rows.iter().filter(|row| row.epoch == 0).collect();
    assert_eq!(
        start.iter().map(|row| (row.layer, row.time)).collect::<Vec<_>>(),
        Vec::from_iter((1..=7).map(|l| (l, None)))
    );
    for (lower, upper) in start[..6].iter().zip(&start[1..6]) {
        assert!(close(upper.activation_rms / lower.activation_rms, 1.1));
        assert!(close(lower.backprop_norm / upper.backprop_norm, 1.1));
    }
    // The weights have 5 orthonormal columns times 1.1.
    assert!(close(start[3].weight_norm, 1.1 * 5f64.sqrt()));
}

#[test]
fn recurrent_layers_have_a_row_per_time_step() {
    let mut trial = orthogonal(trials::rnn(), 0.9);
    let Network::Rnn { depth, .. } = &mut trial.network else { unreachable!() };
    *depth = 1;
    let rows = rows(&trial);
    let start: Vec<&LayerRow> = rows.iter().filter(|row| row.epoch == 0).collect();
    let places: Vec<_> = start.iter().map(|row| (row.layer, row.time)).collect();
    assert_eq!(places, [(1, Some(1)), (1, Some(2)), (1, Some(3)), (1, Some(4)), (1, Some(5)), (2, None)]);
    for (earlier, later) in start[..5].iter().zip(&start[1..5]) {
        assert!(close(earlier.backprop_norm / later.backprop_norm, 0.9));
    }
}

#[test]
fn norms_of_the_layers_add_up_to_the_global_norms() {
    for trial in [trials::mlp(), trials::rnn()].map(|trial| Trial { bias: Bias::None, batch: 3, ..trial }) {
        let finished = train(std::slice::from_ref(&trial)).remove(0);
        let epochs: Vec<u64> = finished.epochs.iter().map(|row| row.epoch).collect();
        assert_eq!(epochs, [0, 1, 2, 3]);
        for (epoch, row) in finished.epochs.iter().enumerate() {
            // Each time step of a layer has the layer's norms, so one of them is enough.
            let mut layers: Vec<&LayerRow> = finished.layers.iter().filter(|r| r.epoch == epoch as u64).collect();
            layers.dedup_by_key(|row| row.layer);
            let total = |norm: fn(&LayerRow) -> f64| layers.iter().map(|r| norm(r).powi(2)).sum::<f64>().sqrt();
            assert!(close(total(|r| r.weight_norm), row.weight_norm.unwrap()), "{epoch}");
            if epoch == 0 {
                assert!(close(total(|r| r.weight_grad_norm), finished.measured.grad_norm_initial.unwrap()));
            }
        }
    }
}

#[test]
fn norms_beyond_the_range_of_squares_are_exact() {
    let mut trial = orthogonal(trials::mlp(), 1e-60);
    let Network::Mlp { depth, .. } = &mut trial.network else { unreachable!() };
    *depth = 4;
    let finished = train(std::slice::from_ref(&trial)).remove(0);
    assert!(close(finished.measured.backprop_ratio.unwrap(), 1e-120));
    assert!(close(finished.measured.activation_ratio.unwrap(), 1e-120));
}

/// The output of one weight w on the input 1 is w, which every update of gradient descent on w^2
/// multiplies by 1 - 2 lr.
#[test]
fn the_change_of_an_activation_is_that_since_epoch_0() {
    let lr = 0.1;
    let trial = Trial { budget: Budget::Steps(20), numerics: Numerics::Uniform(Dtype::Float64), ..scalar(lr) };
    for row in rows(&trial) {
        let expected = 1.0 - (1.0 - 2.0 * lr).powi(row.epoch as i32);
        let change = row.activation_change.unwrap();
        assert!((change - expected).abs() < 1e-12, "epoch {}: {change} for {expected}", row.epoch);
    }
}

#[test]
fn an_activation_has_a_change_only_where_every_pass_is_over_the_same_samples() {
    let fresh = Task { kind: TaskKind::FreshNoise, ..trials::mlp().task };
    for (trial, has) in [
        (trials::mlp(), true),
        (trials::rnn(), true),
        (Trial { batch: 3, ..trials::mlp() }, false),
        (Trial { task: fresh, ..trials::mlp() }, false),
    ] {
        let rows = rows(&trial);
        assert!(rows.iter().all(|row| row.activation_change.is_some() == has), "{trial:?}");
        assert!(rows.iter().filter(|row| row.epoch == 0).all(|row| row.activation_change.is_none_or(|x| x == 0.0)));
        assert!(rows.iter().filter(|row| row.epoch > 0).all(|row| row.activation_change.is_none_or(|x| x > 0.0)));
    }
}
