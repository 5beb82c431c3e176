//! `[program]`: trials that a program of the user's own trains. A worker process starts the program
//! once, hands it one trial after the other as a line of JSON, and makes a verdict of the lines
//! that come back; to the parent of the sweep it is a worker like any other. docs/program.md says
//! what the lines are.

mod child;
mod course;
mod line;

use blowup_core::child::{Outbox, die_with_parent, keep_stdout, listen};
use blowup_core::protocol::{self, Order, Report};
use blowup_core::record::Lost;
use blowup_core::spec::program::Program;
use blowup_core::trial::Trial;
use blowup_core::verdict::{Finished, Record};
use child::Script;
use course::Hearing;
use line::Said;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// The version of the lines that a program and blowup say to each other.
pub const PROTOCOL: u32 = 1;

/// What the results of a program rest on, as far as it is known: not on this machine, since what
/// the program computes with is its own business.
const FINGERPRINT: &str = "a program";

/// A program as it is started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    pub command: Vec<String>,
    /// The folder in which it runs.
    pub folder: String,
}

impl Launch {
    /// The program of a spec, which runs in the folder of the spec.
    pub fn of(program: &Program, spec: &Path) -> Launch {
        let folder = spec.parent().unwrap_or(Path::new("")).display().to_string();
        Launch { command: program.command.clone(), folder }
    }
}

/// Why a trial has no verdict.
struct Unfinished {
    text: String,
    /// Whether the program can go on with the next trial.
    lives: bool,
}

/// Is a worker of the program until its stdin closes.
///
/// # Errors
/// If the parent is gone, or talks nonsense.
pub fn work(launch: &Launch) -> io::Result<()> {
    die_with_parent();
    let mut out = keep_stdout()?;
    let mut program = match Script::start(launch) {
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

/// One trial, by the program that runs or by one that is started anew.
fn trained(program: &mut Option<Script>, launch: &Launch, trial: &Trial, record: &Record) -> Result<Finished, String> {
    let mut running = match program.take() {
        Some(running) => running,
        None => Script::start(launch)?,
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

fn train(running: &mut Script, trial: &Trial, record: &Record) -> Result<Finished, Unfinished> {
    let dead = |text: String| Unfinished { text, lives: false };
    running.tell(&line::of(trial)).map_err(|error| dead(format!("it takes no trial: {error}")))?;
    let mut told = Hearing::new(trial, record);
    loop {
        match running.hear().map_err(dead)? {
            Said::Start(start) => told.start(start),
            Said::Step(step) => told.step(&step),
            Said::Done(done) => return told.done(done).map_err(|text| Unfinished { text, lives: true }),
            Said::Error(text) => {
                return Err(Unfinished { text: format!("the program says: {}", text.trim()), lives: true });
            }
            Said::Ready(_) => Err("it says `ready` twice".to_owned()),
        }
        .map_err(dead)?;
    }
}
