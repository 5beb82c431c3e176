//! The door through which the program enters when it has opened the engine as a library of its own:
//! functions of C, since the two share no other types that a compiler vouches for.

use crate::child;
use std::ffi::{CStr, c_char, c_int};
use std::io;
use std::panic::catch_unwind;

/// What was built together has the same text here. It ends with a 0.
#[unsafe(no_mangle)]
pub extern "C" fn blowup_engine_build() -> *const c_char {
    const BUILD: &CStr = match CStr::from_bytes_with_nul(concat!(env!("BLOWUP_BUILD"), "\0").as_bytes()) {
        Ok(build) => build,
        Err(_) => panic!("a build is hexadecimal"),
    };
    BUILD.as_ptr()
}

/// A worker's life: takes orders from stdin until it closes, answers on stdout, and returns the exit
/// status. `device`: as `--device` has it. `memory`: bytes that the parent lets this process hold; 0
/// for any number.
///
/// # Safety
/// `device` is null or points to a text that ends with a 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn blowup_engine_work(device: *const c_char, memory: u64) -> c_int {
    if device.is_null() {
        return 1;
    }
    // SAFETY: the caller's promise.
    let device = unsafe { CStr::from_ptr(device) }.to_str().ok().and_then(|text| text.parse().ok());
    let Some(device) = device else { return 1 };
    blowup_core::log::start(io::stderr);
    let lived = catch_unwind(|| child::run(device, Some(memory).filter(|memory| *memory > 0)));
    if let Ok(Err(error)) = &lived {
        tracing::warn!("a worker cannot go on: {error}");
    }
    c_int::from(!matches!(lived, Ok(Ok(()))))
}
