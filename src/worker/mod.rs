//! Training in child processes: what goes over the pipes (`protocol`), the child (`child`), the pool that owns the children (`pool`,
//! `process`, `spare`), and what they may take (`limits`, `memory`).
//! A child that dies takes nothing with it but the time of its chunk.

pub mod child;
pub mod limits;
pub mod memory;
pub mod pool;
pub mod protocol;

mod drill;
mod process;
mod spare;

pub use process::this_program;
pub use spare::Spares;
