//! One worker process as its parent sees it: starting it, what was handed to it, what it holds in memory, and its end.

use super::event::WorkerEvent;
use blowup_core::device::Device;
use blowup_core::memory;
use blowup_core::plan::Chunk;
use blowup_core::protocol::{self, Order, Report, Rows};
use blowup_core::record;
use blowup_core::training::{ENVIRONMENT, FOREIGN_ENVIRONMENT};
use blowup_core::trial::TrialId;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// For the end of a process that was killed.
const PATIENCE: Duration = Duration::from_secs(5);

pub struct Worker {
    pub id: u64,
    pub process: Process,
    /// Orders on their way to its stdin, which closes with this.
    orders: Sender<Vec<u8>>,
    pub ready: bool,
    /// When it was started or began with its oldest flight, on the pool's clock.
    pub since: Duration,
    /// Bytes in RAM when it was last looked at.
    pub resident: u64,
    /// Handed over and not done, oldest first.
    pub flights: VecDeque<Flight>,
}

pub struct Flight {
    pub number: u64,
    pub chunk: Chunk,
    pub ids: Vec<TrialId>,
    pub reported: Vec<bool>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It holds nothing that is not in a file or will be done again.
        self.process.end();
    }
}

impl Worker {
    /// Hands over a frame. A worker that does not take it is dead or will be found to take too long.
    pub fn hand(&self, frame: Vec<u8>) {
        let _ = self.orders.send(frame);
    }

    /// What this reads of the kernel waits for nothing that the worker does.
    pub fn look(&mut self) {
        self.resident = memory::resident(self.process.id()).unwrap_or(self.resident);
    }
}

impl Flight {
    /// Whether the rows are of this chunk, new, and whole.
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
}

/// A child process of this one.
pub struct Process(Child);

impl Process {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Does nothing if it was waited for: its number may be another's by now.
    pub fn kill(&mut self) {
        let _ = self.0.kill();
    }

    /// Kills it and waits for its end, though not for one that the kernel does not let go of (in the middle of a read from a dead disk): how it ended.
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

/// A worker on `device` that may hold `ceiling` bytes, and the threads that read what it says and write what it is told. Called by the main thread only: a worker is ended with the
/// thread that started it.
pub fn start(id: u64, device: Device, ceiling: u64, since: Duration, to: Sender<WorkerEvent>) -> io::Result<Worker> {
    let (mut process, mut stdin, stdout) = spawn(device, ceiling)?;
    let (orders, frames) = channel::<Vec<u8>>();
    let mut from = BufReader::with_capacity(1 << 16, stdout);
    let write = move || {
        // An order may be longer than the pipe holds, and a worker that was stopped reads none.
        for frame in frames {
            if let Err(error) = stdin.write_all(&frame) {
                // It is dead; its reader will say so.
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
    Ok(Worker { id, process, orders, ready: false, since, resident: 0, flights: VecDeque::new() })
}

fn spawn(device: Device, ceiling: u64) -> io::Result<(Process, File, File)> {
    let mut command = this_program();
    command.arg("worker").args(["--device", &device.to_string()]);
    if ceiling > 0 {
        command.args(["--memory", &ceiling.to_string()]);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.envs(ENVIRONMENT);
    for name in FOREIGN_ENVIRONMENT {
        command.env_remove(name);
    }
    // Ctrl-C is for the parent, which ends the workers.
    command.process_group(0);
    let mut child = command.spawn()?;
    let stdin = File::from(OwnedFd::from(child.stdin.take().expect("piped above")));
    let stdout = File::from(OwnedFd::from(child.stdout.take().expect("piped above")));
    Ok((Process(child), stdin, stdout))
}

/// The program that runs, whatever has become of its file: one that was built anew in the meantime is another, and one that was removed can still be
/// started by this name.
pub fn this_program() -> Command {
    let mut command = Command::new(if cfg!(target_os = "linux") { PathBuf::from("/proc/self/exe") } else { by_name() });
    command.arg0(by_name());
    command
}

fn by_name() -> PathBuf {
    std::env::current_exe().unwrap_or_else(|_| PathBuf::from("blowup"))
}

/// A worker that is given one order and listened to, without a limit on time. It ends with this.
pub struct Conversation {
    process: Process,
    stdin: File,
    stdout: BufReader<File>,
}

impl Conversation {
    /// A worker on the CPU.
    ///
    /// # Errors
    /// If no process can be started.
    pub fn begin() -> io::Result<Conversation> {
        let (process, stdin, stdout) = spawn(Device::Cpu, 0)?;
        Ok(Conversation { process, stdin, stdout: BufReader::new(stdout) })
    }

    /// Gives it an order. One that does not take it says why, or is gone: its reports tell.
    pub fn order(&mut self, order: &Order) {
        if let Err(error) = protocol::send(&mut self.stdin, order) {
            tracing::debug!("a worker takes no order: {error}");
        }
    }

    /// What it says next; none when it is gone.
    ///
    /// # Errors
    /// If what it says is no report.
    pub fn report(&mut self) -> io::Result<Option<Report>> {
        protocol::receive(&mut self.stdout)
    }
}

impl Drop for Conversation {
    fn drop(&mut self) {
        self.process.end();
    }
}
