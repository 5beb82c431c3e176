//! The worker process: it takes chunks of trials from stdin, trains them and answers with rows on
//! stdout. It touches no file, and ends with its parent.

use crate::device::Unusable;
use crate::drill::Drill;
use crate::{Trouble, trouble};
use blowup_core::device::Device;
use blowup_core::memory;
use blowup_core::protocol::{self, Order, Report, Row, Rows};
use blowup_core::record::{self, Lost};
use blowup_core::training::Step;
use blowup_core::trial::Trial;
use blowup_core::verdict::{Finished, Record};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::exit;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Rows are sent at least this often, or as soon as they have grown to `MOST_BYTES`.
const EVERY: Duration = Duration::from_millis(20);
const MOST_BYTES: usize = 1 << 18;

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
    for order in listen() {
        let (chunk, record, csv, mut trials) = match order? {
            Order::Train { chunk, record, csv, trials } => (chunk, record, csv, trials),
            Order::Replay { trial, record, start } => {
                replay(&trial, &record, start, &mut out)?;
                continue;
            }
        };
        trials.iter_mut().for_each(|trial| trial.task.csv.clone_from(&csv));
        let mut outbox = Outbox { chunk, to: &mut out, rows: Rows::default(), last: Instant::now() - EVERY };
        let trained = train(&trials, &record, &mut drill, &mut outbox);
        outbox.flush()?;
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

/// Trains one trial alone and reports every step of it.
///
/// # Errors
/// If nobody reads the reports any more.
fn replay(trial: &Trial, record: &Record, start: bool, out: &mut File) -> io::Result<()> {
    if start {
        match crate::start_of(trial) {
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

/// The rows that are still to be sent. Many small rows share a message.
struct Outbox<'a> {
    chunk: u64,
    to: &'a mut File,
    rows: Rows,
    last: Instant,
}

impl Outbox<'_> {
    fn put(&mut self, index: usize, trial: &Trial, finished: &Finished) -> io::Result<()> {
        let runs = record::run_row(trial, &finished.measured);
        let sides = record::side_rows(trial, finished);
        self.rows.trials.push(Row {
            index: index as u32,
            outcome: finished.measured.outcome,
            runs: runs.len() as u32,
            sides: sides.each_ref().map(|rows| rows.len() as u32),
        });
        self.rows.runs.extend(runs);
        self.rows.sides.iter_mut().zip(sides).for_each(|(to, rows)| to.extend(rows));
        let bytes = self.rows.runs.len() + self.rows.sides.iter().map(|rows| rows.len()).sum::<usize>();
        if bytes > MOST_BYTES || self.last.elapsed() > EVERY { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.last = Instant::now();
        if self.rows.trials.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        protocol::send(self.to, &Report::Rows { chunk: self.chunk, rows })
    }
}

/// Receives the orders. A thread of its own reads them, so that the parent never waits when it
/// sends one, and so that the worker ends with its parent even in the middle of a chunk.
fn listen() -> mpsc::Receiver<io::Result<Order>> {
    let (to, orders) = mpsc::channel();
    std::thread::spawn(move || {
        let mut from = io::stdin().lock();
        loop {
            match protocol::receive(&mut from) {
                Ok(Some(order)) => drop(to.send(Ok(order))),
                Ok(None) => exit(0),
                Err(error) => {
                    drop(to.send(Err(error)));
                    return;
                }
            }
        }
    });
    orders
}

/// Returns the pipe that was stdout, which is for reports alone. From here on, what a library
/// prints to stdout goes to stderr.
#[expect(clippy::disallowed_methods, reason = "no text is written there")]
fn keep_stdout() -> io::Result<File> {
    let out = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(File::from(out))
}

/// Asks the kernel to end this process with its parent, even if the parent is killed. On systems
/// other than Linux, the worker ends when stdin closes.
pub(super) fn die_with_parent() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)) {
        tracing::debug!("no parent death signal: {error}");
    }
}
