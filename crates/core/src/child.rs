//! What every worker process does, whatever it trains with: it takes orders from its stdin, answers
//! on what was its stdout, and ends with its parent.

use crate::protocol::{self, Order, Report, Row, Rows};
use crate::record;
use crate::trial::Trial;
use crate::verdict::Finished;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::process::exit;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// The rows of a chunk are handed over at least this often, or earlier when they have grown to
/// `MOST_BYTES`.
const EVERY: Duration = Duration::from_millis(20);
const MOST_BYTES: usize = 1 << 18;

/// The rows of a chunk on their way to the parent. Many small rows share a frame.
pub struct Outbox<'a> {
    chunk: u64,
    pub to: &'a mut File,
    rows: Rows,
    last: Instant,
}

impl<'a> Outbox<'a> {
    pub fn new(chunk: u64, to: &'a mut File) -> Outbox<'a> {
        Outbox { chunk, to, rows: Rows::default(), last: Instant::now() - EVERY }
    }

    /// Adds the row of a finished trial, and its rows in the other files. `index` is the trial's
    /// place in the chunk.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub fn put(&mut self, index: usize, trial: &Trial, finished: &Finished) -> io::Result<()> {
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

    /// Sends what was added.
    ///
    /// # Errors
    /// If nobody listens any more.
    pub fn flush(&mut self) -> io::Result<()> {
        self.last = Instant::now();
        if self.rows.trials.is_empty() {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        protocol::send(self.to, &Report::Rows { chunk: self.chunk, rows })
    }
}

/// The orders as they come. A thread of its own reads them, so that the parent never waits to hand
/// one over, and so that the worker ends with its parent even in the middle of a chunk.
/// `end` is called before.
pub fn listen(end: impl FnOnce() + Send + 'static) -> mpsc::Receiver<io::Result<Order>> {
    let (to, orders) = mpsc::channel();
    let mut end = Some(end);
    std::thread::spawn(move || {
        let mut from = io::stdin().lock();
        loop {
            match protocol::receive(&mut from) {
                Ok(Some(order)) => drop(to.send(Ok(order))),
                Ok(None) => {
                    if let Some(end) = end.take() {
                        end();
                    }
                    exit(0)
                }
                Err(error) => {
                    drop(to.send(Err(error)));
                    return;
                }
            }
        }
    });
    orders
}

/// The pipe that was stdout, which is for reports alone. What a library prints goes to stderr from
/// here on.
///
/// # Errors
/// If the process has no room for another open file.
#[expect(clippy::disallowed_methods, reason = "no text is written there")]
pub fn keep_stdout() -> io::Result<File> {
    let out = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(File::from(out))
}

/// Asks the kernel to end this process with its parent, even if the parent is killed. On other
/// systems than Linux, the closed stdin ends it.
pub fn die_with_parent() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)) {
        tracing::debug!("no parent death signal: {error}");
    }
}
