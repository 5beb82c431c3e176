//! The integration tests: one binary, one module per room.

mod gradients;
mod optimizers;
mod training;
mod trials;
