//! `blowup replay`: one trial of a sweep, alone and watched. It only reads the sweep's folder, and trains in this process: a crash can lose
//! no row.

use super::origin::{self, parse, parse_kept};
use super::sweep::refuse_endless;
use crate::cli::Replay;
use crate::engine::trace::Step;
use crate::engine::trouble::REPORT;
use crate::engine::{self, ENVIRONMENT, FOREIGN_ENVIRONMENT, Trouble};
use crate::failure::{Exit, Failure};
use crate::input;
use crate::output::print;
use crate::record;
use crate::replay::compare::{Comparison, compare, has_sharpness};
use crate::replay::trace::Folder;
use crate::replay::{LeadUp, find, report};
use crate::spec::Spec;
use crate::store::Store;
use crate::trial::Trial;
use crate::verdict::{Finished, Layers, Record};
use crate::worker::this_program;
use std::os::unix::process::CommandExt;

pub fn run(args: &Replay) -> Result<Exit, Failure> {
    become_a_worker()?;
    let store = Store::read(&args.run_dir)?;
    let spec = spec(args, &store)?;
    refuse_endless(&spec, args.spec.as_ref().unwrap_or(&args.run_dir.join("spec.toml")))?;
    let mut trial = find::find(spec.grid(), &args.trial, &args.run_dir.join("runs.csv"))?;
    if let Some(csv) = &mut trial.task.csv {
        origin::find(csv, &args.run_dir, store.manifest.as_ref())?;
    }
    let recorded = store.runs.row(trial.id())?;
    let mut folder = args.trace.as_deref().map(Folder::make).transpose()?;

    // What was measured then is measured now, whatever the spec has come to say since.
    let sharpness = recorded.as_deref().map_or(spec.record.sharpness, has_sharpness);
    let record = Record { epochs: true, layers: Layers::Never, steps: u64::MAX, sharpness };
    engine::start();
    let (lead_up, finished) = train(&trial, &record, folder.as_mut())?;
    let row = record::run_row(&trial, &finished.measured);
    let fingerprint = engine::fingerprint();
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

/// libtorch reads the environment when it is loaded, before `main`: unless this process has a worker's, it starts over with it.
fn become_a_worker() -> Result<(), Failure> {
    let right = ENVIRONMENT.iter().all(|(name, value)| std::env::var_os(name).is_some_and(|found| found == *value));
    if right && FOREIGN_ENVIRONMENT.iter().all(|name| std::env::var_os(name).is_none()) {
        return Ok(());
    }
    let mut command = this_program();
    command.args(std::env::args_os().skip(1)).envs(ENVIRONMENT);
    for name in FOREIGN_ENVIRONMENT {
        command.env_remove(name);
    }
    // Returns only if it failed.
    Err(cannot_start(&command.exec()))
}

fn cannot_start(error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot start the program again with the environment of a worker: {error}"))
}

/// The spec of the folder, or the one that was named.
fn spec(args: &Replay, store: &Store) -> Result<Spec, Failure> {
    if let Some(file) = &args.spec {
        return parse(&input::spec(file)?, file, file);
    }
    let Some(text) = &store.spec else {
        return Err(Failure::new(format!("`{}` is no folder of results: it has no spec.toml", args.run_dir.display()))
            .hint("`blowup sweep` makes one, in results/<name> or where --out says"));
    };
    parse_kept(&args.run_dir, text, store.manifest.as_ref())
}

fn train(trial: &Trial, record: &Record, mut folder: Option<&mut Folder>) -> Result<(LeadUp, Finished), Failure> {
    let failed = |trouble: Trouble| {
        let failure = Failure::new(format!("trial {} cannot be trained: {trouble}", trial.id()));
        match trouble {
            Trouble::Data(_) | Trouble::Memory(_) | Trouble::Refused(_) => failure,
            Trouble::Bug(_) => failure.hint(REPORT),
        }
    };
    if let Some(folder) = &folder {
        folder.write_tensors(&engine::start_of(trial).map_err(failed)?)?;
    }
    let (id, mut lead_up) = (trial.id().to_string(), LeadUp::default());
    let mut watch = |seen: Step<'_>| {
        lead_up.see(seen);
        if let Some(folder) = &mut folder {
            folder.see(&id, seen);
        }
    };
    let finished = engine::replay(trial, record, &mut watch).map_err(failed)?;
    Ok((lead_up, finished))
}

/// Why the numbers may differ from the recorded ones, if they may.
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
