//! `blowup merge`: the folders of shards -> proof that they are one sweep -> its files, as the sweep in one piece leaves them.

use super::origin::{parse_kept, parse_or};
use super::survey::GridHash;
use super::sweep::{now, refuse_endless, relabelled};
use crate::cli::Merge;
use crate::progress;
use blowup_core::failure::{Exit, Failure, counted};
use blowup_core::input;
use blowup_core::merge::{Allowed, Owners, ShardFolder, fit};
use blowup_core::output::print;
use blowup_core::protocol::{Row, Rows};
use blowup_core::record::{Counts, EPOCHS, SIDES, Verdict, recorded};
use blowup_core::spec::Spec;
use blowup_core::store::losses;
use blowup_core::store::sums::Recorded;
use blowup_core::store::{Manifest, Reader, Status, Store, Table};
use blowup_core::summary::{self, Summary};
use blowup_core::trial::TrialId;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

pub fn run(args: &Merge) -> Result<Exit, Failure> {
    let shards: Vec<Store> = args.shards.iter().map(|dir| read(dir)).collect::<Result<_, _>>()?;
    let parts: Vec<ShardFolder> = shards.iter().map(part).collect();
    fit(&parts, Allowed { partial: args.partial, mixed: args.allow_mixed })?;
    let out = open(&args.out, &args.shards)?;
    let (text, file) = match &args.spec {
        Some(file) => (input::spec(file)?, file),
        None => (shards[0].spec.clone().unwrap_or_default(), &args.shards[0].join("spec.toml")),
    };
    out.refuse_others(&text).map_err(|failure| failure.hint("name another folder to merge into"))?;
    let first = shards[0].manifest.as_ref();
    let spec = match &args.spec {
        Some(file) => parse_or(&text, file, file, first.map_or(&[][..], |manifest| &manifest.data))?,
        None => parse_kept(&args.shards[0], &text, first)?,
    };
    refuse_endless(&spec, file)?;
    if args.spec.is_none() && shards.iter().any(|shard| shard.spec.as_ref() != Some(&text)) {
        tracing::warn!(
            hint = "`--spec` names another",
            "the specs of the shards differ in more than their grid: `{}` is kept",
            file.display()
        );
    }
    let sources = Sources { shards: &shards, owners: owners(&shards)? };
    let trials = prove(&spec, file, &sources, args.partial)?;
    check_out(&out, &sources)?;
    let manifest = manifest(&shards, trials);
    Merged { spec: &spec, sources, manifest }.write(out, text.as_bytes())
}

fn read(dir: &Path) -> Result<Store, Failure> {
    if !dir.is_dir() {
        return Err(Failure::new(format!("there is no folder `{}`", dir.display()))
            .hint("the shards of `results/x` are `results/x/shard-I-of-N`"));
    }
    let store = Store::read(dir)?;
    if store.spec.is_none() || store.manifest.is_none() {
        return Err(Failure::new(format!("`{}` is no shard: it has no spec.toml and manifest.toml", dir.display()))
            .hint("`blowup sweep --shard I/N` makes one"));
    }
    Ok(store)
}

fn part(store: &Store) -> ShardFolder<'_> {
    let manifest = store.manifest.as_ref().expect("a shard was read");
    ShardFolder {
        dir: store.dir(),
        manifest,
        rows: store.runs.len() as u64,
        lengths: store.lengths(),
        is_final: store.is_final(&manifest.record),
    }
}

fn open(out: &Path, shards: &[PathBuf]) -> Result<Store, Failure> {
    let same =
        |shard: &PathBuf| shard.canonicalize().is_ok_and(|shard| out.canonicalize().is_ok_and(|out| out == shard));
    if shards.iter().any(same) {
        return Err(Failure::new(format!("`{}` is a shard and the folder to write", out.display()))
            .hint("the first argument is the folder to write: blowup merge OUT SHARD_DIR..."));
    }
    Store::open(out)
}

/// Nothing that the folder holds may be lost.
fn check_out(out: &Store, sources: &Sources) -> Result<(), Failure> {
    let refuse = |text: String| Err(Failure::new(text).hint("name another folder to merge into"));
    let dir = out.dir().display();
    if let Some(shard) = out.manifest.as_ref().and_then(|manifest| manifest.shard) {
        return refuse(format!("`{dir}` holds shard {shard} of a sweep"));
    }
    let first = sources.shards[0].manifest.as_ref().expect("a shard was read");
    if out.manifest.as_ref().is_some_and(|manifest| manifest.grid != first.grid) {
        return refuse(format!("`{dir}` holds another sweep, of another grid"));
    }
    match out.beyond(|trial| sources.verdict(trial).is_some_and(|verdict| verdict.outcome().is_some())) {
        Some((count, trial)) => {
            refuse(format!("`{dir}` has the results of {count} trials, {trial} for one, that no shard has"))
        }
        None => Ok(()),
    }
}

/// Which shard has which row.
struct Sources<'a> {
    shards: &'a [Store],
    owners: Owners,
}

impl Sources<'_> {
    fn verdict(&self, trial: TrialId) -> Option<Verdict> {
        self.shards[self.owners.of(trial)? as usize].runs.verdict(trial)
    }
}

fn owners(shards: &[Store]) -> Result<Owners, Failure> {
    let rows = (0..).zip(shards).flat_map(|(at, shard)| shard.runs.places().map(move |trial| (trial, at)));
    Owners::new(rows).map_err(|(trial, [a, b], count)| {
        let dir = |at: u32| shards[at as usize].dir().display();
        Failure::new(format!("`{}` and `{}` overlap: both have {trial}, {count} trials in all", dir(a), dir(b)))
            .hint("the shards were split by different versions of blowup, or rows were copied between them")
    })
}

/// The rows are those of the grid, each once; with `partial` some of them. How many the grid has.
fn prove(spec: &Spec, file: &Path, sources: &Sources, partial: bool) -> Result<u64, Failure> {
    let ids = || {
        let mut trials = spec.grid().trials();
        std::iter::from_fn(move || trials.advance()).map(|(_, id, _)| id)
    };
    let (mut hash, mut trials, mut found, mut gap) = (GridHash::default(), 0, 0, None);
    for id in ids() {
        hash.add(id);
        trials += 1;
        match sources.owners.of(id) {
            Some(_) => found += 1,
            None => gap = gap.or(Some(id)),
        }
    }
    let first = &sources.shards[0];
    if first.manifest.as_ref().is_some_and(|manifest| manifest.grid != hash.finish()) {
        return Err(Failure::new(format!("the grid of `{}` is not that of the shards", file.display()))
            .hint("a data file of its task has changed, or it is another spec"));
    }
    if found < sources.owners.len() as u64
        && let Some((trial, at)) = sources.owners.foreign(ids())
    {
        let dir = sources.shards[at as usize].dir().display();
        return Err(Failure::new(format!("`{dir}` has a row of {trial}, which is not in the grid"))
            .hint("the file was changed or damaged; run the shard again from nothing"));
    }
    match gap {
        Some(trial) if !partial => {
            let text = format!("no shard has {trial}: {} of the grid's {trials} trials are missing", trials - found);
            Err(Failure::new(text).hint("the shards were split by different versions of blowup"))
        }
        _ => Ok(trials),
    }
}

/// As the merge begins.
fn manifest(shards: &[Store], trials: u64) -> Manifest {
    let manifests: Vec<&Manifest> = shards.iter().filter_map(|shard| shard.manifest.as_ref()).collect();
    let mut fingerprints: Vec<String> = manifests.iter().flat_map(|m| m.fingerprints.clone()).collect();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    Manifest {
        status: Status::Running,
        shard: None,
        fingerprints,
        workers: manifests.iter().map(|m| m.workers).sum(),
        started: manifests.iter().map(|m| m.started.clone()).min().unwrap_or_default(),
        updated: now(),
        wall_seconds: manifests.iter().map(|m| m.wall_seconds).sum(),
        records: manifests.iter().flat_map(|m| m.records.clone()).collect(),
        counts: Counts { trials, ..Counts::default() },
        lengths: Default::default(),
        ..manifests[0].clone()
    }
}

struct Merged<'a> {
    spec: &'a Spec,
    sources: Sources<'a>,
    manifest: Manifest,
}

impl Merged<'_> {
    /// `out`: locked; its files are replaced when all others are complete.
    fn write(mut self, out: Store, spec: &[u8]) -> Result<Exit, Failure> {
        let mut stage = out.stage()?;
        stage.store.begin(spec, &self.spec.record, &self.manifest)?;
        let mut summary = Summary::new(self.spec, self.spec.grid().keeps_configurations_together());
        let mut csv = stage.store.new_summary()?;
        csv.put(&summary::header())?;
        self.rows(&mut stage.store, &mut |row| {
            summary.add(row, &mut csv).map_err(|error| Failure::io("write", out.dir(), &error))
        })?;
        csv.put(&summary.rest())?;
        csv.finish()?;
        let trials = self.manifest.counts.trials;
        let missing = trials - summary.all.trials;
        self.manifest.counts = Counts { trials, missing, ..summary.all };
        self.manifest.status = if missing == 0 { Status::Complete } else { Status::Partial };
        self.manifest.lengths = stage.store.lengths();
        stage.store.write_manifest(&self.manifest)?;
        let folders = self.sources.shards.iter().map(|shard| &shard.folder);
        losses::merge(folders, &out.folder, &stage.store.folder)?;
        super::report::write_or_tell(&stage.store.folder, Some(self.spec));
        let place = progress::folded(&out.dir().display().to_string(), &stage.store.files().join(" "));
        out.adopt(stage)?;
        print(&self.report(&summary, &place))?;
        Ok(if missing == 0 && summary.all.lost > 0 { Exit::Lost } else { Exit::Done })
    }

    /// Copies the rows of all trials in the order of the grid; `each` sees those of `runs.csv`.
    fn rows(&self, to: &mut Store, each: &mut dyn FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let shards = self.sources.shards;
        raise_file_limit();
        let mut runs = readers(shards.iter().map(|shard| Some(&shard.runs)))?;
        let mut sides = Vec::new();
        for (i, recorded) in recorded(&self.spec.record).into_iter().enumerate() {
            let tables = shards.iter().map(|shard| Some(&shard.sides[i]).filter(|side| recorded && side.exists()));
            sides.push(readers(tables)?);
        }
        let (mut batch, mut trials) = (Batch::default(), self.spec.grid().trials());
        while let Some((_, id, trial)) = trials.advance() {
            let Some(at) = self.sources.owners.of(id).map(|at| at as usize) else {
                continue;
            };
            let verdict = shards[at].runs.verdict(id).expect("the shard that has a trial has its row");
            let row = runs[at].as_mut().map(|runs| runs.row(id)).transpose()?.flatten().unwrap_or_default();
            let relabelled = relabelled(row, &trial.label);
            let row = relabelled.as_deref().unwrap_or(row);
            each(row)?;
            let recorded = shards[at].runs.recorded(id).unwrap_or(Recorded::Unknown);
            let Verdict::Outcome(outcome) = verdict else {
                batch.flush(to)?;
                to.append_unfinished((id, recorded), row, verdict)?;
                continue;
            };
            let mut lengths = [0; 3];
            for (i, side) in sides.iter_mut().enumerate() {
                let block = side[at].as_mut().map(|side| side.row(id)).transpose()?.flatten().unwrap_or_default();
                // Of every trial epoch 0 is recorded at least.
                if block.is_empty() && SIDES[i].columns == EPOCHS && self.spec.record.epochs {
                    let dir = shards[at].dir().display();
                    return Err(Failure::new(format!("`{dir}/{}` has no rows of {id}", SIDES[i].file))
                        .hint("the file was changed or damaged; run the shard again from nothing"));
                }
                batch.rows.sides[i].extend_from_slice(block);
                lengths[i] = block.len() as u32;
            }
            batch.rows.runs.extend_from_slice(row);
            batch.rows.trials.push(Row { index: 0, outcome, runs: row.len() as u32, sides: lengths });
            batch.trials.push((id, recorded));
            if batch.is_full() {
                batch.flush(to)?;
            }
        }
        batch.flush(to)
    }

    fn report(&self, summary: &Summary, place: &str) -> String {
        let mut text = summary.table();
        text.push('\n');
        text.push_str(&progress::folded(&counted(summary.all.trials, "trial"), &progress::counts(&summary.all)));
        let Counts { trials, missing, .. } = self.manifest.counts;
        if missing > 0 {
            let _ = writeln!(text, "partial: {missing} of the grid's {trials} trials are missing");
        }
        text.push_str(place);
        text
    }
}

fn readers<'a>(tables: impl Iterator<Item = Option<&'a Table>>) -> Result<Vec<Option<Reader<'a>>>, Failure> {
    tables.map(|table| table.map(Table::reader).transpose()).collect()
}

/// Rows on their way to the files.
#[derive(Default)]
struct Batch {
    trials: Vec<(TrialId, Recorded)>,
    rows: Rows,
}

impl Batch {
    fn is_full(&self) -> bool {
        const BYTES: usize = 1 << 18;
        self.rows.runs.len() + self.rows.sides.iter().map(|side| side.len()).sum::<usize>() > BYTES
    }

    fn flush(&mut self, to: &mut Store) -> Result<(), Failure> {
        if !self.trials.is_empty() {
            to.append(&self.trials, &self.rows)?;
        }
        self.trials.clear();
        self.rows.trials.clear();
        self.rows.runs.clear();
        self.rows.sides.iter_mut().for_each(|side| side.clear());
        Ok(())
    }
}

/// As many open files as the system lets this process have: a few for each shard.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the limit of open files stays: {error}");
    }
}
