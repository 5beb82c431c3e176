//! Training in child processes. [`pool`] owns the children and hands out the work, [`fault`] says
//! what is done about one that fails, and [`process`] is one of them as its parent sees it.
//! [`engine`] is what such a child opens. What goes over the pipes is [`blowup_core::protocol`]. A
//! child that dies costs the time of its chunk and nothing else.

#[cfg_attr(feature = "engine", expect(unsafe_code, reason = "opens a library and calls its functions of C"))]
pub mod engine;
pub mod pool;

mod event;
mod fault;
mod interrupt;
pub mod process;

pub use process::Conversation;
