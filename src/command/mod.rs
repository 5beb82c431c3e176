//! One file per subcommand: wiring only.

pub mod check;
pub mod merge;
pub mod origin;
pub mod plot;
pub mod replay;
pub mod report;
pub mod schema;
pub mod shard;
pub mod slurm;
pub mod sweep;
pub mod worker;

mod survey;
