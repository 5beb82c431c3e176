//! The order and the number of trials, of which equal ones are merged and excluded ones dropped:
//! the lazy grid is compared with a naive one.

use blowup_core::axis::{Axis, Id, TABLE};
use blowup_core::spec::Spec;
use blowup_core::trial::{Trial, Value};
use proptest::prelude::*;
use std::collections::HashSet;
use std::fmt::Write;

const TOP: &str = "name = \"t\"\nepochs = 1\n[task]\nkind = \"noise\"\nsamples = 32\n";

fn spec(text: &str) -> Spec {
    Spec::parse(text, "t.toml", &|_| Err(std::io::ErrorKind::NotFound.into()))
        .unwrap_or_else(|report| panic!("{report}"))
}

fn cell(trial: &Trial, axis: &str) -> String {
    match Axis::find(axis).unwrap().id.of(trial) {
        None => "-".to_owned(),
        Some(Value::Text(text)) => text.to_owned(),
        Some(Value::Integer(i)) => i.to_string(),
        Some(Value::Float(x)) => format!("{x:?}"),
        Some(Value::Boolean(b)) => b.to_string(),
    }
}

/// Checks the trials of blocks below a common top. `expected` has the values of the axes in
/// `columns`, with `|` between trials.
fn check(blocks: &str, columns: &str, expected: &str) {
    let rows: Vec<String> = spec(&format!("{TOP}{blocks}"))
        .grid()
        .trials()
        .map(|trial| columns.split(' ').map(|axis| cell(&trial, axis)).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(rows.join(" | "), expected, "{blocks}");
}

#[test]
fn the_first_key_is_the_outermost_and_the_seed_the_innermost() {
    check(
        "[base]\nwidth = [8, 9]\n[[grid]]\nlr = [0.1, 0.2]\ndepth = [1, 2]\nseeds = 2",
        "lr depth width seed",
        "0.1 1 8 0 | 0.1 1 8 1 | 0.1 1 9 0 | 0.1 1 9 1 | 0.1 2 8 0 | 0.1 2 8 1 | 0.1 2 9 0 | 0.1 2 9 1 | \
         0.2 1 8 0 | 0.2 1 8 1 | 0.2 1 9 0 | 0.2 1 9 1 | 0.2 2 8 0 | 0.2 2 8 1 | 0.2 2 9 0 | 0.2 2 9 1",
    );
}

#[test]
fn blocks_are_concatenated_and_equal_trials_come_once() {
    check("[[grid]]\nlr = [0.1, 0.2]\n[[grid]]\nlr = [0.2, 0.3]", "lr", "0.1 | 0.2 | 0.3");
    check("[[grid]]\nlr = [0.1, 0.2, 0.1, -0.0, 0]", "lr", "0.1 | 0.2 | 0.0");
}

#[test]
fn an_axis_that_cannot_apply_is_dropped_for_the_trial() {
    check(
        "[[grid]]\nlr = 1\noptimizer = [\"sgd\", \"adam\"]\nmomentum = [0, 0.9]",
        "optimizer momentum beta1",
        "sgd 0.0 - | sgd 0.9 - | adam - 0.9",
    );
    check(
        "[[grid]]\nlr = 1\nclip = [\"none\", \"norm\"]\nclip_threshold = [1.0, inf]",
        "clip clip_threshold",
        "none inf | norm 1.0",
    );
    check(
        "[[grid]]\nlr = 1\ndepth = [0, 1]\nwidth = [4, 8]\nactivation = [\"relu\", \"tanh\"]",
        "depth width activation",
        "0 - - | 1 4 relu | 1 4 tanh | 1 8 relu | 1 8 tanh",
    );
    check(
        "[[grid]]\nlr = 1\nnesterov = [false, true]\nmomentum = [0, 0.9]",
        "nesterov momentum",
        "false 0.0 | false 0.9 | true 0.9",
    );
    check("[[grid]]\nlr = 1\nbatch = [\"all\", 7, 32, 99]", "batch", "32 | 7");
}

#[test]
fn short_forms_are_the_pair() {
    check(
        "[[grid]]\nlr = 1\ninit = [\"normal(0.1)\", \"kaiming-uniform\", \"glorot(2)\"]",
        "init init_scale",
        "normal 0.1 | he_uniform 1.0 | xavier 2.0",
    );
    let id =
        |text: &str| spec(&format!("{TOP}[[grid]]\nlr = 1\n{text}")).grid().trials().next().map(|trial| trial.id());
    assert_eq!(id("init = \"normal(0.1)\""), id("init = \"normal\"\ninit_scale = 0.1"));
    assert_eq!(id("clip = \"norm(2)\""), id("clip = \"norm\"\nclip_threshold = 2.0"));
    assert_eq!(id("activation = \"leaky-relu(0.2)\""), id("activation = \"leaky_relu\"\nnegative-slope = 0.2"));
    assert_eq!(id("clip = \"norm\""), id(""));
}

#[test]
fn a_block_overrides_the_base() {
    let base = |block: &str| format!("[base]\ninit = \"normal(0.5)\"\n[[grid]]\nlr = 1\n{block}");
    check(&base(""), "init init_scale", "normal 0.5");
    check(&base("init = \"he\""), "init init_scale", "he 1.0");
    check(&base("init_scale = 0.1"), "init init_scale", "normal 0.1");
    let pair = "[base]\ninit = \"normal\"\ninit_scale = 0.5\n[[grid]]\nlr = 1\n";
    check(&format!("{pair}init = [\"uniform(0.1)\", \"he\"]"), "init init_scale", "uniform 0.1 | he 1.0");
    check(&format!("{pair}init = \"uniform\""), "init init_scale", "uniform 0.5");
}

#[test]
fn ranges_have_exact_ends_and_integers_stand_once() {
    check("[[grid]]\nlr = { log = [1e-3, 10.0], points = 5 }", "lr", "0.001 | 0.01 | 0.1 | 1.0 | 10.0");
    check("[[grid]]\nlr = [0.5, { linear = [1, 2], points = 3 }]", "lr", "0.5 | 1.0 | 1.5 | 2.0");
    check("[[grid]]\nlr = 1\ndepth = { log = [1, 4], points = 9 }", "depth", "1 | 2 | 3 | 4");
}

#[test]
fn zipped_lists_advance_together() {
    check(
        "[[grid]]\nzip = [[\"depth\", \"lr\"]]\ndepth = [5, 10, 10]\nwidth = [8, 9]\nlr = [0.1, 0.05, 0.01]",
        "depth lr width",
        "5 0.1 8 | 5 0.1 9 | 10 0.05 8 | 10 0.05 9 | 10 0.01 8 | 10 0.01 9",
    );
}

#[test]
fn per_divides_by_another_axis() {
    check(
        "[[grid]]\ndepth = [2, 4]\nlr = { log = [0.1, 10.0], points = 3, per = \"depth\" }",
        "depth lr",
        "2 0.05 | 2 0.5 | 2 5.0 | 4 0.025 | 4 0.25 | 4 2.5",
    );
    check("[[grid]]\nlr = { linear = [64, 64], points = 1, per = \"batch\" }", "lr", "2.0");
    let half = "{ linear = [2, 2], points = 1, per = \"depth\" }";
    check(&format!("[[grid]]\ndepth = [1, 2]\nlr = [1.0, {half}]"), "depth lr", "1 1.0 | 1 2.0 | 2 1.0");
    let width = "{ linear = [9, 9], points = 1, per = \"depth\" }";
    check(&format!("[[grid]]\nlr = 1\ndepth = [1, 2]\nwidth = [5, {width}]"), "depth width", "1 5 | 1 9 | 2 5");
}

#[test]
fn excluded_trials_do_not_come() {
    check(
        "[[grid]]\nlr = [0.01, 0.1, 1.0]\ninit = [\"he\", \"xavier\"]\n[[exclude]]\ninit = \"kaiming\"\nlr = { min = 0.1 }\n\
         [[exclude]]\nlr = [0.0100000000001]\ninit = \"xavier\"",
        "lr init",
        "0.01 he | 0.1 xavier | 1.0 xavier",
    );
}

#[test]
fn a_block_has_its_own_task_and_length() {
    let text = format!(
        "{TOP}[[grid]]\nlr = 1\n[[grid]]\nlr = 1\nnetwork = \"rnn\"\nsequence_length = 5\ntask = {{ kind = \"adding\" }}\nsteps = 7\n\
         seeds = [9]\nlabel = \"rnn\""
    );
    let trials: Vec<Trial> = spec(&text).grid().trials().collect();
    let shown: Vec<String> = trials
        .iter()
        .map(|t| format!("{:?} {} {} {:?} {}", t.label, t.task.kind.name(), t.task.samples, t.budget, t.seed))
        .collect();
    assert_eq!(shown, ["\"\" noise 32 Epochs(1) 0", "\"rnn\" adding 256 Steps(7) 9"]);
    assert_eq!(cell(&trials[0], "activation"), "relu");
    assert_eq!(cell(&trials[1], "activation"), "tanh");
}

/// The ids of trials that share all but the seed are worked out together, and the trials of a chunk
/// are made together. Neither may change what they are.
#[test]
fn trials_and_ids_are_the_same_alone_and_together() {
    let blocks = [
        "lr = [0.1, 0.2]\nseeds = 5",
        "lr = [0.2, 0.3]\nseeds = [3, 4, 9]\ndata_seed = [4, 7]",
        "lr = 0.3\nseeds = [0, 4]\ndata_seed = 0",
    ];
    let spec = spec(&blocks.iter().fold(TOP.to_owned(), |text, block| format!("{text}[[grid]]\n{block}\n")));
    let (mut trials, mut alone) = (spec.grid().trials(), Vec::new());
    while let Some((point, id, trial)) = trials.advance() {
        assert_eq!(id, trial.id(), "{trial:?}");
        alone.push((point, trial));
    }
    // The trial of 0.2 whose data has the seed 4 as it does itself came in the first block.
    assert_eq!(alone.len(), 10 + 11 + 2);
    // A chunk has the trials of one seed beside each other, so its configurations alternate.
    alone.sort_by_key(|(point, trial)| (trial.seed, *point));
    let (points, alone): (Vec<u64>, Vec<Trial>) = alone.into_iter().unzip();
    assert_eq!(spec.grid().all_at(points.iter().copied()), alone);
    assert_eq!(points.iter().map(|point| spec.grid().at(*point)).collect::<Vec<_>>(), alone);
}

#[test]
fn a_huge_grid_is_counted_and_begun_at_once() {
    let range = "{ log = [1e-6, 1.0], points = 1000000000 }";
    let spec = spec(&format!("{TOP}[[grid]]\nlr = {range}\nweight_decay = {range}\nseeds = 9000000000000000000"));
    assert_eq!(spec.grid().points(), 9_000_000_000_000_000_000_000_000_000_000_000_000);
    assert_eq!(spec.grid().trials().take(3).map(|t| t.seed).collect::<Vec<_>>(), [0, 1, 2]);
}

const RANGE: &str = "{ linear = [0.1, 0.3], points = 2 }";

/// Pairs of a key and the texts from which its value is drawn.
const DIALS: &[(&str, &[&str])] = &[
    ("depth", &["0", "1", "2"]),
    ("width", &["4", "5"]),
    ("activation", &["\"relu\"", "\"leaky_relu(0.2)\"", "\"leaky_relu\"", "\"tanh\""]),
    ("init", &["\"he\"", "\"normal(0.1)\"", "\"normal(1)\"", "\"pytorch\""]),
    ("bias", &["\"none\"", "\"learned\""]),
    ("bias_std", &["0", "0.5"]),
    ("norm", &["\"none\"", "\"batch\"", "\"layer\""]),
    ("norm_position", &["\"before\"", "\"after\""]),
    ("optimizer", &["\"sgd\"", "\"adam\"", "\"rmsprop\""]),
    ("momentum", &["0", "0.9"]),
    ("nesterov", &["true", "false"]),
    ("beta1", &["0.5", "0.9"]),
    ("lr", &["0.1", "0.2", RANGE]),
    ("clip", &["\"none\"", "\"norm\"", "\"value\"", "\"norm(2)\""]),
    ("clip_threshold", &["1.0", "2.0", "inf"]),
    ("batch", &["\"all\"", "7", "32", "50"]),
    ("weight_decay", &["0.0", "0.1"]),
];

/// The lines of a block, from random numbers.
fn block(choices: &[(usize, Vec<usize>)]) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut lines: Vec<(&str, Vec<&str>)> = Vec::new();
    for (dial, values) in choices {
        let (key, texts) = DIALS[dial % DIALS.len()];
        let values: Vec<&str> = values.iter().map(|v| texts[v % texts.len()]).collect();
        let short = values.iter().any(|v| v.contains('('));
        let clash = match key {
            "clip" => short && lines.iter().any(|(k, _)| *k == "clip_threshold"),
            "clip_threshold" => lines.iter().any(|(k, v)| *k == "clip" && v.iter().any(|v| v.contains('('))),
            _ => false,
        };
        if !clash && lines.iter().all(|(k, _)| *k != key) {
            lines.push((key, values));
        }
    }
    if lines.iter().all(|(key, _)| *key != "lr") {
        lines.push(("lr", vec!["0.1"]));
    }
    lines
}

fn parse(blocks: &[String]) -> Option<Spec> {
    let text = blocks.iter().fold(TOP.to_owned(), |mut text, block| {
        let _ = write!(text, "[[grid]]\n{block}");
        text
    });
    Spec::parse(&text, "t.toml", &|_| Err(std::io::ErrorKind::NotFound.into())).ok()
}

/// Every point is a spec of its own with one value per axis. Axes that apply nowhere are left out
/// until the spec is accepted.
fn naive(lines: &[(&'static str, Vec<&'static str>)]) -> Vec<Trial> {
    let mut points: Vec<Vec<(&str, &str)>> = vec![Vec::new()];
    for (key, values) in lines {
        let listed = values.iter().flat_map(|v| if *v == RANGE { &["0.1", "0.3"] } else { std::slice::from_ref(v) });
        let listed: Vec<&str> = listed.copied().collect();
        points = points
            .into_iter()
            .flat_map(|point| listed.iter().map(|v| [point.clone(), vec![(*key, *v)]].concat()).collect::<Vec<_>>())
            .collect();
    }
    points.iter().flat_map(|point| naive_point(point)).collect()
}

fn naive_point(point: &[(&str, &str)]) -> Vec<Trial> {
    let get =
        |key: &str, default: &'static str| point.iter().find(|(k, _)| *k == key).map_or(default, |(_, v)| v).to_owned();
    let (depth, norm, optimizer) = (get("depth", "1"), get("norm", "\"none\""), get("optimizer", "\"sgd\""));
    let momentum = get("momentum", "0") != "0";
    let applies = |key: &str| match key {
        "width" | "activation" | "norm" => depth != "0",
        "norm_position" => depth != "0" && norm != "\"none\"",
        "bias_std" => get("bias", "\"learned\"") == "\"learned\"",
        "momentum" => optimizer != "\"adam\"",
        "nesterov" => optimizer == "\"sgd\"" && (momentum || get("nesterov", "false") == "false"),
        "beta1" => optimizer == "\"adam\"",
        "clip_threshold" => get("clip", "\"none\"") != "\"none\"",
        _ => true,
    };
    let kept: String = point.iter().filter(|(k, _)| applies(k)).map(|(k, v)| format!("{k} = {v}\n")).collect();
    let spec = parse(std::slice::from_ref(&kept)).unwrap_or_else(|| panic!("{kept}"));
    spec.grid().trials().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_lazy_walk_is_the_product_without_its_repeats(
        choices in prop::collection::vec(
            prop::collection::vec((0usize..100, prop::collection::vec(0usize..100, 1..4)), 1..6), 1..3),
    ) {
        let blocks: Vec<_> = choices.iter().map(|choices| block(choices)).collect();
        let texts: Vec<String> = blocks
            .iter()
            .map(|lines| lines.iter().map(|(k, v)| format!("{k} = [{}]\n", v.join(", "))).collect())
            .collect();
        // A spec with an axis that applies nowhere is refused, and should be.
        prop_assume!(parse(&texts).is_some());
        let spec = parse(&texts).unwrap();
        let mut seen = HashSet::new();
        let expected: Vec<Trial> =
            blocks.iter().flat_map(|lines| naive(lines)).filter(|trial| seen.insert(trial.id())).collect();
        let found: Vec<Trial> = spec.grid().trials().collect();
        prop_assert!(found.len() as u128 <= spec.grid().points());
        prop_assert_eq!(&found, &expected);

        // Every trial comes back from its point, and configurations stand together where the grid
        // says so.
        let (mut trials, mut configurations) = (spec.grid().trials(), Vec::new());
        for expected in expected {
            let (point, id, trial) = trials.advance().unwrap();
            prop_assert_eq!((id, &spec.grid().at(point)), (expected.id(), &expected));
            let cells = TABLE.iter().filter(|axis| !matches!(axis.id, Id::Seed | Id::DataSeed));
            configurations.push(cells.map(|axis| cell(&trial, axis.name)).collect::<Vec<_>>());
        }
        configurations.dedup();
        let all = configurations.len();
        let different: HashSet<_> = configurations.into_iter().collect();
        prop_assert!(different.len() == all || !spec.grid().keeps_configurations_together());
    }
}
