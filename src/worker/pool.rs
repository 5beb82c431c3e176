//! The worker processes and who works on what. One thread per worker reads its reports into one channel; everything else, and every
//! file, belongs to the thread that called `run`.
//!
//! A worker that dies, or says what it must not, costs at most its chunk: what it had reported stands, the rest is halved and tried again
//! until the trial that does it stands alone. Alone it has two lives (the first may have been taken by somebody's kill -9), then it is lost.
//! Workers end when the pool is dropped, when their stdin closes, and with this process.

use super::protocol::{self, Order, Report, Rows};
use crate::engine::{ENVIRONMENT, FOREIGN_ENVIRONMENT};
use crate::failure::Failure;
use crate::plan::{Chunk, Pending};
use crate::record::{self, Lost};
use crate::trial::{Trial, TrialId};
use crate::verdict::Record;
use std::collections::VecDeque;
use std::io::{self, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};

/// A trial that takes its worker down this often while it is alone is lost.
const LIVES: u32 = 2;
/// Workers that die before they say hello, in a row, before the sweep gives up.
const FALSE_STARTS: u32 = 3;

pub struct Options {
    pub workers: usize,
    pub record: Record,
}

/// What the caller hears, in the order in which it happens.
pub enum News<'a> {
    /// A worker is ready; nothing was handed to it yet.
    Ready {
        fingerprint: &'a str,
    },
    /// `trials[i]` is the trial of `rows.trials[i]`; `seconds_each` as predicted.
    Rows {
        trials: &'a [TrialId],
        rows: &'a Rows,
        seconds_each: f64,
    },
    Lost {
        trial: &'a Trial,
        reason: Lost,
        seconds: f64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Done,
    Interrupted,
}

enum Event {
    Heard(u64, Report),
    /// Its stream ended, or made no sense.
    Gone(u64, String),
    Interrupted,
}

struct Worker {
    id: u64,
    child: Child,
    stdin: ChildStdin,
    ready: bool,
    /// Handed over and not done, oldest first.
    flights: VecDeque<Flight>,
}

struct Flight {
    number: u64,
    chunk: Chunk,
    ids: Vec<TrialId>,
    reported: Vec<bool>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It holds nothing that is not in a file or will be done again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Pool<'a> {
    options: Options,
    pending: Pending<'a>,
    queue: VecDeque<Chunk>,
    workers: Vec<Worker>,
    next_worker: u64,
    next_chunk: u64,
    false_starts: u32,
    to: Sender<Event>,
    hear: &'a mut dyn FnMut(News<'_>) -> Result<(), Failure>,
}

/// Trains all chunks. An error of `hear` ends the pool.
pub fn run(
    chunks: Vec<Chunk>,
    pending: Pending<'_>,
    options: Options,
    hear: &mut dyn FnMut(News<'_>) -> Result<(), Failure>,
) -> Result<Ending, Failure> {
    let (to, events) = channel();
    watch_signals(to.clone())?;
    let queue = VecDeque::from(chunks);
    let workers = Vec::new();
    let mut pool = Pool { options, pending, queue, workers, next_worker: 0, next_chunk: 0, false_starts: 0, to, hear };
    pool.work(&events)
}

impl Pool<'_> {
    fn work(&mut self, events: &Receiver<Event>) -> Result<Ending, Failure> {
        self.hire()?;
        while !self.queue.is_empty() || self.workers.iter().any(|w| !w.flights.is_empty()) {
            match events.recv().expect("this thread holds a sender") {
                Event::Heard(id, report) => self.heard(id, report)?,
                Event::Gone(id, reason) => self.gone(id, &reason)?,
                Event::Interrupted => {
                    // What has arrived is kept; nothing more is handed out.
                    self.queue.clear();
                    for event in events.try_iter() {
                        if let Event::Heard(id, report @ Report::Rows { .. }) = event {
                            self.heard(id, report)?;
                        }
                    }
                    return Ok(Ending::Interrupted);
                }
            }
        }
        Ok(Ending::Done)
    }

    fn heard(&mut self, id: u64, report: Report) -> Result<(), Failure> {
        let Some(at) = self.workers.iter().position(|w| w.id == id) else {
            return Ok(());
        };
        let sensible = match report {
            Report::Hello { version, fingerprint } if version == protocol::VERSION && !self.workers[at].ready => {
                self.workers[at].ready = true;
                tracing::info!("worker {id} is ready: {fingerprint}");
                self.false_starts = 0;
                (self.hear)(News::Ready { fingerprint: &fingerprint })?;
                true
            }
            Report::Hello { .. } => false,
            Report::Rows { chunk, rows } => match self.workers[at].flights.front_mut() {
                Some(flight) if flight.number == chunk && flight.fits(&rows) => {
                    for row in &rows.trials {
                        flight.reported[row.index as usize] = true;
                    }
                    let trials: Vec<TrialId> = rows.trials.iter().map(|row| flight.ids[row.index as usize]).collect();
                    let seconds_each = flight.chunk.seconds_each;
                    (self.hear)(News::Rows { trials: &trials, rows: &rows, seconds_each })?;
                    true
                }
                _ => false,
            },
            Report::Done { chunk } => match self.workers[at].flights.front() {
                Some(flight) if flight.number == chunk && flight.reported.iter().all(|r| *r) => {
                    tracing::debug!("worker {id} finished chunk {chunk} of {} trials", flight.ids.len());
                    self.workers[at].flights.pop_front();
                    true
                }
                _ => false,
            },
            Report::Failed { chunk, message } => match self.workers[at].flights.pop_front() {
                Some(flight) if flight.number == chunk => {
                    self.failed(flight, &message)?;
                    true
                }
                Some(flight) => {
                    self.workers[at].flights.push_front(flight);
                    false
                }
                None => false,
            },
        };
        if sensible { self.feed() } else { self.gone(id, "what it said makes no sense") }
    }

    /// A worker is no more, or must be no more.
    fn gone(&mut self, id: u64, reason: &str) -> Result<(), Failure> {
        let Some(at) = self.workers.iter().position(|w| w.id == id) else {
            return Ok(());
        };
        let mut worker = self.workers.swap_remove(at);
        let _ = worker.child.kill();
        let status = worker.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let reason = format!("{reason} ({status})");
        if !worker.ready {
            self.false_starts += 1;
            if self.false_starts >= FALSE_STARTS {
                return Err(Failure::new(format!("a worker process died before it was ready: {reason}"))
                    .hint("`RUST_LOG=debug` shows more; is the libtorch that blowup was built with still there?"));
            }
        }
        let mut flights = std::mem::take(&mut worker.flights);
        drop(worker);
        let suspect = flights.pop_front();
        for innocent in flights.into_iter().rev() {
            self.queue.push_front(innocent.chunk);
        }
        if let Some(suspect) = suspect {
            self.failed(suspect, &reason)?;
        }
        self.hire()?;
        self.feed()
    }

    /// What is left of a chunk that did not end well.
    fn failed(&mut self, flight: Flight, reason: &str) -> Result<(), Failure> {
        let Flight { chunk, reported, .. } = flight;
        let alone = chunk.trials.len() == 1;
        let rest: Vec<u32> =
            chunk.trials.iter().zip(&reported).filter(|(_, r)| !**r).map(|(trial, _)| *trial).collect();
        let seconds_each = chunk.seconds_each;
        if rest.is_empty() {
            return Ok(());
        }
        if alone && chunk.strikes + 1 >= LIVES {
            let trial = self.pending.get(rest[0]);
            tracing::warn!("trial {} is lost: {reason}", trial.id());
            return (self.hear)(News::Lost { trial: &trial, reason: Lost::Crashed, seconds: seconds_each });
        }
        tracing::warn!("{} of the {} trials of a chunk are tried again: {reason}", rest.len(), chunk.trials.len());
        let strikes = if alone { chunk.strikes + 1 } else { 0 };
        let (first, second) = rest.split_at(rest.len().div_ceil(2));
        for half in [second, first] {
            if !half.is_empty() {
                self.queue.push_front(Chunk { trials: half.to_vec(), seconds_each, strikes });
            }
        }
        Ok(())
    }

    /// Starts as many workers as there is work for.
    fn hire(&mut self) -> Result<(), Failure> {
        while self.workers.len() < self.options.workers
            && self.workers.iter().filter(|w| !w.ready).count() < self.queue.len()
        {
            let id = self.next_worker;
            self.next_worker += 1;
            let (child, stdin) = spawn(id, self.to.clone())
                .map_err(|error| Failure::new(format!("cannot start a worker process: {error}")))?;
            self.workers.push(Worker { id, child, stdin, ready: false, flights: VecDeque::new() });
        }
        Ok(())
    }

    /// Hands out chunks: one each, and one ahead as long as there are plenty, so that no worker waits for the pipe.
    fn feed(&mut self) -> Result<(), Failure> {
        for ahead in [0, 1] {
            for at in 0..self.workers.len() {
                let plenty = self.queue.len() > 2 * self.workers.len();
                let worker = &self.workers[at];
                if !worker.ready || worker.flights.len() > ahead || (ahead == 1 && !plenty) {
                    continue;
                }
                while let Some(chunk) = self.queue.pop_front() {
                    if self.hand_over(at, chunk)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// False if the chunk could not be sent and its halves are in the queue.
    fn hand_over(&mut self, at: usize, chunk: Chunk) -> Result<bool, Failure> {
        let number = self.next_chunk;
        self.next_chunk += 1;
        let trials: Vec<Trial> = chunk.trials.iter().map(|trial| self.pending.get(*trial)).collect();
        let ids = chunk.trials.iter().map(|trial| self.pending.id(*trial)).collect();
        let order = Order::Train { chunk: number, record: self.options.record.clone(), trials };
        let flight = Flight { number, reported: vec![false; chunk.trials.len()], chunk, ids };
        let worker = &mut self.workers[at];
        match protocol::send(&mut worker.stdin, &order).and_then(|()| worker.stdin.flush()) {
            Ok(()) => worker.flights.push_back(flight),
            // Nothing was sent and the worker lives: half of the chunk may fit (a thousand names of columns stand in every trial).
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.failed(flight, &error.to_string())?;
                return Ok(false);
            }
            Err(error) => {
                // A worker that does not take it is dead; its reader will say so, and the chunk is in its flights.
                tracing::debug!("worker {}: {error}", worker.id);
                worker.flights.push_back(flight);
            }
        }
        Ok(true)
    }
}

impl Flight {
    /// Whether the rows are of this chunk, new, and whole.
    fn fits(&self, rows: &Rows) -> bool {
        let (mut runs, mut sides) = (0, [0; 3]);
        let mut reported = self.reported.clone();
        for row in &rows.trials {
            match reported.get_mut(row.index as usize) {
                Some(reported) if !*reported => *reported = true,
                _ => return false,
            }
            let end = runs + row.runs as usize;
            let text = rows.runs.get(runs..end).filter(|text| text.ends_with(b"\n"));
            if text.and_then(record::row_id) != Some(self.ids[row.index as usize]) {
                return false;
            }
            runs = end;
            sides.iter_mut().zip(row.sides).for_each(|(side, bytes)| *side += bytes as usize);
        }
        runs == rows.runs.len() && sides == rows.sides.each_ref().map(|rows| rows.len())
    }
}

/// A worker, and the thread that reads what it says. Called by the main thread only: a worker is ended with the thread that started it.
fn spawn(id: u64, to: Sender<Event>) -> io::Result<(Child, ChildStdin)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped());
    command.envs(ENVIRONMENT);
    for name in FOREIGN_ENVIRONMENT {
        command.env_remove(name);
    }
    // Ctrl-C is for the parent, which ends the workers.
    command.process_group(0);
    let mut child = command.spawn()?;
    let stdin = child.stdin.take().expect("piped above");
    let mut from = BufReader::with_capacity(1 << 16, child.stdout.take().expect("piped above"));
    std::thread::spawn(move || {
        loop {
            let event = match protocol::receive(&mut from) {
                Ok(Some(report)) => Event::Heard(id, report),
                Ok(None) => Event::Gone(id, "it exited".to_owned()),
                Err(error) => Event::Gone(id, error.to_string()),
            };
            let last = matches!(event, Event::Gone(..));
            if to.send(event).is_err() || last {
                return;
            }
        }
    });
    Ok((child, stdin))
}

/// SIGINT, SIGTERM and SIGHUP stop the sweep; a second one stops it at once.
fn watch_signals(to: Sender<Event>) -> Result<(), Failure> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
        .map_err(|error| Failure::new(format!("cannot watch for signals: {error}")))?;
    std::thread::spawn(move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 || to.send(Event::Interrupted).is_err() {
                std::process::exit(i32::from(crate::failure::Exit::Interrupted.status()));
            }
        }
    });
    Ok(())
}
