//! Wrong specs, and what is said of them.

use crate::grid::{around, try_parse};

fn report(text: &str) -> String {
    match try_parse(text) {
        Ok(_) => panic!("this parsed: {text}"),
        Err(report) => report,
    }
}

/// The report on one block says this.
fn check(block: &str, expected: &str) {
    let report = report(&around(block));
    assert!(report.contains(expected), "{block}\n{report}");
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place_and_a_hint() {
    let text =
        "name = \"a/b\"\nepochs = -1\n[task]\nkind = \"teecher\"\n[[grid]]\ndept = [1, 2]\nlr = -0.1\nwidth = 0\n";
    insta::assert_snapshot!(report(text), @r#"
    error: `name` cannot be "a/b"
     --> test.toml:1:8
    1 | name = "a/b"
      |        ^^^^^
    hint: letters, digits, `.`, `-` and `_`, not starting with `.`: it names the folder of the results

    error: `epochs` is not an integer from 0 to 1,000,000,000
     --> test.toml:2:10
    2 | epochs = -1
      |          ^^
    hint: epochs = 100; 0 measures at initialization only

    error: unknown task `teecher`
     --> test.toml:4:8
    4 | kind = "teecher"
      |        ^^^^^^^^^
    hint: did you mean `teacher`?

    error: unknown key `dept`
     --> test.toml:6:1
    6 | dept = [1, 2]
      | ^^^^
    hint: did you mean `depth`?

    error: `lr` cannot be -0.1
     --> test.toml:7:6
    7 | lr = -0.1
      |      ^^^^
    hint: it takes a finite number, 0 or more

    error: `width` cannot be 0
     --> test.toml:8:9
    8 | width = 0
      |         ^
    hint: it takes an integer from 1 to 100000

    6 mistakes in test.toml
    "#);
}

#[test]
fn toml_that_does_not_parse_is_shown_with_its_place() {
    insta::assert_snapshot!(report("name = \"x\"\nlr = [1, 2\n"), @r#"
    error: this is not TOML: unclosed array, expected `]`
     --> test.toml:2:11
    2 | lr = [1, 2
      |           ^
    hint: see https://toml.io for the syntax
    "#);
}

#[test]
fn values_out_of_range_are_refused() {
    check("lr = -1", "`lr` cannot be -1");
    check("lr = nan", "`lr` cannot be NaN");
    check("lr = inf", "`lr` cannot be inf");
    check("lr = 1\nwidth = 0", "`width` cannot be 0");
    check("lr = 1\ndepth = -1", "`depth` cannot be -1");
    check("lr = 1\noptimizer = \"adam\"\nbeta1 = 1.0", "`beta1` cannot be 1");
    check("lr = 1\nclip = \"norm(0)\"", "`clip_threshold` cannot be 0");
    check("lr = 1\nclip = \"norm(nan)\"", "`clip_threshold` cannot be NaN");
    check("lr = 1\ninit = \"he(-1)\"", "`init_scale` is negative");
    check("lr = 1\nseeds = 0", "`seeds` is neither");
    check("lr = 1\nseeds = [1, 1]", "listed twice");
    check("lr = { log = [0, 1], points = 3 }", "`log` needs two ends");
    check("lr = \"0.1\"", "`lr` is a string, not a number");
    check("lr = 1\nwidth = 1.5", "`width` is a number, not an integer");
    check("lr = 1\nactivation = \"rely\"", "did you mean `relu`?");
    check("lr = []", "`lr` has no values");
    check("depth = 1", "`lr` is missing");
    check("lr = 99999999999999999999", "an integer beyond 64 bits");
}

#[test]
fn what_is_planned_but_not_built_is_refused_by_name() {
    check("lr = 1\nnetwork = \"lstm\"", "`network = \"lstm\"` is not built yet");
    check("lr = 1\nresidual = true", "the axis `residual` is not built yet");
    check("lr = 1\nnorm = \"rms\"", "`norm = \"rms\"` is not built yet");
    check("lr = 1\ndtype = \"bfloat16\"", "`dtype = \"bfloat16\"` is not built yet");
    check("lr = 1\nlr_output = 0.1", "the axis `lr_output` is not built yet");
    check("lr = 1\ntask = { kind = \"digits\" }", "the task `digits` is not built yet");
    let report = report(&(around("lr = 1") + "[record]\nsharpness = true\nlayers = [0]\n"));
    assert!(
        report.contains("[record] `sharpness` is not built yet") && report.contains("[record] `layers`"),
        "{report}"
    );
    assert!(try_parse(&around("lr = 1\nschedule = \"constant\"\nparametrization = \"standard\"")).is_ok());
}

#[test]
fn what_spans_axes_is_checked() {
    check("lr = 1\nmomentum = 0.9\noptimizer = \"adam\"", "`momentum` applies nowhere in this block");
    check("lr = 1\nclip_threshold = 1", "`clip_threshold` applies nowhere in this block");
    check("lr = 1\nsequence_length = 4", "`sequence_length` applies nowhere in this block");
    check("lr = 1\ninit = [\"normal(0.1)\", \"he\"]\ninit_scale = 2", "`init_scale` is given twice");
    check("lr = 1\nnetwork = \"rnn\"\nsequence_length = 4", "network `rnn` cannot train on the task `noise`");
    check("lr = 1\ntask = { kind = \"adding\" }", "network `mlp` cannot train on the task `adding`");
    let rnn = "lr = 1\nnetwork = \"rnn\"\ntask = { kind = \"adding\" }";
    check(rnn, "network `rnn` needs `sequence_length`");
    check(&format!("{rnn}\nsequence_length = 1"), "cannot be 1");
    check(&format!("{rnn}\nsequence_length = 4\nnorm = \"batch\""), "batch norm is refused in recurrent nets");
    check(&format!("{rnn}\nsequence_length = 4\ndepth = 0"), "cannot have depth 0");
    check(&format!("{rnn}\nsequence_length = 4\nloss = \"cross_entropy\""), "has no classes");
    check("lr = 1\nnesterov = true", "`nesterov` needs a momentum above 0");
    check(
        "zip = [[\"depth\", \"lr\"]]\ndepth = [1, 2]\nlr = [1, 2, 3]",
        "zipped axes differ in length: depth has 2, lr has 3",
    );
    check("zip = [[\"depth\", \"lr\"]]\nlr = [1, 2, 3]", "`depth` is zipped but has no values");
    check("depth = [0, 1]\nlr = { linear = [1, 2], points = 2, per = \"depth\" }", "divides by 0");
    check("lr = 1\nepochs = 3\nsteps = 4", "`epochs` and `steps` are both given");
}

#[test]
fn a_csv_task_names_the_line_and_column_of_a_bad_cell() {
    check(
        "lr = 1\ntask = { kind = \"csv\", path = \"bad.csv\", target = \"y\" }",
        "in `bad.csv`: line 3, column `b`: `oops` is not a finite number",
    );
    check("lr = 1\ntask = { kind = \"csv\", path = \"no.csv\", target = \"y\" }", "cannot read `no.csv`");
    check(
        "lr = 1\ntask = { kind = \"csv\", path = \"data.csv\", target = \"z\" }",
        "there is no column `z`; it has: a, b, y",
    );
}

#[test]
fn unknown_keys_name_the_nearest_known_key() {
    let at_top = |line: &str| report(&format!("{line}\n{}", around("lr = 1")));
    assert!(at_top("epoch = 3").contains("did you mean `epochs`?"));
    check("lr = 1\nlearning_rate = 2", "unknown key `learning_rate`");
    check("lr = 1\ninit-scal = 2", "did you mean `init_scale`?");
    check("lr = 1\ntask = { kind = \"scalar\", samples = 3 }", "unknown key of the task `scalar` `samples`");
}

#[test]
fn a_base_axis_that_no_block_uses_is_an_error() {
    let text = around("lr = 1").replace("[[grid]]", "[base]\nmomentum = 0.9\nbeta1 = 0.5\n[[grid]]");
    let report = report(&text);
    assert!(report.contains("`beta1` applies in no block") && !report.contains("`momentum`"), "{report}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC{0,200}") {
        let _ = try_parse(&text);
        let _ = try_parse(&around(&text));
    }

    #[test]
    fn no_value_makes_the_parser_panic(key in "[a-z_]{1,12}|lr|depth|init|clip|zip|task|seeds|batch", value in "\"\\PC{0,8}\"|-?[0-9]{1,25}|[0-9.e+-]{1,8}|\\[[0-9,\"a-z \\]\\[]{0,12}\\]|\\{ *(log|linear|points|min) = [\\[\\]0-9, ]{0,9}\\}") {
        let _ = try_parse(&around(&format!("{key} = {value}")));
    }
}
