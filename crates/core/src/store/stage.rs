//! The files of a folder, made in a staging folder and put in their places together, by one rename
//! each.

use super::lock::LOCK;
use super::owner::is_stage;
use super::{MANIFEST, RUNS, Store, has_outcome};
use crate::failure::Failure;
use crate::record::SIDES;
use crate::trial::TrialId;
use std::io;

/// The name of the staging folder, which lies below the folder whose files are made.
const STAGE: &str = ".merging";

/// A staging folder. It is removed when this is dropped.
pub struct Staging {
    within: super::Folder,
    pub store: Store,
}

impl Store {
    /// Makes an empty folder below this one, on the same file system. What a killed process left
    /// there is removed.
    pub fn stage(&self) -> Result<Staging, Failure> {
        let aside = self.folder.name(STAGE);
        if aside.exists() && !is_stage(&aside) {
            return Err(Failure::new(format!("`{}` is no folder of an interrupted merge", aside.display()))
                .hint("a merge makes its files in a folder of that name; move it away"));
        }
        let failed = |what, error| Failure::io(what, &aside, &error);
        self.folder.remove_below(STAGE).map_err(|error| failed("remove", error))?;
        let folder = self.folder.below(STAGE).map_err(|error| failed("make the folder", error))?;
        Ok(Staging { store: Store::of(folder)?, within: self.folder.clone() })
    }

    /// Replaces the files of this folder by those of the staging folder. The rows come behind
    /// everything else, and the manifest, which says what they are, comes last.
    pub fn adopt(mut self, stage: Staging) -> Result<(), Failure> {
        self.check_lock()?;
        self.keep();
        let from = &stage.store.folder;
        let attempt = || -> io::Result<()> {
            let last = [RUNS, MANIFEST];
            let names = from.files()?;
            for name in names.iter().filter(|name| *name != LOCK && !last.contains(&name.as_str())) {
                self.folder.take(from, name)?;
            }
            // An earlier merge recorded more, and left this file.
            for side in SIDES.iter().filter(|side| self.folder.has(side.file)) {
                if !names.iter().any(|name| name == side.file) {
                    self.folder.remove(side.file)?;
                }
            }
            last.iter().try_for_each(|name| self.folder.take(from, name))?;
            self.folder.sync()
        };
        attempt().map_err(|error| Failure::io("write to the folder", self.folder.path(), &error))?;
        self.check_lock()
    }

    /// The number of rows with an outcome whose trials do not satisfy `holds`, and one of these
    /// trials.
    pub fn beyond(&self, holds: impl Fn(TrialId) -> bool) -> Option<(usize, TrialId)> {
        let mut beyond = self.runs.places().filter(|trial| has_outcome(&self.runs, *trial) && !holds(*trial));
        let first = beyond.next()?;
        Some((1 + beyond.count(), first))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = self.within.remove_below(STAGE);
    }
}
