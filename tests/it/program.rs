//! Programs as trials: the lines between them and blowup, their axes, and everything that they can
//! do wrong.

use crate::mistakes::mistakes;
use crate::sweep::{Place, stderr};
use blowup_core::spec::Spec;
use std::io;
use std::path::Path;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A program whose trials take a loss of their own at every step: `losses` is a list in Python of
/// the trial's `lr` (`x`) and the number of epochs.
fn program(body: &str) -> String {
    format!(
        "import json, os, sys, time\n\
         def say(line): sys.stdout.write(line + '\\n'); sys.stdout.flush()\n\
         say('{{\"ready\": 1}}')\n\
         for line in sys.stdin:\n\
         \x20   trial = json.loads(line)\n\
         \x20   say(json.dumps({{'begin': trial['trial']}}))\n\
         \x20   x, seed, axes = trial['axes'].get('lr'), trial['seed'], trial['axes']\n\
         {}\n",
        body.lines().map(|line| format!("    {line}\n")).collect::<String>()
    )
}

const DECAY: &str = "w = 1.0\n\
    for epoch in range(trial['epochs']):\n\
    \x20   said = {'loss': w * w, 'grad_norm': 2 * abs(w), 'epoch': epoch}\n\
    \x20   w -= x * 2 * w\n\
    \x20   say(json.dumps({'step': said}))\n\
    say('{\"done\": {}}')";

const SPEC: &str = "name = 't'\n\
    epochs = 30\n\
    [program]\n\
    command = ['python3', 'p.py']\n\
    axes = { hidden = 'integer', kind = 'text', gain = 'float', on = 'boolean' }\n\
    [[grid]]\n\
    lr = [0.1, 0.5, 1.25]\n";

fn place(body: &str, spec: &str) -> Place {
    let place = Place::new(spec);
    place.write("p.py", &program(body));
    place
}

/// The rows of `runs.csv` as maps from columns to cells.
fn rows(place: &Place, dir: &str) -> Vec<std::collections::BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(place.path(&format!("{dir}/runs.csv"))).unwrap();
    let names = reader.headers().unwrap().clone();
    let row =
        |record: csv::StringRecord| names.iter().zip(&record).map(|(n, c)| (n.to_owned(), c.to_owned())).collect();
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn the_verdict_is_that_of_the_losses_that_a_program_says() {
    let place = place(DECAY, SPEC);
    place.ok("sweep t.toml --out r --quiet");
    let rows = rows(&place, "r");
    // The weight is multiplied with 1 - 2 lr at each step: 0.8, 0 and -1.5.
    let cell = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    assert_eq!(cell("outcome"), ["converged", "converged", "diverged"]);
    assert_eq!(cell("lr"), ["0.1", "0.5", "1.25"]);
    assert_eq!((cell("task"), cell("epochs")), (vec!["program".to_owned(); 3], vec!["30".to_owned(); 3]));
    // 1.5^(2k) is above 1e6 from step 18 on, which is the 18th after the first.
    assert_eq!(cell("step_diverged"), ["", "", "18"]);
    assert_eq!(cell("epoch_diverged"), ["", "", "19"]);
    assert_eq!(cell("grad_norm_initial"), ["2.0"; 3]);
    let growth: f64 = cell("loss_jump_max")[2].parse().unwrap();
    assert!((growth - 2.25).abs() < 1e-12, "{growth}");
    // What the program does not say is empty.
    for name in
        ["loss_initial", "loss_final", "loss_trivial", "update_norm_max", "weight_norm_initial", "hidden", "optimizer"]
    {
        assert_eq!(cell(name), [""; 3], "{name}");
    }
}

#[test]
fn numbers_that_are_not_finite_travel_as_text() {
    let body = "losses = ['1.0', '\"inf\"', '\"nan\"']\n\
        for loss in losses:\n\
        \x20   say('{\"step\": {\"loss\": %s, \"module\": \"blocks.3.attn\", \"source\": \"model.py:42\"}}' % loss)\n\
        say('{\"done\": {}}')";
    let place = place(body, &SPEC.replace("[0.1, 0.5, 1.25]", "0.1"));
    place.ok("sweep t.toml --out r --quiet");
    let row = &rows(&place, "r")[0];
    let cells = ["outcome", "step_diverged", "step_nonfinite", "step_nan", "steps_run", "loss_final", "loss_jump_max"];
    assert_eq!(cells.map(|name| row[name].as_str()), ["nonfinite", "1", "1", "2", "2", "NaN", "inf"]);
    // Where it began is what the program says of the first such step.
    assert_eq!((row["nonfinite_module"].as_str(), row["nonfinite_source"].as_str()), ("blocks.3.attn", "model.py:42"));
    // Steps that do not say their epoch count as one each.
    assert_eq!((row["epoch_nan"].as_str(), row["epochs_run"].as_str()), ("3", "3"));
}

#[test]
fn what_a_program_says_beyond_losses_has_its_columns() {
    let body = "say('{\"start\": {\"loss\": 4.0, \"loss_trivial\": 2.0, \"weight_norm\": 3.0}}')\n\
        for step in range(4):\n\
        \x20   said = {'loss': 4.0 - step, 'epoch': step // 2, 'samples': 1 + step % 2, 'clipped': step == 0,\n\
        \x20       'update_norm': 0.5, 'weight_norm': 3.5 + step, 'lr': 0.25, 'grad_norm': 1.0}\n\
        \x20   say(json.dumps({'step': said}))\n\
        say('{\"done\": {\"loss\": 0.5}}')";
    let spec = SPEC.replace("[0.1, 0.5, 1.25]", "0.1").replace("epochs = 30", "epochs = 2")
        + "[record]\nepochs = true\nsteps = 9\n";
    let place = place(body, &spec);
    place.ok("sweep t.toml --out r --quiet");
    let row = &rows(&place, "r")[0];
    let cells = [
        "outcome",
        "loss_initial",
        "loss_final",
        "loss_trivial",
        "clipped_fraction",
        "update_norm_max",
        "weight_norm_initial",
        "weight_norm_max",
    ];
    assert_eq!(cells.map(|name| row[name].as_str()), ["converged", "4.0", "0.5", "2.0", "0.25", "0.5", "3.0", "6.5"]);
    // Samples weigh the steps of an epoch: (4 + 2 x 3) / 3.
    let epochs = place.read("r/epochs.csv");
    let lines: Vec<&str> = epochs.lines().skip(1).map(|line| line.split_once(',').unwrap().1).collect();
    assert_eq!(lines[0], "0,0,4.0,,1.0,,,3.0,");
    assert_eq!(lines[1], "1,2,3.3333333333333335,4.0,1.0,0.5,0.25,4.5,0.5");
    assert_eq!(lines.len(), 3);
    assert_eq!(place.read("r/steps.csv").lines().nth(1).unwrap().split_once(',').unwrap().1, "0,4.0,1.0,true,0.5,");
}

#[test]
fn a_budget_in_steps_is_told_and_kept() {
    let body = "for step in range(trial['steps']): say('{\"step\": {\"loss\": 1.0, \"grad_norm\": 0}}')\n\
        say('{\"done\": {}}')";
    let place = place(body, &SPEC.replace("epochs = 30", "steps = 7"));
    place.ok("sweep t.toml --out r --quiet");
    assert!(
        rows(&place, "r")
            .iter()
            .all(|row| row["steps_run"] == "7" && row["epochs"].is_empty() && row["outcome"] == "stalled")
    );
}

/// The program gets each value as its type.
#[test]
fn axes_of_any_name_reach_the_program_and_the_results() {
    let body = "kinds = {'hidden': int, 'kind': str, 'gain': float, 'on': bool, 'lr': float}\n\
        right = all(type(axes[name]) is kind for name, kind in kinds.items())\n\
        say(json.dumps({'step': {'loss': 1.0 if right else 'nan', 'epoch': 0}}))\n\
        say('{\"done\": {}}')";
    let spec = format!(
        "{SPEC}hidden = [1, 64]\nkind = ['a', 'b, \"c\"']\ngain = {{ log = [0.5, 2.0], points = 3 }}\non = true\n"
    ) + "[[exclude]]\nhidden = 1\nkind = 'a'\n\
           [[expect]]\nmetric = 'max(gain * hidden)'\nvalue = 128\ntolerance = 0\n\
           [[expect]]\nwhere = { hidden = 64, gain = { max = 1.0 } }\nby = ['kind', 'gain']\nmetric = 'nonfinite_rate'\nmax = 0\n";
    let place = place(body, &spec);
    place.ok("sweep t.toml --out r --quiet");
    let rows = rows(&place, "r");
    assert_eq!(rows.len(), 27);
    assert!(rows.iter().all(|row| row["outcome"] == "stalled"));
    let header = place.read("r/runs.csv");
    assert!(
        header.lines().next().unwrap().ends_with(
            ",underflow_fraction,nonfinite_head,attention_logit_max,attention_entropy_min,hidden,kind,gain,on"
        )
    );
    assert!(place.read("r/summary.csv").lines().next().unwrap().ends_with(",failure_high,hidden,kind,gain,on"));
    assert!(rows.iter().any(|row| row["kind"] == "b, \"c\"" && row["gain"] == "2.0" && row["on"] == "true"));
    assert!(place.ok("check r").contains("PASS"));
    assert!(place.ok("plot r --terminal").contains("hidden"));
    // A resumed sweep has nothing to do, and a filter picks by an axis of the spec's own.
    assert!(stderr(&place.run("sweep t.toml --out r")).is_empty());
    let some = place.ok("sweep t.toml --out s --where hidden=64 --where kind=a --dry-run");
    assert!(some.contains("of which 9 are to run"), "{some}");
    // Nobody knows how long a trial of it takes.
    assert!(some.contains("work      not known") && !some.contains("predicted"), "{some}");
}

#[test]
fn the_same_bytes_for_any_workers_and_shards() {
    let spec = SPEC.replace("[0.1, 0.5, 1.25]", "{ log = [1e-3, 2.0], points = 20 }") + "hidden = [1, 2]\n";
    let place = place(DECAY, &format!("seeds = 3\n{spec}[record]\nepochs = true\n"));
    place.ok("sweep t.toml --out one --workers 1 --quiet");
    place.ok("sweep t.toml --out two --workers 2 --quiet");
    for shard in ["1/3", "2/3", "3/3"] {
        place.ok(&format!("sweep t.toml --out cut --shard {shard} --quiet"));
    }
    place.ok("merge cut cut/shard-1-of-3 cut/shard-2-of-3 cut/shard-3-of-3");
    for file in ["runs.csv", "summary.csv", "epochs.csv"] {
        let one = place.read(&format!("one/{file}"));
        assert_eq!(one, place.read(&format!("two/{file}")), "{file}");
        assert_eq!(one, place.read(&format!("cut/{file}")), "{file}");
    }
    assert_eq!(rows(&place, "one").len(), 120);
}

/// What a program does wrong is no divergence: its trial is lost, with the reason.
#[test]
fn a_program_that_goes_wrong_loses_its_trial_alone() {
    let body = format!(
        "what = axes['kind']\n\
         if what == 'dies': print('no more memory', file=sys.stderr); sys.stderr.flush(); os._exit(7)\n\
         if what == 'rubbish': say('epoch 1: loss 0.5')\n\
         if what == 'bare': say('{{\"step\": {{\"loss\": NaN}}}}')\n\
         if what == 'key': say('{{\"step\": {{\"loss\": 1, \"los\": 1}}}}')\n\
         if what == 'empty': say('{{\"done\": {{}}}}'); continue\n\
         if what == 'skips': say('{{\"step\": {{\"loss\": 1, \"epoch\": 1}}}}')\n\
         if what == 'long': [say('{{\"step\": {{\"loss\": 1, \"epoch\": %d}}}}' % e) for e in range(31)]\n\
         if what == 'mixed': say('{{\"step\": {{\"loss\": 1, \"epoch\": 0}}}}'); say('{{\"step\": {{\"loss\": 1}}}}')\n\
         if what == 'error': say('{{\"error\": \"ValueError: no such layer (train.py:7)\"}}'); continue\n\
         if what == 'zero': say('{{\"step\": {{\"loss\": 1, \"samples\": 0, \"epoch\": 0}}}}')\n\
         if what == 'ready': say('{{\"ready\": 1}}')\n\
         if what == 'torn': sys.stdout.write('{{\"step\": '); sys.stdout.flush(); os._exit(0)\n\
         {DECAY}"
    );
    let faults =
        ["dies", "rubbish", "bare", "key", "empty", "skips", "long", "mixed", "error", "zero", "ready", "torn"];
    let spec =
        SPEC.replace("[0.1, 0.5, 1.25]", "0.1") + &format!("kind = ['fine', '{}', 'well']\n", faults.join("', '"));
    let place = place(&body, &spec);
    let output = place.run("sweep t.toml --out r --quiet");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    for row in rows(&place, "r") {
        let expected = match row["kind"].as_str() {
            "fine" | "well" => ("converged", ""),
            _ => ("", "crashed"),
        };
        assert_eq!((row["outcome"].as_str(), row["lost"].as_str()), expected, "{}", row["kind"]);
    }
    let lost = place.read("r/lost.csv");
    for words in [
        "it ended (exit status: 7); its last words: no more memory",
        "it said `epoch 1: loss 0.5`, which is no line of the protocol",
        "it said `{\"step\": {\"loss\": NaN}}`",
        "unknown field `los`",
        "it is done without a step",
        "its first step is of epoch 1: epochs count from 0",
        "it says epoch 30, but epochs count from 0 and its budget is 30",
        "some of its steps say their epoch, others do not",
        "the program says: ValueError: no such layer (train.py:7)",
        "it says `ready` twice",
        "it says a step of 0 samples",
        "it ended in the middle of a line: `{\"step\": `",
    ] {
        assert!(lost.replace("\\\"\"", "\"").contains(words), "{words}\n{lost}");
    }
}

#[test]
fn a_program_that_hangs_is_lost_by_the_limit() {
    let place = place("time.sleep(100000)", &SPEC.replace("[0.1, 0.5, 1.25]", "0.1"));
    let output = place.run("sweep t.toml --out r --quiet --timeout 1");
    assert_eq!((output.status.code(), rows(&place, "r")[0]["lost"].as_str()), (Some(1), "timeout"));
}

/// A program that never runs is a mistake of the spec, not a lost trial for each point of the grid.
#[test]
fn a_program_that_cannot_start_stops_the_sweep() {
    let place = place(DECAY, SPEC);
    place.write("p.py", "import no_such_module\n");
    let said = place.refused("sweep t.toml --out r");
    assert!(said.contains("was never ready") && said.contains("No module named 'no_such_module'"), "{said}");
    place.write("p.py", "print('hello')\n");
    assert!(place.refused("sweep t.toml --out r").contains("it said `hello`"));
    place.write("p.py", "print('{\"ready\": 9}')\n");
    assert!(place.refused("sweep t.toml --out r").contains("speaks version 9"));
    place.write("t.toml", &SPEC.replace("python3", "no-such-program"));
    assert!(place.refused("sweep t.toml --out r").contains("cannot be started"));
    assert!(!place.path("r").exists());
}

fn ids(spec: &str, file: &[u8]) -> Vec<String> {
    let open = |path: &str| match path {
        "p.py" => Ok(("/p.py".to_owned(), file.to_vec())),
        _ => Err(io::ErrorKind::NotFound.into()),
    };
    Spec::parse(spec, "t.toml", &open).unwrap().grid().trials().map(|trial| trial.id().to_string()).collect()
}

#[test]
fn another_program_makes_other_trials() {
    let plain = ids(SPEC, b"");
    assert_eq!(plain, ids(SPEC, b"other"), "a file that the spec does not name is none of its business");
    let versioned = ids(&SPEC.replace("[[grid]]", "version = '2'\n[[grid]]"), b"");
    let named = |file: &[u8]| ids(&SPEC.replace("[[grid]]", "files = ['p.py']\n[[grid]]"), file);
    let (one, two) = (named(b"one"), named(b"two"));
    let set = ids(&format!("{SPEC}hidden = 1\n"), b"");
    let all = [&plain, &versioned, &one, &two, &set];
    for (i, a) in all.iter().enumerate() {
        for b in &all[i + 1..] {
            assert!(a.iter().all(|id| !b.contains(id)), "{a:?} {b:?}");
        }
    }
}

/// An axis that is declared and not set changes no trial; equal texts in different axes do not
/// collide.
#[test]
fn no_two_configurations_of_a_program_share_an_id() {
    let spec = SPEC.replace("kind = 'text'", "kind = 'text', sort = 'text'")
        + "kind = ['a', 'b']\nsort = ['a', 'b']\nseeds = 2\n";
    let all = ids(&spec, b"");
    let mut distinct = all.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!((all.len(), distinct.len()), (24, 24));
    assert_eq!(ids(SPEC, b""), ids(&SPEC.replace("on = 'boolean'", "on = 'boolean', more = 'float'"), b""));
    let turned = spec.replace("kind = 'text', sort = 'text'", "sort = 'text', kind = 'text'");
    assert_eq!(all, ids(&turned, b""), "the order of the declaration is no part of a trial");
}

#[test]
fn mistakes_around_a_program_are_told_with_their_places() {
    let one = |from: &str, to: &str| mistakes(&SPEC.replace(from, to)).join("\n");
    insta::assert_snapshot!(one("command = ['python3', 'p.py']", "command = 'python3 p.py'"), @r#"4:11 `command` is a string, not a list of strings / for example command = ["python", "train.py"]"#);
    insta::assert_snapshot!(one("command = ['python3', 'p.py']\n", ""), @r#"3:1 [program] has no `command` / for example command = ["python", "train.py"]"#);
    insta::assert_snapshot!(one("hidden = 'integer'", "lr = 'float'"), @"5:10 `lr` is an axis of blowup's own / it may be set in a grid as it is; an axis with values of another kind takes another name");
    insta::assert_snapshot!(one("hidden = 'integer'", "Hidden = 'integer'"), @"5:10 `Hidden` cannot be the name of an axis / lower-case letters, digits and `_`, not first a digit");
    insta::assert_snapshot!(one("hidden = 'integer'", "outcome = 'integer'"), @"5:10 `outcome` is taken: it is a column or a key / choose another name");
    insta::assert_snapshot!(one("hidden = 'integer'", "hiding = 'number'"), @"5:19 `number` is not a kind of axis / known here: integer, float, text, boolean");
    insta::assert_snapshot!(one("lr = [0.1, 0.5, 1.25]", "lr = 0.1\nhiden = 3"), @"8:1 unknown key `hiden` / did you mean `hidden`?; an axis of your own is declared in `axes` of [program]");
    insta::assert_snapshot!(one("lr = [0.1, 0.5, 1.25]", "lr = 0.1\nhidden = 1.5"), @"8:10 `hidden` is a decimal number, not an integer / an integer, a list of them, or a range { log = [4, 64], points = 3 }");
    insta::assert_snapshot!(one("lr = [0.1, 0.5, 1.25]", "lr = { log = [0.1, 1.0], points = 3, per = 'hidden' }"), @"7:6 `lr` is divided by `hidden`, which has no value / set `hidden`");
    insta::assert_snapshot!(one("[program]", "[task]\nkind = 'noise'\n[program]"), @"3:2 a program has its own data: [task] is for the built-in nets / leave it out");
    insta::assert_snapshot!(one("[[grid]]", "[record]\nlayers = 'all'\n[[grid]]"), @"6:1 a program says nothing of its layers and its sharpness / record `epochs` and `steps`");
    insta::assert_snapshot!(one("[[grid]]", "files = ['none.py']\n[[grid]]"), @"6:9 cannot read `none.py`: entity not found / the path is relative to the folder of the spec");
    insta::assert_snapshot!(one("kind = 'text'", "kind = 'text', kind2 = 7"), @"5:53 `axes` is an integer, not the kind of the axis / one of: integer, float, text, boolean");
}

/// The example that docs/program.md shows.
#[test]
fn the_example_without_a_package_does_what_its_spec_expects() {
    let folder = Path::new(ROOT).join("experiments/program");
    let place = Place { dir: tempfile::tempdir().unwrap() };
    place.ok(&format!("sweep {} --out r --quiet", folder.join("plain.toml").display()));
    assert!(place.ok("check r").contains("gate passed"));
}

/// The example in JAX, in the virtual environment that `make test` sets up.
#[test]
fn the_example_in_jax_does_what_its_spec_expects() {
    let Some(python) = crate::readers::python() else { return };
    let spec = std::fs::read_to_string(Path::new(ROOT).join("experiments/program/with_jax.toml")).unwrap();
    let command = format!("command = [{:?}, {:?}]", python.display(), "with_jax.py");
    let place = Place::new(&spec.replace("command = [\"python3\", \"with_jax.py\"]", &command));
    let program = std::fs::read_to_string(Path::new(ROOT).join("experiments/program/with_jax.py")).unwrap();
    place.write("with_jax.py", &program);
    let mut sweep = place.command("sweep t.toml --out r --quiet");
    let output = sweep.env("PYTHONPATH", Path::new(ROOT).join("python")).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(place.ok("check r").contains("gate passed"));
}

/// The package's own tests, of those parts that need no torch.
#[test]
fn the_python_package_passes_its_tests() {
    let Some(python) = crate::readers::python() else { return };
    let tests = Path::new(ROOT).join("python/tests/test_trials.py");
    let arguments = ["-m", "pytest", "-q", "-p", "no:cacheprovider"];
    let output = std::process::Command::new(python).args(arguments).arg(tests).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// A program that was mended goes on where it lost everything, and not where it has verdicts.
#[test]
fn lost_trials_do_not_stand_in_the_way_of_a_mended_program() {
    let spec = SPEC.replace("[[grid]]", "files = ['p.py']\n[[grid]]");
    let place = place("say('{\"error\": \"a mistake\"}')", &spec);
    assert_eq!(place.run("sweep t.toml --out r --quiet").status.code(), Some(1));
    place.write("p.py", &program(DECAY));
    place.ok("sweep t.toml --out r --quiet");
    assert_eq!(rows(&place, "r").len(), 3);
    place.write("p.py", &program(&format!("{DECAY}\n# another")));
    let said = place.refused("sweep t.toml --out r");
    assert!(said.contains("a file of its task or of its program has changed"), "{said}");
}

/// A line that comes after the end of a trial is never taken for one of the next trial's: the bytes
/// are those of a program that keeps to the lines, whatever the number of workers.
#[test]
fn what_is_left_over_from_a_trial_belongs_to_no_other() {
    let spec = format!("{SPEC}seeds = 4\n").replace("[0.1, 0.5, 1.25]", "0.1");
    let clean = place(DECAY, &spec);
    clean.ok("sweep t.toml --out r --workers 1 --quiet");
    let stray = format!("{DECAY}\nsay('{{\"step\": {{\"loss\": \"nan\", \"epoch\": 0}}}}\\n{{\"done\": {{}}}}')");
    let place = place(&stray, &spec);
    for workers in [1, 2] {
        place.ok(&format!("sweep t.toml --out r{workers} --workers {workers} --quiet"));
        assert_eq!(place.read(&format!("r{workers}/runs.csv")), clean.read("r/runs.csv"), "{workers}");
    }
}

/// The verdict of a NaN loss is final, whatever the program does then.
#[test]
fn nothing_after_a_nan_takes_its_verdict_away() {
    let nan = "say('{\"step\": {\"loss\": \"nan\", \"epoch\": 0}}')\n";
    for after in [
        "os._exit(3)",
        "say('no line')\nsay('{\"done\": {}}')",
        "say('{\"error\": \"boom\"}')",
        "say('{\"start\": {}}')\nsay('{\"done\": {}}')",
    ] {
        let place = place(&format!("{nan}{after}"), SPEC);
        place.ok("sweep t.toml --out r --quiet");
        assert!(rows(&place, "r").iter().all(|row| row["outcome"] == "nonfinite"), "{after}");
    }
}

/// A program that has ended is not waited for because another process holds its pipe, and what a
/// program has started ends with it.
#[test]
fn what_a_program_leaves_behind_is_neither_waited_for_nor_left() {
    let body = "import subprocess\n\
        kept = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(100000)', os.getcwd()], start_new_session=axes['on'])\n\
        os._exit(5)";
    let place = place(body, &SPEC.replace("lr = [0.1, 0.5, 1.25]", "on = [false, true]"));
    let output = place.run("sweep t.toml --out r --quiet");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(place.read("r/lost.csv").contains("it ended (exit status: 5)"));
    let folder = place.dir.path().canonicalize().unwrap();
    let mark = folder.to_str().unwrap().to_owned();
    let alive = || {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        lines.filter(|line| String::from_utf8_lossy(line).contains(&mark)).count()
    };
    crate::sweep::wait_for("the end of what the program started", || alive() == 0);
}
