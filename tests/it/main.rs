//! The integration tests: one binary, one module per room.

mod gradients;
mod grid;
mod measurements;
mod mistakes;
mod optimizers;
mod training;
mod trials;
mod verdicts;
