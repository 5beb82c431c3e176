//! One worker process as its parent sees it: its start, what was handed to it, how much memory it
//! holds, and its end.

use super::event::WorkerEvent;
use crate::processes::{kill_all, this_program};
use crate::program::Launch;
use blowup_core::device::Device;
use blowup_core::memory;
use blowup_core::plan::Chunk;
use blowup_core::protocol::{self, Order, Pixel, Report, Rows};
use blowup_core::record;
use blowup_core::training::{ENVIRONMENT, FOREIGN_ENVIRONMENT};
use blowup_core::trial::TrialId;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// How long to wait for the end of a process that was killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A worker process. It is killed when this is dropped.
pub struct Worker {
    pub id: u64,
    pub process: Process,
    /// Takes orders to the thread that writes them to the stdin of the process. The stdin closes
    /// when this is dropped.
    orders: Sender<Vec<u8>>,
    /// Whether it has said that it can train.
    pub ready: bool,
    /// When it was started, or began with its oldest assignment, on the clock of the pool.
    pub since: Duration,
    /// How many bytes of RAM it held when it was last looked at.
    pub resident: u64,
    /// What was handed to it and is not done, oldest first.
    pub assignments: VecDeque<Assignment>,
}

/// A chunk that was handed to a worker.
pub struct Assignment {
    /// The number by which the worker reports on the chunk.
    pub number: u64,
    pub chunk: Chunk,
    /// The ids of its trials.
    pub ids: Vec<TrialId>,
    /// Which of its trials were reported.
    pub reported: Vec<bool>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Nothing is lost by this: what it has reported is written, the rest is trained again.
        self.process.end();
    }
}

impl Worker {
    /// Sends an order. If the worker never reads it, the worker is dead or will exceed its time
    /// limit.
    pub fn hand(&self, frame: Vec<u8>) {
        let _ = self.orders.send(frame);
    }

    /// Asks the kernel how much memory the worker holds. This does not wait for the worker.
    pub fn look(&mut self) {
        self.resident = memory::resident_with_children(self.process.id()).unwrap_or(self.resident);
    }
}

impl Assignment {
    /// Whether every row is whole, is of a trial of this chunk, and was not reported before.
    pub fn fits(&self, rows: &Rows) -> bool {
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

    /// Whether every reading is of a trial of this chunk that was not reported before.
    pub fn takes(&self, pixels: &[Pixel]) -> bool {
        let mut reported = self.reported.clone();
        pixels.iter().all(|pixel| {
            let before = reported.get_mut(pixel.index as usize).map(|reported| std::mem::replace(reported, true));
            before == Some(false)
        })
    }
}

/// What a worker trains with.
#[derive(Clone, Copy)]
pub enum Trains<'a> {
    Engine(Device),
    Program(&'a Launch),
}

/// A child process of this one.
pub struct Process(Child);

impl Process {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Does nothing after its end was waited for, since its number may belong to another process
    /// then.
    pub fn kill(&mut self) {
        let below = match self.0.try_wait() {
            Ok(None) => memory::descendants(self.0.id()),
            Ok(Some(_)) | Err(_) => Vec::new(),
        };
        let _ = self.0.kill();
        kill_all(&below);
    }

    /// Kills the process, waits for its end and says how it ended. A process that the kernel does
    /// not release, for example one that reads from a dead disk, is waited for only as long as
    /// `PATIENCE`.
    pub fn end(&mut self) -> String {
        self.kill();
        let start = Instant::now();
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return status.to_string(),
                Ok(None) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(1)),
                Ok(None) => return "killed, and not gone yet".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }
}

/// Starts a worker that trains with `trains` and may hold `ceiling` bytes, and the two threads that
/// read its reports and write its orders. `since` is the time on the clock of the pool. The reports
/// go to `to`. Only the main thread may call this, since the kernel ends a worker with the thread
/// that started it.
///
/// # Errors
/// If the system refuses a process or a thread.
pub fn start(
    id: u64,
    trains: Trains<'_>,
    ceiling: u64,
    since: Duration,
    to: Sender<WorkerEvent>,
) -> io::Result<Worker> {
    let (mut process, mut stdin, stdout) = spawn(trains, ceiling)?;
    let (orders, frames) = channel::<Vec<u8>>();
    let mut from = BufReader::with_capacity(1 << 16, stdout);
    let write = move || {
        // This waits where an order is longer than the pipe holds and the worker does not read.
        for frame in frames {
            if let Err(error) = stdin.write_all(&frame) {
                // The worker is dead, which the thread that reads its reports tells the pool.
                tracing::debug!("worker {id}: {error}");
                return;
            }
        }
    };
    let read = move || {
        loop {
            let event = match protocol::receive(&mut from) {
                Ok(Some(report)) => WorkerEvent::Heard(id, report),
                Ok(None) => WorkerEvent::Gone(id, "it exited".to_owned()),
                Err(error) => WorkerEvent::Gone(id, error.to_string()),
            };
            let last = matches!(event, WorkerEvent::Gone(..));
            if to.send(event).is_err() || last {
                return;
            }
        }
    };
    let thread = |name: &str| std::thread::Builder::new().name(format!("{name} worker {id}"));
    let threads = thread("to").spawn(write).and_then(|_| thread("from").spawn(read));
    if let Err(error) = threads {
        process.end();
        return Err(error);
    }
    Ok(Worker { id, process, orders, ready: false, since, resident: 0, assignments: VecDeque::new() })
}

/// Starts the process, and returns it with its stdin and its stdout.
fn spawn(trains: Trains<'_>, ceiling: u64) -> io::Result<(Process, File, File)> {
    let mut command = this_program();
    command.arg("worker");
    match trains {
        Trains::Engine(device) => command.args(["--device", &device.to_string()]),
        Trains::Program(launch) => command.args(["--program", &serde_json::to_string(launch)?]),
    };
    if ceiling > 0 {
        command.args(["--memory", &ceiling.to_string()]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.envs(ENVIRONMENT);
    for name in FOREIGN_ENVIRONMENT {
        command.env_remove(name);
    }
    // Ctrl-C must reach the parent alone, which then ends the workers.
    command.process_group(0);
    let mut child = command.spawn()?;
    let stdin = File::from(OwnedFd::from(child.stdin.take().expect("piped above")));
    let stdout = File::from(OwnedFd::from(child.stdout.take().expect("piped above")));
    Ok((Process(child), stdin, stdout))
}

/// A worker that is given one order and has as much time as it needs. It is killed when this is
/// dropped.
pub struct Conversation {
    process: Process,
    stdin: File,
    stdout: BufReader<File>,
}

impl Conversation {
    /// Starts a worker on the CPU.
    ///
    /// # Errors
    /// If no process can be started.
    pub fn begin() -> io::Result<Conversation> {
        let (process, stdin, stdout) = spawn(Trains::Engine(Device::Cpu), 0)?;
        Ok(Conversation { process, stdin, stdout: BufReader::new(stdout) })
    }

    /// Sends the order. If the worker does not take it, its reports tell why, or end.
    pub fn order(&mut self, order: &Order) {
        if let Err(error) = protocol::send(&mut self.stdin, order) {
            tracing::debug!("a worker takes no order: {error}");
        }
    }

    /// Its next report, or none when the worker is gone.
    ///
    /// # Errors
    /// If it sends something that is no report.
    pub fn report(&mut self) -> io::Result<Option<Report>> {
        protocol::receive(&mut self.stdout)
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.process.end();
    }
}
