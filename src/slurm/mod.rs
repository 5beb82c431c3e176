//! A sweep as a job array of Slurm, followed by a merge. [`shards`] reads from the folders which
//! shards are done, [`script`] has the scripts that are submitted, and [`submit`] writes them and
//! calls sbatch. [`status`] is the table that tells how far the shards are.
//!
//! A task may be requeued or preempted at any time. It is `blowup sweep --shard I/N`, which resumes
//! from the rows that are there, and whose lock keeps out a second instance. So the array needs no
//! state of its own.

pub mod script;
pub mod shards;
pub mod status;
pub mod submit;
