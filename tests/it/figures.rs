//! The numbers of figures: a handwritten `runs.csv` goes in, counts and curves come out. They are
//! compared with a recomputation from the cells as text.

use crate::check::Results;
use crate::report::CURED;
use blowup::figures::boundary;
use blowup::figures::cells::{PlotMetric, cells};
use blowup::figures::design::{Spacing, shorten, varying};
use blowup::figures::plan::{AxisSelection, Frame, Page};
use blowup::figures::survival::curve;
use blowup::figures::table::{Factor, SurvivalEvent, TrialTable, measures};
use blowup_core::record;
use blowup_core::spec::filter::Filter;
use blowup_core::spec::metric::Rate;
use blowup_core::summary::draws;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

const MIXED: &str = r#"
name = "t"
epochs = 9
seeds = 4
[task]
kind = "noise"
samples = 8
[[grid]]
label = "a, b"
depth = [2, 16, 4]
init = ["normal(0.5)", "he", "xavier"]
clip = ["none", "norm(1.0)"]
lr = { log = [1e-3, 10.0], points = 5 }
[[grid]]
label = "recurrent"
network = "rnn"
task = { kind = "noise-sequence", samples = 8 }
epochs = 3
sequence_length = [16, 4]
lr = [0.1, 1.0, 0.0]
weight_decay = [0.0, 0.1]
"#;

/// Numbers without a pattern, which are the same in every run.
fn scatter(i: usize, of: usize) -> usize {
    ((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % of
}

/// Results with outcomes that fail and that do not, with lost trials, epochs of divergence, NaN and
/// empty cells.
pub fn results() -> Results {
    let mut results = Results::of(MIXED);
    let outcomes = ["converged", "ruined", "relapsed", "diverged", "nonfinite", ""];
    results
        .column("outcome", |i| outcomes[scatter(i, 6)])
        .column("lost", |i| if scatter(i, 6) == 5 { "timeout" } else { "" })
        .column(
            "epoch_diverged",
            |i| if scatter(i, 3) == 0 { (1 + scatter(i + 7, 3)).to_string() } else { String::new() },
        )
        .column("epoch_nonfinite", |i| if scatter(i, 6) == 0 { "2" } else { "" })
        .column("grad_norm_max", |i| ["1.5", "", "NaN", "inf", "0.25", "3.0"][scatter(i + 3, 6)]);
    results
}

pub fn read(text: &str, filters: &[&str]) -> TrialTable {
    let axes = blowup_core::axis::AxisSet::default();
    let filter = Filter::parse(&filters.iter().map(|f| (*f).to_owned()).collect::<Vec<_>>(), &axes).unwrap();
    TrialTable::read(Path::new("runs.csv"), text.as_bytes(), &measures(), &filter, &axes)
        .unwrap_or_else(|e| panic!("{e}"))
}

/// The rows as text, by column.
fn rows(text: &str) -> Vec<BTreeMap<&'static str, String>> {
    let columns = record::runs();
    let fields = |line: &str| {
        record::fields(line.as_bytes()).iter().map(|f| String::from_utf8_lossy(f).into_owned()).collect::<Vec<_>>()
    };
    text.lines().skip(1).map(|line| columns.iter().copied().zip(fields(line)).collect()).collect()
}

#[test]
fn cells_count_what_a_loop_over_the_text_counts() {
    let text = results().text();
    let (table, rows) = (read(&text, &[]), rows(&text));
    let by = ["depth", "lr", "init"].map(|name| table.factor(name).unwrap());
    let mut naive: BTreeMap<Vec<&str>, [u64; 4]> = BTreeMap::new();
    let mut by_seed: BTreeMap<Vec<&str>, BTreeMap<&str, (u64, u64)>> = BTreeMap::new();
    for row in &rows {
        let cluster = by_seed.entry(by.iter().map(|factor| &*row[factor.name]).collect()).or_default();
        let (hits, all) = cluster.entry(&*row["seed"]).or_default();
        *hits += u64::from(row["outcome"] == "nonfinite");
        *all += u64::from(row["lost"].is_empty());
        let sums = naive.entry(by.iter().map(|factor| &*row[factor.name]).collect()).or_default();
        let blown = matches!(&*row["outcome"], "diverged" | "nonfinite");
        let each = [true, blown, row["outcome"] == "nonfinite", !row["lost"].is_empty()];
        sums.iter_mut().zip(each).for_each(|(sum, it)| *sum += u64::from(it));
    }
    let found = cells(&table, &table.rows(), &by);
    assert_eq!(found.len(), naive.len());
    for cell in found {
        let key: Vec<&str> = cell.levels.iter().zip(by).map(|(l, factor)| &*factor.levels[*l as usize].text).collect();
        let [trials, blown, nonfinite, lost] = naive[&key];
        let counts = cell.counts;
        assert_eq!([counts.trials, counts.diverged + counts.nonfinite, counts.nonfinite, counts.lost], naive[&key]);
        let n = trials - lost;
        let rate = (n > 0).then(|| blown as f64 / n as f64);
        assert_eq!(cell.value(&table, PlotMetric::Rate(Rate::Divergence)), rate);
        // Wilson's interval for as many draws as the seeds make of the trials.
        let clusters: Vec<(u64, u64)> = by_seed[&key].values().copied().collect();
        let expected = (n > 0).then(|| {
            let (p, draws, z) = (nonfinite as f64 / n as f64, draws(&clusters), 1.959963984540054f64);
            let (centre, scale) = (p + z * z / 2.0 / draws, 1.0 + z * z / draws);
            let half = z * (p * (1.0 - p) / draws + (z / 2.0 / draws).powi(2)).sqrt();
            [(centre - half) / scale, (centre + half) / scale]
        });
        let found = cell.interval(&table, Rate::Nonfinite).map(|(low, high)| [low, high]);
        let differs = |(found, expected): ([f64; 2], [f64; 2])| (0..2).any(|i| (found[i] - expected[i]).abs() > 1e-12);
        assert!(found.is_some() == expected.is_some() && !found.zip(expected).is_some_and(differs), "{found:?}");
    }
}

#[test]
fn a_median_takes_what_is_there_and_a_nan_for_infinite() {
    let text = results().text();
    let table = read(&text, &[]);
    for cell in cells(&table, &table.rows(), &[table.factor("lr").unwrap()]) {
        let lr = &table.factor("lr").unwrap().levels[cell.levels[0] as usize].text;
        let mut values: Vec<f64> = rows(&text)
            .iter()
            .filter(|row| row["lr"] == *lr && !row["grad_norm_max"].is_empty())
            .map(|row| row["grad_norm_max"].parse().unwrap())
            .map(|x: f64| if x.is_nan() { f64::INFINITY } else { x })
            .collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        let median = if low == high { low } else { (low + high) / 2.0 };
        assert_eq!(cell.value(&table, PlotMetric::Median("grad_norm_max")), Some(median), "{lr}: {values:?}");
    }
}

#[test]
fn a_survival_curve_is_the_product_over_the_trials_still_at_risk() {
    let text = results().text();
    let (table, rows) = (read(&text, &[]), rows(&text));
    for (event, column) in [(SurvivalEvent::Diverged, "epoch_diverged"), (SurvivalEvent::Nonfinite, "epoch_nonfinite")]
    {
        let curve = curve(&table, &table.rows(), event);
        let watched: Vec<(u32, bool)> = rows
            .iter()
            .filter(|row| !row["outcome"].is_empty())
            .map(|row| match &*row[column] {
                "" => (row["epochs"].parse().unwrap(), false),
                epoch => (epoch.parse().unwrap(), true),
            })
            .collect();
        assert_eq!((curve.trials, curve.lost), (watched.len() as u64, (rows.len() - watched.len()) as u64));
        let mut survival = 1.0;
        for epoch in 0..=9 {
            let at_risk = watched.iter().filter(|(end, _)| *end >= epoch).count();
            let events = watched.iter().filter(|(end, event)| *end == epoch && *event).count();
            survival *= if at_risk == 0 { 1.0 } else { 1.0 - events as f64 / at_risk as f64 };
            assert!((curve.at(epoch) - survival).abs() < 1e-12, "{column}, epoch {epoch}");
        }
        assert!(survival < 1.0 && survival > 0.0);
    }
}

/// Where every trial is watched to its end or to the same epoch, the share that survives is a rate,
/// and its band is the interval of that rate.
#[test]
fn the_band_of_a_survival_curve_is_the_interval_of_the_share() {
    let text = results().text();
    let (table, rows) = (read(&text, &["network=mlp"]), rows(&text));
    let rows: Vec<_> = rows.iter().filter(|row| row["network"] == "mlp" && !row["outcome"].is_empty()).collect();
    assert!(rows.iter().all(|row| row["epochs"] == rows[0]["epochs"]) && rows.len() > 8);
    let curve = curve(&table, &table.rows(), SurvivalEvent::Nonfinite);
    let mut between = 0;
    for point in &curve.points {
        let mut seeds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for row in &rows {
            let (survive, all) = seeds.entry(&row["seed"]).or_default();
            *all += 1;
            *survive += u64::from(row["epoch_nonfinite"].parse().map_or(true, |epoch: u32| epoch > point.epoch));
        }
        let clusters: Vec<(u64, u64)> = seeds.into_values().collect();
        let n = draws(&clusters);
        // Wilson's interval of a share p in n draws, as roots of a quadratic equation.
        let (p, z) = (point.survival, 1.959963984540054_f64);
        let (a, b, c) = (1.0 + z * z / n, -2.0 * p - z * z / n, p * p);
        let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
        let expected = ((-b - root) / (2.0 * a), (-b + root) / (2.0 * a));
        assert!(
            (point.low - expected.0).abs() < 1e-9 && (point.high - expected.1).abs() < 1e-9,
            "{point:?}, {expected:?}"
        );
        between += u32::from(p > 0.0 && p < 1.0);
    }
    assert!(between > 1, "{curve:?}");
    // Before the first event all survive, and that is a share with an interval, too: Wilson's lower
    // end for n of n is n / (n + z^2).
    let seeds: HashSet<&str> = rows.iter().map(|row| &*row["seed"]).collect();
    let count = |seed: &&str| rows.iter().filter(|row| row["seed"] == **seed).count() as u64;
    let n = draws(&seeds.iter().map(|seed| (count(seed), count(seed))).collect::<Vec<_>>());
    let z = 1.959963984540054_f64;
    assert!((curve.low - n / (n + z * z)).abs() < 1e-9 && curve.low < 1.0, "{curve:?}");
}

/// With trials that end at other epochs, the variance is that of a jackknife that leaves out a
/// seed at a time, up to terms of second order: the band narrows as the seeds become many.
#[test]
fn the_band_of_a_censored_curve_is_near_that_of_a_jackknife() {
    let header = results().text().lines().next().unwrap().to_owned();
    let columns: Vec<&str> = header.split(',').collect();
    let template: Vec<String> =
        results().text().lines().rfind(|line| !line.contains('"')).unwrap().split(',').map(ToOwned::to_owned).collect();
    let row = |number: usize, seed: usize, epochs: u32, event: Option<u32>| {
        let cell = |(at, name): (usize, &&str)| match *name {
            "trial" => format!("t{number:012x}"),
            "seed" => seed.to_string(),
            "epochs" => epochs.to_string(),
            "outcome" => if event.is_some() { "nonfinite" } else { "converged" }.to_owned(),
            "lost" => String::new(),
            "epoch_diverged" | "epoch_nonfinite" => event.map_or_else(String::new, |epoch| epoch.to_string()),
            _ => template[at].clone(),
        };
        columns.iter().enumerate().map(cell).collect::<Vec<_>>().join(",")
    };
    const SEEDS: usize = 40;
    let mut draws = ChaCha8Rng::seed_from_u64(7);
    // The seeds have other hazards, so that their trials are no independent draws.
    let trials: Vec<[(u32, Option<u32>); 6]> = (0..SEEDS)
        .map(|_| {
            let hazard = draws.random_range(0.0..0.3);
            [6, 12, 12, 6, 12, 12].map(|budget| {
                let event = (1..=budget).find(|_| draws.random_bool(hazard));
                (budget, event)
            })
        })
        .collect();
    let text = |without: Option<usize>| {
        let some = (0..SEEDS).filter(|seed| Some(*seed) != without);
        let lines = some.flat_map(|seed| (0..6).map(move |number| (seed, number)));
        let lines = lines.map(|(seed, number)| {
            let (budget, event) = trials[seed][number];
            row(seed * 6 + number, seed, budget, event)
        });
        format!("{header}\n{}\n", lines.collect::<Vec<_>>().join("\n"))
    };
    let at = |without: Option<usize>| {
        let table = read(&text(without), &[]);
        curve(&table, &table.rows(), SurvivalEvent::Nonfinite)
    };
    let whole = at(None);
    let point = whole.points.iter().rfind(|point| point.events > 0).unwrap();
    let left: Vec<f64> = (0..SEEDS).map(|seed| at(Some(seed)).at(point.epoch)).collect();
    let (k, mean) = (SEEDS as f64, left.iter().sum::<f64>() / SEEDS as f64);
    let variance = (k - 1.0) / k * left.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    // Half the width of Wilson's interval is 1.96 deviations up to terms of the order 1 / n; the
    // quantile of Student's distribution with 39 degrees of freedom, from a printed table.
    let half = (point.high - point.low) / 2.0;
    assert!((half / (2.0227 * variance.sqrt()) - 1.0).abs() < 0.1, "{half} and {}", variance.sqrt());
}

#[test]
fn what_is_measured_at_initialization_only_survives_by_its_share() {
    let spec = MIXED.replace("epochs = 9", "epochs = 0").replace("epochs = 3", "epochs = 0");
    let mut results = Results::of(&spec);
    results
        .column("outcome", |i| if i % 3 == 0 { "nonfinite" } else { "unsettled" })
        .column("epoch_diverged", |i| if i % 3 == 0 { "1" } else { "" });
    let table = read(&results.text(), &[]);
    let curve = curve(&table, &table.rows(), SurvivalEvent::Diverged);
    let blown = table.rows().len().div_ceil(3) as f64;
    assert!((curve.at(1) - (1.0 - blown / table.rows().len() as f64)).abs() < 1e-12, "{curve:?}");
}

#[test]
fn a_filter_on_rows_lets_through_what_it_lets_through_in_the_grid() {
    let text = results().text();
    let all = rows(&text);
    let kept = |filters: &[&str], holds: &dyn Fn(&BTreeMap<&'static str, String>) -> bool| {
        let ids: Vec<String> = read(&text, filters).trials.iter().map(ToString::to_string).collect();
        let expected: Vec<&String> = all.iter().filter(|row| holds(row)).map(|row| &row["trial"]).collect();
        assert_eq!(ids.iter().collect::<Vec<_>>(), expected, "{filters:?}");
        assert!(!ids.is_empty() && ids.len() < all.len(), "{filters:?}");
    };
    kept(&["init=normal(0.5),he"], &|row| matches!(&*row["init"], "normal" | "he"));
    kept(&["lr=0.01..1"], &|row| (0.01..=1.0).contains(&row["lr"].parse::<f64>().unwrap()));
    kept(&["label=recurrent", "lr=0"], &|row| row["label"] == "recurrent" && row["lr"] == "0.0");
    kept(&["sequence_length=16"], &|row| row["sequence_length"] == "16");
    kept(&["clip=norm(1.0)", "depth=..4"], &|row| row["clip"] == "norm" && row["depth"] != "16");
    assert!(read(&text, &["init=normal(0.25)"]).is_empty());
    assert_eq!(read(&text, &["batch=all"]).len() as usize, all.len());
}

#[test]
fn numbers_ascend_and_names_stand_as_they_came() {
    let mut table = read(&results().text(), &[]);
    let texts = |table: &TrialTable, name: &str| {
        table.factor(name).unwrap().levels.iter().map(|level| level.text.clone()).collect::<Vec<_>>()
    };
    assert_eq!(texts(&table, "depth"), ["1", "2", "4", "16"]);
    assert_eq!(texts(&table, "lr"), ["0.0", "0.001", "0.01", "0.1", "1.0", "10.0"]);
    assert_eq!(texts(&table, "sequence_length"), ["4", "16", ""]);
    assert_eq!(texts(&table, "label"), ["a, b", "recurrent"]);
    shorten(&mut table);
    assert_eq!(texts(&table, "init"), ["normal(0.5)", "he", "xavier", "pytorch"]);
    assert_eq!(texts(&table, "clip"), ["none", "norm(1.0)"]);
}

#[test]
fn what_follows_something_else_does_not_vary_of_its_own() {
    let mut table = read(&results().text(), &["label=a, b"]);
    assert!(table.is_empty(), "a comma separates values");
    table = read(&results().text(), &["network=mlp"]);
    shorten(&mut table);
    let names = |table: &TrialTable| varying(table, &table.rows()).iter().map(|f| f.name).collect::<Vec<_>>();
    assert_eq!(names(&table), ["depth", "init", "lr", "clip"]);
    assert_eq!(names(&read(&results().text(), &["network=rnn"])), ["lr", "weight_decay", "sequence_length"]);
}

#[test]
fn spacing_is_read_off_the_values() {
    let check = |numbers: &[f64], spacing: Spacing| assert_eq!(Spacing::of(numbers), spacing, "{numbers:?}");
    check(&[1e-3, 1e-2, 1e-1, 1.0], Spacing::Log);
    check(&[0.0, 1e-3, 1e-1], Spacing::Log);
    check(&[0.1, 1.0, f64::INFINITY], Spacing::Log);
    check(&[4.0, 16.0, 64.0], Spacing::Log);
    check(&[10.0, 20.0, 50.0, 100.0], Spacing::Log);
    check(&[1.0, 2.0, 3.0, 4.0], Spacing::Linear);
    check(&[0.0, 0.5, 0.9], Spacing::Linear);
    check(&[-1.0, 0.0, 1.0], Spacing::Linear);
    check(&[1.0, 2.0], Spacing::Linear);
    check(&[0.01, 1.0], Spacing::Log);
    check(&[1.0, 2.0, 3.0, 1e6], Spacing::Ordinal);
}

#[test]
fn of_two_rows_of_a_trial_the_first_with_a_verdict_counts() {
    let lost = {
        let mut r = Results::of(crate::check::GRID);
        r.column("outcome", |_| "").column("lost", |_| "crashed");
        r.text()
    };
    let done = {
        let mut r = Results::of(crate::check::GRID);
        r.column("outcome", |i| if i < 4 { "diverged" } else { "" })
            .column("lost", |i| if i < 4 { "" } else { "memory" });
        r.text()
    };
    let later = Results::of(crate::check::GRID).text();
    let after = |text: &str| text.split_once('\n').unwrap().1.to_owned();
    let table = read(&(lost + &after(&done) + &after(&later)), &[]);
    let outcomes: Vec<&str> = table.verdicts.iter().map(|v| v.outcome().map_or("", |o| o.name())).collect();
    assert_eq!(outcomes, [["diverged"; 4], ["converged"; 4]].concat());
    assert_eq!((table.len(), table.read), (8, 24));
}

#[test]
fn a_damaged_cell_is_named_with_its_line() {
    let check = |column: &str, cell: &str, words: &str| {
        let mut results = Results::of(crate::check::GRID);
        results.column(column, |i| if i == 4 { cell } else { "" });
        if column != "outcome" {
            let right = Results::of(crate::check::GRID).text();
            let own = rows(&right)[0][column].clone();
            results.column(column, |i| if i == 4 { cell.to_owned() } else { own.clone() });
        }
        let failed = TrialTable::read(
            Path::new("r/runs.csv"),
            results.text().as_bytes(),
            &[],
            &Filter::default(),
            &blowup_core::axis::AxisSet::default(),
        );
        let error = failed.err().expect(column).to_string();
        assert!(error.contains(words), "{error}");
    };
    check("lr", "0.1x", "`r/runs.csv`: line 6, column `lr`: `0.1x` is not a value of `lr`");
    check("init", "hex", "line 6, column `init`: `hex` is not a value of `init`");
    check("epoch_diverged", "-3", "line 6, column `epoch_diverged`: `-3` is not an epoch");
    check("loss_max", "much", "line 6, column `loss_max`: `much` is not a number");
    check("epochs", "nine", "line 6, column `epochs`: `nine` is not a value of `epochs`");
}

/// What is chosen for a grid of one seed a configuration, of which `fails` says whether it fails.
fn chosen(axes: &str, fails: impl Fn(&BTreeMap<&'static str, String>) -> bool) -> Vec<String> {
    let spec =
        format!("name = \"t\"\nepochs = 9\nseeds = 3\ntask = {{ kind = \"noise\", samples = 8 }}\n[[grid]]\n{axes}");
    let mut results = Results::of(&spec);
    let failed: Vec<bool> = rows(&results.text()).iter().map(fails).collect();
    results.column("outcome", |row| if failed[row] { "ruined" } else { "converged" });
    let mut table = read(&results.text(), &[]);
    shorten(&mut table);
    let asked = AxisSelection::default();
    let told = |page: &Page<'_>| {
        let name = |factor: Option<&Factor>| factor.map_or("-", |factor| factor.name);
        let frame = match page.frame {
            Frame::Phase(axes) => {
                format!("{} x {} in {} x {}", axes.x.name, axes.y.name, name(axes.columns), name(axes.rows))
            }
            Frame::Rates { by } => format!("by {}", by.name),
        };
        let fixed = page.fixed.iter().map(|(factor, code)| {
            let held = page.held.iter().any(|held| held.name == factor.name);
            format!("{} {}={}", if held { ", held" } else { "," }, factor.name, factor.levels[*code as usize].text)
        });
        fixed.fold(frame, |text, fixed| text + &fixed)
    };
    let families = asked.families(&table).unwrap();
    families.iter().flat_map(|family| asked.pages(&table, family, &[])).map(|page| told(&page)).collect()
}

#[test]
fn the_axes_that_decide_most_are_shown_and_the_least_ones_are_held() {
    let number = |row: &BTreeMap<&'static str, String>, axis: &str| row[axis].parse::<f64>().unwrap();
    let never = |_: &BTreeMap<&'static str, String>| false;
    assert_eq!(chosen("lr = 1", never), ["by label"]);
    assert_eq!(chosen("lr = [0.1, 1, 10]", |row| number(row, "lr") > 0.5), ["by lr"]);
    let two = chosen("depth = [2, 4, 8]\nlr = [0.1, 1, 10]", |row| number(row, "lr") * number(row, "depth") > 5.0);
    assert_eq!(two, ["lr x depth in - x -"]);
    let names = "init = [\"he\", \"xavier\", \"lecun\"]\nactivation = [\"relu\", \"tanh\"]";
    assert_eq!(
        chosen(&format!("lr = 1\n{names}"), |row| row["activation"] == "tanh"),
        ["by init, activation=relu", "by init, activation=tanh"]
    );
    let three = format!("lr = [0.1, 1, 10]\n{names}");
    assert_eq!(chosen(&three, |row| row["init"] == "he" && number(row, "lr") > 0.5), ["lr x init in activation x -"]);
    // Of five axes the four that decide are shown, however many values the fifth has.
    let five = format!("width = [4, 8, 12, 16, 20]\nclip = [\"none\", \"norm(1.0)\"]\ndepth = [1, 2]\n{three}");
    let saved = |row: &BTreeMap<&'static str, String>| row["clip"] == "norm";
    let shown =
        chosen(&five, |row| !saved(row) && number(row, "lr") * number(row, "depth") > 1.5 && row["init"] != "lecun");
    assert_eq!(shown.len(), 10, "{shown:?}");
    assert_eq!(shown[0], "lr x depth in init x clip, width=4, activation=relu");
    // Of eight, those that decide nothing are held, so that no cell pools anything.
    let eight = format!("batch = [1, 4, 8]\nweight_decay = [0.0, 0.1, 0.2]\nmomentum = [0.0, 0.5, 0.9]\n{five}");
    let shown =
        chosen(&eight, |row| !saved(row) && number(row, "lr") * number(row, "depth") > 1.5 && row["init"] != "lecun");
    assert!(shown.len() > 1 && shown.len() <= 12, "{shown:?}");
    assert!(shown[0].starts_with("lr x depth in init x clip, "), "{shown:?}");
    assert!(shown[0].contains("held") && !shown[0].contains("held lr"), "{shown:?}");
}

#[test]
fn the_boundary_is_where_half_of_the_seeds_fail() {
    let spec = CURED.replace("lr = [0.1, 1.0]", "lr = [0.01, 0.1, 1.0, 10.0]");
    let mut results = Results::of(&spec);
    // Of each two seeds one fails at .1 without the cure, and both from 1 on; with it from 10 on.
    let fails = |row: &BTreeMap<&'static str, String>| {
        let lr: f64 = row["lr"].parse().unwrap();
        lr > 5.0 || row["clip"] == "none" && (lr > 0.5 || lr > 0.05 && row["seed"] == "0")
    };
    let failed: Vec<bool> = rows(&results.text()).iter().map(fails).collect();
    results.column("outcome", |row| if failed[row] { "diverged" } else { "converged" });
    let mut table = read(&results.text(), &[]);
    shorten(&mut table);
    let asked = AxisSelection { facets: vec!["clip".to_owned(), "init".to_owned()], ..AxisSelection::default() };
    let families = asked.families(&table).unwrap();
    let pages = asked.of_numbers(&table, &families[0]).pages(&table, &families[0], &[]);
    let panels = pages.iter().flat_map(|page| {
        let cells = cells(&table, &page.rows, &page.frame.by());
        boundary::panels(&table, page, &cells, Rate::Failure)
    });
    let mut looked = 0;
    for panel in panels {
        assert_eq!((&*panel.x_title, &*panel.y_title), ("depth (hidden layers)", "learning rate"));
        let names: Vec<&str> = panel.legend.iter().skip(1).map(|entry| &*entry.text).collect();
        assert_eq!(names, ["none", "norm(1.0)"]);
        let ends = [([0.01, 1.0], 0.001f64.sqrt()), ([1.0, 10.0], 10f64.sqrt())];
        for ((stroke, half), lines) in ends.into_iter().zip(panel.lines.chunks(4)) {
            let ys = |at: usize| lines[at].points.iter().map(|(_, y)| *y).collect::<Vec<f64>>();
            // A stroke at each of the three depths, and then the line through all of them.
            (0..3).for_each(|at| assert_eq!(ys(at), stroke));
            assert!(ys(3).len() == 3 && ys(3).iter().all(|y| (y / half - 1.0).abs() < 1e-9), "{:?}", ys(3));
            looked += 1;
        }
    }
    assert_eq!(looked, 4);
}
