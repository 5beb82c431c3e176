//! Trajectories go in, outcomes come out.

use blowup_core::verdict::*;

fn beginning(loss_initial: f64) -> Beginning {
    Beginning {
        loss_initial: Some(loss_initial),
        loss_trivial: Some(2.0),
        weight_norm: Some(1.0),
        ..Beginning::default()
    }
}

/// A step of which nothing but its loss is known.
const PROBE: Probe = Probe {
    loss: 1.0,
    grad_norm: None,
    samples: 1,
    clipped: None,
    coefficient: None,
    skipped: None,
    loss_scale: None,
    overflowed: None,
    underflow: None,
};

const TERMS: Terms = Terms { loss_ratio: 1e6, lr: Some(0.1), is_idle: false, same_data: true };

/// Runs one step per epoch. The last number is the final loss.
fn run(losses: &[f64]) -> Measured {
    let mut course = Course::new(beginning(losses[0]), TERMS, Record::default());
    let (last, steps) = losses.split_last().unwrap();
    for &loss in steps {
        let next = course.step(Probe { loss, grad_norm: Some(loss), samples: 4, ..PROBE });
        assert_eq!(next.finished, loss.is_nan());
        if next.finished {
            return course.finish(f64::NAN, Aftermath::default()).measured;
        }
        course.updated(0.5, None);
        course.weighed(2.0);
        course.epoch_end(2.0, 0.1);
    }
    course.last_check(*last, *last);
    course.finish(*last, Aftermath::default()).measured
}

fn check(losses: &[f64], expected: Outcome) -> Measured {
    let measured = run(losses);
    assert_eq!(measured.outcome, expected, "{losses:?}");
    measured
}

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// The best constant prediction has the loss 2, unless a test says otherwise.
#[test]
fn each_outcome_has_its_trajectory() {
    check(&[1.0, 0.5, 0.1], Outcome::Converged);
    check(&[1.0, 1.5, 1.2], Outcome::Unsettled);
    check(&[1.0, 3.0, 1.0005], Outcome::Stalled);
    check(&[1.0, 10.0, 2e6, 3e6], Outcome::Diverged);
    check(&[1.0, 10.0, NAN, 3e6], Outcome::Nonfinite);
    check(&[1.0, 10.0, INF], Outcome::Nonfinite);
    check(&[1.0], Outcome::Untrained);
    check(&[NAN], Outcome::Nonfinite);
    // 0.55 is the middle between the reference 1 and the best loss 0.1.
    check(&[1.0, 0.1, 0.56], Outcome::Relapsed);
    check(&[1.0, 0.1, 0.54], Outcome::Converged);
    // A loss of 0.91 is nothing that was learned.
    check(&[1.0, 0.91, 1.2], Outcome::Unsettled);
    check(&[1.0, 3.9, 3.9], Outcome::Unsettled);
    check(&[1.0, 4.1, 4.1], Outcome::Ruined);
    check(&[9.0, 4.1, 4.1], Outcome::Ruined);
}

#[test]
fn where_no_constant_prediction_is_known_twice_the_reference_is_ruin() {
    for (trivial, last, expected) in [(None, 2.1, Outcome::Ruined), (Some(0.0), 1.9, Outcome::Unsettled)] {
        let mut course = Course::new(Beginning { loss_trivial: trivial, ..beginning(1.0) }, TERMS, Record::default());
        for loss in [1.0, last] {
            course.step(Probe { loss, ..PROBE });
            course.updated(0.5, None);
            course.epoch_end(None, None);
        }
        assert_eq!(course.finish(last, Aftermath::default()).measured.outcome, expected);
    }
}

#[test]
fn a_learning_rate_of_zero_trains_nothing() {
    let mut course = Course::new(beginning(1.0), Terms { is_idle: true, ..TERMS }, Record::default());
    course.step(Probe { grad_norm: Some(1.0), ..PROBE });
    course.updated(0.0, None);
    course.epoch_end(1.0, 0.0);
    assert_eq!(course.finish(1.0, Aftermath::default()).measured.outcome, Outcome::Untrained);
}

#[test]
fn one_spike_does_not_decide() {
    // The last tenth of 20 epochs is two of them.
    let losses: Vec<f64> = std::iter::repeat_n(1.0, 19).chain([1e9, 1.0]).collect();
    let measured = check(&losses, Outcome::Stalled);
    assert_eq!((measured.spikes, measured.spike_recovery), (Some(1), Some(1)));
    // Doubling at each of ten steps, a quadratic at lr x curvature = 3 ends above the threshold.
    let losses: Vec<f64> = (0..=10).map(|step| 4f64.powi(step)).collect();
    check(&losses, Outcome::Diverged);
}

#[test]
fn what_was_given_back_is_a_share_of_the_way_to_the_best() {
    let close = |found: Option<f64>, share: f64| assert!((found.unwrap() - share).abs() < 1e-9, "{found:?} {share}");
    close(check(&[1.0, 0.01, 0.9], Outcome::Relapsed).relapse, 0.89 / 0.99);
    for epochs in [2, 10, 37, 100] {
        // However fast it falls, a falling loss gives nothing back.
        let falling: Vec<f64> = (0..=epochs).map(|epoch| 1.0 / (1.0 + f64::from(epoch * epoch))).collect();
        let measured = check(&falling, Outcome::Converged);
        assert_eq!((measured.relapse, measured.epoch_best), (Some(0.0), Some(epochs as u64)));
        assert_eq!(measured.loss_best, falling.last().copied());
    }
    assert_eq!(check(&[1.0, 0.95, 1.2], Outcome::Unsettled).relapse, None);
    let measured = check(&[1.0, 0.5, 0.2, 0.7, 0.2, 0.3, 0.2], Outcome::Converged);
    assert_eq!((measured.loss_best, measured.epoch_best), (Some(0.2), Some(3)));
}

/// A loss of noise that is new at each epoch has a best value, too.
#[test]
fn where_every_epoch_has_data_of_its_own_nothing_is_given_back() {
    let told = |same_data| {
        let mut course = Course::new(beginning(1.0), Terms { same_data, ..TERMS }, Record::default());
        for loss in [1.0, 0.4, 1.1] {
            course.step(Probe { loss, ..PROBE });
            course.updated(0.5, None);
            course.epoch_end(None, None);
        }
        let measured = course.finish(1.1, Aftermath::default()).measured;
        (measured.outcome, measured.relapse.is_some(), measured.spikes)
    };
    assert_eq!(told(true), (Outcome::Relapsed, true, Some(1)));
    assert_eq!(told(false), (Outcome::Unsettled, false, None));
}

#[test]
fn a_run_is_born_large_if_it_began_above_the_threshold_and_never_rose() {
    let born = |losses: &[f64]| run(losses).born_large;
    assert!(born(&[1e7, 1e7, 9e6, 9e6]));
    assert!(born(&[1e7, 1.00009e7, 1e7]));
    assert!(!born(&[1e7, 1.0002e7, 1e7]));
    assert!(!born(&[1e7, 1e7, 1.1e7]));
    assert!(!born(&[1e5, 1e5, 1e5]));
    assert!(!born(&[1e7, NAN, 1e7]));
}

#[test]
fn a_spike_is_counted_once_and_ends_where_it_began() {
    let spikes = |losses: &[f64]| (run(losses).spikes.unwrap(), run(losses).spike_recovery);
    assert_eq!(spikes(&[1.0, 0.8, 0.5]), (0, None));
    assert_eq!(spikes(&[1.0, 3.0, 9.0, 2.0, 1.0, 0.5]), (1, Some(3)));
    assert_eq!(spikes(&[1.0, 0.1, 0.5, 0.1, 0.05, 0.6, 0.7, 0.05]), (2, Some(2)));
    // The second one does not end.
    assert_eq!(spikes(&[1.0, 0.1, 0.5, 0.1, 0.5]), (2, None));
    // Near 0 a factor of two is noise.
    assert_eq!(spikes(&[1.0, 1e-6, 1e-2, 1e-6]), (0, None));
}

/// Kendall's trend, pair by pair.
fn rises(losses: &[f64]) -> bool {
    let n = losses.len() as f64;
    let pairs = (0..losses.len()).flat_map(|i| (i + 1..losses.len()).map(move |j| (i, j)));
    let sign = |(i, j): (usize, usize)| f64::from(losses[j] > losses[i]) - f64::from(losses[j] < losses[i]);
    let mut ties = std::collections::HashMap::new();
    losses.iter().for_each(|loss| *ties.entry(loss.to_bits()).or_insert(0.0) += 1.0);
    let of = |n: f64| n * (n - 1.0) * (2.0 * n + 5.0) / 18.0;
    let variance = of(n) - ties.into_values().map(of).sum::<f64>();
    variance > 0.0 && (pairs.map(sign).sum::<f64>() - 1.0) / variance.sqrt() > 2.3263478740408408
}

#[test]
fn a_loss_rises_by_the_trend_of_its_last_third() {
    // lr x curvature = 2.01 to 2.06 on a quadratic, which provably diverges.
    for excess in [0.01, 0.02, 0.04, 0.05, 0.06] {
        let losses: Vec<f64> = (0..=100).map(|step| f64::powi(1.0 + excess, 2 * step)).collect();
        assert_eq!(check(&losses, Outcome::Ruined).rising, Some(true), "{excess}");
    }
    // A loss that climbs below the reference has not left.
    let losses: Vec<f64> = (0..=100).map(|step| if step < 50 { 1.0 } else { 1e-3 * f64::from(step) }).collect();
    assert_eq!(run(&losses).rising, Some(false));
    assert_eq!(run(&[1.0, 2.0, 3.0, 4.0]).rising, None);
}

#[test]
fn a_catapult_crosses_the_threshold_recovers_and_ends_converged() {
    let losses: Vec<f64> = [1.0, 5e6].into_iter().chain(std::iter::repeat_n(0.1, 20)).collect();
    let measured = check(&losses, Outcome::Converged);
    assert_eq!(measured.diverged, Some(When { epoch: 2, step: 1 }));
    assert_eq!(measured.nonfinite, None);
    assert_eq!((measured.loss_max, measured.epoch_loss_max), (Some(5e6), Some(2)));
    assert_eq!(measured.loss_jump_max, Some(5e6));
}

#[test]
fn an_infinite_loss_does_not_end_a_trial_and_a_nan_does() {
    let measured = check(&[1.0, INF, INF, NAN, 1.0, 1.0], Outcome::Nonfinite);
    assert_eq!(measured.diverged, Some(When { epoch: 2, step: 1 }));
    assert_eq!(measured.nonfinite, Some(When { epoch: 2, step: 1 }));
    assert_eq!(measured.nan, Some(When { epoch: 4, step: 3 }));
    assert_eq!((measured.steps_run, measured.epochs_run), (3, 4));
    assert_eq!((measured.loss_min, measured.loss_max), (Some(1.0), Some(INF)));
    assert!(measured.loss_final.unwrap().is_nan());
}

#[test]
fn a_loss_that_was_infinite_once_and_recovers_is_judged_by_its_end() {
    let losses: Vec<f64> = [1.0, INF].into_iter().chain(std::iter::repeat_n(0.1, 20)).collect();
    let measured = check(&losses, Outcome::Converged);
    assert_eq!(measured.nonfinite, Some(When { epoch: 2, step: 1 }));
}

#[test]
fn the_reference_is_the_smaller_loss_that_serves() {
    assert_eq!(reference(1.0, 2.0), 1.0);
    assert_eq!(reference(3.0, 2.0), 2.0);
    assert_eq!(reference(1.0, 0.0), 1.0);
    assert_eq!(reference(INF, 2.0), 2.0);
    assert_eq!(reference(NAN, 2.0), 2.0);
    assert!(reference(NAN, 0.0).is_nan());
}

#[test]
fn a_start_that_is_not_finite_is_never_called_stalled() {
    check(&[INF, INF, INF], Outcome::Nonfinite);
    check(&[INF, INF, 5.0], Outcome::Ruined);
    let losses: Vec<f64> = [INF].into_iter().chain(std::iter::repeat_n(3.0, 20)).collect();
    check(&losses, Outcome::Unsettled);
}

#[test]
fn without_an_update_the_last_check_is_the_whole_measurement() {
    let record = Record { epochs: true, steps: 2, ..Record::default() };
    let mut course = Course::new(beginning(1.0), TERMS, record);
    let next = course.last_check(1.0, INF);
    assert!(next.locate);
    let finished = course.finish(1.0, Aftermath::default());
    assert_eq!(finished.measured.outcome, Outcome::Untrained);
    assert_eq!(finished.measured.nonfinite, Some(When { epoch: 1, step: 0 }));
    assert_eq!((finished.measured.epochs_run, finished.measured.steps_run), (0, 0));
    assert_eq!(finished.measured.grad_norm_initial, Some(INF));
    assert_eq!(finished.epochs.len(), 1);
}

#[test]
fn a_mean_of_finite_losses_is_finite_though_their_sum_is_not() {
    let beginning = Beginning { loss_trivial: Some(0.0), ..beginning(1e308) };
    let mut course = Course::new(beginning, TERMS, Record { epochs: true, ..Record::default() });
    for _ in 0..20 {
        for loss in [1e308, 1.5e308, 0.5e308] {
            course.step(Probe { loss, grad_norm: Some(1.0), samples: 100, ..PROBE });
            course.updated(0.5, None);
        }
        course.epoch_end(2.0, 0.1);
    }
    course.last_check(1e308, 1.0);
    let run = course.finish(1e308, Aftermath::default());
    assert_eq!((run.epochs[1].loss, run.measured.loss_max), (1e308, Some(1e308)));
    assert_eq!(run.measured.outcome, Outcome::Stalled);
}

#[test]
fn an_epoch_weighs_its_steps_by_their_samples_and_counts_what_was_clipped() {
    let mut course = Course::new(beginning(1.0), TERMS, Record { epochs: true, steps: 1, ..Record::default() });
    for (loss, samples, clipped) in [(1.0, 3, true), (5.0, 1, false)] {
        course.step(Probe { loss, grad_norm: Some(loss), samples, clipped: Some(clipped), ..PROBE });
        course.updated(loss, None);
        course.weighed(1.0);
    }
    course.epoch_end(1.0, 0.1);
    course.last_check(1.5, 1.0);
    let Finished { measured, epochs, steps, .. } = course.finish(1.5, Aftermath::default());
    assert_eq!(epochs[1].loss, 2.0);
    assert_eq!((epochs[1].loss_max, epochs[1].steps), (Some(5.0), 2));
    assert_eq!((epochs[1].clipped_fraction, measured.clipped_fraction), (Some(0.5), Some(0.5)));
    assert_eq!(measured.update_norm_max, Some(5.0));
    assert_eq!(
        steps,
        [StepRow {
            step: 0,
            loss: 1.0,
            grad_norm: Some(1.0),
            clipped: Some(true),
            update_norm: Some(1.0),
            loss_scale: None
        }]
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn extremes_are_never_nan_and_events_are_in_order(
        losses in proptest::collection::vec(
            proptest::prop_oneof![0.0..10.0f64, 1e5..1e9f64, proptest::prelude::Just(INF), proptest::prelude::Just(NAN)], 2..30),
    ) {
        let m = run(&losses);
        for extreme in [m.loss_min, m.loss_max, m.loss_jump_max, m.grad_norm_max, m.update_norm_max, m.weight_norm_max] {
            assert!(extreme.is_none_or(|x| !x.is_nan()));
        }
        let step = |when: Option<When>| when.map_or(u64::MAX, |w| w.step);
        assert!(step(m.diverged) <= step(m.nonfinite));
        assert!(step(m.nonfinite) <= step(m.nan));
        assert_eq!(m.nan.is_some() || !m.loss_final.unwrap().is_finite(), losses.iter().any(|l| l.is_nan()) || !losses[losses.len() - 1].is_finite());
    }
}

#[test]
fn the_late_loss_is_the_median_of_the_last_tenth_and_the_final_loss() {
    for epochs in 2usize..64 {
        let tenth = epochs.div_ceil(10);
        for late in 1..=tenth {
            // The last epochs are above the threshold, and the final loss is not.
            let mut losses = vec![0.5; epochs + 1];
            losses[0] = 1.0;
            losses[epochs - late..epochs].fill(1e9);
            let all = [tenth + 1, tenth + 2][usize::from(tenth % 2 == 1)];
            // With one epoch only there is nothing that could have been learned before.
            let expected = if 2 * late > all { Outcome::Diverged } else { Outcome::Converged };
            let found = run(&losses).outcome;
            assert_eq!(found, expected, "{epochs} {late}");
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn the_trend_is_that_of_all_pairs(
        start in 5..9i32,
        steps in proptest::collection::vec(-2..4i32, 15..90),
    ) {
        let mut at = start;
        let mut losses: Vec<f64> = vec![f64::from(at)];
        // Whole numbers have ties.
        losses.extend(steps.iter().map(|step| { at = (at + step).max(1); f64::from(at) }));
        let epochs = losses.len() - 1;
        let third = &losses[epochs - epochs.div_ceil(3)..];
        let reference = losses[0].min(2.0);
        let expected = rises(third) && losses[epochs] > reference;
        proptest::prop_assert_eq!(run(&losses).rising, Some(expected));
    }
}
