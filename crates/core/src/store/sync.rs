//! Written rows reach the disk about a second later. A thread of its own syncs them, so that
//! whoever appends does not wait for a disk.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long rows may wait for a sync. A power cut can lose younger rows, and their trials run
/// again.
const EVERY: Duration = Duration::from_secs(1);

/// The thread that syncs files.
pub struct Syncer {
    shared: Arc<Shared>,
    /// The thread ends when this is dropped.
    wake: Sender<()>,
}

#[derive(Default)]
struct Shared {
    /// Whether something was written that no sync has seen.
    dirty: AtomicBool,
    failed: Mutex<Option<io::Error>>,
}

impl Syncer {
    /// Starts the thread. Of two files, the one that the rows of the other rely on comes first.
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

    /// Notes that something was written.
    ///
    /// # Errors
    /// If an earlier sync failed. Then what was written since the sync before it may be lost.
    pub fn wrote(&self) -> io::Result<()> {
        if !self.shared.dirty.swap(true, Ordering::SeqCst) {
            // The thread lives as long as this sender, so sending cannot fail.
            let _ = self.wake.send(());
        }
        match self.shared.failed.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take() {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}
