//! A sweep, from the grid and the rows that a folder holds to the finished files.
//!
//! [`size`] and [`folder`] say which grids and which folders a sweep accepts, and [`shard`] says
//! which shard of it this process is. [`survey`] compares the grid with the rows that are there.
//! [`running`] is the sweep while its workers train and until its files are closed, and [`rounds`]
//! are those of its edges; [`manifest`] is what it writes about itself, and [`text`] is what it
//! prints. What it would do, for `--dry-run`, is in `planned`.
//! [`command::sweep`](crate::command::sweep) calls these in order.

pub mod folder;
pub mod grid_hash;
pub mod label;
pub mod manifest;
mod planned;
pub mod rounds;
pub mod running;
pub mod shard;
pub mod size;
pub mod survey;
pub mod text;
