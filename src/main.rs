//! The program. It parses the command line, runs a command, and ends with the exit status of the
//! command.

use blowup::cli::{Cli, Command};
use blowup::command;
use blowup::progress::to_stderr;
use blowup::stderr;
use blowup_core::failure::{Exit, Failure};
use blowup_core::log;
use blowup_core::output;
use blowup_core::signals;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    signals::let_writes_fail();
    log::start(|| stderr::Log);
    let status = match Cli::try_parse().map_or_else(answer, |cli| run(cli.command)) {
        Ok(exit) => ExitCode::from(exit.status()),
        Err(failure) => {
            to_stderr(&failure.to_string());
            ExitCode::from(Failure::STATUS)
        }
    };
    stderr::flush();
    status
}

/// Prints what `--help` and `--version` ask for, or ends with what is wrong with the command line.
fn answer(error: clap::Error) -> Result<Exit, Failure> {
    if error.use_stderr() {
        error.exit();
    }
    // A terminal gets colours.
    let text = error.render();
    let text = if output::is_terminal() { text.ansi().to_string() } else { text.to_string() };
    output::print(&text).map(|()| Exit::Done)
}

fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Sweep(args) => command::sweep::run(&args),
        Command::Check(args) => command::check::run(&args),
        Command::Worker(args) => command::worker::run(&args),
        Command::Plot(args) => command::plot::run(&args),
        Command::Read(args) => command::read::run(&args),
        Command::Replay(args) => command::replay::run(&args),
        Command::Merge(args) => command::merge::run(&args),
        Command::Slurm(args) => command::slurm::run(&args),
        Command::Schema => command::schema::run(),
        Command::Export(args) => command::export::run(&args),
        #[cfg(feature = "engine")]
        Command::Demo => command::demo::run(),
        Command::Completions(args) => command::completions::run(&args),
        Command::Man(args) => command::man::run(&args),
        Command::Map(args) => command::map::run(&args),
    }
}
