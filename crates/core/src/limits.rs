//! How long a chunk may take, and how much memory a worker may hold, before it is ended. This
//! module is pure.
//!
//! Limits are for trials, but trials train in chunks. So a chunk that exceeds a limit is split
//! until the trial that causes it is alone, and only a trial that trains alone is lost. No trial
//! pays for its neighbours.

use crate::record::Lost;
use std::str::FromStr;
use std::time::Duration;

/// Without `--timeout`, a chunk may take this many seconds, plus `HANG_TIMES` times what was
/// predicted. On a machine a hundred times slower than the one on which the predictions were
/// measured, the first chunks still have half of their time left. After that `Pace` learns from
/// each chunk that ends.
const HANG_SECONDS: f64 = 300.0;
const HANG_TIMES: f64 = 200.0;
/// The trials of a program that may be lost in this way before the next ones are given the share
/// `HASTE` of that time, and one try.
const HANGS: u32 = 2;
const HASTE: f64 = 0.1;
/// With `--timeout`, a chunk of several trials may take at least this many times what was
/// predicted. Planned chunks take less than a quarter of the limit, so this matters only on a
/// slower machine.
const CHUNK_TIMES: f64 = 4.0;

/// The limits of one sweep.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// `--timeout`: the seconds for a trial that trains alone.
    pub timeout: Option<f64>,
    /// `--memory`: the bytes for a worker.
    pub memory: Option<u64>,
    /// The bytes that a worker may hold in any case: `memory`, or else its share of the machine.
    pub ceiling: u64,
}

/// How much slower this machine is than predicted, learned from the chunks that ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    predicted: f64,
    taken: f64,
    /// The trials of a program that were lost because they took too long, where the user has set
    /// no limit.
    hung: u32,
}

impl Pace {
    /// Takes the predicted and the actual seconds of a chunk that ended.
    pub fn learn(&mut self, predicted: f64, taken: f64) {
        self.predicted += predicted;
        self.taken += taken;
    }

    /// A trial of a program was lost because it took too long, where the user has set no limit.
    pub fn note_hang(&mut self) {
        self.hung += 1;
    }

    /// Whether so many trials of a program hung that others are waited for less long.
    fn is_hasty(self) -> bool {
        self.hung >= HANGS
    }

    /// The factor on predicted seconds; 1 if the machine is not slower.
    fn factor(self) -> f64 {
        if self.predicted > 0.0 { (self.taken / self.predicted).max(1.0) } else { 1.0 }
    }
}

impl Limits {
    /// The most seconds for a chunk of `trials` trials that should take `predicted` seconds.
    pub fn seconds(&self, trials: usize, predicted: f64, pace: Pace) -> f64 {
        let expected = predicted * pace.factor();
        match self.timeout {
            Some(timeout) if trials == 1 => timeout,
            Some(timeout) => timeout.max(CHUNK_TIMES * expected),
            None if pace.is_hasty() => HASTE * (HANG_SECONDS + HANG_TIMES * expected),
            None => HANG_SECONDS + HANG_TIMES * expected,
        }
    }

    /// The seconds that a planned chunk should take at most.
    pub fn chunk_seconds(&self) -> Option<f64> {
        self.timeout.map(|timeout| timeout / CHUNK_TIMES)
    }

    /// The limit that the user set for this kind of loss, in seconds or bytes. It is `None` for a
    /// crash, and where the default holds.
    pub fn of(&self, lost: Lost) -> Option<f64> {
        match lost {
            Lost::Crashed => None,
            Lost::Timeout => self.timeout,
            Lost::Memory => self.memory.map(|bytes| bytes as f64),
        }
    }

    /// How often a trial that trains alone may fail in this way before it is lost. A limit that the
    /// user set holds at once. A crash may have been somebody's kill -9, a hang under the default
    /// may have been a suspended machine, and an earlier chunk may have left the memory full.
    pub fn lives(&self, lost: Lost, pace: Pace) -> u32 {
        match lost {
            Lost::Timeout if self.timeout.is_some() || pace.is_hasty() => 1,
            Lost::Crashed | Lost::Timeout | Lost::Memory => 2,
        }
    }
}

/// What the machine has, and what each worker should get of it.
#[derive(Debug, Clone, Copy)]
pub struct Wishes {
    /// `--workers`
    pub workers: Option<usize>,
    pub cores: usize,
    /// `--memory`, in bytes.
    pub memory: Option<u64>,
    /// The free bytes of the machine; `None` if nobody knows.
    pub available: Option<u64>,
    /// The predicted bytes of a worker that trains the largest trial alone.
    pub fewest: f64,
}

/// What each worker gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    pub workers: usize,
    /// The bytes of a worker for which chunks are cut.
    pub planned: f64,
    /// See [`Limits`].
    pub ceiling: u64,
    /// Whether even the smallest chunks are predicted to be too large.
    pub crowded: bool,
}

/// The share of the free memory that workers may use. A tenth stays free for the parent and
/// everybody else.
const USABLE: f64 = 0.9;
/// By default a worker may hold this many times its predicted bytes, plus `CEILING_BYTES`, before
/// it is ended.
const CEILING_TIMES: f64 = 2.0;
const CEILING_BYTES: f64 = 512.0 * 1024.0 * 1024.0;

impl Wishes {
    /// Divides the machine. There are fewer workers than cores where the memory does not suffice
    /// for all.
    pub fn shares(self) -> Shares {
        let Some(available) = self.available else {
            let ceiling = self.memory.unwrap_or(u64::MAX);
            return Shares {
                workers: self.workers.unwrap_or(self.cores),
                planned: ceiling as f64,
                ceiling,
                crowded: false,
            };
        };
        let usable = USABLE * available as f64;
        let fit = (usable / self.fewest) as usize;
        let workers = self.workers.unwrap_or(self.cores.min(fit)).max(1);
        let share = usable / workers as f64;
        let ceiling = self.memory.unwrap_or(share.max(CEILING_TIMES * self.fewest + CEILING_BYTES) as u64);
        Shares { workers, planned: share.min(ceiling as f64), ceiling, crowded: workers > fit }
    }
}

/// A number of bytes, as `512M`, `2G`, `1.5GiB` or `800000000`. Units are powers of 1024, as Slurm,
/// systemd and Docker have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Bytes, &'static str> {
        const WRONG: &str = "expected bytes, as 512M, 2G or 800000000";
        let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let power = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 1,
            "m" | "mb" | "mib" => 2,
            "g" | "gb" | "gib" => 3,
            "t" | "tb" | "tib" => 4,
            _ => return Err(WRONG),
        };
        let bytes = number.parse::<f64>().map_err(|_| WRONG)? * 1024f64.powi(power);
        if bytes < 1e18 { Ok(Bytes(bytes as u64)) } else { Err(WRONG) }
    }
}

/// Reads a positive number of seconds, as `60`, `0.5` or `60s`.
pub fn seconds(text: &str) -> Result<f64, &'static str> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
    let fits = |s: &f64| *s > 0.0 && Duration::try_from_secs_f64(*s).is_ok();
    seconds.ok().filter(fits).ok_or("expected seconds above 0, as 60 or 0.5")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_two_that_hung_others_are_waited_for_less_long() {
        let limits = |timeout| Limits { timeout, memory: None, ceiling: u64::MAX };
        let mut pace = Pace::default();
        pace.note_hang();
        assert_eq!((limits(None).seconds(1, 1.0, pace), limits(None).lives(Lost::Timeout, pace)), (500.0, 2));
        pace.note_hang();
        assert_eq!((limits(None).seconds(1, 1.0, pace), limits(None).lives(Lost::Timeout, pace)), (50.0, 1));
        // Trials that end in a minute each are given the time that they take.
        pace.learn(3.0, 180.0);
        assert!(limits(None).seconds(1, 1.0, pace) > 1200.0);
        assert_eq!(limits(None).lives(Lost::Crashed, pace), 2);
        assert_eq!(limits(Some(7.0)).seconds(1, 1.0, pace), 7.0);
    }
}
