//! The functions through which the program enters the engine when it has opened it as a shared
//! library. They are functions of C, because no compiler checks that the two agree on other types.

use crate::child;
use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::panic::catch_unwind;

/// Returns a text, which ends with a 0, that names the build. The program has the same text if both
/// were built together.
#[unsafe(no_mangle)]
pub extern "C" fn blowup_engine_build() -> *const c_char {
    const BUILD: &CStr = match CStr::from_bytes_with_nul(concat!(env!("BLOWUP_BUILD"), "\0").as_bytes()) {
        Ok(build) => build,
        Err(_) => panic!("a build is hexadecimal"),
    };
    BUILD.as_ptr()
}

/// Runs a worker: it takes orders from stdin until stdin closes, answers on stdout, and returns the
/// exit status. `device` is written as in `--device`. `memory` is the number of bytes that the
/// parent lets this process hold; 0 stands for any number.
///
/// # Safety
/// `device` is null or points to a text that ends with a 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blowup_engine_work(device: *const c_char, memory: u64) -> c_int {
    if device.is_null() {
        return 1;
    }
    // SAFETY: the caller promises that `device` points to a text that ends with a 0.
    let device = unsafe { CStr::from_ptr(device) }.to_str().ok().and_then(|text| text.parse().ok());
    let Some(device) = device else { return 1 };
    blowup_core::log::start(io::stderr, None);
    let lived = catch_unwind(|| child::run(device, Some(memory).filter(|memory| *memory > 0)));
    if let Ok(Err(error)) = &lived {
        tracing::warn!("a worker cannot go on: {error}");
    }
    c_int::from(!matches!(lived, Ok(Ok(()))))
}
