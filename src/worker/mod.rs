//! Training in child processes: the pool that owns them (`pool`), one of them as its parent sees it
//! (`process`), and the engine that such a process opens (`engine`). What goes over the pipes is
//! `blowup_core::protocol`. A child that dies takes nothing with it but the time of its chunk.

#[cfg_attr(feature = "engine", expect(unsafe_code, reason = "opens a library and calls its functions of C"))]
pub mod engine;
pub mod pool;

mod process;

pub use process::{Conversation, this_program};
