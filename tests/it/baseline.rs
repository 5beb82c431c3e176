//! The comparison with an earlier sweep.

use crate::check::{GRID, Results, expecting, gate, place};
use crate::sweep::Place;

/// A spec with 40 trials in two groups of 20.
const WIDE: &str = "name = \"t\"\nepochs = 9\nseeds = 20\n[task]\nkind = \"noise\"\n[[grid]]\nlr = 0.1\ndepth = [1, 2]\n[baseline]\nby = [\"depth\"]\n";

/// A sweep in `r` and an earlier one in `old`. The trials of the earlier one all converged, and
/// those of the later one have the outcomes of `outcome`.
fn folder(spec: &str, outcome: impl Fn(usize) -> &'static str) -> Place {
    let mut results = Results::of(spec);
    let old = results.text();
    let place = place(spec, &results.column("outcome", outcome).text());
    std::fs::create_dir(place.path("old")).unwrap();
    place.write("old/runs.csv", &old);
    place
}

fn blown(many: usize) -> impl Fn(usize) -> &'static str {
    move |i| if i < many { "nonfinite" } else { "converged" }
}

#[test]
fn more_divergence_than_chance_fails_the_gate() {
    // Holm's method over two groups: 5 changes have p = 2/32, and 6 have 2/64.
    let (status, text) = gate(&folder(WIDE, blown(5)), "--baseline old");
    assert_eq!(status, 0, "{text}");
    let (status, text) = gate(&folder(WIDE, blown(6)), "--baseline old/runs.csv");
    assert_eq!(status, 1, "{text}");
    insta::assert_snapshot!(text, @r"
    40 trials, each with one row and a verdict

    baseline `old/runs.csv`: 40 pairs, 6 changed outcomes (15.00%)
      tc7c95a38113e  converged -> nonfinite  depth=1 seed=0
      tfc6265f07607  converged -> nonfinite  depth=1 seed=1
      t56bb331417c6  converged -> nonfinite  depth=1 seed=2
      t6edb18424586  converged -> nonfinite  depth=1 seed=3
      te7cc9c3a1c02  converged -> nonfinite  depth=1 seed=4
      t36f3c5ce58e9  converged -> nonfinite  depth=1 seed=5

          group    pairs  seeds  rate             before  now  newly  no longer  p
    FAIL  depth=1  20     20     failure_rate     0       6    6      0          0.03125
    FAIL  depth=1  20     20     divergence_rate  0       6    6      0          0.03125
    PASS  depth=2  20     20     failure_rate     0       0    0      0          1
    PASS  depth=2  20     20     divergence_rate  0       0    0      0          1

          group    crossed in both  earlier  later  p
    PASS  depth=1  0                0        0      1
    PASS  depth=2  0                0        0      1

    p: exact McNemar, and signed-rank for the epoch of divergence, one-sided, for the worse; Holm over 2 groups at alpha 0.05
    pairs of one seed share their draws: they count as one, so a group fails with 6 seeds at the least (p <= 0.025)

    baseline-regressed: r/spec.toml:9: baseline: failure rate: 6 of 20 trials fail at depth=1, 0 failed before: 6 newly, 0 no longer; p = 3.13e-2 over 20 seeds
    baseline-regressed: r/spec.toml:9: baseline: divergence rate: 6 of 20 trials blow up at depth=1, 0 blew up before: 6 newly, 0 no longer; p = 3.13e-2 over 20 seeds
    gate FAILED: 2 of 14 checks (baseline-regressed)
    ");
}

#[test]
fn the_direction_decides_what_counts() {
    let recovered = |direction: &str| {
        let spec = format!("{WIDE}direction = \"{direction}\"\n");
        let place = folder(&spec, |_| "converged");
        place.write("old/runs.csv", &Results::of(&spec).column("outcome", blown(9)).text());
        gate(&place, "--baseline old")
    };
    assert_eq!(recovered("worse").0, 0);
    let (status, text) = recovered("any");
    assert!(status == 1 && text.contains("baseline-regressed") && text.contains("9 no longer"), "{text}");
}

#[test]
fn too_many_changed_outcomes_fail_whatever_the_tests_say() {
    let changed = |limit: &str| {
        let spec = format!("{WIDE}max_changed = {limit}\n");
        gate(&folder(&spec, |i| if i % 10 == 0 { "stalled" } else { "converged" }), "--baseline old")
    };
    let (status, text) = changed("0.1");
    assert!(status == 0 && text.contains("40 pairs, 4 changed outcomes (10.00%)"), "{text}");
    let (status, text) = changed("0.09");
    assert!(status == 1 && text.contains("\nbaseline-changed: ") && text.contains("converged -> stalled"), "{text}");
}

#[test]
fn an_earlier_divergence_fails_the_gate() {
    let moved = |direction: &str, now: fn(usize) -> u64| {
        let spec = format!("{WIDE}direction = \"{direction}\"\n");
        let place = folder(&spec, |_| "nonfinite");
        let mut results = Results::of(&spec);
        results.column("outcome", |_| "nonfinite");
        place.write("old/runs.csv", &results.column("epoch_diverged", |_| 5).text());
        place.write_runs("r", &results.column("epoch_diverged", now).text());
        gate(&place, "--baseline old")
    };
    let (status, text) = moved("worse", |i| if i < 10 { 3 } else { 5 });
    assert!(status == 1 && text.contains("baseline-epoch: "), "{text}");
    assert!(
        text.contains(
            "of 20 trials that cross the divergence threshold in both at depth=1, 10 do so earlier and 0 later"
        )
    );
    assert!(!text.contains("baseline-regressed"), "{text}");
    assert_eq!(moved("worse", |i| if i < 10 { 7 } else { 5 }).0, 0);
    assert_eq!(moved("any", |i| if i < 10 { 7 } else { 5 }).0, 1);
    assert_eq!(moved("worse", |i| if i < 4 { 3 } else { 5 }).0, 0);
}

#[test]
fn the_same_bytes_are_said_to_be_so() {
    let (status, text) = gate(&folder(WIDE, |_| "converged"), "--baseline old");
    assert!(status == 0 && text.contains("\nunchanged: the same bytes as `old/runs.csv`\n"), "{text}");
    let (_, text) = gate(&folder(WIDE, blown(1)), "--baseline old");
    assert!(!text.contains("unchanged"), "{text}");
}

#[test]
fn a_baseline_of_another_grid_or_without_verdicts_fails_the_gate() {
    let place = folder(GRID, |_| "converged");
    let whole = place.read("old/runs.csv");
    let check = |text: &str, expected: &str| {
        place.write("old/runs.csv", text);
        let (status, text) = gate(&place, "--baseline old");
        assert!(status == 1 && text.contains(expected), "{expected}\n{text}");
    };
    let lines: Vec<&str> = whole.lines().collect();
    let other = Results::of(&GRID.replace("lr = 0.1", "lr = 0.2")).text();
    check(&other, "baseline-other-grid: the baseline has none of the grid's 8 trials, and 8 others");
    check(
        &format!("{}\n", lines[0]),
        "baseline-other-grid: the baseline has none of the grid's 8 trials, and 0 others",
    );
    check(&(whole.clone() + lines[3] + "\n"), "baseline-duplicate-trials: 1 rows");
    check(&whole.replacen("converged,", ",memory", 1), "baseline-lost-trials: 1 trials");
}

#[test]
fn a_grid_that_grew_or_shrank_is_compared_in_what_is_common_and_the_rest_is_told() {
    let place = folder(GRID, |_| "converged");
    let compare = |old: &str, told: &[&str]| {
        place.write("old/runs.csv", &Results::of(old).text());
        let (status, text) = gate(&place, "--baseline old");
        assert!(status == 0 && told.iter().all(|told| text.contains(told)), "{told:?}\n{text}");
        text
    };
    // The earlier sweep has fewer seeds, and then fewer depths.
    let here = "not compared: 4 trials that the baseline does not have\n";
    compare(&GRID.replace("seeds = 2", "seeds = 1"), &["4 pairs, 0 changed", here]);
    compare(&GRID.replace(", 3, 4]", "]"), &["4 pairs, 0 changed", here]);
    // The earlier sweep has more seeds, and one value that was replaced by another.
    let there = "not compared: 4 trials of the baseline that the grid does not have any more\n";
    compare(&GRID.replace("seeds = 2", "seeds = 3"), &["8 pairs, 0 changed", there]);
    let text = compare(
        &GRID.replace("4]", "5]"),
        &["6 pairs, 0 changed", "not compared: 2 trials that the baseline", "not compared: 2 trials of the baseline"],
    );
    assert!(text.ends_with("gate passed: 11 checks\n"), "{text}");
    assert!(!compare(GRID, &["8 pairs"]).contains("not compared"));
    // What both sweeps have is judged as before.
    let grown = WIDE.replace("seeds = 20", "seeds = 25");
    let place = folder(&grown, blown(6));
    place.write("old/runs.csv", &Results::of(WIDE).text());
    let (status, text) = gate(&place, "--baseline old");
    assert!(status == 1 && text.contains("\nbaseline-regressed: "), "{text}");
}

#[test]
fn changed_outcomes_are_listed_with_the_axes_that_vary() {
    let spec = "name='t'\nepochs=9\nseeds=2\n[task]\nkind='noise'\n[[grid]]\nlabel='shallow'\nlr=0.1\n[[grid]]\nlabel='deep'\nlr={linear=[0.1,0.2],points=2}\n\
                depth=4\nclip=['none','norm(1.0)']\n";
    let (_, text) = gate(&folder(spec, |i| if i == 0 || i == 9 { "stalled" } else { "converged" }), "--baseline old");
    assert!(
        text.contains("  converged -> stalled  label=shallow depth=1 lr=0.1 clip=none clip_threshold=inf seed=0\n"),
        "{text}"
    );
    assert!(
        text.contains("  converged -> stalled  label=deep depth=4 lr=0.2 clip=norm clip_threshold=1.0 seed=1\n"),
        "{text}"
    );
}

#[test]
fn a_baseline_that_cannot_be_read_ends_with_2() {
    let place = folder(GRID, |_| "converged");
    assert!(place.refused("check r --baseline none").contains("cannot read `none`"));
    assert!(place.refused("check r --baseline r").contains("the baseline `r/runs.csv` is the sweep itself"));
    place.write("old/runs.csv", "trial,outcome\n");
    assert!(place.refused("check r --baseline old").contains("`old/runs.csv`: line 1: there is no column `lost`"));
    place.write("old/runs.csv", &place.read("r/runs.csv").replacen(",0.1,", ",x,", 1));
    assert!(
        place.refused("check r --baseline old").contains("`old/runs.csv`: line 2, column `lr`: `x` is not a number")
    );
    assert!(place.refused("check r").contains("there is nothing to check: `r/spec.toml` has no [[expect]]"));
}

#[test]
fn trials_of_one_seed_change_together() {
    // 30 learning rates of 3 seeds: what happens in one seed, or in all, is three draws at most.
    let spec = |seeds: u64| {
        format!(
            "name = \"t\"\nepochs = 9\nseeds = {seeds}\n[task]\nkind = \"noise\"\n[[grid]]\n\
             lr = {{ log = [0.1, 1.0], points = 30 }}\n"
        )
    };
    let few = |changed: fn(usize) -> bool| {
        gate(&folder(&spec(3), |i| if changed(i) { "nonfinite" } else { "converged" }), "--baseline old")
    };
    // 4 pairs for the worse have p = 1/16 each for itself, and 5 have 1/32: a gate does not pass
    // on what it cannot tell.
    assert_eq!(few(|i| i < 4).0, 0);
    let (status, text) = few(|i| i < 5);
    assert!(status == 1 && text.contains("(baseline-few-seeds)"), "{text}");
    let message = "failure rate: 5 of 90 trials fail, 0 failed before: 5 newly, 0 no longer; 3 seeds cannot tell this \
                   from chance, 5 or more can: train more in both sweeps\n";
    assert!(text.contains(message) && text.contains("FAIL  90     3      failure_rate "), "{text}");
    // Ten seeds can tell: 50 changes in one of them are chance, and 10 in ten of them are not.
    let many = |changed: fn(usize) -> bool| {
        gate(&folder(&spec(10), |i| if changed(i) { "nonfinite" } else { "converged" }), "--baseline old")
    };
    let (status, text) = many(|i| i % 10 == 0);
    assert_eq!(status, 0, "{text}");
    let (status, text) = many(|i| i < 10);
    assert!(status == 1 && text.contains("p = 9.77e-4 over 10 seeds"), "{text}");
}

#[test]
fn ruin_is_a_regression_too() {
    let (status, text) = gate(&folder(WIDE, |i| if i < 6 { "ruined" } else { "converged" }), "--baseline old");
    assert!(status == 1, "{text}");
    let message = "baseline: failure rate: 6 of 20 trials fail at depth=1, 0 failed before: 6 newly, 0 no longer";
    assert!(text.contains(message) && !text.contains("trials blow up"), "{text}");
}

#[test]
fn expectations_and_a_baseline_are_checked_together() {
    let spec = expecting("metric = \"divergence_rate\"\nmax = 0.1");
    let (status, text) = gate(&folder(&spec, blown(2)), "--baseline old");
    assert!(status == 1 && text.ends_with("gate FAILED: 1 of 12 checks (expectation-failed)\n"), "{text}");
}
