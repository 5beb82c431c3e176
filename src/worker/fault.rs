//! What is done about a worker that fails: when it has failed, and what becomes of its chunk.
//!
//! What a failed worker had reported stands. The rest of its chunk is halved and tried again, until
//! the trial that brings the worker down is a chunk alone. Such a trial is lost after as many tries
//! as `Limits::lives` allows. This is usually two, since somebody else may have killed the first
//! worker.
//!
//! A panic in the code of blowup itself is no failure of the machine: it ends the sweep, and no
//! trial is lost by it.

use super::process::{Assignment, Worker};
use blowup_core::failure::{Failure, counted};
use blowup_core::limits::{Limits, Pace};
use blowup_core::plan::Chunk;
use blowup_core::record::Lost;
use blowup_core::training::REPORT_IT;
use std::time::Duration;

/// How many workers may die in a row before they are ready. Then the sweep ends.
const FALSE_STARTS: u32 = 10;
/// The same, where a program says nothing until its time is over: another start would be waited for
/// as long.
const SILENT_STARTS: u32 = 2;

/// How long a worker may take until it is ready. libtorch may lie on a slow disk.
const START: Duration = Duration::from_secs(300);

/// A worker is full when it holds more than this share of the memory that it may hold.
const FULL: f64 = 0.75;

/// Why a worker, or a chunk, came to a bad end.
pub struct WorkerFault {
    pub lost: Lost,
    pub text: String,
}

impl WorkerFault {
    /// The fault of a worker that is gone. `text` is what is known about its end. A process that
    /// cannot allocate memory aborts without a report, so the end of a full worker is taken as a
    /// lack of memory.
    pub fn of_end(worker: &Worker, limits: &Limits, text: String) -> WorkerFault {
        WorkerFault { lost: if is_full(worker, limits) { Lost::Memory } else { Lost::Crashed }, text }
    }
}

/// Whether a worker holds so much memory that it is replaced when it is idle, since what it holds
/// would count against its next chunk.
pub fn is_full(worker: &Worker, limits: &Limits) -> bool {
    worker.resident as f64 > FULL * limits.ceiling as f64
}

/// What is wrong with a worker that still runs: it has been silent, or has worked on its chunk, for
/// too long, or it holds too much memory. `clock` is the time on the pool's clock.
pub fn overdue(worker: &Worker, clock: Duration, limits: &Limits, pace: Pace) -> Option<WorkerFault> {
    let taken = clock.saturating_sub(worker.since);
    if !worker.ready {
        let text = || format!("it said nothing for {} s", taken.as_secs());
        return (taken > START).then(|| WorkerFault { lost: Lost::Timeout, text: text() });
    }
    let Assignment { chunk, .. } = worker.assignments.front()?;
    let (trials, seconds) = (chunk.trials.len(), limits.seconds(chunk.trials.len(), chunk.seconds(), pace));
    if taken.as_secs_f64() > seconds {
        let of = if trials == 1 { "one trial".to_owned() } else { format!("a chunk of {trials} trials") };
        return Some(WorkerFault { lost: Lost::Timeout, text: format!("{of} took longer than {seconds} s") });
    }
    if worker.resident > limits.ceiling {
        let (held, most) = (worker.resident >> 20, limits.ceiling >> 20);
        return Some(WorkerFault { lost: Lost::Memory, text: format!("it held {held} MiB of {most}") });
    }
    None
}

/// What becomes of the trials of a chunk that were not reported.
pub enum Remainder {
    /// There are none.
    Nothing,
    /// They are tried again, as these chunks in this order.
    Again(Vec<Chunk>),
    /// The only one is lost. It is the trial of this number, predicted to take `seconds`.
    Lost { trial: u32, seconds: f64 },
}

/// What becomes of the rest of a chunk that ended with this fault.
pub fn rest(assignment: Assignment, fault: &WorkerFault, limits: &Limits, pace: Pace) -> Remainder {
    let Assignment { chunk, reported, .. } = assignment;
    let alone = chunk.trials.len() == 1;
    let rest: Vec<u32> = chunk.trials.iter().zip(&reported).filter(|(_, r)| !**r).map(|(trial, _)| *trial).collect();
    if rest.is_empty() {
        return Remainder::Nothing;
    }
    let strikes = if alone { chunk.strikes + 1 } else { 0 };
    if alone && strikes >= limits.lives(fault.lost, pace) {
        return Remainder::Lost { trial: rest[0], seconds: chunk.seconds_each() };
    }
    tracing::info!("{} of the {} trials of a chunk are tried again: {}", rest.len(), chunk.trials.len(), fault.text);
    let halves = rest.chunks(rest.len().div_ceil(2));
    Remainder::Again(halves.map(|half| Chunk { trials: half.to_vec(), cost: chunk.cost, strikes }).collect())
}

/// How many workers have died in a row before they were ready, and how many of them were silent.
#[derive(Default)]
pub struct FalseStarts {
    all: u32,
    silent: u32,
}

impl FalseStarts {
    /// A worker is ready.
    pub fn reset(&mut self) {
        *self = FalseStarts::default();
    }

    /// A worker died before it was ready. `of_program` says that it waited for a program.
    ///
    /// # Errors
    /// If so many have died in a row that another would die too.
    pub fn count(&mut self, fault: &WorkerFault, of_program: bool) -> Result<(), Failure> {
        self.all += 1;
        self.silent += u32::from(of_program && fault.lost == Lost::Timeout);
        if self.silent >= SILENT_STARTS {
            return Err(Failure::new(format!("the program never said that it is ready: {}", fault.text))
                .hint("it must first write the line {\"ready\": 1} to its stdout and flush it: see docs/program.md"));
        }
        if self.all < FALSE_STARTS {
            return Ok(());
        }
        Err(Failure::new(format!("a worker process died before it was ready: {}", fault.text))
            .hint("`RUST_LOG=debug` shows more; is the libtorch that blowup was built with still there?"))
    }
}

/// The failure that ends a sweep when code of blowup itself panicked in a worker. It names a trial
/// of the chunk that was being trained.
pub fn bug(assignment: &Assignment, message: &str) -> Failure {
    let mut open =
        assignment.ids.iter().zip(&assignment.reported).filter(|(_, reported)| !**reported).map(|(id, _)| id);
    let first = open.next().map(|id| format!(" over trial {id}")).unwrap_or_default();
    let others = match open.count() {
        0 => String::new(),
        others => format!(" or one of {} beside it", counted(others as u64, "other")),
    };
    Failure::new(format!("a bug of blowup stopped the sweep{first}{others}: {message}"))
        .hint(format!("{REPORT_IT}; rows that were written are kept, and no trial is booked as lost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent() -> WorkerFault {
        WorkerFault { lost: Lost::Timeout, text: "it said nothing for 300 s".to_owned() }
    }

    #[test]
    fn a_program_that_never_says_that_it_is_ready_is_started_twice() {
        let mut starts = FalseStarts::default();
        assert!(starts.count(&silent(), true).is_ok());
        assert!(starts.count(&silent(), true).unwrap_err().to_string().contains("never said that it is ready"));
        // One that was ready in between starts the count anew.
        let mut starts = FalseStarts::default();
        assert!(starts.count(&silent(), true).is_ok());
        starts.reset();
        assert!(starts.count(&silent(), true).is_ok());
    }

    #[test]
    fn an_engine_on_a_slow_disk_has_ten_starts() {
        let mut starts = FalseStarts::default();
        let failed = (0..FALSE_STARTS).filter(|_| starts.count(&silent(), false).is_err()).count();
        assert_eq!(failed, 1);
    }
}
