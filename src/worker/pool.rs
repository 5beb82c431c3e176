//! The worker processes and who works on what. Two threads per worker hold its pipes: one reads its reports into one channel, one writes its orders.
//! Everything else, and every file, belongs to the thread that called `run`, which never waits for a worker: not for one that does not read, not for one
//! that does not end.
//!
//! A worker that dies, or says what it must not, costs at most its chunk: what it had reported stands, the rest is halved and tried again
//! until the trial that does it stands alone. Alone it has two lives (the first may have been taken by somebody's kill -9), then it is lost.
//! A bug of our own is no fault of the machine: it ends the sweep, and no trial is lost by it.
//! Workers end when the pool is dropped, when their stdin closes, and with this process.

use super::event::WorkerEvent;
use super::fault::{self, FalseStarts, Remainder, WorkerFault, is_full, overdue};
use super::interrupt;
use super::process::{Flight, Worker, start};
use blowup_core::device::Device;
use blowup_core::failure::Failure;
use blowup_core::limits::{Limits, Pace};
use blowup_core::plan::{Chunk, Pending};
use blowup_core::protocol::{self, Order, Report, Rows};
use blowup_core::record::Lost;
use blowup_core::trial::{Trial, TrialId};
use blowup_core::verdict::Record;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How often the workers are looked at.
const TICK: Duration = Duration::from_millis(50);
pub struct Options {
    pub workers: usize,
    pub device: Device,
    pub record: Record,
    pub limits: Limits,
    /// The sweep ends when more trials than this are lost.
    pub max_lost: Option<u64>,
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
    /// Nothing new, several times a second.
    Tick,
    Lost {
        trial: &'a Trial,
        reason: Lost,
        detail: &'a str,
        seconds: f64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Done,
    Interrupted,
    /// More trials were lost than `max_lost`.
    Hopeless,
}

struct Pool<'a> {
    options: Options,
    pending: Pending<'a>,
    queue: VecDeque<Chunk>,
    workers: Vec<Worker>,
    next_worker: u64,
    next_chunk: u64,
    false_starts: FalseStarts,
    /// Time during which this process was awake: a sweep that was stopped or suspended has not been waiting for its workers.
    clock: Duration,
    looked: Instant,
    pace: Pace,
    lost: u64,
    to: Sender<WorkerEvent>,
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
    interrupt::watch(to.clone())?;
    let mut pool = Pool {
        options,
        pending,
        queue: VecDeque::from(chunks),
        workers: Vec::new(),
        next_worker: 0,
        next_chunk: 0,
        false_starts: FalseStarts::default(),
        clock: Duration::ZERO,
        looked: Instant::now(),
        pace: Pace::default(),
        lost: 0,
        to,
        hear,
    };
    pool.work(&events)
}

impl Pool<'_> {
    fn work(&mut self, events: &Receiver<WorkerEvent>) -> Result<Ending, Failure> {
        self.hire()?;
        while !self.queue.is_empty() || self.workers.iter().any(|w| !w.flights.is_empty()) {
            match events.recv_timeout(TICK) {
                Ok(WorkerEvent::Heard(id, report)) => {
                    let ends = matches!(report, Report::Unable { .. } | Report::Bug { .. });
                    let heard = self.heard(id, report);
                    if ends {
                        // The rows of the other workers; the first error is the one to show.
                        let _ = self.stop(events, Ending::Hopeless);
                    }
                    heard?;
                }
                Ok(WorkerEvent::Gone(id, text)) => self.died(id, text)?,
                Ok(WorkerEvent::Interrupted) => return self.stop(events, Ending::Interrupted),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => unreachable!("this thread holds a sender"),
            }
            if self.options.max_lost.is_some_and(|most| self.lost > most) {
                return self.stop(events, Ending::Hopeless);
            }
            self.watch()?;
        }
        Ok(Ending::Done)
    }

    /// What has arrived is kept; nothing more is handed out.
    fn stop(&mut self, events: &Receiver<WorkerEvent>, ending: Ending) -> Result<Ending, Failure> {
        self.queue.clear();
        for event in events.try_iter() {
            if let WorkerEvent::Heard(id, report @ Report::Rows { .. }) = event {
                self.heard(id, report)?;
            }
        }
        Ok(ending)
    }

    /// Ends workers that take too long or too much.
    fn watch(&mut self) -> Result<(), Failure> {
        let passed = self.looked.elapsed();
        if passed < TICK {
            return Ok(());
        }
        self.looked += passed;
        self.clock += passed.min(2 * TICK);
        let mut faults = Vec::new();
        for worker in &mut self.workers {
            worker.look();
            faults.extend(overdue(worker, self.clock, &self.options.limits, self.pace).map(|fault| (worker.id, fault)));
        }
        faults.into_iter().try_for_each(|(id, fault)| self.gone(id, fault))?;
        (self.hear)(News::Tick)
    }

    fn heard(&mut self, id: u64, report: Report) -> Result<(), Failure> {
        let Some(at) = self.workers.iter().position(|w| w.id == id) else {
            return Ok(());
        };
        let sensible = match report {
            Report::Hello { version, fingerprint } if version == protocol::VERSION && !self.workers[at].ready => {
                (self.workers[at].ready, self.workers[at].since) = (true, self.clock);
                tracing::info!("worker {id} is ready: {fingerprint}");
                self.false_starts.reset();
                (self.hear)(News::Ready { fingerprint: &fingerprint })?;
                true
            }
            Report::Hello { .. }
            | Report::Start(_)
            | Report::Step(_)
            | Report::Finished(_)
            | Report::Untrained { .. } => false,
            Report::Unable { what, hint } => return Err(Failure::new(what).hint(hint)),
            Report::Rows { chunk, rows } => match self.workers[at].flights.front_mut() {
                Some(flight) if flight.number == chunk && flight.fits(&rows) => {
                    for row in &rows.trials {
                        flight.reported[row.index as usize] = true;
                    }
                    let trials: Vec<TrialId> = rows.trials.iter().map(|row| flight.ids[row.index as usize]).collect();
                    let seconds_each = flight.chunk.seconds_each();
                    (self.hear)(News::Rows { trials: &trials, rows: &rows, seconds_each })?;
                    true
                }
                _ => false,
            },
            Report::Done { chunk } => match self.workers[at].flights.front() {
                Some(flight) if flight.number == chunk && flight.reported.iter().all(|r| *r) => {
                    tracing::debug!("worker {id} finished chunk {chunk} of {} trials", flight.ids.len());
                    let taken = self.clock.saturating_sub(self.workers[at].since).as_secs_f64();
                    self.pace.learn(flight.chunk.seconds(), taken);
                    self.landed(at);
                    self.replace_if_full(at)?;
                    true
                }
                _ => false,
            },
            Report::Bug { chunk, message } => match self.workers[at].flights.front() {
                Some(flight) if flight.number == chunk => return Err(fault::bug(flight, &message)),
                Some(_) | None => false,
            },
            Report::Failed { chunk, lost, message: text } => match self.workers[at].flights.front() {
                Some(flight) if flight.number == chunk => {
                    let flight = self.landed(at).expect("it was there a line above");
                    self.failed(flight, &WorkerFault { lost, text })?;
                    true
                }
                Some(_) | None => false,
            },
        };
        if sensible { self.feed() } else { self.died(id, "what it said makes no sense".to_owned()) }
    }

    /// The oldest flight of a worker is over.
    fn landed(&mut self, at: usize) -> Option<Flight> {
        self.workers[at].since = self.clock;
        self.workers[at].flights.pop_front()
    }

    fn replace_if_full(&mut self, at: usize) -> Result<(), Failure> {
        let worker = &self.workers[at];
        if worker.flights.is_empty() && is_full(worker, &self.options.limits) {
            tracing::debug!("worker {} holds {} MiB and is replaced", worker.id, worker.resident >> 20);
            self.workers.swap_remove(at);
            self.hire()?;
        }
        Ok(())
    }

    /// A worker has ended, or has said what makes no sense. `text` says which.
    fn died(&mut self, id: u64, text: String) -> Result<(), Failure> {
        match self.workers.iter().find(|worker| worker.id == id) {
            Some(worker) => self.gone(id, WorkerFault::of_end(worker, &self.options.limits, text)),
            None => Ok(()),
        }
    }

    /// A worker is no more, or must be no more.
    fn gone(&mut self, id: u64, mut fault: WorkerFault) -> Result<(), Failure> {
        let Some(at) = self.workers.iter().position(|w| w.id == id) else {
            return Ok(());
        };
        let mut worker = self.workers.swap_remove(at);
        fault.text = format!("{} ({})", fault.text, worker.process.end());
        if !worker.ready {
            self.false_starts.count(&fault)?;
        }
        let mut flights = std::mem::take(&mut worker.flights);
        drop(worker);
        let suspect = flights.pop_front();
        for innocent in flights.into_iter().rev() {
            self.queue.push_front(innocent.chunk);
        }
        if let Some(suspect) = suspect {
            self.failed(suspect, &fault)?;
        }
        self.hire()?;
        self.feed()
    }

    /// Queues what is left of a chunk that ended with a fault, or tells that its only trial is lost.
    fn failed(&mut self, flight: Flight, fault: &WorkerFault) -> Result<(), Failure> {
        match fault::rest(flight, fault, &self.options.limits) {
            Remainder::Nothing => Ok(()),
            Remainder::Again(chunks) => {
                chunks.into_iter().rev().for_each(|chunk| self.queue.push_front(chunk));
                Ok(())
            }
            Remainder::Lost { trial, seconds } => {
                let trial = self.pending.get(trial);
                let WorkerFault { lost, text } = fault;
                tracing::warn!("trial {} is lost ({}): {text}", trial.id(), lost.name());
                self.lost += 1;
                (self.hear)(News::Lost { trial: &trial, reason: *lost, detail: text, seconds })
            }
        }
    }

    /// Starts as many workers as there is work for.
    fn hire(&mut self) -> Result<(), Failure> {
        while self.workers.len() < self.options.workers
            && self.workers.iter().filter(|w| !w.ready).count() < self.queue.len()
        {
            let Options { device, limits, .. } = &self.options;
            let worker = start(self.next_worker, *device, limits.ceiling, self.clock, self.to.clone())
                .map_err(|error| Failure::new(format!("cannot start a worker process: {error}")))?;
            self.next_worker += 1;
            self.workers.push(worker);
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
        let order = protocol::frame(&Order::train(number, self.options.record.clone(), trials));
        let flight = Flight { number, reported: vec![false; chunk.trials.len()], chunk, ids };
        let worker = &mut self.workers[at];
        if worker.flights.is_empty() {
            worker.since = self.clock;
        }
        match order {
            Ok(frame) => {
                worker.hand(frame);
                worker.flights.push_back(flight);
                Ok(true)
            }
            // Half of the chunk may fit.
            Err(error) => {
                self.failed(flight, &WorkerFault { lost: Lost::Crashed, text: error.to_string() })?;
                Ok(false)
            }
        }
    }
}
