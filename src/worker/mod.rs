//! Training in child processes: what goes over the pipes (`protocol`), the child (`child`), and the pool that owns the children (`pool`).
//! A child that dies takes nothing with it but the time of its chunk.

pub mod child;
pub mod pool;
pub mod protocol;

mod drill;
