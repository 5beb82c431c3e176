//! The worker process: it takes chunks of trials from stdin, trains them and answers with rows on
//! stdout. It touches no file, and ends with its parent.

use crate::cuda::Unusable;
use crate::drill::Drill;
use crate::{Trouble, trouble};
use blowup_core::child::{Outbox, die_with_parent, keep_stdout, listen};
use blowup_core::device::Device;
use blowup_core::map::Measure;
use blowup_core::memory;
use blowup_core::protocol::{self, Order, Pixel, Report, Wanted};
use blowup_core::record::Lost;
use blowup_core::training::Step;
use blowup_core::trial::Trial;
use blowup_core::verdict::{Finished, Record};
use std::fs::File;
use std::io;
use std::process::exit;

const DATA_HINT: &str = "rows that were written are kept: put the file back as it was and the same command resumes; for the file as it is now, name another folder with `--out`";

/// Works until stdin closes. Where this process cannot train on `device` it only says why. `memory`
/// is the number of bytes that the parent lets this process hold.
///
/// # Errors
/// If the parent can no longer be reached, or if the GPU can no longer be used.
pub fn run(device: Device, memory: Option<u64>) -> io::Result<()> {
    die_with_parent();
    // A GPU's worker has no limit, because CUDA reserves address space that it does not use.
    if let Some(memory) = memory.filter(|_| !device.is_gpu()) {
        // The parent watches the memory. This limit only holds where the parent cannot, so it is
        // higher.
        memory::limit(memory.saturating_add(memory / 2).saturating_add(256 << 20));
    }
    let mut out = keep_stdout()?;
    std::panic::set_hook(Box::new(|panic| {
        trouble::note(panic);
        tracing::debug!("{panic}");
    }));
    if let Err(Unusable { what, hint }) = crate::start_on(device) {
        return protocol::send(&mut out, &Report::Unable { what, hint });
    }
    let mut drill = Drill::from_env();
    protocol::send(&mut out, &Report::Hello { version: protocol::VERSION, fingerprint: crate::fingerprint() })?;
    drill.ready();
    for order in listen(|| {}) {
        let (chunk, wanted, source, mut trials) = match order? {
            Order::Train { chunk, wanted, source, trials } => (chunk, wanted, source, trials),
            Order::Replay { trial, record, start, draws } => {
                replay(&trial, &record, start.then_some(draws), &mut out)?;
                continue;
            }
        };
        trials.iter_mut().for_each(|trial| trial.task.source.clone_from(&source));
        let trained = match wanted {
            Wanted::Rows(record) => {
                let mut outbox = Outbox::new(chunk, &mut out);
                let trained = train(&trials, &record, &mut drill, &mut outbox);
                outbox.flush()?;
                trained
            }
            Wanted::Pixels(measure) => {
                let mut pixels = Vec::with_capacity(trials.len());
                let trained = read(&trials, measure, &mut drill, &mut out, &mut pixels);
                protocol::send(&mut out, &Report::Pixels { chunk, pixels })?;
                trained
            }
        };
        let report = match trained {
            Ok(()) => Report::Done { chunk },
            // Neither a trial nor a worker is to blame, and another attempt would end the same way.
            Err(Trouble::Data(what)) => Report::Unable { what, hint: DATA_HINT.to_owned() },
            Err(Trouble::Bug(message)) => Report::Bug { chunk, message },
            Err(Trouble::Memory(message)) => Report::Failed { chunk, lost: Lost::Memory, message },
            // After a CUDA error that is not about memory, CUDA cannot be used in this process any
            // more. The parent starts another process.
            Err(Trouble::Refused(message)) if device.is_gpu() => return Err(io::Error::other(message)),
            Err(Trouble::Refused(message)) => Report::Failed { chunk, lost: Lost::Crashed, message },
        };
        protocol::send(&mut out, &report)?;
    }
    Ok(())
}

/// Trains one trial alone and reports every step of it. `start` is the number of steps whose random
/// numbers are reported first, with what the trial starts from.
///
/// # Errors
/// If nobody reads the reports any more.
fn replay(trial: &Trial, record: &Record, start: Option<u64>, out: &mut File) -> io::Result<()> {
    if let Some(draws) = start {
        match crate::start_of(trial, draws) {
            Ok(arrays) => protocol::send(out, &Report::Start(arrays))?,
            Err(trouble) => return protocol::send(out, &untrained(&trouble)),
        }
    }
    let mut broken = None;
    let mut watch = |step: Step| {
        if broken.is_none() {
            broken = protocol::send(out, &Report::Step(step)).err();
        }
    };
    let finished = crate::replay(trial, record, &mut watch);
    if let Some(error) = broken {
        return Err(error);
    }
    let report = match finished {
        Ok(finished) => Report::Finished(Box::new(finished)),
        Err(trouble) => untrained(&trouble),
    };
    protocol::send(out, &report)
}

fn untrained(trouble: &Trouble) -> Report {
    let bug = match trouble {
        Trouble::Data(_) | Trouble::Memory(_) | Trouble::Refused(_) => false,
        Trouble::Bug(_) => true,
    };
    Report::Untrained { message: trouble.to_string(), bug }
}

/// Trains the trials of pixels, and puts the reading of each that has one into `pixels`.
fn read(
    trials: &[Trial],
    measure: Measure,
    drill: &mut Drill,
    out: &mut File,
    pixels: &mut Vec<Pixel>,
) -> Result<(), Trouble> {
    crate::read(trials, measure, &mut |index, reading| {
        drill.finished(&trials[index], out);
        pixels.push(Pixel { index: index as u32, reading });
    })
}

fn train(trials: &[Trial], record: &Record, drill: &mut Drill, outbox: &mut Outbox) -> Result<(), Trouble> {
    let mut broken = None;
    let mut done = |index: usize, finished: Finished| {
        if drill.waits() {
            drop(outbox.flush());
        }
        drill.finished(&trials[index], outbox.to);
        if let Err(error) = outbox.put(index, &trials[index], &finished) {
            broken.get_or_insert(error);
        }
    };
    let trained = crate::train(trials, record, &mut done);
    if broken.is_some() {
        // Nobody reads the reports any more.
        exit(1);
    }
    trained
}
