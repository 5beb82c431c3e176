//! `[[edge]]` from the spec to `edges.csv`, its gate and its shards: known answers, any workers,
//! any interruption, and what must never pass silently.

use crate::spec::{TOP, open};
use crate::sweep::{Place, stderr};
use blowup_core::edge::answer::Answer;
use blowup_core::spec::Spec;
use blowup_core::trial::TrialId;
use std::collections::BTreeMap;

/// An edge with these lines, below the top of a spec.
fn edge(lines: &str) -> String {
    format!("{TOP}[[edge]]\nname = \"e\"\n{lines}\n")
}

const OVER: &str = "over = { axis = \"lr\", log = [1e-2, 10.0], resolution = 1.1 }";

fn parse(text: &str) -> Spec {
    Spec::parse(text, "t.toml", &open).unwrap_or_else(|report| panic!("{report}\n{text}"))
}

/// The line, the column, the message and the hint of the only mistake in a spec.
fn mistake(text: &str) -> (usize, usize, String, String) {
    let report = Spec::parse(text, "t.toml", &open).expect_err(text);
    let [problem] = &report.problems[..] else { panic!("{report}") };
    (problem.line, problem.column, problem.message.clone(), problem.hint.clone())
}

#[test]
fn an_edge_has_the_axes_of_a_block_and_its_lines_are_their_product() {
    let spec = parse(&edge(&format!("{OVER}\ndepth = [1, 2]\ninit = [\"he\", \"xavier\"]\nseeds = 3")));
    let [edge] = &spec.edges[..] else { panic!("one edge") };
    assert_eq!((edge.lines.len(), edge.seeds, edge.over.name), (4, 3, "lr"));
    // 73 steps of a tenth are needed, and 16 times a power of two are taken.
    assert_eq!((edge.lattice.len(), edge.lattice.first.len()), (129, 17));
    assert_eq!(edge.by.iter().map(|by| by.name()).collect::<Vec<_>>(), ["depth", "init"]);
    assert_eq!((edge.lattice.at(0), edge.lattice.at(128)), (0.01, 10.0));
    assert_eq!((edge.first_trials(), edge.most_trials()), (4 * 17 * 3, 4 * 129 * 3));
    // No trial of an edge is one of the grid.
    assert_eq!((spec.grid().points(), spec.grid().trials().count()), (0, 0));
}

#[test]
fn the_trials_of_an_edge_are_those_of_a_grid_with_the_same_values() {
    let both = format!(
        "{TOP}[[grid]]\nseeds = 2\ndepth = [1, 2]\nlr = {{ log = [1e-2, 10.0], points = 129 }}\n[[edge]]\nseeds = 2\nname = \"e\"\n{OVER}\ndepth = [1, 2]\n"
    );
    let spec = parse(&both);
    let of_grid: Vec<TrialId> = spec.grid().trials().map(|trial| trial.id()).collect();
    let edge = &spec.edges[0];
    let points = (0..2).flat_map(|line| (0..129).flat_map(move |position| edge.points(line, position)));
    let of_edge: Vec<TrialId> = spec.grid().all_at(points).iter().map(|trial| trial.id()).collect();
    assert_eq!(of_grid, of_edge);
}

#[test]
fn a_finer_resolution_has_all_values_of_a_coarser_one() {
    let lattice = |resolution: &str| {
        let spec = parse(&edge(&OVER.replace("1.1", resolution)));
        let lattice = &spec.edges[0].lattice;
        (0..lattice.len()).map(|at| lattice.at(at)).collect::<Vec<f64>>()
    };
    let all = ["1.8", "1.3", "1.1", "1.01"].map(lattice);
    for (coarse, fine) in all.iter().zip(&all[1..]) {
        assert!(coarse.len() < fine.len() && coarse.iter().all(|value| fine.contains(value)));
    }
    for (values, resolution) in all.iter().zip([1.8, 1.3, 1.1, 1.01]) {
        assert!(values.windows(2).all(|pair| pair[1] / pair[0] <= resolution * (1.0 + 1e-9)), "{resolution}");
    }
}

#[test]
fn the_lattice_of_an_integer_axis_has_each_integer_once() {
    let over = "over = { axis = \"width\", log = [1, 64], resolution = 1.05 }\nlr = 0.1";
    let spec = parse(&edge(over));
    let lattice = &spec.edges[0].lattice;
    let values: Vec<f64> = (0..lattice.len()).map(|at| lattice.at(at)).collect();
    assert!(values.windows(2).all(|pair| pair[0] < pair[1]) && values.iter().all(|value| value.fract() == 0.0));
    assert_eq!((values[0], values[values.len() - 1]), (1.0, 64.0));
    assert_eq!((lattice.first[0], *lattice.first.last().unwrap()), (0, lattice.len() - 1));
    let linear = parse(&edge("over = { axis = \"width\", linear = [1, 9], resolution = 1 }\nlr = 0.1"));
    assert_eq!(linear.edges[0].lattice.len(), 9);
}

#[test]
fn mistakes_in_an_edge_are_told_with_their_place_and_a_fix() {
    let first = TOP.lines().count() + 3;
    let all = [
        (edge(&OVER.replace("resolution", "resoluton")), "`over` has no key `resoluton`", "did you mean `resolution`?"),
        (edge(&OVER.replace("lr", "lrr")), "`lrr` is not an axis", "did you mean `lr`?"),
        (edge(&OVER.replace("\"lr\"", "\"init\"")), "`init` is not a numeric axis", "over = {"),
        (edge(&OVER.replace("1e-2, 10.0", "10.0, 1e-2")), "this window is empty", "the smaller end comes first"),
        (edge(&OVER.replace("1e-2, 10.0", "0, 10.0")), "must be above 0", "log"),
        (edge(&OVER.replace("1.1", "1.0")), "`resolution` is not a number above 1", "10%"),
        (edge(&OVER.replace("1.1", "1.00001")), "needs more than 65536 steps", "a coarser one"),
        (edge(&OVER.replace("}", ", linear = [0, 1] }")), "either `log` or `linear`", "for example"),
        (edge("depth = 1\nlr = 1"), "this edge has no `over`", "for example over"),
        (edge(&format!("{OVER}\nlr = 0.1")), "`lr` is given twice", "leave it out here"),
        (edge(&format!("{OVER}\nevent = \"blewup\"")), "`blewup` is no event", "did you mean `blew_up`?"),
        (
            edge(&format!("{OVER}\nevent = \"loss_final > 1 + los_final\"")),
            "there is no column `los_final`",
            "`loss_final`",
        ),
        (edge(&format!("{OVER}\nevent = \"activation_rms[1] > 1\"")), "columns of runs.csv alone", ""),
        (edge(&format!("{OVER}\nevent = \"sharpness_final > 1\"")), "is not recorded", "sharpness = true"),
        (edge(&format!("{OVER}\nshare = [0.5, 0]")), "above 0 and at most 1", "share = [0.1"),
        (edge(&format!("{OVER}\nshare = []")), "`share` is empty", ""),
        (edge(&format!("{OVER}\nby = [\"init\"]\ndepth = [1, 2]")), "`depth` has several values", "add it to `by`"),
        (edge(&format!("{OVER}\nby = [\"lr\"]")), "cannot stand in `by`", "leave it out"),
        (edge(&format!("{OVER}\ndepht = 2")), "unknown key `depht`", "did you mean `depth`?"),
        (edge(&format!("{OVER}\nmomentum = 0.9\noptimizer = \"adam\"")), "`momentum` applies nowhere", "it needs"),
        (
            edge(
                "over = { axis = \"clip_threshold\", log = [0.1, 10], resolution = 2 }\nlr = 1\nclip = [\"none\", \"norm\"]",
            ),
            "different values of `clip_threshold` make the same trial in this edge at clip=none",
            "does not apply there",
        ),
        (
            format!("{}[[exclude]]\nlr = {{ min = 1 }}\n", edge(OVER)),
            "cuts values out of this edge",
            "a whole combination",
        ),
        (format!("{}[[exclude]]\ndepth = 1\n", edge(OVER)), "every combination of this edge is excluded", "loosen"),
        (format!("{TOP}[base]\nlr = 1\n"), "no [[grid]] and no [[edge]]", "[[grid]]"),
    ];
    for (text, message, hint) in all {
        let (line, column, told, fix) = mistake(&text);
        assert!(told.contains(message) && fix.contains(hint), "{text}\n{told}\n{fix}");
        assert!(line == 1 || line + 2 >= first && column >= 1, "{text}\n{line}:{column}");
    }
    let (line, column, ..) = mistake(&edge(&OVER.replace("resolution", "resoluton")));
    assert_eq!((line, column), (first, OVER.find("resolution").unwrap() + 1));
    let twice = format!("{}[[edge]]\nname = \"e\"\n{OVER}\n", edge(OVER));
    assert!(mistake(&twice).2.contains("another edge has this name"));
}

#[test]
fn an_expectation_of_an_edge_that_is_not_there_is_refused() {
    let gate = |lines: &str| format!("{}[[expect]]\nmin = 0\n{lines}\n", edge(&format!("{OVER}\ndepth = [1, 2]")));
    for lines in ["metric = \"edge.safe_up_to\"", "metric = \"edge.low(0.5)\"\nedge = \"e\"\nwhere = { depth = 1 }"] {
        parse(&gate(lines));
    }
    for (lines, message) in [
        ("metric = \"edge.safe\"", "an edge has no metric `safe`"),
        ("metric = \"edge.low\"", "does not say of which share"),
        ("metric = \"edge.low(0.1)\"", "no edge has a bracket of the share 0.1"),
        ("metric = \"edge.reentrant\"\nedge = \"f\"", "an edge that the spec does not have"),
        ("metric = \"divergence_rate\"\nedge = \"e\"", "a metric that is not of an edge"),
        ("metric = \"edge.safe_up_to\"\nby = [\"depth\"]", "`by` stands beside a metric of an edge"),
        ("metric = \"edge.safe_up_to\"\nwhere = { lr = { max = 1 } }", "`lr` is no value of a whole line"),
    ] {
        assert!(mistake(&gate(lines)).2.contains(message), "{lines}: {}", mistake(&gate(lines)).2);
    }
}

#[test]
fn an_answer_names_tried_values_and_what_holds_on_one_side_of_them() {
    let answer = |rates: &[usize], shares: &[f64]| {
        let seeds: Vec<Vec<bool>> = rates.iter().map(|n| (0..5).map(|seed| seed < *n).collect()).collect();
        Answer::of(&seeds.iter().enumerate().map(|(at, seeds)| (at as f64, seeds)).collect::<Vec<_>>(), shares)
    };
    let ends = |rates: &[usize]| {
        let found = answer(rates, &[0.5]);
        (found.safe_up_to, found.dead_from, found.brackets[0].low, found.brackets[0].high, found.reentrant)
    };
    let (inf, below) = (f64::INFINITY, f64::NEG_INFINITY);
    assert_eq!(ends(&[0, 0, 2, 3, 5, 5]), (1.0, 4.0, 2.0, 3.0, false));
    // Safe over the whole window, and dead from its start.
    assert_eq!(ends(&[0, 0, 0]), (2.0, inf, 2.0, inf, false));
    assert_eq!(ends(&[5, 5, 5]), (below, 0.0, below, 0.0, false));
    // All seeds return: the bracket reaches over the window of re-entrance.
    assert_eq!(ends(&[0, 5, 0, 5]), (0.0, 3.0, 0.0, 3.0, true));
    // One seed that returns is a fact about this seed, and not about the rate.
    assert_eq!(ends(&[0, 3, 2, 5]), (0.0, 3.0, 0.0, 3.0, false));
    // Of five seeds without an event the interval reaches to 0.43, so nothing is surely below 0.1,
    // and it is surely below 0.5. With two events it begins at 0.12, with three at 0.23.
    let found = answer(&[0, 0, 2, 3, 5, 5], &[0.1, 0.5]);
    assert_eq!(found.brackets[0].interval, Some((below, 2.0)));
    assert_eq!(found.brackets[1].interval, Some((1.0, 4.0)));
    assert_eq!(answer(&[0, 5, 0, 5], &[0.5]).brackets[0].interval, None);
}

/// The rows of a CSV file as maps from columns to cells.
fn rows(place: &Place, file: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_path(place.path(file)).unwrap();
    let names = reader.headers().unwrap().clone();
    let row =
        |record: csv::StringRecord| names.iter().zip(&record).map(|(n, c)| (n.to_owned(), c.to_owned())).collect();
    reader.records().map(|record| row(record.unwrap())).collect()
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} of {row:?}"))
}

/// A15 and A16: gradient descent, heavy ball and Nesterov's momentum on the loss w^2.
const QUADRATIC: &str = "name = 't'\nsteps = 2000\n[task]\nkind = 'scalar'\n[base]\ndepth = 0\nbias = 'none'\ninit = 'constant(1.0)'\ndtype = 'float64'\n\
    [[grid]]\nlr = [0.1, 0.5, 1.5]\n\
    [[edge]]\nname = 'quadratic'\nover = { axis = 'lr', log = [0.01, 10.0], resolution = 1.01 }\nby = ['momentum', 'nesterov']\n\
    zip = [['momentum', 'nesterov']]\nmomentum = [0.0, 0.9, 0.9]\nnesterov = [false, false, true]\n\
    [[edge]]\nname = 'failure'\nover = { axis = 'lr', log = [0.01, 10.0], resolution = 1.1 }\nevent = 'failed'\n\
    [[expect]]\nedge = 'quadratic'\nwhere = { momentum = 0.0 }\nmetric = 'edge.safe_up_to'\nmin = 0.99\n";

#[test]
fn the_edges_of_a_quadratic_are_the_known_ones_for_any_workers_shards_and_resume() {
    let place = Place::new(QUADRATIC);
    place.ok("sweep t.toml --out a --workers 1");
    let found = rows(&place, "a/edges.csv");
    // 2, 3.8 and 1.357 over the curvature, which is 2.
    for (row, threshold) in found.iter().zip([1.0, 1.9, 3.8 / 2.8 / 2.0]) {
        let (low, high) = (number(row, "low_0.5"), number(row, "high_0.5"));
        assert!(low <= threshold && threshold <= high && high / low <= 1.01, "{row:?}");
        assert_eq!(
            (number(row, "safe_up_to"), number(row, "dead_from"), row["reentrant"].as_str()),
            (low, high, "false")
        );
    }
    assert_eq!(found.len(), 4);
    assert!(place.ok("check a").contains("gate passed"));
    let whole = ["runs.csv", "summary.csv", "edges.csv"].map(|file| place.read(&format!("a/{file}")));
    let same = |dir: &str| {
        for (file, text) in ["runs.csv", "summary.csv", "edges.csv"].iter().zip(&whole) {
            assert_eq!(*text, place.read(&format!("{dir}/{file}")), "{dir}/{file}");
        }
    };
    place.ok("sweep t.toml --out b --workers 3 --quiet");
    same("b");
    // The rows of a sweep that was killed in some round.
    let lines: Vec<&str> = whole[0].split_inclusive('\n').collect();
    std::fs::create_dir(place.path("c")).unwrap();
    for file in ["spec.toml", "manifest.toml"] {
        std::fs::copy(place.path(&format!("a/{file}")), place.path(&format!("c/{file}"))).unwrap();
    }
    place.write_runs("c", &lines.iter().step_by(2).copied().collect::<String>());
    place.ok("sweep t.toml --out c");
    same("c");
    // Shards do not need each other's rows.
    for shard in 1..=3 {
        place.ok(&format!("sweep t.toml --out s --shard {shard}/3 --quiet"));
    }
    place.ok("merge m s/shard-1-of-3 s/shard-2-of-3 s/shard-3-of-3");
    same("m");
    // Nothing is left to run.
    assert!(stderr(&place.run("sweep t.toml --out a")).is_empty());
    same("a");
}

#[test]
fn a_dry_run_says_the_first_round_and_the_most_trials() {
    let place = Place::new(QUADRATIC);
    let text = place.ok("sweep t.toml --dry-run");
    assert!(text.contains("edges     4 lines: 68 trials in the first round, 3204 trials at most"), "{text}");
}

/// A program whose loss is 1, or 1e9 from the second epoch on where `blows` of its `lr` holds.
fn program(blows: &str) -> String {
    format!(
        "import json, os, sys\n\
         def say(line): sys.stdout.write(line + '\\n'); sys.stdout.flush()\n\
         say('{{\"ready\": 1}}')\n\
         for line in sys.stdin:\n\
         \x20   trial = json.loads(line)\n\
         \x20   say(json.dumps({{'begin': trial['trial']}}))\n\
         \x20   lr, seed = trial['axes']['lr'], trial['seed']\n\
         \x20   if os.path.exists('crash') and 0.04 < lr < 0.06: os._exit(1)\n\
         \x20   for epoch in range(trial['epochs']):\n\
         \x20       loss = 1e9 if epoch and ({blows}) else 1.0\n\
         \x20       say(json.dumps({{'step': {{'loss': loss, 'grad_norm': 1.0, 'epoch': epoch}}}}))\n\
         \x20   say('{{\"done\": {{}}}}')\n"
    )
}

const PROGRAM: &str = "name = 't'\nepochs = 3\nseeds = 5\n[program]\ncommand = ['python3', 'p.py']\n\
    [[edge]]\nname = 'e'\nover = { axis = 'lr', log = [0.01, 1.0], resolution = 1.05 }\nshare = [0.1, 0.5, 0.9]\n\
    [[expect]]\nmetric = 'edge.reentrant'\nmax = 0\n[[expect]]\nmetric = 'edge.safe_up_to'\nmin = 0.04\n";

#[test]
fn a_task_that_diverges_from_0_05_to_0_3_and_not_from_0_3_to_0_5_is_re_entrant() {
    let place = Place::new(PROGRAM);
    place.write("p.py", &program("0.05 <= lr < 0.3 or lr >= 0.5"));
    place.ok("sweep t.toml --workers 2 --quiet");
    let [row] = &rows(&place, "results/t/edges.csv")[..] else { panic!("one line") };
    assert_eq!(row["reentrant"], "true");
    let within = |x: f64, edge: f64| x <= edge && edge <= x * 1.05;
    assert!(within(number(row, "safe_up_to"), 0.05) && within(0.5, number(row, "dead_from")), "{row:?}");
    // A bracket reaches over all crossings, and there is no interval of one crossing.
    assert_eq!(
        (number(row, "low_0.5"), number(row, "high_0.5")),
        (number(row, "safe_up_to"), number(row, "dead_from"))
    );
    assert_eq!(row["ci_low_0.5"], "");
    // Both ends of the window in which it returns are found to the resolution.
    let tried: Vec<f64> = rows(&place, "results/t/runs.csv").iter().map(|row| number(row, "lr")).collect();
    let below = tried.iter().copied().filter(|lr| *lr < 0.3).fold(0.0, f64::max);
    let above = tried.iter().copied().filter(|lr| *lr >= 0.3).fold(1.0, f64::min);
    assert!(above / below <= 1.05, "{below} {above}");
    let gate = place.run("check results/t");
    assert_eq!(gate.status.code(), Some(1));
    let text = String::from_utf8_lossy(&gate.stdout).into_owned();
    assert!(text.contains("expectation-failed: t.toml") || text.contains("edge.reentrant is 1"), "{text}");
    assert!(text.contains("PASS") && text.contains("edge.safe_up_to"), "{text}");
}

#[test]
fn an_edge_with_a_lost_trial_is_not_answered_until_it_has_run() {
    let place = Place::new(PROGRAM);
    place.write("p.py", &program("lr >= 0.05"));
    place.ok("sweep t.toml --out whole --quiet");
    place.write("crash", "");
    let lost = place.run("sweep t.toml --quiet");
    assert_eq!(lost.status.code(), Some(1), "{}", stderr(&lost));
    let [row] = &rows(&place, "results/t/edges.csv")[..] else { panic!("one line") };
    assert_eq!((row["safe_up_to"].as_str(), row["low_0.5"].as_str(), row["reentrant"].as_str()), ("", "", ""));
    assert!(number(row, "waiting") > 0.0, "{row:?}");
    let gate = place.run("check results/t");
    let text = String::from_utf8_lossy(&gate.stdout).into_owned();
    assert_eq!(gate.status.code(), Some(1), "{text}");
    assert!(text.contains("edge.safe_up_to is not known") && text.contains("lost-trials"), "{text}");
    std::fs::remove_file(place.path("crash")).unwrap();
    place.ok("sweep t.toml --quiet");
    for file in ["runs.csv", "edges.csv"] {
        assert_eq!(place.read(&format!("whole/{file}")), place.read(&format!("results/t/{file}")), "{file}");
    }
}

#[test]
fn a_check_refuses_edges_that_do_not_follow_from_the_rows() {
    let place = Place::new(PROGRAM);
    place.write("p.py", &program("lr >= 0.05"));
    place.ok("sweep t.toml --quiet");
    assert!(place.ok("check results/t").contains("gate passed"));
    let text = place.read("results/t/edges.csv");
    place.write("results/t/edges.csv", &text.replace("false", "true"));
    let gate = place.run("check results/t");
    assert_eq!(gate.status.code(), Some(2));
    assert!(stderr(&gate).contains("is not what the rows of"), "{}", stderr(&gate));
    // A row that is missing is one that the search asks for.
    place.write("results/t/edges.csv", &text);
    let runs = place.read("results/t/runs.csv");
    let fewer: Vec<&str> = runs.split_inclusive('\n').collect();
    place.write_runs("results/t", &fewer[..fewer.len() - 3].concat());
    let gate = place.run("check results/t --spec t.toml");
    assert_eq!(gate.status.code(), Some(1), "{}", stderr(&gate));
    assert!(String::from_utf8_lossy(&gate.stdout).contains("missing-trials"));
}

#[test]
fn the_example_spec_holds_its_expectations_and_has_figures() {
    let place = Place::new("");
    let spec = format!("{}/experiments/edge.toml", env!("CARGO_MANIFEST_DIR"));
    place.ok(&format!("sweep {spec} --quiet"));
    assert!(place.ok("check results/edge").contains("gate passed"));
    let found = rows(&place, "results/edge/edges.csv");
    let catapult = found.iter().find(|row| row["edge"] == "catapult").unwrap();
    assert_eq!(catapult["reentrant"], "true");
    let drawn = place.ok("plot results/edge");
    for name in ["edge-largest-safe-step.svg", "edge-quadratic.svg", "edge-catapult.png"] {
        assert!(drawn.contains(name), "{drawn}");
    }
    let picture = place.read("results/edge/figures/edge-largest-safe-step.svg");
    assert!(picture.contains("largest safe step") && picture.contains("<polygon"), "{picture}");
}
