//! How far the shards of a sweep are, judged by what lies in their folders.

use blowup_core::store::Status;
use std::fmt::Write as _;
use std::time::Duration;

/// What the files say of one shard.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub index: u32,
    /// Whether a process holds the lock of its folder.
    pub locked: bool,
    /// The status in its manifest, if it has one.
    pub status: Option<Status>,
    pub trials: u64,
    pub lost: u64,
    pub rows: u64,
    /// The exit status of its last task, if it is known.
    pub exit: Option<i32>,
    /// The time since its last row was written.
    pub quiet: Option<Duration>,
}

/// How far a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardState {
    Done,
    Running,
    /// It has begun, but is neither done nor running. If it is submitted again, it resumes where it
    /// was.
    Failed,
    Missing,
}

impl ShardState {
    const ALL: [ShardState; 4] = [ShardState::Done, ShardState::Running, ShardState::Failed, ShardState::Missing];

    /// The word for the state, as the table has it.
    pub fn name(self) -> &'static str {
        match self {
            ShardState::Done => "done",
            ShardState::Running => "running",
            ShardState::Failed => "failed",
            ShardState::Missing => "missing",
        }
    }
}

impl Facts {
    /// The state that the facts amount to.
    pub fn state(&self) -> ShardState {
        match (self.locked, self.status, self.exit) {
            (true, ..) => ShardState::Running,
            (false, Some(Status::Complete), _) => ShardState::Done,
            (false, None, None) => ShardState::Missing,
            (false, _, _) => ShardState::Failed,
        }
    }

    /// Why the shard is in this state, or an empty text.
    pub fn why(&self) -> &'static str {
        match (self.state(), self.exit) {
            (ShardState::Done, _) if self.lost > 0 => "with lost trials: they run again when the shard does",
            (ShardState::Done | ShardState::Running, _) => "",
            (ShardState::Missing, _) => "has not begun",
            (ShardState::Failed, Some(130)) => "interrupted: cancelled, preempted or out of time",
            (ShardState::Failed, Some(2)) => "could not run: its log says why",
            (ShardState::Failed, Some(_)) => "ended early: its log says why",
            (ShardState::Failed, None) => "ended without a word: killed, or its node is gone",
        }
    }
}

/// How many shards the table lists at most.
const LISTED: usize = 50;

/// The status of all shards as a table. `merged` is the status in the manifest of the folder that
/// holds the shards, if it has one.
pub fn text(dir: &str, shards: &[Facts], merged: Option<Status>) -> String {
    let count = |state: ShardState| shards.iter().filter(|shard| shard.state() == state).count();
    let counts: Vec<String> =
        ShardState::ALL.iter().map(|state| format!("{} {}", count(*state), state.name())).collect();
    let merged = match merged {
        Some(Status::Complete) => "merged",
        Some(Status::Partial) => "merged in part",
        Some(Status::Running | Status::Interrupted) | None => "not merged",
    };
    let mut text = format!("{dir}: {} shards: {}; {merged}\n", shards.len(), counts.join(", "));
    let open: Vec<&Facts> = shards.iter().filter(|shard| shard.state() != ShardState::Done || shard.lost > 0).collect();
    if open.is_empty() {
        return text;
    }
    let _ = writeln!(text, "\n{:>6}  {:<8} {:>16}  {:>8}  why", "shard", "state", "trials", "last row");
    for shard in open.iter().take(LISTED) {
        let trials = match shard.status {
            Some(_) => format!("{} of {}", shard.rows, shard.trials),
            None => String::new(),
        };
        let ago = shard.quiet.map(ago).unwrap_or_default();
        let line = format!("{:>6}  {:<8} {trials:>16}  {ago:>8}  {}", shard.index, shard.state().name(), shard.why());
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if open.len() > LISTED {
        let _ = writeln!(text, "and {} more", open.len() - LISTED);
    }
    text
}

/// A time, such as `12 s`, `5 min`, `3 h` or `2 d`.
fn ago(since: Duration) -> String {
    let seconds = since.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}
