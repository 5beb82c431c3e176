//! A merge that writes its files.

use super::sources::MergeSources;
use crate::json::Document;
use crate::json::swept::SweptDocument;
use crate::progress;
use crate::report;
use crate::sweep::label::relabelled;
use crate::sweep::manifest::now;
use blowup_core::edge::table;
use blowup_core::failure::{Exit, Failure, counted};
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
use std::path::Path;

/// Shards that are proved to be one sweep.
pub struct Merged<'a> {
    spec: &'a Spec,
    sources: MergeSources<'a>,
    manifest: Manifest,
}

impl<'a> Merged<'a> {
    /// `trials` is how many trials the grid has.
    pub fn new(spec: &'a Spec, sources: MergeSources<'a>, trials: u64) -> Merged<'a> {
        let manifest = manifest(sources.shards, trials);
        Merged { spec, sources, manifest }
    }

    /// Writes all files beside those in `out`, which is locked, and then puts them in their place
    /// together. `spec` is the text of the spec. Prints the table, or with `json` a document.
    ///
    /// # Errors
    /// If a file cannot be read or written, or if a shard lacks rows that it must have.
    pub fn write(mut self, out: Store, spec: &[u8], json: bool) -> Result<Exit, Failure> {
        let mut stage = out.stage()?;
        stage.store.begin(spec, &self.spec.axes, &self.spec.record, &self.manifest)?;
        let mut summary = Summary::new(self.spec, self.spec.grid().keeps_configurations_together());
        let mut csv = stage.store.new_summary()?;
        csv.put(&summary::header(&self.spec.axes))?;
        self.rows(&mut stage.store, &mut |row| {
            summary.add(row, &mut csv).map_err(|error| Failure::io("write", out.dir(), &error))
        })?;
        csv.put(&summary.rest())?;
        csv.finish()?;
        if !self.spec.edges.is_empty() {
            stage.store.write_edges(&table::csv(self.spec, &self.sources.lines))?;
        }
        let trials = self.manifest.counts.trials;
        let missing = trials - summary.all.trials;
        self.manifest.counts = Counts { trials, missing, ..summary.all };
        self.manifest.status = if missing == 0 { Status::Complete } else { Status::Partial };
        self.manifest.lengths = stage.store.lengths();
        stage.store.write_manifest(&self.manifest)?;
        let folders = self.sources.shards.iter().map(|shard| &shard.folder);
        losses::merge(folders, &out.folder, &stage.store.folder)?;
        report::file::write_or_tell(&stage.store.folder, Some(self.spec));
        let (dir, files) = (out.dir().to_owned(), stage.store.files());
        out.adopt(stage)?;
        print(&if json { self.document(&summary, &dir, files).text() } else { self.report(&summary, &dir, &files) })?;
        Ok(if missing == 0 && summary.all.lost > 0 { Exit::Lost } else { Exit::Done })
    }

    /// Copies the rows of all trials into `to`, in the order of the grid. Calls `each` with every
    /// row of `runs.csv`.
    fn rows(&self, to: &mut Store, each: &mut dyn FnMut(&[u8]) -> Result<(), Failure>) -> Result<(), Failure> {
        let shards = self.sources.shards;
        raise_file_limit();
        let mut runs = readers(shards.iter().map(|shard| Some(&shard.runs)))?;
        let mut sides = Vec::new();
        for (i, recorded) in recorded(&self.spec.record).into_iter().enumerate() {
            let tables = shards.iter().map(|shard| Some(&shard.sides[i]).filter(|side| recorded && side.exists()));
            sides.push(readers(tables)?);
        }
        let (mut batch, mut trials) = (RowBuffer::default(), self.spec.grid().beside(&self.sources.beside).trials());
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
                // A trial has at least the row of epoch 0.
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

    /// What `blowup merge` tells a program at its end.
    fn document(&self, summary: &Summary, dir: &Path, files: Vec<&'static str>) -> Document {
        let ended = (self.manifest.status, None, self.manifest.counts);
        Document::Merge(SweptDocument::new(self.spec, dir, ended, summary.failed(), &self.sources.lines, files))
    }

    /// What `blowup merge` prints at its end. The files lie in the folder `dir`.
    fn report(&self, summary: &Summary, dir: &Path, files: &[&str]) -> String {
        let mut text = summary.table();
        text.push('\n');
        if !self.sources.lines.is_empty() {
            text.push_str(&table::told(self.spec, &self.sources.lines));
            text.push('\n');
        }
        text.push_str(&progress::folded(&counted(summary.all.trials, "trial"), &progress::counts(&summary.all)));
        let Counts { trials, missing, .. } = self.manifest.counts;
        if missing > 0 {
            let _ = writeln!(text, "partial: {missing} of the grid's {trials} trials are missing");
        }
        text.push_str(&progress::folded(&dir.display().to_string(), &files.join(" ")));
        text
    }
}

/// The manifest of the merged sweep, whose files are not written yet.
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

/// A reader of each table, or none where a shard has no such file.
fn readers<'a>(tables: impl Iterator<Item = Option<&'a Table>>) -> Result<Vec<Option<Reader<'a>>>, Failure> {
    tables.map(|table| table.map(Table::reader).transpose()).collect()
}

/// Rows that are collected to be written together.
#[derive(Default)]
struct RowBuffer {
    trials: Vec<(TrialId, Recorded)>,
    rows: Rows,
}

impl RowBuffer {
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

/// Raises the number of files that may be open to the most that the system allows this process. A
/// merge opens a few files of each shard at once.
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!("the limit of open files stays: {error}");
    }
}
