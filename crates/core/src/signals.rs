//! Signals that were ignored when the program started stay ignored: `nohup` ignores SIGHUP, a shell without job control SIGINT and SIGQUIT of what runs in
//! its background. What ends a sweep is every other one of those that ask for an end.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::ffi::c_int;

/// Those that ask for an end and were not ignored from the start.
pub fn endings() -> Vec<c_int> {
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)).collect()
}

/// A file that may not grow (`ulimit -f`) is to be an error of writing, as a full disk is; the signal would end the program without a word. (That of a
/// pipe without a reader is ignored by Rust's runtime.) Workers inherit it.
pub fn let_writes_fail() {
    // SAFETY: sets the action of one signal, before there is a second thread.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

fn is_ignored(signal: c_int) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: asks for the action of a signal and changes nothing; what is read was written.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
