//! The run directory. Rows are appended whole, as they come. At the end every file is replaced,
//! atomically, by its own rows in grid order. What a killed sweep left behind is read tolerantly: a
//! trial counts as not run if its row is torn or damaged, or if its rows in the other files are not
//! those that were written.
//!
//! This is the only room that writes result files. Only one process writes at a time; it holds the
//! folder itself, and its lock.
//!
//! Every function here that returns a `Failure` fails if a file or the folder cannot be read or
//! written. The other reasons are named at the function.

pub mod folder;
mod lock;
pub mod losses;
mod manifest;
mod owner;
mod places;
mod stage;
pub mod sums;
mod sync;
mod table;

pub use folder::{Folder, Replacement};
pub use lock::Lock;
pub use manifest::{Manifest, Status};
pub use owner::refuse_report;
pub use stage::Staging;
pub use table::{Reader, RowChange, Table, Vouch};

use crate::axis::AxisSet;
use crate::failure::{Failure, counted};
use crate::protocol::Rows;
use crate::record::{self, SIDES, Verdict, recorded};
use crate::trial::TrialId;
use crate::verdict::Record;
use losses::{Loss, Losses};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use sums::{BlockSums, Found, Known, Recorded, SideSums, Sums};
use sync::Syncer;
use table::New;

const RUNS: &str = "runs.csv";
const SPEC: &str = "spec.toml";
const MANIFEST: &str = "manifest.toml";
const SUMMARY: &str = "summary.csv";
const EDGES: &str = crate::edge::table::FILE;
/// The name of the page that `report` writes.
pub const REPORT: &str = "report.html";

/// A run directory.
pub struct Store {
    pub folder: Folder,
    /// `runs.csv`
    pub runs: Table,
    /// The files of [`SIDES`].
    pub sides: [Table; 3],
    guard: Guard,
    pub losses: Losses,
    /// The text of the `spec.toml` that lies there.
    pub spec: Option<String>,
    pub manifest: Option<Manifest>,
    /// The folders that were made for this sweep. They are removed if it does not begin.
    made: Vec<PathBuf>,
    lock: Option<Lock>,
    /// When the lock was last checked.
    checked: Instant,
    syncer: Option<Syncer>,
}

/// Whether the rows have checksums beside them.
enum Guard {
    /// The file of checksums is not there, as an older version left it.
    Missing,
    There,
    Open(Sums),
}

impl Store {
    /// Locks a folder, which is made if there is none, and reads what is there. Nothing else is
    /// written.
    pub fn open(dir: &Path) -> Result<Store, Failure> {
        refuse_file(dir)?;
        let made: Vec<PathBuf> =
            dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.exists()).map(Path::to_owned).collect();
        fs::create_dir_all(dir).map_err(|error| Failure::io("make the folder", dir, &error))?;
        let folder = Folder::open(dir).map_err(|error| Failure::io("open the folder", dir, &error));
        match folder.and_then(Store::of) {
            Ok(mut store) => {
                store.made = made;
                Ok(store)
            }
            Err(failure) => {
                remove_empty(&made);
                Err(failure)
            }
        }
    }

    /// Locks a folder and reads what is there.
    fn of(folder: Folder) -> Result<Store, Failure> {
        let lock = Lock::take(&folder)?;
        match Store::look(folder) {
            Ok(mut store) => {
                store.lock = Some(lock);
                Ok(store)
            }
            Err(failure) => {
                lock.unmake();
                Err(failure)
            }
        }
    }

    /// Reads what is there without a lock. An absent folder is like an empty one.
    pub fn read(dir: &Path) -> Result<Store, Failure> {
        refuse_file(dir)?;
        Store::look(Folder::if_there(dir)?)
    }

    fn look(folder: Folder) -> Result<Store, Failure> {
        // In this order each row of `runs.csv` finds what was written before it, even while a sweep
        // is writing.
        let from = folder.snapshot(RUNS)?;
        let side =
            |i: usize| Table::read(&folder, SIDES[i].file, SIDES[i].columns, folder.snapshot(SIDES[i].file)?, None);
        let sides = [side(0)?, side(1)?, side(2)?];
        let known = folder.read_if_there(sums::FILE)?.map(Known::new).transpose();
        let mut known = known.map_err(|error| Failure::io("read", &folder.name(sums::FILE), &error))?;
        let (mut unknown, mut incomplete) = (0, [0; SIDES.len()]);
        let mut vouch = |trial, sum| {
            let Some(known) = &mut known else { return Ok(Some(Recorded::Unknown)) };
            Ok(match known.find(trial, sum, Some(blocks(&sides, trial)))? {
                Found::Written(recorded) => Some(recorded),
                Found::Other(side, _) => {
                    incomplete[side] += 1;
                    None
                }
                Found::Nothing => {
                    unknown += 1;
                    None
                }
            })
        };
        let runs = Table::read(&folder, RUNS, &record::runs(), from, Some(&mut vouch))?;
        let damaged = runs.damaged + unknown;
        if damaged > 0 {
            let file = folder.name(RUNS);
            tracing::warn!("`{}` has {}, which count as not run", file.display(), counted(damaged, "damaged row"));
        }
        for (side, incomplete) in sides.iter().zip(incomplete) {
            side.warn(incomplete);
        }
        Ok(Store {
            runs,
            guard: if known.is_some() { Guard::There } else { Guard::Missing },
            losses: Losses::read(&folder)?,
            spec: folder.text(SPEC)?,
            manifest: folder.text(MANIFEST)?.and_then(|text| Manifest::parse(&text)),
            sides,
            folder,
            made: Vec::new(),
            lock: None,
            checked: Instant::now(),
            syncer: None,
        })
    }

    /// The path of the folder.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// Whether all files are as the end of a sweep leaves them. `has_edges` is whether it looks for
    /// edges.
    pub fn is_final(&self, record: &Record, has_edges: bool) -> bool {
        let ended = self.manifest.as_ref().is_some_and(|m| m.status == Status::Complete || m.status == Status::Partial);
        ended
            && self.folder.has(SUMMARY)
            && (!has_edges || self.folder.has(EDGES))
            && self.runs.is_clean()
            && !matches!(self.guard, Guard::Missing)
            && self.sides.iter().zip(recorded(record)).all(|(side, recorded)| !recorded || side.is_clean())
    }

    /// Whether there are rows that should have checksums and have none.
    pub fn is_unguarded(&self) -> bool {
        matches!(self.guard, Guard::Missing) && !self.runs.is_empty()
    }

    /// Whether a trial has an outcome, but was trained before `[record]` asked for everything that
    /// `asked` asks for.
    pub fn lacks(&self, trial: TrialId, asked: &Record) -> bool {
        if *asked == Record::default() {
            return false;
        }
        let Some(under) = self.runs.recorded(trial).filter(|_| has_outcome(&self.runs, trial)) else {
            return false;
        };
        let nothing = Record::default();
        let known = match under {
            Recorded::Nothing => Some(&nothing),
            Recorded::Unknown | Recorded::Hash(_) => {
                self.manifest.as_ref().and_then(|manifest| manifest.records.get(&under.name()))
            }
        };
        match known {
            Some(record) => !record.includes(asked),
            // An older version, or a manifest that was lost, does not say it. Then a trial that has
            // no rows at all in a file that is asked for lacks some.
            None => self.sides.iter().zip(recorded(asked)).any(|(side, asked)| asked && side.block(trial).bytes == 0),
        }
    }

    /// Opens every file for writing. From here on the folder is this sweep's.
    pub fn begin(&mut self, spec: &[u8], axes: &AxisSet, record: &Record, manifest: &Manifest) -> Result<(), Failure> {
        self.check_lock()?;
        self.runs.declare(axes)?;
        self.runs.reserve(manifest.counts.trials as usize);
        // These rows are of trials that will run again. They were left by a sweep that died between
        // two files, or they are not all that were written.
        for table in &mut self.sides {
            let orphans = table.places().filter(|trial| !has_outcome(&self.runs, *trial)).count();
            if table.exists() && (orphans > 0 || !table.is_clean()) {
                let mut kept: Vec<TrialId> = table.places().filter(|trial| has_outcome(&self.runs, *trial)).collect();
                table.sort_by_place(&mut kept);
                table.reorder(kept.into_iter())?;
            }
        }
        self.open_sums()?;
        self.runs.open()?;
        for (side, recorded) in self.sides.iter_mut().zip(recorded(record)) {
            if recorded {
                side.open()?;
            }
        }
        self.folder.replace(SPEC, |to| to.write_all(spec))?;
        self.write_manifest(manifest)?;
        let files = self.written().map(fs::File::try_clone).collect::<io::Result<_>>();
        self.syncer = Some(Syncer::start(files.map_err(|error| Failure::io("sync", self.dir(), &error))?));
        self.keep();
        Ok(())
    }

    /// Keeps what was made for the results, since the folder holds results now.
    fn keep(&mut self) {
        self.made.clear();
        if let Some(lock) = &mut self.lock {
            lock.made = false;
        }
    }

    /// Opens the file of checksums and makes sure that every row has its line before any other row
    /// is appended.
    fn open_sums(&mut self) -> Result<(), Failure> {
        let sums = match self.guard {
            Guard::There if !self.runs.is_empty() => Sums::open(&self.folder)?,
            // Without a row its lines are of rows that no longer exist.
            Guard::There | Guard::Missing | Guard::Open(_) => {
                let mut lines = sums::begin(&self.folder)?;
                for (trial, sum, recorded) in self.runs.sums() {
                    let beside = SideSums { recorded, blocks: blocks(&self.sides, trial) };
                    lines.put(&sums::line(trial, sum, Some(&beside)))?;
                }
                lines.finish()?;
                Sums::open(&self.folder)?
            }
        };
        self.guard = Guard::Open(sums);
        Ok(())
    }

    /// The files that are open for appending, each behind those that its rows rely on.
    fn written(&self) -> impl Iterator<Item = &fs::File> {
        let sums = if let Guard::Open(sums) = &self.guard { Some(&sums.file) } else { None };
        self.sides.iter().filter_map(Table::opened).chain(sums).chain(self.runs.opened())
    }

    /// Makes sure that what was appended survives a power cut.
    pub fn sync(&self) -> Result<(), Failure> {
        let synced = self.written().try_for_each(fs::File::sync_data);
        synced.map_err(|error| cannot_append(self.dir(), &error))
    }

    /// Checks the lock.
    ///
    /// # Errors
    /// If the folder or its lock is no longer the one that was taken.
    pub fn check_lock(&self) -> Result<(), Failure> {
        self.lock.as_ref().map_or(Ok(()), Lock::check)
    }

    /// Appends finished trials, each with the record under which it was trained. `runs.csv` comes
    /// last, since a row in it says that the trial's other rows are there.
    pub fn append(&mut self, trials: &[(TrialId, Recorded)], rows: &Rows) -> Result<(), Failure> {
        for (i, side) in self.sides.iter_mut().enumerate() {
            let new = trials.iter().zip(&rows.trials);
            let new = new.map(|((trial, _), row)| New { trial: *trial, length: row.sides[i], verdict: None });
            side.append(&rows.sides[i], new)?;
        }
        let new = trials.iter().zip(&rows.trials).map(|((trial, recorded), row)| New {
            trial: *trial,
            length: row.runs,
            verdict: Some((Verdict::Outcome(row.outcome), *recorded)),
        });
        self.append_runs(&rows.runs, &new.collect::<Vec<_>>())
    }

    /// Appends the row of a lost trial, and the note that it was lost. If the trial has an outcome
    /// from before, its row stays.
    pub fn append_lost(
        &mut self,
        (trial, recorded): (TrialId, Recorded),
        row: &[u8],
        loss: Loss,
        detail: &str,
    ) -> Result<(), Failure> {
        self.losses.append(trial, loss, detail)?;
        if has_outcome(&self.runs, trial) {
            return Ok(());
        }
        self.append_unfinished((trial, recorded), row, Verdict::Lost(loss.lost))
    }

    /// Appends a row without rows in the other files.
    pub fn append_unfinished(
        &mut self,
        (trial, recorded): (TrialId, Recorded),
        row: &[u8],
        verdict: Verdict,
    ) -> Result<(), Failure> {
        self.append_runs(row, &[New { trial, length: row.len() as u32, verdict: Some((verdict, recorded)) }])
    }

    fn append_runs(&mut self, text: &[u8], new: &[New]) -> Result<(), Failure> {
        let (mut lines, mut at) = (Vec::new(), 0);
        for New { trial, length, verdict } in new {
            let sum = sums::sum(&text[at..at + *length as usize]);
            let recorded = verdict.map_or(Recorded::Unknown, |(_, recorded)| recorded);
            lines.extend(sums::line(*trial, sum, Some(&SideSums { recorded, blocks: blocks(&self.sides, *trial) })));
            at += *length as usize;
        }
        if let Guard::Open(sums) = &mut self.guard {
            sums.append(&lines)?;
        }
        self.runs.append(text, new.iter().copied())?;
        if let Some(syncer) = &self.syncer {
            syncer.wrote().map_err(|error| cannot_append(self.dir(), &error))?;
        }
        if self.checked.elapsed() > CHECK_EVERY {
            self.check_lock()?;
            self.checked = Instant::now();
        }
        Ok(())
    }

    /// Replaces the tables by their own rows in this order. `visit` sees each row of `runs.csv` and
    /// may change it.
    pub fn sort(&mut self, order: &[TrialId], visit: &mut RowChange<'_>) -> Result<(), Failure> {
        self.check_lock()?;
        self.syncer = None;
        for table in &mut self.sides {
            if table.exists() {
                table.reorder(order.iter().copied())?;
            }
        }
        let mut lines = sums::begin(&self.folder)?;
        let sides = &self.sides;
        let Guard::Open(open) = &mut self.guard else { unreachable!("the files were opened") };
        let (open, changed) = (std::cell::RefCell::new(open), std::cell::Cell::new(false));
        let mut put = |put: table::Put| {
            let beside = SideSums { recorded: put.recorded, blocks: blocks(sides, put.trial) };
            let line = sums::line(put.trial, put.sum, Some(&beside));
            if put.changed {
                changed.set(true);
                open.borrow_mut().append(&line).map_err(io::Error::other)?;
            }
            lines.write_all(&line)
        };
        // The lines of changed rows are written before the rows themselves.
        let mut ready = || if changed.get() { open.borrow().sync() } else { Ok(()) };
        self.runs.replace(order.iter().copied(), visit, &mut put, &mut ready)?;
        // The old lines hold for the new file, too. The new lines are only fewer, and in its order.
        lines.finish()?;
        self.guard = Guard::Open(Sums::open(&self.folder)?);
        Ok(())
    }

    /// Begins to replace `summary.csv`.
    pub fn new_summary(&self) -> Result<Replacement, Failure> {
        self.folder.replacement(SUMMARY)
    }

    /// Replaces `edges.csv`.
    pub fn write_edges(&self, text: &[u8]) -> Result<(), Failure> {
        self.folder.replace(EDGES, |to| to.write_all(text))
    }

    /// Replaces the manifest.
    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), Failure> {
        self.folder.replace(MANIFEST, |to| to.write_all(manifest.render().as_bytes()))
    }

    /// Forgets where the rows lie, which is most of what a sweep keeps in memory. The folder stays
    /// locked.
    pub fn forget_rows(&mut self) {
        for table in self.sides.iter_mut().chain([&mut self.runs]) {
            table.forget();
        }
    }

    /// The bytes of the files with rows, by name, as they are now.
    pub fn lengths(&self) -> BTreeMap<String, u64> {
        let names = [RUNS, SUMMARY, EDGES].into_iter().chain(SIDES.iter().map(|side| side.file));
        names.filter_map(|name| Some((String::from(name), self.folder.length(name)?))).collect()
    }

    /// Whether another process holds the lock of the folder. This only looks, and locks the folder
    /// for a moment at most.
    pub fn is_running(dir: &Path) -> bool {
        Lock::is_held(dir)
    }

    /// The names of the result files that are there.
    pub fn files(&self) -> Vec<&'static str> {
        let all = [RUNS, SUMMARY, EDGES]
            .into_iter()
            .chain(SIDES.iter().map(|side| side.file))
            .chain([SPEC, MANIFEST, REPORT]);
        all.filter(|name| self.folder.has(name)).collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // A sweep that could not begin leaves nothing behind. A folder with something in it stays.
        if let Some(lock) = &self.lock {
            lock.unmake();
        }
        remove_empty(&self.made);
    }
}

fn remove_empty(dirs: &[PathBuf]) {
    for dir in dirs {
        let _ = fs::remove_dir(dir);
    }
}

/// How often a sweep checks whether its folder is still its own.
const CHECK_EVERY: Duration = Duration::from_secs(1);

fn blocks(sides: &[Table; 3], trial: TrialId) -> BlockSums {
    sides.each_ref().map(|side| side.block(trial))
}

fn refuse_file(dir: &Path) -> Result<(), Failure> {
    if dir.exists() && !dir.is_dir() {
        return Err(Failure::new(format!("`{}` is not a folder", dir.display())).hint("name another with `--out`"));
    }
    Ok(())
}

fn has_outcome(runs: &Table, trial: TrialId) -> bool {
    runs.verdict(trial).is_some_and(|verdict| verdict.outcome().is_some())
}

/// The failure of adding a row to a file.
fn cannot_append(path: &Path, error: &io::Error) -> Failure {
    Failure::io("write", path, error).hint("rows that were written are kept; the same command resumes")
}
