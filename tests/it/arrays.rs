//! Arrays of one's own as data for the built-in nets: NumPy's files, read as they are written.

use crate::readers::python;
use crate::sweep::{Place, stderr};
use std::process::Command;

/// A folder with what a script of NumPy writes; none without NumPy.
fn place(script: &str, spec: &str) -> Option<Place> {
    let python = python()?;
    let place = Place::new(spec);
    let output = Command::new(python)
        .args(["-c", &format!("import numpy as np\nr = np.random.default_rng(0)\n{script}")])
        .current_dir(place.dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    Some(place)
}

fn spec(task: &str, grid: &str) -> String {
    format!("name = 't'\nepochs = 5\nseeds = 2\n[task]\n{task}\n[[grid]]\nlr = [0.01, 100.0]\n{grid}\n")
}

/// The cells of `runs.csv` from the outcome on.
fn measured(place: &Place, dir: &str) -> Vec<String> {
    let text = place.read(&format!("{dir}/runs.csv"));
    let outcome = text.lines().next().unwrap().split(',').position(|name| name == "outcome").unwrap();
    text.lines().skip(1).map(|line| line.split(',').skip(outcome).collect::<Vec<_>>().join(",")).collect()
}

/// The same numbers as a CSV file and in each format train to the same bits.
#[test]
fn arrays_train_as_the_same_numbers_in_a_csv_file() {
    let script = "x = r.normal(size=(40, 3)); y = x.sum(axis=1) + r.normal(size=40)\n\
        np.savez('a.npz', x=x, y=y)\nnp.savez_compressed('b.npz', inputs=x, targets=y[:, None])\n\
        np.save('x.npy', np.asfortranarray(x)); np.save('y.npy', y.astype('>f8'))\n\
        np.savetxt('c.csv', np.column_stack([x, y]), delimiter=',', header='a,b,c,y', comments='', fmt='%.17g')";
    let grid = "depth = 2\nwidth = 8\nbatch = 8\ndtype = 'float64'";
    let csv = spec("kind = 'csv'\npath = 'c.csv'\ntarget = 'y'\nstandardize = true", grid);
    let Some(place) = place(script, &csv) else { return };
    place.ok("sweep t.toml --out csv --quiet");
    let expected = measured(&place, "csv");
    for (dir, task) in [
        ("npz", "kind = 'arrays'\npath = 'a.npz'"),
        ("compressed", "kind = 'arrays'\npath = 'b.npz'"),
        ("npy", "kind = 'arrays'\npath = 'x.npy'\ntargets = 'y.npy'"),
    ] {
        place.write("t.toml", &spec(&format!("{task}\nstandardize = true"), grid));
        place.ok(&format!("sweep t.toml --out {dir} --quiet"));
        assert_eq!(measured(&place, dir), expected, "{dir}");
    }
    assert_eq!(expected.len(), 4);
}

/// Sequences `[samples, time, features]` train recurrent networks, and the steps of time are in
/// their order: a rule that needs the first step is learned, from a shuffled time it is not.
#[test]
fn sequences_of_ones_own_train_a_recurrent_network() {
    let script = "x = r.normal(size=(64, 6, 2)); np.savez('s.npz', x=x, y=x[:, -1, 0] - x[:, -2, 1])\n\
        np.savez('wrong.npz', x=x, y=r.permutation(x[:, -1, 0] - x[:, -2, 1]))";
    let grid = "network = ['rnn', 'lstm']\nsequence_length = 6\nwidth = 32\noptimizer = 'adam'";
    let text =
        |file: &str| spec(&format!("kind = 'arrays'\npath = '{file}'"), grid).replace("epochs = 5", "epochs = 300");
    let Some(place) = place(script, &text("s.npz")) else { return };
    place.ok("sweep t.toml --out r --where lr=0.01 --quiet");
    let losses = |dir: &str| -> Vec<f64> {
        let mut reader = csv::Reader::from_path(place.path(&format!("{dir}/runs.csv"))).unwrap();
        let at = reader.headers().unwrap().iter().position(|name| name == "loss_min").unwrap();
        reader.records().map(|row| row.unwrap()[at].parse().unwrap()).collect()
    };
    let right = losses("r");
    assert!(right.len() == 4 && right.iter().all(|loss| *loss < 0.05), "{right:?}");
    assert!(place.read("r/runs.csv").contains(",array-sequences,2,64,"));
    place.write("t.toml", &text("s.npz").replace("sequence_length = 6", "sequence_length = 5"));
    assert!(place.refused("sweep t.toml --out s").contains("have 6 time steps"));
    place.write("t.toml", &text("s.npz").replace("network = ['rnn', 'lstm']\nsequence_length = 6", "network = 'mlp'"));
    assert!(place.refused("sweep t.toml --out s").contains("flatten them with x.reshape(len(x), -1)"));
}

/// Whole numbers are learned as classes; the widths of targets are the outputs.
#[test]
fn targets_have_any_width_or_are_classes() {
    let script = "x = r.normal(size=(90, 4)).astype('f4'); np.savez('t.npz', x=x, y=x @ r.normal(size=(4, 3)), labels=x.argmax(1))";
    let grid = "depth = 1\nwidth = 16";
    let text = |more: &str, grid: &str| spec(&format!("kind = 'arrays'\npath = 't.npz'\n{more}"), grid);
    let Some(place) = place(script, &text("", grid)) else { return };
    place.ok("sweep t.toml --out wide --where lr=0.01 --quiet");
    let classes = text("targets = 'labels'", &format!("{grid}\nloss = 'cross_entropy'"));
    place.write("t.toml", &classes);
    place.ok("sweep t.toml --out classes --where lr=0.01 --quiet");
    let trivial = |dir: &str| -> f64 {
        let text = place.read(&format!("{dir}/runs.csv"));
        let at = text.lines().next().unwrap().split(',').position(|name| name == "loss_trivial").unwrap();
        text.lines().nth(1).unwrap().split(',').nth(at).unwrap().parse().unwrap()
    };
    // Four classes, drawn about evenly: the entropy is near ln 4.
    assert!((trivial("classes") - 4f64.ln()).abs() < 0.05, "{}", trivial("classes"));
    assert!(trivial("wide") > 0.5);
    assert!(
        place
            .ok("sweep t.toml --out classes --dry-run")
            .contains("90 samples, 4 features to learn 1 target, which can be 4 classes")
    );
    place.write("t.toml", &classes.replace("targets = 'labels'", "targets = 'y'"));
    assert!(place.refused("sweep t.toml --out s").contains("has no targets for the loss `cross_entropy`"));
}

#[test]
fn other_contents_are_other_trials_and_the_folder_stands_alone() {
    let script = "x = r.normal(size=(20, 2)); np.savez('a.npz', x=x, y=x[:, 0])";
    let Some(place) = place(script, &spec("kind = 'arrays'\npath = 'a.npz'", "depth = 1")) else { return };
    place.ok("sweep t.toml --out r --quiet");
    let trial = place.read("r/runs.csv").lines().nth(1).unwrap().split(',').next().unwrap().to_owned();
    assert!(place.ok(&format!("replay r {trial}")).contains("the whole row has the same bytes"));
    std::fs::rename(place.path("a.npz"), place.path("gone.npz")).unwrap();
    // What was taken of the data is in the manifest: the folder is checked and drawn without them.
    place.ok("plot r --terminal");
    assert!(place.refused(&format!("replay r {trial}")).contains("the data of the trial are not found"));
    std::fs::rename(place.path("gone.npz"), place.path("a.npz")).unwrap();
    let bytes = std::fs::read(place.path("a.npz")).unwrap();
    std::fs::write(place.path("a.npz"), [&bytes[..], b"\0"].concat()).unwrap();
    let said = place.refused("sweep t.toml --out r");
    assert!(said.contains("a file of its task or of its program has changed"), "{said}");
}

#[test]
fn what_is_no_data_set_is_refused_with_its_place() {
    let script = "np.savez('a.npz', a=np.zeros((4, 2)), b=np.zeros(3), c=np.zeros((4, 2, 2, 2)), d=np.array([1.0, np.nan, 2.0, 3.0]), s=np.array(['p', 'q', 'r', 's']))\n\
        np.save('x.npy', np.zeros((4, 2)))\nopen('t.csv', 'w').write('a,y\\n1,2\\n')\nopen('torn.npz', 'wb').write(open('a.npz', 'rb').read()[:300])";
    let Some(place) = place(script, "") else { return };
    let told = |task: &str| {
        place.write("t.toml", &spec(&format!("kind = 'arrays'\n{task}"), ""));
        let said = place.refused("sweep t.toml --out r");
        let lines: Vec<&str> =
            said.lines().filter(|line| ["error", "  -->", "hint"].iter().any(|s| line.starts_with(s))).collect();
        lines.join("\n")
    };
    insta::assert_snapshot!(told(""), @r#"
error: the arrays task has no `path`
  --> t.toml:4:1
hint: path = "data.npz", relative to the spec
"#);
    insta::assert_snapshot!(told("path = 'none.npz'"), @r#"
error: cannot read `none.npz`: No such file or directory (os error 2)
  --> t.toml:6:8
hint: the path is relative to the folder of the spec
"#);
    insta::assert_snapshot!(told("path = 't.csv'"), @r#"
error: `t.csv`: it is no file of arrays: neither npy nor npz nor safetensors
  --> t.toml:6:8
hint: numpy.savez("data.npz", x=x, y=y) writes one; a table of text is kind = "csv"
"#);
    insta::assert_snapshot!(told("path = 'torn.npz'"), @r#"
error: `torn.npz`: the archive is damaged: invalid Zip archive: Could not find central directory end
  --> t.toml:6:8
hint: numpy.savez("data.npz", x=x, y=y) writes one; a table of text is kind = "csv"
"#);
    insta::assert_snapshot!(told("path = 'a.npz'"), @r#"
error: `a.npz`: it has none of the arrays inputs, x, X; it has: `a`, `b`, `c`, `d`, `s`
  --> t.toml:6:8
hint: name one: inputs = "..."
"#);
    insta::assert_snapshot!(told("path = 'a.npz'\ninputs = 'a'\ntargets = 'z'"), @r#"
error: `a.npz`: it has no array `z`; it has: `a`, `b`, `c`, `d`, `s`
  --> t.toml:8:11
hint: targets = "y" names the array
"#);
    insta::assert_snapshot!(told("path = 'a.npz'\ninputs = 'a'\ntargets = 'b'"), @r#"
error: `a.npz`: the array `a` has the shape [4, 2] and the array `b` has the shape [3]: the samples differ in number
  --> t.toml:6:8
hint: inputs are [samples, features] or [samples, time, features], targets [samples] or [samples, outputs]
"#);
    insta::assert_snapshot!(told("path = 'a.npz'\ninputs = 'c'\ntargets = 'b'"), @r#"
error: `a.npz`: the array `c` has the shape [4, 2, 2, 2]: inputs are [samples, features] or [samples, time, features], as x.reshape(len(x), -1) makes them
  --> t.toml:6:8
hint: inputs are [samples, features] or [samples, time, features], targets [samples] or [samples, outputs]
"#);
    insta::assert_snapshot!(told("path = 'a.npz'\ninputs = 'a'\ntargets = 'd'"), @r#"
error: `a.npz`: sample 1 of the array `d` (from 0) has NaN, which is not finite
  --> t.toml:6:8
hint: inputs are [samples, features] or [samples, time, features], targets [samples] or [samples, outputs]
"#);
    insta::assert_snapshot!(told("path = 'a.npz'\ninputs = 'a'\ntargets = 's'"), @r#"
error: `a.npz`: its dtype `<U1` is no number that is read: astype(float) makes one
  --> t.toml:8:11
hint: targets = "y" names the array
"#);
    insta::assert_snapshot!(told("path = 'a.npz'\ninputs = 'a'\ntargets = 'a'\nsamples = 9"), @r#"
error: `a.npz`: there are 4 samples, fewer than `samples = 9`
  --> t.toml:6:8
hint: inputs are [samples, features] or [samples, time, features], targets [samples] or [samples, outputs]
"#);
    insta::assert_snapshot!(told("path = 'x.npy'"), @r#"
error: `x.npy`: an npy file has one array, which are the inputs
  --> t.toml:6:8
hint: targets = "y.npy" names the file of the targets
"#);
    insta::assert_snapshot!(told("path = 'x.npy'\ninputs = 'x'\ntargets = 'x.npy'"), @r#"
error: `x.npy`: an npy file has one array, without a name
  --> t.toml:7:10
hint: leave `inputs` out
"#);
    insta::assert_snapshot!(told("path = 'x.npy'\ntargets = 'y.npy'"), @r#"
error: `x.npy`: cannot read `y.npy`: No such file or directory (os error 2)
  --> t.toml:7:11
hint: beside a npy file, `targets` is a npy file, too, relative to the folder of the spec
"#);
}
