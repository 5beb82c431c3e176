//! `blowup read`: makes a run directory of logs that other tools have written.

use crate::cli::{Cli, Command, ReadArgs};
use crate::command::sweep;
use crate::read::columns::Asked;
use crate::read::find::{Found, logs};
use crate::read::program::{self, AXIS, LOGS};
use blowup_core::failure::{Exit, Failure, counted};
use blowup_core::output::{self, refuse_other, write};
use clap::Parser;
use std::collections::BTreeMap;
use std::path::Path;

/// The first line of the spec of such a directory.
const MARK: &str = "# Made of logs by `blowup read`.";

/// Reads the logs and folds their verdicts, or tells the records of logs to a sweep that does so.
///
/// # Errors
/// If a log that was named cannot be read, the folder has other files, and those of a sweep.
pub fn run(args: &ReadArgs) -> Result<Exit, Failure> {
    let asked = Asked { loss: args.loss.clone(), grad_norm: args.grad_norm.clone() };
    let Some(out) = args.out.as_ref().filter(|_| !args.as_program) else {
        return program::run(&asked).map(|()| Exit::Done);
    };
    let (mut names, mut paths, mut longest) = (Vec::new(), BTreeMap::new(), 0);
    for Found { name, path, is_named } in logs(&args.paths)? {
        let entries = match crate::read::read(&path, &asked) {
            Ok(entries) if !entries.is_empty() => entries,
            Ok(_) if is_named => return Err(Failure::new(format!("`{}` has no record with a loss", path.display()))),
            Err(failure) if is_named => return Err(failure),
            // A folder has other files too.
            Ok(_) => {
                tracing::warn!("`{}` is left out: it has no record with a loss", path.display());
                continue;
            }
            Err(failure) => {
                tracing::warn!("`{}` is left out: {failure}", path.display());
                continue;
            }
        };
        longest = longest.max(entries.len());
        paths.insert(name.clone(), path);
        names.push(name);
    }
    if names.is_empty() {
        return Err(
            Failure::new("none of the files is a log with a training loss").hint("`--loss NAME` names the loss")
        );
    }
    let title = args.name.clone().unwrap_or_else(|| title(out));
    let spec = spec(&title, &names, longest, &asked);
    empty(out)?;
    let whole = |name: &str| out.join(name);
    let text = serde_json::to_string_pretty(&paths).map_err(|error| Failure::new(error.to_string()))?;
    write(&whole(LOGS), text.as_bytes())?;
    write(&whole(SPEC), spec.as_bytes())?;
    output::print(&format!(
        "{}, at most {} each\n",
        counted(names.len() as u64, "log"),
        counted(longest as u64, "record")
    ))?;
    let at = out.clone().into_os_string();
    let arguments =
        ["blowup".into(), "sweep".into(), whole(SPEC).into_os_string(), "--out".into(), at, "--quiet".into()];
    let Command::Sweep(args) = Cli::parse_from(arguments).command else { unreachable!("it is a sweep") };
    sweep::run(&args)
}

const SPEC: &str = "spec.toml";

/// The name of the folder, as far as it can be that of a sweep.
fn title(out: &Path) -> String {
    let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    let name: String = name.chars().map(legal).collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "logs".to_owned() } else { name.chars().take(100).collect() }
}

/// The spec of a sweep that has a trial for each log. The path of a log is no part of a trial's id,
/// so that the logs of two runs of one script can be compared by their names.
fn spec(title: &str, names: &[String], longest: usize, asked: &Asked) -> String {
    let mut command = vec!["blowup".to_owned(), "read".to_owned(), "--as-program".to_owned()];
    for (option, name) in [("--loss", &asked.loss), ("--grad-norm", &asked.grad_norm)] {
        command.extend(name.iter().flat_map(|name| [option.to_owned(), name.clone()]));
    }
    let quoted = |text: &String| toml::Value::from(text.as_str()).to_string();
    let list = |texts: &[String]| texts.iter().map(quoted).collect::<Vec<_>>().join(", ");
    format!(
        "{MARK} `{LOGS}` has their paths. A record of a log is an epoch.\n\
         name   = {}\nepochs = {longest}\n\n[program]\ncommand = [{}]\naxes    = {{ {AXIS} = \"text\" }}\n\n\
         [record]\nepochs = true\n\n[[grid]]\n{AXIS} = [{}]\n",
        quoted(&title.to_owned()),
        list(&command),
        list(names)
    )
}

/// Makes the folder, and removes what an earlier `read` wrote into it: logs grow.
fn empty(out: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(out).map_err(|error| Failure::io("make the folder", out, &error))?;
    refuse_other(&out.join(SPEC), "spec that `blowup read` wrote", |start| start.starts_with(MARK.as_bytes()))?;
    if !out.join(SPEC).exists() {
        return Ok(());
    }
    for name in ["runs.csv", "runs.crc32", "summary.csv", "epochs.csv", "lost.csv", "manifest.toml"] {
        let path = out.join(name);
        output::remove(&path).map_err(|error| Failure::io("remove", &path, &error))?;
    }
    Ok(())
}
