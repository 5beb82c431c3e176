//! What a spec may say. What it may not say is in `mistakes`.

use crate::mistakes::{check, mistakes};
use blowup_core::axis::AxisSet;
use blowup_core::spec::Spec;
use blowup_core::spec::filter::Filter;
use blowup_core::trial::{Bias, DecayMode, Loss, Network, Norm, NormPosition, Optimizer, Source, Trial};
use proptest::prelude::*;
use std::io;

pub const TOP: &str = "name = \"t\"\nepochs = 1\n[task]\nkind = \"noise\"\n";

/// A safetensors file with inputs of this shape, of 6 numbers, and 3 targets that can be classes.
fn array_file(shape: &str) -> Vec<u8> {
    let header = format!(
        "{{\"x\": {{\"dtype\": \"U8\", \"shape\": {shape}, \"data_offsets\": [0, 6]}}, \
         \"y\": {{\"dtype\": \"U8\", \"shape\": [3], \"data_offsets\": [6, 9]}}}}"
    );
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[5, 3, 1, 2, 4, 6, 0, 1, 1]].concat()
}

/// The only files that exist here.
pub fn open(path: &str) -> io::Result<(String, Vec<u8>)> {
    let bytes: &[u8] = match path {
        "good.csv" => b"a,b,y\n1,2,3\n4,5e0,6\n",
        "bad.csv" => b"a,b,y\n1,2,3\n4,five,6\n",
        "huge.csv" => b"a,b,y\n1e-30,1,0\n2e-30,-1e200,1\n",
        "names.csv" => b"a,kind\n1,cat\n2,ant\n3,cat\n",
        "good.txt" => "One bär.\n".as_bytes(),
        "latin.txt" => b"One\nb\xe4r.\n",
        "good.safetensors" => &array_file("[3, 2]"),
        "sequences.safetensors" => &array_file("[3, 1, 2]"),
        _ => return Err(io::ErrorKind::NotFound.into()),
    };
    Ok((format!("/data/{path}"), bytes.to_vec()))
}

pub fn parse(text: &str) -> Result<Spec, String> {
    Spec::parse(text, "t.toml", &open).map_err(|report| report.to_string())
}

/// The only trial of a block below the common top.
fn only(block: &str) -> Trial {
    let spec = parse(&format!("{TOP}[[grid]]\nlr = 1\n{block}")).unwrap_or_else(|report| panic!("{report}"));
    let mut trials = spec.grid().trials();
    let trial = trials.next().expect("a trial");
    assert_eq!(trials.next(), None);
    trial
}

#[test]
fn defaults_are_those_of_pytorch() {
    let trial = only("");
    assert_eq!(trial.bias, Bias::LearnedPytorch);
    assert_eq!(trial.optimizer, Optimizer::Sgd { momentum: 0.0, nesterov: false });
    assert_eq!((trial.batch, trial.task.samples, trial.task.inputs, trial.task.outputs), (256, 256, 10, 1));
    assert_eq!(
        only("optimizer = \"adamw\"").optimizer,
        Optimizer::Adamw {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            amsgrad: false,
            weight_decay_mode: DecayMode::Decoupled
        }
    );
    assert_eq!(only("optimizer = \"rmsprop\"").optimizer, Optimizer::Rmsprop { alpha: 0.99, eps: 1e-8, momentum: 0.0 });
    assert_eq!(only("optimizer = \"adamw\"").weight_decay, 0.0);
    assert_eq!(only("init = \"he\"").bias, Bias::Learned { std: 0.0 });
    assert_eq!(only("bias_std = 0").bias, Bias::Learned { std: 0.0 });
    assert_eq!(only("depth = 0").network, Network::Linear);
    assert_eq!(only("norm = \"layer\"").network.norm(), Some(Norm::Layer(NormPosition::Before)));
    let classes = only("loss = \"cross-entropy\"");
    assert_eq!((classes.loss, classes.task.outputs), (Loss::CrossEntropy, 10));
}

#[test]
fn defaults_of_what_is_not_built_are_accepted() {
    only("residual = false\nschedule = \"constant\"\nparametrization = \"standard\"\ninit_offset = 0");
    parse(&format!("{TOP}[record]\nsharpness = false\n[[grid]]\nlr = 1")).unwrap();
}

#[test]
fn classification_tasks_take_cross_entropy_unless_told_otherwise() {
    let shape = |task: &str| {
        let trial = only(&format!("task = {task}"));
        (trial.loss, trial.task.inputs, trial.task.outputs, trial.task.samples)
    };
    let sequence = |task: &str| shape(&format!("{task}\nnetwork = \"rnn\"\nsequence_length = 5"));
    let classes = Loss::CrossEntropy;
    assert_eq!(shape("{ kind = \"digits\" }"), (classes, 64, 10, 1797));
    assert_eq!(shape("{ kind = \"digits\", samples = 100 }\nloss = \"mse\""), (Loss::Mse, 64, 10, 100));
    assert_eq!(sequence("{ kind = \"copy\" }"), (classes, 10, 8, 256));
    assert_eq!(sequence("{ kind = \"copy\", classes = 3 }\nloss = \"mse\""), (Loss::Mse, 5, 3, 256));
    assert_eq!(sequence("{ kind = \"temporal-order\", samples = 9 }"), (classes, 6, 4, 9));
    assert_eq!(shape("{ kind = \"teacher\" }").0, Loss::Mse);
    check(
        "lr = 1\ntask = { kind = \"digits\", samples = 1798 }",
        "7:37 `samples` is not an integer from 1 to 1797 / for example samples = 10",
    );
    check(
        "lr = 1\ntask = { kind = \"digits\", inputs = 3 }",
        "7:27 `inputs` does not apply to the task `digits` / it takes: samples",
    );
    let short = |kind: &str, hint: &str| {
        let block = format!("lr = 1\nnetwork = \"rnn\"\nsequence_length = 1\ntask = {{ kind = \"{kind}\" }}");
        check(&block, &format!("8:19 the task `{kind}` needs a `sequence_length` of 2 or more / {hint}"));
    };
    short("copy", "the symbol comes at the first step, the question at the last");
    short("temporal-order", "its two symbols stand at different steps");
}

#[test]
fn a_csv_task_is_read_and_checked() {
    let csv = |task: &str| format!("name = \"t\"\nepochs = 1\n[task]\nkind = \"csv\"\n{task}\n[[grid]]\nlr = 1\n");
    let spec = parse(&csv("path = \"good.csv\"\ntarget = \"y\"")).unwrap();
    let task = spec.grid().trials().next().unwrap().task;
    let Source::Csv(file) = &task.source else { panic!("{task:?}") };
    assert_eq!((task.inputs, task.outputs, task.samples), (2, 1, 2));
    assert_eq!(
        (file.path.as_str(), file.features.join(" ").as_str(), file.standardize),
        ("/data/good.csv", "a b", true)
    );
    assert_eq!(file.sha256.len(), 64);
    let names = parse(&(csv("path = \"names.csv\"\ntarget = \"kind\"") + "loss = \"cross_entropy\"")).unwrap();
    assert_eq!(names.grid().trials().next().unwrap().task.outputs, 2);
    assert_eq!(
        mistakes(&csv("path = \"bad.csv\"\ntarget = \"y\"")),
        [
            "5:8 `bad.csv`: line 3, column `b`: `five` is not a finite number / make columns of 0 and 1 of names (in pandas: pd.get_dummies(df, dtype=float)); or leave the column out: features = [\"a\"]"
        ]
    );
    assert_eq!(
        mistakes(&csv("path = \"good.csv\"\ntarget = \"z\"")),
        [
            "5:8 `good.csv`: line 1, column `z`: there is no such column; the header has: a, b, y / `target` and `features` are names of the header, which must not repeat"
        ]
    );
    assert_eq!(
        mistakes(&csv("path = \"none.csv\"\ntarget = \"y\"")),
        ["5:8 cannot read `none.csv`: entity not found / the path is relative to the folder of the spec"]
    );
    assert_eq!(
        mistakes(&csv("path = \"names.csv\"\ntarget = \"kind\"")),
        [
            "5:8 `names.csv`: line 2, column `kind`: `cat` is not a finite number (nor are those in lines 3, 4) / every target must be a finite number; a target of names needs loss = \"cross_entropy\""
        ]
    );
}

#[test]
fn filters_of_the_command_line_choose_trials() {
    let grid = "[[grid]]\nlabel = \"a b\"\nlr = [0.01, 0.1, 1]\ninit = [\"he\", \"normal(0.1)\"]\ndepth = [0, 2]\n";
    let spec = parse(&format!("{TOP}{grid}")).unwrap();
    let count = |args: &[&str]| {
        let filter = Filter::parse(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>(), &AxisSet::default())?;
        Ok::<usize, String>(spec.grid().trials().filter(|trial| filter.matches(trial)).count())
    };
    assert_eq!(count(&[]), Ok(12));
    assert_eq!(count(&["lr=0.01,1"]), Ok(8));
    assert_eq!(count(&["lr=0.1..1.0"]), Ok(8));
    assert_eq!(count(&["lr=..0.05"]), Ok(4));
    assert_eq!(count(&["init=kaiming", "depth=2"]), Ok(3));
    assert_eq!(count(&["init=normal(0.1)"]), Ok(6));
    assert_eq!(count(&["init-scale=1"]), Ok(6));
    assert_eq!(count(&["width=64"]), Ok(6));
    assert_eq!(count(&["batch=all", "seed=0", "label=a b", "task=noise", "residual=false"]), Ok(6));
    assert_eq!(count(&["network=lstm"]), Ok(0));
    for (arg, message) in [
        ("lr", "`--where lr`: there is no `=`\nhint: AXIS=V, AXIS=V,V or AXIS=A..B, for example lr=1e-3..0.1"),
        ("lrr=1", "`--where lrr=1`: `lrr` is not an axis\nhint: did you mean `lr`?"),
        ("lr=x", "`--where lr=x`: `x` is not a value of `lr`\nhint: it takes numbers"),
        ("depth=1.5", "`--where depth=1.5`: `1.5` is not a value of `depth`\nhint: it takes integers"),
        ("init=hee", "`--where init=hee`: `hee` is not a value of `init`\nhint: did you mean `he`?"),
        (
            "init=a..b",
            "`--where init=a..b`: `a..b` is not a value of `init`\nhint: known here: normal, uniform, xavier, xavier_uniform, he, he_uniform, lecun, orthogonal, scaled, constant, pytorch, stored",
        ),
        ("lr=2..1", "`--where lr=2..1`: the range of `lr` from 2 to 1 is empty\nhint: the smaller end comes first"),
    ] {
        assert_eq!(count(&[arg]).unwrap_err(), message);
    }
}

#[test]
fn the_experiments_and_the_specs_of_the_benchmarks_and_the_notebook_parse() {
    let files = ["experiments", "experiments/literature", "benches/specs", "notebooks"]
        .into_iter()
        .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten());
    for path in files.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "toml")) {
        let text = std::fs::read_to_string(path).unwrap();
        let spec = parse(&text).unwrap_or_else(|report| panic!("{report}"));
        assert!(spec.grid().trials().count() > 0 || !spec.edges.is_empty());
    }
}

const RICH: &str = "\
name = \"rich\"
epochs = 3
seeds = [0, 5]
[task]
kind = \"teacher\"
inputs = 3
samples = 20
input_std = 0.5
[base]
width = [4, 8]
init-scale = 0.5
[[grid]]
label = \"é\"
zip = [[\"depth\", \"lr\"], [\"norm\", \"batch\"]]
depth = [0, 1, { linear = [2, 4], points = 3 }]
lr = { log = [1e-3, 1.0], points = 5 }
norm = [\"none\", \"batch\"]
batch = [\"all\", 7]
momentum = { linear = [0, 0.9], points = 2, per = \"width\" }
nesterov = [true, false]
[[grid]]
network = \"rnn\"
lr = [0, 0.1, 1e-2]
task = { kind = \"adding\", samples = 4 }
sequence_length = { linear = [8, 16], points = 2, per = \"depth\" }
clip = [\"norm(1.0)\", \"none\"]
activation = [\"leaky-relu(0.1)\", \"tanh\"]
[[grid]]
lr = 1
task = { kind = \"csv\", path = \"names.csv\", target = \"kind\", features = [\"a\"], standardize = true }
loss = \"cross_entropy\"
optimizer = [\"adam\", \"rmsprop\"]
alpha = 0.5
[[exclude]]
lr = { min = 1e-3, max = 1e-2 }
network = [\"mlp\"]
[divergence]
loss_ratio = 1e6
[record]
epochs = true
steps = 3
sharpness = false
[[expect]]
where = { init = \"he\" }
by = [\"depth\", \"label\"]
metric = \"mean(ln(lr) ^ 2 / (backprop_norm[2..last-1, time 3, epoch 1] + 1e-3))\"
value = 0.5
tolerance = \"5%\"
[baseline]
by = [\"init\"]
direction = \"any\"
alpha = 0.05
";

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Words of a spec are swapped, dropped and doubled. The result is a trial or a report, and
    /// never a panic.
    #[test]
    fn no_text_makes_it_panic(edits in prop::collection::vec((0usize..1000, 0usize..1000, 0u8..4), 0..6)) {
        let mut words: Vec<&str> = RICH.split_inclusive([' ', '\n', ',', '[', '(', '"']).collect();
        for (at, from, kind) in edits {
            let (at, from) = (at % words.len(), from % words.len());
            match kind {
                0 => words[at] = words[from],
                1 => drop(words.remove(at)),
                2 => words.insert(at, words[from]),
                _ => words.swap(at, from),
            }
        }
        match Spec::parse(&words.concat(), "t.toml", &open) {
            Ok(spec) => {
                prop_assert!(spec.grid().points() > 0);
                for trial in spec.grid().trials().take(200) {
                    prop_assert!(trial.batch >= 1 && trial.batch <= trial.task.samples);
                    prop_assert!(trial.lr.is_finite() && trial.lr >= 0.0);
                    prop_assert!(trial.network.sequence_length().is_none_or(|t| t >= 2));
                    prop_assert_eq!(trial.network.sequence_length().is_some(), trial.task.kind.is_sequence());
                }
            }
            Err(report) => prop_assert!(report.problems.iter().all(|p| report.to_string().contains(&p.message))),
        }
    }
}

#[test]
fn a_z_loss_applies_under_the_loss_of_the_task() {
    let block = "task = { kind = \"copy\" }\nnetwork = \"rnn\"\nsequence_length = 3\nlr = 1\nz_loss = [0.0, 0.5]\n";
    let spec = parse(&format!("{TOP}[[grid]]\n{block}")).unwrap();
    assert_eq!(spec.grid().trials().map(|trial| trial.z_loss).collect::<Vec<_>>(), [0.0, 0.5]);
}

#[test]
fn the_text_that_is_edited_is_a_spec() {
    assert_eq!(parse(RICH).map(|spec| spec.grid().points()), Ok(264));
}
