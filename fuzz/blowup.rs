//! The rooms of blowup that read what others wrote, under the name of the whole: the same files, without those that need libtorch. That
//! this compiles shows that they do not.
#![allow(dead_code)]

#[path = "../src/axis/mod.rs"]
pub mod axis;
#[path = "../src/device.rs"]
pub mod device;
#[path = "../src/trial/mod.rs"]
pub mod trial;

#[path = "../src/csv_task.rs"]
pub mod csv_task;
#[path = "../src/grid.rs"]
pub mod grid;
#[path = "../src/spec/mod.rs"]
pub mod spec;

#[path = "../src/plan/mod.rs"]
pub mod plan;

#[path = "../src/worker"]
pub mod worker {
    //! What parent and worker say; not the processes.
    pub mod limits;
    pub mod protocol;
}

#[path = "../src/mean.rs"]
pub mod mean;
#[path = "../src/verdict/mod.rs"]
pub mod verdict;

#[path = "../src/record/mod.rs"]
pub mod record;
#[path = "../src/store/mod.rs"]
pub mod store;
#[path = "../src/summary/mod.rs"]
pub mod summary;

#[path = "../src/check/mod.rs"]
pub mod check;

#[path = "../src/failure.rs"]
pub mod failure;
#[path = "../src/input.rs"]
pub mod input;
#[path = "../src/output.rs"]
pub mod output;
