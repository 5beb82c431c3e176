//! The signals that end a sweep.

use super::event::WorkerEvent;
use blowup_core::failure::{Exit, Failure};
use blowup_core::signals;
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// How long after the first signal the process ends at the latest.
const GRACE: Duration = Duration::from_secs(10);

/// Starts a thread that waits for SIGINT, SIGTERM and SIGHUP, except those that were ignored when
/// this process started. The first signal is sent to the pool. A second signal ends the process at
/// once, and so does `GRACE` when it has passed, whatever the sweep may be waiting for: what was
/// written by then is whole.
///
/// # Errors
/// If the system refuses the handler or the thread.
pub fn watch(to: Sender<WorkerEvent>) -> Result<(), Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("cannot watch for signals: {error}"));
    let mut signals = Signals::new(signals::endings()).map_err(cannot)?;
    let end = || low_level::exit(i32::from(Exit::Interrupted.status()));
    let watch = move || {
        for (count, _) in signals.forever().enumerate() {
            if count > 0 || to.send(WorkerEvent::Interrupted).is_err() {
                end();
            }
            std::thread::spawn(move || {
                std::thread::sleep(GRACE);
                end()
            });
        }
    };
    std::thread::Builder::new().name("signals".to_owned()).spawn(watch).map(drop).map_err(cannot)
}
