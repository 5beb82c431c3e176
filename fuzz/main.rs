//! The target that `FUZZ` names, for libFuzzer. See `harness`.
#![no_main]

mod harness;

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;

static TARGET: LazyLock<harness::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ").unwrap_or_default();
    let found = harness::TARGETS.iter().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("FUZZ={name} is none of {:?}", harness::TARGETS.map(|(name, _)| name))).1
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
