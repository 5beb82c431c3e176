//! The part of a grid on which a process works: `I/N`, the I-th of N, from 1. `split` decides which
//! trials are in it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A shard of a grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Shard {
    /// The number of this shard, from 1 to `count`.
    index: u32,
    count: u32,
}

impl Shard {
    /// The most shards, which is more jobs than any scheduler gives.
    pub const MOST: u32 = 1_000_000;

    /// The shard with this number. It is `None` unless 1 <= index <= count <= `MOST`.
    pub fn new(index: u32, count: u32) -> Option<Shard> {
        (1 <= index && index <= count && count <= Shard::MOST).then_some(Shard { index, count })
    }

    pub fn index(self) -> u32 {
        self.index
    }

    pub fn count(self) -> u32 {
        self.count
    }

    /// The name of the shard's folder, which lies below that of the sweep.
    pub fn folder(self) -> String {
        format!("shard-{}-of-{}", self.index, self.count)
    }

    /// The shard whose folder has this name.
    pub fn from_folder(name: &str) -> Option<Shard> {
        let (index, count) = name.strip_prefix("shard-")?.split_once("-of-")?;
        let shard = Shard::new(index.parse().ok()?, count.parse().ok()?)?;
        (shard.folder() == name).then_some(shard)
    }
}

/// Writes it as `2/8`.
impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let wrong = || format!("`{text}` is no shard: expected I/N with 1 <= I <= N <= {}, as in 2/8", Shard::MOST);
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        Shard::new(number(index).ok_or_else(wrong)?, number(count).ok_or_else(wrong)?).ok_or_else(wrong)
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> String {
        shard.to_string()
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Shard, String> {
        text.parse()
    }
}
