//! `blowup worker`: not for people; what `sweep` starts once per core, or once for a GPU.

use crate::cli::Worker;
use crate::failure::{Exit, Failure};
use crate::worker::child;

pub fn run(args: &Worker) -> Result<Exit, Failure> {
    match child::run(args.device, args.memory) {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(Failure::new(format!("a worker cannot go on: {error}"))),
    }
}
