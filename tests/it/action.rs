//! The GitHub action: the shell of action.yml runs in a repository with a base branch and a pull
//! request, in which a program that is swept has changed. Only `gh` is played.

use crate::sweep::{Place, stderr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const SPEC: &str = "\
name = \"t\"
epochs = 4
seeds = 9
[program]
command = [\"python3\", \"train.py\"]
axes = { gain = \"float\" }
[[grid]]
gain = [1.0, 2.0]
[[expect]]
name = \"it | trains\"
metric = \"divergence_rate\"
max = 0.1
";

/// A program whose loss is `expression` of the epoch and the gain.
fn program(expression: &str) -> String {
    format!(
        "import blowup\ndef train(trial):\n    for epoch in range(trial.epochs):\n        trial.step({expression}, 1.0, epoch=epoch)\nblowup.trials(train)\n"
    )
}

/// The value of each variable that action.yml gives its script, where the inputs have their
/// defaults.
fn variables() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(Path::new(ROOT).join("action.yml")).unwrap();
    let (inputs, steps) = text.split_once("\nruns:\n").unwrap();
    let default = |name: &str| {
        let of = inputs.split(&format!("\n  {name}:\n")).nth(1).unwrap_or_else(|| panic!("no input {name}"));
        let line = of.lines().find_map(|line| line.trim().strip_prefix("default: ")).unwrap();
        line.trim_matches('"').to_owned()
    };
    let variable = |line: &str| {
        let (name, value) = line.trim().split_once(": ${{ ")?;
        let value = value.strip_suffix(" }}")?;
        let value = value.strip_prefix("inputs.").map_or_else(String::new, default);
        Some((name.to_owned(), value))
    };
    steps.split("      env:\n").nth(1).unwrap().lines().filter_map(variable).collect()
}

struct Runner {
    place: Place,
    base: String,
}

impl Runner {
    /// A repository whose base has the first program, and whose checkout has the second.
    fn new(before: &str, now: &str) -> Runner {
        let place = Place::new(SPEC);
        let runner = Runner { place, base: String::new() };
        runner.place.write("train.py", &program(before));
        runner.git("init --quiet --initial-branch main .");
        let base = runner.commit();
        runner.place.write("train.py", &program(now));
        runner.commit();
        runner.git("remote add origin .");
        std::fs::create_dir(runner.place.path("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_blowup"), runner.place.path("bin/blowup")).unwrap();
        // It knows of a comment once it has written one.
        let gh = "#!/bin/sh\nfor a; do echo \"$a\" >> calls; done\n\
                  case $* in *--paginate*) [ ! -f posted ] || echo 17 ;; *) touch posted ;; esac\n";
        runner.place.write("bin/gh", gh);
        std::fs::set_permissions(runner.place.path("bin/gh"), std::fs::Permissions::from_mode(0o755)).unwrap();
        Runner { base, ..runner }
    }

    fn git(&self, args: &str) -> String {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
        let output =
            Command::new("git").current_dir(self.place.dir.path()).args(identity).args(args.split(' ')).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{args}: {}", stderr(&output));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self) -> String {
        self.git("add t.toml train.py");
        self.git("commit --quiet --allow-empty --message x");
        self.git("rev-parse HEAD")
    }

    /// Runs the step of the action, with these variables beside those of action.yml.
    fn run(&self, more: &[(&str, &str)]) -> Output {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.place.path("bin").display());
        let mut step = Command::new("sh");
        step.current_dir(self.place.dir.path()).args(["-c", "sh \"$GITHUB_ACTION_PATH/scripts/action.sh\""]);
        step.envs(variables())
            .env("PATH", path)
            .env("GITHUB_ACTION_PATH", ROOT)
            .env("PYTHONPATH", format!("{ROOT}/python"));
        step.env("GITHUB_OUTPUT", self.place.path("output")).env("GITHUB_STEP_SUMMARY", self.place.path("summary"));
        step.env("GITHUB_REPOSITORY", "o/r").env("GITHUB_WORKSPACE", self.place.dir.path()).env("SPEC", "t.toml");
        step.env("BASE_SHA", &self.base).env("PULL_REQUEST", "5").envs(more.iter().copied());
        step.output().unwrap()
    }
}

#[test]
fn the_step_of_the_action_is_the_one_that_is_tried_here() {
    let text = std::fs::read_to_string(Path::new(ROOT).join("action.yml")).unwrap();
    assert!(text.contains("\n      run: sh \"$GITHUB_ACTION_PATH/scripts/action.sh\"\n"), "{text}");
    let script = std::fs::read_to_string(Path::new(ROOT).join("scripts/action.sh")).unwrap();
    let names: Vec<String> = variables().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["SPEC", "LOGS", "SET", "BASELINE", "OUT", "COMMENT", "GH_TOKEN", "PULL_REQUEST", "BASE_SHA"]);
    for name in names.iter().filter(|name| *name != "GH_TOKEN") {
        assert!(script.contains(&format!("${name}")), "{name}");
    }
}

#[test]
fn a_pull_request_that_breaks_training_fails_with_the_cells_that_have_changed() {
    let runner = Runner::new("1 / (epoch + 1)", "1 / (epoch + 1) if trial.gain < 2 else 1e9 ** epoch");
    let output = runner.run(&[]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{stdout}{}", stderr(&output));
    let comment = runner.place.read("blowup-results/comment.md");
    assert!(comment.contains("The outcomes of 9 of 18 trials have changed against the base:"), "{comment}");
    assert!(comment.contains("| gain=2.0 | converged | diverged | 9 |"), "{comment}");
    assert!(!comment.contains("gain=1.0"), "{comment}");
    assert!(comment.contains("| `baseline-regressed` |") && comment.contains("it \\| trains: divergence_rate is 0.5"));
    assert_eq!(runner.place.read("summary"), comment);
    assert!(stdout.contains("::error file=t.toml,line=9,"), "{stdout}");
    assert!(runner.place.read("output").ends_with("/blowup-results/run\n"));
    assert!(!runner.place.path("blowup-results/base-branch").exists());
    let calls = runner.place.read("calls");
    assert!(calls.contains("POST\nrepos/o/r/issues/5/comments\n-F\nbody=@"), "{calls}");
    // A second run writes the same comment anew, and sweeps nothing again.
    let again = runner.run(&[]);
    assert_eq!(again.status.code(), Some(1), "{}", stderr(&again));
    let calls = runner.place.read("calls");
    assert!(calls.contains("PATCH\nrepos/o/r/issues/comments/17\n-F\nbody=@"), "{calls}");
}

#[test]
fn a_pull_request_that_changes_nothing_passes() {
    let runner = Runner::new("1 / (epoch + 1)", "1.0 / (epoch + 1)");
    let output = runner.run(&[("SET", "seeds=2\ngain=[1.0, 3.0]\n"), ("COMMENT", "false")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let comment = runner.place.read("blowup-results/comment.md");
    assert!(comment.contains("the gate passed") && comment.contains("No outcome of 4 trials has changed"), "{comment}");
    assert!(!runner.place.path("calls").exists());
}

#[test]
fn without_something_to_compare_with_the_gate_alone_decides() {
    let runner = Runner::new("1 / (epoch + 1)", "1 / (epoch + 1)");
    runner.place.write("other.toml", &SPEC.replace("seeds = 9", "seeds = 2"));
    let output = runner.run(&[("SPEC", "other.toml")]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{stdout}{}", stderr(&output));
    assert!(stdout.contains("::notice::the base branch has no `other.toml`"), "{stdout}");
    // A mistake in the spec is status 2, and no comment says that anything passed.
    runner.place.write("other.toml", "name = 1\n");
    let output = runner.run(&[("SPEC", "other.toml"), ("OUT", "fresh")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!runner.place.path("fresh/comment.md").exists());
}
