//! What expectations may say, and what their metrics measure.

use crate::check::{GRID, Results, expecting, gate, place};
use blowup_core::check::aggregate::aggregate;
use blowup_core::spec::Spec;
use blowup_core::spec::metric::{Expr, Function, What};
use proptest::prelude::*;

/// The messages and hints of a refused spec, one line each.
fn mistakes(spec: &str) -> Vec<String> {
    let open = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let Err(report) = Spec::parse(spec, "t.toml", &open) else { panic!("this is accepted:\n{spec}") };
    report.problems.iter().map(|p| format!("{}:{} {} / {}", p.line, p.column, p.message, p.hint)).collect()
}

/// Checks that a metric (on line 10, with its text from column 11) has this one mistake.
fn wrong(metric: &str, expected: &str) {
    assert_eq!(mistakes(&expecting(&format!("metric = \"{metric}\"\nmax = 1"))), [expected], "{metric}");
}

/// What each metric measures of eight trials. Depths 1 to 4 come twice, the losses are 1 to 8, and
/// every third epoch of divergence is empty.
fn measured(metrics: &[&str]) -> Vec<f64> {
    let expects = metrics.iter().map(|metric| format!("[[expect]]\nmetric = \"{metric}\"\nmin = inf\n"));
    let spec = format!("{GRID}{}", expects.collect::<String>());
    let mut results = Results::of(&spec);
    results.column("loss_final", |i| format!("{}.0", i + 1));
    results.column("epoch_diverged", |i| if i % 3 == 0 { String::new() } else { i.to_string() });
    results.column("outcome", |i| ["converged", "nonfinite", "diverged", "stalled", "unsettled"][i % 5]);
    let place = place(&spec, &results.text());
    gate(&place, "--junit report.xml");
    // The report has all digits, and the text has as many as people can read.
    let number = |rest: &str| rest.split('"').next().unwrap().parse().unwrap();
    let report = place.read("report.xml");
    let mut found: Vec<f64> = report.split("\"expect.measured\" value=\"").skip(1).map(number).collect();
    // The counts of rows come before the expectations.
    found.split_off(found.len() - metrics.len())
}

#[test]
fn metrics_measure_what_they_say() {
    let expected = [
        ("divergence_rate", 4.0 / 8.0),
        ("nonfinite_rate", 2.0 / 8.0),
        ("converged_rate", 2.0 / 8.0),
        ("stalled_rate", 1.0 / 8.0),
        ("unsettled_rate", 1.0 / 8.0),
        ("mean(loss_final)", 4.5),
        ("median(loss_final)", 4.5),
        ("min(loss_final)", 1.0),
        ("max(loss_final)", 8.0),
        ("var(loss_final)", 6.0),
        ("std(loss_final)", 6f64.sqrt()),
        ("geomean(loss_final)", 40320f64.powf(0.125)),
        ("count(epoch_diverged)", 5.0),
        ("mean(epoch_diverged)", (1.0 + 2.0 + 4.0 + 5.0 + 7.0) / 5.0),
        ("max(loss_final * lr)", 0.8),
        ("mean(depth)", 2.5),
        ("max(-2 ^ 2 + loss_final - loss_final)", -4.0),
        ("max(2 ^ 3 ^ 2 + 0 * depth)", 512.0),
        ("max(2 ^ -1 * depth)", 2.0),
        ("max(8 / 4 / 2 * depth / depth)", 1.0),
        ("max(10 - 4 - 3 + 0 * depth)", 3.0),
        ("max(1 + 2 * 3 + 0 * depth)", 7.0),
        ("max((1 + 2) * 3 + 0 * depth)", 9.0),
        ("max(sqrt(16) + abs(-3) + log10(1e-2) + ln(1) + 0 * depth)", 5.0),
        ("max(- - depth)", 4.0),
        ("mean(loss_final < 2 + 1)", 0.25),
        ("mean((depth > 1) * (loss_final < 5))", 0.25),
        ("mean(3 - 2 > 0 * depth)", 1.0),
        ("mean(ln(0 - depth) < 1)", 0.0),
    ];
    let found = measured(&expected.map(|(metric, _)| metric));
    assert_eq!(found.len(), expected.len());
    for ((metric, expected), found) in expected.into_iter().zip(found) {
        assert!((found - expected).abs() <= 1e-14 * expected.abs(), "{metric}: {found} instead of {expected}");
    }
}

#[test]
fn wrong_metrics_are_shown_where_they_are_wrong() {
    wrong(
        "divergence_rat",
        "10:11 `divergence_rat` is neither a rate nor a function / did you mean `divergence_rate`?",
    );
    wrong(
        "loss_final",
        "10:11 `loss_final` is a column, one value per trial / say what to make of them, for example mean(loss_final) or max(loss_final)",
    );
    wrong("mean(los_final)", "10:16 there is no column `los_final` / did you mean `loss_final`?");
    wrong(
        "mean(1 + init)",
        "10:20 the column `init` does not hold numbers / a formula takes numbers; choose trials by text with `where` and `by`",
    );
    wrong("mean(lr", "10:18 there is no `)` here / the parenthesis of the function is closed here");
    wrong("mean(ln(lr)", "10:22 there is no `)` here / the parenthesis of the function is closed here");
    wrong(
        "mean(lr) * 2",
        "10:20 the metric is over before this / a metric is a rate, or one function of a formula: arithmetic goes inside, mean(2 * lr)",
    );
    wrong(
        "mean(lr +)",
        "10:20 a number, a column or a `(` is missing here / for example divergence_rate, mean(loss_final), max(ln(backprop_ratio))",
    );
    wrong(
        "mean(2 * 3)",
        "10:16 this formula reads no column / for example divergence_rate, mean(loss_final), max(ln(backprop_ratio))",
    );
    wrong(
        "mean(lr $ 2)",
        "10:19 `$` has no meaning in a metric / there are numbers, columns, < > + - * / ^, parentheses, ln, log10, sqrt and abs",
    );
    wrong("mean(1 < lr < 2)", "10:23 one comparison follows another / write (a < b) * (b < c) for both");
    wrong("mean(1.2.3 * lr)", "10:19 there is no `)` here / the parenthesis of the function is closed here");
    wrong("", "10:11 this metric is empty / for example divergence_rate, mean(loss_final), max(ln(backprop_ratio))");
    wrong(&format!("mean({}lr)", "(".repeat(1000)), "10:11 this metric has 1008 characters / it may have 1000");
    wrong(
        "mean(backprop_norm)",
        "10:29 there is no `[` here / it is a column of layers.csv: say which layers, backprop_norm[1] or backprop_norm[2..last]",
    );
    wrong(
        "mean(backprop_norm[0])",
        "10:30 this is not an integer from 1 to 999999 / layers and time steps count from 1; `last` is the last of them, `output` the output layer",
    );
    wrong("mean(backprop_norm[5..2])", "10:30 this range is empty / the smaller end comes first");
    wrong(
        "mean(backprop_norm[2, epoc 3])",
        "10:33 neither `time` nor `epoch` stands here / for example [5], [2..last], [1, time 3] or [5, epoch 10]",
    );
    wrong("mean(backprop_norm[2, epoch 3, epoch 4])", "10:42 this stands twice / keep one of them");
    wrong(
        "mean(backprop_norm[2..5] / backprop_norm[1..5])",
        "10:38 this range is not as long as the one before it / ranges in one formula advance together, so they have as many layers: a[2..5] / a[1..4]",
    );
}

#[test]
fn a_mistake_in_an_escaped_text_points_at_the_whole_of_it() {
    let spec = expecting("metric = \"mean(\\u006crr)\"\nmax = 1");
    assert_eq!(mistakes(&spec), ["10:10 there is no column `lrr` / did you mean `lr`?"]);
}

#[test]
fn wrong_expectations_are_all_in_one_report() {
    let check = |lines: &str, expected: &[&str]| assert_eq!(mistakes(&expecting(lines)), expected, "{lines}");
    let rate = "metric = \"divergence_rate\"";
    check("max = 1", &["9:1 this [[expect]] has no `metric` / for example metric = \"divergence_rate\""]);
    check(rate, &["9:1 this [[expect]] expects nothing / it needs `min`, `max`, or `value` with `tolerance`"]);
    check(
        &format!("{rate}\nvalue = 1"),
        &["11:9 `value` needs a `tolerance` / for example tolerance = 0.01, or tolerance = \"5%\" of the value"],
    );
    check(
        &format!("{rate}\nmax = 1\ntolerance = 1"),
        &["12:13 `tolerance` needs a `value` / `min` and `max` are taken as they are"],
    );
    check(
        &format!("{rate}\nmax = 1\nvalue = 1\ntolerance = 1"),
        &["12:9 `value` stands beside `min` or `max` / write one or the other"],
    );
    check(&format!("{rate}\nmin = 1\nmax = 0"), &["12:7 `max` is below `min` / nothing lies between them"]);
    check(
        &format!("{rate}\nvalue = 0\ntolerance = \"5%\""),
        &["12:13 a share of the value 0 is 0 / write the tolerance as a number"],
    );
    check(
        "metrik = 1\nmetric = 3\nby = [\"dept\", \"depth\", \"depth\"]\nwhere = 3\nmin = nan\ntolerance = \"x%\"",
        &[
            "10:1 `expect` has no key `metrik` / did you mean `metric`?",
            "11:10 `metric` is an integer, not a string / write it in quotes",
            "12:7 `dept` is not an axis / did you mean `depth`?",
            "12:24 `depth` stands twice / keep one of them",
            "13:9 `where` is an integer, not a table / for example where = { network = \"mlp\", lr = { max = 0.1 } }",
            "14:7 `min` cannot be NaN / `min` and `max` may be inf; nan is within no bound",
            "15:13 `tolerance` is no number, 0 or more / for example 0.01, or \"5%\" of the value",
        ],
    );
    assert_eq!(
        mistakes(&format!("{GRID}[baseline]\nalpha = 1\ndirection = \"better\"\nmax_changed = \"no\"\nbi = []\n")),
        [
            "10:9 `alpha` is no number between 0 and 1 / for example 0.05",
            "11:13 `direction` is neither \"worse\" nor \"any\" / write one of them",
            "12:15 `max_changed` is no number from 0 to 1 / 0.01 lets 1% of the outcomes differ",
            "13:1 `baseline` has no key `bi` / did you mean `by`?",
        ]
    );
}

#[test]
fn a_value_is_near_within_its_tolerance() {
    let passes = |bound: &str| {
        let spec = expecting(&format!("metric = \"mean(loss_final)\"\n{bound}"));
        gate(&place(&spec, &Results::of(&spec).column("loss_final", |_| "2.0").text()), "").0 == 0
    };
    assert!(passes("min = 2\nmax = 2"));
    assert!(!passes("min = 2.0000001"));
    assert!(!passes("max = 1.9999999"));
    assert!(passes("value = 1.75\ntolerance = 0.25"));
    assert!(!passes("value = 1.75\ntolerance = 0.2499"));
    assert!(passes("value = 2.5\ntolerance = \"20%\""));
    assert!(!passes("value = 2.5\ntolerance = \"19.9%\""));
    assert!(!passes("value = -2\ntolerance = \"50%\""));
}

#[test]
fn aggregates_are_honest_about_what_is_not_finite() {
    let inf = f64::INFINITY;
    let of = |function, values: &[f64]| aggregate(function, values);
    assert_eq!(of(Function::Max, &[1.0, inf]), Some(inf));
    assert_eq!(of(Function::Min, &[1.0, -inf]), Some(-inf));
    assert_eq!(of(Function::Mean, &[1.0, inf]), Some(inf));
    assert!(of(Function::Mean, &[-inf, inf]).unwrap().is_nan());
    assert!(of(Function::Var, &[1.0, inf]).unwrap().is_nan());
    assert_eq!(of(Function::Median, &[1.0, inf, 2.0]), Some(2.0));
    assert_eq!(of(Function::Median, &[inf, inf]), Some(inf));
    assert_eq!(of(Function::Mean, &[1e308, 1e308, 1e308]), Some(1e308));
    let large = 2f64.powi(1023);
    assert_eq!(of(Function::Median, &[large, large / 2.0]), Some(large * 0.75));
    assert_eq!(of(Function::Geomean, &[0.0, 4.0]), Some(0.0));
    assert!(of(Function::Geomean, &[-1.0, 4.0]).unwrap().is_nan());
    assert_eq!(of(Function::Var, &[1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0]), Some(30.0));
    for function in Function::ALL {
        let nan = of(function, &[f64::NAN, 1.0]).unwrap();
        assert!(nan.is_nan() || function == Function::Count, "{function:?}");
        assert_eq!(of(function, &[]).is_some(), function == Function::Count, "{function:?}");
    }
    assert_eq!(of(Function::Std, &[1.0]), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any tokens in any order give a metric or a mistake inside its text, and never a panic.
    #[test]
    fn no_metric_makes_it_panic(tokens in prop::collection::vec(0usize..TOKENS.len(), 0..14), front in any::<bool>()) {
        let inner: String = tokens.into_iter().map(|i| TOKENS[i]).collect();
        let metric = if front { format!("mean(lr{inner})") } else { inner };
        let spec = expecting(&format!("metric = '{metric}'\nmax = 1"));
        let open = |_: &str| Err(std::io::ErrorKind::NotFound.into());
        if let Err(report) = Spec::parse(&spec, "t.toml", &open) {
            prop_assert_eq!(report.problems.len(), 1);
            let problem = &report.problems[0];
            prop_assert!(problem.line == 10 && (11..=11 + metric.chars().count()).contains(&problem.column), "{}", report);
        }
    }

    /// A sum of products without parentheses is what Rust makes of it.
    #[test]
    fn precedence_is_that_of_arithmetic(terms in prop::collection::vec((1u32..9, 1u32..9, 1u32..9), 1..6)) {
        let text: Vec<String> = terms.iter().map(|(a, b, c)| format!("{a} * {b} / {c} - -{b}^2")).collect();
        let expected: f64 = terms.iter().map(|(a, b, c)| f64::from(a * b) / f64::from(*c) + f64::from(b * b)).sum();
        let spec = Spec::parse(
            &expecting(&format!("metric = \"max({} + 0 * lr)\"\nmax = 1", text.join(" + "))),
            "t.toml",
            &|_: &str| Err(std::io::ErrorKind::NotFound.into()),
        );
        let What::Aggregate(_, formula) = &spec.unwrap().expects[0].metric.what else { panic!("a rate") };
        let found = evaluate(&formula.root);
        prop_assert!((found - expected).abs() <= 1e-12 * expected.abs(), "{} {}", found, expected);
    }
}

const TOKENS: [&str; 24] = [
    "lr",
    "loss_final",
    "ln(",
    "mean(",
    ")",
    "(",
    "+",
    "-",
    "*",
    "/",
    "^",
    "2",
    "0.5",
    "1e-3",
    " ",
    "backprop_norm[",
    "]",
    "..",
    "last",
    "output",
    ",",
    "time ",
    "epoch ",
    "é",
];

/// Evaluates an expression in which every column is 1.
fn evaluate(expr: &Expr) -> f64 {
    match expr {
        Expr::Number(x) => *x,
        Expr::Column(_) | Expr::Layers(_) => 1.0,
        Expr::Apply(unary, inner) => unary.of(evaluate(inner)),
        Expr::Operate(operator, a, b) => operator.of(evaluate(a), evaluate(b)),
    }
}
