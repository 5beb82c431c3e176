//! The program. It parses the command line, runs a command, and ends with the exit status of the
//! command.

use blowup::cli::{Cli, Command};
use blowup::command;
use blowup::json::event::{self, Event, Message};
use blowup::stderr;
use blowup_core::failure::{Exit, Failure};
use blowup_core::log;
use blowup_core::output;
use blowup_core::signals;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    signals::let_writes_fail();
    let parsed = Cli::try_parse();
    if parsed.as_ref().is_ok_and(|cli| cli.command.is_for_programs()) {
        stderr::tell_programs();
    }
    log::start(|| stderr::Log, stderr::is_for_programs().then_some(event::logged));
    let status = match parsed.map_or_else(answer, |cli| run(cli.command)) {
        Ok(exit) => ExitCode::from(exit.status()),
        Err(failure) => {
            fail(&failure);
            ExitCode::from(Failure::STATUS)
        }
    };
    stderr::flush();
    status
}

/// Says why a command could not run: one text, or an event for each thing that is wrong.
fn fail(failure: &Failure) {
    if !stderr::is_for_programs() {
        return stderr::note(&failure.to_string());
    }
    for message in Message::of(failure) {
        stderr::tell("", &Event::Error(message));
    }
}

/// Prints what `--help` and `--version` ask for, or ends with what is wrong with the command line.
fn answer(error: clap::Error) -> Result<Exit, Failure> {
    if error.use_stderr() {
        error.exit();
    }
    // A terminal gets colours.
    let text = error.render();
    let text = if output::wants_colour(output::is_terminal()) { text.ansi().to_string() } else { text.to_string() };
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
