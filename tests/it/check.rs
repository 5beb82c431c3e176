//! The gate: handwritten results of small grids go in, an exit status and findings come out. The
//! program is the real one.

use crate::sweep::{Place, stderr};
use blowup_core::record::{self, Lost};
use blowup_core::spec::Spec;

/// A spec with eight trials: four depths with two seeds each.
pub const GRID: &str =
    "name = \"t\"\nepochs = 9\nseeds = 2\n[task]\nkind = \"noise\"\n[[grid]]\nlr = 0.1\ndepth = [1, 2, 3, 4]\n";

/// The results of a grid of which no trial was trained: `runs.csv` as text, in which cells are
/// changed by name.
pub struct Results {
    rows: Vec<Vec<String>>,
}

impl Results {
    /// Results in which every trial `converged`.
    pub fn of(spec: &str) -> Results {
        let open = |_: &str| Err(std::io::ErrorKind::NotFound.into());
        let spec = Spec::parse(spec, "t.toml", &open).unwrap_or_else(|report| panic!("{report}"));
        let cells = |row: Vec<u8>| {
            let fields = record::fields(&row[..row.len() - 1]).into_iter();
            fields.map(|field| String::from_utf8(field.into_owned()).unwrap()).collect()
        };
        let rows = spec.grid().trials().map(|trial| cells(record::lost_row(&trial, Lost::Crashed))).collect();
        let mut results = Results { rows };
        results.column("outcome", |_| "converged").column("lost", |_| "");
        results
    }

    /// Sets the cells of a column by the number of their row.
    pub fn column<T: ToString>(&mut self, name: &str, cell: impl Fn(usize) -> T) -> &mut Results {
        let column = record::column(name);
        self.rows.iter_mut().enumerate().for_each(|(i, row)| row[column] = cell(i).to_string());
        self
    }

    pub fn trial(&self, row: usize) -> &str {
        &self.rows[row][0]
    }

    pub fn text(&self) -> String {
        let rows = self.rows.iter().map(record::line);
        let lines: Vec<u8> = [record::line(record::runs())].into_iter().chain(rows).flatten().collect();
        String::from_utf8(lines).unwrap()
    }
}

/// A place whose folder `r` holds these results and this spec.
pub fn place(spec: &str, runs: &str) -> Place {
    let place = Place::new(spec);
    std::fs::create_dir(place.path("r")).unwrap();
    place.write("r/spec.toml", spec);
    place.write_runs("r", runs);
    place
}

#[test]
fn the_sensitivity_to_the_learning_rate_is_that_of_wortsman() {
    // Two seeds of four learning rates, at two widths. A NaN counts with the loss at the start, as
    // a loss above it does.
    let spec = "name = \"t\"\nepochs = 9\nseeds = 2\n[task]\nkind = \"noise\"\n[[grid]]\nwidth = [8, 16]\n\
                lr = [0.1, 0.2, 0.4, 0.8]\n[[expect]]\nmetric = \"lr_sensitivity\"\nby = [\"width\"]\nmax = 0.3\n";
    let grid = Spec::parse(spec, "t.toml", &|_: &str| Err(std::io::ErrorKind::NotFound.into())).unwrap();
    let trials: Vec<(usize, f64, u64)> =
        grid.grid().trials().map(|trial| (trial.network.width().unwrap(), trial.lr, trial.seed)).collect();
    let last = |i: usize| match trials[i] {
        (8, _, 0) => 0.25,  // every learning rate ends equally well: 0
        (8, 0.1, _) => 0.5, // .5, .75, 1 for 9 and 1 for a NaN, less .5: .3125
        (8, 0.2, _) => 0.75,
        (8, 0.4, _) => 9.0,
        (16, lr, 0) => {
            if lr < 0.5 {
                0.0
            } else {
                f64::NAN
            }
        } // 1/4
        (16, lr, _) => {
            if lr < 0.3 {
                0.0
            } else {
                f64::INFINITY
            }
        } // 2/4
        _ => f64::NAN,
    };
    let mut results = Results::of(spec);
    let text = results.column("loss_initial", |_| "1.0").column("loss_final", |i| record::float(last(i))).text();
    let (status, text) = gate(&place(spec, &text), "");
    assert_eq!(status, 1, "{text}");
    // The means over the two seeds: (0 + .3125) / 2 and (.25 + .5) / 2.
    assert!(text.contains("PASS  lr_sensitivity  width=8   0.15625   2  2      <= 0.3\n"), "{text}");
    assert!(text.contains("lr_sensitivity is 0.375 at width=16 (n = 2, 2 seeds), expected <= 0.3\n"), "{text}");
    // Nor is there anything to compare where a program does not tell its final loss.
    let text = results.column("loss_final", |_| "").text();
    let (status, text) = gate(&place(spec, &text), "");
    assert!(status == 1 && text.contains("no-values"), "{text}");
    // With one learning rate there is nothing to compare.
    let one = spec.replace("[0.1, 0.2, 0.4, 0.8]", "0.1");
    let (status, text) = gate(&place(&one, &Results::of(&one).text()), "");
    assert!(status == 1 && text.contains("no-values"), "{text}");
}

/// The exit status and stdout of a check.
pub fn gate(place: &Place, args: &str) -> (i32, String) {
    let output = place.run(&format!("check r {args}"));
    assert_eq!(stderr(&output), "");
    (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
}

/// `GRID` with one expectation.
pub fn expecting(expect: &str) -> String {
    format!("{GRID}[[expect]]\n{expect}\n")
}

const NEVER: &str = "metric = \"divergence_rate\"\nmax = 0";

#[test]
fn what_holds_passes_and_what_does_not_fails_with_its_numbers() {
    let spec = expecting("name = \"deep\"\nby = [\"depth\"]\nmetric = \"divergence_rate\"\nmax = 0.5");
    let mut results = Results::of(&spec);
    let (status, text) = gate(&place(&spec, &results.text()), "");
    assert_eq!(status, 0, "{text}");
    assert!(text.ends_with("gate passed: 8 checks\n"), "{text}");
    results.column("outcome", |i| ["converged", "nonfinite", "diverged", "stalled"][(i + i / 4) % 4]);
    let (status, text) = gate(&place(&spec, &results.text()), "");
    assert_eq!(status, 1, "{text}");
    insta::assert_snapshot!(text, @r"
    8 trials, each with one row and a verdict

          expectation  group    metric           measured  95% interval    n  seeds  expected
    PASS  deep         depth=1  divergence_rate  0.5       0.095 to 0.905  2  2      <= 0.5
    PASS  deep         depth=2  divergence_rate  0.5       0.095 to 0.905  2  2      <= 0.5
    FAIL  deep         depth=3  divergence_rate  1         0.342 to 1.000  2  2      <= 0.5
    PASS  deep         depth=4  divergence_rate  0         0.000 to 0.658  2  2      <= 0.5

    expectation-failed: r/spec.toml:9: deep: divergence_rate is 1 at depth=3 (n = 2, 2 seeds), expected <= 0.5
    gate FAILED: 1 of 8 checks (expectation-failed)
    ");
}

#[test]
fn gaps_fail_the_gate_whatever_the_expectations_say() {
    let spec = expecting(NEVER);
    let results = Results::of(&spec);
    let whole = results.text();
    let lines: Vec<&str> = whole.lines().collect();
    let check = |lines: &[&str], code: &str| {
        let (status, text) = gate(&place(&spec, &(lines.join("\n") + "\n")), "");
        assert_eq!(status, 1, "{text}");
        assert!(text.contains(&format!("\n{code}: ")) && text.ends_with(&format!("({code})\n")), "{text}");
    };
    check(&lines[..8], "missing-trials");
    check(&[&lines[..], &lines[3..4]].concat(), "duplicate-trials");
    let foreign = lines[1].replace(results.trial(0), "t0123456789ab");
    check(&[&lines[..], &[&foreign]].concat(), "foreign-trials");
    let lost = lines[4].replace("converged,", ",timeout");
    check(&[&lines[..4], &[&lost], &lines[5..]].concat(), "lost-trials");
}

#[test]
fn a_spec_with_another_grid_fails_the_gate() {
    let spec = expecting(NEVER);
    let place = place(&spec, &Results::of(&spec).text());
    place.write("more.toml", &spec.replace("seeds = 2", "seeds = 3"));
    place.write("less.toml", &spec.replace("seeds = 2", "seeds = 1"));
    let (status, text) = gate(&place, "--spec more.toml");
    assert!(status == 1 && text.contains("missing-trials: 4 of the grid's 12 trials have no row"), "{text}");
    let (status, text) = gate(&place, "--spec less.toml");
    assert!(status == 1 && text.contains("foreign-trials: 4 rows"), "{text}");
    place.write("other.toml", &spec.replace("max = 0", "min = 1"));
    assert_eq!(gate(&place, "--spec other.toml").0, 1);
    assert_eq!(gate(&place, "--spec t.toml").0, 0);
}

#[test]
fn a_nan_or_nothing_at_all_is_within_no_bound() {
    let measured = |metric: &str, cell: fn(usize) -> &'static str| {
        let spec = expecting(&format!("metric = \"{metric}\"\nmin = -inf\nmax = inf"));
        gate(&place(&spec, &Results::of(&spec).column("loss_final", cell).text()), "")
    };
    assert_eq!(measured("mean(loss_final)", |_| "1.0").0, 0);
    assert_eq!(measured("max(loss_final)", |i| if i == 3 { "inf" } else { "1.0" }).0, 0);
    let (status, text) = measured("max(loss_final)", |i| if i == 3 { "NaN" } else { "1.0" });
    assert!(
        status == 1 && text.contains("expectation-failed") && text.contains("is NaN (1 of n = 8 are NaN)"),
        "{text}"
    );
    let (status, text) = measured("mean(loss_final)", |_| "");
    assert!(status == 1 && text.contains("no-values"), "{text}");
    let (status, text) = measured("var(loss_final)", |i| if i == 0 { "1.0" } else { "" });
    assert!(status == 1 && text.contains("no-values"), "{text}");
    let (status, text) = measured("count(loss_final)", |_| "");
    assert!(status == 0 && text.contains("8 (8 empty)"), "{text}");
    // Trials that a mean leaves out are counted where the expectation fails, and where it passes.
    let spec = expecting("metric = \"mean(loss_final)\"\nmax = 0");
    let some = |value| move |i: usize| if i < 3 { "" } else { value };
    let results = |value| Results::of(&spec).column("loss_final", some(value)).text();
    let (status, text) = gate(&place(&spec, &results("1.0")), "");
    assert!(status == 1 && text.contains("is 1 (n = 5, 3 more are empty), expected <= 0"), "{text}");
    let (status, text) = gate(&place(&spec, &results("0.0")), "");
    assert!(status == 0 && text.contains("5 (3 empty)"), "{text}");
}

#[test]
fn what_cannot_be_checked_ends_with_2_and_a_place() {
    let spec = expecting(NEVER);
    let whole = Results::of(&spec).text();
    let refused = |runs: &str, expected: &str| {
        let error = place(&spec, runs).refused("check r");
        assert!(error.contains(expected), "{expected}\n{error}");
        assert!(error.contains("hint: "), "{error}");
    };
    let lines: Vec<&str> = whole.lines().collect();
    let with = |at: usize, line: &str| [&lines[..at], &[line], &lines[at + 1..]].concat().join("\n") + "\n";
    refused("", "`r/runs.csv`: line 1: the file is empty");
    refused(&whole[..10], "`r/runs.csv`: line 1: the header ends without a line end");
    refused(&whole[..whole.len() - 1], "`r/runs.csv`: line 9: the row ends without a line end");
    refused(&whole[..whole.len() - 20], "`r/runs.csv`: line 9: the row ends without a line end");
    refused(&with(3, &lines[3][..50]), "`r/runs.csv`: line 4: the row has ");
    refused(&with(3, &lines[3].replacen('t', "?", 1)), "`r/runs.csv`: line 4: `?");
    refused(&with(3, &lines[3].replacen(',', ",\"", 1)), "`r/runs.csv`: line 4: a quote is not closed");
    refused(
        &with(3, &lines[3].replace("converged", "conquered")),
        "`r/runs.csv`: line 4, column `outcome`: `conquered` is not an outcome",
    );
    refused(
        &with(2, &lines[2].replace(",0.1,", ",fast,")),
        "`r/runs.csv`: line 3, column `lr`: `fast` is not a number",
    );
    refused(&whole.replace("outcome", "outcame"), "`r/runs.csv`: line 1: there is no column `outcome`");
    refused(&whole.replacen("step_nan", "epoch_nan", 1), "line 1: the column `epoch_nan` stands twice");
    refused(&whole.replace('\n', "\r\n"), "`r/runs.csv`: line 1: the line ends are those of Windows");
    refused("\u{0}\u{1}\n", "line 1: the first column is not `trial`");
    let place = place(&spec, &whole);
    assert!(place.refused("check nowhere").contains("there is no folder `nowhere`"));
    assert!(place.refused("check r --spec none.toml").contains("cannot read the spec `none.toml`"));
    place.write("plain.toml", GRID);
    assert!(place.refused("check r --spec plain.toml").contains("there is nothing to check: `plain.toml`"));
    place.write("empty.toml", &spec.replace("max = 0", "max = 0\nwhere = { depth = 7 }"));
    let error = place.refused("check r --spec empty.toml");
    assert!(error.contains("this filter matches none of the 8 trials\n  --> empty.toml:12:9"), "{error}");
    std::fs::remove_file(place.path("r/runs.csv")).unwrap();
    assert!(place.refused("check r").contains("cannot read `r/runs.csv`"));
}

#[test]
fn a_sweep_refuses_a_broken_expectation_before_it_trains() {
    let place = Place::new(&expecting("metric = \"mean(los_final)\"\nmax = 1"));
    assert!(place.refused("sweep t.toml").contains("t.toml:10:16"));
    assert!(!place.path("results").exists());
}

#[test]
fn a_real_sweep_is_gated_and_a_part_of_it_is_not_enough() {
    let place = Place::new(&format!("{}\n[[expect]]\nmetric = \"divergence_rate\"\nmax = 1\n", crate::sweep::SPEC));
    place.ok("sweep t.toml --out r --quiet --where seed=0");
    let (status, text) = gate(&place, "");
    assert!(status == 1 && text.contains("missing-trials: 24 of the grid's 48 trials have no row"), "{text}");
    place.ok("sweep t.toml --out r --quiet");
    assert!(place.ok("check r").ends_with("gate passed: 5 checks\n"));
}

#[test]
fn the_smoke_experiment_is_as_expected() {
    let place = Place::new(GRID);
    let spec = concat!(env!("CARGO_MANIFEST_DIR"), "/experiments/smoke.toml");
    place.ok(&format!("sweep {spec} --out r --quiet"));
    let (status, text) = gate(&place, "");
    assert!(status == 0 && text.contains("gate passed: 10 checks"), "{text}");
}

#[test]
fn junit_has_a_case_with_its_numbers_per_expectation_and_group() {
    let spec = expecting(
        "name = \"<deep> & \\\"odd\\\" \\u0007é\"\nby = [\"depth\"]\nmetric = \"divergence_rate\"\nmax = 0.5",
    );
    let mut results = Results::of(&spec);
    let place =
        place(&spec, &results.column("outcome", |i| if i == 4 || i == 5 { "diverged" } else { "stalled" }).text());
    let (status, _) = gate(&place, "--junit out.xml");
    assert_eq!(status, 1);
    let text = place.read("out.xml");
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (8, 1, 0));
    let case = &report.test_suites[1].test_cases[2];
    assert_eq!(case.name.as_str(), "<deep> & \"odd\" é [depth=3]");
    let quick_junit::TestCaseStatus::NonSuccess { message, ty, .. } = &case.status else { panic!("{text}") };
    assert_eq!(ty.as_ref().unwrap().as_str(), "expectation-failed");
    let expected = "expectation-failed: divergence_rate is 1 at depth=3 (n = 2, 2 seeds), expected <= 0.5";
    assert_eq!(message.as_ref().unwrap().as_str(), expected);
    let properties: Vec<_> = case.properties.iter().map(|p| (p.name.as_str(), p.value.as_str())).collect();
    let numbers = [
        ("expect.group", "depth=3"),
        ("expect.metric", "divergence_rate"),
        ("expect.expected", "<= 0.5"),
        ("expect.measured", "1.0"),
        ("expect.n", "2"),
        ("expect.seeds", "2"),
        ("expect.empty", "0"),
    ];
    assert_eq!(properties[1..8], numbers);
    // The same call again writes the same bytes in the place of the old ones.
    gate(&place, "--junit out.xml");
    assert_eq!(place.read("out.xml"), text);
}

#[test]
fn a_report_overwrites_nothing_but_a_report() {
    let spec = expecting(NEVER);
    let place = place(&spec, &Results::of(&spec).text());
    let runs = place.read("r/runs.csv");
    assert!(place.refused("check r --junit r/runs.csv").contains("`r/runs.csv` is there and is no JUnit report"));
    assert_eq!(place.read("r/runs.csv"), runs);
    assert!(place.refused("check r --junit no/where.xml").contains("there is no folder `no`"));
    place.write("out.xml", "<?xml version=\"1.0\"?><testsuites name=\"old\"/>");
    place.write("r/runs.csv", &runs[..runs.len() - 1]);
    place.refused("check r --junit out.xml");
    assert!(place.read("out.xml").ends_with("<testsuites name=\"old\"/>"));
}

#[test]
fn annotations_are_escaped_and_stand_at_their_line() {
    let spec = expecting("name = \"50% of: a, b\\nc\"\nmetric = \"converged_rate\"\nmax = 0.5");
    let place = place(&spec, &Results::of(&spec).text());
    let (_, text) = gate(&place, "--github --spec t.toml");
    let expected = "::error file=t.toml,line=9,title=expectation-failed%3A 50%25 of%3A a%2C b%0Ac::\
                    converged_rate is 1 (n = 8, 2 seeds), expected <= 0.5\n";
    assert!(text.ends_with(expected), "{text}");
    assert!(!gate(&place, "--spec t.toml").1.contains("::error"));
}

#[test]
fn help_teaches() {
    let place = Place::new(GRID);
    insta::assert_snapshot!(place.ok("check -h"), @r##"
    Hold the results of a sweep against its spec's expectations, for CI: status 0 or 1

    Usage: blowup check [OPTIONS] <RUN_DIR>

    Arguments:
      <RUN_DIR>  The folder of a sweep's results

    Options:
          --spec <FILE>            The spec whose [[expect]] entries count; its grid must be that of the
                                   sweep [default: RUN_DIR/spec.toml]
          --baseline <DIR_OR_CSV>  The results of an earlier sweep, to compare the trials in common
                                   with: a folder or its runs.csv
          --junit <FILE>           Write the result as JUnit XML too; `-` writes it to stdout, and the
                                   table to stderr
          --github                 Print findings as annotations of GitHub Actions too
          --json                   Print the result as one JSON document, and events as JSON lines on
                                   stderr: docs/json.md
      -h, --help                   Print help

    Expectations stand in the spec, as many as you like:
      [[expect]]
      name   = "He keeps deep ReLU nets alive at small steps"
      where  = { init = "he", activation = "relu", lr = { max = 0.1 } }   # the trials it is about
      by     = ["depth"]                                                  # must hold at every depth
      metric = "divergence_rate"
      max    = 0.05                            # or min, or value with tolerance (0.01, or "5%")

    Metrics:
      failure_rate (nonfinite, diverged, relapsed or ruined), divergence_rate (nonfinite or diverged),
      nonfinite_rate, relapse_rate, ruined_rate, converged_rate, stalled_rate, unsettled_rate,
      untrained_rate
      mean, geomean, median, min, max, std, var or count of a formula over columns of runs.csv
                          mean(ln(activation_ratio) * 29)    max(sharpness_final * lr)
      or of layers.csv    geomean((backprop_norm[5] / backprop_norm[25]) ^ (1/10))
                          max(ln(activation_rms[2..last]))   mean(backprop_norm[1, time 3, epoch 10])

    A gate never passes on missing, lost or duplicate trials. --baseline compares with an earlier sweep,
    trial by trial, as [baseline] in the spec says; trials that only one of the two has are told.

    Examples:
      blowup check results/grid
      blowup check results/grid --spec experiments/grid.toml --junit report.xml --github
      blowup check results/grid --baseline main/runs.csv

    Exit status: 0 the gate passed, 1 it failed, 2 it could not run.
    "##);
}
