//! The report of what a spec may not say.

use crate::spec::{TOP, open, parse};
use blowup_core::spec::Spec;

/// The messages and hints of a spec that is refused, one line each.
pub fn mistakes(text: &str) -> Vec<String> {
    let Err(report) = Spec::parse(text, "t.toml", &open) else { panic!("this is accepted:\n{text}") };
    report.problems.iter().map(|p| format!("{}:{} {} / {}", p.line, p.column, p.message, p.hint)).collect()
}

/// Checks that a block below the common top (its first line is line 6) has this one mistake.
pub fn check(block: &str, expected: &str) {
    assert_eq!(mistakes(&format!("{TOP}[[grid]]\n{block}")), [expected], "{block}");
}

#[test]
fn every_mistake_is_in_one_report() {
    let text = "\
name = \"a/b\"
epochs = -1
[task]
kind = \"teachr\"
[base]
widht = 64
depth = 4
[[grid]]
lr = [1e-3, -1.0, nan]
init = \"normal(0.1)\"
init_scale = 2.0
activation = [\"relu\", \"tahn\"]
\tmomentum = \"é\"   # tab and accent
[[exclude]]
inti = \"he\"
";
    insta::assert_snapshot!(parse(text).unwrap_err(), @r#"
error: `a/b` cannot be the name of a sweep
  --> t.toml:1:8
   | name = "a/b"
   |        ^^^^^
hint: letters, digits, `.`, `_` and `-`, not first a `.`: it names the folder of the results

error: `epochs` is not an integer from 0 to 1,000,000,000
  --> t.toml:2:10
   | epochs = -1
   |          ^^
hint: 0 measures at initialization only

error: `teachr` is not a kind of task
  --> t.toml:4:8
   | kind = "teachr"
   |        ^^^^^^^^
hint: did you mean `teacher`?

error: unknown key `widht`
  --> t.toml:6:1
   | widht = 64
   | ^^^^^
hint: did you mean `width`?

error: `lr` cannot be -1.0
  --> t.toml:9:13
   | lr = [1e-3, -1.0, nan]
   |             ^^^^
hint: it takes a finite number, 0 or more

error: `lr` cannot be NaN
  --> t.toml:9:19
   | lr = [1e-3, -1.0, nan]
   |                   ^^^
hint: it takes a finite number, 0 or more

error: `init_scale` is given twice: here and in the parentheses of `init`
  --> t.toml:11:1
   | init_scale = 2.0
   | ^^^^^^^^^^
hint: write either init = "normal(0.5)" or both keys without parentheses

error: `tahn` is not a value of `activation`
  --> t.toml:12:23
   | activation = ["relu", "tahn"]
   |                       ^^^^^^
hint: did you mean `tanh`?

error: `momentum` is a string, not a number
  --> t.toml:13:13
   | 	momentum = "é"   # tab and accent
   | 	           ^^^
hint: a number, a list of them, or a range { log = [1e-3, 1.0], points = 4 }

error: `inti` is not an axis
  --> t.toml:15:1
   | inti = "he"
   | ^^^^
hint: did you mean `init`?
"#);
}

#[test]
fn a_syntax_error_has_its_place() {
    insta::assert_snapshot!(parse("name = \"t\"\nepochs = = 3\n").unwrap_err(), @r#"
error: this is not TOML: extra `=`, expected nothing
  --> t.toml:2:10
   | epochs = = 3
   |          ^
hint: https://toml.io has the syntax
"#);
}

#[test]
fn values_out_of_range_are_refused() {
    check("lr = -0.1", "6:6 `lr` cannot be -0.1 / it takes a finite number, 0 or more");
    check("lr = inf", "6:6 `lr` cannot be inf / it takes a finite number, 0 or more");
    check(
        "lr = 1e999",
        "6:6 `lr` is a number too large for 64 bits, not a number / a number, a list of them, or a range { log = [1e-3, 1.0], points = 4 }",
    );
    check("lr = 1\nwidth = 0", "7:9 `width` cannot be 0 / it takes an integer from 1 to 1000000");
    check("lr = 1\ndepth = 10001", "7:9 `depth` cannot be 10001 / it takes an integer from 0 to 10000");
    check(
        "lr = 1\ndepth = 2.0",
        "7:9 `depth` is a decimal number, not an integer / an integer, a list of them, or a range { log = [4, 64], points = 3 }",
    );
    check("lr = 1\nbatch = [4, 0]", "7:13 `batch` cannot be 0 / it takes an integer, 1 or more");
    check(
        "lr = 1\noptimizer = \"adam\"\nbeta1 = 1.0",
        "8:9 `beta1` cannot be 1.0 / it takes a number from 0 to below 1",
    );
    check(
        "lr = 1\nclip = \"norm(0)\"",
        "7:8 `clip_threshold` cannot be 0.0 / it takes a number above 0; inf means no clipping",
    );
    check("lr = 1\ninit = \"he(-1)\"", "7:8 `init_scale` is below 0 / only init = \"constant\" may be negative");
    check(
        "lr = 1\ninit = [\"constant\", \"he\"]\ninit_scale = -1",
        "8:14 `init_scale` is below 0 / only init = \"constant\" may be negative",
    );
    check(
        "lr = { log = [0, 1], points = 3 }",
        "6:14 the ends of a `log` range must be above 0 / for example { log = [1e-3, 10.0], points = 5 }",
    );
    check(
        "lr = { log = [1, 2] }",
        "6:6 this range of `lr` lacks its number of `points` / for example { log = [1e-3, 10.0], points = 5 }",
    );
    check("lr = []", "6:6 `lr` has no values / give it at least one, or leave it out");
}

#[test]
fn the_maximal_update_parametrization_refuses_what_its_table_does_not_name() {
    let rates = "`parametrization` mup has no learning rates for the `optimizer` radam or muon / its table is for sgd adam adamw rmsprop nadam adagrad lion; give the others a block with another parametrization";
    check("lr = 1\nparametrization = \"mup\"\noptimizer = [\"adam\", \"muon\"]", &format!("8:13 {rates}"));
    check("lr = 1\nparametrization = [\"ntk\", \"mup\"]\noptimizer = \"radam\"", &format!("8:13 {rates}"));
    check(
        "lr = 1\nparametrization = \"mup\"\ninit = [\"he\", \"constant(0.1)\"]",
        "8:8 `parametrization` mup has no scale for `init` constant / its table is for weights that are drawn; give this one a block with another parametrization",
    );
    let zipped = |optimizers: &str| {
        format!(
            "lr = 1\nzip = [[\"optimizer\", \"parametrization\"]]\noptimizer = [{optimizers}]\nparametrization = [\"mup\", \"standard\"]"
        )
    };
    check(&zipped("\"muon\", \"adam\""), &format!("8:13 {rates}"));
    parse(&format!("{TOP}[[grid]]\n{}\n", zipped("\"adam\", \"muon\""))).unwrap_or_else(|report| panic!("{report}"));
}

#[test]
fn clips_of_updates_and_percentiles_are_checked_with_what_they_stand_beside() {
    let hint = "the other optimizers keep no corrected mean of squares to measure an update by; put clip = \"update(1.0)\" in a block of adam and adamw alone";
    let wrong = |place: &str| format!("{place} `clip` update needs the `optimizer` adam or adamw / {hint}");
    check("lr = 1\nclip = [\"none\", \"update(1.0)\"]", &wrong("7:8"));
    check("lr = 1\noptimizer = [\"adam\", \"rmsprop\"]\nclip = \"update(1.0)\"", &wrong("8:8"));
    let zipped = |clips: &str| {
        format!("lr = 1\nzip = [[\"optimizer\", \"clip\"]]\noptimizer = [\"adamw\", \"sgd\"]\nclip = [{clips}]")
    };
    check(&zipped("\"none\", \"update(1.0)\""), &wrong("9:8"));
    parse(&format!("{TOP}[[grid]]\n{}\n", zipped("\"update(1.0)\", \"norm(1.0)\"")))
        .unwrap_or_else(|report| panic!("{report}"));
    let percentile = "the percentile of `autoclip` is above 100 / for example clip = \"autoclip(10)\"";
    check("lr = 1\nclip = \"autoclip(101)\"", &format!("7:8 {percentile}"));
    check("lr = 1\nclip = [\"norm\", \"autoclip\"]\nclip_threshold = 200", &format!("8:18 {percentile}"));
    check(
        "lr = 1\ndepth = 2\nresidual = true\nresidual_scale = \"1/L\"",
        "9:18 `1/L` is not a value of `residual_scale` / it takes a finite number, \"1/sqrt(L)\" or \"1/sqrt(2L)\"",
    );
}

#[test]
fn an_axis_that_applies_nowhere_is_refused() {
    check(
        "lr = 1\noptimizer = \"adam\"\nmomentum = 0.9",
        "8:1 `momentum` applies nowhere in this block / it needs `optimizer` sgd or rmsprop or muon",
    );
    check(
        "lr = 1\nclip_threshold = 1.0",
        "7:1 `clip_threshold` applies nowhere in this block / it needs `clip` norm or value or per_layer or agc or autoclip or zclip or update",
    );
    check(
        "lr = 1\nsequence_length = 5",
        "7:1 `sequence_length` applies nowhere in this block / it needs `network` rnn or lstm or gru or transformer",
    );
    check("lr = 1\ndepth = 0\nwidth = 5", "8:1 `width` applies nowhere in this block / it needs `depth` 1 or more");
    check("lr = 1\nnesterov = true", "7:1 `nesterov` applies nowhere in this block / it needs `momentum` above 0");
    check(
        "lr = 1\n[base]\nnegative_slope = 0.1",
        "8:1 `negative_slope` applies nowhere in any block / it needs `activation` leaky_relu",
    );
}

#[test]
fn what_does_not_go_together_is_refused() {
    check(
        "lr = 1\nnetwork = \"rnn\"\nsequence_length = 4",
        "7:11 the network `rnn` cannot learn the task `noise` / rnn takes: adding, copy, temporal-order, noise-sequence, array-sequences",
    );
    check(
        "lr = 1\nnetwork = \"rnn\"\nsequence_length = 1\ntask = { kind = \"adding\" }",
        "8:19 the task `adding` needs a `sequence_length` of 2 or more / it marks a step in each half of the sequence",
    );
    check(
        "lr = 1\nnetwork = \"rnn\"\ntask = { kind = \"adding\" }",
        "5:1 this rnn has no `sequence_length` / for example sequence_length = [16, 64]",
    );
    check(
        "lr = 1\nnetwork = \"rnn\"\nsequence_length = 4\nnorm = \"batch\"\ntask = { kind = \"adding\" }",
        "9:8 an rnn cannot have norm = \"batch\" / its statistics would differ at every time step; take \"layer\"",
    );
    check(
        "lr = 1\nloss = \"cross_entropy\"\ntask = { kind = \"scalar\" }",
        "7:8 the task `scalar` has no targets for the loss `cross_entropy` / it takes mse",
    );
    check(
        "lr = 1\ntask = { kind = \"scalar\", samples = 3 }",
        "7:27 `samples` does not apply to the task `scalar` / it takes none",
    );
    check(
        "lr = 1\ntask = { kind = \"teacher\", classes = 3 }",
        "7:28 `classes` applies under loss = \"cross_entropy\" only / set that loss, or write `outputs`",
    );
    check(
        "lr = { log = [1, 2], points = 2, per = \"depth\" }\ndepth = [0, 1]",
        "6:6 `lr` is divided by `depth`, which is not above 0 everywhere / give `depth` positive values only",
    );
    check(
        "lr = [1, 2]\ndepth = [1, 2, 3]\nzip = [[\"lr\", \"depth\"]]",
        "8:8 the zipped lists differ in length / `lr` has 2, `depth` has 3",
    );
    check("lr = 1\nsteps = 3\nepochs = 3", "8:1 both `epochs` and `steps` are given / keep one of them");
    check(
        "lr = 1\nseeds = [1, 2, 1]",
        "7:9 the seed 1 stands twice / a number of seeds, 1 or more (5 is 0, 1, 2, 3, 4), or a list of distinct integers, 0 or more",
    );
    check(
        "lr = 1\ninit-scale = 1\ninit_scale = 2",
        "8:1 `init_scale` stands twice, `-` and `_` are the same / keep one of them",
    );
    check(
        "lr = [1, 2]\n[[exclude]]\nlr = { max = 2 }",
        "5:1 every trial of the grid is excluded / loosen the [[exclude]] tables",
    );
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        mistakes(""),
        [
            "1:1 the spec has no `name` / for example name = \"grid\": the results go to results/grid",
            "1:1 the spec has no [[grid]] and no [[edge]] / each [[grid]] is a block of trials, the product of its lists; an [[edge]] looks for where an event begins"
        ]
    );
    assert_eq!(
        mistakes("name = \"t\"\n[[grid]]\ndepth = 1\n[[grid]]\nlr = 1"),
        [
            "2:1 this block has no `epochs` / write epochs = 100 (or steps) at the top of the spec or here",
            "2:1 this block has no task / write [task] with its `kind` at the top of the spec, or here: task = { kind = \"teacher\", samples = 256 }",
            "2:1 this block has no `lr` / there is no default: for example lr = [1e-3, 1e-2]"
        ]
    );
}

#[test]
fn a_report_of_thousands_of_mistakes_is_short() {
    let lines: String = (0..5000).map(|i| format!("x{i} = 1\n")).collect();
    let report = parse(&format!("name = \"t\"\n{lines}")).unwrap_err();
    assert!(report.ends_with("and 4901 more"), "{}", &report[report.len() - 100..]);
}

#[test]
fn long_lines_and_strange_texts_are_shown_in_part() {
    let long = "x".repeat(100_000);
    let report = parse(&format!("name = \"t\"\n{long} = \"{long}\"\ndepth = \"\u{202e}\"\n")).unwrap_err();
    assert!(report.len() < 2000, "{report}");
    assert!(parse("\u{feff}name = 3").is_err());
    assert!(parse("\0").is_err());
    assert!(parse(&"[".repeat(100_000)).is_err());
}

#[test]
fn what_depends_on_a_mistake_is_not_judged() {
    check(
        "lr = 1\nnetwork = \"rnm\"\nnegative_slope = 0.1\nsequence_length = 4",
        "7:11 `rnm` is not a value of `network` / did you mean `rnn`?",
    );
    let both = mistakes(&format!("{TOP}[[grid]]\nlr = \"fast\"\noptimizer = \"adm\"\nmomentum = 0.9"));
    assert_eq!(both.len(), 2, "{both:?}");
    check("lr = 1\ninit = \"he\"\nbatch_size = 7", "8:1 unknown key `batch_size` / did you mean `batch`?");
}

#[test]
fn what_a_dtype_does_not_hold_is_a_mistake_with_its_place() {
    let wider = |of, largest, axis| {
        format!(
            "the largest number of {of} is {largest}; a larger `{axis}` needs a wider dtype, in a block of its own if others are narrower"
        )
    };
    let single = wider("float32", "3.40e38", "lr");
    check("lr = [0.1, 1e39]\n", &format!("6:6 `lr` = 1e39 is beyond float32 / {single}"));
    let half = wider("float16", "65504", "lr");
    check("lr = 1e5\ndtype = \"float16\"\n", &format!("6:6 `lr` = 100000.0 is beyond float16 / {half}"));
    // `addcdiv_` takes its factor in float32, and at the first step Adam's factor is ten times the
    // learning rate.
    let text = |lr| format!("{TOP}[[grid]]\nlr = {lr}\ndtype = \"float16\"\noptimizer = \"adam\"\n");
    assert!(parse(&text("1e5")).is_ok());
    let adam = format!("6:6 `lr` = 1e38 is beyond float32 (Adam divides it by 1 - beta1 at its first step) / {single}");
    assert_eq!(mistakes(&text("1e38")), [adam]);
    let decay = wider("float32", "3.40e38", "weight_decay");
    check("lr = 0.1\nweight_decay = 1e39\n", &format!("7:16 `weight_decay` = 1e39 is beyond float32 / {decay}"));
    // Where the axes advance together, they are checked row by row.
    let rows = |lr: &str| {
        format!("{TOP}[[grid]]\nzip = [[\"lr\", \"dtype\"]]\nlr = {lr}\ndtype = [\"float32\", \"float64\"]\n")
    };
    assert!(parse(&rows("[0.1, 1e39]")).is_ok());
    assert_eq!(mistakes(&rows("[1e39, 0.1]")).len(), 1);
    let file = |standardize, dtype| {
        let csv = format!("kind = \"csv\", path = \"huge.csv\", target = \"y\", standardize = {standardize}");
        format!("{TOP}[[grid]]\nlr = 0.1\ndtype = \"{dtype}\"\ntask = {{ {csv} }}\n")
    };
    let plain = "standardize = true brings every column to mean 0 and variance 1; or take dtype = \"float64\"";
    let beyond = format!("8:31 `huge.csv`: column `b` holds 1e200, which is beyond float32 / {plain}");
    assert_eq!(mistakes(&file(false, "float32")), [beyond]);
    let beyond =
        format!("8:31 `huge.csv`: column `a` is 0 everywhere in float16: its largest number is 2e-30 / {plain}");
    assert_eq!(mistakes(&file(false, "float16")), [beyond]);
    assert!(parse(&file(true, "float32")).is_ok());
    assert!(parse(&file(false, "float64")).is_ok());
    let std = "task = { kind = \"teacher\", input_std = 1e38 }\nlr = 0.1\n";
    check(std, "6:40 inputs of `input_std` = 1e38 are beyond float32 / numbers of float32 end at 3.40e38");
}

#[test]
fn a_transformer_whose_parts_do_not_fit_together_is_refused_at_its_place() {
    const SEQUENCES: &str =
        "task = { kind = \"noise-sequence\" }\nnetwork = \"transformer\"\nsequence_length = 4\nlr = 1\n";
    let refused = |block: &str, expected: &str| check(&format!("{SEQUENCES}{block}"), expected);
    refused(
        "width = [12, 16]\nheads = [2, 3]",
        "11:9 3 heads cannot share a width of 16 evenly / heads must divide the width; where several widths stand, \
         zip = [[\"width\", \"heads\"]] pairs them",
    );
    refused(
        "width = 12\nheads = 4\nposition = \"rope\"",
        "12:12 rope cannot rotate heads of width 3 / it rotates pairs of numbers: take a width of a head that is even",
    );
    refused(
        "depth = [0, 1]",
        "10:9 a transformer cannot have depth 0 / depth 0 is a linear model, of network mlp only",
    );
    refused(
        "norm = \"batch\"",
        "10:8 a transformer cannot have norm = \"batch\" / the statistics of a batch would mix the tokens of different \
         places; take \"layer\" or \"rms\"",
    );
    refused(
        "norm_position = [\"pre\", \"after\"]",
        "10:17 the network `transformer` has no norm_position \"after\" / it takes: pre, post, sandwich, deepnorm; networks \
         that take others belong in blocks of their own",
    );
    refused(
        "norm_position = [\"pre\", \"deepnorm\"]\nresidual = [false, true]",
        "11:12 norm_position \"deepnorm\" takes residual connections / it is norm_position \"post\" with a larger input of \
         each sum",
    );
    refused(
        "tied = true",
        "10:8 the task `noise-sequence` has no tokens that inputs and outputs share / tied = true is for the task text",
    );
    refused(
        "width = { linear = [8, 16], points = 2, per = \"depth\" }",
        "10:9 `width` of a transformer cannot be divided by another axis / give it plain values, so that its sizes can be \
         checked",
    );
    refused(
        "attention_scale = \"big\"",
        "10:19 `big` is not a value of `attention_scale` / it takes a finite number, \"standard\" or \"mup\"",
    );
    check(
        "lr = 1\nnorm = \"layer\"\nnorm_position = \"pre\"",
        "8:17 the network `mlp` has no norm_position \"pre\" / it takes: before, after; networks that take others belong in \
         blocks of their own",
    );
    // Axes that advance together are taken row by row, and what does not apply is not looked at.
    let zipped = "zip = [[\"width\", \"heads\"]]\nwidth = [12, 16]\nheads = [3, 4]";
    assert!(parse(&format!("{TOP}[[grid]]\n{SEQUENCES}{zipped}\n")).is_ok());
}

#[test]
fn a_text_that_cannot_be_learned_is_refused_at_its_place() {
    let block =
        |task: &str, rest: &str| format!("task = {{ kind = \"text\"{task} }}\nlr = 1\nsequence_length = 3\n{rest}");
    let transformer = "network = \"transformer\"";
    check(
        &block("", "network = \"rnn\""),
        "9:11 the network `rnn` cannot learn the task `text` / rnn takes: adding, copy, temporal-order, noise-sequence, \
         array-sequences",
    );
    check(
        &block(", path = \"good.txt\", samples = 7", transformer),
        "8:19 a text of 9 characters has no 7 places for windows of 3 and the character behind / take a smaller \
         `sequence_length`, fewer `samples` or a longer text",
    );
    check(
        &block(", path = \"latin.txt\"", transformer),
        "6:32 `latin.txt` line 2 is not in UTF-8 / a text task reads plain text in UTF-8, such as a book",
    );
    check(
        &block(", path = \"missing.txt\"", transformer),
        "6:32 cannot read `missing.txt`: entity not found / the path is relative to the folder of the spec",
    );
    let own = format!("{TOP}[[grid]]\n{}\n", block(", path = \"good.txt\", samples = 6", transformer));
    let task = parse(&own).unwrap().grid().trials().next().unwrap().task;
    // The characters are O, n, e, b, ä, r, the point, the blank and the end of the line.
    assert_eq!((task.inputs, task.outputs, task.samples), (9, 9, 6));
}
