//! What a shell and `man` get: completions and manual pages.

use crate::sweep::Place;
use std::io::Write;
use std::process::{Command, Stdio};

/// The commands that `--help` lists.
fn commands(place: &Place) -> Vec<String> {
    let help = place.ok("--help");
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    // What is indented further goes on with the line before it.
    let names = list.lines().filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn completions_are_scripts_that_name_every_command_and_no_hidden_one() {
    let place = Place::new("");
    let commands = commands(&place);
    assert!(commands.len() > 10, "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = place.ok(&format!("completions {shell}"));
        for name in &commands {
            assert!(script.contains(name.as_str()), "{shell}: {name}");
        }
        // The options of `sweep` are there, and the command that only the program calls is not.
        let worker = ["worker)", "\"worker\"", "'worker"];
        assert!(script.contains("where") && !worker.iter().any(|word| script.contains(word)), "{shell}");
        // Where the shell is installed it must be able to read the script.
        let Ok(mut child) = Command::new(shell).args(["-n"]).stdin(Stdio::piped()).spawn() else { continue };
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{shell}");
    }
    assert!(place.refused("completions tcsh").contains("possible values: bash"));
}

#[test]
fn bash_completes_commands_and_options() {
    let place = Place::new("");
    place.write("blowup.bash", &place.ok("completions bash"));
    let complete = |words: &str| {
        let script = format!(
            "source blowup.bash; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _blowup blowup \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD - 1]}}\"; echo \"${{COMPREPLY[*]}}\""
        );
        let output = Command::new("bash").args(["-c", &script]).current_dir(place.path("")).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("blowup me"), "merge");
    assert_eq!(complete("blowup sweep --dry"), "--dry-run");
    assert_eq!(complete("blowup export --format ''"), "parquet jsonl");
}

#[test]
fn every_command_has_a_manual_page() {
    let place = Place::new("");
    let told = place.ok("man pages");
    let commands = commands(&place);
    assert_eq!(told.lines().count(), commands.len() + 1, "{told}");
    for name in &commands {
        let page = place.read(&format!("pages/blowup-{name}.1"));
        assert!(page.contains(&format!(".TH blowup-{name} 1 ")), "{name}");
    }
    assert!(place.read("pages/blowup-sweep.1").contains("\\-\\-dry\\-run"));
    // A page is replaced by its next version, and no other file is.
    place.ok("man pages");
    place.write("pages/blowup.1", "mine");
    assert!(place.refused("man pages").contains("`pages/blowup.1` is there and is no manual page"));
}

#[test]
fn the_demo_sweeps_into_a_new_folder_and_says_where_to_look() {
    let place = Place::new("");
    let demo = || {
        let output = Command::new(env!("CARGO_BIN_EXE_blowup"))
            .arg("demo")
            .env("TMPDIR", place.path(""))
            .current_dir(place.path(""))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let told = demo();
    assert!(told.contains("448 trials:\n") && told.contains("smoke/report.html"), "{told}");
    assert!(place.path("blowup-demo-0/smoke/report.html").exists());
    // What it says to ask next can be asked.
    assert!(place.ok("check blowup-demo-0/smoke").contains("gate passed"));
    demo();
    assert!(place.path("blowup-demo-1/smoke/runs.csv").exists());
}
