//! A sweep while its workers train, and until its files are closed.

use super::label::relabelled;
use super::manifest::{counts, now};
use super::rounds::Rounds;
use super::survey::{Again, Survey};
use super::text::{self, were};
use crate::cli::SweepArgs;
use crate::figures::glance::glance;
use crate::json::Document;
use crate::json::event::StartEvent;
use crate::json::swept::SweptDocument;
use crate::program::Launch;
use crate::progress::{self, Progress};
use crate::report;
use crate::worker::pool::{self, Ending, More, News};
use blowup_core::edge::table;
use blowup_core::failure::{Exit, Failure, counted};
use blowup_core::limits::Limits;
use blowup_core::output::print;
use blowup_core::plan::{Pending, Plan, PlanOptions, Planner};
use blowup_core::protocol::{Rows, Wanted};
use blowup_core::record::{self, Verdict};
use blowup_core::spec::Spec;
use blowup_core::spec::filter::Filter;
use blowup_core::store::losses::{self, Loss};
use blowup_core::store::sums::Recorded;
use blowup_core::store::{Manifest, REPORT, Status, Store};
use blowup_core::summary::{self, Interval, Summary};
use blowup_core::trial::TrialId;
use std::rc::Rc;
use std::time::Instant;

/// A sweep whose folder is locked and whose grid is known.
pub struct Running<'a> {
    args: &'a SweepArgs,
    /// The text of the spec, which the folder keeps byte for byte.
    text: &'a str,
    spec: &'a Spec,
    store: Store,
    /// The filter of `--where`.
    filter: &'a Filter,
    survey: Rc<Survey>,
    rounds: Rounds,
    /// How the trials of later rounds are cut into chunks.
    options: Option<PlanOptions>,
    limits: Limits,
    manifest: Manifest,
    /// The name of this `[record]`. `runs.crc32` notes it for each row, and the manifest explains
    /// it.
    recorded: Recorded,
    started: Instant,
    /// The fingerprint of the workers. None until a worker is ready and the folder was begun.
    begun: Option<String>,
    /// How many trials were lost in this run.
    lost: u64,
}

impl<'a> Running<'a> {
    /// The sweep of `spec` into `store`, not begun yet. `text` is the text of the spec.
    pub fn new(
        args: &'a SweepArgs,
        (text, spec, filter): (&'a str, &'a Spec, &'a Filter),
        store: Store,
        survey: Survey,
        limits: Limits,
        mut manifest: Manifest,
    ) -> Running<'a> {
        let recorded = manifest.name(&spec.record);
        let (started, rounds, survey) = (Instant::now(), Rounds::new(&survey.lines, &store), Rc::new(survey));
        Running {
            args,
            text,
            spec,
            store,
            filter,
            survey,
            rounds,
            options: None,
            limits,
            manifest,
            recorded,
            started,
            begun: None,
            lost: 0,
        }
    }

    /// Trains the planned trials, closes the files and prints the end.
    ///
    /// # Errors
    /// What the pool or the store fails on. Rows that were written by then are kept.
    pub fn run(mut self, plan: Plan, options: PlanOptions) -> Result<Exit, Failure> {
        self.warn_of_unrecorded();
        self.options = Some(options);
        if plan.chunks.is_empty() {
            let has_edges = !self.spec.edges.is_empty();
            if self.store.is_final(&self.spec.record, has_edges) && !self.is_changed() && self.survey.foreign == 0 {
                return self.show();
            }
            self.store.begin(self.text.as_bytes(), &self.spec.axes, &self.spec.record, &self.manifest)?;
            return self.finish();
        }
        let trials = plan.trials() as u64;
        let work = (plan.seconds(), plan.seconds_on(self.manifest.workers as usize));
        let mut progress = Progress::start("trial", trials, work, self.args.quiet);
        let text = format!(
            "{}: {} to run ({} of {} are done) in {} on {}, into `{}`",
            self.spec.name,
            counted(trials, "trial"),
            self.survey.selected - trials,
            self.survey.selected,
            counted(plan.chunks.len() as u64, "chunk"),
            counted(self.manifest.workers, "worker"),
            self.store.dir().display()
        );
        let start = StartEvent {
            name: self.spec.name.clone(),
            out: self.store.dir().display().to_string(),
            selected: self.survey.selected,
            trials,
            chunks: plan.chunks.len() as u64,
            workers: self.manifest.workers,
        };
        progress.begin(&text, start);
        if !self.spec.edges.is_empty() {
            progress.say(&format!("{}; each round decides what the next one tries", self.rounds.told()));
            progress.note(self.rounds.told());
        }
        for taken in &self.spec.data {
            progress.say(&format!("data {}", taken.told()));
        }
        let options = pool::Options {
            workers: self.manifest.workers as usize,
            device: self.args.device,
            program: self.spec.program.as_ref().map(|program| Launch::of(program, &self.args.spec)),
            wanted: Wanted::Rows(self.spec.record.clone()),
            limits: self.limits,
            max_lost: self.args.max_lost,
        };
        let survey = Rc::clone(&self.survey);
        let (ids, points, later) = (&survey.order[..], &survey.points[..], Vec::new());
        let pending = Pending::Listed { grid: self.spec.grid(), ids, points, later };
        let ended = pool::run(plan.chunks, pending, options, &mut |news| self.hear(news, &mut progress));
        progress.finish(ended != Ok(Ending::Done));
        match ended {
            Ok(Ending::Done) => self.finish(),
            Ok(Ending::Interrupted) => {
                progress::to_stderr("interrupted; rows that were written are kept, the same command resumes");
                self.close(Status::Interrupted)?;
                self.print_document(Status::Interrupted, None)?;
                Ok(Exit::Interrupted)
            }
            Ok(Ending::Hopeless) => {
                let text =
                    format!("stopped: {} lost; see lost.csv, the same command resumes", were(self.lost, "trial"));
                progress::to_stderr(&text);
                self.close(Status::Interrupted)?;
                self.print_document(Status::Interrupted, None)?;
                Ok(Exit::Lost)
            }
            Err(failure) => {
                // An error of closing would hide the first error, which is its cause.
                let _ = self.close(Status::Interrupted);
                Err(failure)
            }
        }
    }

    /// Whether the folder holds another spec than this one. This one contains it.
    fn is_changed(&self) -> bool {
        self.store.spec.as_ref().is_some_and(|old| old != self.text)
    }

    /// Acts on what the pool tells: takes the folder when the first worker is ready, writes rows,
    /// and counts.
    fn hear(&mut self, news: News<'_>, progress: &mut Progress) -> Result<(), Failure> {
        match news {
            News::Ready { fingerprint } => match &self.begun {
                None => {
                    self.check_fingerprint(fingerprint)?;
                    self.store.begin(self.text.as_bytes(), &self.spec.axes, &self.spec.record, &self.manifest)?;
                    self.begun = Some(fingerprint.to_owned());
                }
                Some(first) if first == fingerprint => {}
                Some(_) => return Err(Failure::new("the program or its libtorch changed while the sweep was running")),
            },
            News::Rows { trials, rows, seconds_each } => {
                self.check_same_rows(trials, rows)?;
                let trials: Vec<_> = trials.iter().map(|trial| (*trial, self.recorded)).collect();
                self.store.append(&trials, rows)?;
                for (row, (trial, _)) in rows.trials.iter().zip(&trials) {
                    progress.done(Verdict::Outcome(row.outcome), seconds_each);
                    self.rounds.has_ended(*trial);
                }
            }
            News::Pixels { .. } => return Err(Failure::new("a worker drew pixels for a sweep, which wants rows")),
            News::Room { more } => self.go_on(more, progress)?,
            News::Tick => progress.tick(),
            News::Lost { number: _, trial, reason, detail, seconds } => {
                self.lost += 1;
                let loss = Loss { lost: reason, limit: self.limits.of(reason) };
                let row = record::lost_row(trial, reason);
                self.store.append_lost((trial.id(), self.recorded), &row, loss, detail)?;
                progress.done(Verdict::Lost(reason), seconds);
            }
        }
        Ok(())
    }

    /// Plans the next rounds of the lines that wait for nothing any more.
    fn go_on(&mut self, more: &mut More, progress: &mut Progress) -> Result<(), Failure> {
        let Some(options) = self.options.filter(|_| self.rounds.is_ready()) else { return Ok(()) };
        let mut planner = Planner::new(&self.spec.record);
        for (trial, point) in self.rounds.next(self.spec, &self.store)? {
            let made = self.spec.grid().at(point);
            // A line with trials that `--where` leaves out waits for another sweep.
            if self.filter.matches(&made) {
                planner.push((more.first + more.trials.len()) as u32, &made);
                more.trials.push((trial, point));
            }
        }
        let plan = planner.plan(options);
        progress.add(more.trials.len() as u64, &plan);
        progress.note(self.rounds.told());
        more.chunks = plan.chunks;
        Ok(())
    }

    /// Notes the fingerprint of the workers in the manifest. Refuses to mix rows whose bits may
    /// differ, unless `--allow-mixed` permits it.
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

    /// Refuses rows of trials that were trained again and did not come out as before.
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

    /// Warns of rows that lack what `[record]` asks for now, and of rows without checksums. Both
    /// are kept as they are.
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

    /// Ends a sweep in which every selected trial has a row. Puts the files into the order of the
    /// grid, writes the summary and the report, and prints the table.
    fn finish(mut self) -> Result<Exit, Failure> {
        self.store.check_lock()?;
        self.look_again()?;
        let (survey, mut csv) = (Rc::clone(&self.survey), self.store.new_summary()?);
        let mut summary = Summary::new(self.spec, self.spec.grid().keeps_configurations_together());
        csv.put(&summary::header(&self.spec.axes))?;
        self.store.sort(&survey.order, &mut |at, row| {
            let relabelled = relabelled(row, survey.label(at));
            summary.add(relabelled.as_deref().unwrap_or(row), &mut csv)?;
            Ok(relabelled)
        })?;
        csv.put(&summary.rest())?;
        csv.finish()?;
        if !self.spec.edges.is_empty() {
            self.store.write_edges(&table::csv(self.spec, &survey.lines))?;
        }
        let missing = survey.order.len() - self.store.runs.len();
        self.close(if missing == 0 { Status::Complete } else { Status::Partial })?;
        self.store.forget_rows();
        report::file::write_or_tell(&self.store.folder, Some(self.spec));
        self.store.check_lock()?;
        self.print(self.manifest.status, &summary)?;
        Ok(self.exit())
    }

    /// Takes the trials into the survey that edges have asked for since it was made.
    fn look_again(&mut self) -> Result<(), Failure> {
        if self.spec.edges.is_empty() {
            return Ok(());
        }
        let again = Again { retry: &|_| true, lacks: &|_| false, refill: false };
        let mut now = Survey::new(self.spec, self.filter, &self.store, self.manifest.shard, &again)?;
        (now.given_up, now.lacking) = (self.survey.given_up, self.survey.lacking);
        self.survey = Rc::new(now);
        Ok(())
    }

    /// The exit status of a sweep that has nothing more to run. Warns of lost trials.
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

    /// Shows a sweep whose files were finished before.
    fn show(&self) -> Result<Exit, Failure> {
        let mut summary = Summary::new(self.spec, false);
        self.store.runs.rows(&mut |row| {
            summary.add_to_table(row);
        })?;
        if !self.store.folder.has(REPORT) {
            report::file::write_or_tell(&self.store.folder, Some(self.spec));
        }
        let before = self.store.manifest.as_ref().expect("files are final where a manifest says so");
        self.print(before.status, &summary)?;
        Ok(self.exit())
    }

    /// Prints how the sweep ended for a program, if one asks.
    fn print_document(&self, status: Status, failed: Option<Interval>) -> Result<(), Failure> {
        if !self.args.json {
            return Ok(());
        }
        let ended = (status, self.manifest.shard, self.manifest.counts);
        let (out, lines) = (self.store.dir(), &self.survey.lines);
        let document = SweptDocument::new(self.spec, out, ended, failed, lines, self.store.files());
        print(&Document::Sweep(document).text())
    }

    /// Prints how the sweep ended: a document for a program, a text for people, with the first
    /// diagrams below it on a terminal.
    fn print(&self, status: Status, summary: &Summary) -> Result<(), Failure> {
        if self.args.json {
            return self.print_document(status, summary.failed());
        }
        let shown = glance(self.store.dir(), summary.all.trials, !self.args.quiet);
        let mut text =
            text::ended((self.spec, summary), &shown.decisive, &self.survey, self.manifest.shard, &self.store);
        if !shown.diagrams.is_empty() {
            text.push_str(&format!("\n{}", shown.diagrams));
        }
        print(&text)
    }

    /// Syncs the files and writes the manifest with this status.
    fn close(&mut self, status: Status) -> Result<(), Failure> {
        if self.begun.is_none() && status == Status::Interrupted {
            // Nothing was written, so the manifest stays as it is.
            return Ok(());
        }
        if status == Status::Interrupted {
            self.look_again()?;
        }
        self.store.sync()?;
        self.manifest.status = status;
        self.manifest.updated = now();
        self.manifest.wall_seconds += self.started.elapsed().as_secs_f64();
        self.manifest.counts = counts(&self.store, &self.survey);
        if status != Status::Interrupted {
            self.manifest.lengths = self.store.lengths();
        }
        self.store.write_manifest(&self.manifest)
    }
}
