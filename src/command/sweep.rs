//! `blowup sweep`: reads the spec, compares its grid with the rows in the folder, plans what is
//! left, and trains it.

use crate::cli::SweepArgs;
use crate::json::Document;
use crate::json::event::Event;
use crate::origin::{self, parse};
use crate::stderr;
use crate::sweep::folder::{check_shard, out_dir};
use crate::sweep::manifest::manifest;
use crate::sweep::running::Running;
use crate::sweep::size::{self, MANY_POINTS, refuse_endless};
use crate::sweep::survey::{Again, Survey};
use crate::sweep::{shard, text};
use blowup_core::device::Device;
use blowup_core::failure::{Exit, Failure, counted, excerpt};
use blowup_core::limits::{Limits, Shares, Wishes};
use blowup_core::memory;
use blowup_core::output::print;
use blowup_core::plan::{self, PlanOptions, Shard};
use blowup_core::spec::Spec;
use blowup_core::spec::filter::Filter;
use blowup_core::store::{Manifest, Store};
use std::path::Path;

/// Runs the sweep.
///
/// # Errors
/// If the spec or an argument is wrong, the folder cannot be used, or the sweep cannot go on.
pub fn run(args: &SweepArgs) -> Result<Exit, Failure> {
    // This comes before there is a thread, a lock or an open file.
    let written = origin::read(&args.spec, &args.set)?;
    let spec = parse(&written, &args.spec)?;
    for warning in &spec.warnings {
        stderr::tell(&warning.to_string(), &Event::Warning(warning.told().into()));
    }
    if spec.map.is_some() {
        return Err(Failure::new(format!("`{}` is the spec of a map", args.spec.display()))
            .hint("`blowup map` draws it; leave [map] out to sweep a grid"));
    }
    let bundle = spec.data.iter().find(|taken| taken.bundle.is_some());
    if let Some(bundle) = bundle.filter(|_| args.device != Device::Cpu) {
        let message = format!("`{}` is a bundle, which trains on the CPU", excerpt(&bundle.path));
        return Err(Failure::new(message).hint("leave `--device` out"));
    }
    let filter = Filter::parse(&args.filters, &spec.axes).map_err(Failure::new)?;
    let points = size::points(&spec);
    refuse_endless(&spec, &args.spec)?;
    if points > MANY_POINTS && !args.yes {
        return Err(Failure::new(format!("the grid has {points} points")).hint("`--yes` runs it all the same"));
    }
    let shard = args.shard.map(|arg| shard::resolve(arg, &|name| std::env::var(name).ok())).transpose()?;
    let whole = out_dir(args.out.as_deref(), &spec)?;
    let dir = shard.map_or(whole.clone(), |shard| whole.join(shard.folder()));
    let store = if args.dry_run { Store::read(&dir)? } else { Store::open(&dir)? };
    store.refuse_others(written.text()).map_err(|failure| failure.hint("name another folder with `--out`"))?;
    check_shard(&store, shard)?;
    let (timeout, memory) = (args.timeout, args.memory.map(|memory| memory.0));
    let mut limits = Limits { timeout, memory, ceiling: u64::MAX };
    let retry = |trial| args.retry_lost || !store.losses.is_given_up(trial, &limits);
    let lacks = |trial| store.lacks(trial, &spec.record);
    let again = Again { retry: &retry, lacks: &lacks, refill: args.refill };
    let mut survey = Survey::new(&spec, &filter, &store, shard, &again)?;
    if survey.trials == 0 {
        return Err(Failure::new(format!("the grid of `{}` has no trials", args.spec.display())));
    }
    survey.check_ids(spec.grid())?;
    survey.check_values(spec.grid(), &written, &args.filters)?;
    check_grid(&survey, &store, written.text(), shard, &args.spec)?;
    let planner = std::mem::take(&mut survey.planner);
    let shares = shares(args, planner.fewest_bytes())?;
    limits.ceiling = shares.ceiling;
    let chunk = args.chunk.map(usize::from);
    let Shares { workers, planned, .. } = shares;
    let seconds = limits.chunk_seconds();
    let options = PlanOptions { workers, device: args.device, chunk, seconds, bytes: planned };
    let plan = planner.plan(options);
    if args.dry_run {
        let document = || Document::Plan(survey.document(&spec, shard, &plan, workers)).text();
        print(&if args.json { document() } else { text::dry_run(&spec, shard, &survey, &plan, workers) })?;
        return Ok(Exit::Done);
    }
    let manifest = manifest(args, &spec, &store, shard, &survey, workers);
    Running::new(args, (written.text(), &spec, &filter), store, survey, limits, manifest).run(plan, options)
}

/// Refuses a folder that holds trials which the grid of this spec does not have. `text` is the text
/// of the spec, `file` its path.
fn check_grid(survey: &Survey, store: &Store, text: &str, shard: Option<Shard>, file: &Path) -> Result<(), Failure> {
    let dir = store.dir();
    if store.spec.as_deref() == Some(text) {
        return survey.check_same(store.runs.len(), file, dir);
    }
    let old = store.spec.as_ref().and_then(|old| old_spec(old, dir, file, store.manifest.as_ref()));
    // A grid that is too large was never swept.
    let old = old.filter(|old| refuse_endless(old, file).is_ok());
    survey.check_contains(old.as_ref(), store, shard, file)
}

/// The spec that a folder holds, if it can still be read. An older version of blowup kept nothing
/// of the data files of a spec: they are looked for where the data files of the new spec are.
fn old_spec(text: &str, dir: &Path, beside: &Path, manifest: Option<&Manifest>) -> Option<Spec> {
    let kept = origin::parse_kept(dir, text, manifest).ok();
    kept.or_else(|| parse(&origin::written(text, &dir.join("spec.toml"), &[]).ok()?, beside).ok())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many workers the sweep has, and how much memory each may hold. `fewest` is the number of
/// bytes that a worker is predicted to need when it trains the largest trial alone.
fn shares(args: &SweepArgs, fewest: f64) -> Result<Shares, Failure> {
    // A second process on the same GPU would only take turns with the first.
    let cores = if args.device.is_gpu() { 1 } else { cores() };
    let (workers, memory) = (args.workers.map(usize::from), args.memory.map(|memory| memory.0));
    let least = plan::WORKER_BYTES as u64;
    if let Some(memory) = memory.filter(|memory| *memory < least) {
        return Err(Failure::new(format!("`--memory` of {} MiB is too little for libtorch alone", memory >> 20))
            .hint(format!("a worker needs {} MiB and what its trials need", least >> 20)));
    }
    let available = memory::available();
    let shares = Wishes { workers, cores, memory, available, fewest }.shares();
    if shares.crowded {
        tracing::warn!(
            hint = "fewer `--workers` leave more for each",
            "a worker is predicted to need {:.0} MiB, and there are {} MiB for {}",
            fewest / 1048576.0,
            available.unwrap_or(0) >> 20,
            counted(shares.workers as u64, "worker")
        );
    }
    Ok(shares)
}
