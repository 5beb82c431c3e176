//! Faults on demand, so that tests can show that a sweep survives them. Read from the environment, in the worker only.

use crate::trial::Trial;
use std::time::Duration;

/// `BLOWUP_TEST_ABORT=t0123456789ab,...`: these trials take their worker down. `BLOWUP_TEST_SLOW=MS`: every trial takes that much longer.
#[derive(Debug, Default)]
pub struct Drill {
    abort: Vec<String>,
    slow: Duration,
}

impl Drill {
    pub fn from_env() -> Drill {
        let text = |name| std::env::var(name).unwrap_or_default();
        Drill {
            abort: text("BLOWUP_TEST_ABORT").split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
            slow: Duration::from_millis(text("BLOWUP_TEST_SLOW").parse().unwrap_or(0)),
        }
    }

    /// Called when a trial is finished, before it is reported.
    pub fn finished(&self, trial: &Trial) {
        if !self.slow.is_zero() {
            std::thread::sleep(self.slow);
        }
        if !self.abort.is_empty() && self.abort.contains(&trial.id().to_string()) {
            std::process::abort();
        }
    }
}
