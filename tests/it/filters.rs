//! What filters let through: values with commas, and values that no trial has.

use crate::check::{Results, expecting, gate, place};
use crate::figures::read;
use crate::spec::parse;
use crate::sweep::{Place, stderr};
use blowup_core::axis::AxisSet;
use blowup_core::spec::filter::Filter;

const LABELS: &str = "name='t'\nepochs=1\nseeds=2\n[task]\nkind='teacher'\nsamples=16\n[[grid]]\nlabel='article'\nlr=0.1\n[[grid]]\n\
                      label='article, no clipping'\nlr=1e30\n";

fn sweep(place: &Place, filter: &str) -> (i32, String) {
    let output = place.command("sweep t.toml --out r --quiet --where").arg(filter).output().unwrap();
    (output.status.code().unwrap(), stderr(&output))
}

#[test]
fn a_value_with_a_comma_stands_in_quotes() {
    let place = Place::new(LABELS);
    let (status, error) = sweep(&place, "label=article, no clipping");
    assert_eq!(status, 2);
    let expected = "`--where label=article, no clipping`: no trial has the `label` `no clipping`\nhint: ";
    assert!(error.contains(expected) && error.contains("--where 'label=\"article, no clipping\"'"), "{error}");
    assert!(!place.path("r").exists());
    for filter in ["label=\"article, no clipping\"", "label='article, no clipping'", "label= 'article, no clipping' "] {
        let _ = std::fs::remove_dir_all(place.path("r"));
        assert_eq!(sweep(&place, filter).0, 0, "{filter}");
        let runs = place.read("r/runs.csv");
        assert_eq!(runs.matches(",\"article, no clipping\",").count(), 2, "{runs}");
        assert_eq!(runs.lines().count(), 3);
    }
    assert_eq!(sweep(&place, "label=article,\"article, no clipping\"").0, 0);
    assert_eq!(place.read("r/runs.csv").lines().count(), 5);
    let output = place.command("plot r --terminal --where").arg("label=\"article, no clipping\"").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for (filter, expected) in
        [("label=\"article", "the quote \" is not closed"), ("label=\"a\" b", "`b` stands behind a value in quotes")]
    {
        assert!(sweep(&place, filter).1.contains(expected), "{filter}");
    }
}

#[test]
fn a_listed_value_that_no_trial_has_is_told_with_the_nearest() {
    let place = Place::new(LABELS);
    for (filter, expected) in [
        (
            "label=artcle",
            "matches none of the 4 trials\nhint: no trial has the `label` `artcle`; did you mean `article`?",
        ),
        ("label=article,artcle", "no trial has the `label` `artcle`\nhint: did you mean `article`?"),
        ("seed=0,7", "no trial has the `seed` `7`\nhint: `seed` here: `0`, `1`"),
        ("seed=7", "matches none of the 4 trials\nhint: no trial has the `seed` `7`"),
        ("init=he,pytorch", "no trial has the `init` `he`\nhint: `init` here: `pytorch`"),
    ] {
        let (status, error) = sweep(&place, filter);
        assert!(status == 2 && error.contains(expected), "{filter}\n{error}");
    }
    // A range may reach beyond the values that there are.
    assert_eq!(sweep(&place, "lr=0.01..1").0, 0);
    let output = place.command("plot r --terminal --where label=article,artcle").output().unwrap();
    let error = stderr(&output);
    assert!(output.status.code() == Some(2) && error.contains("no trial has the `label` `artcle`"), "{error}");
}

#[test]
fn a_value_in_the_spec_that_no_trial_has_is_a_mistake_with_its_place() {
    let where_ =
        |values: &str| expecting(&format!("metric = \"divergence_rate\"\nmax = 0\nwhere = {{ depth = {values} }}"));
    let exclude = |values: &str| {
        format!(
            "name='t'\nepochs=1\nseeds=2\ntask={{kind='noise'}}\n[[grid]]\nlr=0.1\ndepth=[1,2,3]\n[[exclude]]\ndepth={values}\n"
        )
    };
    for (spec, expected) in [
        (where_("[1, 7]"), "no trial has the `depth` `7`\n  --> t.toml:12:23\n"),
        (exclude("[1, 7]"), "no trial has the `depth` `7`\n  --> t.toml:9:11\n"),
        // A value whose trials are excluded may be excluded, but an expectation may not be about
        // it.
        (
            exclude("[1, 2]") + "[[expect]]\nmetric='divergence_rate'\nmax=0\nwhere.depth=[2,3]\n",
            "no trial has the `depth` `2`\n  --> t.toml:13:14\n",
        ),
    ] {
        let error = Place::new(&spec).refused("sweep t.toml --out r");
        assert!(error.contains(expected) && error.contains("hint: `depth` here: "), "{error}");
    }
    // Which trials run now does not change which trials the spec has.
    let place = Place::new(&where_("[1, 2]"));
    place.ok("sweep t.toml --out r --quiet --where depth=3");
    Place::new(&exclude("{ min = 3, max = 99 }")).ok("sweep t.toml --out r --quiet");
}

#[test]
fn check_tells_a_value_that_no_trial_has() {
    let spec = expecting("metric = \"divergence_rate\"\nmax = 0\nwhere = { depth = [1, 2] }");
    let place = place(&spec, &Results::of(&spec).text());
    assert_eq!(gate(&place, "").0, 0);
    place.write("other.toml", &spec.replace("[1, 2] }", "[1, 9] }"));
    let error = place.refused("check r --spec other.toml");
    assert!(error.contains("no trial has the `depth` `9`\n  --> other.toml:12:23\n"), "{error}");
}

/// Transformers with every number that has a name, each also as a number, and mixed precision. A
/// head is width / 4 wide, and there are L = depth or, with an MLP, 2 depth residual branches.
const NAMED: &str = r#"
name = "named"
epochs = 1
[task]
kind = "copy"
samples = 8
[[grid]]
label = "transformer"
network = "transformer"
sequence_length = 4
lr = 0.1
width = [8, 16]
depth = [1, 2]
mlp_ratio = [4, 0]
attention_scale = ["standard", "mup", 0.3]
logit_softcap = ["none", inf, 5]
residual_scale = ["1/sqrt(L)", "1/sqrt(2L)"]
[[grid]]
label = "mixed"
task = { kind = "noise" }
lr = 0.1
precision = "amp_bfloat16"
loss_scale = ["dynamic", 65536.0, 8]
"#;

/// A filter of names lets the same trials of a grid through as rows of its results: those that the
/// formulas of docs/spec.md give the number.
#[test]
fn names_of_numbers_are_told_in_trials_and_in_rows() {
    let (spec, rows) = (parse(NAMED).unwrap(), Results::of(NAMED).text());
    for (filter, expected) in [
        ("attention_scale=standard", 32),
        ("attention_scale=mup", 32),
        ("attention_scale=standard,mup", 64),
        // This is 1/sqrt(4) at width 16 and 1/2 at width 8.
        ("attention_scale=0.5", 32),
        ("logit_softcap=none", 48),
        ("logit_softcap=inf", 48),
        ("logit_softcap=5", 48),
        ("residual_scale=1/sqrt(L)", 48),
        ("residual_scale=1/sqrt(2L)", 48),
        // This is 1/sqrt(L) where L is 4, and 1/sqrt(2L) where L is 2.
        ("residual_scale=0.5", 36),
        ("loss_scale=dynamic", 1),
        ("loss_scale=65536", 1),
        ("loss_scale=dynamic,8", 2),
        // The column has the number at which a dynamic scale begins, and a range reads the column.
        ("loss_scale=60000..", 2),
    ] {
        let parsed = Filter::parse(&[filter.to_owned()], &AxisSet::default()).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(spec.grid().trials().filter(|trial| parsed.matches(trial)).count(), expected, "{filter}");
        assert_eq!(read(&rows, &[filter]).len() as usize, expected, "{filter} of rows");
    }
    for (axis, value, others) in [
        ("attention_scale", "\"mup\"", "\"standard\""),
        ("logit_softcap", "\"none\"", "5.0"),
        ("residual_scale", "\"1/sqrt(2L)\"", "\"1/sqrt(L)\""),
        ("loss_scale", "\"dynamic\"", "65536.0, 8.0"),
    ] {
        let excluding = format!("{NAMED}[[exclude]]\n{axis} = {value}\n");
        let kept = parse(&excluding).unwrap().grid().trials().count();
        let expected = if axis == "attention_scale" {
            67
        } else if axis == "loss_scale" {
            98
        } else {
            51
        };
        assert_eq!(kept, expected, "{axis}");
        let all = format!("[{value}, {others}]");
        let expect = format!("{NAMED}[[expect]]\nmetric = \"divergence_rate\"\nmax = 0\nwhere.{axis} = {all}\n");
        let (status, told) = gate(&place(&expect, &Results::of(&expect).text()), "");
        assert_eq!(status, 0, "{told}");
    }
}

#[test]
fn a_number_that_has_no_such_name_is_told_what_the_axis_takes() {
    let error = |filter: &str| Filter::parse(&[filter.to_owned()], &AxisSet::default()).unwrap_err();
    assert_eq!(
        error("logit_softcap=nonn"),
        "`--where logit_softcap=nonn`: `nonn` is not a value of `logit_softcap`\nhint: it takes a number above 0, or \"none\", which is inf"
    );
    assert_eq!(
        error("loss_scale=1..dynamic"),
        "`--where loss_scale=1..dynamic`: `dynamic` is not an end of a range of `loss_scale`\nhint: the ends of a range are numbers"
    );
}

/// The number that a name stands for follows from the network, of which blowup knows nothing where
/// a program trains.
#[test]
fn a_program_is_given_numbers_and_not_their_names() {
    let spec = |value: &str| format!("name = \"p\"\nsteps = 2\n[program]\ncommand = [\"./p\"]\n[[grid]]\n{value}\n");
    for value in ["attention_scale = [0.5, \"standard\"]", "loss_scale = \"dynamic\"", "logit_softcap = \"none\""] {
        let error = parse(&spec(value)).unwrap_err().to_string();
        assert!(error.contains("is a number of built-in networks, and a program trains this block"), "{error}");
        assert!(error.contains("--> t.toml:6:"), "{error}");
    }
    parse(&spec("attention_scale = [0.5, 0.25]")).unwrap();
}
