//! Faults that the environment asks for, so that tests and `make drill` can show that a sweep
//! survives them. Only workers read them.

use blowup_core::output;
use blowup_core::trial::Trial;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// What a trial does to its worker when it is finished, before it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum InjectedFault {
    Abort,
    /// Writes bytes to the pipe that are no message.
    Garbage,
    /// Panics, as a bug in the engine would.
    Panic,
    Hang,
    /// Exits in the middle of a message.
    Torn,
    /// Allocates memory without end.
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

/// The faults of a worker, as these variables of the environment describe them:
///
/// - `BLOWUP_TEST_ABORT=t0123456789ab,...` and the other variables in `FAULTS` name the trials that
///   cause that fault.
/// - `BLOWUP_TEST_WAIT=N,FILE` has a worker that has finished N trials wait until the file exists
///   before it reports the next trial.
/// - `BLOWUP_TEST_STOP=FILE` stops (SIGSTOP) the first worker that can make this file, when it is
///   ready and before it reads orders.
/// - `BLOWUP_TEST_SLOW=MS` makes every trial take that many milliseconds longer.
#[derive(Debug, Default)]
pub struct Drill {
    faults: Vec<(String, InjectedFault)>,
    wait: Option<(u64, PathBuf)>,
    stop: Option<PathBuf>,
    slow: Duration,
    finished: u64,
}

impl Drill {
    /// Reads the variables of the environment. A variable that is missing or malformed asks for
    /// nothing.
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

    /// Is called when the worker has said that it is ready, before it reads orders.
    pub fn ready(&self) {
        if let Some(file) = &self.stop
            && output::create_new(file).is_ok()
        {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        }
    }

    /// Whether the next trial is held back. The trials before it are to be reported first.
    pub fn waits(&self) -> bool {
        self.wait.as_ref().is_some_and(|(trials, file)| self.finished >= *trials && !file.exists())
    }

    /// Is called when a trial is finished, before it is reported.
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
