//! `blowup worker`: not for people; what `sweep` starts once per core, or once for a GPU.

use crate::cli::Worker;
use crate::program;
use crate::worker::engine::{self, Missing};
use blowup_core::failure::{Exit, Failure};
use blowup_core::output;
use blowup_core::protocol::{self, Report};

pub fn run(args: &Worker) -> Result<Exit, Failure> {
    if let Some(launch) = &args.program {
        let launch = serde_json::from_str(launch).map_err(|error| Failure::new(format!("`--program`: {error}")))?;
        return match program::work(&launch) {
            Ok(()) => Ok(Exit::Done),
            Err(error) => Err(Failure::new(format!("the parent is gone: {error}"))),
        };
    }
    match engine::work(args.device, args.memory) {
        Ok(true) => Ok(Exit::Done),
        // It has told why.
        Ok(false) => std::process::exit(1),
        Err(Missing { what, hint }) => {
            // The parent tells it.
            let _ = protocol::send(&mut output::bytes(), &Report::Unable { what, hint });
            Ok(Exit::Done)
        }
    }
}
