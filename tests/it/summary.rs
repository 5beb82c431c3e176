//! Rows become counts, rates and intervals.

use crate::contract::parse;
use crate::plan::trial;
use crate::record::measured;
use blowup::progress::folded;
use blowup_core::record::{self, Lost};
use blowup_core::spec::Spec;
use blowup_core::spec::metric::Rate;
use blowup_core::summary::{self, BySeed, Interval, Summary, draws, student_quantiles, wilson};
use blowup_core::trial::Trial;
use blowup_core::verdict::{Measured, Outcome, When};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// The spec of a sweep with these blocks.
fn sweep(seeds: u64, blocks: &str) -> Spec {
    parse(&format!("name = 't'\nepochs = 9\nseeds = {seeds}\ntask = {{ kind = 'noise', samples = 64 }}\n{blocks}"))
}

fn summary(together: bool) -> (Summary, String) {
    let blocks =
        "[[grid]]\nlabel = 'a label'\ndepth = 3\nwidth = [7, 64]\nlr = 0.1\ninit = 'he'\nactivation = 'tanh'\n";
    let spec = sweep(4, blocks);
    let (mut summary, mut csv) =
        (Summary::new(&spec, together), summary::header(&blowup_core::axis::AxisSet::default()));
    let row = |seed, outcome, epoch: Option<u64>| {
        let diverged = epoch.map(|epoch| When { epoch, step: 0 });
        record::run_row(&trial(3, 7, seed), &Measured { outcome, diverged, nonfinite: None, ..measured() })
    };
    let wide = Trial { label: "a, b".to_owned(), ..trial(3, 64, 0) };
    let rows = [
        row(0, Outcome::Diverged, Some(3)),
        record::run_row(&wide, &measured()),
        row(1, Outcome::Nonfinite, Some(4)),
        row(2, Outcome::Converged, None),
        record::lost_row(&trial(3, 7, 3), Lost::Crashed),
    ];
    for row in rows {
        summary.add(&row, &mut csv).unwrap();
    }
    csv.extend(summary.rest());
    (summary, String::from_utf8(csv).unwrap())
}

#[test]
fn a_configuration_is_one_row_and_lost_trials_are_outside_of_the_rate() {
    let (_, csv) = summary(false);
    let lines: Vec<Vec<&str>> = csv.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 3);
    let tail = |line: usize| lines[line][lines[line].len() - 18..].join(",");
    insta::assert_snapshot!(tail(0), @"trials,converged,stalled,unsettled,diverged,nonfinite,lost,divergence_rate,divergence_low,divergence_high,epoch_diverged_median,epoch_nonfinite_median,untrained,relapsed,ruined,failure_rate,failure_low,failure_high");
    insta::assert_snapshot!(tail(1), @"4,1,0,0,1,1,1,0.6666666666666666,0.20765960080204765,0.9385080552796037,3.5,,0,0,0,0.6666666666666666,0.20765960080204765,0.9385080552796037");
    assert_eq!(lines[1].len(), lines[0].len());
    assert!(csv.lines().nth(2).unwrap().starts_with("\"a, b\",noise,3,64,100,mlp,3,64,"));
    assert!(!lines[0].contains(&"seed") && lines[0].contains(&"data_seed"));
}

#[test]
fn configurations_that_stand_together_are_written_as_they_end() {
    let (_, csv) = summary(true);
    // The second configuration cuts the first one in two.
    let trials = |line: &str| line.split(',').rev().nth(17).map(str::to_owned);
    assert_eq!(csv.lines().skip(1).map(trials).collect::<Vec<_>>(), ["1", "1", "3"].map(|n| Some(n.to_owned())));
}

#[test]
fn the_table_shows_what_varies() {
    insta::assert_snapshot!(summary(true).0.table(), @"
    label    width   trials  failed  rate  95% interval  blew up lost
    a label  7            4       2  0.67  0.21 to 0.94        2    1
    a, b     64           1       1  1.00  0.21 to 1.00        1
    ");
}

/// The table of a sweep whose trials blew up where `blew_up` says so.
fn table(spec: &Spec, blew_up: impl Fn(&Trial) -> bool) -> String {
    let mut summary = Summary::new(spec, true);
    for trial in spec.grid().trials() {
        let outcome = if blew_up(&trial) { Outcome::Nonfinite } else { Outcome::Converged };
        summary.add(&record::run_row(&trial, &Measured { outcome, ..measured() }), &mut Vec::new()).unwrap();
    }
    let table = summary.table();
    assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
    table
}

#[test]
fn few_configurations_are_listed() {
    let blocks = "[base]\ninit = 'he'\nlr = [0.1, 1]\n[[grid]]\nlabel = 'none, at all'\n[[grid]]\nlabel = 'clipped'\nclip = 'norm(1)'\n";
    insta::assert_snapshot!(table(&sweep(10, blocks), |trial| trial.lr > 0.5 && trial.label != "clipped"), @"
    label         lr   clip        trials  failed  rate  95% interval  blew up lost
    none, at all  0.1  none            10       0  0.00  0.00 to 0.28        0
    none, at all  1.0  none            10      10  1.00  0.72 to 1.00       10
    clipped       0.1  norm(1.0)       10       0  0.00  0.00 to 0.28        0
    clipped       1.0  norm(1.0)       10       0  0.00  0.00 to 0.28        0
    ");
}

#[test]
fn of_many_configurations_each_value_of_each_axis_is_listed() {
    let blocks = "[[grid]]\ninit = ['he', 'normal(0.5)']\nactivation = ['tanh', 'relu']\nlr = { log = [0.001, 1], points = 31 }\ndepth = [2, 30]\n";
    insta::assert_snapshot!(table(&sweep(2, blocks), |trial| trial.lr > 0.1), @"
                                   trials  failed  rate  95% interval  blew up lost
    all                               496     160  0.32  0.28 to 0.36      160
    depth       2                     248      80  0.32  0.27 to 0.38       80
                30                    248      80  0.32  0.27 to 0.38       80
    activation  tanh                  248      80  0.32  0.27 to 0.38       80
                relu                  248      80  0.32  0.27 to 0.38       80
    init        he                    248      80  0.32  0.27 to 0.38       80
                normal(0.5)           248      80  0.32  0.27 to 0.38       80
    lr          0.001 to 0.00158       48       0  0.00  0.00 to 0.66        0
                0.002 to 0.00398       64       0  0.00  0.00 to 0.66        0
                0.00501 to 0.01        64       0  0.00  0.00 to 0.66        0
                0.0126 to 0.0251       64       0  0.00  0.00 to 0.66        0
                0.0316 to 0.0631       64       0  0.00  0.00 to 0.66        0
                0.0794 to 0.158        64      32  0.50  0.38 to 0.62       32
                0.2 to 0.398           64      64  1.00  0.34 to 1.00       64
                0.501 to 1             64      64  1.00  0.34 to 1.00       64
    ");
}

#[test]
fn an_axis_without_end_is_not_listed() {
    let blocks = "[[grid]]\ninit = 'he'\nlr = { log = [0.001, 1], points = 5000 }\n";
    insta::assert_snapshot!(table(&sweep(2, blocks), |trial| trial.lr > 0.1), @"
                            trials  failed  rate  95% interval  blew up lost
    all                      10000    3334  0.33  0.32 to 0.34     3334
    lr   over 4096 values    10000    3334  0.33  0.32 to 0.34     3334
    ");
}

#[test]
fn long_values_are_cut_and_many_are_counted() {
    let grid = |i: usize| {
        format!("[[grid]]\nlabel = '{i} {}'\ninit = 'he'\nlr = 0.1\nwidth = {}\n", "long ".repeat(30), i + 1)
    };
    let blocks: String = (0..20).map(grid).collect();
    insta::assert_snapshot!(table(&sweep(1, &blocks), |trial| trial.label.starts_with('1')), @"
                                    trials  failed  rate  95% interval  blew up lost
    all                                 20      11  0.55  0.07 to 0.96       11
    label  0 long long long long…        1       0  0.00  0.00 to 0.79        0
           1 long long long long…        1       1  1.00  0.21 to 1.00        1
           2 long long long long…        1       0  0.00  0.00 to 0.79        0
           3 long long long long…        1       0  0.00  0.00 to 0.79        0
           4 long long long long…        1       0  0.00  0.00 to 0.79        0
           5 long long long long…        1       0  0.00  0.00 to 0.79        0
           6 long long long long…        1       0  0.00  0.00 to 0.79        0
           7 long long long long…        1       0  0.00  0.00 to 0.79        0
           8 long long long long…        1       0  0.00  0.00 to 0.79        0
           9 long long long long…        1       0  0.00  0.00 to 0.79        0
           10 long long long lon…        1       1  1.00  0.21 to 1.00        1
           11 long long long lon…        1       1  1.00  0.21 to 1.00        1
           12 long long long lon…        1       1  1.00  0.21 to 1.00        1
           13 long long long lon…        1       1  1.00  0.21 to 1.00        1
           14 long long long lon…        1       1  1.00  0.21 to 1.00        1
           5 others                      5       5  1.00  0.21 to 1.00        5
    width  1 to 2                        2       1  0.50  0.05 to 0.95        1
           3 to 5                        3       0  0.00  0.00 to 0.79        0
           6 to 7                        2       0  0.00  0.00 to 0.79        0
           8 to 10                       3       0  0.00  0.00 to 0.79        0
           11 to 12                      2       2  1.00  0.21 to 1.00        2
           13 to 15                      3       3  1.00  0.21 to 1.00        3
           16 to 17                      2       2  1.00  0.21 to 1.00        2
           18 to 20                      3       3  1.00  0.21 to 1.00        3
    ");
}

#[test]
fn wilson_intervals_are_the_published_ones() {
    let check = |hits, all, low: f64, high: f64| {
        let found = wilson(hits, all);
        assert!((found.0 - low).abs() < 5e-5 && (found.1 - high).abs() < 5e-5, "{hits}/{all}: {found:?}");
    };
    // Newcombe (1998), table I, method 3.
    check(81, 263, 0.2553, 0.3662);
    check(15, 148, 0.0624, 0.1605);
    check(0, 20, 0.0, 0.1611);
    check(1, 29, 0.0061, 0.1718);
    check(29, 29, 0.8830, 1.0);
}

#[test]
fn an_interval_goes_by_seeds() {
    let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
    // Ten seeds of 100 trials: (1.96 / 2.2622)^2 of p (1 - p) over the variance between the seeds.
    let clusters: Vec<(u64, u64)> = [30, 70].repeat(5).into_iter().map(|hits| (hits, 100)).collect();
    close(draws(&clusters), 0.25 / (10.0 / 9.0 * 10.0 * 400.0 / 1e6) * (1.959964f64 / 2.262157).powi(2));
    // With a trial for each seed it is Wilson's interval, and so it is where all trials are alike.
    assert_eq!(draws(&[(1, 1), (1, 1), (0, 1), (0, 1)]), 4.0);
    assert_eq!(draws(&[(0, 81); 3]), 3.0);
    assert_eq!(draws(&[(7, 7)]), 1.0);
    // Never fewer draws than seeds, nor more than trials.
    assert_eq!(draws(&[(40, 100), (60, 100)]), 2.0);
    assert_eq!(draws(&[(50, 100), (50, 100)]), 200.0);
    // The quantiles of Student's table.
    let quantiles = student_quantiles(32);
    for (freedom, expected) in [(1, 12.7062), (2, 4.30265), (4, 2.77645), (9, 2.26216), (31, 2.03951)] {
        close(quantiles[freedom - 1], expected);
    }
    let mut group = BySeed::default();
    for seed in 0..3 {
        (0..81).for_each(|_| group.add(seed, Rate::Failure, Outcome::Converged));
    }
    let Interval { rate, low, high } = group.interval().unwrap();
    assert_eq!((group.seeds(), rate, low), (3, 0.0, 0.0));
    close(high, wilson(0, 3).1);
    assert!(BySeed::default().interval().is_none());
}

/// In simulated sweeps whose seeds matter, the interval holds the true rate about as often as it
/// says, and one over the trials does not.
#[test]
fn an_interval_by_seeds_holds_the_true_rate_where_one_over_the_trials_does_not() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let (sweeps, seeds, trials) = (400, 10, 50);
    let (mut by_seed, mut by_trial) = (0, 0);
    for _ in 0..sweeps {
        // Each seed has a rate of its own, 0.2 or 0.6: the true rate is 0.4.
        let mut cluster = || {
            let rate = if random.random_bool(0.5) { 0.2 } else { 0.6 };
            ((0..trials).filter(|_| random.random_bool(rate)).count() as u64, trials)
        };
        let clusters: Vec<(u64, u64)> = (0..seeds).map(|_| cluster()).collect();
        let mut group = BySeed::default();
        for (seed, (hits, all)) in clusters.iter().enumerate() {
            (0..*all).for_each(|i| {
                let outcome = if i < *hits { Outcome::Ruined } else { Outcome::Stalled };
                group.add(seed, Rate::Failure, outcome);
            });
        }
        let holds = |low: f64, high: f64| u32::from(low <= 0.4 && 0.4 <= high);
        let Interval { low, high, .. } = group.interval().unwrap();
        by_seed += holds(low, high);
        let (low, high) = wilson(clusters.iter().map(|c| c.0).sum(), seeds * trials);
        by_trial += holds(low, high);
    }
    assert!(by_seed > sweeps * 90 / 100, "{by_seed}");
    assert!(by_trial < sweeps * 75 / 100, "{by_trial}");
}

#[test]
fn a_line_that_is_too_long_is_broken_between_words() {
    assert_eq!(folded("3 trials", "1 converged, 2 diverged"), "3 trials: 1 converged, 2 diverged\n");
    let counts = "723 converged, 39 stalled, 910 unsettled, 241 diverged, 1327 nonfinite";
    assert_eq!(folded("3240 trials", counts), format!("3240 trials:\n  {counts}\n"));
    let long = folded("results", &"runs.csv ".repeat(40));
    assert!(long.lines().all(|line| line.len() <= 80));
    assert_eq!(long.split_whitespace().count(), 41);
}
