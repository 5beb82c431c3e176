//! The run directory. Rows are appended whole, as they come; at the end every file is replaced, atomically, by itself in grid order. What a
//! killed sweep left behind is read tolerantly: a torn or damaged row is a trial that was not run.
//!
//! The only module that writes result files, and only one process does at a time: a lock, held by the operating system, dies with its owner.

pub mod losses;
mod manifest;
mod owner;
mod places;
mod stage;
pub mod sums;
mod table;

pub use manifest::{Counts, Manifest, Status};
pub use owner::refuse_report;
pub use stage::Stage;
pub use table::{Change, Reader, Table};

use crate::failure::Failure;
use crate::input;
use crate::output;
use crate::record::{self, SIDES, Verdict, recorded};
use crate::trial::TrialId;
use crate::verdict::Record;
use crate::worker::protocol::Rows;
use losses::{Loss, Losses};
use rustix::fs::{FlockOperation, flock};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const LOCK: &str = ".lock";
const RUNS: &str = "runs.csv";
const SPEC: &str = "spec.toml";
const MANIFEST: &str = "manifest.toml";
const SUMMARY: &str = "summary.csv";
/// The page of `report`.
pub const REPORT: &str = "report.html";

pub struct Store {
    pub dir: PathBuf,
    /// `runs.csv`
    pub runs: Table,
    /// Those of `record::SIDES`.
    pub sides: [Table; 3],
    pub losses: Losses,
    /// `spec.toml` as it lies there.
    pub spec: Option<String>,
    pub manifest: Option<Manifest>,
    /// What was made for this sweep and goes again if it does not begin.
    made: Vec<PathBuf>,
    _lock: Option<File>,
}

impl Store {
    /// Makes the folder if there is none, locks it and reads what is there. Writes nothing else.
    pub fn open(dir: &Path) -> Result<Store, Failure> {
        refuse_file(dir)?;
        let mut made: Vec<PathBuf> =
            dir.ancestors().take_while(|d| !d.as_os_str().is_empty() && !d.exists()).map(Path::to_owned).collect();
        fs::create_dir_all(dir).map_err(|error| Failure::io("make the folder", dir, &error))?;
        let path = dir.join(LOCK);
        if !path.exists() {
            made.insert(0, path.clone());
        }
        let lock = output::append(&path);
        let lock = lock.map_err(|error| Failure::io("write to the folder", dir, &error))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            // A sweep that did not begin removes its lock file: holding that one means nothing.
            Ok(()) if same_file(&lock, &path) => {}
            Ok(()) | Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Failure::new(format!("another sweep is running in `{}`", dir.display()))
                    .hint("wait for it, or give this one a folder of its own with `--out`"));
            }
            Err(error) => return Err(Failure::io("lock", &path, &error.into())),
        }
        let read = Store::read(dir);
        if read.is_err() {
            remove(&made);
        }
        let mut store = read?;
        store.made = made;
        store._lock = Some(lock);
        Ok(store)
    }

    /// What is there, for looking only. An absent folder is an empty one.
    pub fn read(dir: &Path) -> Result<Store, Failure> {
        refuse_file(dir)?;
        let side = |i: usize| Table::read(dir.join(SIDES[i].file), SIDES[i].columns, false);
        Ok(Store {
            dir: dir.to_owned(),
            runs: Table::read(dir.join(RUNS), &record::runs(), true)?,
            sides: [side(0)?, side(1)?, side(2)?],
            losses: Losses::read(dir)?,
            spec: input::text(&dir.join(SPEC))?,
            manifest: input::text(&dir.join(MANIFEST))?.and_then(|text| Manifest::parse(&text)),
            made: Vec::new(),
            _lock: None,
        })
    }

    /// Whether all files are as the end of a sweep leaves them.
    pub fn is_final(&self, record: &Record) -> bool {
        let ended = self.manifest.as_ref().is_some_and(|m| m.status == Status::Complete || m.status == Status::Partial);
        let there = |name: &str| self.dir.join(name).exists();
        ended
            && there(SUMMARY)
            && self.runs.is_clean()
            && self.sides.iter().zip(recorded(record)).all(|(side, recorded)| !recorded || side.is_clean())
    }

    /// Opens every file for writing; from here on the folder is this sweep's.
    pub fn begin(&mut self, spec: &[u8], record: &Record, manifest: &Manifest) -> Result<(), Failure> {
        self.runs.reserve(manifest.counts.trials as usize);
        // Rows of trials that will run again: left by a sweep that died between two files.
        for table in &mut self.sides {
            let orphans = table.places().filter(|trial| !has_outcome(&self.runs, *trial)).count();
            if table.exists() && (orphans > 0 || !table.is_clean()) {
                let mut kept: Vec<TrialId> = table.places().filter(|trial| has_outcome(&self.runs, *trial)).collect();
                table.sort_by_place(&mut kept);
                table.replace(kept.into_iter(), &mut |_, _| Ok(None))?;
            }
        }
        self.runs.open()?;
        for (side, recorded) in self.sides.iter_mut().zip(recorded(record)) {
            if recorded {
                side.open()?;
            }
        }
        replace(&self.dir.join(SPEC), |to| to.write_all(spec))?;
        self.write_manifest(manifest)?;
        self.made.clear();
        Ok(())
    }

    /// Appends finished trials. The other files come first: a row in `runs.csv` says that the trial's other rows are there.
    pub fn append(&mut self, trials: &[TrialId], rows: &Rows) -> Result<(), Failure> {
        for (i, side) in self.sides.iter_mut().enumerate() {
            side.append(&rows.sides[i], trials.iter().zip(&rows.trials).map(|(t, row)| (*t, row.sides[i], None)))?;
        }
        let runs = trials.iter().zip(&rows.trials);
        self.runs.append(&rows.runs, runs.map(|(t, row)| (*t, row.runs, Some(Verdict::Outcome(row.outcome)))))
    }

    /// The trial's row, which is lost, and the note that it was.
    pub fn append_lost(&mut self, trial: TrialId, row: &[u8], loss: Loss, detail: &str) -> Result<(), Failure> {
        self.losses.append(trial, loss, detail)?;
        let verdict = Verdict::Lost(loss.lost);
        self.runs.append(row, [(trial, row.len() as u32, Some(verdict))].into_iter())
    }

    /// Replaces the tables by themselves in the order given. `visit` sees each row of `runs.csv` and may change it.
    pub fn sort(&mut self, order: &[TrialId], visit: &mut Change<'_>) -> Result<(), Failure> {
        for table in &mut self.sides {
            if table.exists() {
                table.replace(order.iter().copied(), &mut |_, _| Ok(None))?;
            }
        }
        self.runs.replace(order.iter().copied(), visit)
    }

    /// Begins to replace `summary.csv`.
    pub fn new_summary(&self) -> Result<Replacement, Failure> {
        Replacement::new(&self.dir.join(SUMMARY))
    }

    pub fn write_manifest(&self, manifest: &Manifest) -> Result<(), Failure> {
        replace(&self.dir.join(MANIFEST), |to| to.write_all(manifest.render().as_bytes()))
    }

    /// Forgets where rows lie, which is most of what a sweep keeps in memory. The folder stays locked.
    pub fn forget_rows(&mut self) {
        for table in self.sides.iter_mut().chain([&mut self.runs]) {
            table.forget();
        }
    }

    /// The lengths of the files with rows, by name, as they are now.
    pub fn lengths(&self) -> BTreeMap<String, u64> {
        let names = [RUNS, SUMMARY].into_iter().chain(SIDES.iter().map(|side| side.file));
        let length = |name| Some((String::from(name), fs::metadata(self.dir.join(name)).ok()?.len()));
        names.filter_map(length).collect()
    }

    /// Whether another process holds the lock of the folder. Looks only, and for a moment.
    pub fn is_running(dir: &Path) -> bool {
        let lock = input::open(&dir.join(LOCK));
        lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockShared) == Err(rustix::io::Errno::WOULDBLOCK))
    }

    /// The files of the results, by name, that are there.
    pub fn files(&self) -> Vec<&'static str> {
        let all = [RUNS, SUMMARY].into_iter().chain(SIDES.iter().map(|side| side.file)).chain([SPEC, MANIFEST, REPORT]);
        all.filter(|name| self.dir.join(name).exists()).collect()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // A sweep that could not begin leaves nothing. A folder with something in it stays.
        remove(&self.made);
    }
}

fn remove(made: &[PathBuf]) {
    for path in made {
        let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
    }
}

fn same_file(open: &File, path: &Path) -> bool {
    let inode = |metadata: io::Result<fs::Metadata>| metadata.map(|m| (m.dev(), m.ino())).ok();
    inode(open.metadata()) == inode(fs::metadata(path))
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

/// A row could not be added to a file.
fn cannot_append(path: &Path, error: &io::Error) -> Failure {
    Failure::io("write", path, error).hint("rows that were written are kept; the same command resumes")
}

/// What will replace a file, all or nothing: nothing if it is dropped before `finish`.
pub struct Replacement {
    path: PathBuf,
    temporary: PathBuf,
    to: io::BufWriter<File>,
}

impl Replacement {
    fn new(path: &Path) -> Result<Replacement, Failure> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let file = output::create(&temporary).map_err(|error| Failure::io("write", path, &error))?;
        Ok(Replacement { path: path.to_owned(), temporary, to: io::BufWriter::with_capacity(1 << 18, file) })
    }

    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.to.write_all(bytes).map_err(|error| Failure::io("write", &self.path, &error))
    }

    pub fn finish(mut self) -> Result<(), Failure> {
        let mut attempt = || {
            self.to.flush()?;
            self.to.get_ref().sync_all()?;
            fs::rename(&self.temporary, &self.path)?;
            // The rename itself must survive a power cut too.
            self.path.parent().map_or(Ok(()), output::sync_folder)
        };
        attempt().map_err(|error| Failure::io("write", &self.path, &error))
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Gone if it has become the file.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Replaces a file by what `write` writes, all or nothing.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut to = Replacement::new(path)?;
    write(&mut to).map_err(|error| Failure::io("write", path, &error))?;
    to.finish()
}
