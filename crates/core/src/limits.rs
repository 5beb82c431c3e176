//! How long a chunk may take and how much memory a worker may hold before it is ended. Pure.
//!
//! Limits are for trials, but trials train in chunks. So a chunk that goes beyond them is split until the guilty trial is alone, and only alone is
//! a trial lost: no trial pays for its neighbours.

use crate::record::Lost;
use std::str::FromStr;
use std::time::Duration;

/// Without `--timeout`: this long, and so many times what was predicted. On a machine a hundred times slower than the one on which predictions
/// were measured, the first chunks still have half of their time left; and `Pace` learns from each that ends.
const HANG_SECONDS: f64 = 300.0;
const HANG_TIMES: f64 = 200.0;
/// With `--timeout`, a chunk of several trials has at least so many times what was predicted: planned chunks take less than a quarter of the limit,
/// so this matters only on a slower machine.
const CHUNK_TIMES: f64 = 4.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// `--timeout`: seconds for a trial that trains alone.
    pub timeout: Option<f64>,
    /// `--memory`: bytes for a worker.
    pub memory: Option<u64>,
    /// What a worker may hold at all: `memory`, or else its share of the machine.
    pub ceiling: u64,
}

/// How much slower than predicted this machine is, from the chunks that ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    predicted: f64,
    taken: f64,
}

impl Pace {
    pub fn learn(&mut self, predicted: f64, taken: f64) {
        self.predicted += predicted;
        self.taken += taken;
    }

    /// 1 if it is not slower.
    fn factor(self) -> f64 {
        if self.predicted > 0.0 { (self.taken / self.predicted).max(1.0) } else { 1.0 }
    }
}

impl Limits {
    /// The most seconds for a chunk of so many trials that should take `predicted` seconds.
    pub fn seconds(&self, trials: usize, predicted: f64, pace: Pace) -> f64 {
        let expected = predicted * pace.factor();
        match self.timeout {
            Some(timeout) if trials == 1 => timeout,
            Some(timeout) => timeout.max(CHUNK_TIMES * expected),
            None => HANG_SECONDS + HANG_TIMES * expected,
        }
    }

    /// What a planned chunk should take at most.
    pub fn chunk_seconds(&self) -> Option<f64> {
        self.timeout.map(|timeout| timeout / CHUNK_TIMES)
    }

    /// What the user set for this fault; none for a crash and where the default holds.
    pub fn of(&self, lost: Lost) -> Option<f64> {
        match lost {
            Lost::Crashed => None,
            Lost::Timeout => self.timeout,
            Lost::Memory => self.memory.map(|bytes| bytes as f64),
        }
    }

    /// How often a trial that is alone may fail so before it is lost. A limit that the user set holds at once; a crash may have been somebody's
    /// kill -9, a hang by default a machine that was suspended, and memory what an earlier chunk left behind.
    pub fn lives(&self, lost: Lost) -> u32 {
        match lost {
            Lost::Timeout if self.timeout.is_some() => 1,
            Lost::Crashed | Lost::Timeout | Lost::Memory => 2,
        }
    }
}

/// What there is to share, and who wants how much of it.
#[derive(Debug, Clone, Copy)]
pub struct Wishes {
    /// `--workers`
    pub workers: Option<usize>,
    pub cores: usize,
    /// `--memory`
    pub memory: Option<u64>,
    /// Of the machine; None if nobody knows.
    pub available: Option<u64>,
    /// Predicted, of a worker that trains the largest trial alone.
    pub fewest: f64,
}

/// What each worker gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    pub workers: usize,
    /// What its chunks are cut for.
    pub planned: f64,
    /// See `Limits`.
    pub ceiling: u64,
    /// Whether even the smallest chunks are predicted to be too large.
    pub crowded: bool,
}

/// A tenth of the machine stays free for the parent and everybody else.
const USABLE: f64 = 0.9;
/// By default a prediction may be this far off before a worker is ended.
const CEILING_TIMES: f64 = 2.0;
const CEILING_BYTES: f64 = 512.0 * 1024.0 * 1024.0;

impl Wishes {
    /// Fewer workers than cores where the machine has no memory for all.
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

/// `512M`, `2G`, `1.5GiB`, `800000000`: bytes, with units of 1024 as Slurm, systemd and Docker have them.
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

/// A positive number of seconds.
pub fn seconds(text: &str) -> Result<f64, &'static str> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse::<f64>();
    let fits = |s: &f64| *s > 0.0 && Duration::try_from_secs_f64(*s).is_ok();
    seconds.ok().filter(fits).ok_or("expected seconds above 0, as 60 or 0.5")
}
