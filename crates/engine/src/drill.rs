//! Faults on demand, so that tests and `make drill` can show that a sweep survives them. Read from the environment, in the worker only.

use blowup_core::output;
use blowup_core::trial::Trial;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// What a trial does to its worker when it is finished, before it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InjectedFault {
    Abort,
    /// Says something that is no message.
    Garbage,
    /// As a bug in the engine does.
    Panic,
    Hang,
    /// Exits in the middle of a message.
    Torn,
    /// Allocates without bound.
    Memory,
}

const FAULTS: [(&str, InjectedFault); 6] = [
    ("BLOWUP_TEST_ABORT", InjectedFault::Abort),
    ("BLOWUP_TEST_GARBAGE", InjectedFault::Garbage),
    ("BLOWUP_TEST_PANIC", InjectedFault::Panic),
    ("BLOWUP_TEST_HANG", InjectedFault::Hang),
    ("BLOWUP_TEST_TORN", InjectedFault::Torn),
    ("BLOWUP_TEST_MEMORY", InjectedFault::Memory),
];

/// `BLOWUP_TEST_ABORT=t0123456789ab,...`: these trials do that. `BLOWUP_TEST_WAIT=N,FILE`: a worker that has finished N trials waits until there is such
/// a file before it reports the next. `BLOWUP_TEST_STOP=FILE`: the first worker that can make this file stops (SIGSTOP) once it is ready, before it
/// reads anything. `BLOWUP_TEST_SLOW=MS`: every trial takes that much longer.
#[derive(Debug, Default)]
pub struct Drill {
    faults: Vec<(String, InjectedFault)>,
    wait: Option<(u64, PathBuf)>,
    stop: Option<PathBuf>,
    slow: Duration,
    finished: u64,
}

impl Drill {
    pub fn from_env() -> Drill {
        let text = |name| std::env::var(name).unwrap_or_default();
        let mut drill = Drill::default();
        for (name, fault) in FAULTS {
            let trials = text(name);
            drill.faults.extend(trials.split(',').filter(|id| !id.is_empty()).map(|id| (id.to_owned(), fault)));
        }
        let wait = text("BLOWUP_TEST_WAIT");
        drill.wait = wait.split_once(',').and_then(|(trials, file)| Some((trials.parse().ok()?, file.into())));
        drill.stop = Some(text("BLOWUP_TEST_STOP")).filter(|file| !file.is_empty()).map(PathBuf::from);
        drill.slow = Duration::from_millis(text("BLOWUP_TEST_SLOW").parse().unwrap_or(0));
        drill
    }

    /// Called when the worker has said that it is ready, before it reads orders.
    pub fn ready(&self) {
        if let Some(file) = &self.stop
            && output::create_new(file).is_ok()
        {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        }
    }

    /// Whether the next trial is held back: those before it are to be reported first.
    pub fn waits(&self) -> bool {
        self.wait.as_ref().is_some_and(|(trials, file)| self.finished >= *trials && !file.exists())
    }

    /// Called when a trial is finished, before it is reported.
    pub fn finished(&mut self, trial: &Trial, pipe: &mut impl Write) {
        while self.waits() {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.finished += 1;
        if !self.slow.is_zero() {
            std::thread::sleep(self.slow);
        }
        if self.faults.is_empty() {
            return;
        }
        let id = trial.id().to_string();
        for (_, fault) in self.faults.iter().filter(|(guilty, _)| *guilty == id) {
            fault.happen(pipe);
        }
    }
}

impl InjectedFault {
    fn happen(self, pipe: &mut impl Write) {
        match self {
            InjectedFault::Abort => std::process::abort(),
            InjectedFault::Garbage => drop(pipe.write_all(b"Intel MKL WARNING: this is no message")),
            InjectedFault::Panic => panic!("a drill"),
            InjectedFault::Hang => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            InjectedFault::Torn => {
                let _ = pipe.write_all(b"\x00\x01\x00\x00\x01\x00\x01t0123456789ab,half a row,");
                std::process::exit(0);
            }
            InjectedFault::Memory => {
                let mut held: Vec<Vec<u8>> = Vec::new();
                loop {
                    held.push(vec![1; 1 << 22]);
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }
}
