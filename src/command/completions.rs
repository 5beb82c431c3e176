//! `blowup completions`: prints what lets a shell complete the command line.

use crate::cli::{Cli, CompletionsArgs};
use blowup_core::failure::{Exit, Failure};
use blowup_core::output::print;
use clap::{Command, CommandFactory};

/// Prints the script for the shell.
///
/// # Errors
/// If standard output cannot be written.
pub fn run(args: &CompletionsArgs) -> Result<Exit, Failure> {
    // What `--help` does not show is not completed.
    let shown = Cli::command().get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect::<Vec<_>>();
    let mut program = Command::new("blowup").version(env!("CARGO_PKG_VERSION")).subcommands(shown);
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "blowup", &mut script);
    print(&String::from_utf8_lossy(&script)).map(|()| Exit::Done)
}
