//! `blowup worker`: not for people; what `sweep` starts once per core.

use crate::failure::{Exit, Failure};
use crate::worker::child;

pub fn run() -> Result<Exit, Failure> {
    match child::run() {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(Failure::new(format!("a worker cannot go on: {error}"))),
    }
}
