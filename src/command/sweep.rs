//! `blowup sweep`: spec -> grid minus rows -> plan -> pool -> store.

use super::origin::{self, parse};
use super::shard;
use super::survey::{Again, Survey, check_shard};
use crate::cli::Sweep;
use crate::progress::{self, Progress};
use crate::worker::pool::{self, Ending, News};
use blowup_core::failure::{Exit, Failure, counted};
use blowup_core::input;
use blowup_core::limits::{Limits, Shares, Wishes};
use blowup_core::memory;
use blowup_core::output::print;
use blowup_core::plan::{self, Pending, Plan, PlanOptions, Shard};
use blowup_core::protocol::Rows;
use blowup_core::record::{self, Counts, Verdict};
use blowup_core::spec::Spec;
use blowup_core::spec::filter::Filter;
use blowup_core::store::losses::{self, Loss};
use blowup_core::store::sums::Recorded;
use blowup_core::store::{Manifest, REPORT, Status, Store};
use blowup_core::summary::{self, Summary};
use blowup_core::trial::TrialId;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};
use std::time::{Instant, SystemTime};

/// A grid of more points than this runs only with `--yes`.
pub(super) const MANY_POINTS: u128 = 10_000_000;

/// A grid of more points does not run at all: its trials have no numbers.
const MOST_POINTS: u32 = u32::MAX;

pub fn run(args: &Sweep) -> Result<Exit, Failure> {
    // Before there is a thread, a lock or an open file that they would share.
    let text = input::spec(&args.spec)?;
    let spec = parse(&text, &args.spec, &args.spec)?;
    spec.warnings.iter().for_each(|warning| progress::to_stderr(&warning.to_string()));
    let filter = Filter::parse(&args.filters).map_err(Failure::new)?;
    let points = spec.grid().points();
    refuse_endless(&spec, &args.spec)?;
    if points > MANY_POINTS && !args.yes {
        return Err(Failure::new(format!("the grid has {points} points")).hint("`--yes` runs it all the same"));
    }
    let shard = args.shard.map(|arg| shard::resolve(arg, &|name| std::env::var(name).ok())).transpose()?;
    let whole = out_dir(args.out.as_deref(), &spec)?;
    let dir = shard.map_or(whole.clone(), |shard| whole.join(shard.folder()));
    let store = if args.dry_run { Store::read(&dir)? } else { Store::open(&dir)? };
    store.refuse_others(&text).map_err(|failure| failure.hint("name another folder with `--out`"))?;
    check_shard(&store, shard)?;
    let (timeout, memory) = (args.timeout, args.memory.map(|memory| memory.0));
    let mut limits = Limits { timeout, memory, ceiling: u64::MAX };
    let retry = |trial| args.retry_lost || !store.losses.is_given_up(trial, &limits);
    let lacks = |trial| store.lacks(trial, &spec.record);
    let again = Again { retry: &retry, lacks: &lacks, refill: args.refill };
    let mut survey = Survey::new(&spec, &filter, &store, shard, &again);
    if survey.trials == 0 {
        return Err(Failure::new(format!("the grid of `{}` has no trials", args.spec.display())));
    }
    survey.check_ids(spec.grid())?;
    survey.check_values(spec.grid(), &text, &args.spec, &args.filters)?;
    let changed = store.spec.as_ref().is_some_and(|old| *old != text);
    if changed || store.spec.is_none() {
        let old = store.spec.as_ref().and_then(|old| old_spec(old, &dir, &args.spec, store.manifest.as_ref()));
        // A grid without an end was never swept.
        let old = old.filter(|old| refuse_endless(old, &args.spec).is_ok());
        survey.check_contains(old.as_ref(), shard, &args.spec, &dir)?;
    } else {
        survey.check_same(store.runs.len(), &args.spec, &dir)?;
    }
    let planner = std::mem::take(&mut survey.planner);
    let shares = shares(args, planner.fewest_bytes())?;
    limits.ceiling = shares.ceiling;
    let chunk = args.chunk.map(usize::from);
    let Shares { workers, planned, .. } = shares;
    let plan = planner.plan(PlanOptions {
        workers,
        device: args.device,
        chunk,
        seconds: limits.chunk_seconds(),
        bytes: planned,
    });
    let survey = &survey;
    if args.dry_run {
        print(&dry_run(&spec, shard, survey, &plan, workers))?;
        return Ok(Exit::Done);
    }
    let mut manifest = manifest(args, &spec, &store, shard, survey, workers);
    let recorded = manifest.name(&spec.record);
    let started = Instant::now();
    Running {
        args,
        text: &text,
        spec: &spec,
        store,
        survey,
        changed,
        limits,
        manifest,
        recorded,
        started,
        begun: None,
        lost: 0,
    }
    .run(plan)
}

/// The spec that a folder holds, if it can still be read. An older version kept nothing of its data, which lie where the new spec's do.
fn old_spec(text: &str, dir: &Path, beside: &Path, manifest: Option<&Manifest>) -> Option<Spec> {
    let kept = origin::parse_kept(dir, text, manifest).ok();
    kept.or_else(|| parse(text, &dir.join("spec.toml"), beside).ok())
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// `fewest`: predicted bytes of a worker that trains the largest trial alone.
fn shares(args: &Sweep, fewest: f64) -> Result<Shares, Failure> {
    // A second process on a GPU would only take turns with the first.
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
            "a worker is predicted to need {:.0} MiB, and {} workers have {} MiB together",
            fewest / 1048576.0,
            shares.workers,
            available.unwrap_or(0) >> 20
        );
    }
    Ok(shares)
}

/// As a sweep that starts now leaves it.
fn manifest(
    args: &Sweep,
    spec: &Spec,
    store: &Store,
    shard: Option<Shard>,
    survey: &Survey,
    workers: usize,
) -> Manifest {
    let before = store.manifest.as_ref();
    Manifest {
        format: record::FORMAT,
        status: Status::Running,
        shard,
        grid: survey.grid.clone(),
        blowup: env!("CARGO_PKG_VERSION").to_owned(),
        fingerprints: before.map(|m| m.fingerprints.clone()).unwrap_or_default(),
        device: args.device.to_string(),
        workers: workers as u64,
        spec: origin::place(&args.spec),
        started: before.map_or_else(now, |m| m.started.clone()),
        updated: now(),
        wall_seconds: before.map_or(0.0, |m| m.wall_seconds),
        record: spec.record.clone(),
        records: before.map(|m| m.records.clone()).unwrap_or_default(),
        counts: counts(store, survey),
        lengths: Default::default(),
        data: origin::data(spec),
    }
}

/// The folder of a sweep's results; those of its shards lie below it.
pub(super) fn out_dir(out: Option<&Path>, spec: &Spec) -> Result<PathBuf, Failure> {
    out.map_or_else(|| default_dir(&spec.name), |dir| Ok(dir.to_owned()))
}

/// The name must not lead anywhere else.
fn default_dir(name: &str) -> Result<PathBuf, Failure> {
    let mut parts = Path::new(name).components();
    match (parts.next(), parts.next()) {
        (Some(Component::Normal(part)), None) if part == name => Ok(Path::new("results").join(name)),
        _ => Err(Failure::new(format!("`name = {name:?}` does not name a folder"))
            .hint("letters, digits, `-` and `_`; or choose the folder with `--out`")),
    }
}

/// A grid that no run directory could hold, and no command could go through.
pub(super) fn refuse_endless(spec: &Spec, file: &Path) -> Result<(), Failure> {
    let points = spec.grid().points();
    if points <= u128::from(MOST_POINTS) {
        return Ok(());
    }
    let text = format!("the grid of `{}` has {points} points, a sweep at most {MOST_POINTS}", file.display());
    Err(Failure::new(text).hint("take fewer points, or several specs"))
}

/// A sweep whose folder is locked and whose grid is known.
struct Running<'a> {
    args: &'a Sweep,
    text: &'a str,
    spec: &'a Spec,
    store: Store,
    survey: &'a Survey,
    /// The folder's spec is another than this one, which contains it.
    changed: bool,
    limits: Limits,
    manifest: Manifest,
    /// What `[record]` is called beside the rows.
    recorded: Recorded,
    started: Instant,
    /// The workers' fingerprint, as soon as one was ready and the folder was taken.
    begun: Option<String>,
    /// Trials that were lost in this run.
    lost: u64,
}

impl Running<'_> {
    fn run(mut self, plan: Plan) -> Result<Exit, Failure> {
        self.warn_of_unrecorded();
        if plan.chunks.is_empty() {
            if self.store.is_final(&self.spec.record) && !self.changed && self.survey.foreign == 0 {
                return self.show();
            }
            self.store.begin(self.text.as_bytes(), &self.spec.record, &self.manifest)?;
            return self.finish();
        }
        let trials = plan.trials() as u64;
        let mut progress = Progress::start(trials, &plan, self.manifest.workers as usize, self.args.quiet);
        progress.say(&format!(
            "{}: {} to run ({} of {} are done) in {} on {}, into `{}`",
            self.spec.name,
            counted(trials, "trial"),
            self.survey.selected - trials,
            self.survey.selected,
            counted(plan.chunks.len() as u64, "chunk"),
            counted(self.manifest.workers, "worker"),
            self.store.dir().display()
        ));
        for taken in &self.spec.data {
            progress.say(&format!("data {}", taken.told()));
        }
        let options = pool::Options {
            workers: self.manifest.workers as usize,
            device: self.args.device,
            record: self.spec.record.clone(),
            limits: self.limits,
            max_lost: self.args.max_lost,
        };
        let pending = Pending { grid: self.spec.grid(), ids: &self.survey.order, points: &self.survey.points };
        let ended = pool::run(plan.chunks, pending, options, &mut |news| self.hear(news, &mut progress));
        progress.finish(ended != Ok(Ending::Done));
        match ended {
            Ok(Ending::Done) => self.finish(),
            Ok(Ending::Interrupted) => {
                progress::to_stderr("interrupted; rows that were written are kept, the same command resumes");
                self.close(Status::Interrupted)?;
                Ok(Exit::Interrupted)
            }
            Ok(Ending::Hopeless) => {
                let text =
                    format!("stopped: {} lost; see lost.csv, the same command resumes", were(self.lost, "trial"));
                progress::to_stderr(&text);
                self.close(Status::Interrupted)?;
                Ok(Exit::Lost)
            }
            Err(failure) => {
                // The first error is the one to show.
                let _ = self.close(Status::Interrupted);
                Err(failure)
            }
        }
    }

    fn hear(&mut self, news: News<'_>, progress: &mut Progress) -> Result<(), Failure> {
        match news {
            News::Ready { fingerprint } => match &self.begun {
                None => {
                    self.check_fingerprint(fingerprint)?;
                    self.store.begin(self.text.as_bytes(), &self.spec.record, &self.manifest)?;
                    self.begun = Some(fingerprint.to_owned());
                }
                Some(first) if first == fingerprint => {}
                Some(_) => return Err(Failure::new("the program or its libtorch changed while the sweep was running")),
            },
            News::Rows { trials, rows, seconds_each } => {
                self.check_same_rows(trials, rows)?;
                let trials: Vec<_> = trials.iter().map(|trial| (*trial, self.recorded)).collect();
                self.store.append(&trials, rows)?;
                for row in &rows.trials {
                    progress.done(Verdict::Outcome(row.outcome), seconds_each);
                }
            }
            News::Tick => progress.tick(),
            News::Lost { trial, reason, detail, seconds } => {
                self.lost += 1;
                let loss = Loss { lost: reason, limit: self.limits.of(reason) };
                let row = record::lost_row(trial, reason);
                self.store.append_lost((trial.id(), self.recorded), &row, loss, detail)?;
                progress.done(Verdict::Lost(reason), seconds);
            }
        }
        Ok(())
    }

    fn check_fingerprint(&mut self, fingerprint: &str) -> Result<(), Failure> {
        let known = &mut self.manifest.fingerprints;
        if self.store.runs.is_empty() {
            known.clear();
        }
        if known.is_empty() && !self.store.runs.is_empty() && !self.args.allow_mixed {
            let dir = self.store.dir().display();
            return Err(Failure::new(format!("`{dir}/manifest.toml` does not say what computed the rows in `{dir}`"))
                .hint("it is damaged or was removed; if it was this program on this machine, add `--allow-mixed`"));
        }
        if known.iter().any(|k| k != fingerprint) && !self.args.allow_mixed {
            let text = format!(
                "the rows in `{}` were computed by `{}`; this is `{fingerprint}`, whose bits may differ",
                self.store.dir().display(),
                known.join("`, `")
            );
            return Err(Failure::new(text).hint("name another folder with `--out`, or mix them with `--allow-mixed`"));
        }
        if !known.iter().any(|k| k == fingerprint) {
            known.push(fingerprint.to_owned());
        }
        Ok(())
    }

    /// A trial that is trained once more, for what is recorded now, must come out as it did.
    fn check_same_rows(&self, trials: &[TrialId], rows: &Rows) -> Result<(), Failure> {
        let mut at = 0;
        for (trial, row) in trials.iter().zip(&rows.trials) {
            let (from, until) = (at, at + row.runs as usize);
            at = until;
            if self.args.allow_mixed
                || self.store.runs.verdict(*trial).is_none_or(|verdict| verdict.outcome().is_none())
            {
                continue;
            }
            let before = self.store.runs.row(*trial)?.unwrap_or_default();
            if let Some(column) = record::differing(&before, &rows.runs[from..until]) {
                let text =
                    format!("{trial} was trained again and has another `{column}` than the row it has from before");
                return Err(Failure::new(text).hint(
                    "the rows were changed, or another machine computed them; `--allow-mixed` takes the new ones, another `--out` keeps both",
                ));
            }
        }
        Ok(())
    }

    /// Rows that are there stay as they were recorded.
    fn warn_of_unrecorded(&self) {
        let lacking = self.survey.lacking;
        if lacking > 0 && !self.args.refill {
            tracing::warn!(
                hint = "`--refill` trains them again",
                "{} trained before `[record]` asked for all that it asks for now: what was recorded then is kept",
                were(lacking, "finished trial"),
            );
        }
        if self.store.is_unguarded() {
            tracing::warn!(
                hint = "`runs.crc32` lies beside the file that a sweep writes; copy both",
                "`{}` has no checksums beside it (`runs.crc32`): its rows are taken as they are",
                self.store.folder.name("runs.csv").display()
            );
        }
    }

    /// Every selected trial has a row: the files in grid order, the summary, the table.
    fn finish(mut self) -> Result<Exit, Failure> {
        self.store.check_lock()?;
        let (survey, mut csv) = (self.survey, self.store.new_summary()?);
        let mut summary = Summary::new(self.spec, self.spec.grid().keeps_configurations_together());
        csv.put(&summary::header())?;
        self.store.sort(&survey.order, &mut |at, row| {
            let relabelled = relabelled(row, survey.label(at));
            summary.add(relabelled.as_deref().unwrap_or(row), &mut csv)?;
            Ok(relabelled)
        })?;
        csv.put(&summary.rest())?;
        csv.finish()?;
        let missing = survey.order.len() - self.store.runs.len();
        self.close(if missing == 0 { Status::Complete } else { Status::Partial })?;
        self.store.forget_rows();
        super::report::write_or_tell(&self.store.folder, Some(self.spec));
        self.store.check_lock()?;
        self.report(&summary)?;
        Ok(self.exit())
    }

    /// Of a sweep that has nothing more to run.
    fn exit(&self) -> Exit {
        if self.lost > 0 {
            let hint = "lost.csv has the reasons; the same command runs them again";
            tracing::warn!(hint, "{} lost: without a verdict", were(self.lost, "trial"));
        }
        let given_up = self.survey.given_up;
        if given_up > 0 {
            let hint = "`--retry-lost` runs them again, and so do larger limits";
            tracing::warn!(hint, "{} lost in {} sweeps: not run again", were(given_up, "trial"), losses::MOST);
        }
        if self.lost + given_up == 0 { Exit::Done } else { Exit::Lost }
    }

    /// A sweep that was finished before.
    fn show(&self) -> Result<Exit, Failure> {
        let mut summary = Summary::new(self.spec, false);
        self.store.runs.rows(&mut |row| {
            summary.add_to_table(row);
        })?;
        if !self.store.folder.has(REPORT) {
            super::report::write_or_tell(&self.store.folder, Some(self.spec));
        }
        self.report(&summary)?;
        Ok(self.exit())
    }

    fn report(&self, summary: &Summary) -> Result<(), Failure> {
        let mut text = summary.table();
        text.push('\n');
        text.push_str(&progress::folded(&counted(summary.all.trials, "trial"), &progress::counts(&summary.all)));
        let missing = self.survey.order.len() as u64 - summary.all.trials;
        if missing > 0 {
            let (whose, all) = (if self.manifest.shard.is_some() { "shard" } else { "grid" }, self.survey.order.len());
            let _ = writeln!(text, "{missing} of the {whose}'s {all} trials were not asked for yet");
        }
        text.push_str(&progress::folded(&self.store.dir().display().to_string(), &self.store.files().join(" ")));
        if let Some(diagrams) = super::plot::glance(self.store.dir(), summary.all.trials).filter(|_| !self.args.quiet) {
            let _ = write!(text, "\n{diagrams}");
        }
        print(&text)
    }

    fn close(&mut self, status: Status) -> Result<(), Failure> {
        if self.begun.is_none() && status == Status::Interrupted {
            // Nothing was written, nothing is to be said.
            return Ok(());
        }
        self.store.sync()?;
        self.manifest.status = status;
        self.manifest.updated = now();
        self.manifest.wall_seconds += self.started.elapsed().as_secs_f64();
        self.manifest.counts = counts(&self.store, self.survey);
        if status != Status::Interrupted {
            self.manifest.lengths = self.store.lengths();
        }
        self.store.write_manifest(&self.manifest)
    }
}

/// `1 trial was`, `2 trials were`.
fn were(n: u64, what: &str) -> String {
    format!("{} {}", counted(n, what), if n == 1 { "was" } else { "were" })
}

/// The row under the label that its trial has now, if that is another.
pub(super) fn relabelled(row: &[u8], label: &str) -> Option<Vec<u8>> {
    let after = &row[TrialId::LENGTH + 1..];
    let same = after.strip_prefix(label.as_bytes()).is_some_and(|rest| rest.starts_with(b","));
    if same && !label.contains([',', '"']) {
        return None;
    }
    let mut fields = record::fields(&row[..row.len() - 1]);
    (fields[record::LABEL] != label.as_bytes()).then(|| {
        fields[record::LABEL] = label.as_bytes().into();
        record::line(&fields)
    })
}

fn counts(store: &Store, survey: &Survey) -> Counts {
    let mut counts = Counts::default();
    survey.order.iter().filter_map(|trial| store.runs.verdict(*trial)).for_each(|verdict| counts.add(verdict));
    let trials = survey.order.len() as u64;
    Counts { missing: trials - counts.trials, trials, ..counts }
}

fn dry_run(spec: &Spec, shard: Option<Shard>, survey: &Survey, plan: &Plan, workers: usize) -> String {
    const SHOWN: usize = 12;
    let (points, pending) = (spec.grid().points(), plan.trials());
    let many = |n: usize, what: &str| counted(n as u64, what);
    let points = if points == 1 { "1 point".to_owned() } else { format!("{points} points") };
    let mut text = format!("grid      {points}, {}\n", counted(survey.trials, "trial"));
    let _ = writeln!(text, "seeds     {}", spec.seeds());
    if let Some(shard) = shard {
        let _ = writeln!(text, "shard     {shard}, {}", many(survey.order.len(), "trial"));
    }
    for taken in &spec.data {
        let _ = writeln!(text, "data      {}", taken.told());
    }
    let _ = writeln!(text, "selected  {}, of which {pending} are to run", survey.selected);
    let (cohorts, chunks) = (many(plan.cohorts.len(), "cohort"), many(plan.chunks.len(), "chunk"));
    let _ = writeln!(text, "plan      {cohorts}, {chunks} on {}", many(workers, "worker"));
    let seconds = plan.seconds();
    let _ = writeln!(text, "memory    {:.0} MiB predicted for a worker", plan.bytes() / 1048576.0);
    let _ = writeln!(text, "work      {seconds:.1} s predicted on one core, {:.1} s here\n", plan.seconds_on(workers));
    let _ = writeln!(text, "{:>8} {:>6} {:>10}  cohort", "trials", "lanes", "seconds");
    for cohort in plan.cohorts.iter().take(SHOWN) {
        let _ =
            writeln!(text, "{:>8} {:>6} {:>10.2}  {}", cohort.trials(), cohort.lanes, cohort.seconds(), cohort.name);
    }
    if let Some(more) = plan.cohorts.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let _ = writeln!(text, "{:>8} {:>6} {:>10}  and {more} smaller ones", "", "", "");
    }
    text
}

pub(super) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
