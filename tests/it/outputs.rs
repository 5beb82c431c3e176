//! What the program waits for, what it overwrites, and what it does where nothing can be written:
//! pipes in the place of files, full disks, and files of the user's own.

use crate::check::expecting;
use crate::sweep::{Place, stderr};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::process::{Command, Output};

const SPEC: &str = "name='t'\nepochs=2\n[task]\nkind='teacher'\nsamples=8\n[record]\nepochs=true\nlayers=[0]\nsteps=2\n[[grid]]\n\
                    lr=[0.1,1.0]\n[[expect]]\nmetric='mean(backprop_norm[1])'\nmin=0\n";

/// A finished sweep in `r`.
fn swept() -> Place {
    let place = Place::new(SPEC);
    place.ok("sweep t.toml --out r --quiet");
    place
}

/// Runs a script of bash, in which `$B` is the program. It must end by itself: after a minute it is
/// stopped, with status 124.
fn bash(place: &Place, script: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_blowup");
    let mut command = Command::new("timeout");
    command.args(["60", "bash", "-c", script]).env("B", program).current_dir(place.dir.path()).output().unwrap()
}

fn is_pipe(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_fifo())
}

#[test]
fn no_command_waits_for_a_pipe_in_the_place_of_a_file_of_results() {
    let place = swept();
    let trial = place.read("r/runs.csv").lines().last().unwrap().split(',').next().unwrap().to_owned();
    place.ok("sweep t.toml --out s --shard 1/1 --quiet");
    place.ok("sweep t.toml --out b --quiet");
    let replay = format!("replay f {trial}");
    let commands = [
        ("r", "check f"),
        ("r", "check b --baseline f"),
        ("r", "plot f"),
        ("r", &replay),
        ("r", "sweep t.toml --out f --quiet"),
        ("r", "export f --format jsonl --out m"),
        ("s/shard-1-of-1", "merge m f"),
    ];
    let files = [
        "runs.csv",
        "runs.crc32",
        "epochs.csv",
        "layers.csv",
        "steps.csv",
        "summary.csv",
        "spec.toml",
        "manifest.toml",
        "report.html",
        "lost.csv",
    ];
    for file in files {
        for (from, arguments) in commands {
            let script = format!("rm -rf f m; cp -r {from} f; rm -f f/{file}; mkfifo f/{file}; $B {arguments}");
            let output = bash(&place, &script);
            let (status, text) = (output.status.code(), stderr(&output));
            // Either this command reads no part of it, or an error names it.
            let told = text.contains(file) || file == "runs.crc32" && text.contains("runs.c");
            assert!(
                status == Some(0) || matches!(status, Some(1 | 2)) && told,
                "{file}: {arguments}: {status:?}\n{text}"
            );
        }
    }
}

#[test]
fn a_pipe_in_the_place_of_a_lock_or_of_a_temporary_file_is_not_waited_for() {
    let place = Place::new(SPEC);
    for file in [".lock", "runs.csv.tmp", "runs.crc32.tmp", "spec.toml.tmp", "manifest.toml.tmp", "summary.csv.tmp"] {
        let output = bash(&place, &format!("rm -rf f; mkdir f; mkfifo f/{file}; $B sweep t.toml --out f --quiet"));
        assert!(
            output.status.code() == Some(2) && stderr(&output).contains("not a regular file"),
            "{file}: {}",
            stderr(&output)
        );
        assert!(is_pipe(&place.path("f").join(file)) || !place.path("f/runs.csv").exists());
    }
}

#[test]
fn no_file_argument_is_waited_for() {
    let place = swept();
    for arguments in [
        "check r --baseline p",
        "plot p",
        "check p",
        "replay p t0",
        "merge p r",
        "merge m p",
        "sweep t.toml --out p",
        "slurm p --shards 2",
        "slurm --status p",
        "replay r t0 --trace p",
        "check r --junit p",
        "export p --format jsonl",
        "export r --format jsonl --out p",
        "read p --out m",
    ] {
        let output = bash(&place, &format!("[ -p p ] || mkfifo p; $B {arguments}"));
        assert_eq!(output.status.code(), Some(2), "{arguments}: {}", stderr(&output));
        assert!(stderr(&output).contains("error: "), "{arguments}: {}", stderr(&output));
    }
}

#[test]
fn a_spec_may_come_from_a_process() {
    let place = swept();
    for arguments in
        ["sweep <(cat t.toml) --dry-run", "check r --spec <(cat t.toml)", "sweep <(cat t.toml) --out s --quiet"]
    {
        let output = bash(&place, &format!("$B {arguments}"));
        assert_eq!(output.status.code(), Some(0), "{arguments}: {}", stderr(&output));
    }
    assert!(!place.read("s/manifest.toml").contains("\nspec = "));
}

#[test]
fn a_junit_report_goes_into_a_pipe() {
    let place = swept();
    for script in [
        "$B check r --junit - > out.xml 2> /dev/null",
        "$B check r --junit /dev/stdout 2> /dev/null | cat > out.xml; exit ${PIPESTATUS[0]}",
        "$B check r --junit /dev/stdout 2> /dev/null > out.xml",
        "$B check r --junit >(cat > out.xml) > /dev/null; s=$?; wait $!; exit $s",
        "mkfifo f; cat f > out.xml & $B check r --junit f > /dev/null; s=$?; wait; exit $s",
    ] {
        let output = bash(&place, &format!("rm -f out.xml; {script}"));
        assert_eq!(output.status.code(), Some(0), "{script}: {}", stderr(&output));
        let report = quick_junit::Report::deserialize_from_str(&place.read("out.xml")).unwrap();
        assert_eq!((report.tests, report.failures), (5, 0), "{script}");
    }
    assert!(!place.path("-").exists());
    let output = bash(&place, "mkfifo g; $B check r --junit g");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("cannot write `g`: it is a pipe that nobody reads"), "{}", stderr(&output));
}

#[test]
fn standard_output_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_none() {
    let place = swept();
    let trial = place.read("r/runs.csv").lines().last().unwrap().split(',').next().unwrap().to_owned();
    place.ok("sweep t.toml --out s --shard 1/1 --quiet");
    for arguments in [
        "plot r --terminal",
        "plot r",
        "check r",
        "check r --junit -",
        &format!("replay r {trial}"),
        "sweep t.toml --out r --dry-run",
        "sweep t.toml --out r --quiet",
        "sweep t.toml --out n --quiet",
        "merge m s/shard-1-of-1",
        "slurm t.toml --shards 1 --out s",
        "slurm --status s",
        "schema",
        "--help",
        "check --help",
        "--version",
    ] {
        let output = bash(&place, &format!("$B {arguments} > /dev/full"));
        assert_eq!(output.status.code(), Some(2), "{arguments}: {}", stderr(&output));
        let expected = "cannot write to standard output: no space left on device\nhint: ";
        assert!(stderr(&output).contains(expected), "{arguments}: {}", stderr(&output));
        let output = bash(
            &place,
            &format!("$B {arguments} 2> err | true; s=${{PIPESTATUS[0]}}; grep -q standard err && exit 9; exit $s"),
        );
        assert_eq!(output.status.code(), Some(0), "{arguments}");
    }
}

/// The files of a folder with their bytes.
fn content(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.is_file())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_folder_with_files_of_the_users_own_is_no_place_for_results() {
    for (file, text) in [
        ("spec.toml", "name = \"main\"\n[[grid]]\nlr = [0.1, 0.2\n"),
        ("spec.toml", "name='mine'\nepochs=1\ntask={kind='noise'}\n[[grid]]\nlr=1\n"),
        ("report.html", "my own report"),
        ("report.html", "<!doctype html>\n<title>my own report</title>\n"),
        ("summary.csv", "model,score\na,1\n"),
        ("manifest.toml", "[package]\nname = \"mine\"\n"),
        ("lost.csv", "name\n"),
        ("runs.csv", "name\n"),
        ("epochs.csv", "name\n"),
    ] {
        let place = Place::new(SPEC);
        place.ok("sweep t.toml --out s --shard 1/1 --quiet");
        std::fs::create_dir(place.path("r")).unwrap();
        place.write(&format!("r/{file}"), text);
        let before = content(&place.path("r"));
        for arguments in ["sweep t.toml --out r --quiet", "sweep t.toml --out r --dry-run", "merge r s/shard-1-of-1"] {
            let error = place.refused(arguments);
            assert!(error.contains(&format!("`r/{file}`")) && error.contains("hint: "), "{arguments}\n{error}");
            assert_eq!(content(&place.path("r")), before, "{arguments}");
        }
    }
}

#[test]
fn a_spec_in_its_own_folder_of_results_stays_what_it_is() {
    let place = Place::new("");
    place.write("spec.toml", SPEC);
    place.ok("sweep spec.toml --out . --quiet");
    assert_eq!(place.read("spec.toml"), SPEC);
    place.ok("sweep spec.toml --out . --quiet");
    // A folder that a killed sweep left is not somebody else's.
    let place = swept();
    std::fs::remove_file(place.path("r/manifest.toml")).unwrap();
    place.ok("sweep t.toml --out r --quiet --allow-mixed");
}

#[test]
fn figures_reports_and_scripts_of_the_users_own_are_kept() {
    let place = swept();
    let listed = place.ok("plot r");
    assert_eq!(place.ok("plot r"), listed);
    let own = "<svg xmlns=\"http://www.w3.org/2000/svg\"><title>mine</title></svg>\n";
    for figure in listed.lines().filter(|line| line.contains("survival")) {
        let kept = std::fs::read(place.path(figure)).unwrap();
        let own = if figure.ends_with(".svg") { own.as_bytes() } else { b"\x89PNG\r\n\x1a\n and nothing of blowup's" };
        std::fs::write(place.path(figure), own).unwrap();
        if figure.ends_with(".png") {
            // The SVG beside a PNG file vouches for it, if an older version wrote it.
            std::fs::remove_file(place.path(figure).with_extension("svg")).unwrap();
        }
        let error = place.refused("plot r");
        assert!(error.contains(&format!("`{figure}` is there and is no figure of blowup's")), "{error}");
        assert_eq!(std::fs::read(place.path(figure)).unwrap(), own);
        std::fs::write(place.path(figure), kept).unwrap();
    }
    place.write("r/report.html", "my notes");
    assert!(place.refused("plot r").contains("`r/report.html` is there and is no report of blowup's"));
    place.write(
        "r/runs.csv",
        &place.read("r/runs.csv").lines().take(2).map(|line| format!("{line}\n")).collect::<String>(),
    );
    let output = place.run("sweep t.toml --out r --quiet");
    assert_eq!((output.status.code(), stderr(&output).contains("report.html was not written")), (Some(0), true));
    assert_eq!(place.read("r/report.html"), "my notes");

    std::fs::create_dir_all(place.path("q/slurm")).unwrap();
    place.write("q/slurm/submit.sh", "sbatch mine.sh\n");
    assert!(place.refused("slurm t.toml --shards 2 --out q").contains("`q/slurm/submit.sh` is there"));
    assert_eq!(place.read("q/slurm/submit.sh"), "sbatch mine.sh\n");
    std::fs::create_dir_all(place.path("m/.merging")).unwrap();
    place.write("m/.merging/notes", "mine");
    place.ok("sweep t.toml --out s --shard 1/1 --quiet");
    assert!(place.refused("merge m s/shard-1-of-1").contains("`m/.merging`"));
    assert_eq!(place.read("m/.merging/notes"), "mine");
}

#[test]
fn junit_replaces_a_junit_report_and_no_other_file() {
    let place = Place::new(&expecting("metric = \"divergence_rate\"\nmax = 1"));
    place.ok("sweep t.toml --out r --quiet");
    for (text, ours) in [
        ("", true),
        ("<?xml version=\"1.0\"?>\n<testsuite name=\"pytest\"/>", true),
        ("<testsuites/>", true),
        ("<?xml version=\"1.0\"?>\n<!-- made by hand -->\n<testsuites>", true),
        ("<?xml version=\"1.0\"?>\n<project/>", false),
        ("<?xml version=\"1.0\"?><testsuitesque/>", false),
        ("<svg/>", false),
        ("notes", false),
    ] {
        place.write("out.xml", text);
        let output = place.run("check r --junit out.xml");
        assert_eq!(output.status.code(), Some(if ours { 0 } else { 2 }), "{text}");
        assert_eq!(place.read("out.xml") == text, !ours, "{text}");
    }
    assert!(place.refused("check r --junit r").contains("`r` is a folder"));
}
