//! What the threads beside the pool tell it.

use blowup_core::protocol::Report;

pub enum WorkerEvent {
    /// The worker of this number sent a report.
    Heard(u64, Report),
    /// The reports of the worker of this number ended or could not be read. The text says which.
    Gone(u64, String),
    /// A signal asks the sweep to end.
    Interrupted,
}
