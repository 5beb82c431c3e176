//! Metrics of `layers.csv`.

use crate::check::{GRID, Results, gate, place};
use crate::sweep::Place;

const HEADER: &str = "trial,epoch,layer,time,activation_rms,backprop_norm,weight_grad_norm,weight_norm\n";

/// A folder with the eight trials of `GRID` (depths 1, 1, 2, 2, ...). The backprop norm of layer l
/// is 2^l at epoch 0, and 3^l at epoch 5. The other columns are 1.
fn folder(metrics: &[&str]) -> Place {
    let expects = metrics.iter().map(|metric| format!("[[expect]]\nmetric = \"{metric}\"\nmin = inf\n"));
    let spec = format!("{GRID}{}", expects.collect::<String>());
    let results = Results::of(&spec);
    let place = place(&spec, &results.text());
    let mut layers = HEADER.to_owned();
    for row in 0..8 {
        for (epoch, base) in [(0, 2i32), (5, 3)] {
            for layer in 1..=(row / 2 + 2) as u32 {
                layers += &format!("{},{epoch},{layer},,1.0,{}.0,1.0,1.0\n", results.trial(row), base.pow(layer));
            }
        }
    }
    place.write("r/layers.csv", &layers);
    place
}

/// What each metric measures there, with n and the number of empty values.
fn measured(metrics: &[&str]) -> Vec<(f64, u64, u64)> {
    let place = folder(metrics);
    gate(&place, "--junit j.xml");
    let report = quick_junit::Report::deserialize_from_str(&place.read("j.xml")).unwrap();
    let cases = &report.test_suites[1].test_cases;
    let of = |case: &quick_junit::TestCase, name: &str| {
        let found = case.properties.iter().find(|p| p.name.as_str() == format!("expect.{name}"));
        found.unwrap().value.as_str().to_owned()
    };
    let number = |text: String| text.parse().unwrap_or(f64::NAN);
    let case =
        |case| (number(of(case, "measured")), of(case, "n").parse().unwrap(), of(case, "empty").parse().unwrap());
    cases.iter().map(case).collect()
}

#[test]
fn layers_are_found_by_number_from_the_end_and_in_ranges() {
    let expected = [
        ("max(backprop_norm[1])", 2.0, 8, 0),
        ("max(backprop_norm[2, epoch 5])", 9.0, 8, 0),
        ("max(backprop_norm[last])", 16.0, 8, 0),
        ("max(backprop_norm[output])", 32.0, 8, 0),
        // Depth 1 has no layer before its last.
        ("min(backprop_norm[last - 1])", 2.0, 6, 2),
        // These are layers 3 and 4 of depths 1 to 4, output layers included: 0 + 1 + 2 + 2 layers,
        // for two trials each.
        ("count(backprop_norm[3..4])", 10.0, 16, 6),
        ("max(backprop_norm[3..4])", 16.0, 10, 6),
        ("mean(backprop_norm[1..last])", 2.0 * (2.0 + 6.0 + 14.0 + 30.0) / 20.0, 20, 0),
        // There is one value per layer but the first, so depth 1 has none.
        ("geomean(backprop_norm[2..last] / backprop_norm[1..last-1])", 2.0, 12, 2),
        ("max(backprop_norm[1..last] / backprop_norm[1])", 8.0, 20, 0),
        ("geomean((backprop_norm[5] / backprop_norm[3]) ^ (1/2))", 2.0, 2, 6),
        ("max(backprop_norm[1..2] * depth)", 16.0, 16, 0),
        ("mean(backprop_norm[1, epoch 5] / backprop_norm[1, epoch 0])", 1.5, 8, 0),
        ("count(backprop_norm[1, epoch 7])", 0.0, 8, 8),
        ("mean(activation_rms[1] + weight_grad_norm[1] + weight_norm[output])", 3.0, 8, 0),
    ];
    let found = measured(&expected.map(|(metric, ..)| metric));
    assert_eq!(found.len(), expected.len());
    for ((metric, value, n, empty), found) in expected.into_iter().zip(found) {
        assert!((found.0 - value).abs() < 1e-12 * value.max(1.0), "{metric}: {found:?}");
        assert_eq!((found.1, found.2), (n, empty), "{metric}");
    }
}

#[test]
fn layers_of_recurrent_nets_have_time_steps() {
    let grid = "name = \"t\"\nepochs = 9\n[task]\nkind = \"adding\"\n[[grid]]\nnetwork = \"rnn\"\nsequence_length = [3, 5]\nlr = 0.1\n";
    let metrics =
        ["max(backprop_norm[1, time 3])", "max(backprop_norm[1, time last])", "mean(backprop_norm[1, time 1..last])"];
    let ratio = "geomean(backprop_norm[1, time 2..last] / backprop_norm[1, time 1..last-1])";
    let bounds = [9.0, 25.0, (14.0 + 55.0) / 8.0, 0.0];
    let expects = metrics.iter().chain([&ratio]).zip(bounds).map(|(metric, bound)| {
        format!(
            "[[expect]]\nmetric = \"{metric}\"\nmin = {bound:?}\nmax = {:?}\n",
            if bound > 0.0 { bound } else { 9.0 }
        )
    });
    let spec = format!("{grid}{}", expects.collect::<String>());
    let results = Results::of(&spec);
    let mut layers = HEADER.to_owned();
    for (row, steps) in [(0, 3), (1, 5)] {
        for time in 1..=steps {
            layers += &format!("{},0,1,{time},1.0,{}.0,1.0,1.0\n", results.trial(row), time * time);
        }
        layers += &format!("{},0,2,,1.0,100.0,1.0,1.0\n", results.trial(row));
    }
    let recurrent = place(&spec, &results.text());
    recurrent.write("r/layers.csv", &layers);
    let (status, text) = gate(&recurrent, "");
    assert_eq!(status, 0, "{text}");
    recurrent.write("no-time.toml", &format!("{grid}[[expect]]\nmetric = \"max(backprop_norm[1])\"\nmin = 0\n"));
    let (status, text) = gate(&recurrent, "--spec no-time.toml");
    assert!(status == 1 && text.contains("write [1, time 3] or [1, time 1..last]"), "{text}");
}

#[test]
fn a_layers_file_that_is_absent_or_damaged_ends_with_2() {
    let place = folder(&["max(backprop_norm[1])"]);
    let whole = place.read("r/layers.csv");
    let refused = |text: &str, expected: &str| {
        place.write("r/layers.csv", text);
        let error = place.refused("check r");
        assert!(error.contains(expected), "{expected}\n{error}");
    };
    let first = whole.lines().nth(1).unwrap();
    let twice = format!("{HEADER}{first}\n{first}\n");
    refused(&twice, "`r/layers.csv`: line 3, column `layer`: `1` is a layer that stood before");
    refused(&whole.replacen(",0,1,", ",0,one,", 1), "line 2, column `layer`: `one` is not a whole number");
    refused(&whole.replacen(",0,1,", ",,1,", 1), "line 2, column `epoch`: an empty cell is not a whole number");
    refused(&whole.replacen(",2.0,", ",two,", 1), "line 2, column `backprop_norm`: `two` is not a number");
    refused(&whole.replacen(",2.0,", ",", 1), "line 2: the row has 7 cells, the header 8");
    refused(&whole[..whole.len() - 4], "the row ends without a line end");
    refused(&whole.replacen("backprop_norm", "backprop", 1), "line 1: there is no column `backprop_norm`");
    std::fs::remove_file(place.path("r/layers.csv")).unwrap();
    let error = place.refused("check r");
    assert!(error.contains("there is no `r/layers.csv`") && error.contains("layers = [0]"), "{error}");
}
