//! The README's commands in a clean shell, in their order, in a folder that looks like a checkout; what it shows of their output; its specs.
//!
//! A block that cannot run here stands below a comment `<!-- not run by the tests: why -->`; what stands in for it is in `stand_in`. Only the results that the
//! commands read are made beforehand, from few trials of the same specs.

use crate::sweep::stderr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const NOT_RUN: &str = "<!-- not run by the tests: ";

fn readme() -> String {
    std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap()
}

/// A command line of the README.
#[derive(Debug)]
struct Line {
    command: String,
    /// It stands below a comment that says why not.
    runs: bool,
    /// What the README shows of its output.
    output: Option<Vec<String>>,
}

/// Of indented blocks every line, of fenced ones those that begin with `$ `.
fn lines(readme: &str) -> Vec<Line> {
    let mut found: Vec<Line> = Vec::new();
    let (mut fenced, mut runs, mut in_block) = (false, true, false);
    for line in readme.lines() {
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

/// What a command that is not run is held against: that its parts are there and are understood.
fn stand_in(command: &str) -> String {
    if let Some(target) = command.strip_prefix("make ") {
        return format!("make --dry-run {target} > /dev/null");
    }
    if let Some(rest) = command.strip_prefix("cargo run --release -- ") {
        return format!("blowup {rest} --dry-run");
    }
    if let Some(file) = command.strip_prefix("xdg-open ") {
        return format!("test -s {file}");
    }
    match command {
        _ if command.starts_with("cargo ") => format!("{command} --help > /dev/null"),
        _ if command.contains("--device cuda") => format!("{command} --dry-run"),
        _ if command.contains(" --submit") => {
            // Of the sweep in 8 shards that stands before it, there is nothing left.
            format!("rm -r results/t && {}", command.replace(" --submit", ""))
        }
        _ => panic!("nothing stands in for `{command}`: run it, or say here how it is checked"),
    }
}

/// A folder like a checkout that was built.
struct Checkout {
    dir: tempfile::TempDir,
    /// The README's line that puts `blowup` on the PATH.
    path: String,
}

impl Checkout {
    fn new(path: &str) -> Checkout {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["experiments", "scripts", "Makefile", "Cargo.toml", "src"] {
            symlink(Path::new(ROOT).join(name), at(name)).unwrap();
        }
        std::fs::create_dir_all(at("target/release")).unwrap();
        symlink(env!("CARGO_BIN_EXE_blowup"), at("target/release/blowup")).unwrap();
        Checkout { dir, path: path.to_owned() }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// In a shell that knows nothing but where the system's programs and cargo are.
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

/// Whether a line came out as it is shown: the same words, and numbers that are the same to a hundredth, as other CPUs round differently.
fn alike(shown: &str, found: &str) -> bool {
    let same = |a: &str, b: &str| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 0.01 * a.abs(),
        _ => a == b,
    };
    let (shown, found) = (shown.split_whitespace(), found.split_whitespace());
    shown.clone().count() == found.clone().count() && shown.zip(found).all(|(a, b)| same(a, b))
}

/// `...` stands for any lines.
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
        assert!(there, "{command}\nthe README shows\n{line}\nwhich is not (or not there) in\n{found}");
        skips = false;
    }
    assert!(skips || found_lines.next().is_none(), "{command} prints more than the README shows:\n{found}");
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
fn its_commands_run_in_a_clean_shell_and_print_what_it_shows() {
    let text = readme();
    let lines = lines(&text);
    let path =
        lines.iter().find(|line| line.command.starts_with("export PATH=")).expect("how `blowup` gets on the PATH");
    let checkout = Checkout::new(&path.command);
    // What the commands read, of few trials.
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
    assert!(ran >= 7, "{ran} of {} commands ran", lines.len());
    assert_eq!(lines.iter().filter(|line| line.output.is_some()).count(), 2);
}

#[test]
fn its_line_for_ci_runs() {
    let text = readme();
    let line = text.split("In CI: `").nth(1).and_then(|rest| rest.split('`').next()).expect("the line");
    let path = lines(&text).into_iter().find(|line| line.command.starts_with("export PATH=")).unwrap();
    let checkout = Checkout::new(&path.command);
    checkout.write("gate.toml", TINY);
    checkout.ok("blowup sweep gate.toml --quiet --out main");
    let found = checkout.ok(line);
    assert!(found.contains("gate passed"), "{found}");
    assert!(checkout.dir.path().join("report.xml").exists());
}

/// The fenced blocks of a language.
fn fenced<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

#[test]
fn its_specs_are_specs() {
    let text = readme();
    let [spec, expect] = fenced(&text, "toml")[..] else { panic!("two blocks of TOML") };
    let checkout = Checkout::new("export PATH=\"$PWD/target/release:$PATH\"");
    checkout.write("mine.toml", spec);
    let plan = checkout.shell("blowup sweep mine.toml --dry-run");
    assert!(plan.status.success() && plan.stderr.is_empty(), "{}", stderr(&plan));
    // The other one is said to be from experiments/smoke.toml: what stands before a comment is there, line by line.
    let code = |line: &str| line.split("  #").next().unwrap().split_whitespace().collect::<String>();
    let smoke = std::fs::read_to_string(Path::new(ROOT).join("experiments/smoke.toml")).unwrap();
    let there: Vec<String> = smoke.lines().map(code).collect();
    for line in expect.lines().map(code).filter(|line| !line.is_empty()) {
        assert!(there.contains(&line), "`{line}` is not in experiments/smoke.toml");
    }
}

#[test]
fn every_target_of_make_and_every_command_that_it_names_is_there() {
    let (text, makefile) = (readme(), std::fs::read_to_string(Path::new(ROOT).join("Makefile")).unwrap());
    let checkout = Checkout::new("export PATH=\"$PWD/target/release:$PATH\"");
    let help = checkout.ok("blowup --help");
    let word = |rest: &str| rest.split(|c: char| !(c.is_ascii_lowercase() || c == '-')).next().unwrap().to_owned();
    for target in text.split("`make ").skip(1).map(word) {
        assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
    }
    for command in text.split("`blowup ").skip(1).map(word).filter(|word| !word.starts_with('-')) {
        assert!(help.contains(&format!("\n  {command} ")), "blowup {command}");
    }
}
