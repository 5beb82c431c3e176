//! The signals that end a sweep. A signal that was ignored when the program started stays ignored:
//! `nohup` ignores SIGHUP, and a shell without job control ignores SIGINT and SIGQUIT for what runs
//! in its background. Each of the others that ask for an end is one.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::ffi::c_int;

/// The signals that ask for an end and were not ignored from the start.
pub fn endings() -> Vec<c_int> {
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(*signal)).collect()
}

/// Makes it an error of writing when a file may not grow (`ulimit -f`), as a full disk is; the
/// signal would end the program without a word. Rust's runtime already ignores the signal of a pipe
/// without a reader. Workers inherit this.
pub fn let_writes_fail() {
    // SAFETY: this sets the action of one signal, before there is a second thread.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

fn is_ignored(signal: c_int) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: this asks for the action of a signal and changes nothing. It is read only after it
    // was written.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
