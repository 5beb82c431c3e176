//! The tests of paired results are compared with closed forms, R, scipy and counting.

use blowup_core::check::statistics::{detectable, holm, random_signs, signed_ranks};
use blowup_core::spec::expect::Direction::{self, Any, Worse};
use proptest::prelude::*;

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-11 * expected, "{found:e} instead of {expected:e}");
}

fn mcnemar(worse: usize, better: usize, direction: Direction) -> f64 {
    random_signs(&[vec![1; worse], vec![-1; better]].concat(), direction)
}

fn signed_rank(differences: &[f64], direction: Direction) -> f64 {
    random_signs(&signed_ranks(differences), direction)
}

#[test]
fn mcnemar_is_the_binomial_test_of_the_changes() {
    // Computed by hand: sums of binomial coefficients over 2^12.
    near(mcnemar(10, 2, Worse), f64::from(66 + 12 + 1) / 4096.0);
    near(mcnemar(10, 2, Any), 2.0 * f64::from(66 + 12 + 1) / 4096.0);
    near(mcnemar(2, 10, Any), 2.0 * f64::from(66 + 12 + 1) / 4096.0);
    near(mcnemar(2, 10, Worse), 1.0 - f64::from(1 + 12) / 4096.0);
    near(mcnemar(6, 0, Worse), 1.0 / 64.0);
    // scipy.stats.binomtest(300, 500, alternative="greater") and binomtest(60, 61), scipy 1.16.
    near(mcnemar(300, 200, Worse), 4.470033271126644e-06);
    near(mcnemar(60, 1, Any), 5.377642775528102e-17);
    // scipy.stats.binom.sf(worse - 1, worse + better, 0.5). With many changes a series that stops
    // early would show.
    for (worse, better, expected) in [
        (520, 480, 0.10872414660207075),
        (5_050, 4_950, 0.16108709989765543),
        (50_000, 50_000, 0.5012615631070978),
        (50_200, 49_800, 0.10351948588211125),
        (500_600, 499_400, 0.11526396430185594),
    ] {
        let found = mcnemar(worse, better, Worse);
        assert!((found / expected - 1.0).abs() < 1e-8, "{worse} {better}: {found:e}");
    }
    for direction in [Worse, Any] {
        assert_eq!((mcnemar(0, 0, direction), mcnemar(7, 7, Any)), (1.0, 1.0));
    }
}

#[test]
fn changes_of_a_cluster_have_one_sign() {
    // Three clusters of 10, 10 and 1 changes for the worse: all signs at once, once in 8.
    near(random_signs(&[10, 10, 1], Worse), 1.0 / 8.0);
    near(random_signs(&[10, 10, 1], Any), 2.0 / 8.0);
    // 5 + 3 or more: {5, 3}, {5, 3, 2}. A 0 is no change, and the unit does not matter.
    near(random_signs(&[5, 3, -2], Worse), 2.0 / 8.0);
    near(random_signs(&[5, 0, 3, -2, 0], Worse), 2.0 / 8.0);
    near(random_signs(&[500, 300, -200], Worse), 2.0 / 8.0);
    // Many clusters of two sizes: too many to count, and then close to the exact distribution of
    // half as many. 1.96 deviations are a p of 0.025.
    let sizes: Vec<i64> = (0..20_000).map(|i| 1 + i % 2).collect();
    let deviation = sizes.iter().map(|size| (size * size) as f64).sum::<f64>().sqrt();
    let mut net = 0;
    let numbers: Vec<i64> = sizes
        .iter()
        .map(|size| {
            let sign = if (net as f64) < 1.96 * deviation { 1 } else { -1 };
            net += sign * size;
            sign * size
        })
        .collect();
    let p = random_signs(&numbers, Worse);
    assert!((p - 0.025).abs() < 5e-4, "{p}");
}

#[test]
fn the_smallest_detectable_change_is_the_first_that_is_significant() {
    assert_eq!(detectable(0.05, Worse), 5); // 1/32
    assert_eq!(detectable(0.05, Any), 6); // 2/64
    assert_eq!(detectable(1.0 / 32.0, Worse), 5);
    assert_eq!(detectable(0.05 / 12.0, Worse), 8); // 1/256 is below 1/240
}

#[test]
fn holm_is_that_of_r() {
    // p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm"), computed by hand: 3 x 0.01, 2 x 0.03 twice
    // (values never fall), 4 x 0.005.
    let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
    adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]).for_each(|(found, expected)| near(*found, expected));
    assert_eq!(holm(&[0.6, 0.9]), [1.0, 1.0]);
    assert_eq!(holm(&[]), [0.0; 0]);
}

#[test]
fn the_signed_rank_test_is_that_of_scipy() {
    // This is the example of scipy.stats.wilcoxon.
    let plants = [6, 8, 14, 16, 23, 24, 28, 29, 41, -48, 49, 56, 60, -67, 75].map(f64::from);
    near(signed_rank(&plants, Any), 0.041259765625);
    near(signed_rank(&plants, Worse), 0.0206298828125);
    // With ties and a zero: wilcoxon(d, method=PermutationMethod(n_resamples=inf)).
    let ties = [1, 1, 2, -1, 3, 3, -2, 4, 0, 5, 1].map(f64::from);
    near(signed_rank(&ties, Any), 0.052734375);
    near(signed_rank(&ties, Worse), 0.0263671875);
    // 300 differences with ties: wilcoxon(d, method="asymptotic", correction=True).
    let many: Vec<f64> =
        (0..300).map(|i| i * 7919 % 613 - 250).map(|d| f64::from(if d == 0 { 1 } else { d })).collect();
    // The normal distribution of statrs is good to ten digits here.
    let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-9, "{found:e}");
    close(signed_rank(&many, Any), 2.4419927909293625e-07);
    close(signed_rank(&many, Worse), 1.2209963954646813e-07);
    assert_eq!((signed_rank(&[], Any), signed_rank(&[0.0, 0.0], Worse)), (1.0, 1.0));
}

/// The shares of all signs of these ranks whose sum is at most, and at least, that of the
/// differences.
fn by_counting(differences: &[f64], direction: Direction) -> f64 {
    let d: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    let rank = |x: f64| {
        let below = d.iter().filter(|y| y.abs() < x.abs()).count() as f64;
        below + (d.iter().filter(|y| y.abs() == x.abs()).count() as f64 + 1.0) / 2.0
    };
    let sum = |signs: usize| (0..d.len()).filter(|i| signs >> i & 1 == 1).map(|i| rank(d[i])).sum::<f64>();
    let found = d.iter().filter(|x| **x > 0.0).map(|x| rank(*x)).sum::<f64>();
    let share = |holds: &dyn Fn(f64) -> bool| {
        (0..1 << d.len()).filter(|signs| holds(sum(*signs))).count() as f64 / f64::from(1 << d.len())
    };
    let (at_least, at_most) = (share(&|s| s >= found), share(&|s| s <= found));
    match direction {
        Worse => at_least,
        Any => (2.0 * at_least.min(at_most)).min(1.0),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_signed_rank_test_counts_all_signs(differences in prop::collection::vec(-4i32..5, 0..11)) {
        let differences: Vec<f64> = differences.into_iter().map(f64::from).collect();
        for direction in [Worse, Any] {
            let (found, expected) = (signed_rank(&differences, direction), by_counting(&differences, direction));
            prop_assert!((found - expected).abs() < 1e-12, "{} {}", found, expected);
        }
    }

    /// Rejecting where the adjusted value is at most alpha is Holm's procedure, step by step.
    #[test]
    fn adjusted_values_reject_what_holm_rejects(values in prop::collection::vec(0.0f64..0.2, 1..8), alpha in 0.01f64..0.2) {
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let m = values.len();
        let rejected = sorted.iter().enumerate().take_while(|(i, p)| **p <= alpha / (m - i) as f64).count();
        let adjusted = holm(&values);
        let boundary = adjusted.iter().any(|p| (p - alpha).abs() < 1e-12);
        prop_assert!(boundary || adjusted.iter().filter(|p| **p <= alpha).count() == rejected);
    }
}
