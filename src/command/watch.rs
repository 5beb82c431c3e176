//! `blowup plot --watch`: writes the report again while a sweep trains, so that its page follows.

use crate::progress::to_stderr;
use crate::report;
use crate::report::data::Reload;
use blowup_core::store::{Folder, Lock, REPORT};
use std::thread::sleep;
use std::time::Duration;

/// The time between two looks at the rows.
const PAUSE: Duration = Duration::from_secs(2);

/// Writes the report whenever rows have come, until no sweep trains in the folder any more. A row
/// that is being written can be cut short, so a report that cannot be written is tried again.
pub fn follow(run: &Folder) {
    let mut written = None;
    while Lock::is_held(run.path()) {
        let length = run.length("runs.csv");
        if length.is_some() && length != written && report::file::write(run, None, Reload::UntilComplete).is_ok() {
            if written.is_none() {
                to_stderr(&format!("{} follows the sweep; open it in a browser", run.name(REPORT).display()));
            }
            written = length;
        }
        sleep(PAUSE);
    }
}
