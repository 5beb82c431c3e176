//! Trials that a program of the user trains, as `[program]` in a spec asks for. A worker process
//! starts the program once and hands it one trial after the other, each as a line of JSON. It makes
//! the verdict of a trial from the lines that come back. To the parent of the sweep it is a worker
//! like any other. docs/program.md says what the lines are.

mod child;
mod course;
mod line;

use blowup_core::child::{Outbox, keep_stdout, listen};
use blowup_core::protocol::{self, Order, Report, Wanted};
use blowup_core::record::Lost;
use blowup_core::spec::program::Program;
use blowup_core::trial::Trial;
use blowup_core::verdict::{Finished, Record};
use child::{RunningProgram, adopt_orphans, end_all};
use course::TrialMessages;
use line::{DoneMessage, ProgramMessage};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// The version of the lines between a program and blowup.
pub const PROTOCOL: u32 = 1;

/// The fingerprint of a program. Blowup does not know what a program computes with, so all programs
/// have the same one.
const FINGERPRINT: &str = "a program";

/// How a program is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    pub command: Vec<String>,
    /// The path of the folder in which it runs.
    pub folder: String,
}

impl Launch {
    /// The program of a spec, which runs in the folder of the spec.
    pub fn of(program: &Program, spec: &Path) -> Launch {
        let folder = spec.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        let folder = folder.display().to_string();
        Launch { command: program.command.clone(), folder }
    }
}

/// Why a trial has no verdict, and what of the program.
struct Unfinished {
    text: String,
    state: State,
}

/// What a program is about when a trial is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It waits for the next trial.
    Waiting,
    /// It says what belongs to no trial.
    Talking,
    /// It has ended, or must.
    Broken,
}

/// Is a worker that trains with the program, until its stdin closes.
///
/// # Errors
/// If the parent is gone, or sends an order that makes no sense.
pub fn work(launch: &Launch) -> io::Result<()> {
    adopt_orphans();
    let mut out = keep_stdout()?;
    let mut program = match RunningProgram::start(launch) {
        Ok(running) => Some(running),
        Err(what) => {
            let hint = format!(
                "it runs in `{}` and must first say {{\"ready\": {PROTOCOL}}}: see docs/program.md",
                launch.folder
            );
            return protocol::send(&mut out, &Report::Unable { what, hint });
        }
    };
    protocol::send(&mut out, &Report::Hello { version: protocol::VERSION, fingerprint: FINGERPRINT.to_owned() })?;
    for order in listen(end_all) {
        let (chunk, record, trials) = match order? {
            Order::Train { chunk, wanted: Wanted::Rows(record), trials, .. } => (chunk, record, trials),
            Order::Train { wanted: Wanted::Pixels(_), .. } => {
                let (what, hint) = ("a program draws no map".to_owned(), "a map is of a built-in net".to_owned());
                return protocol::send(&mut out, &Report::Unable { what, hint });
            }
            Order::Replay { .. } => {
                let message = "a program's trial is not replayed: run the program itself".to_owned();
                protocol::send(&mut out, &Report::Untrained { message, bug: false })?;
                continue;
            }
        };
        let mut outbox = Outbox::new(chunk, &mut out);
        let mut report = Report::Done { chunk };
        for (index, trial) in trials.iter().enumerate() {
            match trained(&mut program, launch, trial, &record) {
                Ok(finished) => match outbox.put(index, trial, &finished) {
                    Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                        report = too_long(chunk, &error);
                        break;
                    }
                    put => put?,
                },
                Err(message) => {
                    report = Report::Failed { chunk, lost: Lost::Crashed, message };
                    break;
                }
            }
        }
        match outbox.flush() {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => report = too_long(chunk, &error),
            flushed => flushed?,
        }
        protocol::send(&mut out, &report)?;
    }
    Ok(())
}

fn too_long(chunk: u64, error: &io::Error) -> Report {
    let message = format!("its rows cannot be handed over, record fewer of its steps: {error}");
    Report::Failed { chunk, lost: Lost::Crashed, message }
}

/// Trains one trial with the program that runs or, if there is none, with one that is started now.
fn trained(
    program: &mut Option<RunningProgram>,
    launch: &Launch,
    trial: &Trial,
    record: &Record,
) -> Result<Finished, String> {
    if let Some(mut running) = program.take() {
        match train(&mut running, trial, record) {
            // What is left over from the trial before is not this one's fault.
            Err(Unfinished { state: State::Talking, text }) => drop(running.end(&text)),
            trained => return settled(program, running, trained),
        }
    }
    let mut running = RunningProgram::start(launch)?;
    let trained = train(&mut running, trial, record);
    settled(program, running, trained)
}

/// Keeps the program for the next trial, if it can train one.
fn settled(
    program: &mut Option<RunningProgram>,
    running: RunningProgram,
    trained: Result<(Finished, State), Unfinished>,
) -> Result<Finished, String> {
    match trained {
        Ok((finished, State::Waiting)) => {
            *program = Some(running);
            Ok(finished)
        }
        Ok((finished, State::Talking | State::Broken)) => {
            running.end("");
            Ok(finished)
        }
        Err(Unfinished { text, state: State::Waiting }) => {
            *program = Some(running);
            Err(text)
        }
        Err(Unfinished { text, state: State::Talking | State::Broken }) => Err(running.end(&text)),
    }
}

/// Sends the trial to the program and listens until it is over.
fn train(running: &mut RunningProgram, trial: &Trial, record: &Record) -> Result<(Finished, State), Unfinished> {
    let broken = |text: String| Unfinished { text, state: State::Broken };
    running.tell(&line::of(trial)).map_err(|error| broken(format!("it takes no trial: {error}")))?;
    let id = trial.id().to_string();
    match running.hear() {
        Ok(ProgramMessage::Begin(begun)) if begun == id => {}
        Ok(_) => {
            let text = format!("it does not first say {{\"begin\": \"{id}\"}}, the trial that it was told");
            return Err(Unfinished { text, state: State::Talking });
        }
        Err(text) if running.has_ended() => return Err(broken(text)),
        Err(text) => return Err(Unfinished { text, state: State::Talking }),
    }
    let mut told = TrialMessages::new(trial, record);
    let unsure = |text: String| Unfinished { text, state: State::Waiting };
    loop {
        let heard = running.hear();
        // The verdict of a NaN is final, whatever becomes of the program.
        if told.has_ended() {
            let state = match heard {
                Ok(ProgramMessage::Done(_) | ProgramMessage::Error(_)) => State::Waiting,
                Err(_) if running.has_ended() => State::Broken,
                Ok(_) | Err(_) => continue,
            };
            return Ok((told.done(DoneMessage::default()).map_err(broken)?, state));
        }
        match heard.map_err(broken)? {
            ProgramMessage::Start(start) => told.start(start),
            ProgramMessage::Step(step) => told.step(&step),
            ProgramMessage::Done(done) => return Ok((told.done(done).map_err(unsure)?, State::Waiting)),
            ProgramMessage::Error(text) => return Err(unsure(format!("the program says: {}", text.trim()))),
            ProgramMessage::Begin(_) => Err("it says `begin` twice".to_owned()),
            ProgramMessage::Ready(_) => Err("it says `ready` twice".to_owned()),
        }
        .map_err(broken)?;
    }
}
