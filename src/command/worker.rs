//! `blowup worker`: not for people; what `sweep` starts once per core, or once for a GPU.

use crate::cli::WorkerArgs;
use crate::worker::engine::{self, EngineUnavailable};
use blowup_core::failure::{Exit, Failure};
use blowup_core::output;
use blowup_core::protocol::{self, Report};

pub fn run(args: &WorkerArgs) -> Result<Exit, Failure> {
    match engine::work(args.device, args.memory) {
        Ok(true) => Ok(Exit::Done),
        // It has told why.
        Ok(false) => std::process::exit(1),
        Err(EngineUnavailable { what, hint }) => {
            // The parent tells it.
            let _ = protocol::send(&mut output::bytes(), &Report::Unable { what, hint });
            Ok(Exit::Done)
        }
    }
}
