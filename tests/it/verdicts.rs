//! Trajectories go in, outcomes come out.

use blowup_core::verdict::*;

fn beginning(loss_initial: f64) -> Beginning {
    Beginning {
        loss_initial: Some(loss_initial),
        loss_trivial: Some(2.0),
        weight_norm: Some(1.0),
        backprop_ratio: None,
        activation_ratio: None,
        sharpness: None,
    }
}

/// Runs one step per epoch. The last number is the final loss.
fn run(losses: &[f64]) -> Measured {
    let mut course = Course::new(beginning(losses[0]), 1e6, 0.1, Record::default());
    let (last, steps) = losses.split_last().unwrap();
    for &loss in steps {
        let next = course.step(Probe {
            loss,
            grad_norm: Some(loss),
            samples: 4,
            clipped: None,
            coefficient: None,
            skipped: None,
        });
        assert_eq!(next.finished, loss.is_nan());
        if next.finished {
            return course.finish(f64::NAN, None).measured;
        }
        course.updated(0.5);
        course.weighed(2.0);
        course.epoch_end(2.0, 0.1);
    }
    course.last_check(*last, *last);
    course.finish(*last, None).measured
}

fn check(losses: &[f64], expected: Outcome) -> Measured {
    let measured = run(losses);
    assert_eq!(measured.outcome, expected, "{losses:?}");
    measured
}

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

#[test]
fn each_outcome_has_its_trajectory() {
    check(&[1.0, 0.5, 0.1], Outcome::Converged);
    check(&[1.0, 1.5, 1.2], Outcome::Unsettled);
    check(&[1.0, 3.0, 1.0005], Outcome::Stalled);
    check(&[1.0, 10.0, 2e6, 3e6], Outcome::Diverged);
    check(&[1.0, 10.0, NAN, 3e6], Outcome::Nonfinite);
    check(&[1.0, 10.0, INF], Outcome::Nonfinite);
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
    check(&[INF, INF, 5.0], Outcome::Nonfinite);
    let losses: Vec<f64> = [INF].into_iter().chain(std::iter::repeat_n(5.0, 20)).collect();
    check(&losses, Outcome::Unsettled);
}

#[test]
fn without_an_update_the_last_check_is_the_whole_measurement() {
    let record = Record { epochs: true, steps: 2, ..Record::default() };
    let mut course = Course::new(beginning(1.0), 1e6, 0.1, record);
    let next = course.last_check(1.0, INF);
    assert!(next.locate);
    let finished = course.finish(1.0, None);
    assert_eq!(finished.measured.outcome, Outcome::Stalled);
    assert_eq!(finished.measured.nonfinite, Some(When { epoch: 1, step: 0 }));
    assert_eq!((finished.measured.epochs_run, finished.measured.steps_run), (0, 0));
    assert_eq!(finished.measured.grad_norm_initial, Some(INF));
    assert_eq!(finished.epochs.len(), 1);
}

#[test]
fn a_mean_of_finite_losses_is_finite_though_their_sum_is_not() {
    let beginning = Beginning { loss_trivial: Some(0.0), ..beginning(1e308) };
    let mut course = Course::new(beginning, 1e6, 0.1, Record { epochs: true, ..Record::default() });
    for _ in 0..20 {
        for loss in [1e308, 1.5e308, 0.5e308] {
            course.step(Probe {
                loss,
                grad_norm: Some(1.0),
                samples: 100,
                clipped: None,
                coefficient: None,
                skipped: None,
            });
            course.updated(0.5);
        }
        course.epoch_end(2.0, 0.1);
    }
    course.last_check(1e308, 1.0);
    let run = course.finish(1e308, None);
    assert_eq!((run.epochs[1].loss, run.measured.loss_max), (1e308, Some(1e308)));
    assert_eq!(run.measured.outcome, Outcome::Stalled);
}

#[test]
fn an_epoch_weighs_its_steps_by_their_samples_and_counts_what_was_clipped() {
    let mut course = Course::new(beginning(1.0), 1e6, 0.1, Record { epochs: true, steps: 1, ..Record::default() });
    for (loss, samples, clipped) in [(1.0, 3, true), (5.0, 1, false)] {
        course.step(Probe {
            loss,
            grad_norm: Some(loss),
            samples,
            clipped: Some(clipped),
            coefficient: None,
            skipped: None,
        });
        course.updated(loss);
        course.weighed(1.0);
    }
    course.epoch_end(1.0, 0.1);
    course.last_check(1.5, 1.0);
    let Finished { measured, epochs, steps, .. } = course.finish(1.5, None);
    assert_eq!(epochs[1].loss, 2.0);
    assert_eq!((epochs[1].loss_max, epochs[1].steps), (Some(5.0), 2));
    assert_eq!((epochs[1].clipped_fraction, measured.clipped_fraction), (Some(0.5), Some(0.5)));
    assert_eq!(measured.update_norm_max, Some(5.0));
    assert_eq!(
        steps,
        [StepRow { step: 0, loss: 1.0, grad_norm: Some(1.0), clipped: Some(true), update_norm: Some(1.0) }]
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
fn the_late_mean_is_of_the_last_tenth_rounded_up_of_any_number_of_epochs() {
    for epochs in 2usize..64 {
        for peak in 1..epochs {
            let mut losses = vec![0.1; epochs + 1];
            (losses[0], losses[peak]) = (1.0, 1e9);
            let late = peak >= epochs - epochs.div_ceil(10);
            check(&losses, if late { Outcome::Diverged } else { Outcome::Converged });
        }
    }
}
