//! `extends` and `--set`: what the spec becomes, where mistakes are reported, and that results do
//! not need the files any more.

use crate::sweep::{Place, stderr};
use blowup_core::spec::Spec;
use blowup_core::spec::set_key::SetKey;
use blowup_core::spec::written::Written;
use std::collections::BTreeMap;
use std::path::Path;

const BASE: &str = "\
name = \"base\"
epochs = 1
[task]
kind = \"noise\"
inputs = 3
samples = 8
[base]
width = 4
batch = 4
[[grid]]
lr = [0.1, 0.2] # two steps
depth = [1, 2]
";

fn put(files: &[(&str, &str)], sets: &[&str]) -> Result<Written, String> {
    let files: BTreeMap<&str, &str> = files.iter().copied().collect();
    let base =
        |path: &str| files.get(path).map(|text| (*text).to_owned()).ok_or_else(|| format!("cannot read `{path}`"));
    let sets: Vec<SetKey> = sets.iter().map(|set| set.parse().unwrap()).collect();
    Written::new(files["t.toml"], "t.toml", &sets, &base).map_err(|report| report.to_string())
}

fn trials(text: &str) -> Vec<String> {
    let none = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let spec = Spec::parse(text, "t.toml", &none).unwrap_or_else(|report| panic!("{report}\n{text}"));
    spec.grid().trials().map(|trial| format!("{} {}", trial.id(), trial.label)).collect()
}

#[test]
fn tables_are_merged_and_all_else_is_replaced() {
    let child = "extends = \"base.toml\"\nname = \"child\"\n[task]\nsamples = 16\n[base]\nwidth = 5\ninit = \"he\"\n";
    let written = put(&[("t.toml", child), ("base.toml", BASE)], &[]).unwrap();
    let by_hand = BASE.replace("\"base\"", "\"child\"").replace("samples = 8", "samples = 16");
    let by_hand = by_hand.replace("width = 4", "width = 5\ninit = \"he\"");
    assert_eq!(trials(written.text()), trials(&by_hand));
    let table: toml::Table = written.text().parse().unwrap();
    assert_eq!(table, by_hand.parse::<toml::Table>().unwrap());

    // The blocks are a list, and so is what a block gives an axis.
    let child = "extends = \"base.toml\"\n[[grid]]\nlr = { linear = [1, 2], points = 2 }\n[base]\nlr = { log = [1, 2], points = 3 }\n";
    let base = BASE.replace("batch = 4", "lr = { linear = [5, 6], points = 2 }");
    let written = put(&[("t.toml", child), ("base.toml", &base)], &[]).unwrap();
    let table: toml::Table = written.text().parse().unwrap();
    assert_eq!(table["grid"], toml::from_str::<toml::Table>(child).unwrap()["grid"]);
    assert_eq!(table["base"]["lr"].to_string(), "{ log = [1, 2], points = 3 }");
}

#[test]
fn a_budget_replaces_the_one_of_the_other_unit() {
    let written = put(&[("t.toml", "extends = \"base.toml\"\nsteps = 7\n"), ("base.toml", BASE)], &[]).unwrap();
    assert_eq!(trials(written.text()), trials(&BASE.replace("epochs = 1", "steps = 7")));
    // `[record]` has keys of the same names, which are no budgets.
    let base = format!("{BASE}[record]\nepochs = true\n");
    let child = "extends = \"base.toml\"\nsteps = 7\n[record]\nsteps = 3\n";
    let written = put(&[("t.toml", child), ("base.toml", &base)], &[]).unwrap();
    let table: toml::Table = written.text().parse().unwrap();
    assert_eq!(table["record"].to_string(), "{ epochs = true, steps = 3 }");
    assert_eq!((table.get("epochs"), table["steps"].as_integer()), (None, Some(7)));
}

#[test]
fn a_chain_of_specs_goes_from_folder_to_folder() {
    let files = [
        ("t.toml", "extends = \"shared/middle.toml\"\nname = \"top\"\n"),
        ("shared/middle.toml", "extends = \"../base.toml\"\nepochs = 2\n"),
        ("base.toml", BASE),
    ];
    let written = put(&files, &[]).unwrap();
    let by_hand = BASE.replace("epochs = 1", "epochs = 2").replace("\"base\"", "\"top\"");
    assert_eq!(trials(written.text()), trials(&by_hand));
}

#[test]
fn set_replaces_an_axis_in_every_block_in_its_place() {
    let spec = format!("{BASE}[[grid]]\nlabel = \"b\"\ndepth = 3\nlr = 0.5\n");
    let same = |sets: &[&str], by_hand: &str| {
        let written = put(&[("t.toml", &spec)], sets).unwrap();
        assert_eq!(trials(written.text()), trials(by_hand), "{sets:?}\n{}", written.text());
    };
    same(&["lr=0.3"], &spec.replace("lr = [0.1, 0.2]", "lr = 0.3").replace("lr = 0.5", "lr = 0.3"));
    same(
        &["lr=[0.3, 0.4]"],
        &spec.replace("lr = [0.1, 0.2]", "lr = [0.3, 0.4]").replace("lr = 0.5", "lr = [0.3, 0.4]"),
    );
    // A text needs no quotes, and what a block has not is put behind all that it has.
    let with = |line: &str| spec.replace("depth = [1, 2]\n", &format!("depth = [1, 2]\n{line}\n")) + line;
    same(&["init=normal(0.5)"], &with("init = \"normal(0.5)\""));
    same(&["clip=norm", "clip-threshold=inf"], &with("clip = \"norm\"\nclip_threshold = inf"));
    same(&["seeds=3"], &with("seeds = 3"));
    same(&["lr={ log = [1e-3, 1], points = 3 }"], &{
        let range = "lr = { log = [1e-3, 1], points = 3 }";
        spec.replace("lr = [0.1, 0.2]", range).replace("lr = 0.5", range)
    });
}

/// A spec loses nothing by being put together, whatever it is written like.
#[test]
fn every_spec_of_the_repository_stays_what_it_is() {
    let mut seen = 0;
    for folder in ["experiments", "experiments/literature", "benches/specs", "tests/pytorch", "notebooks"] {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|end| end != "toml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let written = put(&[("t.toml", "extends = \"base.toml\"\n"), ("base.toml", &text)], &[]).unwrap();
            let (before, after): (toml::Table, toml::Table) = (text.parse().unwrap(), written.text().parse().unwrap());
            // Text, since NaN is not itself.
            assert_eq!(before.to_string(), after.to_string(), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen}");
    let odd = "name = 'a'\nepochs = 1\nbase.width = 4\n'base'.batch = 2\ntask = { kind = \"noise\", samples = 8 }\n\
               [[grid]]\nlr.log = [ 1e-3,\n # between\n 1 ]\nlr.points = 3\nzip = [\n[\"depth\", \"width\"]]\ndepth = [1, 2]\nwidth = [3, 4]\n\
               [[grid]]\n[grid.lr]\nlinear = [1, 2]\npoints = 2\n[[expect]]\nmetric = \"nonfinite_rate\"\nmax = 1\nwhere.lr.min = 0\n";
    let written = put(&[("t.toml", "extends = \"base.toml\"\n"), ("base.toml", odd)], &[]).unwrap();
    assert_eq!(trials(written.text()), trials(odd), "{}", written.text());
    assert_eq!(written.text().parse::<toml::Table>().unwrap(), odd.parse::<toml::Table>().unwrap());
}

#[test]
fn a_mistake_is_reported_where_it_was_written() {
    let place = Place::new("extends = \"shared/base.toml\"\nname = \"t\"\n[base]\nwidht = 4\n");
    std::fs::create_dir(place.path("shared")).unwrap();
    place.write("shared/base.toml", &BASE.replace("depth = [1, 2]", "depth = [1, -2]"));
    let text = place.refused("sweep t.toml --dry-run --set lr=1 --set init=he --set lr=2");
    assert!(
        text.contains("`lr` is set twice") && text.contains("several values are a list: --set lr=[1, 2]"),
        "{text}"
    );
    let text = place.refused("sweep t.toml --dry-run --set lr=fast");
    for there in ["--> t.toml:4:1\n   | widht = 4\n", "--> shared/base.toml:12:13\n   | depth = [1, -2]\n"] {
        assert!(text.contains(there), "{text}");
    }
    assert!(text.contains("--> --set:1:6\n   | lr = \"fast\"\n   |      ^^^^^^"), "{text}");
    // The same as events.
    let events = stderr(&place.run("sweep t.toml --dry-run --json --set lr=fast"));
    assert!(events.lines().any(|line| line.contains(r#""file":"--set","line":1,"column":6"#)), "{events}");
    // Values of filters that no trial has are found late.
    place.write("shared/base.toml", &format!("{BASE}[[exclude]]\ndepth = 7\n"));
    place.write("t.toml", "extends = \"shared/base.toml\"\nname = \"t\"\n");
    let text = place.refused("sweep t.toml --dry-run");
    assert!(text.contains("no trial has the `depth` `7`") && text.contains("--> shared/base.toml:14:9"), "{text}");
}

#[test]
fn what_cannot_be_put_together_is_refused_with_its_place() {
    let place = Place::new("name = \"t\"\nextends = \"nowhere.toml\"\n");
    let refused = |words: &[&str]| {
        let text = place.refused("sweep t.toml --dry-run");
        words.iter().for_each(|words| assert!(text.contains(words), "{words}\n{text}"));
    };
    refused(&["`nowhere.toml`: no such file", "--> t.toml:2:11", "relative to the folder of the spec"]);
    place.write("t.toml", "extends = \"a.toml\"\n");
    place.write("a.toml", "# a\nextends = \"./b.toml\"\n");
    place.write("b.toml", "extends = \"t.toml\"\n");
    refused(&["circle: t.toml, a.toml, b.toml, t.toml", "--> b.toml:1:11"]);
    place.write("b.toml", "name = \n");
    refused(&["this is not TOML", "--> b.toml:1:8"]);
    place.write("b.toml", "extends = 3\n");
    refused(&["`extends` is an integer, not a string", "--> b.toml:1:11"]);
    for n in 0..20 {
        place.write(&format!("c{n}.toml"), &format!("extends = \"c{}.toml\"\n", n + 1));
    }
    place.write("t.toml", "extends = \"c0.toml\"\n");
    refused(&["more than 16 specs extend each other"]);
    place.write("t.toml", "name = \"t\"\nepochs = 1\ntask = { kind = \"noise\" }\n");
    let text = place.refused("sweep t.toml --dry-run --set lr=1");
    assert!(text.contains("there is no [[grid]] to set it in") && text.contains("--> --set:1:1"), "{text}");
    for wrong in ["lr", "=1", "a.b=1"] {
        let text = stderr(&place.run(&format!("sweep t.toml --set {wrong}")));
        assert!(text.contains("--set <AXIS=V>") && text.contains("expected AXIS=V"), "{text}");
    }
}

#[test]
fn results_do_not_need_the_files_that_a_spec_extends() {
    let gate = "[[expect]]\nmetric = \"nonfinite_rate\"\nmax = 0\n";
    let place = Place::new(&format!("extends = \"base.toml\"\nname = \"t\"\n{gate}"));
    place.write("base.toml", BASE);
    place.ok("sweep t.toml --out r --quiet --where lr=0.1 --set seeds=2");
    place.ok("sweep t.toml --out r --quiet --set seeds=2");
    let runs = place.read("r/runs.csv");
    assert_eq!(runs.lines().count(), 1 + 8);
    // What the same spec in one piece gives.
    let by_hand = format!("{}{gate}", BASE.replace("\"base\"", "\"t\"").replace("[[grid]]", "[[grid]]\nseeds = 2"));
    place.write("whole.toml", &by_hand);
    place.ok("sweep whole.toml --out whole --quiet");
    assert_eq!(place.read("whole/runs.csv"), runs);
    std::fs::remove_file(place.path("base.toml")).unwrap();
    std::fs::remove_file(place.path("t.toml")).unwrap();
    place.ok("check r");
    let trial = runs.lines().nth(3).unwrap().split(',').next().unwrap();
    place.ok(&format!("replay r {trial}"));
    place.ok("sweep r/spec.toml --out r --quiet");
    assert_eq!(place.read("r/runs.csv"), runs);
}

#[test]
fn annotations_name_lines_of_the_file_that_they_are_in() {
    let place = Place::new("extends = \"base.toml\"\nname = \"t\"\n");
    place.write("base.toml", &format!("{BASE}[[expect]]\nmetric = \"converged_rate\"\nmin = 2\n"));
    place.ok("sweep t.toml --out r --quiet");
    let line = |file: &str| place.read(file).lines().position(|line| line == "[[expect]]").unwrap() + 1;
    let told = |args: &str| String::from_utf8(place.run(args).stdout).unwrap();
    let kept = told("check r --github");
    assert!(kept.contains(&format!("::error file=r/spec.toml,line={},", line("r/spec.toml"))), "{kept}");
    let given = told("check r --github --spec t.toml");
    assert!(given.contains(&format!("::error file=base.toml,line={},", line("base.toml"))), "{given}");
}

#[test]
fn a_job_array_sets_what_the_command_line_does() {
    let place = Place::new(BASE);
    place.ok("slurm t.toml --shards 2 --out r --set init=normal(0.5)");
    let task = place.read("r/slurm/shards.sh");
    assert!(task.contains(" --set 'init=\"normal(0.5)\"' --out "), "{task}");
    let merge = place.read("r/slurm/merge.sh");
    assert!(!merge.contains("--spec"), "{merge}");
    for shard in [1, 2] {
        place.ok(&format!("sweep t.toml --quiet --out r --shard {shard}/2 --set init=normal(0.5)"));
    }
    place.ok("merge r r/shard-1-of-2 r/shard-2-of-2");
    assert!(place.read("r/spec.toml").contains("init = \"normal(0.5)\""));
}
