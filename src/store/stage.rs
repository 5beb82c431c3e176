//! The files of a folder, made aside and put in their places together, by one rename each.

use super::owner::is_stage;
use super::{LOCK, MANIFEST, RUNS, Store, has_outcome};
use crate::failure::Failure;
use crate::input;
use crate::output;
use crate::record::SIDES;
use crate::trial::TrialId;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Below the folder whose files are made.
const STAGE: &str = ".merging";

/// A folder aside, gone when this is dropped.
pub struct Stage {
    dir: PathBuf,
    pub store: Store,
}

impl Store {
    /// An empty folder below this one, on the same file system. What a killed process left there is dropped.
    pub fn stage(&self) -> Result<Stage, Failure> {
        let dir = self.dir.join(STAGE);
        if dir.exists() {
            if !is_stage(&dir) {
                return Err(Failure::new(format!("`{}` is no folder of an interrupted merge", dir.display()))
                    .hint("a merge makes its files in a folder of that name; move it away"));
            }
            fs::remove_dir_all(&dir).map_err(|error| Failure::io("remove", &dir, &error))?;
        }
        Ok(Stage { store: Store::open(&dir)?, dir })
    }

    /// Replaces the files of this folder by those of the stage: the rows after everything else, and the manifest, which says what they are,
    /// at the very end.
    pub fn adopt(mut self, stage: Stage) -> Result<(), Failure> {
        self.made.clear();
        let sides = stage.store.files();
        let attempt = || -> io::Result<()> {
            let last = [RUNS, MANIFEST];
            for entry in fs::read_dir(&stage.dir)? {
                let name = entry?.file_name();
                if name != LOCK && !last.iter().any(|last| name == *last) {
                    put(&stage.dir.join(&name), &self.dir.join(&name))?;
                }
            }
            // Of an earlier merge, of which more was recorded.
            for side in SIDES.iter().filter(|side| self.dir.join(side.file).exists()) {
                if !sides.contains(&side.file) {
                    fs::remove_file(self.dir.join(side.file))?;
                }
            }
            last.iter().try_for_each(|name| put(&stage.dir.join(name), &self.dir.join(name)))?;
            output::sync_folder(&self.dir)
        };
        attempt().map_err(|error| Failure::io("write to the folder", &self.dir, &error))
    }

    /// The rows with an outcome that `other` lacks: how many, and one of them.
    pub fn beyond(&self, holds: impl Fn(TrialId) -> bool) -> Option<(usize, TrialId)> {
        let mut beyond = self.runs.places().filter(|trial| has_outcome(&self.runs, *trial) && !holds(*trial));
        let first = beyond.next()?;
        Some((1 + beyond.count(), first))
    }
}

fn put(from: &Path, to: &Path) -> io::Result<()> {
    input::open(from)?.sync_all()?;
    fs::rename(from, to)
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}
