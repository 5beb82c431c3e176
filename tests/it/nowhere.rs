//! What a block may not say because it would change nothing: axes that apply nowhere in it, records
//! that no trial gives, and batch norm over one sample.

use crate::mistakes::{check, mistakes};
use crate::spec::{TOP, parse};
use blowup_core::axis::{self, Axis};

/// A block in which an axis applies nowhere, and what the axis needs. It is `None` if the axis
/// applies to every trial.
type Nowhere = Option<(&'static str, &'static str)>;

const ALWAYS: Nowhere = None;
const RECURRENT: Nowhere = Some(("", "`network` rnn or lstm or gru"));
const TRANSFORMER: Nowhere = Some(("", "`network` transformer"));
const LINEAR: Nowhere = Some(("depth = 0", "`depth` 1 or more"));
const ADAM: &str = "optimizer = \"adam\"";
/// For each axis a value, and where it applies nowhere.
const EVERY: [(&str, &str, Nowhere); 66] = [
    ("network", "\"mlp\"", ALWAYS),
    ("depth", "2", ALWAYS),
    ("width", "5", LINEAR),
    ("activation", "\"tanh\"", LINEAR),
    ("negative_slope", "0.1", Some(("activation = [\"relu\", \"tanh\"]", "`activation` leaky_relu"))),
    ("heads", "2", TRANSFORMER),
    ("attention", "\"full\"", TRANSFORMER),
    ("attention_scale", "0.5", TRANSFORMER),
    ("qk_norm", "true", TRANSFORMER),
    ("logit_softcap", "5", TRANSFORMER),
    ("mlp_ratio", "2", TRANSFORMER),
    ("position", "\"rope\"", TRANSFORMER),
    ("tied", "true", TRANSFORMER),
    ("z_loss", "0.1", Some(("", "`loss` cross_entropy"))),
    ("init", "\"he\"", ALWAYS),
    ("init_scale", "0.5", ALWAYS),
    ("init_offset", "0.5", ALWAYS),
    ("recurrent_init", "\"he\"", RECURRENT),
    ("recurrent_init_scale", "0.5", RECURRENT),
    ("embedding_init_scale", "0.5", TRANSFORMER),
    ("residual_init_scale", "0.5", TRANSFORMER),
    ("forget_bias", "1", Some(("", "`network` lstm or gru"))),
    ("bias", "\"none\"", ALWAYS),
    ("bias_std", "0.1", Some(("bias = \"none\"", "`bias` learned"))),
    ("norm", "\"layer\"", LINEAR),
    ("norm_position", "\"after\"", Some(("", "`norm` batch or layer or rms"))),
    ("residual", "true", Some(("depth = [0, 1]", "`depth` 2 or more"))),
    ("residual_scale", "0.5", Some(("", "`residual` true"))),
    ("rezero", "true", Some(("", "`residual` true"))),
    ("parametrization", "\"ntk\"", ALWAYS),
    ("base_width", "32", Some(("parametrization = \"ntk\"", "`parametrization` mup"))),
    ("loss", "\"mse\"", ALWAYS),
    ("optimizer", "\"adam\"", ALWAYS),
    ("momentum", "0.9", Some((ADAM, "`optimizer` sgd or rmsprop or muon"))),
    ("nesterov", "true", Some(("momentum = 0", "`momentum` above 0"))),
    ("beta1", "0.5", Some(("", "`optimizer` adam or adamw or nadam or radam or lion or muon"))),
    ("beta2", "0.5", Some(("optimizer = \"rmsprop\"", "`optimizer` adam or adamw or nadam or radam or lion or muon"))),
    ("eps", "0.1", Some(("", "`optimizer` adam or adamw or rmsprop or nadam or radam or adagrad or muon"))),
    ("alpha", "0.5", Some((ADAM, "`optimizer` rmsprop"))),
    ("amsgrad", "true", Some(("", "`optimizer` adam or adamw"))),
    ("momentum_decay", "0.1", Some((ADAM, "`optimizer` nadam"))),
    ("lr_decay", "0.1", Some((ADAM, "`optimizer` adagrad"))),
    ("initial_accumulator_value", "0.1", Some((ADAM, "`optimizer` adagrad"))),
    ("adjust_lr_fn", "\"original\"", Some((ADAM, "`optimizer` muon"))),
    ("lr", "0.1", ALWAYS),
    ("lr_output", "0.1", ALWAYS),
    ("schedule", "\"cosine\"", ALWAYS),
    ("warmup", "5", Some(("schedule = [\"constant\", \"cosine\"]", "`schedule` warmup or warmup_cosine or wsd"))),
    ("cooldown", "5", Some(("schedule = \"cosine\"", "`schedule` wsd"))),
    ("power", "2", Some(("schedule = \"linear\"", "`schedule` polynomial"))),
    ("lr_min", "0.1", Some(("", "`schedule` cosine or warmup_cosine or linear or polynomial or wsd or one_cycle"))),
    ("clip", "\"norm(1.0)\"", ALWAYS),
    (
        "clip_threshold",
        "1.0",
        Some(("clip = \"none\"", "`clip` norm or value or per_layer or agc or autoclip or zclip or update")),
    ),
    ("skip", "\"norm(1.0)\"", ALWAYS),
    ("skip_threshold", "1.0", Some(("", "`skip` norm or zscore"))),
    ("weight_decay", "0.1", ALWAYS),
    ("weight_decay_mode", "\"independent\"", Some((ADAM, "`optimizer` adamw or lion or muon"))),
    ("batch", "7", ALWAYS),
    ("sampling", "\"shuffle\"", Some(("batch = [256, 1000, \"all\"]", "a `batch` below 256, the samples of the task"))),
    ("accumulate", "2", Some(("", "a `batch` below 256, the samples of the task"))),
    ("sequence_length", "5", Some(("", "`network` rnn or lstm or gru or transformer"))),
    ("dtype", "\"float64\"", ALWAYS),
    ("precision", "\"amp_float16\"", Some(("dtype = \"bfloat16\"", "`dtype` float32"))),
    (
        "loss_scale",
        "8",
        Some(("", "`precision` amp_float16 or amp_bfloat16 or bfloat16_master or bfloat16_stochastic")),
    ),
    ("growth_interval", "8", Some(("precision = \"amp_float16\"", "`loss_scale` dynamic"))),
    ("data_seed", "3", Some(("task = { kind = \"digits\" }", "a task that draws its data"))),
];

#[test]
fn every_axis_is_refused_where_it_applies_nowhere_in_its_block_or_in_any() {
    let named: Vec<&str> = EVERY.iter().map(|(axis, ..)| *axis).chain(["seed"]).collect();
    assert!(Axis::names().all(|axis| named.contains(&axis)) && named.len() == axis::COUNT, "{named:?}");
    for (axis, given, nowhere) in EVERY {
        let Some((block, needs)) = nowhere else {
            let lr = if axis == "lr" { "" } else { "lr = 1\n" };
            let spec =
                parse(&format!("{TOP}[[grid]]\n{lr}{axis} = {given}\n")).unwrap_or_else(|report| panic!("{report}"));
            assert!(spec.grid().trials().any(|trial| Axis::find(axis).unwrap().id.of(&trial).is_some()), "{axis}");
            continue;
        };
        let lines = block.lines().count();
        let text = format!("`{axis}` applies nowhere in this block / it needs {needs}");
        check(&format!("lr = 1\n{block}\n{axis} = {given}"), &format!("{}:1 {text}", 8.max(7 + lines)));
        let top = format!("{TOP}[base]\n{axis} = {given}\n[[grid]]\nlr = 1\n{block}\n[[grid]]\nlr = 2\n{block}\n");
        let text = format!("6:1 `{axis}` applies nowhere in any block / it needs {needs}");
        assert_eq!(mistakes(&top), [text], "{axis}");
    }
}

#[test]
fn needs_that_hold_apart_and_never_together_are_not_fulfilled() {
    let zipped = |second: &str| {
        format!(
            "lr = 1\nzip = [[\"network\", \"bias\"]]\nnetwork = [\"lstm\", \"rnn\"]\nbias = [\"none\", \"{second}\"]\nforget_bias = 1\nsequence_length = 3\ntask = {{ kind = \"adding\" }}"
        )
    };
    check(
        &zipped("learned"),
        "10:1 `forget_bias` applies nowhere in this block / it needs `network` lstm or gru and `bias` learned at once",
    );
    let fulfilled = zipped("none").replace("[\"none\", ", "[\"learned\", ");
    parse(&format!("{TOP}[[grid]]\n{fulfilled}\n")).unwrap_or_else(|report| panic!("{report}"));
}

#[test]
fn sampling_applies_where_some_batch_is_smaller_than_the_data() {
    let block = |batch: &str| format!("{TOP}[[grid]]\nlr = 1\nsampling = \"replacement\"\nbatch = {batch}\n");
    assert!(parse(&block("[\"all\", 255]")).is_ok());
    assert!(parse(&block("{ linear = [4096, 65536], points = 2, per = \"width\" }")).is_ok());
    assert_eq!(mistakes(&block("256")).len(), 1);
    let csv = "name = \"t\"\nepochs = 1\n[task]\nkind = \"csv\"\npath = \"good.csv\"\ntarget = \"y\"\n[[grid]]\nlr = 1\nsampling = \"shuffle\"\n";
    assert_eq!(
        mistakes(&format!("{csv}batch = 2\n")),
        ["9:1 `sampling` applies nowhere in this block / it needs a `batch` below 2, the samples of the task"]
    );
    assert!(parse(&format!("{csv}batch = 1\n")).is_ok());
}

/// The messages for a task with this many samples, without their hints.
fn normalized(samples: usize, kind: &str, block: &str) -> Vec<String> {
    let text = format!(
        "name = \"t\"\nepochs = 1\n[task]\nkind = \"{kind}\"\nsamples = {samples}\n[[grid]]\nlr = [1, 2]\n{block}\n"
    );
    match parse(&text) {
        Ok(_) => Vec::new(),
        Err(_) => mistakes(&text).iter().map(|text| text.split(" / ").next().unwrap().to_owned()).collect(),
    }
}

#[test]
fn batch_norm_over_one_sample_is_refused_at_the_batch() {
    let one = "norm = \"batch\" would normalize one sample alone";
    let found = |samples, block: &str| normalized(samples, "noise", block);
    assert_eq!(
        found(17, "norm = [\"none\", \"batch\"]\nbatch = [1, 2, 16, 17, \"all\"]"),
        [
            format!("9:9 {one}: `batch` is 1"),
            format!("9:9 {one}: 17 samples in batches of 2 leave one"),
            format!("9:9 {one}: 17 samples in batches of 16 leave one"),
        ]
    );
    assert_eq!(found(18, "norm = \"batch\"\nbatch = [2, 4, 16]"), [""; 0]);
    assert_eq!(found(1, "norm = \"batch\""), [format!("8:8 {one}: the task `noise` has one")]);
    // There is nothing to refuse where the norm does not apply, or never comes with that batch.
    assert_eq!(found(17, "norm = [\"none\", \"layer\", \"rms\"]\nbatch = 16"), [""; 0]);
    assert_eq!(found(17, "batch = [1, 16]"), [""; 0]);
    let zipped = "zip = [[\"norm\", \"batch\"]]\nnorm = [\"batch\", \"layer\"]\nbatch = ";
    assert_eq!(found(17, &format!("{zipped}[15, 16]")), [""; 0]);
    assert_eq!(found(17, &format!("{zipped}[16, 15]")), [format!("10:9 {one}: 17 samples in batches of 16 leave one")]);
    let deep =
        "zip = [[\"norm\", \"batch\", \"depth\"]]\nnorm = [\"batch\", \"batch\"]\nbatch = [16, 15]\ndepth = [0, 1]";
    assert_eq!(found(17, deep), [""; 0]);
    let divided = "norm = \"batch\"\nwidth = [2, 4]\nbatch = { linear = [8, 16], points = 2, per = \"width\" }";
    assert_eq!(found(17, divided).len(), 3);
    assert_eq!(found(18, divided), [""; 0]);
}

#[test]
fn the_evaluation_of_fresh_data_counts_too() {
    assert_eq!(
        normalized(10, "fresh-noise", "norm = \"batch\"\nbatch = 5"),
        [
            "9:9 norm = \"batch\" would normalize one sample alone: the 4096 samples of the evaluation in batches of 5 leave one"
        ]
    );
    assert_eq!(normalized(10, "noise", "norm = \"batch\"\nbatch = 5"), [""; 0]);
    assert_eq!(normalized(15, "fresh-noise", "norm = \"batch\"").len(), 1);
    assert_eq!(normalized(16, "fresh-noise", "norm = \"batch\""), [""; 0]);
}

#[test]
fn batch_norm_over_one_sample_may_be_excluded() {
    let grid = "norm = [\"none\", \"batch\"]\nbatch = [2, 4]\nseeds = 2\ninit = [\"he\", \"xavier\"]\noptimizer = [\"sgd\", \"adam\"]\n";
    let found = |excludes: &str| normalized(17, "noise", &format!("{grid}{excludes}")).len();
    let rest = "[[exclude]]\nnorm = \"batch\"\nbatch = 4\n";
    assert_eq!(found(""), 2);
    assert_eq!(found(rest), 1);
    assert_eq!(found(&format!("{rest}[[exclude]]\nnorm = \"batch\"\nbatch = 2\n")), 0);
    // An exclude that matches only some of these trials leaves the others.
    for half in ["init = \"he\"", "lr = 1", "seed = 0", "momentum = 0"] {
        assert_eq!(found(&format!("{rest}[[exclude]]\nnorm = \"batch\"\nbatch = 2\n{half}\n")), 1, "{half}");
    }
    let both = "[[exclude]]\nnorm = \"batch\"\nbatch = 2\ninit = \"he\"\n[[exclude]]\nnorm = \"batch\"\nbatch = 2\ninit = \"xavier\"\n";
    assert_eq!(found(&format!("{rest}{both}")), 0);
    // The grid has as many points as a grid may have, and none of them is visited.
    let large =
        "norm = [\"none\", \"batch\"]\nbatch = [2, 4]\nseeds = 1000000\nlr_output = { log = [1, 2], points = 1000 }\n";
    let excluded = format!("{large}[[exclude]]\nnorm = \"batch\"\n");
    assert_eq!(normalized(17, "noise", &excluded), [""; 0]);
}

#[test]
fn what_a_record_asks_for_and_no_trial_gives_is_a_mistake() {
    let mistakes = |budget: &str, record: &str| {
        let text =
            format!("name = \"t\"\n{budget}\ntask = {{ kind = \"noise\" }}\n[record]\n{record}\n[[grid]]\nlr = 1\n");
        match parse(&text) {
            Ok(spec) => {
                spec.warnings.iter().map(|w| format!("warning {}:{} {}", w.line, w.column, w.message)).collect()
            }
            Err(_) => mistakes(&text),
        }
    };
    assert_eq!(
        mistakes("epochs = 5", "layers = [1000]"),
        [
            "5:10 `layers` records nothing: no trial has more than 5 epochs / 0 is before any update, the last epoch is 5"
        ]
    );
    assert_eq!(
        mistakes("epochs = 5", "layers = [0, 10]"),
        ["warning 5:14 `layers` names an epoch that no trial reaches: all have at most 5"]
    );
    assert_eq!(mistakes("epochs = 5", "layers = []").len(), 1);
    assert_eq!(mistakes("steps = 5", "layers = [0, 5]"), [""; 0]);
    assert_eq!(mistakes("steps = 5", "layers = [6]").len(), 1);
    assert_eq!(
        mistakes("epochs = 0", "steps = 3"),
        [
            "5:9 `steps` records nothing: no trial is updated / steps.csv has a row for each of the first updates; leave `steps` out"
        ]
    );
    let blocks = "name = \"t\"\nepochs = 5\ntask = { kind = \"noise\" }\n[record]\nlayers = [10]\n[[grid]]\nlr = 1\n[[grid]]\nlr = 1\nepochs = 10\n";
    assert!(parse(blocks).unwrap().warnings.is_empty());
}

#[test]
fn a_clip_without_a_threshold_is_warned_of_and_trains_as_none() {
    let warned = |block: &str| {
        let spec = parse(&format!("{TOP}[[grid]]\nlr = 1\n{block}\n")).unwrap_or_else(|report| panic!("{report}"));
        spec.warnings.iter().map(|w| format!("{}:{}", w.line, w.column)).collect::<Vec<_>>()
    };
    assert_eq!(warned("clip = \"norm\""), ["7:8"]);
    assert_eq!(warned("clip = [\"none\", \"value\"]"), ["7:8"]);
    assert_eq!(warned("clip = [\"none\", \"norm(1.0)\", \"value\"]"), ["7:30"]);
    assert_eq!(warned("clip = [\"none\", \"norm(1.0)\", \"value(inf)\"]"), [""; 0]);
    assert_eq!(warned("clip = \"norm\"\nclip_threshold = [1.0, inf]"), [""; 0]);
    assert_eq!(warned("clip = \"norm\"\n[base]\nclip_threshold = 1.0"), [""; 0]);
    assert_eq!(warned("[base]\nclip = \"norm\""), ["8:8"]);
    let spec = parse(&format!("{TOP}[[grid]]\nlr = 1\nclip = \"norm\"\n")).unwrap();
    assert_eq!(
        spec.warnings[0].to_string(),
        "warning: `clip` has no threshold here, so it clips nothing\n  --> t.toml:7:8\n   | clip = \"norm\"\n   |        ^^^^^^\nhint: write clip = \"norm(1.0)\", or set `clip_threshold`; its default, inf, is no clipping"
    );
}
