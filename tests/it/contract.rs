//! Specs go in, trials come out.

use blowup_core::axis::{AxisSet, TABLE};
use blowup_core::spec::Spec;
use blowup_core::spec::filter::Filter;
use blowup_core::trial::*;

pub fn parse(text: &str) -> Spec {
    try_parse(text).unwrap_or_else(|report| panic!("{report}"))
}

pub fn try_parse(text: &str) -> Result<Spec, String> {
    let files = |path: &str| match path {
        "data.csv" => Ok((path.to_string(), b"a,b,y\n1,2,0.5\n3,4,1.5\n5,6,-1\n".to_vec())),
        "bad.csv" => Ok((path.to_string(), b"a,b,y\n1,2,0.5\n3,oops,1.5\n".to_vec())),
        _ => Err(std::io::Error::from(std::io::ErrorKind::NotFound)),
    };
    Spec::parse(text, "test.toml", &files).map_err(|report| report.to_string())
}

/// A spec around the lines of one block.
pub fn around(block: &str) -> String {
    format!("name = \"t\"\nepochs = 3\n[task]\nkind = \"noise\"\nsamples = 20\n[[grid]]\n{block}\n")
}

fn trials(block: &str) -> Vec<Trial> {
    parse(&around(block)).grid().trials().collect()
}

fn column<T>(block: &str, get: impl Fn(&Trial) -> T) -> Vec<T> {
    trials(block).iter().map(get).collect()
}

#[test]
fn a_block_is_the_product_of_its_lists_with_the_seed_fastest() {
    let spec = around("depth = [1, 2]\nlr = [0.1, 0.2]").replace("epochs", "seeds = 2\nepochs");
    let all: Vec<_> = parse(&spec).grid().trials().map(|t| (t.network.depth(), t.lr, t.seed)).collect();
    let expected =
        [(1, 0.1, 0), (1, 0.1, 1), (1, 0.2, 0), (1, 0.2, 1), (2, 0.1, 0), (2, 0.1, 1), (2, 0.2, 0), (2, 0.2, 1)];
    assert_eq!(all, expected);
}

#[test]
fn ranges_have_exact_ends_and_twelve_digits_between() {
    assert_eq!(column("lr = { log = [1e-3, 10.0], points = 5 }", |t| t.lr), [1e-3, 1e-2, 1e-1, 1.0, 10.0]);
    assert_eq!(column("lr = { log = [1, 3], points = 3 }", |t| t.lr), [1.0, 1.73205080757, 3.0]);
    assert_eq!(column("lr = { linear = [0, 1], points = 3 }", |t| t.lr), [0.0, 0.5, 1.0]);
    assert_eq!(column("lr = [5.0, { linear = [0, 1], points = 2 }]", |t| t.lr), [5.0, 0.0, 1.0]);
    let depths = column("lr = 1\ndepth = { log = [1, 8], points = 7 }", |t| t.network.depth());
    assert_eq!(depths, [1, 2, 3, 4, 6, 8]);
}

#[test]
fn a_range_can_be_divided_by_another_axis() {
    let all = column("depth = [2, 4]\nlr = { linear = [1, 2], points = 2, per = \"depth\" }", |t| t.lr);
    assert_eq!(all, [0.5, 1.0, 0.25, 0.5]);
}

#[test]
fn zipped_axes_advance_together() {
    let block = "zip = [[\"depth\", \"lr\"]]\ndepth = [5, 10]\ninit = [\"he\", \"xavier\"]\nlr = [0.1, 0.05]";
    let all = column(block, |t| (t.network.depth(), t.init.kind.name(), t.lr));
    assert_eq!(all, [(5, "he", 0.1), (5, "xavier", 0.1), (10, "he", 0.05), (10, "xavier", 0.05)]);
}

#[test]
fn short_forms_and_pairs_are_the_same_trial() {
    for (short, pair) in [
        ("init = \"normal(0.1)\"", "init = \"normal\"\ninit_scale = 0.1"),
        ("clip = \"norm(2)\"", "clip = \"norm\"\nclip-threshold = 2"),
        ("activation = \"leaky_relu(0.2)\"", "activation = \"leaky-relu\"\nnegative_slope = 0.2"),
        ("init = \"kaiming_uniform\"", "init = \"he-uniform\""),
        ("init = \"glorot(1.5)\"", "init = \"xavier\"\ninit_scale = 1.5"),
        ("clip = \"norm\"", "clip = \"none\""),
    ] {
        assert_eq!(trials(&format!("lr = 1\n{short}")), trials(&format!("lr = 1\n{pair}")), "{short}");
    }
}

#[test]
fn axes_that_do_not_apply_are_dropped_and_equal_trials_are_one() {
    assert_eq!(trials("lr = 1\noptimizer = [\"adam\", \"sgd\"]\nmomentum = [0.0, 0.5, 0.9]").len(), 4);
    assert_eq!(trials("lr = 1\nclip = [\"none\", \"norm\"]\nclip_threshold = [1.0, inf]").len(), 2);
    assert_eq!(trials("lr = 1\nclip = [\"none\", \"norm(1)\", \"norm(inf)\"]").len(), 2);
    assert_eq!(trials("lr = 1\ndepth = [0, 1]\nwidth = [4, 8]\nactivation = [\"relu\", \"tanh\"]").len(), 5);
    assert_eq!(trials("lr = 1\nbatch = [\"all\", 5, 20, 1000]").len(), 2);
    assert_eq!(trials("lr = [1, 1.0]").len(), 1);
}

#[test]
fn equal_trials_of_two_blocks_are_one_and_keep_the_first_label() {
    let spec = around("label = \"a\"\nlr = [1, 2]") + "[[grid]]\nlabel = \"b\"\nlr = [2, 3]\n";
    let all: Vec<_> = parse(&spec).grid().trials().map(|t| (t.label.clone(), t.lr)).collect();
    assert_eq!(all, [("a".into(), 1.0), ("a".into(), 2.0), ("b".into(), 3.0)]);
}

#[test]
fn excluded_points_are_dropped() {
    let spec = around("lr = [0.1, 1.0]\ninit = [\"he\", \"normal(0.1)\"]");
    let count = |exclude: &str| parse(&format!("{spec}\n[[exclude]]\n{exclude}")).grid().trials().count();
    assert_eq!(count("init = \"he\"\nlr = { min = 0.5 }"), 3);
    assert_eq!(count("init = \"normal(0.1)\""), 2);
    assert_eq!(count("init = \"normal(0.2)\""), 4);
    assert_eq!(count("lr = [0.1000000000001, 7]"), 2);
}

#[test]
fn base_values_hold_where_a_block_says_nothing() {
    let spec = "name = \"t\"\nepochs = 1\n[task]\nkind = \"noise\"\n[base]\nwidth = 3\ninit = \"normal(0.5)\"\nlr = [1, 2]\n\
                [[grid]]\n[[grid]]\ninit = \"he\"\nwidth = 5\nlr = 4\n";
    let all: Vec<_> = parse(spec).grid().trials().map(|t| (t.network.width(), t.init.scale, t.lr)).collect();
    assert_eq!(all, [(Some(3), 0.5, 1.0), (Some(3), 0.5, 2.0), (Some(5), 1.0, 4.0)]);
}

#[test]
fn schedules_and_the_output_rate_are_axes() {
    let block = "lr = 0.1\nlr_output = [0.1, 0.2]\nschedule = [\"constant\", \"warmup\", \"cosine\"]\nwarmup = [5, 10]";
    let all = column(block, |t| (t.lr_output, t.schedule));
    let schedules = [
        Schedule::Constant,
        Schedule::Warmup { warmup: 5 },
        Schedule::Warmup { warmup: 10 },
        Schedule::Cosine { lr_min: 0.0 },
    ];
    let expected: Vec<_> = [None, Some(0.2)].into_iter().flat_map(|lr| schedules.map(|s| (lr, s))).collect();
    assert_eq!(all, expected);
    assert!(try_parse(&around("lr = 1\nschedule = \"warmup\"")).unwrap_err().contains("has no `warmup`"));
    assert!(try_parse(&around("lr = 1\nwarmup = 3")).unwrap_err().contains("`warmup`"));
}

#[test]
fn the_datas_own_seed_is_dropped_where_it_is_the_seed() {
    let all = column("lr = 1\nseeds = 2\ndata_seed = [0, 7]", |t| (t.seed, t.data_seed));
    assert_eq!(all, [(0, None), (1, Some(0)), (0, Some(7)), (1, Some(7))]);
    assert_eq!(trials("lr = 1\ndata_seed = 0"), trials("lr = 1"));
}

#[test]
fn sampling_applies_to_mini_batches_only() {
    let all =
        column("lr = 1\nbatch = [5, \"all\"]\nsampling = [\"shuffle\", \"replacement\"]", |t| (t.batch, t.sampling));
    assert_eq!(all, [(5, Sampling::Shuffle), (5, Sampling::Replacement), (20, Sampling::Shuffle)]);
}

#[test]
fn the_recurrent_matrices_may_have_their_own_initializer() {
    let rnn = "lr = 1\nnetwork = \"rnn\"\nsequence_length = 3\ntask = { kind = \"adding\" }\ninit = \"he(0.5)\"";
    let init = |extra: &str| {
        let trial = trials(&format!("{rnn}\n{extra}"))[0].clone();
        trial.recurrent_init.map(|init| (init.kind.name(), init.scale))
    };
    assert_eq!(init(""), None);
    assert_eq!(init("recurrent_init = \"orthogonal\""), Some(("orthogonal", 1.0)));
    assert_eq!(init("recurrent_init = \"normal(0.2)\""), Some(("normal", 0.2)));
    assert_eq!(init("recurrent_init_scale = 0.9"), Some(("he", 0.9)));
    assert_eq!(init("recurrent_init = \"he(0.5)\""), None);
    assert!(try_parse(&around("lr = 1\nrecurrent_init = \"he\"")).unwrap_err().contains("`recurrent_init`"));
}

#[test]
fn blocks_have_their_own_task_epochs_and_seeds() {
    let spec = around("lr = 1")
        + "[[grid]]\nnetwork = \"rnn\"\nlr = 1\nsequence_length = 4\ntask = { kind = \"adding\" }\nsteps = 7\nseeds = [3, 9]\n";
    let all: Vec<Trial> = parse(&spec).grid().trials().collect();
    assert_eq!(all.len(), 3);
    assert_eq!((all[0].budget, all[1].budget), (Budget::Epochs(3), Budget::Steps(7)));
    assert_eq!((all[1].seed, all[2].seed), (3, 9));
    assert_eq!(all[1].task.kind, TaskKind::Adding);
    assert_eq!(all[1].network.activation(), Some(Activation::Tanh));
}

#[test]
fn defaults_are_those_of_the_contract() {
    let [trial] = &trials("lr = 1")[..] else { panic!("one trial") };
    let cells: Vec<String> = TABLE.iter().map(|axis| format!("{}={:?}", axis.name, axis.id.of(trial))).collect();
    insta::assert_snapshot!(cells.join("\n"));
}

#[test]
fn a_csv_task_takes_its_sizes_from_the_file() {
    let task = |extra: &str| {
        let task = format!("task = {{ kind = \"csv\", path = \"data.csv\", target = \"y\"{extra} }}");
        trials(&format!("lr = 1\n{task}"))[0].task.clone()
    };
    assert_eq!((task("").inputs, task("").samples, task("").outputs), (2, 3, 1));
    let Source::Csv(file) = task(", features = [\"b\"]").source else { panic!("a csv task has its file") };
    assert_eq!(file.features, ["b"]);
}

#[test]
fn ids_do_not_depend_on_the_label_and_do_on_everything_else() {
    let id = |block: &str| trials(&format!("lr = 1\n{block}"))[0].id();
    let plain = id("");
    assert_eq!(plain, id("label = \"x\""));
    assert_eq!(plain, id("momentum = 0.0\nwidth = 64\nresidual = false"));
    for other in
        ["seeds = [1]", "epochs = 4", "steps = 3", "width = 65", "momentum = 0.9", "bias = \"none\"", "bias_std = 0.0"]
    {
        assert_ne!(plain, id(other), "{other}");
    }
    let other = around("lr = 1").replace("samples = 20", "samples = 21");
    assert_ne!(plain, parse(&other).grid().trials().next().unwrap().id());
    let other = around("lr = 1") + "[divergence]\nloss_ratio = 10\n";
    assert_ne!(plain, parse(&other).grid().trials().next().unwrap().id());
    assert_eq!(TrialId::parse(&plain.to_string()), Some(plain));
    assert_eq!(TrialId::parse("t12345678901"), None);
}

#[test]
fn a_scale_by_the_number_of_residual_layers_is_a_number_of_each_depth() {
    let block = "lr = 1\nresidual = true\ndepth = [1, 2, 5, 9]\nresidual_scale = ";
    assert_eq!(column(&format!("{block}\"1/sqrt(L)\""), |t| t.residual_scale), [1.0, 1.0, 0.5, 1.0 / 8f64.sqrt()]);
    assert_eq!(
        column(&format!("{block}[\"1/sqrt(2L)\", 0.25]"), |t| t.residual_scale)[4..6],
        [1.0 / 8f64.sqrt(), 0.25]
    );
    assert_eq!(trials("lr = 1\nbatch = [5, \"all\"]\naccumulate = [1, 2, 4, 8]").len(), 4);
}

#[test]
fn gpt2s_scale_is_a_number_of_the_residual_branches_of_each_depth() {
    let block = "lr = 1\nnetwork = \"transformer\"\nsequence_length = 3\ntask = { kind = \"copy\" }\ndepth = [2, 8]\n";
    let scales = |extra: &str| column(&format!("{block}{extra}"), |t| t.residual_init_scale);
    let gpt2 = "residual_init_scale = \"gpt2\"";
    // A block has two branches, and one where it has no MLP.
    assert_eq!(scales(gpt2), [0.5, 0.25]);
    assert_eq!(scales(&format!("{gpt2}\nmlp_ratio = 0")), [1.0 / 2f64.sqrt(), 1.0 / 8f64.sqrt()]);
    assert_eq!(scales("residual_init_scale = 0"), [0.0, 0.0]);
    assert_eq!(scales(&format!("{gpt2}\nresidual = [false, true]"))[..2], [1.0, 0.5]);
    assert_eq!(
        trials(&format!("{block}residual_init_scale = 1\nembedding_init_scale = 1")),
        trials(block),
        "the defaults are 1"
    );
}

#[test]
fn ten_million_points_are_counted_without_enumerating_them() {
    let block =
        "lr = { log = [1e-3, 1], points = 100000 }\nmomentum = { linear = [0, 0.99], points = 100000 }\nseeds = 1000";
    let spec = parse(&around(block));
    assert_eq!(spec.grid().points(), 10_000_000_000_000);
    assert_eq!(spec.grid().trials().nth(2000).unwrap().seed, 0);
}

#[test]
fn filters_of_the_command_line_take_values_lists_and_ranges() {
    let all = trials("lr = [0.01, 0.1, 1.0]\ninit = [\"he\", \"normal(0.5)\"]\nseeds = 2");
    let count = |filters: &[&str]| {
        let filters: Vec<String> = filters.iter().map(|f| f.to_string()).collect();
        Filter::parse(&filters, &AxisSet::default()).map(|f| all.iter().filter(|t| f.matches(*t)).count())
    };
    assert_eq!(count(&["init=he"]), Ok(6));
    assert_eq!(count(&["init=kaiming", "lr=0.1,1"]), Ok(4));
    assert_eq!(count(&["lr=0.05..0.5", "seed=1"]), Ok(2));
    assert_eq!(count(&["lr=..0.1"]), Ok(8));
    assert_eq!(count(&["init=normal(0.5)"]), Ok(6));
    assert_eq!(count(&["clip=norm"]), Ok(0));
    assert!(count(&["lrr=1"]).unwrap_err().contains("did you mean `lr`?"));
    assert!(count(&["lr=fast"]).is_err());
    assert!(count(&["lr"]).is_err());
    assert!(count(&["init=a..b"]).is_err());
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn lazy_enumeration_equals_a_naive_product(
        depths in proptest::collection::vec(0..3u32, 1..4),
        widths in proptest::collection::vec(1..3u32, 1..3),
        clips in proptest::collection::vec(proptest::sample::select(vec!["none", "norm", "value"]), 1..3),
        thresholds in proptest::collection::vec(proptest::sample::select(vec!["1.0", "2.0", "inf"]), 1..4),
        seeds in 1..3u64,
    ) {
        let quoted: Vec<String> = clips.iter().map(|c| format!("\"{c}\"")).collect();
        let threshold = if clips.iter().any(|c| *c != "none") { format!("clip_threshold = [{}]", thresholds.join(", ")) } else { String::new() };
        let width = if depths.iter().any(|d| *d > 0) { format!("width = {widths:?}") } else { String::new() };
        let block = format!("depth = {depths:?}\n{width}\nclip = [{}]\n{threshold}\nlr = 1\nseeds = {seeds}", quoted.join(", "));
        let found: Vec<(usize, Option<usize>, String, u64)> =
            trials(&block).iter().map(|t| (t.network.depth(), t.network.width(), format!("{:?}", t.clip), t.seed)).collect();
        let mut expected = Vec::new();
        for &depth in &depths {
            for &width in if width.is_empty() { &[1][..] } else { &widths } {
                for &clip in &clips {
                    for &threshold in if threshold.is_empty() { &["inf"][..] } else { &thresholds } {
                        for seed in 0..seeds {
                            let width = (depth > 0).then_some(width as usize);
                            let clip = match (clip, threshold) {
                                (_, "inf") | ("none", _) => "None".to_string(),
                                ("norm", t) => format!("Norm({t})"),
                                (_, t) => format!("Value({t})"),
                            };
                            let point = (depth as usize, width, clip, seed);
                            if !expected.contains(&point) {
                                expected.push(point);
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(found, expected);
    }
}
