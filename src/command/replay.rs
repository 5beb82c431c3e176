//! `blowup replay`: trains one trial of a sweep again, alone and watched, in a worker. It only
//! reads the folder of the sweep.

use crate::cli::ReplayArgs;
use crate::origin::{self, parse, parse_kept};
use crate::replay::compare::{Comparison, compare, has_sharpness};
use crate::replay::trace::TraceFolder;
use crate::replay::{LeadUp, find, report};
use crate::sweep::rounds::event_in;
use crate::sweep::size::refuse_endless;
use crate::worker::Conversation;
use blowup_core::edge::follow::{follow, points};
use blowup_core::failure::{Exit, Failure};
use blowup_core::output::print;
use blowup_core::protocol::{Order, Report};
use blowup_core::record;
use blowup_core::spec::Spec;
use blowup_core::store::Store;
use blowup_core::training::REPORT_IT;
use blowup_core::trial::Trial;
use blowup_core::verdict::{Finished, Layers, Record};

/// Trains the trial again and prints how it went.
///
/// # Errors
/// If the trial is not found or cannot be trained, or a file cannot be read or written.
pub fn run(args: &ReplayArgs) -> Result<Exit, Failure> {
    let store = Store::read(&args.run_dir)?;
    let spec = spec(args, &store)?;
    refuse_endless(&spec, args.spec.as_ref().unwrap_or(&args.run_dir.join("spec.toml")))?;
    let lines = follow(&spec, None, &mut |edge, trial| event_in(&spec, edge, &store, trial))?;
    let mut trial =
        find::find(spec.grid().beside(&points(&spec, &lines)), &args.trial, &args.run_dir.join("runs.csv"))?;
    if trial.given.is_some() {
        return Err(Failure::new("a program trained this trial, and blowup cannot train it again")
            .hint("run the program itself with the values of its row"));
    }
    if args.draws.is_some() && trial.task.bundle().is_none() {
        return Err(Failure::new(format!("trial {} draws no numbers at its steps", trial.id()))
            .hint("`--draws` is for the dropout and the noise of bundles"));
    }
    origin::find(&mut trial, &args.run_dir, store.manifest.as_ref())?;
    let recorded = store.runs.row(trial.id())?;
    let mut folder = args.trace.as_deref().map(TraceFolder::make).transpose()?;

    // Sharpness is measured if the recorded row has it, whatever the spec says now.
    let sharpness = recorded.as_deref().map_or(spec.record.sharpness, has_sharpness);
    let record = Record { epochs: true, layers: Layers::Never, steps: u64::MAX, sharpness };
    let Trained { lead_up, finished, fingerprint } = train(&trial, &record, folder.as_mut(), args.draws.unwrap_or(0))?;
    let row = record::run_row(&trial, &finished.measured);
    if let Some(folder) = folder {
        folder.finish(&trial, &finished, &row, &fingerprint)?;
    }
    let comparison = compare(recorded.as_deref(), &row);
    let elsewhere = elsewhere(&store, &fingerprint);
    let mut text = report::configuration(&trial, &args.run_dir);
    text.push_str(&report::course(&trial, &finished));
    text.push_str(&report::first_bad(&trial, &finished, &lead_up));
    text.push_str(&report::verdict(&finished.measured, &comparison, elsewhere.as_deref()));
    if let Some(dir) = &args.trace {
        text.push_str(&format!("trace: {}\n", dir.display()));
    }
    print(&text)?;
    Ok(match comparison {
        Comparison::Differs(cells) if cells.iter().any(|cell| cell.of_verdict || elsewhere.is_none()) => Exit::Differs,
        Comparison::Differs(_) | Comparison::Missing | Comparison::Lost(_) => Exit::Done,
    })
}

/// The spec that `--spec` names, or the one in the folder.
fn spec(args: &ReplayArgs, store: &Store) -> Result<Spec, Failure> {
    if let Some(file) = &args.spec {
        return parse(&origin::read(file, &[])?, file);
    }
    let Some(text) = &store.spec else {
        return Err(Failure::new(format!("`{}` is no folder of results: it has no spec.toml", args.run_dir.display()))
            .hint("`blowup sweep` makes one, in results/<name> or where --out says"));
    };
    parse_kept(&args.run_dir, text, store.manifest.as_ref())
}

/// What a worker has reported of a trial.
struct Trained {
    lead_up: LeadUp,
    finished: Finished,
    fingerprint: String,
}

/// Trains the trial in a worker. The steps go into the trace, if there is one, with the random
/// numbers of the first `draws` steps of a bundle.
fn train(trial: &Trial, record: &Record, mut folder: Option<&mut TraceFolder>, draws: u64) -> Result<Trained, Failure> {
    let failed = |message: &str| Failure::new(format!("trial {} cannot be trained: {message}", trial.id()));
    let cut = |error: std::io::Error| failed(&format!("its worker is gone: {error}"));
    let mut worker = Conversation::begin().map_err(cut)?;
    let (order, start) = (Box::new(trial.clone()), folder.is_some());
    worker.order(&Order::Replay { trial: order, record: record.clone(), start, draws });
    let (id, mut lead_up, mut fingerprint) = (trial.id(), LeadUp::default(), String::new());
    loop {
        match worker.report().map_err(cut)? {
            Some(Report::Hello { fingerprint: said, .. }) => fingerprint = said,
            Some(Report::Start(arrays)) => {
                if let Some(folder) = &folder {
                    folder.write_tensors(&arrays)?;
                }
            }
            Some(Report::Step(step)) => {
                if let Some(folder) = &mut folder {
                    folder.see(id, &step);
                }
                lead_up.see(step);
            }
            Some(Report::Finished(finished)) => return Ok(Trained { lead_up, finished: *finished, fingerprint }),
            Some(Report::Untrained { message, bug: false }) => return Err(failed(&message)),
            Some(Report::Untrained { message, bug: true }) => return Err(failed(&message).hint(REPORT_IT)),
            Some(Report::Unable { what, hint }) => return Err(Failure::new(what).hint(hint)),
            Some(
                Report::Rows { .. }
                | Report::Pixels { .. }
                | Report::Done { .. }
                | Report::Failed { .. }
                | Report::Bug { .. },
            ) => {
                return Err(failed("its worker speaks of something else"));
            }
            None => return Err(failed("its worker died")),
        }
    }
}

/// Why the numbers may differ from the recorded ones. None if they must be the same.
fn elsewhere(store: &Store, fingerprint: &str) -> Option<String> {
    let Some(manifest) = &store.manifest else {
        return Some("the folder does not say what computed the row".to_owned());
    };
    let here = env!("CARGO_PKG_VERSION");
    if manifest.blowup != here {
        return Some(format!("the row was computed by blowup {}, this is {here}", manifest.blowup));
    }
    let same = manifest.fingerprints.iter().all(|known| known == fingerprint);
    (!same)
        .then(|| format!("the row was computed by `{}`, this is `{fingerprint}`", manifest.fingerprints.join("` or `")))
}
