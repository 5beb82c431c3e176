//! A program, as the worker that started it sees it: its messages, and the end of what it wrote to
//! stderr.

use super::line::ProgramMessage;
use super::{Launch, PROTOCOL};
use crate::processes::{kill_all, this_program};
use blowup_core::failure::{excerpt, printable};
use blowup_core::memory;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How many bytes a message may have.
const LONGEST: usize = 1 << 16;
/// How long to wait for a line before looking whether the program is still there.
const LOOK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
/// How many lines of what a program writes to stderr are kept.
const WORDS: usize = 6;
/// How many bytes of such a line are kept.
const LONGEST_WORD: u64 = 500;
/// How long to wait for the end of a program that has closed its pipes.
const PATIENCE: Duration = Duration::from_secs(2);

/// A program that has said that it is ready.
pub struct RunningProgram {
    process: Child,
    stdin: ChildStdin,
    stdout: ChildStdout,
    /// What of its stdout was read and is no part of a message yet.
    read: Vec<u8>,
    /// The last lines of its stderr.
    words: Arc<Mutex<VecDeque<String>>>,
    /// Whether its stdout has ended.
    has_ended: bool,
    /// The thread that reads its stderr.
    listener: Option<JoinHandle<()>>,
}

impl RunningProgram {
    /// Starts the program and waits until it is ready.
    ///
    /// # Errors
    /// If it cannot be started, ends, or sends something else first. The text says what happened,
    /// with the last lines of its stderr.
    pub fn start(launch: &Launch) -> Result<RunningProgram, String> {
        let shown = excerpt(&launch.command.join(" "));
        let (program, arguments) = launch.command.split_first().ok_or("the command is empty")?;
        // A program of this name is this program, wherever it lies.
        let mut command = if program == "blowup" { this_program() } else { Command::new(program) };
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if !launch.folder.is_empty() {
            command.current_dir(&launch.folder);
        }
        end_with_us(&mut command);
        let mut process =
            command.spawn().map_err(|error| format!("the program `{shown}` cannot be started: {error}"))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (process.stdin.take(), process.stdout.take(), process.stderr.take())
        else {
            return Err(format!("the program `{shown}` has no pipes"));
        };
        let words = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&words);
        let listener = std::thread::spawn(move || keep_words(stderr, &kept));
        let mut running = RunningProgram {
            process,
            stdin,
            stdout,
            read: Vec::new(),
            words,
            has_ended: false,
            listener: Some(listener),
        };
        match running.hear() {
            Ok(ProgramMessage::Ready(PROTOCOL)) => Ok(running),
            Ok(ProgramMessage::Ready(other)) => {
                let what = format!("the program `{shown}` speaks version {other} of the lines, this blowup {PROTOCOL}");
                Err(running.end(&what))
            }
            Ok(_) => Err(running.end(&format!("the program `{shown}` did not first say that it is ready"))),
            Err(what) => Err(running.end(&format!("the program `{shown}` was never ready: {what}"))),
        }
    }

    /// Sends it a line, and forgets what it has written to stderr until now.
    ///
    /// # Errors
    /// If it does not take the line.
    pub fn tell(&mut self, line: &str) -> io::Result<()> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.stdin.write_all(line.as_bytes())?;
        self.stdin.write_all(b"\n")?;
        self.stdin.flush()
    }

    /// Its next message.
    ///
    /// # Errors
    /// If it has ended, or sends a line that is no message.
    pub fn hear(&mut self) -> Result<ProgramMessage, String> {
        let line = self.line()?;
        serde_json::from_slice(&line).map_err(|error| {
            let said = String::from_utf8_lossy(&line);
            format!("it said `{}`, which is no line of the protocol: {error}", excerpt(said.trim_end()))
        })
    }

    /// Whether it has ended: nothing more will be heard of it.
    pub fn has_ended(&self) -> bool {
        self.has_ended
    }

    /// The next line of its stdout.
    fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.read[searched..].iter().position(|byte| *byte == b'\n') {
                let rest = self.read.split_off(searched + end + 1);
                return Ok(std::mem::replace(&mut self.read, rest));
            }
            searched = self.read.len();
            if searched >= LONGEST {
                let start = String::from_utf8_lossy(&self.read).into_owned();
                return Err(format!("it said a line without an end: `{}`", excerpt(&start)));
            }
            if !self.fill()? {
                self.has_ended = true;
                let rest = std::mem::take(&mut self.read);
                return Err(match &rest[..] {
                    [] => "it ended".to_owned(),
                    rest => {
                        format!("it ended in the middle of a line: `{}`", excerpt(&String::from_utf8_lossy(rest)))
                    }
                });
            }
        }
    }

    /// Reads more of its stdout. False where nothing will come any more: at the end of the pipe,
    /// and where the program has ended and another process still holds the pipe.
    fn fill(&mut self) -> Result<bool, String> {
        let cannot = |error: io::Error| format!("it cannot be read: {error}");
        loop {
            let ended = self.process.try_wait().map_err(cannot)?.is_some();
            let pipe = PollFd::new(&self.stdout, PollFlags::IN);
            let ready = match poll(&mut [pipe], Some(if ended { &NOW } else { &LOOK })) {
                Ok(ready) => ready,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(cannot(error.into())),
            };
            if ready > 0 {
                let mut bytes = [0; 1 << 14];
                let length = self.stdout.read(&mut bytes).map_err(cannot)?;
                self.read.extend_from_slice(&bytes[..length]);
                return Ok(length > 0);
            }
            if ended {
                return Ok(false);
            }
        }
    }

    /// Ends it. Returns `what`, which says what went wrong, with how the program ended and the last
    /// lines of its stderr.
    pub fn end(mut self, what: &str) -> String {
        let status = self.stop();
        // Its stderr ends with it, unless a process that it has started holds it too.
        let start = Instant::now();
        while self.listener.as_ref().is_some_and(|listener| !listener.is_finished()) && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        let words: Vec<String> = words.iter().map(|line| printable(line)).collect();
        let last = if words.is_empty() { String::new() } else { format!("; its last words: {}", words.join(" | ")) };
        format!("{what} ({status}){last}")
    }

    /// Kills it, unless it ends by itself. Returns how it ended.
    fn stop(&mut self) -> String {
        let start = Instant::now();
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) => break status.to_string(),
                Ok(None) if self.has_ended && start.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5))
                }
                Ok(None) | Err(_) => {
                    let _ = self.process.kill();
                    let _ = self.process.wait();
                    break "it was killed".to_owned();
                }
            }
        }
    }
}

impl Drop for RunningProgram {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        end_all();
    }
}

/// Makes this process the parent of what the program has started and left behind.
pub fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        tracing::debug!("no adoption of orphans: {error}");
    }
}

/// Ends all that this process has started, directly and through others.
pub fn end_all() {
    let below = memory::descendants(std::process::id());
    kill_all(&below);
    for process in below.iter().filter_map(|id| rustix::process::Pid::from_raw(*id as i32)) {
        // Of those that are not its own children there is nothing to wait for.
        let _ = rustix::process::waitpid(Some(process), rustix::process::WaitOptions::NOHANG);
    }
}

/// Reads what the program writes to stderr, where its prints go too, and keeps the last lines.
fn keep_words(stderr: impl Read, words: &Mutex<VecDeque<String>>) {
    let mut from = BufReader::new(stderr);
    loop {
        let mut line = Vec::new();
        match from.by_ref().take(LONGEST_WORD).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        tracing::debug!("the program: {text}");
        if text.is_empty() {
            continue;
        }
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.len() == WORDS {
            words.pop_front();
        }
        words.push_back(text);
    }
}

/// Makes the program end with this process, even if this process is killed.
#[expect(unsafe_code, reason = "nothing safe asks it of a child before it is another program")]
fn end_with_us(command: &mut Command) {
    #[cfg(target_os = "linux")]
    {
        let ask = || {
            let signal = Some(rustix::process::Signal::KILL);
            rustix::process::set_parent_process_death_signal(signal).map_err(io::Error::from)
        };
        // SAFETY: the closure runs between fork and exec. It makes one system call, allocates
        // nothing and takes no lock.
        unsafe { command.pre_exec(ask) };
    }
}
