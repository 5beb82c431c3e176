//! The JSON Schema of a spec. It is a valid schema, it accepts every spec that the program accepts,
//! and it refuses what is wrong with a single value or key.

use crate::spec::{TOP, open};
use crate::sweep::Place;
use blowup::schema::schema;
use blowup_core::csv_task::DIGITS;
use blowup_core::spec::Spec;
use blowup_core::spec::key;
use blowup_core::trial::{Source, TaskKind, Value};
use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A schema that is ready to validate.
pub struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    /// The schema of a spec.
    pub fn new() -> Validator {
        Validator::of(schema()).unwrap_or_else(|error| panic!("the schema is not of Draft 4: {error}"))
    }

    /// A validator of this schema, which must be valid by the schema of Draft 4, too.
    fn of(schema: Json) -> Result<Validator, String> {
        let (mut compiler, mut schemas, place) = (Compiler::new(), Schemas::new(), "file:///blowup.schema.json");
        compiler.set_default_draft(Draft::V4);
        compiler.add_resource(place, schema).map_err(|error| error.to_string())?;
        let index = compiler.compile(place, &mut schemas).map_err(|error| format!("{error:#}"))?;
        Ok(Validator { schemas, index })
    }

    /// Returns what is wrong with a TOML text, if it is TOML at all.
    pub fn check(&self, text: &str) -> Result<(), String> {
        self.schemas.validate(&as_json(text), self.index).map_err(|error| format!("{error:#}"))
    }
}

/// The text as editors hand TOML to a validator: inf becomes null.
fn as_json(text: &str) -> Json {
    let table: toml::Table = toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    serde_json::to_value(table).unwrap()
}

/// The messages of the program's own reader with their lines. A spec that it accepts has none.
pub fn mistakes(text: &str) -> Vec<(usize, String)> {
    match Spec::parse(text, "t.toml", &open) {
        Ok(_) => Vec::new(),
        Err(report) => report.problems.into_iter().map(|problem| (problem.line, problem.message)).collect(),
    }
}

fn specs() -> Vec<PathBuf> {
    let folders = [
        "experiments",
        "experiments/literature",
        "experiments/program",
        "benches/specs",
        "scripts",
        "notebooks",
        "tests/pytorch",
    ];
    let mut all = Vec::new();
    for folder in folders {
        let files = std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap().map(|entry| entry.unwrap().path());
        let before = all.len();
        all.extend(files.filter(|path| path.extension().is_some_and(|end| end == "toml")));
        assert!(all.len() > before, "{folder} has no spec");
    }
    all
}

#[test]
fn the_schema_is_of_draft_4() {
    Validator::new();
    // If the schema were not valid, the validator would notice.
    for wrong in [json!({ "required": [] }), json!({ "exclusiveMinimum": 0 }), json!({ "type": "decimal" })] {
        assert!(Validator::of(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn every_spec_of_the_repository_is_valid() {
    let validator = Validator::new();
    let texts = specs().into_iter().map(|path| (std::fs::read_to_string(&path).unwrap(), path));
    let wrong: Vec<String> = texts
        .filter_map(|(text, path)| Some(format!("{}: {}", path.display(), validator.check(&text).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_specs_of_the_documents_are_valid() {
    let pages = ["README.md", "docs/spec.md"].map(|name| std::fs::read_to_string(Path::new(ROOT).join(name)).unwrap());
    let specs: Vec<&str> = pages
        .iter()
        .flat_map(|page| page.split("```toml\n").skip(1))
        .map(|rest| rest.split("\n```").next().unwrap())
        .filter(|text| text.starts_with("name "))
        .collect();
    assert_eq!(specs.len(), 2);
    specs.iter().for_each(|text| Validator::new().check(text).unwrap_or_else(|error| panic!("{error}\n{text}")));
}

/// A spec with these lines in its only block.
fn block(lines: &str) -> String {
    format!("{TOP}[[grid]]\nlr = 1\n{lines}")
}

/// A spec with these lines, which end in tables, below its block.
fn below(lines: &str) -> String {
    format!(
        "{TOP}[[grid]]\nlr = [0.1, 1]\ninit = [\"he\", \"xavier\"]\nclip = \"norm\"\nclip_threshold = [1, inf]\n{lines}"
    )
}

/// A spec with this task.
fn task(task: &str) -> String {
    format!("name = \"t\"\nsteps = 1\ntask = {{ {task} }}\n[[grid]]\nlr = 1\n")
}

/// A spec of a program, with a block at its end.
const PROGRAM: &str = "name = \"t\"\nepochs = 1\n[program]\ncommand = [\"p\"]\naxes = { hidden = \"integer\", kind = \"text\" }\n\
                       [[grid]]\nlabel = \"x\"\n";

/// A spec with one edge and these lines below it.
fn edge(lines: &str) -> String {
    format!("{TOP}[[edge]]\nname = \"e\"\nover = {{ axis = \"lr\", log = [0.1, 1], resolution = 1.1 }}\n{lines}\n")
}

/// A spec with this expectation.
fn expect(lines: &str) -> String {
    below(&format!("[[expect]]\n{lines}"))
}

#[test]
fn every_form_that_a_spec_may_have_is_valid() {
    let all = [
        block("depth = [1, { linear = [2, 8], points = 4 }]"),
        block("width = { log = [4.4, 64], points = 3 }"),
        block("weight-decay = [0, 0.1]\ninit-scale = 0.5\ninit = \"he-uniform\""),
        block("activation = [\"leaky-relu(0.2)\", \" relu \", \"leaky_relu(-.5e-1)\"]"),
        block("init = [\"kaiming\", \"glorot-uniform\", \"normal( 1e-3 )\", \"constant(-1)\"]"),
        block("clip = [\"none\", \"norm(inf)\", \"value(0.5)\"]"),
        block("clip = \"norm\"\nclip_threshold = [0.1, inf]"),
        block("batch = [\"all\", 8]"),
        block("optimizer = \"adam\"\nbeta1 = { linear = [0, 0.9], points = 3 }"),
        block("weight_decay = { log = [0.1, 1], points = 3, per = \"width\" }"),
        block("momentum = { linear = [0.1, 1], points = 3, per = \"init-scale\" }\ninit_scale = 2"),
        block("depth = [1, 2]\nweight_decay = [0.1, 0.2]\nzip = [[\"depth\", \"weight-decay\"]]"),
        block("residual = [true, false]\ndepth = 2\nlabel = \"with a \\\"name\\\"\"\nseeds = [3, 5]\nsteps = 4"),
        block("task = { kind = \"fresh_noise\", input-std = 0, samples = 8 }"),
        block("[base]\nwidth = [2, 4]"),
        block("[divergence]\nloss-ratio = 10"),
        block("[record]\nlayers = \"all\"\nepochs = true\nsteps = 1\nsharpness = true"),
        block("[record]\nlayers = { every = 2 }"),
        block("[record]\nlayers = false"),
        below("[[exclude]]\ninit = \"he\"\nlr = { min = 0.5 }"),
        below("[[exclude]]\nclip_threshold = inf\nseed = 0\ntask = \"noise\"\nlr = [0.1, { max = inf, min = 0.5 }]"),
        expect(
            "metric = \"divergence_rate\"\nmax = 0.05\nwhere = { lr = { max = 1 }, label = \"\" }\nby = [\"init\", \"clip-threshold\"]",
        ),
        expect("metric = \"mean(ln(loss_final))\"\nvalue = 1\ntolerance = \"5 %\"\nname = \"n\""),
        expect("metric = \" max(activation_rms[1..last]) \"\nmin = -inf\nmax = inf"),
        expect("metric = \"max(lr)\"\nvalue = 1\ntolerance = 0.5"),
        edge(""),
        edge("event = \"blew-up\"\nby = [\"depth\"]\nshare = [0.1, 1]\ndepth = [1, 2]\nseeds = 3\nlabel = \"l\""),
        edge("event = \"loss_final > 0.5\"\n[[grid]]\nlr = 1"),
        edge("[[expect]]\nmetric = \"edge.low(0.5)\"\nedge = \"e\"\nmin = 0"),
        edge("").replace("log = [0.1, 1]", "linear = [0, 1], points = 3"),
        format!(
            "{PROGRAM}[[edge]]\nname = \"e\"\nover = {{ axis = \"hidden\", log = [1, 9], resolution = 2 }}\nkind = \"a\"\nby = [\"kind\"]\n"
        ),
        below("[baseline]\nby = [\"init\"]\nalpha = 0.01\ndirection = \"any\"\nmax-changed = 1"),
        task(
            "kind = \"csv\", path = \"good.csv\", target = \"y\", features = [\"a\"], separator = \",\", standardize = false",
        ),
        task("kind = \"teacher\", inputs = 3, outputs = 2"),
        task("kind = \"digits\", samples = 1797"),
        task("kind = \"scalar\""),
        PROGRAM.to_owned(),
        format!("{PROGRAM}hidden = [1, 2]\nlr = {{ log = [0.1, 1], points = 2, per = \"hidden\" }}\n"),
        format!(
            "{PROGRAM}hidden = [1, 2]\nkind = [\"a\", \"b\"]\nzip = [[\"hidden\", \"kind\"]]\nweight-decay = 0.1\n"
        ),
        format!(
            "{PROGRAM}[[exclude]]\nhidden = 1\n[[expect]]\nwhere = {{ hidden = 2 }}\nby = [\"kind\"]\nmetric = \"divergence_rate\"\nmax = 1\n"
        ),
    ];
    let validator = Validator::new();
    let mut wrong = Vec::new();
    for text in &all {
        wrong.extend(validator.check(text).err().map(|error| format!("{text}\nschema: {error}")));
        wrong.extend(mistakes(text).into_iter().map(|mistake| format!("{text}\nreader: {mistake:?}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn what_is_wrong_with_a_key_or_a_value_is_refused_as_the_program_does() {
    let head = "epochs = 1\ntask = { kind = \"noise\" }\n";
    let grid = "[[grid]]\nlr = 1\n";
    let all = [
        // The top of a spec.
        format!("{head}{grid}"),
        format!("name = \"t\"\n{head}"),
        format!("name = \"t\"\n{head}grid = []\n"),
        format!("name = \"t\"\n{head}[grid]\nlr = 1\n"),
        format!("name = \"a/b\"\n{head}{grid}"),
        format!("name = \".t\"\n{head}{grid}"),
        format!("name = 3\n{head}{grid}"),
        format!("name = \"t\"\nepoch = 1\n{head}{grid}"),
        format!("name = \"t\"\nsteps = 1\n{head}{grid}"),
        format!("name = \"t\"\nwidth = 4\n{head}{grid}"),
        format!("name = \"t\"\nseeds = 0\n{head}{grid}"),
        format!("name = \"t\"\nseeds = []\n{head}{grid}"),
        format!("name = \"t\"\nseeds = [1, 1]\n{head}{grid}"),
        format!("name = \"t\"\nseeds = [-1]\n{head}{grid}"),
        format!("name = \"t\"\n{head}base = 3\n{grid}"),
        format!("name = \"t\"\n{head}{grid}[base]\nseeds = 3\n"),
        format!("name = \"t\"\n{head}{grid}[map]\n"),
        "name = \"t\"\nepochs = -1\ntask = { kind = \"noise\" }\n[[grid]]\nlr = 1\n".to_owned(),
        "name = \"t\"\nepochs = 1.5\ntask = { kind = \"noise\" }\n[[grid]]\nlr = 1\n".to_owned(),
        "name = \"t\"\nepochs = 2000000000\ntask = { kind = \"noise\" }\n[[grid]]\nlr = 1\n".to_owned(),
        // Programs.
        PROGRAM.replace("[\"p\"]", "\"p\""),
        PROGRAM.replace("[\"p\"]", "[]"),
        PROGRAM.replace("command", "comand"),
        PROGRAM.replace("\"integer\"", "\"int\""),
        // Axes.
        block("widht = 4"),
        block("seed = 4"),
        block("width = 0"),
        block("width = 2.5"),
        block("width = \"4\""),
        block("width = 2000000"),
        block("depth = -1"),
        block("depth = []"),
        block("depth = [[1, 2]]"),
        block("depth = [1, \"all\"]"),
        block("batch = \"every\""),
        block("weight_decay = -0.1"),
        block("weight_decay = inf"),
        block("optimizer = \"adam\"\nbeta1 = 1"),
        block("clip = \"norm\"\nclip_threshold = 0"),
        block("clip = \"norm(0)\""),
        block("clip = \"norm(-1)\""),
        block("clip = 1.0"),
        block("init = \"hee\""),
        block("init = \"he(-1)\""),
        block("init = \"he(x)\""),
        block("activation = \"relu(1)\""),
        block("residual = \"yes\""),
        block("label = 3"),
        block("label = \"two\\nlines\""),
        block("epochs = 1\nsteps = 1"),
        block("zip = [\"depth\", \"width\"]"),
        block("zip = [[\"depth\"]]\ndepth = [1, 2]"),
        block("zip = [[\"depth\", \"widht\"]]\ndepth = [1, 2]"),
        // Edges.
        edge("").replace("name = \"e\"", ""),
        edge("").replace("\"lr\"", "\"init\""),
        edge("").replace("log = [0.1, 1], ", ""),
        edge("").replace("log = [0.1, 1]", "log = [0, 1]"),
        edge("").replace(", resolution = 1.1", ""),
        edge("").replace("1.1", "0"),
        edge("").replace("1.1", "1.1, points = 1"),
        edge("").replace("1.1", "1.1, linear = [0, 1]"),
        edge("event = \"blewup\""),
        edge("share = []"),
        edge("share = [2]"),
        edge("widht = 4"),
        edge("[[expect]]\nmetric = \"edge.lower\"\nmin = 0"),
        // Ranges.
        block("width = { log = [1, 4] }"),
        block("width = { points = 4 }"),
        block("width = { log = [1, 4], points = 0 }"),
        block("width = { log = [1, 4], points = 2.5 }"),
        block("width = { log = [1, 4], linear = [1, 4], points = 2 }"),
        block("width = { log = [1, 4, 8], points = 2 }"),
        block("width = { log = [1, 4], point = 2 }"),
        block("width = { log = [1, 4], points = 2, per = \"init\" }"),
        block("width = { log = [1, 4], points = 2, per = \"width\" }"),
        block("weight_decay = { log = [0, 1], points = 2 }"),
        block("weight_decay = { linear = [-1, 1], points = 2 }"),
        block("weight_decay = { linear = [0, inf], points = 2 }"),
        block("init = { linear = [0, 1], points = 2 }"),
        // Tasks.
        task("samples = 3"),
        task("kind = \"teachr\""),
        task("kind = \"noise\", path = \"good.csv\""),
        task("kind = \"noise\", samples = 0"),
        task("kind = \"noise\", samples = \"all\""),
        task("kind = \"noise\", input_std = -1"),
        task("kind = \"scalar\", samples = 1"),
        task("kind = \"digits\", samples = 1798"),
        task("kind = \"csv\", path = \"good.csv\""),
        task("kind = \"csv\", path = \"good.csv\", target = \"y\", separator = \"x\""),
        task("kind = \"csv\", path = \"good.csv\", target = \"y\", separator = \"ab\""),
        task("kind = \"csv\", path = \"good.csv\", target = \"y\", features = []"),
        task("kind = \"csv\", path = \"good.csv\", target = \"y\", standardize = 1"),
        // Tables beside the grid.
        block("[divergence]\nloss_ratio = 0"),
        block("[divergence]\nratio = 2"),
        block("[record]\nepochs = 1"),
        block("[record]\nlayers = []"),
        block("[record]\nlayers = true"),
        block("[record]\nlayers = { every = 0 }"),
        block("[record]\nlayers = { each = 2 }"),
        block("[record]\nsteps = -1"),
        block("[record]\nloss = true"),
        below("[[exclude]]"),
        below("[[exclude]]\ninti = \"he\""),
        below("[[exclude]]\nlr = []"),
        below("[[exclude]]\nlr = {}"),
        below("[[exclude]]\nlr = { least = 1 }"),
        below("[[exclude]]\ninit = { min = 1 }"),
        below("[[exclude]]\ntask = \"noize\""),
        expect("max = 1"),
        expect("metric = \"divergence_rate\""),
        expect("metric = \"divergence\"\nmax = 1"),
        expect("metric = \"divergence_rate\"\nmax = \"1\""),
        expect("metric = \"divergence_rate\"\nvalue = 1"),
        expect("metric = \"divergence_rate\"\nmax = 1\ntolerance = 1"),
        expect("metric = \"divergence_rate\"\nvalue = 1\ntolerance = 1\nmax = 1"),
        expect("metric = \"divergence_rate\"\nvalue = 1\ntolerance = -1"),
        expect("metric = \"divergence_rate\"\nvalue = 1\ntolerance = \"5\""),
        expect("metric = \"divergence_rate\"\nmax = 1\nby = \"init\""),
        expect("metric = \"divergence_rate\"\nmax = 1\nby = [\"init\", \"init\"]"),
        expect("metric = \"divergence_rate\"\nmax = 1\nby = [\"outcome\"]"),
        expect("metric = \"divergence_rate\"\nmax = 1\nhint = \"x\""),
        below("[baseline]\nalpha = 0"),
        below("[baseline]\nalpha = 1"),
        below("[baseline]\nmax_changed = 1.5"),
        below("[baseline]\ndirection = \"better\""),
        below("[baseline]\nbeta = 1"),
    ];
    let validator = Validator::new();
    let taken: Vec<&String> = all.iter().filter(|text| validator.check(text).is_ok()).collect();
    assert!(taken.is_empty(), "the schema takes {taken:#?}");
    let taken: Vec<&String> = all.iter().filter(|text| mistakes(text).is_empty()).collect();
    assert!(taken.is_empty(), "the reader takes {taken:#?}");
    assert!(all.len() >= 30);
}

/// Follows a schema that refers to another one.
pub fn follow<'a>(root: &'a Json, schema: &'a Json) -> &'a Json {
    match schema["$ref"].as_str() {
        Some(place) => root.pointer(place.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("nothing at {place}")),
        None => schema,
    }
}

/// Checks that every key below a schema has a description, so that an editor shows it.
fn undescribed(root: &Json, schema: &Json, path: &str, found: &mut Vec<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, inner) in properties {
            let path = format!("{path}.{name}");
            if !follow(root, inner)["description"].is_string() {
                found.push(path.clone());
            }
            undescribed(root, inner, &path, found);
        }
    }
    for inner in ["anyOf", "oneOf", "allOf"].iter().filter_map(|key| schema[*key].as_array()).flatten() {
        undescribed(root, inner, path, found);
    }
    if schema["items"].is_object() {
        undescribed(root, &schema["items"], path, found);
    }
}

#[test]
fn every_key_has_a_description() {
    let root = schema();
    let mut found = Vec::new();
    undescribed(&root, &root, "", &mut found);
    for (name, definition) in root["definitions"].as_object().unwrap() {
        undescribed(&root, definition, name, &mut found);
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_kind_of_task_is_there_with_its_keys_and_their_defaults() {
    let root = schema();
    let kinds = root["definitions"]["task"]["oneOf"].as_array().unwrap();
    assert_eq!(key::TASKS.iter().map(|table| table.kind).collect::<Vec<_>>().len(), TaskKind::ALL.len());
    for kind in TaskKind::ALL {
        let found = kinds.iter().filter(|table| table["title"] == kind.name()).count();
        assert_eq!(found, 1, "{}", kind.name());
        let table = key::TaskKeys::of(*kind);
        // A task that sets nothing has what the table says.
        let recurrent = match kind {
            TaskKind::ArraySequences => "network = \"rnn\"\nsequence_length = 1\n",
            TaskKind::Text => "network = \"transformer\"\nsequence_length = 4\n",
            kind if kind.is_sequence() => "network = \"rnn\"\nsequence_length = 4\n",
            _ => "",
        };
        let file = match kind {
            TaskKind::Csv => ", path = \"good.csv\", target = \"y\"",
            TaskKind::Arrays => ", path = \"good.safetensors\"",
            TaskKind::ArraySequences => ", path = \"sequences.safetensors\"",
            _ => "",
        };
        for loss in ["mse", "cross_entropy"] {
            let text = format!(
                "name = \"t\"\nepochs = 1\ntask = {{ kind = \"{}\"{file} }}\n[[grid]]\nlr = 1\nloss = \"{loss}\"\n{recurrent}",
                kind.name()
            );
            let Ok(spec) = Spec::parse(&text, "t.toml", &open) else {
                let refused = if *kind == TaskKind::Text { "mse" } else { "cross_entropy" };
                let has_one = matches!(kind, TaskKind::Scalar | TaskKind::Adding | TaskKind::Text);
                assert!(loss == refused && has_one, "{text}");
                continue;
            };
            let task = spec.grid().trials().next().unwrap().task;
            for key in table.keys {
                let Some(default) = key.default else { continue };
                let is = match (key.name, loss) {
                    ("inputs", _) => Value::Integer(task.inputs as u64),
                    ("samples", _) => Value::Integer(task.samples as u64),
                    ("input_std", _) => Value::Float(task.input_std),
                    ("standardize", _) => Value::Boolean(match &task.source {
                        Source::Csv(file) => file.standardize,
                        Source::Arrays(file) => file.standardize,
                        Source::BuiltIn | Source::Text(_) | Source::Bundle(_) => panic!("{text}"),
                    }),
                    ("separator", _) => match &task.source {
                        Source::Csv(file) => Value::Text(if file.separator == ',' { "," } else { "another" }),
                        Source::BuiltIn | Source::Arrays(_) | Source::Text(_) | Source::Bundle(_) => panic!("{text}"),
                    },
                    ("outputs", "mse") | ("classes", "cross_entropy") => Value::Integer(task.outputs as u64),
                    ("outputs" | "classes", _) => continue,
                    (other, _) => panic!("the default of `{other}` is not looked at"),
                };
                assert_eq!(is, default, "{}: {}", kind.name(), key.name);
            }
        }
    }
    let images = key::TaskKeys::of(TaskKind::Digits).key("samples").unwrap();
    assert_eq!(images.default, Some(Value::Integer(DIGITS.samples as u64)));
}

#[test]
fn the_command_prints_the_schema_and_its_help_teaches() {
    let place = Place::new(&block(""));
    let text = place.ok("schema");
    assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), schema());
    assert_eq!(text, place.ok("schema"));
    assert!(text.ends_with("}\n"));
    let help = place.ok("schema --help");
    for words in ["blowup schema > blowup.schema.json", "#:schema ./blowup.schema.json", "Even Better TOML"] {
        assert!(help.contains(words), "{help}");
    }
    // To the program, the line that names the schema is a comment.
    place.write("s.toml", &format!("#:schema ./blowup.schema.json\n{}", block("")));
    place.ok("sweep s.toml --dry-run");
}
