//! Files that others wrote: what is no file is not waited for, and no file is read into memory without a bound, but for the data of csv
//! tasks. What the bytes mean is for other rooms.

use crate::failure::Failure;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Bytes of the longest spec, and of the longest manifest.
const LONGEST: u64 = 64 << 20;

/// The text of a spec, from a file or a pipe (`<(...)`).
///
/// # Errors
/// If it cannot be read, does not end, or is not UTF-8, with the place.
pub fn spec(path: &Path) -> Result<String, Failure> {
    let unreadable = |error: io::Error| Failure::io("read the spec", path, &error);
    if fs::metadata(path).map_err(unreadable)?.file_type().is_fifo() {
        tracing::warn!("`{}` is a pipe: the spec is what comes until its writer ends", path.display());
    }
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
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

/// Opens a regular file. A pipe or a device, which may never end, is an error.
pub fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    File::open(path)
}

/// The text of a file of a run directory, if it is there. What is not UTF-8 or too long becomes text that nothing accepts.
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
