//! The worker processes, and which chunk each of them trains. What is done about a worker that
//! fails is in `fault`.
//!
//! Two threads hold the pipes of each worker. One reads its reports into a channel that all workers
//! share, the other writes its orders. Everything else, and every file, belongs to the thread that
//! called `run`. That thread never waits for a worker: neither for one that does not read nor for
//! one that does not end.
//!
//! Workers end when the pool is dropped, when their stdin closes, and when this process ends.

use super::event::WorkerEvent;
use super::fault::{self, FalseStarts, Remainder, WorkerFault, is_full, overdue};
use super::interrupt;
use super::process::{Assignment, Trains, Worker, start};
use crate::program::Launch;
use blowup_core::device::Device;
use blowup_core::failure::Failure;
use blowup_core::limits::{Limits, Pace};
use blowup_core::map::Reading;
use blowup_core::plan::{Chunk, Pending};
use blowup_core::protocol::{self, Order, Report, Rows, Wanted};
use blowup_core::record::Lost;
use blowup_core::trial::{Trial, TrialId};
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// The pause between two looks at the workers.
const TICK: Duration = Duration::from_millis(50);
/// How a pool trains.
pub struct Options {
    pub workers: usize,
    pub device: Device,
    /// What trains in place of the engine.
    pub program: Option<Launch>,
    /// What the workers say of the trials.
    pub wanted: Wanted,
    pub limits: Limits,
    /// The sweep ends when more trials than this are lost. None means that it never does.
    pub max_lost: Option<u64>,
}

/// What the pool tells its caller, in the order in which it happens.
pub enum News<'a> {
    /// A worker is ready, and no chunk was handed to it yet.
    Ready { fingerprint: &'a str },
    /// A worker has reported rows. `trials[i]` is the id of `rows.trials[i]`. `seconds_each` is the
    /// time on one core that was predicted for each of the trials.
    Rows { trials: &'a [TrialId], rows: &'a Rows, seconds_each: f64 },
    /// A worker has read trials of a map, each with its number in `Pending`. `seconds_each` is as
    /// with rows.
    Pixels { pixels: &'a [(u32, Reading)], seconds_each: f64 },
    /// Time has passed. The pool tells this several times a second.
    Tick,
    /// There is room for further chunks: workers are idle, or will be soon.
    Room { more: &'a mut More },
    /// The trial of this number is lost. `seconds` is the time on one core that was predicted for
    /// it.
    Lost { number: u32, trial: &'a Trial, reason: Lost, detail: &'a str, seconds: f64 },
}

/// Trials that were not known when the pool began, and chunks of them.
pub struct More {
    /// The number of the first of them in [`Pending`].
    pub first: usize,
    /// Whether nothing is queued and no worker trains, so that the pool ends if nothing is added.
    pub idle: bool,
    /// Each with its point in the grid.
    pub trials: Vec<(TrialId, u64)>,
    pub chunks: Vec<Chunk>,
}

/// Why the pool has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Done,
    Interrupted,
    /// More trials than `max_lost` were lost.
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
    /// How long the pool has run, without the time in which this process was stopped or the machine
    /// was suspended: in that time the workers could not work either.
    clock: Duration,
    /// When the workers were last looked at.
    looked: Instant,
    pace: Pace,
    /// How many trials are lost.
    lost: u64,
    to: Sender<WorkerEvent>,
    hear: &'a mut dyn FnMut(News<'_>) -> Result<(), Failure>,
}

/// Trains all chunks and tells `hear` what happens. `pending` has the trials that the numbers in
/// the chunks stand for.
///
/// # Errors
/// If `hear` returns an error, if no worker can be started or made ready, if workers lack libtorch,
/// and if the code of blowup panics in a worker.
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
        self.start_workers()?;
        loop {
            if self.is_idle() {
                self.refill()?;
                if self.is_idle() {
                    return Ok(Ending::Done);
                }
            }
            match events.recv_timeout(TICK) {
                Ok(WorkerEvent::Heard(id, report)) => {
                    let ends = matches!(report, Report::Unable { .. } | Report::Bug { .. });
                    let heard = self.heard(id, report);
                    if ends {
                        // Rows that other workers have sent are still written. An error of that
                        // would hide the first error, which `heard` holds.
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
    }

    /// Whether nothing is queued and no worker trains.
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.workers.iter().all(|worker| worker.assignments.is_empty())
    }

    /// Asks for further chunks, if there are fewer than workers.
    fn refill(&mut self) -> Result<(), Failure> {
        if self.queue.len() >= self.options.workers {
            return Ok(());
        }
        let (first, idle) = (self.pending.next(), self.is_idle());
        let mut more = More { first, idle, trials: Vec::new(), chunks: Vec::new() };
        (self.hear)(News::Room { more: &mut more })?;
        if more.chunks.is_empty() {
            return Ok(());
        }
        self.pending.add(&mut more.trials);
        self.queue.extend(more.chunks);
        self.start_workers()?;
        self.hand_out()
    }

    /// Ends the pool. Rows that have arrived are kept, and no chunk is handed out any more.
    fn stop(&mut self, events: &Receiver<WorkerEvent>, ending: Ending) -> Result<Ending, Failure> {
        self.queue.clear();
        for event in events.try_iter() {
            if let WorkerEvent::Heard(id, report @ (Report::Rows { .. } | Report::Pixels { .. })) = event {
                self.heard(id, report)?;
            }
        }
        Ok(ending)
    }

    /// Looks at all workers, and ends those that take too long or hold too much memory.
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
        (self.hear)(News::Tick)?;
        self.refill()
    }

    /// Acts on a report of worker `id`. A worker whose report makes no sense at this point is
    /// ended.
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
            Report::Rows { chunk, rows } => match self.workers[at].assignments.front_mut() {
                Some(assignment) if assignment.number == chunk && assignment.fits(&rows) => {
                    for row in &rows.trials {
                        assignment.reported[row.index as usize] = true;
                    }
                    let trials: Vec<TrialId> =
                        rows.trials.iter().map(|row| assignment.ids[row.index as usize]).collect();
                    let seconds_each = assignment.chunk.seconds_each();
                    (self.hear)(News::Rows { trials: &trials, rows: &rows, seconds_each })?;
                    true
                }
                _ => false,
            },
            Report::Pixels { chunk, pixels } => match self.workers[at].assignments.front_mut() {
                Some(assignment) if assignment.number == chunk && assignment.takes(&pixels) => {
                    for pixel in &pixels {
                        assignment.reported[pixel.index as usize] = true;
                    }
                    let numbered: Vec<(u32, Reading)> = pixels
                        .iter()
                        .map(|pixel| (assignment.chunk.trials[pixel.index as usize], pixel.reading))
                        .collect();
                    let seconds_each = assignment.chunk.seconds_each();
                    (self.hear)(News::Pixels { pixels: &numbered, seconds_each })?;
                    true
                }
                Some(_) | None => false,
            },
            Report::Done { chunk } => match self.workers[at].assignments.front() {
                Some(assignment) if assignment.number == chunk && assignment.reported.iter().all(|r| *r) => {
                    tracing::debug!("worker {id} finished chunk {chunk} of {} trials", assignment.ids.len());
                    let taken = self.clock.saturating_sub(self.workers[at].since).as_secs_f64();
                    self.pace.learn(assignment.chunk.seconds(), taken);
                    self.take_oldest(at);
                    self.replace_if_full(at)?;
                    true
                }
                _ => false,
            },
            Report::Bug { chunk, message } => match self.workers[at].assignments.front() {
                Some(assignment) if assignment.number == chunk => return Err(fault::bug(assignment, &message)),
                Some(_) | None => false,
            },
            Report::Failed { chunk, lost, message: text } => match self.workers[at].assignments.front() {
                Some(assignment) if assignment.number == chunk => {
                    let assignment = self.take_oldest(at).expect("it was there a line above");
                    self.failed(assignment, &WorkerFault { lost, text })?;
                    true
                }
                Some(_) | None => false,
            },
        };
        if sensible { self.hand_out() } else { self.died(id, "what it said makes no sense".to_owned()) }
    }

    /// Takes the oldest assignment of a worker, which is over.
    fn take_oldest(&mut self, at: usize) -> Option<Assignment> {
        self.workers[at].since = self.clock;
        self.workers[at].assignments.pop_front()
    }

    /// Replaces the worker if it is idle and full.
    fn replace_if_full(&mut self, at: usize) -> Result<(), Failure> {
        let worker = &self.workers[at];
        if worker.assignments.is_empty() && is_full(worker, &self.options.limits) {
            tracing::debug!("worker {} holds {} MiB and is replaced", worker.id, worker.resident >> 20);
            self.workers.swap_remove(at);
            self.start_workers()?;
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

    /// Ends a worker and queues its chunks again. Only its oldest chunk, the one that it was
    /// training, is treated as the cause of the fault.
    fn gone(&mut self, id: u64, mut fault: WorkerFault) -> Result<(), Failure> {
        let Some(at) = self.workers.iter().position(|w| w.id == id) else {
            return Ok(());
        };
        let mut worker = self.workers.swap_remove(at);
        fault.text = format!("{} ({})", fault.text, worker.process.end());
        if !worker.ready {
            self.false_starts.count(&fault, self.options.program.is_some())?;
        }
        let mut assignments = std::mem::take(&mut worker.assignments);
        drop(worker);
        let suspect = assignments.pop_front();
        for innocent in assignments.into_iter().rev() {
            self.queue.push_front(innocent.chunk);
        }
        if let Some(suspect) = suspect {
            self.failed(suspect, &fault)?;
        }
        self.start_workers()?;
        self.hand_out()
    }

    /// Queues what is left of a chunk that ended with a fault, or tells that its only trial is
    /// lost.
    fn failed(&mut self, assignment: Assignment, fault: &WorkerFault) -> Result<(), Failure> {
        match fault::rest(assignment, fault, &self.options.limits, self.pace) {
            Remainder::Nothing => Ok(()),
            Remainder::Again(chunks) => {
                chunks.into_iter().rev().for_each(|chunk| self.queue.push_front(chunk));
                Ok(())
            }
            Remainder::Lost { trial: number, seconds } => {
                let trial = self.pending.get(number);
                let WorkerFault { lost, text } = fault;
                tracing::warn!("trial {} is lost ({}): {text}", trial.id(), lost.name());
                self.lost += 1;
                if *lost == Lost::Timeout && self.options.program.is_some() && self.options.limits.timeout.is_none() {
                    self.pace.note_hang();
                }
                (self.hear)(News::Lost { number, trial: &trial, reason: *lost, detail: text, seconds })
            }
        }
    }

    /// Starts workers, as many as the queue has chunks for and the options allow.
    fn start_workers(&mut self) -> Result<(), Failure> {
        while self.workers.len() < self.options.workers
            && self.workers.iter().filter(|w| !w.ready).count() < self.queue.len()
        {
            let Options { device, limits, program, .. } = &self.options;
            let trains = program.as_ref().map_or(Trains::Engine(*device), Trains::Program);
            let worker = start(self.next_worker, trains, limits.ceiling, self.clock, self.to.clone())
                .map_err(|error| Failure::new(format!("cannot start a worker process: {error}")))?;
            self.next_worker += 1;
            self.workers.push(worker);
        }
        Ok(())
    }

    /// Hands out chunks: one to each worker, and a second one as long as many are queued, so that
    /// no worker waits for its next order.
    fn hand_out(&mut self) -> Result<(), Failure> {
        for ahead in [0, 1] {
            for at in 0..self.workers.len() {
                let plenty = self.queue.len() > 2 * self.workers.len();
                let worker = &self.workers[at];
                if !worker.ready || worker.assignments.len() > ahead || (ahead == 1 && !plenty) {
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

    /// Hands a chunk to a worker. Returns false if its order is too long to be sent, in which case
    /// the halves of the chunk are queued.
    fn hand_over(&mut self, at: usize, chunk: Chunk) -> Result<bool, Failure> {
        let number = self.next_chunk;
        self.next_chunk += 1;
        let trials = self.pending.all(&chunk.trials);
        let ids = self.pending.ids(&chunk.trials, &trials);
        let order = protocol::frame(&Order::train(number, self.options.wanted.clone(), trials));
        let assignment = Assignment { number, reported: vec![false; chunk.trials.len()], chunk, ids };
        let worker = &mut self.workers[at];
        if worker.assignments.is_empty() {
            worker.since = self.clock;
        }
        match order {
            Ok(frame) => {
                worker.hand(frame);
                worker.assignments.push_back(assignment);
                Ok(true)
            }
            // The order of half the chunk may be short enough.
            Err(error) => {
                self.failed(assignment, &WorkerFault { lost: Lost::Crashed, text: error.to_string() })?;
                Ok(false)
            }
        }
    }
}
