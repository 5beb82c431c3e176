//! What the commands say under `--json`: every document and every event is valid by
//! docs/json.schema.json, and says what the files and the texts for people say.

use crate::check::{GRID, Results, place};
use crate::sweep::{Place, SPEC, stderr};
use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value as Json, json};
use std::process::Output;

struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    fn new() -> Validator {
        let schema = include_str!("../../docs/json.schema.json");
        let (mut compiler, mut schemas, at) = (Compiler::new(), Schemas::new(), "file:///json.schema.json");
        compiler.set_default_draft(Draft::V7);
        compiler.add_resource(at, serde_json::from_str(schema).unwrap()).unwrap();
        let index = compiler.compile(at, &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Validator { schemas, index }
    }

    fn accepts(&self, json: &Json) -> bool {
        self.schemas.validate(json, self.index).is_ok()
    }

    /// A valid document or event, parsed.
    fn read(&self, text: &str) -> Json {
        let json: Json = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        if let Err(error) = self.schemas.validate(&json, self.index) {
            panic!("{error:#}\n{text}");
        }
        json
    }

    /// The document on stdout, of this kind, and the events on stderr.
    fn both(&self, output: &Output, kind: &str) -> (Json, Vec<Json>) {
        let document = self.read(&String::from_utf8_lossy(&output.stdout));
        assert_eq!(document["kind"], kind, "{document}");
        (document, self.events(output))
    }

    fn events(&self, output: &Output) -> Vec<Json> {
        stderr(output).lines().map(|line| self.read(line)).collect()
    }
}

fn named<'a>(events: &'a [Json], name: &str) -> Vec<&'a Json> {
    events.iter().filter(|event| event["event"] == name).collect()
}

#[test]
fn a_sweep_tells_its_plan_its_events_and_its_end() {
    let (validator, place) = (Validator::new(), Place::new(SPEC));
    let run = |args: &str| place.run(&format!("sweep t.toml --out r --workers 1 --json {args}"));
    let (plan, events) = validator.both(&run("--dry-run"), "plan");
    assert!(events.is_empty() && !place.path("r").exists());
    assert_eq!([&plan["trials"], &plan["selected"], &plan["to_run"]], [48, 48, 48]);
    let planned: u64 =
        plan["cohorts"].as_array().unwrap().iter().map(|cohort| cohort["trials"].as_u64().unwrap()).sum();
    assert_eq!(planned, 48);

    let output = run("--where seed=0");
    assert_eq!(output.status.code(), Some(0));
    let (part, events) = validator.both(&output, "sweep");
    assert_eq!((&part["status"], &part["counts"]["missing"]), (&json!("partial"), &json!(24)));
    assert_eq!(named(&events, "start")[0]["trials"], 24);
    assert_eq!(named(&events, "end")[0]["done"]["trials"], 24);

    let (whole, _) = validator.both(&run(""), "sweep");
    assert_eq!(whole["status"], "complete");
    // Counted in the file itself.
    let runs = place.read("r/runs.csv");
    for outcome in ["nonfinite", "diverged", "converged"] {
        let there = runs.lines().filter(|line| line.split(',').any(|cell| cell == outcome)).count();
        assert_eq!(whole["counts"][outcome], there, "{outcome}");
        assert!(there > 0 || outcome == "diverged");
    }
    let failed = ["nonfinite", "diverged", "relapsed", "ruined"].map(|name| whole["counts"][name].as_u64().unwrap());
    assert_eq!(whole["failure_rate"]["rate"], failed.iter().sum::<u64>() as f64 / 48.0);
    for file in whole["files"].as_array().unwrap() {
        assert!(place.path("r").join(file.as_str().unwrap()).exists());
    }
    // A sweep with nothing to do says the same.
    let (again, events) = validator.both(&run(""), "sweep");
    assert_eq!((again, events), (whole, vec![]));
}

#[test]
fn quiet_leaves_out_progress_and_keeps_warnings() {
    let (validator, place) = (Validator::new(), Place::new(SPEC));
    let output = place.run("sweep t.toml --out r --quiet --json");
    assert!(validator.both(&output, "sweep").1.is_empty());
    std::fs::remove_file(place.path("r/runs.crc32")).unwrap();
    let (_, events) = validator.both(&place.run("sweep t.toml --out r --quiet --json"), "sweep");
    let [warning] = &named(&events, "warning")[..] else { panic!("{events:?}") };
    assert!(warning["message"].as_str().unwrap().contains("has no checksums beside it"), "{warning}");
    assert!(warning["hint"].as_str().unwrap().contains("copy both"), "{warning}");
}

#[test]
fn an_edge_says_what_its_row_says() {
    let edge = "[[edge]]\nname=\"e\"\ndepth=0\ninit=\"constant(1.0)\"\nseeds=2\nevent=\"failed\"\n\
                over={ axis=\"lr\", log=[0.1, 1e4], resolution=2 }\nshare=[0.5, 1.0]\n";
    let spec = format!("name=\"t\"\nsteps=60\n[task]\nkind=\"scalar\"\n{edge}");
    let (validator, place) = (Validator::new(), Place::new(&spec));
    let (found, _) = validator.both(&place.run("sweep t.toml --out r --json"), "sweep");
    let csv = place.read("r/edges.csv");
    let cells = |line: usize| csv.lines().nth(line).unwrap().split(',').map(str::to_owned).collect::<Vec<_>>();
    let (head, row) = (cells(0), cells(1));
    let cell = |name: &str| row[head.iter().position(|column| column == name).unwrap()].clone();
    let [line] = &found["edges"].as_array().unwrap()[..] else { panic!("{found}") };
    let told = |value: &Json| value.as_str().map_or_else(|| value.as_f64().unwrap().to_string(), str::to_owned);
    let same = |value: &Json, name: &str| {
        let (told, cell) = (told(value), cell(name));
        assert!(told.parse::<f64>().unwrap() == cell.parse::<f64>().unwrap(), "{name}: {told}, {cell}");
    };
    same(&line["answer"]["safe_up_to"], "safe_up_to");
    same(&line["answer"]["dead_from"], "dead_from");
    same(&line["answer"]["shares"][0]["low"], "low_0.5");
    same(&line["answer"]["shares"][1]["high"], "high_1.0");
    same(&line["trials"], "trials");
}

#[test]
fn numbers_that_json_lacks_are_texts() {
    let metric =
        "[[expect]]\nmetric = \"max(loss_final)\"\nmax = 1\n[[expect]]\nmetric = \"mean(loss_final)\"\nmax = 1\n";
    let spec = format!("{GRID}{metric}");
    for (loss, max, mean) in [("inf", json!("inf"), json!("inf")), ("0.5", json!(0.5), json!(0.5))] {
        let place = place(&spec, &Results::of(&spec).column("loss_final", |_| loss).text());
        let output = place.run("check r --json");
        let (found, _) = Validator::new().both(&output, "check");
        let measured: Vec<&Json> = found["cases"].as_array().unwrap().iter().map(|case| &case["measured"]).collect();
        assert_eq!(measured[measured.len() - 2..], [&max, &mean], "{found}");
    }
}

#[test]
fn a_check_has_every_case_with_its_place_and_every_changed_trial() {
    let spec =
        format!("{GRID}[baseline]\nby = [\"depth\"]\n[[expect]]\nname = \"x\"\nmetric = \"nonfinite_rate\"\nmax = 0\n");
    let mut results = Results::of(&spec);
    let old = results.text();
    let place = place(&spec, &results.column("outcome", |i| if i < 5 { "nonfinite" } else { "converged" }).text());
    std::fs::create_dir(place.path("old")).unwrap();
    place.write("old/runs.csv", &old);
    let output = place.run("check r --baseline old --json");
    assert_eq!(output.status.code(), Some(1));
    let (found, _) = Validator::new().both(&output, "check");
    assert_eq!((&found["passed"], &found["trials"]), (&json!(false), &json!(8)));
    let cases = found["cases"].as_array().unwrap();
    let case = cases.iter().find(|case| case["suite"] == "expectations").unwrap();
    assert_eq!((&case["name"], &case["measured"], &case["n"]), (&json!("x"), &json!(0.625), &json!(8)));
    assert_eq!(case["finding"]["code"], "expectation-failed");
    let line = spec.lines().position(|line| line == "[[expect]]").unwrap() + 1;
    assert_eq!((&case["file"], &case["line"]), (&json!("r/spec.toml"), &json!(line)));
    let changed = found["baseline"]["changed"].as_array().unwrap();
    assert_eq!(changed.len(), 5);
    let first = json!({ "trial": results.trial(0), "axes": { "depth": "1", "seed": "0" }, "before": "converged", "now": "nonfinite" });
    assert_eq!(changed[0], first);
    // The text for people has the same verdict, and ends with the same codes.
    let text = String::from_utf8(place.run("check r --baseline old").stdout).unwrap();
    for case in cases.iter().filter(|case| !case["finding"].is_null()) {
        assert!(text.contains(case["finding"]["message"].as_str().unwrap()), "{case}\n{text}");
    }
}

#[test]
fn shards_and_their_merge_are_told() {
    let (validator, place) = (Validator::new(), Place::new(SPEC));
    place.ok("sweep t.toml --quiet --out r --shard 1/2");
    let (shards, _) = validator.both(&place.run("slurm r --status --json"), "shards");
    let states: Vec<&str> =
        shards["shards"].as_array().unwrap().iter().map(|shard| shard["state"].as_str().unwrap()).collect();
    assert_eq!((states, &shards["merged"]), (vec!["done", "missing"], &Json::Null));
    place.ok("sweep t.toml --quiet --out r --shard 2/2");
    let output = place.run("merge r r/shard-1-of-2 r/shard-2-of-2 --json");
    let (merged, events) = validator.both(&output, "merge");
    assert_eq!((&merged["status"], &merged["counts"]["trials"]), (&json!("complete"), &json!(48)));
    assert!(events.is_empty(), "{events:?}");
    let (shards, _) = validator.both(&place.run("slurm r --status --json"), "shards");
    assert_eq!(shards["merged"], "complete");
}

#[test]
fn what_is_wrong_is_an_event_for_each_mistake() {
    let (validator, place) =
        (Validator::new(), Place::new("name=\"t\"\nepochs=1\ncolour=1\n[[grid]]\nlr=0.1\ndept=2\n"));
    let output = place.run("sweep t.toml --json");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let events = validator.events(&output);
    let places: Vec<(u64, u64)> =
        named(&events, "error").iter().map(|e| (e["line"].as_u64().unwrap(), e["column"].as_u64().unwrap())).collect();
    assert!(places.contains(&(3, 1)) && places.contains(&(6, 1)), "{events:?}");
    assert!(events.iter().all(|event| event["file"] == "t.toml" && event["hint"].is_string()), "{events:?}");
    let events = validator.events(&place.run("check nowhere --json"));
    assert_eq!(events[0]["message"], "there is no folder `nowhere`");
    let both = place.run("check . --json --junit -");
    assert!(stderr(&both).contains("both write to standard output"), "{}", stderr(&both));
}

#[test]
fn an_interrupted_sweep_has_a_document() {
    let (validator, place) = (Validator::new(), Place::new(SPEC));
    let mut command = place.held("sweep t.toml --out r --workers 1 --chunk 4 --json", 3);
    let sweep = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    crate::sweep::wait_for("a row", || crate::sweep::lines(&place.path("r/runs.csv")) > 1);
    crate::sweep::signal(sweep.id(), "TERM");
    let output = sweep.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let (document, events) = validator.both(&output, "sweep");
    assert_eq!(document["status"], "interrupted");
    assert_eq!(named(&events, "end")[0]["interrupted"], true);
    let rows = crate::sweep::lines(&place.path("r/runs.csv")) as u64 - 1;
    assert_eq!(48 - document["counts"]["missing"].as_u64().unwrap(), rows);
}

#[test]
fn the_schema_would_notice_a_key_too_many_or_too_few() {
    let validator = Validator::new();
    let event = json!({ "format": 1, "event": "log", "level": "info", "message": "x" });
    assert!(validator.accepts(&event));
    for (key, value) in [("format", json!(2)), ("event", json!("lo")), ("more", json!(1)), ("message", Json::Null)] {
        let mut wrong = event.clone();
        wrong[key] = value;
        assert!(!validator.accepts(&wrong), "{wrong}");
    }
    assert!(!validator.accepts(&json!({ "format": 1, "event": "log", "level": "info" })));
}
