//! What parent and worker say to each other: two enums, framed by their length, over the worker's stdin and stdout. Floats keep their
//! bits. What does not parse is an error, never a panic, and a frame's length is never trusted with an allocation.

use crate::record::Lost;
use crate::training::{Array, Step};
use crate::trial::{CsvFile, Trial};
use crate::verdict::{Finished, Outcome, Record};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::io::{self, Read, Write};

/// Parent and worker are the same program; this catches a binary that was replaced in the middle of a sweep.
pub const VERSION: u32 = 4;

const LONGEST_FRAME: u32 = 1 << 28;

/// To the worker. It exits when its stdin closes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Trials of one shape. `chunk` comes back with everything that is said of them. `csv`: the file of a csv task, which they share; it stands in none
    /// of them, since its names of columns can be many.
    Train { chunk: u64, record: Record, csv: Option<CsvFile>, trials: Vec<Trial> },
    /// One trial, watched: its steps are reported as they happen, before them what it starts from if `start`, then `Finished`.
    Replay { trial: Box<Trial>, record: Record, start: bool },
}

impl Order {
    pub fn train(chunk: u64, record: Record, mut trials: Vec<Trial>) -> Order {
        let csv = trials.first_mut().and_then(|first| first.task.csv.take());
        trials.iter_mut().for_each(|trial| trial.task.csv = None);
        Order::Train { chunk, record, csv, trials }
    }
}

/// From the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// Once, when it is ready. `fingerprint`: what its bits depend on.
    Hello {
        version: u32,
        fingerprint: String,
    },
    /// This device cannot be trained on, or the data is no longer what it was: no other worker will fare better.
    Unable {
        what: String,
        hint: String,
    },
    Rows {
        chunk: u64,
        rows: Rows,
    },
    /// Every trial of the chunk was reported.
    Done {
        chunk: u64,
    },
    /// Of a replay: initial weights, data, order.
    Start(Vec<Array>),
    /// Of a replay.
    Step(Step),
    /// The end of a replay.
    Finished(Box<Finished>),
    /// A replay cannot be trained, and why; `bug`: our own code went wrong over it.
    Untrained {
        message: String,
        bug: bool,
    },
    /// The engine gave up on the trials that were not reported, for a fault of the machine.
    Failed {
        chunk: u64,
        lost: Lost,
        message: String,
    },
    /// Our own code went wrong over the trials that were not reported: another attempt would end the same.
    Bug {
        chunk: u64,
        message: String,
    },
}

/// Finished trials as lines of CSV, ready to be appended. (serde would go through a `Vec<u8>` byte by byte.)
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    pub trials: Vec<Row>,
    pub runs: ByteBuf,
    /// Of each of [`SIDES`](crate::record::SIDES).
    pub sides: [ByteBuf; 3],
}

/// One finished trial: where it stands in its chunk, and how many bytes of each file are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub index: u32,
    pub outcome: Outcome,
    pub runs: u32,
    pub sides: [u32; 3],
}

/// A message as it goes over the pipe.
///
/// # Errors
/// `InvalidInput` if it is too long.
pub fn frame(message: &impl Serialize) -> io::Result<Vec<u8>> {
    const HEAD: usize = size_of::<u32>();
    let mut bytes = postcard::to_extend(message, vec![0; HEAD]).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len() - HEAD).ok().filter(|length| *length <= LONGEST_FRAME);
    let length = length
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a message is longer than the protocol allows"))?;
    bytes[..HEAD].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// Writes one frame.
///
/// # Errors
/// Those of `frame`, before a byte is written, and those of the pipe.
pub fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&frame(message)?)
}

/// Reads one frame; `None` at the end of the stream.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut head = [0; 4];
    match from.read(&mut head)? {
        0 => return Ok(None),
        n => from.read_exact(&mut head[n..])?,
    }
    let length = u32::from_le_bytes(head);
    if length > LONGEST_FRAME {
        return Err(garbage());
    }
    let mut bytes = Vec::new();
    from.take(u64::from(length)).read_to_end(&mut bytes)?;
    if bytes.len() != length as usize {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match postcard::take_from_bytes(&bytes) {
        Ok((message, [])) => Ok(Some(message)),
        Ok(_) | Err(_) => Err(garbage()),
    }
}

fn garbage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "what came over the pipe is not a message")
}
