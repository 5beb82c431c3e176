//! The values of arguments: how a text is read, and what is wrong with it.

use blowup_core::plan::Shard;
use std::num::NonZeroU32;
use std::str::FromStr;

/// Parses a number of 1 or more. The errors of the standard library speak of types and digits, so
/// these three functions have their own.
pub fn at_least_one<T: FromStr>(text: &str) -> Result<T, &'static str> {
    text.parse().map_err(|_| "expected a whole number, 1 or more")
}

pub fn at_least_two(text: &str) -> Result<u32, &'static str> {
    text.parse().ok().filter(|n| *n >= 2).ok_or("expected a whole number, 2 or more")
}

pub fn whole(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "expected a whole number, 0 or more")
}

/// The value of `--shard`: a shard, or how the environment says which shard it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardArg {
    Is(Shard),
    /// A task of a Slurm job array. The number of shards is given, or is the number of tasks of the
    /// array.
    Slurm(Option<NonZeroU32>),
    /// A pod of an indexed job of Kubernetes. The number of shards is given.
    Kubernetes(NonZeroU32),
}

impl FromStr for ShardArg {
    type Err = String;

    fn from_str(text: &str) -> Result<ShardArg, String> {
        let count = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number of shards"));
        match text.split_once('/') {
            None if text == "slurm" => Ok(ShardArg::Slurm(None)),
            None if text == "kubernetes" => {
                Err("Kubernetes does not tell a pod how many there are: kubernetes/N, N as in `completions`".to_owned())
            }
            Some(("slurm", shards)) => Ok(ShardArg::Slurm(Some(count(shards)?))),
            Some(("kubernetes", shards)) => Ok(ShardArg::Kubernetes(count(shards)?)),
            _ => text.parse().map(ShardArg::Is),
        }
    }
}

/// A format of `blowup export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExportFormat {
    Parquet,
    Jsonl,
}
