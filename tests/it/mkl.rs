//! The program answers MKL's question about the maker of the CPU; see `blowup_core::mkl`.

use blowup_core::mkl::mkl_serv_intel_cpu_true;
use std::ffi::{CStr, c_char, c_void};

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// The function to which calls from libtorch of this name lead.
fn resolved(name: &CStr) -> *mut c_void {
    // SAFETY: a null handle stands for the order in which the objects of the program are searched,
    // and the name is a C string.
    unsafe { dlsym(std::ptr::null_mut(), name.as_ptr()) }
}

#[test]
fn mkl_asks_the_program_which_cpu_this_is() {
    assert_eq!(resolved(c"mkl_serv_intel_cpu_true"), mkl_serv_intel_cpu_true as *mut c_void);
    assert!(!resolved(c"cblas_sgemm_batch").is_null(), "this libtorch has no MKL: is the answer still needed?");
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_answer_is_yes_wherever_there_is_avx512() {
    if std::arch::is_x86_feature_detected!("avx512f") {
        assert_eq!(mkl_serv_intel_cpu_true(), 1);
    }
}
