//! Written rows reach the disk about a second later, by a thread of its own: the one that appends must not wait for a disk.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Rows that are younger may be lost in a power cut. Their trials run again.
const EVERY: Duration = Duration::from_secs(1);

pub struct Syncer {
    shared: Arc<Shared>,
    /// The thread ends when this is dropped.
    wake: Sender<()>,
}

#[derive(Default)]
struct Shared {
    /// Something was written that no sync has seen.
    dirty: AtomicBool,
    failed: Mutex<Option<io::Error>>,
}

impl Syncer {
    /// `files`: those that a row of another one relies on come first.
    pub fn start(files: Vec<File>) -> Syncer {
        let (wake, woken) = channel();
        let shared = Arc::<Shared>::default();
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            while woken.recv().is_ok() {
                std::thread::sleep(EVERY);
                own.dirty.store(false, Ordering::SeqCst);
                if let Err(error) = files.iter().try_for_each(File::sync_data) {
                    *own.failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(error);
                }
            }
        });
        Syncer { shared, wake }
    }

    /// Something was written.
    ///
    /// # Errors
    /// If an earlier sync failed: what was written since the one before it may not be there.
    pub fn wrote(&self) -> io::Result<()> {
        if !self.shared.dirty.swap(true, Ordering::SeqCst) {
            // The thread lives as long as this.
            let _ = self.wake.send(());
        }
        match self.shared.failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
