//! `blowup worker`: the process that `sweep` and `replay` start to train. It is not for people.

use crate::cli::WorkerArgs;
use crate::program;
use crate::worker::engine::{self, EngineUnavailable};
use blowup_core::failure::{Exit, Failure};
use blowup_core::output;
use blowup_core::protocol::{self, Report};

/// Is a worker until its stdin closes. What goes wrong in training is told to the parent.
///
/// # Errors
/// If `--program` cannot be parsed, or the parent is gone.
pub fn run(args: &WorkerArgs) -> Result<Exit, Failure> {
    if let Some(launch) = &args.program {
        let launch = serde_json::from_str(launch).map_err(|error| Failure::new(format!("`--program`: {error}")))?;
        return match program::work(&launch) {
            Ok(()) => Ok(Exit::Done),
            Err(error) => Err(Failure::new(format!("the parent is gone: {error}"))),
        };
    }
    match engine::work(args.device, args.memory) {
        Ok(true) => Ok(Exit::Done),
        // The worker has told its parent why.
        Ok(false) => std::process::exit(1),
        Err(EngineUnavailable { what, hint }) => {
            // The parent shows this to the user.
            let _ = protocol::send(&mut output::bytes(), &Report::Unable { what, hint });
            Ok(Exit::Done)
        }
    }
}
