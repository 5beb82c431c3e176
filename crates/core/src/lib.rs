//! The parts of blowup that do not train: the spec and the trials of its grid, the plan, the
//! verdict, the rows and the folder of results, and the check of a finished sweep. Nothing here
//! knows libtorch.
//!
//! ```text
//! spec -> grid -> plan -> (workers) -> verdict -> record -> store -> check
//! ```

pub mod axis;
pub mod bundle;
pub mod device;
pub mod mean;
pub mod median;
pub mod training;
pub mod trial;

pub mod arrays;
pub mod csv_task;
pub mod spec;
pub mod text;

pub mod plan;

pub mod edge;

pub mod child;
pub mod limits;
pub mod memory;
#[expect(unsafe_code, reason = "answers a question of MKL under a name that the linker keeps")]
pub mod mkl;
pub mod protocol;
pub mod verdict;

pub mod record;
pub mod store;
pub mod summary;

pub mod map;
pub mod merge;

pub mod check;

pub mod failure;
pub mod input;
pub mod log;
pub mod output;
#[expect(unsafe_code, reason = "asks for the action of a signal, which no library does")]
pub mod signals;
