//! One worker process as its parent sees it: starting it, what was handed to it, what it holds in memory, and its end.

use super::memory;
use super::pool::Event;
use super::protocol::{self, Rows};
use crate::device::Device;
use crate::engine::{ENVIRONMENT, FOREIGN_ENVIRONMENT};
use crate::plan::Chunk;
use crate::record;
use crate::trial::TrialId;
use std::collections::VecDeque;
use std::io::{self, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Sender;
use std::time::Duration;

pub struct Worker {
    pub id: u64,
    pub child: Child,
    pub stdin: ChildStdin,
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
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Worker {
    pub fn look(&mut self) {
        self.resident = memory::resident(self.child.id()).unwrap_or(self.resident);
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

/// A worker on `device` that may hold `ceiling` bytes, and the thread that reads what it says. Called by the main thread only: a worker is ended with the
/// thread that started it.
pub fn spawn(id: u64, device: Device, ceiling: u64, since: Duration, to: Sender<Event>) -> io::Result<Worker> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("worker").args(["--device", &device.to_string(), "--memory", &ceiling.to_string()]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
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
    Ok(Worker { id, child, stdin, ready: false, since, resident: 0, flights: VecDeque::new() })
}
