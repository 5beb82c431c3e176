//! What the program says beside its results: suggestions, warnings, the texts of the command line,
//! plurals and numbers.

use crate::check::{GRID, Results, gate, place};
use crate::mistakes::{check, mistakes};
use crate::spec::TOP;
use crate::sweep::{Place, stderr};
use std::path::Path;
use std::process::Command;

/// The hint of the only mistake.
fn hint(text: &str) -> String {
    let found = mistakes(text);
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].split_once(" / ").unwrap().1.to_owned()
}

#[test]
fn only_what_is_near_is_suggested() {
    let key = |key: &str| hint(&format!("{TOP}[[grid]]\nlr = 1\n{key} = 1\n"));
    assert_eq!(key("widht"), "did you mean `width`?");
    assert_eq!(key("scale_init"), "did you mean `init_scale`?");
    assert_eq!(key("learning_rate"), "did you mean `lr`?");
    for far in ["foo", "x", "dropout", "hidden_layers_of_the_net"] {
        assert!(key(far).starts_with("known here: label, task, epochs, "), "{far}: {}", key(far));
    }
    let top = hint(&format!("shuffle = 1\n{TOP}[[grid]]\nlr = 1\n"));
    assert!(top.starts_with("known here: name, epochs, "), "{top}");
    let metric = |metric: &str| hint(&format!("{TOP}[[grid]]\nlr = 1\n[[expect]]\nmax = 1\nmetric = \"{metric}\"\n"));
    assert_eq!(metric("mean(final_loss)"), "did you mean `loss_final`?");
    assert_eq!(metric("mean(norm_grad_max)"), "did you mean `grad_norm_max`?");
}

#[test]
fn a_task_suggests_its_own_keys_only() {
    let key = |task: &str, key: &str| {
        hint(&format!("name = \"t\"\nepochs = 1\n[task]\nkind = \"{task}\"\n{key} = 1\n[[grid]]\nlr = 1\n"))
    };
    assert_eq!(key("teacher", "sampels"), "did you mean `samples`?");
    assert_eq!(key("noise", "sep"), "known here: kind, inputs, outputs, classes, samples, input_std");
    // `path` is a key of csv tasks.
    assert_eq!(key("noise", "pathh"), "known here: kind, inputs, outputs, classes, samples, input_std");
    let csv = "kind = \"csv\"\npath = \"good.csv\"\ntarget = \"y\"\nsep = \";\"";
    let found = mistakes(&format!("name = \"t\"\nepochs = 1\n[task]\n{csv}\n[[grid]]\nlr = 1\n"));
    assert_eq!(found.len(), 1);
    assert!(
        found[0].starts_with("7:1 the task `csv` has no key `sep` / known here: kind, path, target, "),
        "{found:?}"
    );
}

#[test]
fn a_number_where_a_name_belongs_is_shown_in_its_short_form() {
    check(
        "lr = 1\nclip = 1.0",
        "7:8 `clip` is a decimal number, not a name / a number stands in the parentheses of a name, as in clip = \"norm(1.0)\"; one of: none, norm, value, per_layer, agc, autoclip, zclip, update",
    );
    assert!(
        hint(&format!("{TOP}[[grid]]\nlr = 1\ninit = 0.1")).contains("as in init = \"normal(0.1)\"; one of: normal, ")
    );
    assert_eq!(hint(&format!("{TOP}[[grid]]\nlr = 1\nnorm = 1")), "one of: none, batch, layer, rms");
}

#[test]
fn the_limit_of_a_name_is_said() {
    let name =
        |name: &str| mistakes(&format!("name = \"{name}\"\nepochs = 1\n[task]\nkind = \"noise\"\n[[grid]]\nlr = 1\n"));
    assert_eq!(
        name(&"n".repeat(256)),
        ["1:8 the name of the sweep is 256 bytes long, more than 200 / it names the folder of the results"]
    );
}

#[test]
fn the_command_line_refuses_numbers_in_words() {
    let place = Place::new(GRID);
    for (args, option, words) in [
        ("sweep t.toml --workers 0", "--workers <N>", "1 or more"),
        ("sweep t.toml --workers=-1", "--workers <N>", "1 or more"),
        ("sweep t.toml --workers 99999999999999999999", "--workers <N>", "1 or more"),
        ("sweep t.toml --chunk 0", "--chunk <N>", "1 or more"),
        ("sweep t.toml --max-lost x", "--max-lost <N>", "0 or more"),
        ("slurm t.toml --shards 0", "--shards <N>", "1 or more"),
        ("slurm t.toml --shards 2 --max-array-size 1", "--max-array-size <N>", "2 or more"),
    ] {
        let text = place.refused(args);
        let line = text.lines().next().unwrap();
        assert!(line.ends_with(&format!("for '{option}': expected a whole number, {words}")), "{args}: {text}");
    }
}

#[test]
fn the_version_names_libtorch_and_the_build() {
    let text = Place::new(GRID).ok("--version");
    let expected = format!("blowup {} (libtorch 2.", env!("CARGO_PKG_VERSION"));
    assert!(text.starts_with(&expected), "{text}");
    let build = text.trim_end().strip_suffix(')').and_then(|text| text.split_once(", build ")).unwrap().1;
    assert!(build.len() == 16 && build.chars().all(|c| c.is_ascii_hexdigit()), "{text}");
}

#[test]
fn warnings_have_the_form_of_errors() {
    let place = place(GRID, &Results::of(GRID).text());
    std::fs::remove_file(place.path("r/runs.crc32")).unwrap();
    let spec = format!("{GRID}[[expect]]\nmetric = \"divergence_rate\"\nmax = 1\n");
    place.write("t.toml", &spec);
    let output = place.run("check r --spec t.toml");
    let text = stderr(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(lines.len() == 2 && lines[0].starts_with("warning: `r/runs.csv` has no checksums"), "{text}");
    assert!(lines[1].starts_with("hint: "), "{text}");
}

#[test]
fn a_sweep_tells_the_warnings_of_its_spec_and_which_seeds_it_has() {
    let place = Place::new(&GRID.replace("seeds = 2", "seeds = 42").replace("lr = 0.1", "lr = 0.1\nclip = \"norm\""));
    let output = place.run("sweep t.toml --dry-run");
    assert_eq!(
        stderr(&output),
        "warning: `clip` has no threshold here, so it clips nothing\n  --> t.toml:8:8\n   | clip = \"norm\"\n   |        ^^^^^^\nhint: write clip = \"norm(1.0)\", or set `clip_threshold`; its default, inf, is no clipping\n"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("grid      168 points, 168 trials\nseeds     42: 0 to 41\n"), "{text}");
    let more = format!("{}[[grid]]\nlr = 1\nseeds = [42]\n[[grid]]\nlr = 2\nseeds = 1\n", GRID);
    assert!(Place::new(&more).ok("sweep t.toml --dry-run").contains("\nseeds     2: 0 to 1; 1: 42; 1: 0\n"));
}

#[test]
fn one_is_no_plural() {
    let place = Place::new(
        "name = \"t\"\nepochs = 1\n[task]\nkind = \"noise\"\nsamples = 4\n[[grid]]\ndepth = 1\nwidth = 2\nlr = 0.1\n",
    );
    let text = place.ok("sweep t.toml --dry-run");
    assert!(
        text.starts_with("grid      1 point, 1 trial\n") && text.contains("plan      1 cohort, 1 chunk on "),
        "{text}"
    );
    let output = place.run("sweep t.toml --out r --workers 1");
    assert!(
        stderr(&output).starts_with("t: 1 trial to run (0 of 1 are done) in 1 chunk on 1 worker, into `r`\n"),
        "{}",
        stderr(&output)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\n1 trial: ") && !text.contains("1 trials"), "{text}");
}

#[test]
fn a_finding_has_as_many_digits_as_can_be_read() {
    let spec = format!("{GRID}[[expect]]\nmetric = \"max(loss_final)\"\nmax = 0.05\n");
    let found =
        |value: &'static str| gate(&place(&spec, &Results::of(&spec).column("loss_final", |_| value).text()), "").1;
    assert!(found("0.07066666666666667").contains("max(loss_final) is 0.0706667 (n = 8), expected <= 0.05"));
    // The number has enough digits to read as out of bounds.
    assert!(found("0.05000000000001").contains("max(loss_final) is 0.05000000000001 (n = 8), expected <= 0.05"));
}

#[test]
fn a_script_without_its_results_says_so_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["scripts", "docs"] {
        std::fs::create_dir(dir.path().join(folder)).unwrap();
    }
    let page = dir.path().join("docs/literature.md");
    std::fs::write(&page, "as measured").unwrap();
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts");
    for (script, argument, words) in [
        ("tables.py", "article", "hint: target/release/blowup sweep experiments/article.toml"),
        ("tables.py", "grid", "hint: target/release/blowup sweep experiments/grid.toml"),
        ("tables.py", "none", "usage: tables.py [grid | article"),
        ("tables.py", "", "usage: tables.py [grid | article"),
        ("literature.py", "", "hint: `make literature`"),
        ("notebook.py", "nowhere", "notebook.py RUN_DIR OUT|hint: `make notebook`"),
    ] {
        let path = dir.path().join("scripts").join(script);
        std::fs::copy(Path::new(sources).join(script), &path).unwrap();
        let output = Command::new("python3").arg(&path).args(argument.split_whitespace()).output().unwrap();
        let text = stderr(&output);
        assert!(!output.status.success() && !text.contains("Traceback"), "{script} {argument}: {text}");
        assert!(words.split('|').any(|words| text.contains(words)), "{script} {argument}: {text}");
    }
    assert_eq!(std::fs::read_to_string(page).unwrap(), "as measured");
}
