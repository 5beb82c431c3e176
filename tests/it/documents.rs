//! Runs the commands of the documents in a clean shell, in their order, in a folder that looks like
//! a checkout, and compares what is shown of their output. Tests the specs and links of the
//! documents.
//!
//! A block that cannot run here stands below a comment `<!-- not run by the tests: why -->`; what
//! stands in for it is in `stand_in`. Only the results that the commands read are made beforehand,
//! from few trials of the same specs.

use crate::sweep::stderr;
use blowup_core::spec::key;
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const NOT_RUN: &str = "<!-- not run by the tests: ";

/// A Markdown file for users or contributors.
struct Document {
    /// Its path from the root.
    name: String,
    text: String,
}

/// The README first, then the others by name.
fn documents() -> Vec<Document> {
    let folder = std::fs::read_dir(Path::new(ROOT).join("docs")).unwrap();
    let mut names: Vec<String> = folder
        .map(|entry| format!("docs/{}", entry.unwrap().file_name().into_string().unwrap()))
        .filter(|name| name.ends_with(".md"))
        .collect();
    names.sort();
    names.splice(0..0, ["README.md".to_owned(), "CONTRIBUTING.md".to_owned()]);
    names.into_iter().map(Document::open).collect()
}

impl Document {
    fn open(name: String) -> Document {
        let text = std::fs::read_to_string(Path::new(ROOT).join(&name)).unwrap();
        Document { name, text }
    }
}

/// A command line of a document.
#[derive(Debug)]
struct Line {
    command: String,
    /// It does not run if it stands below a comment that says why.
    runs: bool,
    /// What the document shows of its output.
    output: Option<Vec<String>>,
}

/// Returns every line of the indented blocks, and of the fenced ones those that begin with `$ `.
fn lines(text: &str) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    let (mut fenced, mut runs, mut in_block) = (false, true, false);
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
            in_block = false;
            continue;
        }
        if let (true, Some(command)) = (fenced, line.strip_prefix("$ ")) {
            found.push(Line { command: command.to_owned(), runs: true, output: Some(Vec::new()) });
            in_block = true;
        } else if fenced {
            if let (true, Some(Line { output: Some(output), .. })) = (in_block, found.last_mut()) {
                output.push(line.to_owned());
            }
        } else if let Some(command) = line.strip_prefix("    ") {
            // A comment stands behind two blanks.
            let command = command.split("  #").next().unwrap().split(" # ").next().unwrap().trim();
            found.push(Line { command: command.to_owned(), runs, output: None });
        } else if !line.is_empty() {
            runs = !line.starts_with(NOT_RUN);
        }
    }
    found
}

/// The command that stands in for one that is not run. It checks that the parts of that command
/// exist and are understood.
fn stand_in(command: &str) -> String {
    if let Some(target) = command.strip_prefix("make ") {
        return format!("make --dry-run {target} > /dev/null");
    }
    if let Some(rest) = command.strip_prefix("cargo run --release -- ") {
        return format!("blowup {rest} --dry-run");
    }
    if let Some(shard) = command.strip_prefix("parallel ").and_then(|rest| rest.split(" blowup ").nth(1)) {
        let shard = shard.split(" ::: ").next().unwrap().replace("{}", "$I");
        // Nothing is left of the sweep in 64 shards that stands before it.
        return format!("rm -r results/t && for I in $(seq 8); do blowup {shard}; done");
    }
    if let Some(file) = command.strip_prefix("xdg-open ") {
        return format!("test -s {file}");
    }
    if let Some((cargo, filters)) = command.split_once(" --test it -- ") {
        // Each filter begins with a module of the tests.
        let modules = filters.split_whitespace().map(|filter| filter.split("::").next().unwrap());
        let there: String = modules.map(|module| format!(" && test -e tests/it/{module}.rs")).collect();
        return format!("{cargo} --help > /dev/null{there}");
    }
    match command {
        _ if command.starts_with("cargo ") => format!("{command} --help > /dev/null"),
        // `make wheel` installs it, and a test does the steps of the image.
        _ if command.starts_with("pip install \"$(ls target/wheels/") => "test -e scripts/wheel.sh".to_owned(),
        _ if command.starts_with(".venv-test/bin/python tests/pictures/compare.py ") => {
            "test -e tests/pictures/compare.py".to_owned()
        }
        _ if command.starts_with("podman ") => "test -e tests/it/container.rs".to_owned(),
        _ if command.contains("--device cuda") => format!("{command} --dry-run"),
        _ if command.contains(" --submit") => {
            // Nothing is left of the sweep in 8 shards that stands before it.
            format!("rm -r results/t && {}", command.replace(" --submit", ""))
        }
        _ => panic!("nothing stands in for `{command}`: run it, or say here how it is checked"),
    }
}

/// A folder like a checkout that was built.
struct Checkout {
    dir: tempfile::TempDir,
    /// The line of the README that puts `blowup` on the PATH.
    path: String,
}

impl Checkout {
    fn new(path: &str) -> Checkout {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["experiments", "scripts", "tests", "Makefile", "Cargo.toml", "src"] {
            symlink(Path::new(ROOT).join(name), at(name)).unwrap();
        }
        std::fs::create_dir_all(at("target/release")).unwrap();
        symlink(env!("CARGO_BIN_EXE_blowup"), at("target/release/blowup")).unwrap();
        Checkout { dir, path: path.to_owned() }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// Runs a command in a shell that knows only where the system's programs and cargo are.
    fn shell(&self, command: &str) -> Output {
        let cargo = Path::new(env!("CARGO")).parent().unwrap().display();
        Command::new("bash")
            .args(["--noprofile", "--norc", "-euo", "pipefail", "-c", &format!("{}\n{command}", self.path)])
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", format!("/usr/local/bin:/usr/bin:/bin:{cargo}"))
            .env("HOME", self.dir.path())
            .output()
            .unwrap()
    }

    fn ok(&self, command: &str) -> String {
        let output = self.shell(command);
        assert!(output.status.success(), "{command}\n{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Whether a line came out as it is shown: the same words, and the same numbers to a hundredth of
/// their size, as other CPUs round differently.
fn alike(shown: &str, found: &str) -> bool {
    let same = |a: &str, b: &str| {
        let (Ok(x), Ok(y)) = (a.parse::<f64>(), b.parse::<f64>()) else { return a == b };
        x == y || x.is_nan() && y.is_nan() || (x - y).abs() <= 0.01 * x.abs()
    };
    let (shown, found) = (shown.split_whitespace(), found.split_whitespace());
    shown.clone().count() == found.clone().count() && shown.zip(found).all(|(a, b)| same(a, b))
}

/// Compares the output of a command with what is shown. `...` stands for any lines.
fn compare(command: &str, shown: &[String], found: &str) {
    let mut found_lines = found.lines();
    let mut skips = false;
    for line in shown {
        if line.trim() == "..." {
            skips = true;
            continue;
        }
        let there = if skips {
            found_lines.any(|found| alike(line, found))
        } else {
            found_lines.next().is_some_and(|found| alike(line, found))
        };
        assert!(there, "{command}\nthe document shows\n{line}\nwhich is not (or not there) in\n{found}");
        skips = false;
    }
    assert!(skips || found_lines.next().is_none(), "{command} prints more than the document shows:\n{found}");
}

const TINY: &str = "\
name = \"t\"
epochs = 2
task = { kind = \"noise\", samples = 8 }
[[grid]]
depth = [1, 2]
width = 4
lr = [0.1, 0.2, 0.3, 0.4, 0.5]
[[expect]]
metric = \"nonfinite_rate\"
max = 0
";

#[test]
fn their_commands_run_in_a_clean_shell_and_print_what_they_show() {
    let lines: Vec<Line> = documents().iter().flat_map(|document| lines(&document.text)).collect();
    let path =
        lines.iter().find(|line| line.command.starts_with("export PATH=")).expect("how `blowup` gets on the PATH");
    let checkout = Checkout::new(&path.command);
    // The results that the commands read, of few trials.
    for few in [
        "blowup sweep experiments/grid.toml --quiet --where seed=0 --where lr=0.001,0.1,10 --where depth=4,16 --where clip=none,norm",
        "blowup sweep experiments/smoke.toml --quiet",
        "blowup sweep experiments/article.toml --quiet --where label=baseline --where seed=0",
    ] {
        checkout.ok(few);
    }
    checkout.write("spec.toml", TINY);
    for shard in [1, 3, 4, 5, 6, 7, 8] {
        checkout.ok(&format!("blowup sweep spec.toml --quiet --shard {shard}/8"));
    }
    checkout.write("gate.toml", TINY);
    checkout.ok("blowup sweep gate.toml --quiet --out main");
    let mut ran = 0;
    for Line { command, runs, output } in &lines {
        let command = command.replace("<name>", "t");
        if command.starts_with("export PATH=") {
            continue;
        }
        let found = checkout.ok(&if *runs { command.clone() } else { stand_in(&command) });
        if let Some(shown) = output {
            compare(&command, shown, &found);
        }
        ran += usize::from(*runs);
    }
    assert!(checkout.dir.path().join("report.xml").exists());
    assert!(ran >= 10, "{ran} of {} commands ran", lines.len());
    assert_eq!(lines.iter().filter(|line| line.output.is_some()).count(), 6);
}

/// The fenced blocks of a language.
fn fenced<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn their_specs_are_specs_and_their_expectations_those_of_smoke() {
    let checkout = Checkout::new("export PATH=\"$PWD/target/release:$PATH\"");
    // The code before a comment, without blanks.
    let code = |line: &str| line.split("  #").next().unwrap().split_whitespace().collect::<String>();
    let smoke = std::fs::read_to_string(Path::new(ROOT).join("experiments/smoke.toml")).unwrap();
    let there: Vec<String> = smoke.lines().map(code).collect();
    let (mut specs, mut expectations) = (0, 0);
    for Document { name, text } in &documents() {
        for block in fenced(text, "toml") {
            if block.starts_with("name ") {
                checkout.write("mine.toml", block);
                checkout.write("train.py", "");
                let plan = checkout.shell("blowup sweep mine.toml --dry-run");
                assert!(plan.status.success() && plan.stderr.is_empty(), "{name}: {}", stderr(&plan));
                specs += 1;
            } else if block.starts_with("[[expect]]") {
                for line in block.lines().map(code).filter(|line| !line.is_empty()) {
                    assert!(there.contains(&line), "{name}: `{line}` is not in experiments/smoke.toml");
                }
                expectations += 1;
            }
        }
    }
    assert_eq!((specs, expectations), (4, 2));
}

#[test]
fn every_target_of_make_and_every_command_that_they_name_is_there() {
    let makefile = std::fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap();
    let checkout = Checkout::new("export PATH=\"$PWD/target/release:$PATH\"");
    let help = checkout.ok("blowup --help");
    let word = |rest: &str| rest.split(|c: char| !(c.is_ascii_lowercase() || c == '-')).next().unwrap().to_owned();
    for Document { name, text } in &documents() {
        for target in text.split("`make ").skip(1).map(word) {
            assert!(makefile.contains(&format!("\n{target}:")), "{name}: make {target}");
        }
        let commands = text.split("`blowup ").skip(1).map(word);
        for command in commands.filter(|word| !word.is_empty() && !word.starts_with('-')) {
            assert!(help.contains(&format!("\n  {command} ")), "{name}: blowup {command}");
        }
    }
}

/// The anchor that a heading has on a page.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let others = ["ARCHITECTURE.md", "benches/LOG.md", "benches/RESULTS.md"];
    let all = documents().into_iter().chain(others.map(|name| Document::open(name.to_owned())));
    for Document { name, text } in all {
        let links = text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
        for link in links.filter(|link| !link.starts_with("http")) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let page = Path::new(ROOT).join(&name);
            let target = if file.is_empty() { page } else { page.parent().unwrap().join(file) };
            assert!(target.exists(), "{name}: {link}");
            if !heading.is_empty() {
                let text = std::fs::read_to_string(target).unwrap();
                let headings = text.lines().filter(|line| line.starts_with('#'));
                let found = headings.map(|line| anchor(line.trim_start_matches('#').trim())).any(|a| a == heading);
                assert!(found, "{name}: {link}");
            }
        }
    }
}

#[test]
fn the_table_of_the_readme_is_in_the_page_of_the_cures() {
    let [readme, page] = ["README.md", "docs/cures.md"].map(|name| Document::open(name.to_owned()).text);
    let table = readme.split("<!-- cures: written by `make cures` -->\n").nth(1).expect("the first mark");
    let table = table.split("<!-- /cures -->").next().unwrap();
    assert!(table.lines().count() > 10 && page.contains(table), "`make cures` writes both");
}

#[test]
fn the_contract_has_every_command_option_and_key() {
    let contract = Document::open("docs/contract.md".to_owned()).text;
    let checkout = Checkout::new("export PATH=\"$PWD/target/release:$PATH\"");
    let help = checkout.ok("blowup --help");
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let own = |line: &&str| !line.starts_with("   ");
    for command in
        commands.lines().filter(own).filter_map(|line| line.split_whitespace().next()).filter(|&name| name != "help")
    {
        let row = contract.lines().find(|line| line.starts_with(&format!("| `blowup {command}")));
        let row = row.unwrap_or_else(|| panic!("`blowup {command}`"));
        let option = |text: &'static str| {
            move |line: &str| -> Option<String> {
                let name = line.trim_start().strip_prefix(text)?;
                Some(name.split(|c: char| !(c.is_ascii_lowercase() || c == '-')).next().unwrap().to_owned())
            }
        };
        let named: BTreeSet<String> = row.split('`').filter_map(option("--")).filter(|name| !name.is_empty()).collect();
        let help = checkout.ok(&format!("blowup {command} --help"));
        let there: BTreeSet<String> =
            help.lines().filter(|line| line.starts_with("      --")).filter_map(option("--")).collect();
        assert_eq!(named, there, "blowup {command}");
    }
    let tables: [&[key::Key]; 14] = [
        &key::TOP,
        &key::BLOCK,
        &key::EDGE,
        &key::OVER,
        &key::VARIANT,
        &key::PROGRAM,
        &key::DIVERGENCE,
        &key::RECORD,
        &key::EXPECT,
        &key::BASELINE,
        &key::RANGE,
        &key::MAP,
        &key::WINDOW,
        &key::ZOOM,
    ];
    for name in tables.iter().flat_map(|keys| keys.iter()).map(|key| key.name) {
        assert!(contract.contains(&format!("`{name}`")), "`{name}`");
    }
}
