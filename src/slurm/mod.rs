//! A sweep as a job array of Slurm, followed by a merge. [`script`] has the scripts that are
//! submitted, and [`status`] tells how far the shards are. Neither opens a file:
//! [`command::slurm`](crate::command::slurm) does, and calls sbatch.
//!
//! A task may be requeued or preempted at any time. It is `blowup sweep --shard I/N`, which resumes
//! from the rows that are there, and whose lock keeps out a second instance. So the array needs no
//! state of its own.

pub mod script;
pub mod status;
