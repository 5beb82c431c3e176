//! `blowup slurm`
use crate::cli::Slurm;
use crate::failure::{Exit, Failure};
pub fn run(_args: &Slurm) -> Result<Exit, Failure> {
    Ok(Exit::Done)
}
