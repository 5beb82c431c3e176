//! Faults on demand, so that tests and `make drill` can show that a sweep survives them. Read from the environment, in the worker only.

use crate::trial::Trial;
use std::io::Write;
use std::time::Duration;

/// What a trial does to its worker when it is finished, before it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Abort,
    /// Says something that is no message.
    Garbage,
    Panic,
    Hang,
    /// Exits in the middle of a message.
    Torn,
    /// Allocates without bound.
    Memory,
}

const FAULTS: [(&str, Fault); 6] = [
    ("BLOWUP_TEST_ABORT", Fault::Abort),
    ("BLOWUP_TEST_GARBAGE", Fault::Garbage),
    ("BLOWUP_TEST_PANIC", Fault::Panic),
    ("BLOWUP_TEST_HANG", Fault::Hang),
    ("BLOWUP_TEST_TORN", Fault::Torn),
    ("BLOWUP_TEST_MEMORY", Fault::Memory),
];

/// `BLOWUP_TEST_ABORT=t0123456789ab,...`: these trials do that; `BLOWUP_TEST_SLOW=MS`: every trial takes that much longer.
#[derive(Debug, Default)]
pub struct Drill {
    faults: Vec<(String, Fault)>,
    slow: Duration,
}

impl Drill {
    pub fn from_env() -> Drill {
        let text = |name| std::env::var(name).unwrap_or_default();
        let mut drill = Drill::default();
        for (name, fault) in FAULTS {
            let trials = text(name);
            drill.faults.extend(trials.split(',').filter(|id| !id.is_empty()).map(|id| (id.to_owned(), fault)));
        }
        drill.slow = Duration::from_millis(text("BLOWUP_TEST_SLOW").parse().unwrap_or(0));
        drill
    }

    /// Called when a trial is finished, before it is reported.
    pub fn finished(&self, trial: &Trial, pipe: &mut impl Write) {
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

impl Fault {
    fn happen(self, pipe: &mut impl Write) {
        match self {
            Fault::Abort => std::process::abort(),
            Fault::Garbage => drop(pipe.write_all(b"Intel MKL WARNING: this is no message")),
            Fault::Panic => panic!("a drill"),
            Fault::Hang => loop {
                std::thread::sleep(Duration::from_secs(3600));
            },
            Fault::Torn => {
                let _ = pipe.write_all(b"\x00\x01\x00\x00\x01\x00\x01t0123456789ab,half a row,");
                std::process::exit(0);
            }
            Fault::Memory => {
                let mut held: Vec<Vec<u8>> = Vec::new();
                loop {
                    held.push(vec![1; 1 << 22]);
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
        }
    }
}
