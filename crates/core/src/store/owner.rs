//! Whose a folder is. Results go into a folder of their own. If files lie there that no sweep wrote
//! and that a sweep would replace, no sweep begins.

use super::lock::LOCK;
use super::{EDGES, MANIFEST, REPORT, RUNS, SPEC, SUMMARY, Store, losses, sums};
use crate::axis::AxisSet;
use crate::failure::Failure;
use crate::output::refuse_other;
use crate::summary;
use std::fs;
use std::path::Path;

impl Store {
    /// Refuses a folder with files that would be replaced and that no sweep wrote. `spec` is what
    /// its `spec.toml` will be.
    ///
    /// # Errors
    /// The first such file. Nothing was touched.
    pub fn refuse_others(&self, spec: &str) -> Result<(), Failure> {
        let at = |name: &str| self.dir().join(name);
        // Only sweeps write rows or a manifest, and these are checked where they are read.
        let begun =
            [at(RUNS), sums::path(&at(RUNS))].iter().any(|path| fs::metadata(path).is_ok_and(|data| data.len() > 0));
        if self.manifest.is_some() || begun {
            return Ok(());
        }
        // An older spec of the user's own is not ours, even if it is a spec.
        refuse_other(&at(SPEC), "spec of a sweep in this folder", |_| self.spec.as_deref() == Some(spec))?;
        refuse_other(&at(MANIFEST), "manifest of a sweep", |_| false)?;
        refuse_other(&at(SUMMARY), "summary of a sweep", |start| {
            begins(start, summary::header(&AxisSet::default()).trim_ascii_end())
        })?;
        refuse_other(&at(EDGES), "list of edges", |start| {
            String::from_utf8_lossy(start).lines().next().is_some_and(|header| header.contains("edge,over,safe_up_to,"))
        })?;
        refuse_other(&at(losses::FILE), "list of lost trials", |start| begins(start, &losses::header()))?;
        refuse_report(self.dir())
    }
}

/// Whether a file with this beginning is a page of `report`.
fn is_page(start: &[u8]) -> bool {
    start.starts_with(b"<!doctype html>") && String::from_utf8_lossy(start).contains("<title>blowup report</title>")
}

/// Refuses to replace a page that `report` did not write.
pub fn refuse_report(dir: &Path) -> Result<(), Failure> {
    refuse_other(&dir.join(REPORT), "report of blowup's", is_page)
}

/// Whether a staging folder that a killed process left may be removed.
pub(super) fn is_stage(dir: &Path) -> bool {
    dir.join(LOCK).exists() || fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

/// Whether a file with the beginning `start` has this header, of which the beginning may be a part.
fn begins(start: &[u8], header: &[u8]) -> bool {
    let length = start.len().min(header.len());
    start[..length] == header[..length]
}
