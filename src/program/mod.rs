//! Trials that a program of the user trains, as `[program]` in a spec asks for. A worker process
//! starts the program once and hands it one trial after the other, each as a line of JSON. It makes
//! the verdict of a trial from the lines that come back. To the parent of the sweep it is a worker
//! like any other. docs/program.md says what the lines are.

mod child;
mod course;
mod line;

use blowup_core::child::{Outbox, die_with_parent, keep_stdout, listen};
use blowup_core::protocol::{self, Order, Report};
use blowup_core::record::Lost;
use blowup_core::spec::program::Program;
use blowup_core::trial::Trial;
use blowup_core::verdict::{Finished, Record};
use child::RunningProgram;
use course::TrialMessages;
use line::ProgramMessage;
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

/// Why a trial has no verdict.
struct Unfinished {
    text: String,
    /// Whether the program can go on with the next trial.
    lives: bool,
}

/// Is a worker that trains with the program, until its stdin closes.
///
/// # Errors
/// If the parent is gone, or sends an order that makes no sense.
pub fn work(launch: &Launch) -> io::Result<()> {
    die_with_parent();
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
    for order in listen() {
        let (chunk, record, trials) = match order? {
            Order::Train { chunk, record, trials, .. } => (chunk, record, trials),
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
                Ok(finished) => outbox.put(index, trial, &finished)?,
                Err(message) => {
                    report = Report::Failed { chunk, lost: Lost::Crashed, message };
                    break;
                }
            }
        }
        outbox.flush()?;
        protocol::send(&mut out, &report)?;
    }
    Ok(())
}

/// Trains one trial with the program that runs or, if there is none, with one that is started now.
fn trained(
    program: &mut Option<RunningProgram>,
    launch: &Launch,
    trial: &Trial,
    record: &Record,
) -> Result<Finished, String> {
    let mut running = match program.take() {
        Some(running) => running,
        None => RunningProgram::start(launch)?,
    };
    match train(&mut running, trial, record) {
        Ok(finished) => {
            *program = Some(running);
            Ok(finished)
        }
        Err(Unfinished { text, lives: true }) => {
            *program = Some(running);
            Err(text)
        }
        Err(Unfinished { text, lives: false }) => Err(running.end(&text)),
    }
}

/// Sends the trial to the program and listens until it is over.
fn train(running: &mut RunningProgram, trial: &Trial, record: &Record) -> Result<Finished, Unfinished> {
    let dead = |text: String| Unfinished { text, lives: false };
    running.tell(&line::of(trial)).map_err(|error| dead(format!("it takes no trial: {error}")))?;
    let mut told = TrialMessages::new(trial, record);
    loop {
        match running.hear().map_err(dead)? {
            ProgramMessage::Start(start) => told.start(start),
            ProgramMessage::Step(step) => told.step(&step),
            ProgramMessage::Done(done) => return told.done(done).map_err(|text| Unfinished { text, lives: true }),
            ProgramMessage::Error(text) => {
                return Err(Unfinished { text: format!("the program says: {}", text.trim()), lives: true });
            }
            ProgramMessage::Ready(_) => Err("it says `ready` twice".to_owned()),
        }
        .map_err(dead)?;
    }
}
