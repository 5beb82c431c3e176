//! Processes forked from this one, to become workers: libtorch is loaded in them already, which takes a fifth of a second in a process that is
//! started anew.
//!
//! They are forked before this process has a second thread or a file that they must not inherit. libtorch was loaded in the environment of the user,
//! not in a worker's. What a worker sets (`ENVIRONMENT`) is read after the fork, at the first product, or overruled by `engine::start` (the number of
//! threads); where a variable is set that a worker must not see (`FOREIGN_ENVIRONMENT`), there are no spares.

use super::process::Process;
use super::{child, protocol};
use crate::device::Device;
use crate::engine::{ENVIRONMENT, FOREIGN_ENVIRONMENT};
use std::fs::File;
use std::io;

/// A fork takes 2 ms, and they come one after the other before anything is known of the sweep; further workers load libtorch side by side.
const MOST: usize = 16;

/// Workers that have not begun. Those that are left when it is dropped end.
#[derive(Default)]
pub struct Spares(Vec<Spare>);

struct Spare {
    process: Process,
    stdin: File,
    stdout: File,
}

impl Spares {
    /// As many as asked for, up to `MOST`; none where forking is not safe. Called by the main thread, first of all.
    pub fn fork(count: usize) -> Spares {
        let mut spares = Spares::default();
        if !is_safe() {
            return spares;
        }
        while spares.0.len() < count.min(MOST) {
            match spares.fork_one() {
                Ok(spare) => spares.0.push(spare),
                Err(error) => {
                    tracing::debug!("no spare worker: {error}");
                    break;
                }
            }
        }
        spares
    }

    /// A process that is a worker now and may hold `ceiling` bytes, its stdin and its stdout.
    pub fn begin(&mut self, ceiling: u64) -> Option<(Process, File, File)> {
        let Spare { process, mut stdin, stdout } = self.0.pop()?;
        // A few bytes into an empty pipe, so this does not wait. One that is gone does not take them; its end is noticed as that of any worker.
        let _ = protocol::send(&mut stdin, &ceiling);
        Some((process, stdin, stdout))
    }

    #[cfg(target_os = "linux")]
    fn fork_one(&mut self) -> io::Result<Spare> {
        use rustix::pipe::{PipeFlags, pipe_with};
        use rustix::process::{Pid, getpid};
        let ((orders, stdin), (stdout, reports)) = (pipe_with(PipeFlags::CLOEXEC)?, pipe_with(PipeFlags::CLOEXEC)?);
        let parent = getpid();
        // SAFETY: this process has one thread, so the child finds nothing locked.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                // The pipes of the others, and the parent's ends of its own.
                for Spare { process, stdin, stdout } in self.0.drain(..) {
                    drop((stdin, stdout));
                    std::mem::forget(process);
                }
                drop((stdin, stdout));
                become_worker(parent, orders, reports)
            }
            pid => {
                let pid = Pid::from_raw(pid).expect("fork gives the child's number");
                Ok(Spare { process: Process::forked(pid), stdin: stdin.into(), stdout: stdout.into() })
            }
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn fork_one(&mut self) -> io::Result<Spare> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        for spare in &mut self.0 {
            spare.process.end();
        }
    }
}

/// One thread, and nothing in the environment that libtorch may have read already and must not have.
fn is_safe() -> bool {
    let threads = std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count);
    threads == 1 && FOREIGN_ENVIRONMENT.iter().all(|name| std::env::var_os(name).is_none())
}

/// What a worker that is started anew is given by its parent, then a worker's life.
#[cfg(target_os = "linux")]
fn become_worker(parent: rustix::process::Pid, orders: rustix::fd::OwnedFd, reports: rustix::fd::OwnedFd) -> ! {
    let live = || -> io::Result<()> {
        child::die_with_parent();
        if rustix::process::getppid() != Some(parent) {
            return Ok(());
        }
        // Ctrl-C is for the parent, which ends the workers.
        rustix::process::setpgid(None, None)?;
        rustix::stdio::dup2_stdin(&orders)?;
        rustix::stdio::dup2_stdout(&reports)?;
        drop(reports);
        for (name, value) in ENVIRONMENT {
            // SAFETY: this process has one thread.
            unsafe { std::env::set_var(name, value) };
        }
        match protocol::receive(&mut File::from(orders))? {
            Some(ceiling) => child::run(Device::Cpu, Some(ceiling)),
            None => Ok(()),
        }
    };
    // Nothing of what the parent was doing may go on here.
    let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(live));
    if let Ok(Err(error)) = &lived {
        tracing::warn!("a worker cannot go on: {error}");
    }
    std::process::exit(i32::from(!matches!(lived, Ok(Ok(())))))
}
