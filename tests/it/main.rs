//! The integration tests: one binary, one module per room.

mod gradients;
mod measurements;
mod optimizers;
mod training;
mod trials;
mod verdicts;
