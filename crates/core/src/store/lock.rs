//! One sweep at a time writes into a folder. The operating system holds the lock, which dies with
//! its owner.

use super::folder::Folder;
use crate::failure::Failure;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;

/// The name of the lock file.
pub const LOCK: &str = ".lock";

/// The lock of a folder. The folder itself is locked, so the lock holds whatever is removed from
/// the folder. Some network file systems lock no folders. There the file `.lock` counts, and its
/// removal is noticed. (Older versions lock the file alone.)
pub struct Lock {
    folder: Folder,
    file: File,
    /// Whether the folder itself is locked.
    whole: bool,
    /// Whether the lock file was made for this lock.
    pub made: bool,
}

impl Lock {
    /// Locks a folder.
    pub fn take(folder: &Folder) -> Result<Lock, Failure> {
        let (path, taken) = (folder.path(), FlockOperation::NonBlockingLockExclusive);
        let unwritable = |error| Failure::io("write to the folder", path, &error);
        let whole = match flock(folder.fd().map_err(unwritable)?, taken) {
            Ok(()) => true,
            Err(Errno::WOULDBLOCK) => return Err(other(path)),
            Err(error) => {
                tracing::debug!("`{}` cannot be locked itself: {error}", path.display());
                false
            }
        };
        let made = !folder.has(LOCK);
        let file = folder.append(LOCK).map_err(unwritable)?;
        match flock(&file, taken) {
            // A sweep that did not begin removes its lock file, so holding a removed file would
            // mean nothing.
            Ok(()) if folder.is_same(LOCK, &file) && folder.is_in_place() => {}
            Ok(()) | Err(Errno::WOULDBLOCK) => return Err(other(path)),
            Err(error) => return Err(Failure::io("lock", &folder.name(LOCK), &error.into())),
        }
        Ok(Lock { folder: folder.clone(), file, whole, made })
    }

    /// Removes the lock file if it was made for this lock.
    pub fn unmake(&self) {
        if self.made && self.folder.is_same(LOCK, &self.file) {
            let _ = self.folder.remove(LOCK);
        }
    }

    /// Checks that this lock still guards the folder.
    ///
    /// # Errors
    /// If another sweep may have taken the name or the folder since.
    pub fn check(&self) -> Result<(), Failure> {
        let name = self.folder.path().display();
        if !self.folder.is_in_place() {
            let text = format!(
                "`{name}` is no longer the folder that this sweep locked: it was moved or removed while the sweep was running"
            );
            return Err(Failure::new(text).hint(
                "what is there now was left alone; a folder that was moved has the rows written so far, and the same command with its name as `--out` goes on with it",
            ));
        }
        if !self.whole && !self.folder.is_same(LOCK, &self.file) {
            let text = format!("`{name}/{LOCK}` was removed while the sweep was running: another sweep can write here");
            return Err(
                Failure::new(text).hint("see that no other sweep is running on the folder; the same command resumes")
            );
        }
        Ok(())
    }

    /// Whether another process holds the lock of the folder. This only looks, and locks the folder
    /// for a moment at most.
    pub fn is_held(dir: &Path) -> bool {
        let blocked = |fd: &dyn rustix::fd::AsFd| {
            flock(fd.as_fd(), FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
        };
        Folder::open(dir).is_ok_and(|folder| {
            folder.fd().is_ok_and(|fd| blocked(fd)) || folder.read(LOCK).is_ok_and(|file| blocked(&file))
        })
    }
}

fn other(dir: &Path) -> Failure {
    Failure::new(format!("another sweep is running in `{}`", dir.display()))
        .hint("wait for it, or give this one a folder of its own with `--out`")
}
