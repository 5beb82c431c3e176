//! `blowup demo`: a small sweep from nothing to a report, into a folder of its own.

use crate::cli::{Cli, Command};
use crate::command::sweep;
use blowup_core::failure::{Exit, Failure};
use blowup_core::output::{print, write};
use clap::Parser;
use std::io::ErrorKind;
use std::path::PathBuf;

/// The spec that is swept.
const SPEC: &str = include_str!("../../experiments/smoke.toml");

/// Sweeps the spec and says where to look.
///
/// # Errors
/// If no folder can be made, and those of a sweep.
pub fn run() -> Result<Exit, Failure> {
    let folder = folder()?;
    let (spec, out) = (folder.join("smoke.toml"), folder.join("smoke"));
    write(&spec, SPEC.as_bytes())?;
    let arguments =
        ["blowup".into(), "sweep".into(), spec.clone().into_os_string(), "--out".into(), out.into_os_string()];
    let Command::Sweep(args) = Cli::parse_from(arguments).command else { unreachable!("it is a sweep") };
    let exit = sweep::run(&args)?;
    let [spec, out] = [spec, folder.join("smoke")].map(|path| path.display().to_string());
    print(&format!(
        "\nlook   {out}/report.html     one page: phase diagrams, trials, curves; open it in a browser\n\
         ask    blowup check {out}     do the expectations of the spec hold?\n\
         draw   blowup plot {out} --terminal\n\
         change {spec}     a spec of your own begins as a copy of it\n"
    ))?;
    Ok(exit)
}

/// A new folder for temporary files.
fn folder() -> Result<PathBuf, Failure> {
    let mut n = 0;
    loop {
        let path = std::env::temp_dir().join(format!("blowup-demo-{n}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists && n < 10_000 => n += 1,
            Err(error) => return Err(Failure::io("make the folder", &path, &error)),
        }
    }
}
