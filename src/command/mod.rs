//! One file per subcommand. A command reads its arguments, calls what does the work in order, and
//! says how it ended.

pub mod check;
pub mod completions;
pub mod demo;
pub mod export;
pub mod man;
pub mod map;
pub mod merge;
pub mod plot;
pub mod read;
pub mod replay;
pub mod schema;
pub mod slurm;
pub mod sweep;
pub mod watch;
pub mod worker;
