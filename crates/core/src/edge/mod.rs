//! Where an event begins along one axis, such as the largest learning rate that does not blow up.
//!
//! [`spec::edge`](crate::spec::edge) says what is looked for: in each line, which is a combination
//! of the other axes, along a lattice of values. [`search`] says which values are tried next,
//! [`follow`] does that with the rows that are there, and [`answer`] says what the tried values
//! mean; [`table`] writes `edges.csv`. This room is pure: rows come through a function.

pub mod answer;
pub mod follow;
pub mod search;
#[cfg(test)]
mod simulated;
pub mod table;
