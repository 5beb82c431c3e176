//! Faults on demand, so that tests can show that a sweep survives them. Read from the environment, in the worker only.

use crate::trial::Trial;
use std::io::Write;
use std::time::Duration;

/// `BLOWUP_TEST_ABORT=t0123456789ab,...`: these trials take their worker down. `BLOWUP_TEST_GARBAGE=t...`: it says something that is no
/// message. `BLOWUP_TEST_PANIC=t...`: it panics. `BLOWUP_TEST_SLOW=MS`: every trial takes that much longer.
#[derive(Debug, Default)]
pub struct Drill {
    abort: Vec<String>,
    garbage: Vec<String>,
    panic: Vec<String>,
    slow: Duration,
}

impl Drill {
    pub fn from_env() -> Drill {
        let text = |name| std::env::var(name).unwrap_or_default();
        let trials = |name| text(name).split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
        Drill {
            abort: trials("BLOWUP_TEST_ABORT"),
            garbage: trials("BLOWUP_TEST_GARBAGE"),
            panic: trials("BLOWUP_TEST_PANIC"),
            slow: Duration::from_millis(text("BLOWUP_TEST_SLOW").parse().unwrap_or(0)),
        }
    }

    /// Called when a trial is finished, before it is reported.
    pub fn finished(&self, trial: &Trial, pipe: &mut impl Write) {
        if !self.slow.is_zero() {
            std::thread::sleep(self.slow);
        }
        if self.abort.is_empty() && self.garbage.is_empty() && self.panic.is_empty() {
            return;
        }
        let id = trial.id().to_string();
        if self.abort.contains(&id) {
            std::process::abort();
        }
        if self.garbage.contains(&id) {
            let _ = pipe.write_all(b"Intel MKL WARNING: this is no message");
        }
        assert!(!self.panic.contains(&id), "a drill");
    }
}
