//! This room reads files that others wrote or named. It does not wait for what is no regular file,
//! and it reads no file into memory without a bound, except the data of csv tasks. What the bytes
//! mean is for other rooms. `clippy.toml` keeps all other rooms from opening a file.
//!
//! Every function here that returns an error fails if the file cannot be read. The other reasons
//! are named at the function.
#![expect(clippy::disallowed_methods, reason = "the room in which files are opened for reading")]

use crate::failure::Failure;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The bytes of the longest spec, and of the longest manifest.
const LONGEST: u64 = 64 << 20;

/// The SHA-256 of what was read, hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads the text of a spec from a file or a pipe (`<(...)`).
///
/// # Errors
/// If it cannot be read, does not end, or is not UTF-8; the error names the place.
pub fn spec(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: io::Error| Failure::io("read the spec", path, &error);
    if fs::metadata(path).map_err(unreadable)?.file_type().is_fifo() {
        tracing::warn!("`{}` is a pipe: the spec is what comes until its writer ends", path.display());
    }
    spec_of(path, File::open(path).map_err(unreadable)?)
}

/// Reads the text of the spec that a folder of results keeps, which must be a regular file.
///
/// # Errors
/// As for `spec`, and if it is no regular file.
pub fn kept_spec(path: &Path) -> Result<String, Failure> {
    spec_of(path, open(path).map_err(|error| Failure::io("read the spec", path, &error))?)
}

fn spec_of(path: &Path, file: File) -> Result<String, Failure> {
    let unreadable = |error: io::Error| Failure::io("read the spec", path, &error);
    let mut bytes = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        let text = format!("`{}` is longer than {} MiB, so it is no spec", path.display(), LONGEST >> 20);
        return Err(Failure::new(text).hint("a spec is a TOML file of a few lines; long lists may be ranges"));
    }
    String::from_utf8(bytes).map_err(|error| not_utf8(path, error.as_bytes(), error.utf8_error().valid_up_to()))
}

fn not_utf8(path: &Path, bytes: &[u8], at: usize) -> Failure {
    let line_start = bytes[..at].iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    let line = 1 + bytes[..at].iter().filter(|b| **b == b'\n').count();
    let column = 1 + String::from_utf8_lossy(&bytes[line_start..at]).chars().count();
    let hint = match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it begins as UTF-16 does; save it as UTF-8",
        _ => "a spec is a text in UTF-8",
    };
    Failure::new(format!("`{}` is not UTF-8: line {line}, column {column}", path.display())).hint(hint)
}

/// Whether an existing path leads to a regular file.
pub fn is_file(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.is_file())
}

/// The error for a pipe, a device or a folder that was not opened.
pub fn no_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")
}

/// Opens a regular file. A pipe or a device, which may never end, is an error.
pub fn open(path: &Path) -> io::Result<File> {
    // The path is looked at before it is opened, since opening a pipe tells its writer that it has
    // a reader. It is looked at again afterwards, since it may have been replaced.
    if !is_file(path)? {
        return Err(no_file());
    }
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(no_file()) }
}

/// Opens a regular file to be read from its start to its end.
pub fn buffered(path: &Path) -> io::Result<BufReader<File>> {
    Ok(BufReader::with_capacity(1 << 16, open(path)?))
}

/// How many times a byte stands in a file.
pub fn count(path: &Path, byte: u8) -> io::Result<u64> {
    let mut reader = buffered(path)?;
    let mut count = 0;
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            return Ok(count);
        }
        count += bytes.iter().filter(|found| **found == byte).count() as u64;
        let read = bytes.len();
        reader.consume(read);
    }
}

/// Whether a regular file has exactly these bytes. It is false if the file cannot be read.
pub fn holds(path: &Path, bytes: &[u8]) -> bool {
    let read = || -> io::Result<bool> {
        let file = open(path)?;
        if file.metadata()?.len() != bytes.len() as u64 {
            return Ok(false);
        }
        let (mut found, mut rest) = (vec![0; 1 << 16], bytes);
        let mut file = file.take(bytes.len() as u64);
        while !rest.is_empty() {
            let read = file.read(&mut found)?;
            let Some(expected) = rest.split_off(..read).filter(|_| read > 0) else { return Ok(false) };
            if *expected != found[..read] {
                return Ok(false);
            }
        }
        Ok(true)
    };
    read().unwrap_or(false)
}

/// The text of a file of the kernel (below `/proc` or `/sys`), which never keeps its reader
/// waiting. It is `None` if the file cannot be read.
pub fn system(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The text of a file of a run directory, if it is there. A file that is too long or not UTF-8
/// becomes text that nothing accepts.
pub fn text(path: &Path) -> Result<Option<String>, Failure> {
    let mut bytes = Vec::new();
    match open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)) {
        Ok(_) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io("read", path, &error)),
    }
}

/// The path of a data file, as text that a worker can open, and its bytes.
pub fn data(path: &Path) -> io::Result<(String, Vec<u8>)> {
    let text = path.to_str().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "its path is not UTF-8"))?;
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes)?;
    Ok((text.to_owned(), bytes))
}
