//! A sweep as a Slurm job array with a merge behind it: [`script`] writes what is submitted,
//! [`status`] tells from the files how far it is. Pure; [`command::slurm`](crate::command::slurm)
//! reads, writes and calls sbatch.
//!
//! Safe under requeue and preemption without any state of its own: a task is `blowup sweep --shard
//! I/N`, which resumes by the rows that are there, and whose lock keeps a second instance out.

pub mod script;
pub mod status;
