//! What parent and worker say to each other: two enums, framed by their length, over the worker's
//! stdin and stdout. Floats keep their bits. Bytes that cannot be read are an error, and never a
//! panic, and no memory is allocated on the word of a frame's length alone.

use crate::map::{Measure, Reading};
use crate::record::Lost;
use crate::training::{Array, Step};
use crate::trial::{Source, Trial};
use crate::verdict::{Finished, Outcome, Record};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::io::{self, Read, Write};

/// The version of the messages. Parent and worker are the same program, so this notices a binary
/// that was replaced in the middle of a sweep.
pub const VERSION: u32 = 8;

/// The most bytes of a frame.
const LONGEST_FRAME: u32 = 1 << 28;

/// A message to the worker, which exits when its stdin closes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Trials of one shape. `chunk` comes back with everything that is said of them. `source` is
    /// that of their task, which they share. It is left out of the trials themselves, since a file
    /// can have many names of columns.
    Train { chunk: u64, wanted: Wanted, source: Source, trials: Vec<Trial> },
    /// One trial that is watched. Its steps are reported as they happen, and then `Finished`. If
    /// `start` is set, the report of what it starts from comes first, with the random numbers of
    /// the first `draws` steps of a bundle.
    Replay { trial: Box<Trial>, record: Record, start: bool, draws: u64 },
}

/// What a worker is to say of the trials that it trains.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Wanted {
    /// Their rows, with what is recorded beside them.
    Rows(Record),
    /// One reading of each, for the pixels of a map.
    Pixels(Measure),
}

impl Order {
    /// The order to train these trials.
    pub fn train(chunk: u64, wanted: Wanted, mut trials: Vec<Trial>) -> Order {
        let mut source = Source::BuiltIn;
        for trial in &mut trials {
            source = std::mem::replace(&mut trial.task.source, Source::BuiltIn);
        }
        Order::Train { chunk, wanted, source, trials }
    }
}

/// A message from the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Report {
    /// Sent once, when the worker is ready. `fingerprint` is what its bits depend on.
    Hello {
        version: u32,
        fingerprint: String,
    },
    /// The device cannot be trained on, or the data is no longer what it was. No other worker will
    /// fare better.
    Unable {
        what: String,
        hint: String,
    },
    Rows {
        chunk: u64,
        rows: Rows,
    },
    /// The readings of trials of a map.
    Pixels {
        chunk: u64,
        pixels: Vec<Pixel>,
    },
    /// Every trial of the chunk was reported.
    Done {
        chunk: u64,
    },
    /// What a replay starts from: the initial weights, the data and the order.
    Start(Vec<Array>),
    /// A step of a replay.
    Step(Step),
    /// The end of a replay.
    Finished(Box<Finished>),
    /// A replay cannot be trained, and why. `bug` says that our own code went wrong over it.
    Untrained {
        message: String,
        bug: bool,
    },
    /// The engine gave up on the trials that were not reported, because of a fault of the machine.
    Failed {
        chunk: u64,
        lost: Lost,
        message: String,
    },
    /// Our own code went wrong over the trials that were not reported. Another attempt would end in
    /// the same way.
    Bug {
        chunk: u64,
        message: String,
    },
}

/// Finished trials as lines of CSV, ready to be appended. They are `ByteBuf`s, since serde would go
/// through a `Vec<u8>` byte by byte.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    pub trials: Vec<Row>,
    pub runs: ByteBuf,
    /// The lines of each of `record::SIDES`.
    pub sides: [ByteBuf; 3],
}

/// One finished trial: its place in its chunk, and how many bytes of each file are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub index: u32,
    pub outcome: Outcome,
    pub runs: u32,
    pub sides: [u32; 3],
}

/// The reading of one trial of a map, and its place in its chunk.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Pixel {
    pub index: u32,
    pub reading: Reading,
}

/// A message as it goes through the pipe.
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
/// The errors of `frame`, before a byte is written, and those of the pipe.
pub fn send(to: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    to.write_all(&frame(message)?)
}

/// Reads one frame; `None` at the end of the stream.
///
/// # Errors
/// Those of the pipe, and if the bytes are no message.
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
